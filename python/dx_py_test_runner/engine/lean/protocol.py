"""pytest's run protocol for plain test functions, its steps fused.

What a test, a fixture or a hook can see is as under ``_pytest.runner.runtestprotocol``. What is left out is what only
pytest's own plugins would see: contexts that are opened and closed around each phase without anything happening in
them, reports of phases that passed in silence, hooks that nobody else implements. As soon as something does happen
(an exception, output, a log record) the item's phases are reported through pytest's own hooks, earlier ones first.
"""

from __future__ import annotations

import inspect
import os
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from _pytest import assertion as assertion_plugin
from _pytest import runner, timing
from _pytest.assertion import util as assertion_util
from _pytest.fixtures import TEST_OUTCOME
from _pytest.python import Function
from _pytest.python import pytest_pyfunc_call as call_function
from _pytest.threadexception import collect_thread_exception, thread_exceptions
from _pytest.skipping import evaluate_xfail_marks, xfailed_key
from _pytest.tmpdir import tmppath_result_key
from _pytest.unraisableexception import collect_unraisable, unraisable_exceptions
from _pytest.warnings import catch_warnings_for_item

try:
    from _pytest.subtests import failed_subtests_key
except ImportError:  # before pytest 9
    failed_subtests_key = None

from dx_py_test_runner._native import Glance
from dx_py_test_runner.engine.lean import guards
from dx_py_test_runner.engine.frames import internal
from dx_py_test_runner.engine.lean.hooks import QuickHooks
from dx_py_test_runner.engine.lean.marks import TELLING_FIXTURES, TELLING_MARKS
from dx_py_test_runner.engine.lean.passes import PHASES, Passed, make_report
from dx_py_test_runner.engine.lean.plain import forget_last_exception, tell_environment
from dx_py_test_runner.engine.lean.streams import Streams

_CURRENT_TEST = "PYTEST_CURRENT_TEST"


