"""Which level of the tower to ask first. Pure.

The levels themselves know whether they are true and fit (they hold the inputs and the parser); the supervisor only
chooses the order of asking, most promising first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

KEEP = {"base": 2, "configured": 3, "collected": 6}
"""How many levels of each kind a daemon keeps; the least recently used goes."""

KEEP_STALE = 2
"""How many of each kind may be among them that were not true when they were last asked: an edit that is taken back makes them true
again, and so does a branch that is switched back."""

_RANK = {"collected": 0, "configured": 1, "base": 2}


@dataclass(frozen=True, slots=True)
class Candidate:
    """What the order is decided on; *level* is carried through."""

    level: Any
    name: str
    cwd: str
    argv: tuple[str, ...]
    used: float
    stale: bool = False


def order_levels(
    candidates: list[Candidate], cwd: str, argv: tuple[str, ...], *, fresh: bool = False
) -> list[Candidate]:
    """The levels worth asking, best first.

    :param fresh: only a base will do (loading must be done again, knowing which file killed the process).
    """
    useful = [c for c in candidates if c.name == "base" or (c.cwd == cwd and not fresh)]
    return sorted(useful, key=lambda c: (_RANK[c.name], c.argv != argv, c.stale, -c.used))


def overdue(candidates: list[Candidate]) -> list[Candidate]:
    """The stale levels that have waited longest for what they were loaded from to come back, beyond those that are kept."""
    found = []
    for name in _RANK:
        stale = sorted((c for c in candidates if c.name == name and c.stale), key=lambda c: -c.used)
        found += stale[KEEP_STALE:]
    return found


def surplus(sizes: list[tuple[Candidate, int]], ceiling: int) -> list[Candidate]:
    """The levels to give up, least recently used first, until the rest needs at most *ceiling* bytes.

    A base stays: the next run would need one at once. Of equally old levels the one that was loaded further goes first.
    """
    total = sum(size for _candidate, size in sizes)
    given_up = []
    for candidate, size in sorted(sizes, key=lambda pair: (pair[0].used, _RANK[pair[0].name])):
        if total <= ceiling:
            break
        if candidate.name != "base":
            given_up.append(candidate)
            total -= size
    return given_up
