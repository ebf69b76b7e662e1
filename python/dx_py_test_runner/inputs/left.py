"""What a test has left behind: under which names it can have been put where it is, and by whose methods.

That something is otherwise tells :mod:`~dx_py_test_runner.inputs.traces`; which functions it can be the doing of, :mod:`~dx_py_test_runner.inputs.blame`.
"""

from __future__ import annotations

import functools
import re
import sys
import types
from collections import namedtuple
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

_FAR = 64
"""Through how many objects without names what holds an object is followed."""

WITHIN = "[]"
"""Behind the name of what something is within, once for each step, up to three times."""

ITS_OBJECT = "~"
"""Stands for the items of an object of a class that is no plain collection, to its methods."""

ANYTHING, ANY_ATTRIBUTE, ANY_DECORATOR, OTHERS = "*", ".*", "@*", "@?"
EVERYTHING = frozenset({ANYTHING, ANY_ATTRIBUTE, ANY_DECORATOR})
"""As names of what is otherwise: whatever, under whatever name."""


class Left(NamedTuple):
    """Something that is otherwise than before."""

    names: frozenset[str]
    """Under which it was put where it is."""
    where: frozenset[str]
    """The files of the modules that lead to it; ``""``: where else, or anywhere."""
    how: frozenset[str] | None = None
    """The methods (``[]``: an assignment to an item, ``[str]``: to one whose key is a text) by one of which that can have been done; None: by any."""
    owners: frozenset[str] | None = None
    """The classes, those above them among them, of the object whose attributes or items are otherwise; None: of any."""


ANYWHERE = frozenset({""})
UNKNOWN = Left(EVERYTHING, ANYWHERE)
"""Whatever, wherever."""

Change = tuple[Any, list[str] | None, list[Any] | None, bool]


