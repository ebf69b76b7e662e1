"""Whether a test has left anything behind where another would find it, and under which names.

What a function keeps is there for another test only if something is otherwise behind the test than before it: in what the project's modules,
wide fixtures and the context lead to (`crates/native/src/traces.rs`). And only what is otherwise by a name that the function puts something under
(`crates/source/src/outline/places.rs`) can be its doing.
"""

from __future__ import annotations

import _thread
import builtins
import contextvars
import functools
import gc
import os
import sys
import time
import types
import weakref
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from dx_py_test_runner import _native

_LIMIT = 2_000_000
"""How many references are followed in one look; beyond it, every test counts as one that leaves everything."""

_SHARE, _FLOOR = 0.15, 0.5
"""How much of the time may be spent on looking: a share of what has passed, and seconds in any case. Without it, a test counts so, too."""

_MANY = 3_000
"""With more than this otherwise, all is."""

_FAR = 64
"""Through how many objects without names what holds an object is followed."""

WITHIN = "[]"
"""Behind the name of what something is within, once for each step, up to three times."""

ITS_OBJECT = "~"
"""Stands for the items of an object of a class that is no plain collection, to its methods."""

ANYTHING, ANY_ATTRIBUTE, ANY_DECORATOR, OTHERS = "*", ".*", "@*", "@?"
EVERYTHING = frozenset({ANYTHING, ANY_ATTRIBUTE, ANY_DECORATOR})
"""As names of what is otherwise: whatever, under whatever name."""

_PACKAGES = [
    *("_pytest", "pluggy", "dx_py_test_runner", "hypothesis", "logging", "threading"),
    *("typing", "_frozen_importlib", "_frozen_importlib_external", "importlib", "annotationlib", "pathlib"),
]
"""Whose objects change with every test, or never, which tells nothing of the project."""

_CAPTURING = ("_pytest", "dx_py_test_runner")

_LEFT = {"__slotnames__", "__annotations__", "__annotations_cache__", "_classSetupFailed", "_class_cleanups", "tearDown_exceptions", "__abstractmethods__", "__warningregistry__"}
"""What the interpreter, :mod:`copyreg` and :mod:`unittest` put into classes and modules."""

_PLAIN = [
    *(bool, type(None), type(Ellipsis), type(NotImplemented), complex, range, slice, object),
    *(types.CodeType, types.FrameType, types.TracebackType, types.GeneratorType, types.CoroutineType, types.AsyncGeneratorType),
    *(types.BuiltinFunctionType, types.MethodWrapperType, types.WrapperDescriptorType, types.MethodDescriptorType),
    *(types.ClassMethodDescriptorType, types.GetSetDescriptorType, types.MemberDescriptorType, types.MappingProxyType),
    *(types.GenericAlias, types.UnionType, weakref.ProxyType, weakref.CallableProxyType, contextvars.ContextVar, contextvars.Token),
    type(Collection.__dict__["_abc_impl"]),
]


class Left(NamedTuple):
    """Something that is otherwise than before."""

    names: frozenset[str]
    """Under which it was put where it is."""
    where: frozenset[str]
    """The files of the modules that lead to it; ``""``: where else, or anywhere."""
    how: frozenset[str] | None = None
    """The methods (``[]``: an assignment) by one of which that can have been done; None: by any."""


_ANYWHERE = frozenset({""})
UNKNOWN = Left(EVERYTHING, _ANYWHERE)
"""Whatever, wherever."""

_Change = tuple[Any, list[str] | None, list[Any] | None, bool]


