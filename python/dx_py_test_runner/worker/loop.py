"""A worker: claims groups, runs their items through pytest's protocol, sends every report to the coordinator."""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import pytest

from dx_py_test_runner.engine.lean import runner_for
from dx_py_test_runner.engine.lean.passes import Passed
from dx_py_test_runner.engine.lean.reporting import Elsewhere, HookReporter
from dx_py_test_runner.wire import forks, journal
from dx_py_test_runner.wire.passlog import PassLog
from dx_py_test_runner.wire.status import StatusPage
from dx_py_test_runner.worker.ending import exit_grace, lasting_threads, tell_pools
from dx_py_test_runner.worker.link import Link
from dx_py_test_runner.worker.tokens import Tokens

_SILENCED_HOOKS = (
    "pytest_runtest_logstart",
    "pytest_runtest_logreport",
    "pytest_runtest_logfinish",
    "pytest_warning_recorded",
)
"""Reporting happens once, in the run: its listeners are taken off these hooks in a worker."""

_PR_SET_PDEATHSIG = 1

PATIENCE = 0.01
"""Seconds at least between two messages about tests that have passed."""

STOPPED = "stopped"
EXIT = "exit"
INTERRUPT = "interrupt"
ERROR = "error"
END = "end"
LASTING = "lasting threads"


class Worker:
    """One forked process of a run."""

    def __init__(
        self,
        session: Any,
        number: int,
        link: Link,
        passes: PassLog,
        page: StatusPage,
        run_page: StatusPage,
        total: int,
    ) -> None:
        self.session = session
        self.config = session.config
        self.name = f"gw{number}"
        self.link = link
        self.passes = passes
        self.page = page
        self.run_page = run_page
        self._total = total
        self.spares_reports = False
        self._one_group = False
        self._more = False

    def serve(
        self,
        groups: list[tuple[int, int]],
        tokens: Tokens,
        first: tuple[int, int] | None,
        *,
        after_fork: Callable[[], None],
        one_group: bool,
    ) -> NoReturn:
        """Run *first*, then whatever can be claimed, and end the process.

        :param after_fork: gives this process what a fork must not share (the state of random generators).
        :param one_group: end after one claim; the coordinator forks another worker for the next.
        """
        code = 1
        try:
            # The run calls those that it has; here only what is registered from now on.
            atexit._clear()
            self._become_worker()
            after_fork()
            forks.in_strangers(self._detach)
            self._tokens = tokens
            self._one_group = one_group
            try:
                self._run(groups, tokens, first)
            finally:
                self._tear_down()
            code = 0
        except BaseException:
            import traceback

            self.link.send(ERROR, None, traceback.format_exc())
        finally:
            self._finish()
            os._exit(code)

    def _detach(self) -> None:
        """In a child that a test has forked: it is not this worker."""
        self.link.detach()
        self.passes.detach()
        self.page.detach()
        self._tokens.detach()

    # ---- becoming a worker

    def _become_worker(self) -> None:
        os.setpgid(0, 0)
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != self.run_page.pid:
            os._exit(1)  # the run died before the kernel knew that it should tell us
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.environ["PYTEST_XDIST_WORKER"] = self.name
        os.environ["PYTEST_XDIST_WORKER_COUNT"] = str(self._total)
        testrun = os.environ.setdefault("PYTEST_XDIST_TESTRUNUID", f"dx-py-{os.getppid()}")
        self.config.workerinput = {
            "workerid": self.name,
            "workercount": self._total,
            "testrunuid": testrun,
            "mainargv": list(sys.argv),
        }
        self.config.workeroutput = {}
        self._silence_listeners()
        sender = Sender(self)
        self.config.pluginmanager.register(sender, "dx-py-sender")
        # The hook is historic: registering has just told again what the run itself has recorded before it forked.
        sender.listening = True

    def _silence_listeners(self) -> None:
        """Take reporting plugins off the reporting hooks; ``session`` keeps counting failures for ``-x``."""
        for name in _SILENCED_HOOKS:
            caller = getattr(self.config.hook, name)
            for implementation in list(caller.get_hookimpls()):
                if implementation.plugin is not self.session:
                    caller._remove_plugin(implementation.plugin)

    # ---- running

    def _run(self, groups: list[tuple[int, int]], tokens: Tokens, first: tuple[int, int] | None) -> None:
        reporter = Elsewhere(self._tell_passed, self.link.check) if self.spares_reports else HookReporter()
        with runner_for(self.session, reporter, self.page.set_silent, [self.page.fd]) as run_item:
            self._run_items(self._indexes(groups, tokens, first), run_item)

    def _run_items(self, indexes: Iterator[int], run_item: Callable[[Any, Any], bool]) -> None:
        items = self.session.items
        page, run_page, limit = self.page, self.run_page, self.link.limit
        current = next(indexes, None)
        while current is not None:
            if run_page.stop or current > limit.value:
                self.link.send(STOPPED, None)
                return
            following = next(indexes, None)
            page.begins(current)
            self._current = current
            try:
                if run_item(items[current], None if following is None else items[following]):
                    current = following
                    continue
            except pytest.exit.Exception as stop:
                self.link.send(EXIT, current, (stop.msg, stop.returncode))
                return
            except KeyboardInterrupt as interrupt:
                self.link.send(INTERRUPT, current, _where(interrupt))
                return
            page.item = None
            if self.session.shouldfail:
                # Enough have failed here alone, and all that is left is behind them: the run need not say so first.
                self.link.send(STOPPED, None)
                return
            if self.session.shouldstop:
                self.link.send(STOPPED, current, str(self.session.shouldstop))
                return
            current = following
        page.item = None

    def _tell_passed(self, passed: Passed) -> None:
        """Write down an item that has passed in silence; whoever reads it is told now and then."""
        if self._current == self.spoken:
            # What it has said is on its way, and must not be overtaken.
            self.link.send(journal.PASSES, self._current, journal.record(self._current, passed[1:]))
            return
        self.passes.append(self._current, passed[1:])
        end = passed[-1]
        if end - self._told > PATIENCE:
            self._told = end
            self.link.send(journal.PASSES, None)

    _current = 0
    _told = 0.0
    spoken: int | None = None
    """The item of which a report was sent last."""

    def _indexes(
        self, groups: list[tuple[int, int]], tokens: Tokens, first: tuple[int, int] | None
    ) -> Iterator[int]:
        """Item indexes one after the other; asking for one more than is run claims the next group in time."""
        if first is not None:
            yield from range(*first)
        while (number := tokens.claim()) is not None:
            yield from range(*groups[number])
            if self._one_group:
                self._more = True
                return

    def _tear_down(self) -> None:
        """What pytest does at a session's end: whatever is still set up ends here, in the process where it lives."""
        self.session._setupstate.teardown_exact(None)

    def _finish(self) -> None:
        try:
            self.page.item = None
            _save_coverage()
            self._wait_for_threads()
            atexit._run_exitfuncs()
            self.link.send(END, None, self._more)
        except BaseException:
            pass
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (AttributeError, OSError, ValueError):
                pass

    def _wait_for_threads(self) -> None:
        """As an interpreter does at its end, but not without end: the run then ends with an error."""
        tell_pools()
        deadline = time.monotonic() + exit_grace()
        for thread in lasting_threads():
            thread.join(max(0.0, deadline - time.monotonic()))
        if names := ", ".join(thread.name for thread in lasting_threads()):
            self.link.send(LASTING, None, names)