class LeanProtocol:
    """Runs the items of one loop. Use as a context; leave it (or :meth:`pause`) before anything else runs.

    :param mark: told how many phases of an item have passed in silence, before more of the user's code runs.
    :param reporter: told of items that begin and pass (``reporting.py``).
    :param kept: descriptors that no test may close or replace unnoticed.
    """

    def __init__(self, session: Any, reporter: Any, mark: Callable[[int], None], kept: Sequence[int] = ()) -> None:
        self._session = session
        self._config = config = session.config
        self._setup = session._setupstate
        self._reporter = reporter
        self._mark = mark
        self._streams = Streams(config, reporter.flush, kept)
        self._hooks = QuickHooks(session)
        self._reraise = runner.get_reraise_exceptions(config) if hasattr(runner, "get_reraise_exceptions") else (
            pytest.exit.Exception,
            KeyboardInterrupt,
        )
        # pluggy's own lists, which it changes in place: looked at for every item.
        self._implementations = [getattr(config.hook, name)._hookimpls for guard in guards.RUNNING for name in guard.hooks]
        self._implementation_count = sum(map(len, self._implementations))
        self._unraisable = config.stash[unraisable_exceptions]
        self._thread_exceptions = config.stash[thread_exceptions]
        self._failed_subtests = config.stash.get(failed_subtests_key, {}) if failed_subtests_key else {}
        self._plugin_count = len(config.pluginmanager._name2plugin)
        self._marks: dict[Any, bool] = {}
        self._warning_context: Any = None
        self._warned: list[Any] = []
        self._item: Any = None
        self._in_context = False
        self._told_hypothesis = not config.pluginmanager.hasplugin("hypothesispytest")
        self.is_clean = False
        self.compare = self._compare

    # ---- contexts that last for many items

    def __enter__(self) -> LeanProtocol:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.pause()

    def make_room(self) -> None:
        """For what others write: nothing of ours is waiting to be written, nothing is captured."""
        self.is_clean = False
        self._reporter.flush()
        self._streams.pause()

    def pause(self) -> None:
        """Close everything: as it is between two items under pytest."""
        self.make_room()
        if not self._in_context:
            return
        self._in_context = False
        os.environ.pop(_CURRENT_TEST, None)
        self._hooks.end()
        context, self._warning_context = self._warning_context, None
        self._warned.clear()
        context.__exit__(None, None, None)
        assertion_util._reprcompare, assertion_util._config = self._reprcompare_before, None

    def _resume(self) -> None:
        if not self._in_context:
            self._in_context = True
            self._hooks.begin()
            self._warning_context = catch_warnings_for_item(
                config=self._config, ihook=self._config.hook, when="runtest", item=None
            )
            self._warning_context.__enter__()
            # Recording contexts of the standard library collect into a list by its own ``append``.
            self._show = warnings._showwarnmsg_impl  # type: ignore[attr-defined]
            self._warned = self._show.__self__
            self._showwarning = warnings.showwarning
            self._filters = list(warnings.filters)
            self._glance, self._buffers = self._make_glance(), self._streams.buffers
            if not self._buffers:
                # One call for each of a million tests.
                self.is_silent = self._glance.holds
            self._reprcompare_before = assertion_util._reprcompare
        self._streams.resume()

    def _make_glance(self) -> Glance:
        """What a test leaves as it is that neither fails nor says anything."""
        watched = self._streams.watched()
        session, manager = self._session, self._config.pluginmanager
        watched["same"] += [
            (vars(warnings), "_showwarnmsg_impl", self._show),
            (vars(warnings), "showwarning", self._showwarning),
            *((vars(session), name, False) for name in ("_shouldfail", "_shouldstop")),
            # The native loop reads the clocks themselves.
            (vars(timing), "time", time.time),
            (vars(timing), "perf_counter", time.perf_counter),
        ]
        sizes = [(self._unraisable, 0), (self._thread_exceptions, 0), (manager._name2plugin, self._plugin_count)]
        return Glance(sizes=sizes, **watched)

    @internal
    def is_silent(self) -> bool:
        """Whether a phase has left nothing to be told, and everything as it was."""
        return self._glance.holds() and not any(buffer.tell() for buffer in self._buffers)

    def clean(self) -> None:
        """Have everything as an item finds it."""
        self._reporter.settle()
        self._resume()
        self._renew_warnings()
        self.is_clean = True

    def _renew_warnings(self) -> None:
        """As a context of its own would find it: no filter of an earlier item, and every location may warn again."""
        if warnings.filters != self._filters:
            warnings.filters[:] = self._filters  # type: ignore[index]
        if warnings._showwarnmsg_impl is not self._show or warnings.showwarning is not self._showwarning:  # type: ignore[attr-defined]
            warnings._showwarnmsg_impl = self._show  # type: ignore[attr-defined]
            warnings.showwarning = self._showwarning
        warnings._filters_mutated()  # type: ignore[attr-defined]

    def tell_assertions(self) -> None:
        """As the assertion plugin does it for each item: a session inside a test does so, too, and leaves nothing."""
        assertion_util._reprcompare, assertion_util._config = self.compare, self._config

    def _compare(self, op: str, left: object, right: object) -> str | None:
        """``_pytest.assertion.util._reprcompare``: as the assertion plugin makes it for each item."""
        context = assertion_plugin.pytest_runtest_protocol(self._item)
        next(context)
        try:
            return assertion_util._reprcompare(op, left, right)
        finally:
            context.close()
            self.tell_assertions()

    # ---- one item

    def hooks_have_changed(self) -> bool:
        """Whether plugins have come or gone since the loop began."""
        return sum(map(len, self._implementations)) != self._implementation_count

    def can_run(self, item: Any) -> bool:
        """Whether *item* is a plain test function without marks that matter here."""
        if self.hooks_have_changed() or not self._streams.are_open():
            return False
        if type(item) is not Function or not _is_plain(item.obj) or not self.has_told_hypothesis():
            return False
        # Lean items have no such attribute as long as nobody has asked for it.
        for mark in item.__dict__.get("own_markers", ()):
            if mark.name in TELLING_MARKS:
                return False
        return TELLING_FIXTURES.isdisjoint(item.fixturenames) and self.is_unmarked(item.parent)

    def has_failed_subtests(self, item: Any) -> bool:
        """Whether subtests of *item* have failed: then its call has not passed, which its report's status says."""
        failed = self._failed_subtests
        return bool(failed) and failed.get(getattr(item, "id", item.nodeid), 0) > 0

    def has_told_hypothesis(self) -> bool:
        """Whether the plugin of hypothesis knows where it is, if both are loaded.

        Around each call its plugin says so again, in the same words, and does nothing else for functions that are not
        its own. Once is enough: the first item after its import goes through pytest's own protocol.
        """
        return self._told_hypothesis or "hypothesis" not in sys.modules

    def hypothesis_is_told(self) -> None:
        """An item is about to go through pytest's own protocol."""
        self._told_hypothesis = self._told_hypothesis or "hypothesis" in sys.modules

    def is_unmarked(self, parent: Any) -> bool:
        """Whether no mark of *parent* and those above it matters to its items."""
        marked = self._marks.get(parent)
        if marked is None:
            marked = self._marks[parent] = any(mark.name in TELLING_MARKS for mark in parent.own_markers) or (
                parent.parent is not None and not self.is_unmarked(parent.parent)
            )
        return not marked

    @internal
    def run(self, item: Any, nextitem: Any) -> None:
        """Run *item* and report it."""
        self._item = item
        if not self._reporter.spares_reports:
            self.make_room()
            self._reporter.settle()
        if not self._in_context:
            self._reporter.settle()
        self._reporter.begins(item)
        self.clean()
        self.is_clean = False
        self.tell_assertions()
        if item.__dict__.get("_request", True) in (None, False):
            item._initrequest()
        phases = _Phases(self, item)
        try:
            if phases.setup():
                phases.call()
            else:
                phases.leave_out_call()
            self._end(phases, item, nextitem)
        finally:
            item._request, item.funcargs = False, None
        phases.finish()
        if self._warned:
            self.tell_warnings(item)

    @internal
    def _end(self, phases: _Phases, item: Any, nextitem: Any) -> None:
        if self._session.shouldfail or self._session.shouldstop:
            nextitem = None
        phases.teardown(nextitem)

    # ---- items run in one step (``plain.py``) that did not just pass

    @internal
    def was_set_up(
        self, item: Any, nextitem: Any, times: tuple[float, ...], error: BaseException | None = None
    ) -> None:
        """Go on behind a setup that has more to tell, or has raised *error*."""
        phases = _Phases(self, item, times)
        if phases.was_set_up(error):
            phases.call()
        else:
            phases.leave_out_call()
        self._finish(phases, item, nextitem)

    @internal
    def went_wrong(self, item: Any, nextitem: Any, times: tuple[float, ...], error: BaseException) -> None:
        """Go on behind a call that has raised *error*."""
        phases = _Phases(self, item, times)
        phases.failed(error)
        self._finish(phases, item, nextitem)

    @internal
    def goes_on(
        self, item: Any, nextitem: Any, times: tuple[float, ...], done: float, result: object
    ) -> None:
        """Go on behind a call that has returned *result*, about which there is more to find out."""
        phases = _Phases(self, item, times)
        phases.returned(result, done)
        self._finish(phases, item, nextitem)

    @internal
    def was_torn_down(
        self, item: Any, nextitem: Any, times: tuple[float, ...], error: BaseException | None = None
    ) -> None:
        """Go on behind a teardown that has more to tell, or has raised *error* and is not at its end."""
        if error is not None:
            self._setup.stack[item][0].append(_Raising(error))
        self._finish(_Phases(self, item, times), item, nextitem, torn_down=True)

    @internal
    def _finish(self, phases: _Phases, item: Any, nextitem: Any, *, torn_down: bool = False) -> None:
        self.is_clean = False
        try:
            if torn_down:
                phases.end_teardown(nextitem)
            else:
                self._end(phases, item, nextitem)
        finally:
            item._request, item.funcargs = False, None
        phases.finish()
        if self._warned:
            self.tell_warnings(item)

    def tell_warnings(self, item: Any) -> None:
        """Report the warnings that *item* has given."""
        self.make_room()
        warned = list(self._warned)
        self._warned.clear()
        for message in warned:
            item.ihook.pytest_warning_recorded.call_historic(
                kwargs={"warning_message": message, "nodeid": item.nodeid, "when": "runtest", "location": None}
            )


