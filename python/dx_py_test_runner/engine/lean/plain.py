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
from dx_py_test_runner.engine.lean.fixtures import (
    FUNCTION,
    GENERATOR,
    PARAMETER,
    STANDING,
    Plan,
    Step,
    function_for,
    hand_over,
    request_for,
)
from dx_py_test_runner.engine.lean.marks import TELLING_MARKS
from dx_py_test_runner.engine.lean.passes import PHASES, Passed

_ASYNC = inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR | inspect.CO_ITERABLE_COROUTINE
_MARKED = frozenset({"pytestmark"})
_NOTHING: dict[str, Any] = {}
_sys_names = vars(sys)
_new = tuple.__new__


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
        self._plans: dict[tuple[int, int], tuple[Any, Plan | None]] = {}
        self._plans_by_fixtures: dict[tuple[Any, ...], Plan | None] = {}
        self._fixtures_are_unchanged = fixtures.are_unchanged()
        self._recent: dict[tuple[str, ...], tuple[Any, Any, Plan | None]] = {}
        self._parent: Any = None
        self._is_quiet = False

    @internal
    def run(self, item: Any, nextitem: Any) -> bool | None:
        """Run *item* and report it, if it is one of ours (None if not); whether it has passed in silence."""
        protocol = self._protocol
        attributes = item.__dict__
        function = attributes.get("_obj")
        code = getattr(function, "__code__", None)
        parent = item.parent
        if (
            nextitem is None
            or type(item) is not Function
            or code is None
            or code.co_flags & _ASYNC
            or (function.__dict__ and not function.__dict__.keys() <= _MARKED)
            or (parent is not self._parent and not self._is_plain_parent(parent))
            or len(self._plugins) != protocol._plugin_count
            or not protocol.has_told_hypothesis()
        ):
            return None
        if "own_markers" in attributes:
            for mark in attributes["own_markers"]:
                if mark.name in TELLING_MARKS:
                    return None
        plan = None
        if item.fixturenames:
            plan = self._plan_for(item) if self._is_quiet else None
            if plan is None or not self._stand(plan, item):
                return None
        stack = self._stack
        top = next(reversed(stack), None)
        if (top is not parent or stack[top][1] is not None) and not self._collectors.enter(item):
            return None
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
            return self._run_alone(item, nextitem, function)
        return self._run_furnished(item, nextitem, function, plan)

    def _is_plain_parent(self, parent: Any) -> bool:
        """Whether no mark of *parent* matters to its items; asked once for many of them."""
        if not self._protocol.is_unmarked(parent):
            return False
        self._parent = parent
        self._is_quiet = self._fixtures_are_unchanged and self._hooks.are_quiet(parent.path)
        return True

    @internal
    def _run_alone(self, item: Any, nextitem: Any, function: Any) -> bool:
        """Run an item without fixtures."""
        protocol, stack = self._protocol, self._stack
        if "last_type" in _sys_names or "last_exc" in _sys_names:
            forget_last_exception()
        began, start = timing.time(), timing.perf_counter()
        finalizers = [item.teardown]
        stack[item] = (finalizers, None)
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
            return False
        done = timing.perf_counter()
        if result is not None or len(finalizers) != 1 or not self._may_end(item, nextitem):
            protocol.goes_on(item, nextitem, (began, start, called), done, result)
            return False
        return self._end(item, nextitem, began, start, called, done)

    @internal
    def _run_furnished(self, item: Any, nextitem: Any, function: Any, plan: Plan) -> bool:
        """Run an item with fixtures of its own."""
        protocol, stack = self._protocol, self._stack
        began, start = timing.time(), timing.perf_counter()
        finalizers = [item.teardown]
        stack[item] = (finalizers, None)
        values: dict[str, Any] = {}
        generators: list[tuple[Step, Any]] = []
        nodeid = item.nodeid
        if plan.calls:
            tell_environment(nodeid, "setup")
            protocol._mark(0)
        raised = None
        try:
            self._set_up(plan, item, values, generators)
        except BaseException as error:
            raised = error
        if raised is not None:
            hand_over(item, stack, fixtures.active(plan, values, generators), plan.steps[len(values)], raised)
            protocol.was_set_up(item, nextitem, (began, start), raised)
            return False
        if plan.calls:
            if not protocol.is_silent():
                hand_over(item, stack, fixtures.active(plan, values, generators))
                protocol.was_set_up(item, nextitem, (began, start, timing.perf_counter()))
                return False
            self._streams.heed_loggers()
        if "last_type" in _sys_names or "last_exc" in _sys_names:
            forget_last_exception()
        tell_environment(nodeid, "call")
        protocol._mark(1)
        called = timing.perf_counter()
        try:
            result = function(**{name: values[name] for name in plan.arguments})
        except BaseException as error:
            raised = error
        if raised is not None:
            hand_over(item, stack, fixtures.active(plan, values, generators))
            protocol.went_wrong(item, nextitem, (began, start, called), raised)
            return False
        done = timing.perf_counter()
        if result is not None or len(finalizers) != 1 or not self._may_end(item, nextitem):
            hand_over(item, stack, fixtures.active(plan, values, generators))
            protocol.goes_on(item, nextitem, (began, start, called), done, result)
            return False
        if generators and not self._tear_down(item, nextitem, plan, values, generators, (began, start, called, done)):
            return False
        return self._end(item, nextitem, began, start, called, done)

    @internal
    def _set_up(self, plan: Plan, item: Any, values: dict[str, Any], generators: list[tuple[Step, Any]]) -> None:
        """Set up the fixtures of *plan* in its order: *values* holds those that are ready."""
        for kind, name, definition, function, arguments, step in plan.quick:
            if kind == FUNCTION:
                values[name] = function(**{needed: values[needed] for needed in arguments}) if arguments else function()
            elif kind == GENERATOR:
                generator = function(**{needed: values[needed] for needed in arguments}) if arguments else function()
                self._begin(generator, step, item, values, generators)
            elif kind == STANDING:
                values[name] = definition.cached_result[0]
            elif kind == PARAMETER:
                values[name] = item.callspec.params[name]
            else:
                self._set_up_elaborate(step, item, values, generators)

    @internal
    def _set_up_elaborate(
        self, step: Step, item: Any, values: dict[str, Any], generators: list[tuple[Step, Any]]
    ) -> None:
        """Set up a fixture that is a method, or looks at its parameter."""
        given = {needed: values[needed] for needed in step.arguments}
        if step.wants_request:
            given["request"] = request_for(step, item)
        function = function_for(step, item)
        if not step.generates:
            values[step.name] = function(**given)
            return
        self._begin(function(**given), step, item, values, generators)

    @internal
    def _begin(
        self, generator: Any, step: Step, item: Any, values: dict[str, Any], generators: list[tuple[Step, Any]]
    ) -> None:
        """Have a fixture's *generator* yield its value."""
        try:
            value = next(generator)
        except StopIteration:
            # pytest's own code says so, and is shown with it.
            value = call_fixture_func(fixtures.yield_nothing, request_for(step, item), {})
        generators.append((step, generator))
        values[step.name] = value

    @internal
    def _tear_down(
        self,
        item: Any,
        nextitem: Any,
        plan: Plan,
        values: dict[str, Any],
        generators: list[tuple[Step, Any]],
        times: tuple[float, float, float, float],
    ) -> bool:
        """End the *generators*; whether nothing else is to be done."""
        raised = None
        left = 0
        tell_environment(item.nodeid, "teardown")
        self._protocol._mark(2)
        while generators and raised is None:
            step, generator = generators.pop()
            try:
                fixtures.end_generator(step.function, generator)
            except BaseException as error:
                raised = error
                left = list(values).index(step.name)
        if raised is None and self._protocol.is_silent():
            return True
        hand_over(item, self._stack, fixtures.active(plan, values, generators)[:left])
        self._protocol.was_torn_down(item, nextitem, times, raised)
        return False

    # ---- what an item needs and leaves

    def _plan_for(self, item: Any) -> Plan | None:
        """How to set up the fixtures of *item*, if they are all simple."""
        info = item._fixtureinfo
        callspec = item.__dict__.get("callspec")
        if callspec is None:
            recent = self._recent.get(info.argnames)
            if recent is not None and recent[0] == info.names_closure and recent[1] == info.name2fixturedefs:
                return recent[2]
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
        elif callspec is None:
            self._recent[info.argnames] = (list(info.names_closure), dict(info.name2fixturedefs), plan)
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
    def _may_end(self, item: Any, nextitem: Any) -> bool:
        """Whether the test has left everything so that nothing is to be told, and nothing to be torn down but its own."""
        return self._protocol.is_silent() and (
            nextitem.parent is item.parent or self._collectors.may_leave(item.parent, nextitem)
        )

    @internal
    def _end(self, item: Any, nextitem: Any, began: float, start: float, called: float, done: float) -> bool:
        """Tear down what :meth:`_may_end` has allowed to, and report; whether nobody could have asked for anything."""
        if nextitem.parent is item.parent:
            self._stack.popitem()
        else:
            self._collectors.leave(nextitem)
        attributes = item.__dict__
        attributes["_request"], attributes["funcargs"] = False, None
        self._reporter.passed(_new(Passed, (item, began, start, called, done, timing.perf_counter())))
        if self._protocol._warned:
            self._protocol.tell_warnings(item)
            return False
        return True


def forget_last_exception() -> None:
    """As every call does, whatever is going to be raised."""
    for name in ("last_type", "last_value", "last_traceback", "last_exc"):
        if hasattr(sys, name):
            delattr(sys, name)


def tell_environment(nodeid: str, when: str) -> None:
    """``os.environ["PYTEST_CURRENT_TEST"] = ...``, without looking up how names and values are encoded."""
    environment = os.environ
    if type(environment) is _Environ and _IS_UTF8 and _variable.set(environment._data, nodeid, _WHEN[when]):
        return
    environment["PYTEST_CURRENT_TEST"] = f"{nodeid} ({when})".replace("\0", "(null)")


_WHEN = {when: f" ({when})" for when in PHASES}
_IS_UTF8 = sys.getfilesystemencoding() == "utf-8"
_Environ = os._Environ
_variable = Variable(b"PYTEST_CURRENT_TEST")
