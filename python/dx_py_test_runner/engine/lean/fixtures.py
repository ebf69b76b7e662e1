"""What the fixtures of an item come to, worked out once for all items that use the same ones.

A :class:`Plan` is the order in which pytest would set them up, if all are of the simple kinds: functions and generators that
see nothing of pytest, parameters, and fixtures of a wider scope that are there already. Where an item has others, or
something turns out otherwise, :func:`hand_over` leaves everything as pytest's own code would have, for that to go on.
"""

from __future__ import annotations

import dis
import functools
import inspect
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from types import CodeType, FunctionType, MethodType
from typing import Any, NamedTuple

from _pytest import fixtures
from _pytest.fixtures import FixtureDef, SubRequest
from _pytest.python import get_direct_param_fixture_func
from _pytest.scope import Scope

from dx_py_test_runner.engine.frames import internal
from dx_py_test_runner.engine.lean.marks import TELLING_FIXTURES

try:
    from _pytest.python import DirectParamFixtureDef
except ImportError:  # before pytest 9.1
    DirectParamFixtureDef = FixtureDef  # type: ignore[misc,assignment]

_ASYNC = inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR | inspect.CO_ITERABLE_COROUTINE
_METHODS = ("execute", "finish", "cache_key", "addfinalizer")
_originals = {name: FixtureDef.__dict__[name] for name in _METHODS}

FINALIZERS_TELL = "pytest_fixture_post_finalizer" in FixtureDef.execute.__code__.co_names or any(
    isinstance(constant, CodeType) and "pytest_fixture_post_finalizer" in constant.co_names
    for constant in FixtureDef.execute.__code__.co_consts
)
"""Whether the hook behind a fixture's end is called by a finalizer of its own (since pytest 9.1)."""

# What a step does.
STANDING, PARAMETER, CALL = "standing", "parameter", "call"

# Calls that need nothing but their arguments.
FUNCTION, GENERATOR = "function", "generator"


class Step(NamedTuple):
    """One fixture of a plan."""

    kind: str
    name: str
    definition: Any
    function: Any
    arguments: tuple[str, ...]
    """The names of the fixtures that it needs."""
    generates: bool
    wants_request: bool
    """Whether it looks at its parameter."""
    requested_by: Step | None
    """The fixture that needs it first; None for the test itself."""


class Plan(NamedTuple):
    """All fixtures of an item, each behind those that it needs."""

    steps: tuple[Step, ...]
    calls: bool
    """Whether any function is called."""
    arguments: tuple[str, ...]
    """What the test function is called with."""


def are_unchanged() -> bool:
    """Whether fixtures still do what pytest's own methods do."""
    return all(FixtureDef.__dict__[name] is original for name, original in _originals.items())


def watch_wide(within: Callable[[Any], AbstractContextManager[None]]) -> None:
    """Have fixtures that outlive a test set up in a context that *within* makes of their definition."""
    execute = _originals["execute"]

    @functools.wraps(execute)
    @internal
    def watched(self: Any, request: Any) -> Any:
        if self._scope is Scope.Function:
            return execute(self, request)
        with within(self):
            return execute(self, request)

    FixtureDef.execute = _originals["execute"] = watched  # type: ignore[method-assign]


def make_plan(info: Any, parameters: Sequence[str]) -> Plan | None:
    """The plan for items of which pytest has found out *info*, or None if not all of their fixtures are simple."""
    maker = _Maker(info.name2fixturedefs, frozenset(parameters))
    if not all(maker.add(name, None, ()) for name in info.names_closure):
        return None
    steps = tuple(maker.steps.values())
    return Plan(steps, any(step.kind is CALL for step in steps), tuple(info.argnames))


def way_of(step: Step) -> str:
    """What carrying out *step* takes: of a call, whether more than its arguments."""
    if step.kind is not CALL or step.wants_request or type(step.function) is not FunctionType:
        return step.kind
    return GENERATOR if step.generates else FUNCTION


class _Maker:
    def __init__(self, definitions: Any, parameters: frozenset[str]) -> None:
        self._definitions = definitions
        self._parameters = parameters
        self.steps: dict[str, Step] = {}

    def add(self, name: str, requested_by: Step | None, chain: tuple[str, ...]) -> bool:
        """Add *name* and, before it, what it needs; whether all of that is simple."""
        if name in self.steps:
            return True
        definitions = self._definitions.get(name)
        # A fixture that asks for its own name gets the one that it overrides.
        if not definitions or name in chain or name in TELLING_FIXTURES:
            return False
        step = self._make(name, definitions[-1], requested_by)
        if step is None:
            return False
        for needed in step.arguments:
            if not self.add(needed, step, (*chain, name)):
                return False
        self.steps[name] = step
        return True

    def _make(self, name: str, definition: Any, requested_by: Step | None) -> Step | None:
        function = definition.func
        given = name in self._parameters
        if is_direct_parameter(definition):
            # Each test function has a definition of its own, see `definition_for`.
            return Step(PARAMETER, name, None, None, (), False, False, requested_by) if given else None
        if type(definition) is not FixtureDef:
            return None
        arguments = definition.argnames
        if definition._scope is not Scope.Function:
            needed = tuple(argument for argument in arguments if argument != "request")
            return Step(STANDING, name, definition, None, needed, False, False, requested_by)
        if definition.params is not None and not given:
            return None
        code = _code_of(function)
        if code is None:
            return None
        wants_request = "request" in arguments
        if wants_request and not (given and _looks_only_at_parameter(code)):
            return None
        needed = tuple(argument for argument in arguments if argument != "request")
        generates = bool(code.co_flags & inspect.CO_GENERATOR)
        return Step(CALL, name, definition, function, needed, generates, wants_request, requested_by)


