"""Which functions of a project may keep what they find for whoever calls them next. Pure.

A test that is given what another has read or computed depends on it, though it has not read it itself. So what happens beneath such
a function counts for all who depend on its module. In doubt a function keeps. Which do so by themselves is told by their texts
(`crates/source/src/outline/keeping.rs`); here, which have it kept by others, to whom they give it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from dx_py_test_runner.inputs.blame import as_of_any
from dx_py_test_runner.inputs.executed import A_CLASS, HEARING_OF_CLASSES, MAKING, Keepers, around, owner_of
from dx_py_test_runner.select.outline import Call, Gives, Outline

UNKNOWN_BASE = "?"
"""Stands for a class that another derives from, if it has no name there."""

_IN_OBJECT, _ANYWHERE = 1, 2
"""As in :class:`~dx_py_test_runner.select.outline.Gives`."""


def keeps(name: str, known: frozenset[str], given: frozenset[str] = frozenset()) -> bool:
    """Whether the code of this qualified name may keep something.

    :param known: ``Keepers.names`` of its file.
    :param given: ``Keepers.handed``.
    """
    name = owner_of(name)
    if name.rpartition(".")[2].startswith("<"):
        return name.endswith("<lambda>")  # bound to whatever, by whomever
    return name in known or name.rpartition(".")[2] in given


def keepers_of(outlines: Mapping[str, Outline]) -> Keepers:
    """The functions that may keep something in files of these outlines, by their own doing or by that of others among them.

    Who gives something to a function that keeps what it is given has it kept, and if it was given it itself, so has whoever
    calls it. Only the last names of what is called are known, so all functions of a name are one.
    """
    giving = _Giving(outlines.values())
    given = giving.functions
    names, in_object, givers, places = {}, {}, {}, {}
    own = frozenset(part for found in outlines.values() for name, _body, _signature in found.bodies for part in name.split("."))
    taken = _Taken(outlines.values(), own, giving)
    for number, (path, found) in enumerate(outlines.items()):
        levels = {name: _IN_OBJECT if name in found.in_object else _ANYWHERE for name in found.keepers}
        for one in found.gives:
            # With what one has been given, a function within it may keep it later.
            later = _ANYWHERE if one.keeps_given else 0
            levels[one.name] = max(levels.get(one.name, 0), given[number, one.name].level, later)
        names[path] = frozenset(name for name, level in levels.items() if level)
        givers[path] = {one.name: frozenset(given[number, one.name].to) for one in found.gives if given[number, one.name].to}
        # A method that is taken from its class may be called with whatever object.
        into = {name: map(as_of_any, where) if taken.has(name) else where for name, where in _with_those_within(found.places).items()}
        places[path] = {name: _named(name, frozenset(where), own) for name, where in into.items()}
        in_object[path] = frozenset(name for name, level in levels.items() if level == _IN_OBJECT and not taken.has(name))
    handed = frozenset(name for found in outlines.values() for name in found.handed)
    handing = {path: {name: frozenset(words) for name, words in found.handing} for path, found in outlines.items()}
    return Keepers(names, in_object, handed, givers, places, handing, giving.called_as())


def _with_those_within(places: Iterable[tuple[str, Iterable[str]]]) -> dict[str, set[str]]:
    """The places of each function, and of those within it, which may put there what that was given."""
    found: dict[str, set[str]] = {}
    for name, into in places:
        for one in (name, *around(name)):
            found.setdefault(one, set()).update(into)
    return found


def _named(name: str, places: frozenset[str], own: frozenset[str]) -> frozenset[str]:
    """*places* of a function, with those where decorators put what it gives: one of the project's own is a function like others,
    and hands it on at most; of others it is known of a few."""
    decorators = {place[1:] for place in places if place[0] == "@" and place != "@*"}
    if not decorators:
        return places
    last = name.rpartition(".")[2]
    unknown = {path for path in decorators if path != "?" and path.rpartition(".")[2] not in own | _FOLLOWED}
    found = {place for place in places if place[0] != "@" or place == "@*"} | {f"@{last}", f".{last}"}
    if not {path.rpartition(".")[2] for path in decorators} <= _FOLLOWED:
        found.add("@?")
    return frozenset(found | {f"!{path}" for path in unknown})


_FOLLOWED = frozenset({"cache", "lru_cache", "cached_property", "singledispatch", "singledispatchmethod", "total_ordering", "dataclass"})
"""Decorators that keep what they find where it is looked at: in their own objects, or in that of a method."""


class _Taken:
    """Methods that are taken from their classes, and may be called with objects of others.

    :param own: the names of the project's classes and functions.
    """

    def __init__(self, outlines: Iterable[Outline], own: Collection[str], giving: _Giving) -> None:
        words = {word for found in outlines for word in found.taken}
        ambiguous = {word[1:] for word in words if word[0] == "="}
        self._from: dict[str, set[str]] = {}
        """The names of the classes that something of this name is taken from, and of those above them; ``?``: of any."""
        for word in words:
            if word[0] != "=":
                kind, _, name = word.partition(".")
                found = giving.above(kind)
                is_known = kind in own and ambiguous.isdisjoint(found)
                self._from.setdefault(name, set()).update(found if is_known else {UNKNOWN_BASE})

    def has(self, qualname: str) -> bool:
        """Whether a function of this qualified name may be one of them."""
        around, _, name = qualname.rpartition(".")
        classes = self._from.get(name, ())
        return UNKNOWN_BASE in classes or around.rpartition(".")[2] in classes


class _Function:
    """A function, as far as it is known by now."""

    def __init__(self, told: Gives) -> None:
        self.told = told
        self.level = told.puts
        self.keeps_given, self.fills_object, self.fills = told.keeps_given, told.fills_object, set(told.fills)
        self.to: set[str] = set()
        """Last names of those to whom it gives what they keep."""

    @property
    def owner(self) -> str:
        return self.told.name.rpartition(".")[0].rpartition(".")[2]

    @property
    def last_name(self) -> str:
        return self.told.name.rpartition(".")[2]

    def has_kept(self, whose: str, *, carries: bool) -> bool:
        """It puts something into what is *whose*, or has it put there; whether anything about it was not known.

        :param carries: what it was given itself, too.
        """
        before = (self.level, self.keeps_given, self.fills_object, len(self.fills))
        if whose:
            self.level = max(self.level, _IN_OBJECT if whose == "." else _ANYWHERE)
        if whose and carries:
            if whose == "*":
                self.keeps_given = True
            elif whose == ".":
                self.fills_object = True
            else:
                self.fills.add(whose)
        return before != (self.level, self.keeps_given, self.fills_object, len(self.fills))


class _Taker:
    """What all functions of one name do with what they are given."""

    def __init__(self) -> None:
        self.keeps = self.fills_object = False
        self.places: set[str] = set()
        """Of the arguments into which they put others."""

    def learn(self, function: _Function) -> bool:
        """*function* is called by this name; whether anything about it was not known."""
        before = (self.keeps, self.fills_object, len(self.places))
        self.keeps |= function.keeps_given
        self.fills_object |= function.fills_object
        row = function.told.parameters
        for name in function.fills:
            self.places.add(name)
            if name in row:
                self.places.add(str(row.index(name)))
        return before != (self.keeps, self.fills_object, len(self.places))


class _Giving:
    """Who keeps what by giving it to whom.

    Ends with the least that holds: a function keeps what it gives to one that keeps it.
    """

    def __init__(self, outlines: Iterable[Outline]) -> None:
        self.functions: dict[tuple[int, str], _Function] = {}
        """By the number of the outline, and the qualified name."""
        self._takers: dict[str, _Taker] = {}
        self._callers: dict[str, list[tuple[_Function, Call]]] = {}
        self._below: dict[str, set[str]] = {}
        self._above: dict[str, set[str]] = {}
        self._makers: dict[str, list[_Function]] = {}
        self._take_in(outlines)
        self._new = list(self.functions.values())
        while self._new:
            self._tell(self._new.pop())

    def _take_in(self, outlines: Iterable[Outline]) -> None:
        for number, found in enumerate(outlines):
            for name, bases in found.derived:
                self._above.setdefault(name, set()).update(bases)
                for base in bases:
                    self._below.setdefault(base, set()).add(name)
            for told in found.gives:
                function = self.functions[number, told.name] = _Function(told)
                if function.last_name in MAKING:
                    self._makers.setdefault(function.owner, []).append(function)
                for call in told.calls:
                    self._callers.setdefault(call.name, []).append((function, call))

    def _hears_of_classes(self, function: _Function) -> bool:
        """Whether *function* is called, without being named, when a class is made."""
        if function.last_name in HEARING_OF_CLASSES:
            return True
        return function.last_name in MAKING and (function.told.parameters[1:2] == ("bases",) or self._is_metaclass(function.owner))

    def _is_metaclass(self, name: str) -> bool:
        return any(one.lower().endswith(("type", "meta")) for one in self.above(name))

    def above(self, name: str) -> set[str]:
        """A class and all that it derives from."""
        return _reached(name, self._above)

    def _tell(self, function: _Function) -> None:
        """Have those know who call *function*."""
        if self._hears_of_classes(function):
            self._tell_callers(A_CLASS, function)
        if function.last_name not in MAKING:
            self._tell_callers(function.last_name, function)
            return
        for name in self._derived(function.owner):
            self._tell_callers(name, function)
            if function.keeps_given:
                # They begin with it, whatever they call it.
                makers = [one for one in self._makers.get(name, ()) if one is not function]
                for one in makers:
                    one.to.add(function.owner)
                self._new += [one for one in makers if one.has_kept("*", carries=True)]

    def _tell_callers(self, name: str, function: _Function) -> None:
        taker = self._takers.setdefault(name, _Taker())
        if not taker.learn(function):
            return
        for caller, call in self._callers.get(name, ()):
            # Of each of them: not one is left out because another is true.
            whose = [whose for whose in _kept_by(taker, call) if whose]
            if whose:
                caller.to.add(name)
            news = [caller.has_kept(one, carries=call.carries) for one in whose]
            if any(news):
                self._new.append(caller)

    def called_as(self) -> dict[str, frozenset[str]]:
        """Of each class that says how its objects are made, the names of those whose objects are made so."""
        return {
            name: frozenset(self._derived(name) | ({A_CLASS} if any(map(self._hears_of_classes, makers)) else set()))
            for name, makers in self._makers.items()
        }

    def _derived(self, name: str) -> set[str]:
        """A class and all below it."""
        return _reached(name, self._below)


def _reached(name: str, steps: Mapping[str, Collection[str]]) -> set[str]:
    found, waiting = set(), [name]
    while waiting:
        one = waiting.pop()
        if one not in found:
            found.add(one)
            waiting += steps.get(one, ())
    return found


def _kept_by(taker: _Taker, call: Call) -> Iterator[str]:
    """Whose that is into which a call has something put."""
    if taker.keeps:
        yield "*"
    if taker.fills_object:
        yield call.receiver
    if taker.places:
        yield from (whose for place, whose in call.arguments if place == "*" or place in taker.places)
