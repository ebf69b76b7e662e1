"""Items run in one step: test functions without fixtures, and those whose fixtures are all of the simple kinds.

Before such a test runs, everything is as an earlier item's end has left it; behind each phase a few glances tell whether it
still is. That loop is native (``crates/native/src/plain.rs``), and knows nothing else. If one has failed, written, logged, warned
or returned something, or if anything else is not as it was, the rest of the item goes the longer way (``protocol.py``), which
comes to the same but looks at everything.
"""

from __future__ import annotations

import inspect
import logging
import os
import sys
import warnings
from collections.abc import Sequence
from types import FunctionType, MethodType
from typing import Any, NamedTuple

from _pytest.assertion import util as assertion_util
from _pytest.fixtures import _teardown_yield_fixture, call_fixture_func
from _pytest.python import Function
from _pytest.scope import Scope

from dx_py_test_runner._native import Choice, PlainLoop, Recipe, Variable
from dx_py_test_runner.engine.frames import internal
from dx_py_test_runner.engine.lean import fixtures, streams
from dx_py_test_runner.engine.lean.collectors import Collectors
from dx_py_test_runner.engine.lean.fixtures import Plan, Step, active, function_for, hand_over, request_for
from dx_py_test_runner.engine.lean.marks import TELLING_MARKS
from dx_py_test_runner.engine.lean.passes import PHASES
from dx_py_test_runner.wire.status import StatusPage

_ASYNC = inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR | inspect.CO_ITERABLE_COROUTINE

# Where the native loop has ended, and why.
PAUSE, OTHER, WARNED, SETUP_RAISED, SETUP_TOLD, RAISED, RETURNED, TORN_DOWN = range(8)


class Shared(NamedTuple):
    """What a loop shares with those who watch its process."""

    page: StatusPage
    """Says which item is running."""
    stop_page: StatusPage
    """Says whether the user has asked to stop."""
    limit: Any
    """Memory that begins with the index of the last item that has to be run (32 bits), or None."""
    log: Any
    """Where silent passes are written: a journal, or a ``PassLog``."""
    kept: Sequence[int]
    """Descriptors that no test may close or replace unnoticed."""
    between: Any = None
    """Called when an item begins, or None."""


class Terms(NamedTuple):
    """What the native :class:`Choice` asks of an item."""

    item: type
    function: type
    method: type
    asynchronous: int
    telling: frozenset[str]
    plan_for: Any
    narrow: Any


class Surroundings(NamedTuple):
    """What the native loop sees and changes. Attributes of modules and objects are reached through their dictionaries."""

    choice: Choice
    glance: Any
    """Of all that a silent phase leaves as it is."""
    buffers: list[Any]
    """What else must be empty then."""
    stack: dict[Any, Any]
    """That of the session's ``SetupState``."""
    protocol: dict[str, Any]
    """Told which item is running, for explanations of failed comparisons."""
    assertions: dict[str, Any]
    """Given *compare* and *config* before each item."""
    compare: Any
    config: Any
    warnings: dict[str, Any]
    """Its filters must equal *filters* before each item, or are renewed. *filters_mutated* lets every place warn again."""
    filters: list[Any]
    filters_mutated: Any
    renew_warnings: Any
    given_warnings: list[Any]
    loggers: Any
    """The manager of loggers; None if only the root logger is listened to. *heed_loggers* is called if one passes nothing on."""
    heed_loggers: Any
    sys: dict[str, Any]
    modules: dict[str, Any]
    forget_last_exception: Any
    os: dict[str, Any]
    environ: type
    """Of ``os.environ``, as long as the *variable* may be written to without it; otherwise *tell_environment* is called."""
    variable: Variable | None
    tell_environment: Any
    may_leave: Any
    leave: Any
    elaborate: Any
    yields_nothing: Any
    yields_again: Any
    page: Any
    stop_page: Any
    limit: Any
    between: Any
    """Called when an item begins, or None."""


