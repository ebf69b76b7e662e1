"""``FixtureManager.parsefactories`` for modules and test classes in which nothing can be hidden.

pytest looks at each name twice: for fixtures, and for fixtures behind other decorators. Neither is needed for plain
functions, plain classes, properties and values.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import FunctionType, GetSetDescriptorType, ModuleType
from typing import Any

import pytest
from _pytest import python
from _pytest.fixtures import FixtureFunctionDefinition
from _pytest.python import Class, Module

INERT = frozenset({str, int, float, bool, bytes, tuple, list, dict, set, frozenset, type(None)})
"""Types of values that are never collected: they cannot be called, and have no attributes of their own."""

_REGISTERS_NODES = pytest.__version__.startswith("9.2.")
"""Whether fixtures are registered with their node and nothing else."""

_SHAPING = frozenset({"__dir__", "__getattr__", "__getattribute__", "__class__"})
"""With these, a holder says itself what it has."""


def holder_of(args: tuple[Any, ...], more: dict[str, Any]) -> tuple[Any, Any] | None:
    """The node and the holder that ``parsefactories`` is called for, if it is a module or a test class of pytest's own."""
    if not more and len(args) == 1 and type(args[0]) is Module:
        return args[0], args[0].obj
    if not args and len(more) == 2 and type(more.get("node")) is Class and "holder" in more:
        return more["node"], more["holder"]
    return None


def fixture_names(holder: Any) -> list[str] | None:
    """The names of the fixtures that *holder* has, in pytest's order; None if others may be hidden or wrapped."""
    kind = type(holder)
    if kind is ModuleType:
        names = holder.__dict__
        return None if "__getattr__" in names or "__dir__" in names else _sorted(names, in_module=True)
    if kind.__mro__ == (kind, object):
        names = kind.__dict__
    else:
        names = {}
        for base in kind.__mro__[-2::-1]:
            names.update(base.__dict__)
    if set(map(type, kind.__mro__)) != {type} or not _SHAPING.isdisjoint(names):
        return None
    return _sorted(names, in_module=False)


def _sorted(names: Mapping[str, Any], *, in_module: bool) -> list[str] | None:
    found = []
    for name, value in names.items():
        if type(value) is FixtureFunctionDefinition:
            if not _REGISTERS_NODES:
                return None
            found.append(name)
        elif not (_hides_nothing(name, value) or (in_module and name in python.IGNORED_ATTRIBUTES)):
            return None
    found.sort()
    return found


def _hides_nothing(name: str, value: Any) -> bool:
    """Whether *value*, which is no fixture, wraps none either, and looking at it has no effect."""
    kind = type(value)
    if kind is staticmethod or kind is classmethod:
        value = value.__func__
        kind = type(value)
    if kind is FunctionType:
        return not value.__dict__ or not ("__wrapped__" in value.__dict__ or "_mock_name" in value.__dict__)
    if kind is type:
        return not hasattr(value, "__wrapped__")
    if kind is property:
        return not name.startswith("__")
    return kind in INERT or kind is ModuleType or kind is GetSetDescriptorType


def register(manager: Any, node: Any, holder: Any, name: str) -> None:
    """One turn of the loop in ``FixtureManager.parsefactories``, for a fixture that is there."""
    fixture = getattr(holder, name)
    marker = fixture._fixture_function_marker
    manager._register_fixture(
        name=marker.name or name,
        func=fixture._get_wrapped_function(),
        scope=marker.scope,
        params=marker.params,
        ids=marker.ids,
        autouse=marker.autouse,
        node=node,
    )