class _Phases:
    """The phases of one item. Those that pass in silence are numbers only, until one does not."""

    __slots__ = ("_began", "_ends", "_item", "_marked", "_marks", "_observed", "_protocol", "_reported", "_streams")

    def __init__(
        self, protocol: LeanProtocol, item: Any, times: tuple[float, ...] | None = None
    ) -> None:
        """With *times* (when it began on the wall, by the clock of durations, and when each phase ended) *item* has begun."""
        self._protocol = protocol
        self._item = item
        self._streams = protocol._streams
        # Without fixtures no code of the user's runs but the test itself.
        self._observed = bool(item.fixturenames)
        self._marked = False
        self._marks = _count_marks(item) if self._observed else 0
        self._reported = not protocol._reporter.spares_reports
        self._began, *self._ends = times or (timing.time(), timing.perf_counter())

    # ---- what each phase does

    @internal
    def setup(self) -> bool:
        """Set up what is not yet; whether the test can be called."""
        item, setup = self._item, self._protocol._setup
        stack = setup.stack
        parent = item.parent
        if next(reversed(stack), None) is parent and stack[parent][1] is None and not self._observed:
            stack[item] = ([item.teardown], None)
            self._pass("setup")
            return True
        self._observed = True
        excinfo = None
        try:
            self._enter("setup")
            setup.setup(item)
            self._collect_exceptions()
        except BaseException:
            excinfo = self._catch("setup")
        return self._leave("setup", excinfo)

    @internal
    def call(self) -> None:
        """Call the test function."""
        item = self._item
        if self._observed and self._protocol.hooks_have_changed():
            self._run_real("call")
            return
        self._protocol._mark(0 if self._reported else 1)
        if hasattr(sys, "last_type"):
            forget_last_exception()
        excinfo = None
        try:
            if self._observed:
                self._enter("call")
            else:
                tell_environment(item.nodeid, "call")
                self._streams.stay_resumed()
                self._streams.heed_loggers()
            try:
                if self._observed:
                    self._heed_new_marks()
                if not self._call_function():
                    # The arguments do not fit, nothing has run: let pytest say so in its own way.
                    item.runtest()
            except Exception as error:
                _remember_last_exception(error)
                raise
            self._collect_exceptions()
        except BaseException:
            self._evaluate_new_marks()
            excinfo = self._catch("call")
        else:
            self._evaluate_new_marks()
        self._leave("call", excinfo)

    @internal
    def failed(self, error: BaseException) -> None:
        """The call has raised *error*; or there was none, and pytest is to say why."""
        excinfo = None
        try:
            try:
                if isinstance(error, TypeError) and error.__traceback__ is None:
                    # The arguments do not fit, nothing has run.
                    self._item.runtest()
                else:
                    raise error
            except Exception as raised:
                _remember_last_exception(raised)
                raise
            self._collect_exceptions()
        except BaseException:
            excinfo = self._catch("call")
        self._leave("call", excinfo)

    @internal
    def returned(self, result: object, done: float) -> None:
        """The call has returned *result*, at the time *done*."""
        excinfo = None
        try:
            try:
                if result is not None:
                    call_function(_Returned(self._item, result))
            except Exception as error:
                _remember_last_exception(error)
                raise
            self._collect_exceptions()
        except BaseException:
            excinfo = self._catch("call")
        self._leave("call", excinfo, done)

    @internal
    def was_set_up(self, error: BaseException | None) -> bool:
        """The fixtures are there, or one of them has raised *error*; whether the test can be called."""
        excinfo = None
        try:
            if error is not None:
                if isinstance(error, TEST_OUTCOME):
                    stack = self._protocol._setup.stack
                    stack[self._item] = (stack[self._item][0], (error, error.__traceback__))
                raise error
            self._collect_exceptions()
        except BaseException:
            excinfo = self._catch("setup")
        return self._leave("setup", excinfo, self._ends.pop() if len(self._ends) > 1 else None)

    @internal
    def _call_function(self) -> bool:
        """Call the test; whether that was possible."""
        item = self._item
        try:
            if self._observed:
                funcargs = item.funcargs
                result = item.obj(**{name: funcargs[name] for name in item._fixtureinfo.argnames})
            else:
                result = item.obj()
        except TypeError as error:
            if error.__traceback__ is None or error.__traceback__.tb_next is not None:
                raise
            return False
        if result is not None:
            call_function(_Returned(item, result))
        return True

    @internal
    def _heed_new_marks(self) -> None:
        """A fixture may have marked its test: as the skipping plugin does it before a call."""
        xfailed = self._evaluate_new_marks()
        if xfailed and not self._item.config.option.runxfail and not xfailed.run:
            raise pytest.xfail.Exception("[NOTRUN] " + xfailed.reason, pytrace=False)

    @internal
    def _evaluate_new_marks(self) -> Any:
        """What marks that are new since the item began say of failures, for the report."""
        item = self._item
        if not self._observed or _count_marks(item) == self._marks:
            return None
        xfailed = item.stash.get(xfailed_key, None)
        if xfailed is None:
            item.stash[xfailed_key] = xfailed = evaluate_xfail_marks(item)
        self._marked = self._marked or xfailed is not None
        return xfailed

    def leave_out_call(self) -> None:
        """There is nothing to call the test with."""
        self._ends.append(self._ends[-1])

    @internal
    def teardown(self, nextitem: Any) -> None:
        """Tear down what *nextitem* does not share."""
        item, setup = self._item, self._protocol._setup
        if not self._observed:
            stack = setup.stack
            finalizers = stack[item][0]
            if len(finalizers) == 1 and nextitem is not None and nextitem.parent is item.parent:
                stack.popitem()
                self._pass("teardown")
                return
        if self._observed and self._protocol.hooks_have_changed():
            self._run_real("teardown", nextitem=nextitem)
            return
        self._observed = True
        self._protocol._mark(0 if self._reported else 2)
        self.end_teardown(nextitem, begun=False)

    @internal
    def end_teardown(self, nextitem: Any, *, begun: bool = True) -> None:
        """Tear down what is left, in a teardown that may have *begun*."""
        excinfo = None
        try:
            if not begun:
                self._enter("teardown")
            self._protocol._setup.teardown_exact(nextitem)
            os.environ.pop(_CURRENT_TEST)
            self._collect_exceptions()
        except BaseException:
            excinfo = self._catch("teardown")
        self._leave("teardown", excinfo)

    def _run_real(self, when: Any, **more: Any) -> None:
        """Run a phase through pytest's hooks."""
        self._report_earlier(when)
        self._protocol.make_room()
        runner.call_and_report(self._item, when, **more)
        self._ends.append(timing.perf_counter())

    def finish(self) -> None:
        """Tell that the item has ended, if that is not told by the last report."""
        protocol, item = self._protocol, self._item
        if self._observed:
            self._streams.forget(item)
            if self._streams.were_uncaptured():
                with self._streams.let_through():
                    protocol._reporter.settle()
        if self._reported:
            self._protocol.make_room()
            item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        else:
            protocol._reporter.check()
            protocol._reporter.passed(Passed(item, self._began, *self._ends))

    # ---- around the phases

    def _pass(self, when: str) -> None:
        """A phase in which no code of the user's could run."""
        self._ends.append(timing.perf_counter())
        if self._reported:
            self._report(when, None)

    def _enter(self, when: str) -> None:
        item = self._item
        tell_environment(item.nodeid, when)
        self._streams.begin(item, when)

    @internal
    def _collect_exceptions(self) -> None:
        protocol = self._protocol
        if protocol._unraisable:
            collect_unraisable(protocol._config)
        if protocol._thread_exceptions:
            collect_thread_exception(protocol._config)

    def _catch(self, when: str) -> Any:
        """The exception being handled, unless it ends the run."""
        excinfo = pytest.ExceptionInfo.from_current()
        if isinstance(excinfo.value, self._protocol._reraise):
            # What is said of it is not captured, and what the phase has written is not printed.
            self._streams.end()
            self._streams.take(self._item, when)
            raise excinfo.value
        return excinfo

    def _leave(self, when: str, excinfo: Any, done: float | None = None) -> bool:
        """A phase with code of the user's in it has ended (now, or at the time *done*); whether it has passed."""
        self._ends.append(done or timing.perf_counter())
        silent = False
        try:
            if self._observed:
                self._streams.end()
            silent = self._streams.silent()
            if not silent:
                self._streams.take(self._item, when)
        except Exception:
            # Streams that the phase has closed: under pytest, too, that is how the phase ends.
            excinfo = self._catch(when)
        must_report = self._reported or self._marked or self._protocol.has_failed_subtests(self._item)
        if silent and excinfo is None and not must_report:
            if self._observed:
                self._item.stash.setdefault(tmppath_result_key, {})[when] = True
            return True
        self._report_earlier(when)
        return bool(self._report(when, excinfo).passed)

    def _report_earlier(self, when: str) -> None:
        """Report the phases before *when*, which have passed in silence, if none has been reported yet."""
        if self._reported:
            return
        self._reported = True
        item, hook = self._item, self._item.ihook
        self._protocol.make_room()
        hook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        for number, earlier in enumerate(PHASES[: PHASES.index(when)]):
            hook.pytest_runtest_logreport(report=make_report(item, earlier, *self._times(number)))

    def _times(self, number: int) -> tuple[float, float]:
        """When a phase began, and how long it took."""
        first, start, end = self._ends[0], self._ends[number], self._ends[number + 1]
        return self._began + start - first, end - start

    def _report(self, when: Any, excinfo: Any) -> Any:
        """As ``_pytest.runner.call_and_report`` does it behind the call."""
        self._protocol.make_room()
        item = self._item
        start, duration = self._times(PHASES.index(when))
        call = pytest.CallInfo(None, excinfo, start, start + duration, duration, when, _ispytest=True)
        report = item.ihook.pytest_runtest_makereport(item=item, call=call)
        item.ihook.pytest_runtest_logreport(report=report)
        if runner.check_interactive_exception(call, report):
            item.ihook.pytest_exception_interact(node=item, call=call, report=report)
        return report