class PlainItems:
    """Runs items in one step for a :class:`LeanProtocol`."""

    def __init__(self, protocol: Any, shared: Shared) -> None:
        self._protocol = protocol
        self._shared = shared
        self._stack: dict[Any, Any] = protocol._setup.stack
        self._collectors = Collectors(self._stack)
        self._reporter = protocol._reporter
        self._plugins = protocol._config.pluginmanager._name2plugin
        self._plans: dict[tuple[Any, ...], Recipe | None] = {}
        self._fixtures_are_unchanged = fixtures.are_unchanged()
        terms = Terms(Function, FunctionType, MethodType, _ASYNC, frozenset(TELLING_MARKS), self._plan_for, Scope.Function)
        self._choice = Choice(terms)
        self._loop: Any = None
        self._made_for: tuple[Any, ...] = ()
        self._parent: Any = None
        self._is_quiet = False

    @internal
    def run(self, items: list[Any], start: int, stop: int, following: Any) -> tuple[int, bool]:
        """Run *items* from *start* to before *stop*, and report them, for as long as there are children of one parent, they can be
        run in one step, and they pass in silence.

        :param following: the item behind them, or None.
        :returns: how many have been run, and whether the last of them has passed in silence. None has if the first is not ours.
        """
        protocol, reporter, item = self._protocol, self._reporter, items[start]
        if len(self._plugins) != protocol._plugin_count or not self._is_ready(item):
            return 0, False
        if not protocol.is_clean:
            protocol.clean()
        reporter.begins(item)
        loop, records = self._get_loop(), self._shared.log.room(stop - start)
        written = records.end
        try:
            code, details = loop.run(
                items, (start, stop), following, (self._parent, self._is_quiet), records, reporter.until()
            )
        finally:
            end = loop.position
            if end > start:
                reporter.ran(items[start:end], records.since(written))
        if code == PAUSE or (code == OTHER and end > start):
            return end - start, True
        if code == OTHER:
            return 0, False
        if code == WARNED:
            protocol.tell_warnings(items[end - 1])
            return end - start, False
        self._go_on(code, items[end], behind(items, end, stop, following), *details)
        return end + 1 - start, False

    def _is_ready(self, item: Any) -> bool:
        """Whether *item* can be run in one step; its collectors are set up then."""
        parent = item.parent
        if parent is not self._parent and not self._is_plain_parent(parent):
            return False
        if not self._choice.accepts(item, self._is_quiet):
            return False
        stack = self._stack
        top = next(reversed(stack), None)
        return stack[top][1] is None if top is parent else self._collectors.enter(item)

    def _is_plain_parent(self, parent: Any) -> bool:
        """Whether no mark of *parent* matters to its items; asked once for many of them."""
        if not self._protocol.is_unmarked(parent):
            return False
        self._parent = parent
        self._is_quiet = self._fixtures_are_unchanged and self._protocol._hooks.are_quiet(parent)
        return True

    def _get_loop(self) -> Any:
        """The native loop, made anew when what it looks at is."""
        page, stop_page = self._shared.page.memory, self._shared.stop_page.memory
        needed = (self._protocol._glance, page, stop_page)
        if any(one is not other for one, other in zip(needed, self._made_for)) or not self._made_for:
            self._made_for = needed
            self._loop = PlainLoop(self._surroundings(page, stop_page))
        return self._loop

    def _surroundings(self, page: Any, stop_page: Any) -> Surroundings:
        protocol = self._protocol
        return Surroundings(
            choice=self._choice,
            glance=protocol._glance,
            buffers=protocol._buffers,
            stack=self._stack,
            protocol=vars(protocol),
            assertions=vars(assertion_util),
            compare=protocol.compare,
            config=protocol._config,
            warnings=vars(warnings),
            filters=protocol._filters,
            filters_mutated=warnings._filters_mutated,  # type: ignore[attr-defined]
            renew_warnings=protocol._renew_warnings,
            given_warnings=protocol._warned,
            loggers=logging.getLogger().manager if streams.HEEDS_LOGGERS else None,
            heed_loggers=protocol._streams.heed_loggers,
            sys=vars(sys),
            modules=sys.modules,
            forget_last_exception=forget_last_exception,
            os=vars(os),
            environ=_Environ,
            variable=_variable if _IS_UTF8 else None,
            tell_environment=tell_environment,
            may_leave=self._collectors.may_leave,
            leave=self._collectors.leave,
            elaborate=_set_up_elaborate,
            yields_nothing=_yields_nothing,
            yields_again=_yields_again,
            page=page,
            stop_page=stop_page,
            limit=self._shared.limit,
            between=self._shared.between,
        )

    @internal
    def _go_on(
        self,
        code: int,
        item: Any,
        nextitem: Any,
        times: tuple[float, ...],
        recipe: Recipe | None,
        values: dict[str, Any],
        generators: list[tuple[Step, Any]],
        more: Any,
    ) -> None:
        """Have the rest of *item* go the longer way, from where the native loop has left it."""
        protocol, below = self._protocol, None
        if code == TORN_DOWN:
            more, below = more
        if recipe is not None:
            failed = (recipe.plan.steps[len(values)], more) if code == SETUP_RAISED else ()
            hand_over(item, self._stack, active(recipe.plan, values, generators)[:below], *failed)
        if code == SETUP_RAISED or code == SETUP_TOLD:
            protocol.was_set_up(item, nextitem, times, more)
        elif code == RAISED:
            protocol.went_wrong(item, nextitem, times, more)
        elif code == RETURNED:
            protocol.goes_on(item, nextitem, times[:-1], times[-1], more)
        else:
            protocol.was_torn_down(item, nextitem, times, more)

    def _plan_for(self, item: Any) -> Recipe | None:
        """How to set up the fixtures of *item*, if they are all simple."""
        info = item._fixtureinfo
        callspec = item.__dict__.get("callspec")
        parameters = tuple(callspec.params) if callspec is not None else ()
        definitions = info.name2fixturedefs
        key = (
            info.argnames,
            tuple(info.names_closure),
            parameters,
            # For each name in the closure, in an order that depends on nothing else.
            *[fixtures.is_direct_parameter(known[-1]) or known[-1] for known in definitions.values() if known],
        )
        try:
            return self._plans[key]
        except KeyError:
            plan = fixtures.make_plan(info, parameters)
            self._plans[key] = recipe = None if plan is None else _recipe(plan)
            return recipe


