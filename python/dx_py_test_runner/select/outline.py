"""What the text of a Python file tells of what it needs, and of what it means. Both are read natively (`crates/source`)."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

from dx_py_test_runner._native import hash_bytes, outline_of
from dx_py_test_runner.inputs.facts import Facts
from dx_py_test_runner.select.touching import ANY, PUTS, Statement, Touches

_ONLY_PARSED = 0x400
"""`ast.PyCF_ONLY_AST`."""


class Call(NamedTuple):
    """A call of something that is known by its last name.

    Whose something is, is told by a word: ``""`` nobody's, as it was made there; ``"."`` the object's that the caller is a method of; ``"*"``
    anybody's; else it is that of who has called the caller, in the parameter of that name.
    """

    name: str
    receiver: str
    """Whose the object is of which a method is called; nobody's if it is none."""
    carries: bool
    """Whether anything of the caller's parameters goes into it."""
    arguments: tuple[tuple[str, str], ...]
    """Places or keywords of arguments that are somebody's (``*`` if it is not known which), and whose."""


class Gives(NamedTuple):
    """What a function puts somewhere, and what it calls. (`crates/source/src/outline/giving.rs`)"""

    name: str
    """Its qualified name."""
    puts: int
    """Where it puts something itself, whatever stands around it: 0 nowhere, 1 into its object alone, 2 anywhere."""
    keeps_given: bool
    """Whether it puts what it is given where it stays anyway."""
    fills_object: bool
    """Whether it puts what it is given, beside its object, into that."""
    fills: tuple[str, ...]
    """The parameters into which it puts what it is given."""
    parameters: tuple[str, ...]
    """Its parameters that may stand in a row, without its object."""
    calls: tuple[Call, ...]


SEEN = frozenset({"importlib.import_module", "__import__"})
"""Functions of which it is told, where functions are listened to, what they are called with."""


class Outline(NamedTuple):
    """What is known of one file. Made of plain values, so that it can be kept."""

    imports: tuple[tuple[int, str, tuple[str, ...]], ...]
    """Every import at any depth: its level, the module's name, and the names taken from it (``*`` for all; none for a plain import)."""
    names: tuple[str, ...]
    """Dotted names in strings and expressions that may be modules, or be within them."""
    dynamic: bool
    """Whether it may import, or look up, modules whose names are not in its text."""
    level: str = ""
    """A hash of the text without comments, layout, the bodies of functions, and what only those can tell of their parameters who use
    them; with their docstrings, and with what kinds of functions they are. Empty if it is no Python."""
    bodies: tuple[tuple[str, str, str], ...] = ()
    """The qualified name of each function, a hash of its parameters and its body, without those of functions within it, and one of its
    parameters alone."""
    keepers: tuple[str, ...] = ()
    """Qualified names of functions that may keep what they find (:mod:`select.keeping`)."""
    in_object: tuple[str, ...] = ()
    """Those of them that keep it in the object alone that they are methods of: no longer than that is there."""
    handed: tuple[str, ...] = ()
    """Names of what it hands to others that may keep what it gives."""
    gives: tuple[Gives, ...] = ()
    """What its functions may have kept by others; none for tests and fixtures: what these leave behind, they do not keep."""
    derived: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Classes that derive from others, with the last names of these."""
    places: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Into what its functions put something, in words: ``.name``, an attribute or a variable of a module; ``name``, items of what has this name;
    ``.*`` and ``*``, of whatever; ``~C``, ``~C.name``, ``~C.*``, of its own object; ``=a.b.c`` and ``#a.b``, the same with the whole path; ``@name``, wherever a decorator puts it.
    (`crates/source/src/outline/places.rs`)"""
    handing: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """The names, but for their own, of what its functions, and itself (``""``), give to others, return or put anywhere."""
    taken: tuple[str, ...] = ()
    """What it takes from classes, as ``C.name``, but for methods that are called with the object of the method around them; and, as ``=C``, names
    that may stand for other classes than those that are called so."""
    loads: tuple[tuple[int, str, tuple[str, ...]], ...] = ()
    """The imports that are done whenever the module is loaded."""
    touches: Touches = Touches()
    """What loading the module does to others."""
    dynamic_in: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """The qualified names of the functions in which it does so (see `dynamic`), but for those that only execute a text (``""``: perhaps anywhere), and
    the names of the functions that they call for that (``""``: one that does so in any case)."""

    def is_dynamic(self) -> bool:
        """Whether it may do so whatever functions of it are executed."""
        return any(not name and not SEEN.issuperset(by) for name, by in self.dynamic_in)

    def dynamic_by(self, name: str) -> tuple[str, ...]:
        """By calling which functions modules may be reached unseen, whose names are not in the text, while the code of this qualified name is executed."""
        known = dict(self.dynamic_in).get(self._of_function(name)[0], ()) if self.dynamic_in else ()
        return tuple(one for one in known if one not in SEEN)

    def has_function(self, name: str) -> bool:
        """Whether it has a function of this name outside of others and of classes."""
        return any(name == one for one, _body, _signature in self.bodies)

    def body(self, name: str) -> str:
        """The hash of the function whose code has this qualified name: of that around it, if it has no body of its own (a lambda,
        a comprehension, a class); '' if there is none."""
        return self._of_function(name)[1]

    def signature(self, name: str) -> str:
        """Likewise, of its parameters alone."""
        return self._of_function(name)[2]

    def _of_function(self, name: str) -> tuple[str, str, str]:
        bodies = {one[0]: one for one in self.bodies}
        while name and name not in bodies:
            name = name.rpartition(".")[0].removesuffix(".<locals>")
        return bodies.get(name, ("", "", ""))

    def signatures(self) -> str:
        """A hash of all parameters."""
        return hash_bytes(repr([(name, signature) for name, _body, signature in self.bodies]).encode("utf-8", "surrogatepass")).hex()[:32]


