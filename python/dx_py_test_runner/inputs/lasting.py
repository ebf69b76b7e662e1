"""Which classes of the project have objects that outlive the test that they were made in, or were there before it.

What a method leaves in its object is there for other tests only if the object is. Between two tests it is told, without collecting
garbage, whether objects of a class are left: first by the number of references to the class, which each of its objects holds one of; and
if that is not what it was when there were none, by looking for them (`crates/native/src/living.rs`).
"""

from __future__ import annotations

import gc
import sys
import time
import weakref
from collections.abc import Iterable, Sequence
from types import CodeType, FunctionType
from typing import Any, NamedTuple

from dx_py_test_runner._native import living
from dx_py_test_runner.wire import frozen

_LIMIT = 1_000_000
"""How many objects are looked at, at most, to find out whether those of some classes are reachable."""

_SHARE, _FLOOR = 0.05, 0.3
"""How much of the time may be spent on looking: a share of what has passed, and seconds in any case. Then a class of which it is not
known otherwise has objects that last."""


class _Without(NamedTuple):
    """A class that had no objects."""

    cls: weakref.ref[type]
    count: int
    """How many references there were to it."""
    promoted: int | None
    """How often objects had grown old by then; None if that is not known."""


class Lasting:
    """What is known of the classes of one process that runs tests."""

    def __init__(self) -> None:
        self._classes: dict[int, tuple[weakref.ref[type], ...]] = {}
        self._modules: dict[str, list[Any]] = {}
        self._known_modules = 0
        self._without: dict[int, _Without] = {}
        self._lasting: set[int] = set()
        self._began = time.monotonic()
        self._spent = 0.0
        self.fleeting: dict[int, bool] = {}
        """By the number of a method that was executed: whether no object of its class was ever there between two tests."""

    def look(self, methods: Iterable[tuple[int, CodeType]]) -> None:
        """A test has ended, in which these methods were executed: numbers and codes."""
        of_method: dict[int, list[int]] = {}
        by_id: dict[int, type] = {}
        for number, code in methods:
            if self.fleeting.get(number, True):
                found = self._classes_of(number, code)
                of_method[number] = list(found)
                by_id.update(found)
        classes = list(by_id.values())
        # References of our own must be as many every time: those of this list.
        by_id = found = {}
        self._judge(classes)
        for number, ids in of_method.items():
            self.fleeting[number] = bool(ids) and self._lasting.isdisjoint(ids)

    def close(self, numbers: Iterable[int]) -> None:
        """No other test comes behind those in which these methods were executed last."""
        for number in numbers:
            self.fleeting.setdefault(number, True)

    def _judge(self, classes: Sequence[type]) -> None:
        """Find out which of *classes* have objects now."""
        counts = [sys.getrefcount(one) for one in classes]
        doubtful = [number for number, one in enumerate(classes) if self._is_doubtful(one, counts[number])]
        if not doubtful:
            return
        began = time.monotonic()
        if self._spent > _FLOOR + _SHARE * (began - self._began):
            self._lasting.update(id(classes[number]) for number in doubtful)
            return
        wanted = [classes[number] for number in doubtful]
        promoted = _promoted()
        # What has come since is young, if nothing has grown old since.
        is_young = all((known := self._without.get(id(one))) is not None and known.promoted == promoted for one in wanted)
        found = frozen.look_at_new(lambda objects: living(objects, wanted, _LIMIT), generations=2 if is_young and promoted is not None else None)
        for number, one, lives in zip(doubtful, wanted, found, strict=True):
            if lives or one in frozen.kinds:
                self._lasting.add(id(one))
            else:
                self._without[id(one)] = _Without(weakref.ref(one), counts[number], promoted)
        self._spent += time.monotonic() - began

    def _is_doubtful(self, one: type, count: int) -> bool:
        if id(one) in self._lasting:
            return False
        known = self._without.get(id(one))
        return known is None or known.cls() is not one or known.count != count

    def _classes_of(self, number: int, code: CodeType) -> dict[int, type]:
        """The classes, by their addresses, whose objects a method is called on; empty if they are not known."""
        known = self._classes.get(number)
        if known is None:
            known = self._classes[number] = tuple(map(weakref.ref, self._find_classes(code)))
        waiting = [one for reference in known if (one := reference()) is not None]
        found: dict[int, type] = {}
        while waiting:
            one = waiting.pop()
            if id(one) not in found:
                found[id(one)] = one
                waiting += type.__subclasses__(one)
        return found

    def _find_classes(self, code: CodeType) -> list[type]:
        """The classes that a method is defined in: one for each module that its file was loaded as."""
        owner = code.co_qualname.rpartition(".")[0]
        found = [_class_in(module, owner) for module in self._modules_of(code.co_filename)]
        return [one for one in found if one is not None and _defines(one, code)]

    def _modules_of(self, path: str) -> list[Any]:
        if path not in self._modules and len(sys.modules) != self._known_modules:
            self._known_modules = len(sys.modules)
            self._modules = {}
            for module in list(sys.modules.values()):
                file = getattr(module, "__dict__", {}).get("__file__")
                if isinstance(file, str):
                    self._modules.setdefault(file, []).append(module)
        return self._modules.get(path, [])


def _class_in(module: Any, qualname: str) -> type | None:
    found = module
    for name in qualname.split("."):
        found = vars(found).get(name)
        if not isinstance(found, type):
            return None
    return found


def _defines(one: type, code: CodeType) -> bool:
    """Whether a class has a method with this code."""
    return any(code in _codes_of(value) for value in vars(one).values())


def _codes_of(value: Any) -> Iterable[CodeType]:
    """The codes that an attribute of a class leads to."""
    seen = 0
    parts = [value]
    while parts and seen < 10:
        seen += 1
        part = parts.pop()
        if isinstance(part, FunctionType):
            yield part.__code__
            parts.append(part.__dict__.get("__wrapped__"))
        elif isinstance(part, property):
            parts += (part.fget, part.fset, part.fdel)
        elif type(part).__name__ == "cached_property":
            parts.append(getattr(part, "func", None))


def _promoted() -> int | None:
    """How often objects have been put into the collector's oldest generation; None where there are no three."""
    if sys.version_info >= (3, 14):
        return None
    return sum(one["collections"] for one in gc.get_stats()[1:])


def counts_objects() -> bool:
    """Whether each object holds a reference to its class that is counted."""
    is_locked = getattr(sys, "_is_gil_enabled", None)
    return is_locked is None or bool(is_locked())