class Traces:
    """What is known of the state of one process that runs tests.

    :param is_own: whether a file of code is the project's.
    """

    def __init__(self, is_own: Callable[[str], bool]) -> None:
        self._is_own = is_own
        self._native: Any = None
        self._streams: list[Any] = []
        self._namespaces: list[dict[str, Any]] = []
        self._watched: dict[tuple[int, str], tuple[Mapping[str, Any], int]] = {}
        self._more: dict[int, tuple[Any, str]] = {}
        self._locals: dict[int, dict[str, Any]] = {}
        """What threads' own objects have in this one."""
        self._odd_modules: Any = None
        self._watches_environment = False
        self._environment: Any = None
        self._context: dict[Any, int] = {}
        self._of_modules: dict[int, dict[str, Any]] = {}
        self._through_others: list[bool] = []
        """Of what has changed, whether it is held by an object of others, whose methods change it in ways that have no names here."""
        self._own: set[str] = set()
        self._began = self._spent = 0.0
        self._is_known = False
        self._is_broken = False

    def look(self, fixtures: Sequence[Any], *, is_set_up: bool = False) -> list[Left]:
        """What is otherwise now than when it was looked at last; :data:`UNKNOWN` if that is not known.

        :param fixtures: what wide fixtures give.
        :param is_set_up: one of them has just been set up, and nobody else has had it.
        """
        began = time.monotonic()
        if self._native is None:
            self._begin(began)
        if self._is_broken or self._spent > _FLOOR + _SHARE * (began - self._began):
            self._is_known = False
            return [UNKNOWN]
        # What only weak references lead to must not go while it is being looked at.
        was_enabled = gc.isenabled()
        gc.disable()
        try:
            return self._look(fixtures, is_set_up=is_set_up)
        except Exception:
            # Some object cannot even be looked at: the tests go on, and whatever may be kept is.
            self._is_broken = True
            return [UNKNOWN]
        finally:
            if was_enabled:
                gc.enable()
            self._spent += time.monotonic() - began

    def _begin(self, now: float) -> None:
        """With the first look: before it, a level may have waited for long, and for another client."""
        self._began = now
        self._streams = standing = [sys.stdin, sys.stdout, sys.stderr, sys.__stdin__, sys.__stdout__, sys.__stderr__]
        self._native = _native.Traces(
            plain=_PLAIN,
            packages=_PACKAGES,
            standing=standing,
            left=_LEFT,
            function=types.FunctionType,
            cache=functools._lru_cache_wrapper,
            limit=_LIMIT,
        )

    def _look(self, fixtures: Sequence[Any], *, is_set_up: bool) -> list[Left]:
        self._find_modules()
        context = contextvars.copy_context()
        roots = self._roots(fixtures, context)
        found = self._native.look(roots)
        was_known, self._is_known = self._is_known, found is not None
        left = [Left(frozenset({f".{name}"}), _ANYWHERE) for (_id, name), (_names, was) in self._watched.items() if was != self._seen(_id, name)]
        if self._watches_environment and (environment := _environment()) != self._environment:
            left.append(Left(frozenset({"environ"}), _ANYWHERE))
            self._environment = environment
        if self._odd_modules is not None and (odd := _odd_modules()) != self._odd_modules:
            left.append(Left(frozenset({"modules"}), _ANYWHERE))
            self._odd_modules = odd
        now = {variable: id(value) for variable, value in context.items()}
        if now != self._context and was_known:
            left += self._left_in_context([variable for variable in now.keys() | self._context.keys() if now.get(variable) != self._context.get(variable)])
        self._context = now
        if found is None or not was_known or len(found) > _MANY:
            left.append(UNKNOWN)
        elif found:
            given = set() if is_set_up else set(map(id, fixtures))
            left += self._left_in([one for one in found if not one[3] or id(one[0]) in self._of_modules or id(one[0]) in given])
            # Who asks an object for its attributes may have them put elsewhere.
            self._native.look(roots)
        if is_set_up and found is not None and self._find_locals():
            self._native.look(self._roots(fixtures, context))
        return left

    def _roots(self, fixtures: Sequence[Any], context: contextvars.Context) -> list[Any]:
        more = (value for value, _name in self._more.values())
        return [*self._namespaces, *more, *self._locals.values(), *fixtures, *context.values()]

    def watch(self, path: str, places: Iterable[str]) -> bool:
        """Look also at what a function of the file at *path* changes of others, by its *places*; false if that cannot be seen.

        To be called between two looks; what is said then is seen from the next look on.
        """
        try:
            return all(self._watch(path, place) for place in places)
        except Exception:
            return False

    def _watch(self, path: str, place: str) -> bool:
        words = place[1:].split(".")
        if place[0] == "!":
            return not any(self._is_others(module, words) for module in self._modules_of(path))
        return place[0] not in "=#" or all(self._watch_path(module, place[0], words) for module in self._modules_of(path))

    def _is_others(self, module: Mapping[str, Any], path: Sequence[str]) -> bool:
        """Whether what stands for *path* in a module was made by others than the project: where that keeps something, is not known."""
        if path[0] not in module:
            return hasattr(builtins, path[0])  # else it is a name of the function around
        value = _at(path, module)
        made_by = value if isinstance(value, (type, types.FunctionType)) else type(value)
        return getattr(made_by, "__module__", None) not in self._own

    def _watch_path(self, module: Mapping[str, Any], kind: str, path: Sequence[str]) -> bool:
        """Whether what stands for *path* in a module is followed anyway, or can be from now on."""
        if path[0] == "!":
            return False
        parents = path[:-1] if kind == "=" else path
        if not parents:
            return True
        value = _at(parents, module)
        if value is None:
            return True
        if value is os.environ:
            self._watches_environment = True
            return True
        if value is sys.modules:
            self._odd_modules = _odd_modules()
            return True
        if issubclass(type(value), types.ModuleType):
            return bool(self._native.has(value.__dict__)) or (kind == "=" and self._watch_name(value.__dict__, path[-1], id(value)))
        if self._native.has(value) or type(value) is contextvars.ContextVar:
            # What an object of a class derived from these has, is not asked for.
            return type(value) is _thread._local or not isinstance(value, _thread._local)
        if kind == "=":
            names = _NAMES_OF_CLASS.__get__(value) if isinstance(value, type) else _attributes(value)
            return bool(names) and self._watch_name(names, path[-1], id(value))
        if isinstance(value, type) or type(value).__module__.partition(".")[0] in _PACKAGES:
            return False
        self._more.setdefault(id(value), (value, parents[-1]))
        return True

    def _watch_name(self, names: Mapping[str, Any], name: str, key: int) -> bool:
        self._watched.setdefault((key, name), (names, self._token(names.get(name))))
        return True

    def _seen(self, namespace: int, name: str) -> int:
        names, _was = self._watched[namespace, name]
        now = self._token(names.get(name))
        self._watched[namespace, name] = (names, now)
        return now

    def _token(self, value: Any) -> int:
        """What stands for a value; for the streams that are there, and those by which they are captured, the same."""
        is_stream = any(value is stream for stream in self._streams) or type(value).__module__.partition(".")[0] in _CAPTURING
        return 0 if is_stream else id(value)

    def _find_locals(self) -> bool:
        """Whether there are threads' own objects that were not known; in some versions what they have is not found by following references.

        An object of a derived class may be initialized by being asked.
        """
        count = len(self._locals)
        for one in self._native.of_class(_thread._local):
            names = _thread._local.__getattribute__(one, "__dict__")
            self._locals.setdefault(id(names), names)
        return len(self._locals) > count

    def _left_in_context(self, variables: Iterable[Any]) -> list[Left]:
        """Who sets a variable of the context has a name for that, or was given it."""
        found = []
        for variable in variables:
            names = {name for namespace in self._namespaces for name, value in namespace.items() if value is variable}
            found.append(Left(frozenset(names | {ANYTHING}), _ANYWHERE, frozenset({"set"})))
        return found

    def _left_in(self, changes: Sequence[_Change]) -> list[Left]:
        """Under which names something can have been put into what has changed, and where that is."""
        names: list[set[str]] = []
        held = []
        self._through_others = [False] * len(changes)
        for number, change in enumerate(changes):
            found_itself = self._names_in_itself(change)
            names.append(found_itself or set())
            if found_itself is None:
                changed, keys, parts, _is_new = change
                held.append(_Held(number, changed, None if keys is None else frozenset(f".{key}" for key in keys), ""))
                if type(changed) is not types.CellType and not _is_collection(changed):
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
                found.append(Left(frozenset(known), frozenset(where) or _ANYWHERE, None if self._through_others[number] else _WAYS.get(type(changed))))
        return found

    def _names_in_itself(self, change: _Change) -> set[str] | None:
        """The names of what has changed if it has some itself; None if it is what holds it that gives it names."""
        changed, keys, parts, is_new_root = change
        kind = type(changed)
        if is_new_root:
            return set(EVERYTHING)
        if keys is not None and id(changed) in self._of_modules:
            return {f".{key}" for key in keys if not _is_submodule(changed, key)}
        if issubclass(kind, type):
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
            names.add(f"@{holder.__name__}")
        elif kind is types.FunctionType:
            names.add(f"@{holder.__name__}")
            if holder.__dict__ is held:
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
            # It is the namespace of a class.
            names.update(one.as_attribute or EVERYTHING)
        else:
            attributes = _attributes(holder)
            if attributes is held:
                names.update(one.as_attribute or EVERYTHING)
                return
            found = [*(key for key, value in attributes.items() if value is held), *_slots_with(holder, held)]
            names.update(key + one.depth for key in found) if found else names.add(ANYTHING)
            if not found or not self._native.has(kind):
                # Who calls its methods has other names for it.
                self._through_others[one.change] = True
                yield _Held(one.change, holder, None, one.depth)

    def _modules_of(self, path: str) -> list[Mapping[str, Any]]:
        return [names for names in self._namespaces if names.get("__file__") == path]

    def _find_modules(self) -> None:
        modules = sys.modules
        if self._native.knows(modules):
            return
        own = {}
        for name, module in list(modules.items()):
            # One that only stands for a module may be gone, and raises whatever it is asked.
            file = module.__dict__.get("__file__") if issubclass(type(module), types.ModuleType) else None
            if isinstance(file, str) and self._is_own(file):
                own[name] = module
        self._own = set(own)
        self._native.know(modules, self._own)
        self._namespaces = _each_once(module.__dict__ for module in own.values())
        self._of_modules = {id(one): one for one in self._namespaces}