def _where(interrupt: BaseException) -> tuple[str, int] | None:
    """File and line that pytest would name."""
    crash = pytest.ExceptionInfo.from_exception(interrupt).getrepr(style="no").reprcrash
    return None if crash is None else (crash.path, crash.lineno)


def _save_coverage() -> None:
    """A measuring ``coverage`` writes this process's data beside the run's, to be combined at the end."""
    coverage = sys.modules.get("coverage")
    current = coverage.Coverage.current() if coverage is not None else None
    if current is not None:
        current.stop()
        current.save()


class Sender:
    """Sends what would be reported here to the coordinator."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._link = worker.link
        self._page = worker.page
        self.listening = False

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logstart(self, nodeid: str, location: Any) -> None:
        self._link.send(journal.START, self._page.item, tuple(location))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: Any) -> None:
        from dx_py_test_runner.engine.reports import to_data

        self._worker.spoken = self._page.item
        self._link.send(journal.REPORT, self._page.item, to_data(self._worker.config, report))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logfinish(self, nodeid: str, location: Any) -> None:
        self._link.send(journal.FINISH, self._page.item, tuple(location))

    def pytest_warning_recorded(self, warning_message: Any, when: str, nodeid: str, location: Any) -> None:
        from dx_py_test_runner.worker.link import warning_to_data

        if not self.listening:
            return
        self._link.send(journal.WARNING, self._page.item, warning_to_data(warning_message, when, nodeid, location))