def behind(items: list[Any], index: int, stop: int, following: Any) -> Any:
    """The item behind that at *index*: of *items* before *stop*, or what follows these."""
    return items[index + 1] if index + 1 < stop else following


def _recipe(plan: Plan) -> Recipe:
    return Recipe(
        plan,
        [
            (fixtures.way_of(step), step.name, step.definition, step.function, list(step.arguments), step)
            for step in plan.steps
        ],
        list(plan.arguments),
        calls=plan.calls,
    )


# ---- what the native loop leaves to Python


@internal
def _set_up_elaborate(step: Step, item: Any, values: dict[str, Any]) -> tuple[Any, Any]:
    """Set up a fixture that is a method, or looks at its parameter: its value, and its generator if it has one."""
    given = {needed: values[needed] for needed in step.arguments}
    if step.wants_request:
        given["request"] = request_for(step, item)
    function = function_for(step, item)
    if not step.generates:
        return function(**given), None
    generator = function(**given)
    try:
        return next(generator), generator
    except StopIteration:
        return _yields_nothing(step, item), generator


@internal
def _yields_nothing(step: Step, item: Any) -> Any:
    """What a fixture without a value is told: pytest's own code says so, and is shown with it."""
    return call_fixture_func(fixtures.yield_nothing, request_for(step, item), {})


@internal
def _yields_again(function: Any) -> None:
    """What the fixture *function* is told that has yielded a second value."""
    _teardown_yield_fixture(function, iter((None,)))


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