NO_PYTHON = Outline((), (), True)
"""Of a text that cannot be loaded as a module: it needs nothing."""


def meaning(text: bytes) -> str:
    """A hash of a file's text without comments and layout. One that is no Python means what it says."""
    facts = Facts(text)
    return hash_bytes(text).hex()[:32] if facts.problems else facts.whole.hex()


def outline(text: bytes) -> Outline:
    """The outline of a file with this text."""
    found = outline_of(text)
    if isinstance(found, str):
        try:
            # A few codecs give what is no text.
            found = outline_of(text.decode(found).encode(), decoded=True)
        except (LookupError, ValueError):
            return NO_PYTHON
    if found is not None:
        return from_plain(found)
    return _unreadable(text) if _is_parsed(text) else NO_PYTHON


def _is_parsed(text: bytes) -> bool:
    """Whether the interpreter's own parser takes a text."""
    with warnings.catch_warnings(action="ignore"):
        try:
            compile(text, "<text>", "exec", _ONLY_PARSED, dont_inherit=True)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return False
    return True


def _unreadable(text: bytes) -> Outline:
    """Of a file that can be loaded, though our parser does not take it: whatever it could do, it does."""
    everything = Statement(((PUTS, 0, "os.environ"),), hash_bytes(text).hex()[:32], ())
    return NO_PYTHON._replace(touches=Touches((everything,), (ANY,), True))


def from_plain(value: tuple[Any, ...]) -> Outline:
    """The outline of which this is what is left when it was kept."""
    found = Outline(*value)
    statements, *rest = found.touches
    gives = tuple(Gives(*one[:-1], tuple(Call(*call) for call in one[-1])) for one in found.gives)
    return found._replace(gives=gives, touches=Touches(tuple(Statement(*one) for one in statements), *rest))


def as_plain(known: Outline) -> tuple[Any, ...]:
    """An outline as values that :mod:`marshal` takes."""
    gives = tuple((*one[:-1], tuple(map(tuple, one.calls))) for one in known.gives)
    touches = (tuple(map(tuple, known.touches.statements)), *known.touches[1:])
    return tuple(known._replace(gives=gives, touches=touches))  # type: ignore[arg-type]
