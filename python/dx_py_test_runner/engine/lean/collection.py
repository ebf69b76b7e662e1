"""Collecting plain test functions without asking hooks that nobody but pytest answers.

A *plain* function is no coroutine, no generator, wraps nothing, is marked with nothing that concerns collection, and asks
for no parametrized fixture: then ``pytest_pycollect_makeitem`` and ``pytest_generate_tests`` end in one item, always.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FunctionType, ModuleType
from typing import Any

from _pytest import python
from _pytest.compat import getfuncargnames
from _pytest.fixtures import FuncFixtureInfo
from _pytest.python import Class, Function, FunctionDefinition, Module, PyCollector

from dx_py_test_runner.engine.lean import guards, items

_INERT = frozenset({str, int, float, bool, bytes, tuple, list, dict, set, frozenset, type(None)})
"""Types of values that are never collected: they cannot be called, and have no attributes of their own."""

_NOT_PLAIN = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR | inspect.CO_ITERABLE_COROUTINE

_COLLECTING_MARKS = frozenset({"parametrize", "usefixtures"})

_collect = PyCollector.collect


@contextmanager
def lean_collection(session: Any) -> Iterator[None]:
    """Within this context, plain test functions are collected lean."""
    if guards.why_no_lean_collection(session.config) or not items.are_unchanged():
        yield
        return
    names = _Names(session.config)

    def collect(self: Any) -> Any:
        if type(self) not in (Module, Class) or not names.collect_imported_tests:
            return _collect(self)
        return _Collecting(self, names).collect()

    manager = session._fixturemanager
    parse = manager.parsefactories

    def parsefactories(*args: Any, **more: Any) -> None:
        if more or len(args) != 1 or not _is_without_fixtures(args[0]):
            parse(*args, **more)

    with items.made_lean():
        PyCollector.collect = collect  # type: ignore[method-assign]
        manager.parsefactories = parsefactories
        try:
            yield
        finally:
            PyCollector.collect = _collect  # type: ignore[method-assign]
            del manager.parsefactories


def _is_without_fixtures(node: Any) -> bool:
    """Whether nothing in a module can be a fixture or wrap one: plain functions, classes, modules and values alone."""
    if type(node) is not Module or type(node.obj) is not ModuleType:
        return False
    names = node.obj.__dict__
    if "__dir__" in names or "__getattr__" in names:
        return False
    for name, value in names.items():
        kind = type(value)
        if kind is FunctionType:
            if value.__dict__ and ("__wrapped__" in value.__dict__ or "_mock_name" in value.__dict__):
                return False
        elif kind is type:
            if hasattr(value, "__wrapped__"):
                return False
        elif not (kind in _INERT or kind is ModuleType or name in python.IGNORED_ATTRIBUTES):
            return False
    return True


class _Names:
    """What the configuration says of names: the same for all collectors."""

    def __init__(self, config: Any) -> None:
        self.collect_imported_tests = bool(config.getini("collect_imported_tests"))
        self._functions = _prefixes(config.getini("python_functions"))
        self._classes = _prefixes(config.getini("python_classes"))

    def is_function(self, collector: Any, name: str) -> bool:
        """As ``PyCollector.funcnamefilter``."""
        return name.startswith(self._functions) if self._functions is not None else collector.funcnamefilter(name)

    def is_class(self, collector: Any, name: str) -> bool:
        """As ``PyCollector.classnamefilter``."""
        return name.startswith(self._classes) if self._classes is not None else collector.classnamefilter(name)


def _prefixes(patterns: list[str]) -> tuple[str, ...] | None:
    """*patterns*, if all are plain prefixes."""
    if any(set(pattern) & set("*?[") for pattern in patterns):
        return None
    return tuple(patterns)


class _Collecting:
    """One call of ``PyCollector.collect``."""

    def __init__(self, collector: Any, names: _Names) -> None:
        self._collector = collector
        self._names = names
        self._ihook = collector.ihook
        self._lean = not guards.why_off(guards.COLLECT, self._ihook)
        self._plain = self._lean and self._may_have_plain_functions()
        self._class = collector.obj if type(collector) is Class else None
        self._closures: dict[tuple[str, ...], FuncFixtureInfo | None] = {}

    def _may_have_plain_functions(self) -> bool:
        """Whether nothing around the functions says how often, or with which fixtures, they run."""
        collector = self._collector
        for mark in collector.iter_markers():
            if mark.name == "parametrize" or (mark.name == "usefixtures" and not mark.args):
                return False
        return not hasattr(collector.getparent(Module).obj, "pytest_generate_tests") and not hasattr(
            collector.obj, "pytest_generate_tests"
        )

    def collect(self) -> list[Any]:
        """What ``PyCollector.collect`` returns."""
        obj = self._collector.obj
        if not getattr(obj, "__test__", True):
            return []
        dicts = [getattr(obj, "__dict__", {})]
        if isinstance(obj, type):
            dicts.extend(base.__dict__ for base in obj.__mro__)
        seen: set[str] = set()
        found = []
        for names in dicts:
            values: list[Any] = []
            for name, value in list(names.items()):
                if name not in python.IGNORED_ATTRIBUTES and name not in seen:
                    seen.add(name)
                    self._make(name, value, values)
            found.append(values)
        return [node for values in reversed(found) for node in values]

    def _make(self, name: str, value: Any, nodes: list[Any]) -> None:
        """Append the nodes of one name to *nodes*."""
        if self._lean:
            kind = type(value)
            if kind is FunctionType:
                if not self._names.is_function(self._collector, name):
                    if "__test__" not in value.__dict__:
                        return
                elif self._plain and self._is_plain(value):
                    item = self._make_plain(name, value)
                    if item is not None:
                        nodes.append(item)
                        return
            elif kind in _INERT or self._is_no_test(name, value, kind):
                return
        made = self._ihook.pytest_pycollect_makeitem(collector=self._collector, name=name, obj=value)
        if isinstance(made, list):
            nodes.extend(made)
        elif made is not None:
            nodes.append(made)

    def _is_no_test(self, name: str, value: Any, kind: type) -> bool:
        if kind is ModuleType:
            return "__getattr__" not in value.__dict__
        if kind is not type or self._names.is_class(self._collector, name):
            return False
        unittest = sys.modules.get("unittest")
        return getattr(value, "__test__", False) is not True and not (
            unittest is not None and issubclass(value, unittest.TestCase)
        )

    @staticmethod
    def _is_plain(function: Any) -> bool:
        if function.__code__.co_flags & _NOT_PLAIN:
            return False
        attributes = function.__dict__
        if not attributes:
            return True
        if len(attributes) > 1 or "pytestmark" not in attributes:
            return False
        marks = attributes["pytestmark"]
        return type(marks) is list and not any(
            getattr(mark, "name", "parametrize") in _COLLECTING_MARKS for mark in marks
        )

    def _make_plain(self, name: str, function: Any) -> Any:
        """The one item of a plain function; None if one of its fixtures has parameters."""
        arguments = _argument_names(function, name, self._class)
        try:
            closure = self._closures[arguments]
        except KeyError:
            closure = self._closures[arguments] = self._closure(name, function)
        if closure is None:
            return None
        info = FuncFixtureInfo(
            closure.argnames, closure.initialnames, list(closure.names_closure), dict(closure.name2fixturedefs)
        )
        return items.make(Function, self._collector, name, function, bound=True, fixtureinfo=info)

    def _closure(self, name: str, function: Any) -> FuncFixtureInfo | None:
        definition = items.make(FunctionDefinition, self._collector, name, function, bound=False)
        info: FuncFixtureInfo = definition._fixtureinfo
        for fixtures in info.name2fixturedefs.values():
            if any(fixture.params is not None for fixture in fixtures):
                return None
        return info


def _argument_names(function: Any, name: str, owner: type | None) -> tuple[str, ...]:
    """As ``_pytest.compat.getfuncargnames``, for plain functions."""
    code, defaults, more = function.__code__, function.__defaults__, function.__kwdefaults__
    if code.co_posonlyargcount or code.co_kwonlyargcount or more:
        return getfuncargnames(function, name=name, cls=owner)
    count = code.co_argcount - (len(defaults) if defaults else 0)
    return code.co_varnames[1 if owner is not None else 0 : count]