class Naming:
    """Finds the names of what has changed, in one look. The state that was looked at is held meanwhile.

    :param native: knows what refers to what.
    :param of_modules: namespaces of the project's modules, by their addresses.
    :param of_threads: the same of threads' own objects.
    :param more: objects that are looked at apart from these, and their names, by their addresses.
    """

    def __init__(self, native: Any, of_modules: Mapping[int, Mapping[str, Any]], of_threads: Collection[int], more: Mapping[int, tuple[Any, str]]) -> None:
        self._native = native
        self._of_modules = of_modules
        self._locals = of_threads
        self._more = more
        self._through_others: list[bool] = []
        """Of what has changed, whether it is held by an object of others, whose methods change it in ways that have no names here."""
        self._owners: dict[int, set[str]] = {}
        """Of what has changed, the classes of the objects whose attributes that are; ``*``: of others, too."""

    def left_in(self, changes: Sequence[Change]) -> list[Left]:
        """Where and how that can have been done."""
        names: list[set[str]] = []
        held = []
        changed_ones = {id(changed) for changed, *_ in changes if not issubclass(type(changed), type)}
        self._through_others = [False] * len(changes)
        self._owners = {}
        for number, change in enumerate(changes):
            found_itself = set() if self._is_part_of(change, changed_ones) else self._names_in_itself(change)
            names.append(found_itself or set())
            if found_itself is None:
                changed, keys, parts, _is_new = change
                held.append(_Held(number, changed, None if keys is None else frozenset(f".{key}" for key in keys), ""))
                if type(changed) is not types.CellType and not _is_collection(changed):
                    self._owners.setdefault(number, set()).update(_classes_of(changed))
                    names[-1] |= {ITS_OBJECT, *_attributes_with(changed, parts)}
        seen = {(one.change, id(one.object)) for one in held}
        for _ in range(_FAR):
            if held:
                held = [one for one in self._climb(held, names) if (one.change, id(one.object)) not in seen]
                seen.update((one.change, id(one.object)) for one in held)
        for one in held:
            names[one.change] |= EVERYTHING
        found = []
        all_origins = self._native.origins([one[0] for one in changes])
        for number, ((changed, *_), known, origins) in enumerate(zip(changes, names, all_origins, strict=True)):
            if known:
                where = {self._of_modules[one].get("__file__", "") if one in self._of_modules else "" for one in origins}
                ways = None if self._through_others[number] else self._ways_into(changed)
                owners = self._owners.get(number, {ANYTHING})
                found.append(Left(frozenset(known), frozenset(where) or ANYWHERE, ways, None if ANYTHING in owners else frozenset(owners)))
        return found

    def _is_part_of(self, change: Change, changed_ones: Collection[int]) -> bool:
        """Whether something was made as it is, and has been put into others that are otherwise, too: these have names."""
        one, _keys, _parts, is_new_root = change
        if is_new_root or not (type(one) in (frozenset, re.Pattern, dict) or _is_tuple(one)):
            return False
        (holders,) = self._native.holders([one])
        if type(one) is dict:
            # The names of a pattern's groups are part of it: they are shown, and not handed out.
            return bool(holders) and all(type(holder) is re.Pattern for holder in holders)
        return bool(holders) and all(id(holder) in changed_ones for holder in holders)

    def _names_in_itself(self, change: Change) -> set[str] | None:
        """The names of what has changed if it has some itself; None if it is what holds it that gives it names."""
        changed, keys, parts, is_new_root = change
        kind = type(changed)
        if keys is not None and id(changed) in self._of_modules:
            # Also one that has just been loaded: who puts something into it has a name for that, too.
            return {f".{key}" for key in keys if not _is_submodule(changed, key)}
        if is_new_root:
            return set(EVERYTHING)
        if issubclass(kind, (type, types.ModuleType)):
            return set()  # its namespace has changed, or its bases
        if kind is types.FunctionType:
            asked = [key for key in _OF_FUNCTIONS if any(getattr(changed, key, None) is part for part in parts or ())]
            return {f".{key}" for key in (*_UNASKED, *asked, *changed.__dict__)}
        if kind is functools._lru_cache_wrapper:
            return {f"@{changed.__name__}"}
        if id(changed) in self._locals:
            return set(EVERYTHING) if keys is None else {f".{key}" for key in keys}
        return {self._more[id(changed)][1]} if id(changed) in self._more else None

    def _climb(self, held: Sequence[_Held], names: Sequence[set[str]]) -> list[_Held]:
        """Add the names that objects are held by; gives what holds them without a name."""
        further: list[_Held] = []
        for one, holders in zip(held, self._native.holders([one.object for one in held]), strict=True):
            if id(one.object) in self._locals:
                self._owners.setdefault(one.change, set()).add(ANYTHING)
                names[one.change].update(one.as_attribute or EVERYTHING)
            elif id(one.object) in self._more:
                names[one.change].add(self._more[id(one.object)][1] + one.depth)
            elif not holders:
                names[one.change] |= EVERYTHING
            for holder in holders:
                further += self._held_by(one, holder, names[one.change])
        return list({(one.change, id(one.object), one.as_attribute, one.depth): one for one in further}.values())

    def _held_by(self, one: _Held, holder: Any, names: set[str]) -> Iterable[_Held]:
        kind, held = type(holder), one.object
        if kind is dict:
            keys = [key for key, value in holder.items() if value is held and type(key) is str]
            if id(holder) in self._of_modules:
                names.update(key + one.depth for key in keys)
            else:
                yield _Held(one.change, holder, frozenset(key + one.depth for key in keys), _deeper(one.depth))
        elif kind is functools._lru_cache_wrapper:
            # Whoever calls it is given what it holds.
            names.update((f"@{holder.__name__}", ANYTHING))
        elif kind is types.FunctionType:
            names.add(f"@{holder.__name__}")
            if holder.__dict__ is held:
                self._owners.setdefault(one.change, set()).add(ANYTHING)
                names.update(one.as_attribute or {ANY_ATTRIBUTE})
            elif holder.__closure__ is held:
                names.update(name + one.depth for name in holder.__code__.co_freevars)
            else:
                # What a parameter is by default is given to the function like others.
                names.add(ANYTHING)
        elif type(held) is types.CellType or kind is types.CellType:
            yield _Held(one.change, holder, None, one.depth)
        elif _is_collection(holder):
            yield _Held(one.change, holder, None, _deeper(one.depth))
        elif issubclass(kind, type):
            self._owners.setdefault(one.change, set()).add(ANYTHING)
            if any(member.__get__(holder) is held for member in _ROWS_OF_CLASS):
                names.add(".__bases__")
            else:
                # It is the namespace of a class.
                names.update(one.as_attribute or EVERYTHING)
        else:
            attributes = attributes_of(holder)
            if attributes is held:
                self._owners.setdefault(one.change, set()).update(_classes_of(holder))
                names.update(one.as_attribute or EVERYTHING)
                return
            found = [*(key for key, value in attributes.items() if value is held), *_slots_with(holder, held), *_fields_with(holder, held)]
            names.update(key + one.depth for key in found) if found else names.add(ANYTHING)
            if found and _is_tuple(holder):
                if _gives_items(kind):
                    names.add(ANYTHING)
                yield _Held(one.change, holder, None, _deeper(one.depth))
            if not found or not self._native.has(kind):
                # Who calls its methods has other names for it.
                self._through_others[one.change] = True
                yield _Held(one.change, holder, None, one.depth)

    def _ways_into(self, one: Any) -> frozenset[str] | None:
        """The methods by one of which something can be put into what has changed; None: by any."""
        kind = type(one)
        if kind in _WAYS or not self._native.has(kind) or issubclass(kind, type):
            return _WAYS.get(kind)
        # It is an object of a class of the project: what others call on it, it has, unless it makes it up.
        names = {name for base in kind.__mro__ for name in base.__dict__}
        if "__getattr__" in names or _GETATTRIBUTE is not next(base.__dict__[_ASKED] for base in kind.__mro__ if _ASKED in base.__dict__):
            return None
        return frozenset({*names, *attributes_of(one), *(("[]", "[str]") if "__setitem__" in names else ())})


