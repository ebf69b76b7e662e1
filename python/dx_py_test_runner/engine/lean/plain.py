"""Items run in one step: test functions without fixtures, and those whose fixtures are all of the simple kinds.

Before such a test runs, everything is as an earlier item's end has left it; behind each phase a few glances tell whether it
still is. If one has failed, written, logged, warned or returned something, or if anything else is not as it was, the rest
of the item goes the longer way (``protocol.py``), which comes to the same but looks at everything.
"""

from __future__ import annotations

import inspect
import os
import sys
import warnings
from typing import Any

from _pytest import timing
from _pytest.fixtures import call_fixture_func
from _pytest.python import Function
from _pytest.scope import Scope

from dx_py_test_runner._native import Variable
from dx_py_test_runner.engine.frames import internal
from dx_py_test_runner.engine.lean import fixtures
from dx_py_test_runner.engine.lean.collectors import Collectors
from dx_py_test_runner.engine.lean.fixtures import CALL, PARAMETER, Active, Plan, function_for, hand_over, request_for
from dx_py_test_runner.engine.lean.marks import TELLING_MARKS
from dx_py_test_runner.engine.lean.passes import Passed

_ASYNC = inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR | inspect.CO_ITERABLE_COROUTINE
_MARKED = frozenset({"pytestmark"})
_NOTHING: dict[str, Any] = {}