_NAMES_OF_CLASS = type.__dict__["__dict__"]


def _at(path: Sequence[str], module: Mapping[str, Any]) -> Any:
    """What a dotted path in a module leads to, as far as it leads through modules; None if there is nothing."""
    value = module.get(path[0], sys.modules.get(path[0]))
    for name in path[1:]:
        if not issubclass(type(value), types.ModuleType):
            break
        value = value.__dict__.get(name)
    return value


_WAYS = {
    list: frozenset({"[]", "append", "extend", "insert", "__setitem__"}),
    dict: frozenset({"[]", "setdefault", "update", "__setitem__"}),
    set: frozenset({"add", "update"}),
}
"""How something is put into collections that have no other ways."""

_UNASKED = ("__defaults__", "__kwdefaults__", "__code__")
"""Attributes of functions that the interpreter tells of when they are asked for."""

_OF_FUNCTIONS = ("__doc__", "__name__", "__qualname__", "__annotations__", "__type_params__", "__module__")


def _attributes_with(one: Any, parts: Sequence[Any] | None) -> set[str]:
    """The names of the attributes of an object that are these *parts*; None, or what is none of them: it may be any."""
    attributes = _attributes(one)
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


def _environment() -> list[tuple[Any, Any]]:
    """The variables, but for what pytest says in them of each test; nobody is told that they were looked at."""
    return [item for item in dict.items(os.environ._data) if item[0] != b"PYTEST_CURRENT_TEST"]


def _odd_modules() -> dict[str, int]:
    """What stands in ``sys.modules`` that no import has put there."""
    return {name: id(module) for name, module in sys.modules.items() if not issubclass(type(module), types.ModuleType) or getattr(module.__dict__.get("__spec__"), "name", None) != name}


def _is_submodule(namespace: Mapping[str, Any], key: str) -> bool:
    """Whether a name in a package is that of a module in it, which was loaded."""
    value = namespace.get(key)
    return issubclass(type(value), types.ModuleType) and sys.modules.get(f"{namespace.get('__name__')}.{key}") is value


def _is_collection(one: Any) -> bool:
    kind = type(one)
    return kind in (dict, list, set, tuple, frozenset) or (kind.__module__ == "collections" and kind.__name__ in ("deque", "OrderedDict", "defaultdict", "Counter"))


def _attributes(one: Any) -> dict[str, Any]:
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


def _deeper(depth: str) -> str:
    return (depth + WITHIN)[: 3 * len(WITHIN)]


def _each_once(objects: Iterable[Any]) -> list[Any]:
    return list({id(one): one for one in objects}.values())
