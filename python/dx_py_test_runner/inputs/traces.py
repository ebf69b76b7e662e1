"""Whether a test has left anything behind where another would find it.

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
from typing import Any

from dx_py_test_runner import _native
from dx_py_test_runner.inputs.left import ANYTHING, ANYWHERE, UNKNOWN, Change, Left, Naming, attributes_of

_SHARE, _FLOOR = 0.3, 0.5
"""How much of the time may be spent on looking: a share of what has passed, and seconds in any case. Without it, a test counts so, too."""

_MANY = 3_000
"""With more than this otherwise, all is."""

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
            local=_thread._local,
        )

    def _look(self, fixtures: Sequence[Any], *, is_set_up: bool) -> list[Left]:
        self._find_modules()
        context = contextvars.copy_context()
        roots = self._roots(fixtures, context)
        found = self._native.look(roots)
        was_known, self._is_known = self._is_known, found is not None
        left = [Left(frozenset({f".{name}"}), ANYWHERE) for (_id, name), (_names, was) in self._watched.items() if was != self._seen(_id, name)]
        if self._watches_environment and (environment := _environment()) != self._environment:
            left.append(Left(frozenset({"environ"}), ANYWHERE))
            self._environment = environment
        if self._odd_modules is not None and (odd := _odd_modules()) != self._odd_modules:
            left.append(Left(frozenset({"modules"}), ANYWHERE))
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
            names = _NAMES_OF_CLASS.__get__(value) if isinstance(value, type) else attributes_of(value)
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
            found.append(Left(frozenset(names | {ANYTHING}), ANYWHERE, frozenset({"set"})))
        return found

    def _left_in(self, changes: Sequence[Change]) -> list[Left]:
        """Under which names something can have been put into what has changed, and where that is."""
        if not self._native.hold():
            return [UNKNOWN]
        try:
            return Naming(self._native, self._of_modules, self._locals, self._more).left_in(changes)
        finally:
            self._native.release()

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


def _environment() -> list[tuple[Any, Any]]:
    """The variables, but for what pytest says in them of each test; nobody is told that they were looked at."""
    return [item for item in dict.items(os.environ._data) if item[0] != b"PYTEST_CURRENT_TEST"]


def _odd_modules() -> dict[str, int]:
    """What stands in ``sys.modules`` that no import has put there."""
    return {name: id(module) for name, module in sys.modules.items() if not issubclass(type(module), types.ModuleType) or getattr(module.__dict__.get("__spec__"), "name", None) != name}


def _each_once(objects: Iterable[Any]) -> list[Any]:
    return list({id(one): one for one in objects}.values())
