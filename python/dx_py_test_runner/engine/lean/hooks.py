"""Hooks that are asked around every fixture, while items run lean: without those who do nothing there."""

from __future__ import annotations

import inspect
from functools import partial
from types import FunctionType
from typing import Any

from _pytest import fixtures
from _pytest.outcomes import skip

from dx_py_test_runner.engine.frames import internal
from dx_py_test_runner.engine.lean.collectors import folder_of
from dx_py_test_runner.engine.lean.fixtures import yield_nothing

_SETUP, _FINISHED = "pytest_fixture_setup", "pytest_fixture_post_finalizer"

_IDLE = frozenset({"_pytest.setuponly", "_pytest.setupplan"})
"""Plugins that do nothing without their options, with which no item runs lean."""

_OWN = frozenset({"_pytest.fixtures"})

_ASYNC = inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR | inspect.CO_ITERABLE_COROUTINE


class QuickHooks:
    """Between :meth:`begin` and :meth:`end`, ``ihook`` of every node asks only those who have something to say."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self._setup, self._finished = (getattr(session.config.hook, name) for name in (_SETUP, _FINISHED))
        self._idle: list[tuple[Any, Any, int]] = []
        self._relays: dict[int, tuple[Any, int, Any]] = {}
        self._conftests = session.config.pluginmanager._conftest_plugins

    def begin(self) -> None:
        """Leave out the idle ones."""
        for caller in (self._setup, self._finished):
            implementations = caller._hookimpls
            for position in range(len(implementations) - 1, -1, -1):
                implementation = implementations[position]
                if getattr(implementation.plugin, "__name__", None) in _IDLE:
                    del implementations[position]
                    self._idle.append((caller, implementation, position))
        if "gethookproxy" not in self._session.__dict__:
            self._session.gethookproxy = self._gethookproxy

    def end(self) -> None:
        """Have everything as it was."""
        while self._idle:
            caller, implementation, position = self._idle.pop()
            caller._hookimpls.insert(position, implementation)
        if self._session.__dict__.get("gethookproxy") == self._gethookproxy:
            del self._session.gethookproxy

    def are_quiet(self, parent: Any) -> bool:
        """Whether nobody but pytest does anything around the fixtures of the items of *parent*."""
        folder = folder_of(parent)
        relay = self._session.gethookproxy(parent.path if folder is None else folder)
        return type(relay) is _Relay and _SETUP in relay.__dict__ and _FINISHED in relay.__dict__

    def _gethookproxy(self, fspath: Any) -> Any:
        """As ``Session.gethookproxy``, which looks up each time which conftests are above a path."""
        # Conftests and plugins may come and go with any test.
        count = len(self._conftests) + len(self._setup._hookimpls) + len(self._finished._hookimpls)
        known = self._relays.get(id(fspath))
        if known is not None and known[0] is fspath and known[1] == count:
            return known[2]
        relay = _Relay(type(self._session).gethookproxy(self._session, fspath))
        self._relays[id(fspath)] = (fspath, count, relay)
        return relay


class _Relay:
    """The hooks of a path; those around fixtures are called directly where only pytest's own implementation is left."""

    def __init__(self, proxy: Any) -> None:
        self._proxy = proxy
        if {_origin(implementation) for implementation in getattr(proxy, _SETUP).get_hookimpls()} == _OWN:
            self.pytest_fixture_setup = set_up
        if not getattr(proxy, _FINISHED).get_hookimpls():
            self.pytest_fixture_post_finalizer = _nobody

    def __getattr__(self, name: str) -> Any:
        return getattr(self._proxy, name)


def _origin(implementation: Any) -> Any:
    return getattr(implementation.plugin, "__name__", None)


def _nobody(*, fixturedef: Any, request: Any) -> None:
    """The answer of a hook that nobody implements."""


@internal
def set_up(*, fixturedef: Any, request: Any) -> Any:
    """``_pytest.fixtures.pytest_fixture_setup`` for plain functions and generators."""
    __tracebackhide__ = True
    function = fixturedef.func
    if type(function) is not FunctionType or function.__dict__ or function.__code__.co_flags & _ASYNC:
        return fixtures.pytest_fixture_setup(fixturedef, request)
    # All of them are set up by now, and stay so as long as this fixture does.
    active = request._fixture_defs
    arguments = {}
    for name in fixturedef.argnames:
        needed = active.get(name)
        if needed is None or needed.cached_result is None:
            arguments[name] = request.getfixturevalue(name)
        else:
            arguments[name] = needed.cached_result[0]
    key = fixturedef.cache_key(request)
    try:
        if function.__code__.co_flags & inspect.CO_GENERATOR:
            generator = function(**arguments)
            try:
                value = next(generator)
            except StopIteration:
                # pytest's own code says so, and is shown with it.
                value = fixtures.call_fixture_func(yield_nothing, request, {})
            request.addfinalizer(partial(fixtures._teardown_yield_fixture, function, generator))
        else:
            value = function(**arguments)
    except fixtures.TEST_OUTCOME as error:
        if isinstance(error, skip.Exception):
            # The test is what was skipped, not the fixture's line.
            error._use_item_location = True
        fixturedef.cached_result = (None, key, (error, error.__traceback__))
        raise
    fixturedef.cached_result = (value, key, None)
    return value
