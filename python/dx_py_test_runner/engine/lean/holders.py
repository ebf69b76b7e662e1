"""``FixtureManager.parsefactories`` for modules and test classes in which nothing can be hidden.

pytest looks at each name twice: for fixtures, and for fixtures behind other decorators. Neither is needed for plain
functions, plain classes, properties and values.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from types import FunctionType, GetSetDescriptorType, ModuleType
from typing import Any

import pytest
from _pytest.compat import safe_getattr
from _pytest.fixtures import FixtureFunctionDefinition, FixtureManager
from _pytest.python import Class, Module

from dx_py_test_runner.engine.frames import internal

INERT = frozenset({str, int, float, bool, bytes, tuple, list, dict, set, frozenset, type(None)})
"""Types of values that are never collected: they cannot be called, and have no attributes of their own."""

_REGISTERS_NODES = pytest.__version__.startswith("9.2.")
"""Whether fixtures are registered with their node and nothing else."""

_LOOKING = ("parsefactories", "_check_for_wrapped_fixture", "_find_wrapped_fixture_def", "_lookup_in_type_dict")
"""What pytest looks for fixtures with, in one version or another."""

# One of them twice: of a single one it would give no row.
_methods_of = operator.itemgetter("parsefactories", *[name for name in _LOOKING if name in vars(FixtureManager)])
_REAL = _methods_of(vars(FixtureManager))

_WRAPPING = frozenset({"__wrapped__", "_mock_name"})
"""Attributes by which pytest looks through what wraps a fixture."""

_OF_MODULES = frozenset({"__builtins__", "__loader__", "__spec__", "__path__"})
"""What the import system puts into modules."""

_SHAPING = frozenset({"__dir__", "__getattr__", "__getattribute__", "__class__"})
"""With these, a holder says itself what it has."""


def holder_of(args: tuple[Any, ...], more: dict[str, Any]) -> tuple[Any, Any] | None:
    """The node and the holder that ``parsefactories`` is called for, if it is a module or a test class of pytest's own."""
    if not more and len(args) == 1 and type(args[0]) is Module:
        return args[0], args[0].obj
    if not args and len(more) == 2 and type(more.get("node")) is Class and "holder" in more:
        return more["node"], more["holder"]
    return None


def is_unchanged() -> bool:
    """Whether pytest looks for fixtures as it did when this was loaded."""
    try:
        methods: tuple[Any, ...] = _methods_of(vars(FixtureManager))
    except KeyError:
        return False
    return all(map(operator.is_, methods, _REAL))


def fixture_names(holder: Any) -> list[str] | None:
    """The names of the fixtures that *holder* has, in pytest's order; None if others may be hidden or wrapped. Nothing of the holder's is executed."""
    kind = type(holder)
    if kind is ModuleType:
        names = holder.__dict__
        return None if "__getattr__" in names or "__dir__" in names else _sorted(names, _OF_MODULES)
    bases = kind.__mro__
    if any(type(base) is not type for base in bases):
        return None
    names = kind.__dict__
    if len(bases) > 2:
        names = {}
        for base in bases[-2::-1]:
            names.update(base.__dict__)
    return _sorted(names, frozenset()) if names.keys().isdisjoint(_SHAPING) else None


def _sorted(names: Mapping[str, Any], passed: frozenset[str]) -> list[str] | None:
    found = []
    for name, value in names.items():
        if type(name) is not str:
            return None
        kind = type(value)
        if kind is FunctionType:
            if value.__dict__ and not value.__dict__.keys().isdisjoint(_WRAPPING):
                return None
        elif kind is FixtureFunctionDefinition:
            if not _REGISTERS_NODES:
                return None
            found.append(name)
        elif not ((kind in INERT and name != "__dict__") or name in passed or _hides_nothing(name, value, kind)):
            return None
    found.sort()
    return found


def _hides_nothing(name: str, value: Any, kind: type) -> bool:
    """Whether *value*, which is neither a function nor inert, wraps no fixture, and looking at it has no effect."""
    if kind is staticmethod or kind is classmethod:
        function = value.__func__
        return type(function) is FunctionType and function.__dict__.keys().isdisjoint(_WRAPPING)
    if kind is type:
        return all(base.__dict__.keys().isdisjoint(_WRAPPING) for base in value.__mro__)
    if kind is ModuleType:
        return "__getattr__" not in value.__dict__ and value.__dict__.keys().isdisjoint(_WRAPPING)
    if kind is property:
        return not name.startswith("__")
    return kind is GetSetDescriptorType


@internal
def register(manager: Any, node: Any, holder: Any, name: str) -> None:
    """One turn of the loop in ``FixtureManager.parsefactories``, for a fixture that was there."""
    __tracebackhide__ = True
    found = safe_getattr(holder if type(holder) is ModuleType else type(holder), name, None)
    if type(found) is not FixtureFunctionDefinition:
        return
    marker = found._fixture_function_marker
    try:
        fixture = getattr(holder, name)
    except AttributeError:
        fixture = found
    manager._register_fixture(
        name=marker.name or name,
        func=fixture._get_wrapped_function(),
        scope=marker.scope,
        params=marker.params,
        ids=marker.ids,
        autouse=marker.autouse,
        node=node,
    )