def _count_marks(item: Any) -> int:
    """How many marks *item* and its parents have."""
    count, node = 0, item
    while node is not None:
        count += len(node.__dict__.get("own_markers", ()))
        node = node.parent
    return count


def _is_plain(function: Any) -> bool:
    """Whether calling *function* runs a test: a coroutine function is a matter for a plugin, a property for hypothesis."""
    code = getattr(function, "__code__", None)
    if code is None or code.co_flags & _ASYNC:
        return False
    attributes = function.__dict__
    return not attributes or attributes.keys() <= _HARMLESS_ATTRIBUTES


_ASYNC = inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR | inspect.CO_ITERABLE_COROUTINE
_HARMLESS_ATTRIBUTES = frozenset({"pytestmark", "__wrapped__", "__signature__"})


class _Raising:
    """A finalizer that has been called, and has raised *error*."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    @internal
    def __call__(self) -> None:
        raise self._error


class _Returned:
    """A test that has been called, for pytest to judge what it has returned."""

    def __init__(self, item: Any, result: object) -> None:
        self.nodeid = item.nodeid
        self.funcargs: dict[str, object] = {}
        self._fixtureinfo = _NoArguments
        self.obj = lambda: result


class _NoArguments:
    argnames = ()


def _remember_last_exception(error: Exception) -> None:
    """For a debugger that is started behind the session."""
    sys.last_type, sys.last_value = type(error), error
    if sys.version_info >= (3, 12):
        sys.last_exc = error
    assert error.__traceback__ is not None
    sys.last_traceback = error.__traceback__.tb_next
