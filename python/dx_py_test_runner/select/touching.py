"""What a module does to others, or to the whole process, while it is loaded: what it puts into them, calls, wraps or derives from.
It is told from its text alone (`crates/source/src/outline/touching.rs`).

A test that looks into a registry depends on the modules that have put something in, though it mentions none of them.
"""

from __future__ import annotations

from typing import NamedTuple

PUTS, GIVEN, CALLS, WRAPS, DERIVES = "puts", "given", "calls", "wraps", "derives"
"""How something is touched: it is changed, or called for its effect; what it has given is; it is called for a value; it decorates;
it is a class's base."""

ANY = "*"
"""Among the functions that register: each may."""


class Statement(NamedTuple):
    """One statement of a module that may do something elsewhere."""

    touched: tuple[tuple[str, int, str], ...]
    """How, and what: an import's level and a dotted name."""
    effect: str
    """A hash of the statement, with those that bind the names that it mentions."""
    needs: tuple[tuple[int, str], ...]
    """The imported names that these mention."""


class Touches(NamedTuple):
    """What loading a module may do elsewhere: whether it does depends on what the names stand for."""

    statements: tuple[Statement, ...] = ()
    registers: tuple[str, ...] = ()
    """Names of functions that put something where it stays, or hand it to others that may."""
    derived: bool = False
    """Whether defining a class below one of this file's registers it somewhere."""
