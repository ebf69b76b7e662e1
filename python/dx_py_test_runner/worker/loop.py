"""A worker: claims groups, runs their items through pytest's protocol, sends every report to the coordinator."""

from __future__ import annotations

import atexit
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import pytest

from dx_py_test_runner._native import end_with_parent
from dx_py_test_runner.engine.lean import runner_for
from dx_py_test_runner.engine.lean.passes import Passed
from dx_py_test_runner.engine.lean.plain import Shared
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

STOPPED = "stopped"
EXIT = "exit"
TORN = "torn"
"""What was still set up at a worker's end could not be torn down; with the traceback as text."""
INTERRUPT = "interrupt"
ERROR = "error"
END = "end"
LASTING = "lasting threads"
INPUTS = "inputs"


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
        self.watching: Any = None
        """Follows the tests, if anybody wants to know what they read."""
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
            if self.watching is not None:
                self.watching.follow(self.page, worker=True)
            forks.in_strangers(self._detach)
            self._tokens = tokens
            self._one_group = one_group
            try:
                self._run(groups, tokens, first)
            finally:
                self._tear_down()
            if self.watching is not None:
                self.link.send(INPUTS, None, self.watching.tell())
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
        end_with_parent()
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
        if self.spares_reports:
            reporter: Any = Elsewhere(self._tell_passed, self.link.check, lambda: self.link.send(journal.PASSES, None))
        else:
            reporter = HookReporter()
        between = None if self.watching is None else self.watching.between
        shared = Shared(self.page, self.run_page, self.link.limit.memory, self.passes, [self.page.fd], between)
        with runner_for(self.session, reporter, shared) as run_some:
            for start, stop, following in parts(self._groups(groups, tokens, first)):
                if not self._run_items(start, stop, following, run_some):
                    return

    def _run_items(
        self, start: int, stop: int, following: int | None, run_some: Callable[[list[Any], int, int, Any], tuple[int, bool]]
    ) -> bool:
        """Run the items from *start* to before *stop*; whether others may be run."""
        items, page, limit = self.session.items, self.page, self.link.limit
        while start < stop:
            if self.run_page.stop or start > limit.value:
                self.link.send(STOPPED, None)
                return False
            page.begins(start)
            if self.watching is not None:
                self.watching.begins()
            try:
                count, silent = run_some(items, start, stop, None if following is None else items[following])
            except pytest.exit.Exception as end:
                self.link.send(EXIT, page.item, (end.msg, end.returncode))
                return False
            except KeyboardInterrupt as interrupt:
                self.link.send(INTERRUPT, page.item, _where(interrupt))
                return False
            if self.watching is not None:
                self.watching.ran(start, start + count)
            start += count
            if silent:
                continue
            page.item = None
            if self.session.shouldfail:
                # Enough have failed here alone, and all that is left is behind them: the run need not say so first.
                self.link.send(STOPPED, None)
                return False
            if self.session.shouldstop:
                self.link.send(STOPPED, start - 1, str(self.session.shouldstop))
                return False
        page.item = None
        return True

    def _tell_passed(self, passed: Passed) -> None:
        """Write down an item that has passed in silence."""
        index = self.page.item
        if index == self.spoken:
            # What it has said is on its way, and must not be overtaken.
            self.link.send(journal.PASSES, index, journal.record(index, passed[1:]))
        else:
            self.passes.append(index, passed[1:])

    spoken: int | None = None
    """The item of which a report was sent last."""

    def _groups(
        self, groups: list[tuple[int, int]], tokens: Tokens, first: tuple[int, int] | None
    ) -> Iterator[tuple[int, int]]:
        """What is to be run, one group after the other; asking for one claims it."""
        if first is not None:
            yield first
        while (number := tokens.claim()) is not None:
            yield groups[number]
            if self._one_group:
                self._more = True
                return

    def _tear_down(self) -> None:
        """What pytest does at a session's end: whatever is still set up ends here, in the process where it lives."""
        # A run that stops interrupts tests that nobody waits for any more, but nothing that comes behind them.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            self.session._setupstate.teardown_exact(None)
        except BaseException:
            import traceback

            self.link.send(TORN, None, traceback.format_exc())

    def _finish(self) -> None:
        try:
            self.page.item = None
            _save_coverage()
            self._wait_for_threads()
            atexit._run_exitfuncs()
            self.link.send(END, None, self._more)
        except BaseException:
            pass
        _flush_streams()

    def _wait_for_threads(self) -> None:
        """As an interpreter does at its end, but not without end: the run then ends with an error."""
        tell_pools()
        deadline = time.monotonic() + exit_grace()
        for thread in lasting_threads():
            thread.join(max(0.0, deadline - time.monotonic()))
        if names := ", ".join(thread.name for thread in lasting_threads()):
            self.link.send(LASTING, None, names)


def _flush_streams() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, OSError, ValueError):
            pass


def parts(groups: Iterator[tuple[int, int]]) -> Iterator[tuple[int, int, int | None]]:
    """*groups* in pieces of which it is known what follows: start, stop, and the index of the item behind it.

    The next group is asked for no earlier than the last item of one is about to run.
    """
    group = next(groups, None)
    while group is not None:
        start, stop = group
        if stop - start > 1:
            yield start, stop - 1, stop - 1
        group = next(groups, None)
        if stop > start:
            yield stop - 1, stop, None if group is None else group[0]


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
        self._worker.passes.renew()
        # What the test has written past the capture comes before what is said of it.
        _flush_streams()
        self._link.send(journal.REPORT, self._page.item, to_data(self._worker.config, report))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logfinish(self, nodeid: str, location: Any) -> None:
        self._link.send(journal.FINISH, self._page.item, tuple(location))

    def pytest_warning_recorded(self, warning_message: Any, when: str, nodeid: str, location: Any) -> None:
        from dx_py_test_runner.worker.link import warning_to_data

        if not self.listening:
            return
        self._link.send(journal.WARNING, self._page.item, warning_to_data(warning_message, when, nodeid, location))