_ROWS_OF_CLASS = (type.__dict__["__bases__"], type.__dict__["__mro__"])
"""What a class is made with, and what follows from that."""

_ASKED = "__getattribute__"
_GETATTRIBUTE = object.__dict__[_ASKED]


_WAYS = {
    list: frozenset({"[]", "append", "extend", "insert", "__setitem__"}),
    dict: frozenset({"[]", "[str]", "setdefault", "update", "__setitem__"}),
    set: frozenset({"add", "update"}),
}
"""How something is put into collections that have no other ways."""

_UNASKED = ("__defaults__", "__kwdefaults__", "__code__")
"""Attributes of functions that the interpreter tells of when they are asked for."""

_OF_FUNCTIONS = ("__doc__", "__name__", "__qualname__", "__annotations__", "__type_params__", "__module__")


def _attributes_with(one: Any, parts: Sequence[Any] | None) -> set[str]:
    """The names of the attributes of an object that are these *parts*; None, or what is none of them: it may be any."""
    attributes = attributes_of(one)
    found: set[str] = set()
    for part in [None] if parts is None else parts:
        names = {f".{key}" for key, value in attributes.items() if value is part} | {f".{name}" for name in _slots_with(one, part)}
        if parts is None or not names:
            return {f".{key}" for key in attributes} or {ANY_ATTRIBUTE}
        found |= names
    return found


class _Held(NamedTuple):
    """Something that has changed, or holds something that has."""

    change: int
    """What has changed, by its number."""
    object: Any
    as_attribute: frozenset[str] | None
    """The names of what is otherwise, if it is the namespace of an object."""
    depth: str
    """Behind the names by which it is held: whether it holds what has changed only within."""


def _is_submodule(namespace: Mapping[str, Any], key: str) -> bool:
    """Whether a name in a package is that of a module in it, which was loaded."""
    value = namespace.get(key)
    return issubclass(type(value), types.ModuleType) and sys.modules.get(f"{namespace.get('__name__')}.{key}") is value


def _classes_of(one: Any) -> set[str]:
    """The names of the classes whose methods may be an object's: its own, those above them, and where these have them from."""
    found = set()
    for base in type(one).__mro__:
        found.add(base.__name__)
        for value in base.__dict__.values():
            found.update(part.__qualname__.rpartition(".")[0].rpartition(".")[2] for part in _functions_of(value))
    return found


def _functions_of(value: Any) -> list[types.FunctionType]:
    """The functions that an attribute of a class is made of. What is unknown is not asked."""
    kind = type(value)
    parts = [value]
    if kind in (staticmethod, classmethod):
        parts = [value.__func__]
    elif kind is property:
        parts = [value.fget, value.fset, value.fdel]
    elif kind is functools.cached_property:
        parts = [value.func]
    return [part for part in parts if type(part) is types.FunctionType]


def _is_collection(one: Any) -> bool:
    kind = type(one)
    return kind in (dict, list, set, tuple, frozenset) or (kind.__module__ == "collections" and kind.__name__ in ("deque", "OrderedDict", "defaultdict", "Counter"))


def attributes_of(one: Any) -> dict[str, Any]:
    """The namespace of an object, without asking anybody's code."""
    for kind in type(one).__mro__:
        descriptor = kind.__dict__.get("__dict__")
        if descriptor is not None:
            found = descriptor.__get__(one) if type(descriptor) is types.GetSetDescriptorType else None
            return found if type(found) is dict else {}
    return {}


def _slots_with(one: Any, held: Any) -> Iterable[str]:
    """The names of the slots of an object that hold something."""
    for kind in type(one).__mro__:
        for name, member in kind.__dict__.items():
            if type(member) is types.MemberDescriptorType:
                try:
                    if member.__get__(one) is held:
                        yield name
                except (AttributeError, TypeError):
                    continue


def _is_tuple(one: Any) -> bool:
    """Whether nothing can be put into an object after it was made: one of a class derived from tuples, without attributes of its own."""
    return issubclass(type(one), tuple) and not attributes_of(one)


_OF_ROWS = {name for kind in (object, tuple, namedtuple("_", ())) for name in kind.__dict__}


def _gives_items(kind: type) -> bool:
    """Whether a kind of row has methods or properties that may give its items under other names."""
    return any(name not in _OF_ROWS and type(value) in (property, types.FunctionType) for base in kind.__mro__ for name, value in base.__dict__.items())


def _fields_with(one: Any, held: Any) -> Iterable[str]:
    """The names of the fields of a named tuple that hold something."""
    if issubclass(type(one), tuple):
        fields = next((kind.__dict__["_fields"] for kind in type(one).__mro__ if "_fields" in kind.__dict__), ())
        if type(fields) is tuple:
            yield from (name for name, value in zip(fields, tuple.__iter__(one)) if value is held and type(name) is str)


def _deeper(depth: str) -> str:
    return (depth + WITHIN)[: 3 * len(WITHIN)]
