"""Test functions that use no fixture: nothing can happen around such a test, so all that is left is to call it.

Before it runs, everything is as an earlier item's end has left it; behind it a few glances tell whether it still is. If
the test has failed, written, logged, warned or returned something, or if anything else is not as it was, the rest of the
item goes the longer way (``protocol.py``), which comes to the same but looks at everything.
"""

from __future__ import annotations

import inspect
import os
import sys
import warnings
from typing import Any

from _pytest import nodes, timing
from _pytest.python import Function

from dx_py_test_runner.engine.frames import internal
from dx_py_test_runner.engine.lean.passes import Passed

_ASYNC = inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR | inspect.CO_ITERABLE_COROUTINE
_CURRENT_TEST = b"PYTEST_CURRENT_TEST"


class PlainItems:
    """Runs items without fixtures for a :class:`LeanProtocol`."""

    def __init__(self, protocol: Any) -> None:
        self._protocol = protocol
        self._session = protocol._session
        self._stack: dict[Any, Any] = protocol._setup.stack
        self._streams = protocol._streams
        self._reporter = protocol._reporter
        self._plugins = protocol._config.pluginmanager._name2plugin
        self._plugin_count = len(self._plugins)
        self._inert: dict[type, bool] = {}

    @internal
    def run(self, item: Any, nextitem: Any) -> bool:
        """Run *item* and report it, if it is one of ours; whether it was."""
        protocol, stack = self._protocol, self._stack
        attributes = item.__dict__
        function = attributes.get("_obj")
        code = getattr(function, "__code__", None)
        if (
            nextitem is None
            or item.fixturenames
            or type(item) is not Function
            or code is None
            or code.co_flags & _ASYNC
            or function.__dict__
            or attributes.get("own_markers")
            or not protocol.is_unmarked(item.parent)
            or len(self._plugins) != self._plugin_count
            or not protocol.has_told_hypothesis()
            or not self._enter(item)
        ):
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
        if hasattr(sys, "last_type"):
            forget_last_exception()
        began, start = timing.time(), timing.perf_counter()
        stack[item] = ([item.teardown], None)
        tell_environment(item.nodeid, "call")
        protocol._mark(1)
        called = timing.perf_counter()
        try:
            result = function()
        except BaseException as error:
            protocol.went_wrong(item, nextitem, (began, start, called), error)
            return True
        done = timing.perf_counter()
        session = self._session
        if (
            result is not None
            or protocol._unraisable
            or protocol._thread_exceptions
            or not self._streams.are_untouched()
            or session.shouldfail
            or session.shouldstop
            or len(stack[item][0]) != 1
            or not self._may_leave(item.parent, nextitem)
        ):
            protocol.goes_on(item, nextitem, (began, start, called), done, result)
            return True
        stack.popitem()
        parents = nextitem.parent
        while next(reversed(stack)) is not parents and not self._is_above(next(reversed(stack)), nextitem):
            stack.popitem()
        attributes["_request"], attributes["funcargs"] = False, None
        self._reporter.passed(Passed(item, began, start, called, done, timing.perf_counter()))
        if protocol._warned:
            protocol.tell_warnings(item)
        return True

    # ---- the collectors around an item

    def _enter(self, item: Any) -> bool:
        """Set up the collectors above *item*, if that does nothing."""
        stack, parent = self._stack, item.parent
        top = next(reversed(stack), None)
        if top is parent:
            return stack[top][1] is None
        entered = []
        node = parent
        while node is not None and node not in stack:
            if not self._is_inert(node):
                return False
            entered.append(node)
            node = node.parent
        if node is None or node is not top or stack[top][1] is not None:
            return False
        for node in reversed(entered):
            stack[node] = ([node.teardown], None)
        return True

    def _may_leave(self, parent: Any, nextitem: Any) -> bool:
        """Whether tearing down what *nextitem* does not share does nothing."""
        if nextitem.parent is parent:
            return True
        for node in reversed(list(self._stack)[:-1]):
            if self._is_above(node, nextitem):
                return True
            if not self._is_inert(node) or len(self._stack[node][0]) != 1:
                return False
        return False

    @staticmethod
    def _is_above(node: Any, item: Any) -> bool:
        above = item.parent
        while above is not None:
            if above is node:
                return True
            above = above.parent
        return False

    def _is_inert(self, node: Any) -> bool:
        """Whether a collector does nothing when it is set up and torn down."""
        kind = type(node)
        inert = self._inert.get(kind)
        if inert is None:
            inert = self._inert[kind] = (
                kind.setup is nodes.Node.setup
                and kind.teardown is nodes.Node.teardown
                and kind.__module__.startswith("_pytest.")
            )
        return inert and "setup" not in node.__dict__ and "teardown" not in node.__dict__


def forget_last_exception() -> None:
    """As every call does, whatever is going to be raised."""
    for name in ("last_type", "last_value", "last_traceback", "last_exc"):
        if hasattr(sys, name):
            delattr(sys, name)


def tell_environment(nodeid: str, when: str) -> None:
    """``os.environ["PYTEST_CURRENT_TEST"] = ...``, without looking up how names and values are encoded."""
    value = f"{nodeid} ({when})".replace("\0", "(null)")
    environment = os.environ
    if type(environment) is os._Environ:
        data = environment.encodevalue(value)
        os.putenv(_CURRENT_TEST, data)
        environment._data[_CURRENT_TEST] = data
    else:
        environment["PYTEST_CURRENT_TEST"] = value