def _code_of(function: Any) -> CodeType | None:
    """The code of a plain function or method."""
    plain = function.__func__ if type(function) is MethodType else function
    if type(plain) is not FunctionType or plain.__dict__ or plain.__code__.co_flags & _ASYNC:
        return None
    return plain.__code__


def _looks_only_at_parameter(code: CodeType) -> bool:
    """Whether all that is done to the argument ``request`` is to read its attribute ``param``."""
    looked = False
    for instruction in dis.get_instructions(code):
        if looked:
            if instruction.opname != "LOAD_ATTR" or instruction.argval != "param":
                return False
            looked = False
        elif instruction.argval == "request" or (isinstance(instruction.argval, tuple) and "request" in instruction.argval):
            if instruction.opname != "LOAD_FAST":
                return False
            looked = True
    return not looked


def function_for(step: Step, item: Any) -> Any:
    """What to call: a fixture that is a method is the test's own instance's."""
    function = step.function
    if type(function) is MethodType:
        instance = item._instance
        if instance is not None and isinstance(instance, function.__self__.__class__):
            return MethodType(function.__func__, instance)
    return function


def is_direct_parameter(definition: Any) -> bool:
    """Whether a fixture only hands on a parameter that a test function was given directly."""
    return type(definition) is DirectParamFixtureDef and definition.func is get_direct_param_fixture_func


def definition_for(step: Step, item: Any) -> Any:
    """The definition of the fixture of *step*: of a parameter, that of the item's own function."""
    return item._fixtureinfo.name2fixturedefs[step.name][-1] if step.kind is PARAMETER else step.definition


def request_for(step: Step, item: Any) -> Any:
    """The request that *step* is made with."""
    if step.requested_by is not None:
        above = request_for(step.requested_by, item)
    else:
        if not item.__dict__.get("_request"):
            item._initrequest()
        above = item._request
    callspec = item.__dict__.get("callspec")
    if callspec is not None and step.name in callspec.params:
        scope = callspec._arg2scope[step.name]
        parameter, index = callspec.params[step.name], callspec.indices[step.name]
    else:
        scope, parameter, index = step.definition._scope, fixtures.NOTSET, 0
    return SubRequest(above, scope, parameter, index, definition_for(step, item), _ispytest=True)


Active = tuple[Step, Any, Any]
"""A fixture that an item has set up: its step, its value, and its generator if it has one."""


def active(plan: Plan, values: dict[str, Any], generators: Sequence[tuple[Step, Any]]) -> list[Active]:
    """The fixtures of *plan* that are set up: those with *values*."""
    running = {id(step): generator for step, generator in generators}
    return [(step, values[step.name], running.get(id(step))) for step in plan.steps[: len(values)]]


def hand_over(item: Any, stack: dict[Any, Any], active: Sequence[Active], failed: Step | None = None, error: Any = None) -> None:
    """Have everything as if pytest itself had set up the *active* fixtures of *item*.

    :param failed: the one whose setup has raised *error*.
    """
    item._initrequest()
    known, finalizers = item._request._fixture_defs, stack[item][0]
    values = {}
    for step, value, generator in active:
        values[step.name] = value
        definition = definition_for(step, item)
        if step.kind is not STANDING:
            request = _register(step, item, known, finalizers)
            if generator is not None:
                definition.addfinalizer(partial(fixtures._teardown_yield_fixture, step.function, generator))
            definition.cached_result = (value, getattr(request, "param", None), None)
        known[step.name] = definition
    if failed is not None:
        request = _register(failed, item, known, finalizers)
        if isinstance(error, fixtures.TEST_OUTCOME):
            failed.definition.cached_result = (None, getattr(request, "param", None), (error, error.__traceback__))
    item.funcargs.update((name, values[name]) for name in item.fixturenames if name in values)


def _register(step: Step, item: Any, known: dict[str, Any], finalizers: list[Any]) -> Any:
    """Have the fixture end with the item, and with what it needs."""
    definition = definition_for(step, item)
    request = request_for(step, item)
    finish = partial(definition.finish, request=request)
    for name in step.arguments:
        known[name].addfinalizer(finish)
    if FINALIZERS_TELL:
        definition.addfinalizer(
            lambda: request.node.ihook.pytest_fixture_post_finalizer(fixturedef=definition, request=request)
        )
    finalizers.append(finish)
    return request


def yield_nothing() -> Any:
    """A fixture's generator that has ended."""
    yield from ()