class PlainItems:
    """Runs items in one step for a :class:`LeanProtocol`."""

    def __init__(self, protocol: Any) -> None:
        self._protocol = protocol
        self._session = protocol._session
        self._stack: dict[Any, Any] = protocol._setup.stack
        self._collectors = Collectors(self._stack)
        self._streams = protocol._streams
        self._hooks = protocol._hooks
        self._reporter = protocol._reporter
        self._plugins = protocol._config.pluginmanager._name2plugin
        self._plugin_count = len(self._plugins)
        self._plans: dict[tuple[int, int], tuple[Any, Plan | None]] = {}
        self._plans_by_fixtures: dict[tuple[Any, ...], Plan | None] = {}
        self._fixtures_are_unchanged = fixtures.are_unchanged()

    @internal
    def run(self, item: Any, nextitem: Any) -> bool:
        """Run *item* and report it, if it is one of ours; whether it was."""
        protocol = self._protocol
        attributes = item.__dict__
        function = attributes.get("_obj")
        code = getattr(function, "__code__", None)
        if (
            nextitem is None
            or type(item) is not Function
            or code is None
            or code.co_flags & _ASYNC
            or (function.__dict__ and not function.__dict__.keys() <= _MARKED)
            or not protocol.is_unmarked(item.parent)
            or len(self._plugins) != self._plugin_count
            or not protocol.has_told_hypothesis()
        ):
            return False
        for mark in attributes.get("own_markers", ()):
            if mark.name in TELLING_MARKS:
                return False
        plan = None
        if item.fixturenames:
            plan = self._plan_for(item)
            if plan is None or not self._stand(plan, item):
                return False
        if not self._collectors.enter(item):
            return False
        protocol._item = item
        if not protocol.is_clean:
            protocol.clean()
        elif warnings.filters != protocol._filters:
            protocol._renew_warnings()
        else:
            warnings._filters_mutated()  # type: ignore[attr-defined]
        protocol.tell_assertions()
        self._streams.heed_loggers()
        self._reporter.begins(item)
        if plan is None:
            self._run_alone(item, nextitem, function)
        else:
            self._run_furnished(item, nextitem, function, plan)
        return True

    @internal
    def _run_alone(self, item: Any, nextitem: Any, function: Any) -> None:
        """Run an item without fixtures."""
        protocol = self._protocol
        if hasattr(sys, "last_type"):
            forget_last_exception()
        began, start = timing.time(), timing.perf_counter()
        finalizers = [item.teardown]
        self._stack[item] = (finalizers, None)
        tell_environment(item.nodeid, "call")
        protocol._mark(1)
        called = timing.perf_counter()
        raised = None
        try:
            result = function()
        except BaseException as error:
            raised = error
        if raised is not None:
            protocol.went_wrong(item, nextitem, (began, start, called), raised)
            return
        done = timing.perf_counter()
        if result is not None or len(finalizers) != 1 or not self._may_end(item, nextitem):
            protocol.goes_on(item, nextitem, (began, start, called), done, result)
            return
        self._collectors.leave(nextitem)
        self._report(item, (began, start, called, done))

    @internal
    def _run_furnished(self, item: Any, nextitem: Any, function: Any, plan: Plan) -> None:
        """Run an item with fixtures of its own."""
        protocol, stack = self._protocol, self._stack
        began, start = timing.time(), timing.perf_counter()
        finalizers = [item.teardown]
        stack[item] = (finalizers, None)
        active: list[Active] = []
        values: dict[str, Any] = {}
        if plan.calls:
            tell_environment(item.nodeid, "setup")
            protocol._mark(0)
        raised = None
        try:
            self._set_up(plan, item, active, values)
        except BaseException as error:
            raised = error
        if raised is not None:
            hand_over(item, stack, active, plan.steps[len(active)], raised)
            protocol.was_set_up(item, nextitem, (began, start), raised)
            return
        if plan.calls and not self._is_silent():
            hand_over(item, stack, active)
            protocol.was_set_up(item, nextitem, (began, start, timing.perf_counter()))
            return
        if plan.calls:
            self._streams.heed_loggers()
        if hasattr(sys, "last_type"):
            forget_last_exception()
        tell_environment(item.nodeid, "call")
        protocol._mark(1)
        called = timing.perf_counter()
        try:
            result = function(**{name: values[name] for name in plan.arguments})
        except BaseException as error:
            raised = error
        if raised is not None:
            hand_over(item, stack, active)
            protocol.went_wrong(item, nextitem, (began, start, called), raised)
            return
        done = timing.perf_counter()
        if result is not None or len(finalizers) != 1 or not self._may_end(item, nextitem):
            hand_over(item, stack, active)
            protocol.goes_on(item, nextitem, (began, start, called), done, result)
            return
        if plan.calls and not self._tear_down(item, nextitem, active, (began, start, called, done)):
            return
        self._collectors.leave(nextitem)
        self._report(item, (began, start, called, done))

    @internal
    def _set_up(self, plan: Plan, item: Any, active: list[Active], values: dict[str, Any]) -> None:
        """Set up the fixtures of *plan*: each that is ready is among the *active*, its value among *values*."""
        for step in plan.steps:
            kind, name, definition, _, arguments, generates, wants_request, _ = step
            generator = None
            if kind is PARAMETER:
                value = item.callspec.params[name]
            elif kind is CALL:
                given = {needed: values[needed] for needed in arguments}
                if wants_request:
                    given["request"] = request_for(step, item)
                function = function_for(step, item)
                if generates:
                    generator = function(**given)
                    try:
                        value = next(generator)
                    except StopIteration:
                        # pytest's own code says so, and is shown with it.
                        value = call_fixture_func(fixtures.yield_nothing, request_for(step, item), {})
                else:
                    value = function(**given)
            else:
                value = definition.cached_result[0]
            values[name] = value
            active.append((step, value, generator))

    @internal
    def _tear_down(
        self, item: Any, nextitem: Any, active: list[Active], times: tuple[float, float, float, float]
    ) -> bool:
        """End the generators among the *active* fixtures; whether nothing else is to be done."""
        raised = None
        told = False
        while active and raised is None:
            step, _, generator = active.pop()
            if generator is None:
                continue
            if not told:
                tell_environment(item.nodeid, "teardown")
                self._protocol._mark(2)
                told = True
            try:
                fixtures.end_generator(step.function, generator)
            except BaseException as error:
                raised = error
        if raised is None and (not told or self._is_silent()):
            return True
        hand_over(item, self._stack, active)
        self._protocol.was_torn_down(item, nextitem, times, raised)
        return False

    # ---- what an item needs and leaves

    def _plan_for(self, item: Any) -> Plan | None:
        """How to set up the fixtures of *item*, if they are all simple."""
        if not self._fixtures_are_unchanged or not self._hooks.are_quiet(item.path):
            return None
        info = item._fixtureinfo
        callspec = item.__dict__.get("callspec")
        parameters = callspec.params if callspec is not None else _NOTHING
        known = self._plans.get((id(info), len(parameters)))
        if known is not None and known[0] is info:
            return known[1]
        definitions = info.name2fixturedefs
        key = (
            info.argnames,
            tuple(info.names_closure),
            tuple(parameters),
            # For each name in the closure, in an order that depends on nothing else.
            *[known[-1] for known in definitions.values() if known],
        )
        try:
            plan = self._plans_by_fixtures[key]
        except KeyError:
            plan = self._plans_by_fixtures[key] = fixtures.make_plan(info, tuple(parameters))
        if parameters:
            # Items of one function share it; others have one of their own.
            self._plans[id(info), len(parameters)] = (info, plan)
        return plan

    @staticmethod
    def _stand(plan: Plan, item: Any) -> bool:
        """Whether the fixtures of a wider scope are there, with the item's own parameters, and all others end with it."""
        callspec = item.__dict__.get("callspec")
        parameters = callspec.params if callspec is not None else _NOTHING
        for definition, name in plan.standing:
            result = definition.cached_result
            if result is None or result[2] is not None:
                return False
            if result[1] is not parameters.get(name):
                return False
        if parameters:
            scopes = callspec._arg2scope
            for name in parameters:
                if scopes[name] is not Scope.Function and not any(name == standing for _, standing in plan.standing):
                    return False
        return True

    @internal
    def _is_silent(self) -> bool:
        """Whether a phase has left nothing to be told."""
        protocol = self._protocol
        return not protocol._unraisable and not protocol._thread_exceptions and self._streams.are_untouched()

    @internal
    def _may_end(self, item: Any, nextitem: Any) -> bool:
        """Whether the test has left everything so that nothing is to be told, and nothing to be torn down but its own."""
        session = self._session
        return (
            self._is_silent()
            and not session.shouldfail
            and not session.shouldstop
            and self._collectors.may_leave(item.parent, nextitem)
        )

    @internal
    def _report(self, item: Any, times: tuple[float, float, float, float]) -> None:
        attributes = item.__dict__
        attributes["_request"], attributes["funcargs"] = False, None
        self._reporter.passed(Passed(item, *times, timing.perf_counter()))
        if self._protocol._warned:
            self._protocol.tell_warnings(item)


def forget_last_exception() -> None:
    """As every call does, whatever is going to be raised."""
    for name in ("last_type", "last_value", "last_traceback", "last_exc"):
        if hasattr(sys, name):
            delattr(sys, name)


def tell_environment(nodeid: str, when: str) -> None:
    """``os.environ["PYTEST_CURRENT_TEST"] = ...``, without looking up how names and values are encoded."""
    value = f"{nodeid} ({when})"
    environment = os.environ
    if type(environment) is _Environ and "\0" not in value:
        data = value.encode(_ENCODING, "surrogateescape")
        _variable.set(data)
        environment._data[_CURRENT_TEST] = data
    else:
        environment["PYTEST_CURRENT_TEST"] = value.replace("\0", "(null)")


_CURRENT_TEST = b"PYTEST_CURRENT_TEST"
_ENCODING = sys.getfilesystemencoding()
_Environ = os._Environ
_variable = Variable(_CURRENT_TEST)
