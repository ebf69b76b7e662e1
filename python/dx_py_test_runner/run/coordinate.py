"""A run with several workers: forks them, collects what they send, reports it in order, replaces those that die."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

import pytest

from dx_py_test_runner.engine import reports
from dx_py_test_runner.engine.lean.passes import Passed
from dx_py_test_runner.engine.lean.reporting import PATIENCE, reporter_for
from dx_py_test_runner.run.inline import silence
from dx_py_test_runner.run.plan import Group
from dx_py_test_runner.run.release import InOrder
from dx_py_test_runner.tower.tower import Tower, flush_streams
from dx_py_test_runner.wire import forks, journal
from dx_py_test_runner.wire.deaths import how
from dx_py_test_runner.wire.passlog import PassLog, runs
from dx_py_test_runner.wire.status import StatusPage
from dx_py_test_runner.worker import loop
from dx_py_test_runner.worker.link import Inbox, Limit, Link, warning_from_data
from dx_py_test_runner.worker.temporary import SharedBase
from dx_py_test_runner.worker.tokens import Tokens

_IDLE = 1.0
"""Seconds to wait for a message when none is expected soon."""

_GRACE = 2.0
"""Seconds a worker gets to end by itself after it was told to stop at once."""


@dataclass(eq=False)
class Process:
    """A worker as its coordinator sees it."""

    number: int
    pid: int
    inbox: Inbox
    page: StatusPage
    pidfd: int
    passes: PassLog
    ended: bool = False
    more: bool = False
    interrupted_at: float | None = None
    """When it was told to leave the test that it was running."""


class Coordinator:
    """Drives the workers of one run."""

    def __init__(
        self,
        session: Any,
        tower: Tower,
        ids: list[str],
        groups: list[Group],
        count: int,
        after_fork: Callable[[], None],
        watching: Any = None,
    ) -> None:
        self.session = session
        self.config = session.config
        self.tower = tower
        self.groups = groups
        self._ids = ids
        self._count = count
        self._after_fork = after_fork
        self._watching = watching
        self._one_group_each = self.config.option.isolation == "test"
        self._reporter = reporter_for(self.config, _nobody, self.tower.journal.set_unshown)
        self._order = InOrder(len(session.items))
        self._limit = Limit()
        # Each worker has a group of its own to begin with: who asks what follows a test may take the only other one.
        self._first = [] if self._one_group_each else groups[:count]
        self._tokens = Tokens(range(len(self._first), len(groups)))
        self._selector = selectors.DefaultSelector()
        self._processes: list[Process] = []
        self._last_phase: dict[int, str] = {}
        self._stop: BaseException | None = None
        self._place: tuple[str, int] | None = None

    def run(self) -> None:
        """Run every item; raises as pytest's loop does when the session must stop."""
        self.tower.journal.append(journal.IDS, None, self._ids)
        temporary = _share_temporary_folder(self.config, self._count)
        try:
            for number in range(self._count):
                self._fork(number, self._first[number] if self._first else None)
            self._pump()
        except KeyboardInterrupt:
            self._stop_workers(signal.SIGINT)
            self._release(self._order.rest())
            raise
        finally:
            self._reporter.flush()
            self._stop_workers(signal.SIGKILL)
            self._tokens.close()
            self._selector.close()
            if temporary is not None:
                temporary.settle()
        if self._stop is not None:
            _raise_at(self._stop, self._place)

    # ---- processes

    def _fork(self, number: int, first: Group | None) -> None:
        ours, theirs = socket.socketpair()
        page = StatusPage.create()
        passes = PassLog(len(self.session.items))
        flush_streams()
        pid = forks.fork()
        if pid == 0:
            ours.close()
            for process in self._processes:
                process.inbox.sock.close()
                os.close(process.pidfd)
            if self.tower.job.control is not None:
                self.tower.job.control.close()
            self.tower.channel.close()
            worker = loop.Worker(
                self.session, number, Link(theirs, self._limit), passes, page, self.tower.page, self._count
            )
            worker.spares_reports = self._reporter.spares_reports
            worker.watching = self._watching
            worker.serve(
                [tuple(group) for group in self.groups],
                self._tokens,
                first,
                after_fork=self._after_fork,
                one_group=self._one_group_each,
            )
        theirs.close()
        ours.setblocking(False)
        process = Process(number, pid, Inbox(ours), page, os.pidfd_open(pid), passes)
        self._processes.append(process)
        self._selector.register(process.inbox, selectors.EVENT_READ, process)
        self._selector.register(process.pidfd, selectors.EVENT_READ, process)

    def _pump(self) -> None:
        """Until every item has finished, or nothing more can be done."""
        before = len(self.session.items) + 1
        while True:
            self._pump_until_all_ended()
            missing = self._missing()
            if not missing or self._stop is not None:
                return
            if self.tower.page.stop or len(missing) >= before:
                self._release(self._order.rest())
                raise self._lost(missing)
            # A worker that died had claimed more than the group it was running.
            before = len(missing)
            for number, group in enumerate(self._unfinished(missing)[: self._count]):
                self._fork(number, group)

    def _pump_until_all_ended(self) -> None:
        patience = _IDLE
        while self._processes:
            events = self._selector.select(patience)
            # Of the tests that pass within so short a time after the last message, no other message tells.
            patience = 1.2 * PATIENCE if events else _IDLE
            if not events:
                for process in self._processes:
                    self._take_passes(process)
            for key, _events in events:
                process = key.data
                if process not in self._processes:
                    continue  # an earlier event of this round was its end
                if key.fd == process.pidfd:
                    self._on_end(process)
                else:
                    self._receive(process)
            self._reporter.flush()
            if self._stop is not None:
                patience = _GRACE / 10
                self._interrupt_what_is_behind()

    def _interrupt_what_is_behind(self) -> None:
        """The session stops: tests behind the last that counts are of no use any more. What is set up is torn down in each
        process, however long that takes, as pytest does it."""
        now = time.monotonic()
        for process in self._processes:
            if process.interrupted_at is None:
                item = process.page.item
                if item is not None and item > self._limit.value:
                    process.interrupted_at = now
                    _signal_group(process.pid, signal.SIGINT)
            elif process.page.item is not None and now - process.interrupted_at > _GRACE:
                _signal_group(process.pid, signal.SIGKILL)

    def _unfinished(self, missing: list[int]) -> list[Group]:
        """What is left of each group; groups are run from their start, so the rest is in one piece."""
        firsts = {}
        for index in missing:
            group = next(group for group in self.groups if group.start <= index < group.stop)
            firsts.setdefault(group, index)
        return [Group(first, group.stop) for group, first in firsts.items()]

    def _missing(self) -> list[int]:
        return [i for i in range(self._order.head, len(self.session.items)) if not self._order.is_finished(i)]

    def _lost(self, missing: list[int]) -> BaseException:
        if self.tower.page.stop:
            return self.session.Interrupted("stopped by the user between two tests")
        sys.stderr.write("".join(f"NOT RUN {self._ids[i]}\n" for i in missing))
        return self.session.Interrupted(f"{len(missing)} test(s) were not run: their processes ended before they began")

    def _receive(self, process: Process) -> None:
        messages, closed = process.inbox.read()
        # Read first: what a message follows has been written before it.
        self._take_passes(process)
        for kind, index, value in messages:
            self._on_message(process, kind, index, value)
        if closed:
            # It may live on without its descriptors: its end is what the pidfd tells.
            self._selector.unregister(process.inbox)

    def _on_end(self, process: Process) -> None:
        """The worker has ended. Children that tests left behind may still hold its end of the socket."""
        messages = process.inbox.rest()
        self._take_passes(process)
        for kind, index, value in messages:
            self._on_message(process, kind, index, value)
        index, silent = process.page.item, process.page.silent
        status = self._forget(process)
        if self._stop is None and not process.ended:
            self._replace(process, index, silent, status)
        elif self._stop is None and process.more:
            self._fork(process.number, None)

    def _replace(self, process: Process, index: int | None, silent: int, status: int) -> None:
        """The item that was running is reported; the rest of its group goes to a fresh fork."""
        if index is None:
            # It never began: were it replaced at once, one that cannot begin would be replaced without end.
            return
        if not self._order.is_finished(index):
            item = self.session.items[index]
            last = self._last_phase.get(index)
            if index not in self._last_phase:
                self._take(journal.START, index, item.location)
            for report in reports.crash_reports(item, last, how(status), silent=silent):
                self._take(journal.REPORT, index, reports.to_data(self.config, report))
            self._take(journal.FINISH, index, item.location)
        group = next(group for group in self.groups if group.start <= index < group.stop)
        self._fork(process.number, Group(index + 1, group.stop))

    def _stop_workers(self, number: signal.Signals) -> None:
        """End all workers; SIGKILL follows when they take their time."""
        for process in self._processes:
            _signal_group(process.pid, number)
        deadline = time.monotonic() + _GRACE
        while self._processes and time.monotonic() < deadline and number is not signal.SIGKILL:
            for key, _events in self._selector.select(max(0.0, deadline - time.monotonic())):
                process = key.data
                if process not in self._processes:
                    continue
                if key.fd == process.pidfd:
                    self._forget(process)
                else:
                    self._receive(process)
        for process in list(self._processes):
            _signal_group(process.pid, signal.SIGKILL)
            self._forget(process)

    def _forget(self, process: Process) -> int:
        """Reap a worker that has ended or was killed; returns its wait status."""
        self._selector.unregister(process.pidfd)
        with contextlib.suppress(KeyError):
            self._selector.unregister(process.inbox)
        self._processes.remove(process)
        process.inbox.sock.close()
        os.close(process.pidfd)
        _pid, status = os.waitpid(process.pid, 0)
        process.page.close()
        process.passes.close()
        return status

    # ---- messages

    def _on_message(self, process: Process, kind: str, index: int | None, value: Any) -> None:
        if kind == loop.END:
            process.ended, process.more = True, bool(value)
        elif kind == loop.ERROR and process.interrupted_at is not None:
            process.ended = True  # an interrupt in pytest's own code, for a test that does not count, may become any error
        elif kind == loop.ERROR:
            self._stop = RuntimeError(f"worker {process.number} failed:\n{value}")
        elif kind == loop.TORN:
            self.tower.torn.append(value)
        elif kind == loop.INPUTS:
            self._watching.hear(value)
        elif kind == loop.LASTING:
            self.tower.lasting.append(value)
        elif kind == loop.STOPPED and index is None:
            process.ended = True
        elif kind == journal.PASSES and index is not None:
            self._release(self._order.add_run(index, 1, value))
        elif index is not None:
            self._take(kind, index, value)
        elif kind == journal.WARNING:
            self._reporter.flush()
            self.config.hook.pytest_warning_recorded.call_historic(kwargs=warning_from_data(value))

    def _take_passes(self, process: Process) -> None:
        """Take in what *process* has passed in silence."""
        records = process.passes.take()
        if records:
            for first, count, piece in runs(records):
                self._release(self._order.add_run(first, count, piece))

    def _take(self, kind: str, index: int, value: Any) -> None:
        if kind == journal.START:
            self._last_phase[index] = ""
        elif kind == journal.REPORT:
            if phase := reports.phase_of(value):
                self._last_phase[index] = phase
            if value.get("outcome") == "failed" and self.config.option.maxfail == 1:
                self._limit.value = min(self._limit.value, index)
        elif kind in (loop.STOPPED, loop.EXIT, loop.INTERRUPT):
            self._limit.value = min(self._limit.value, index)
        self._release(self._order.add((kind, index, value)))

    def _release(self, events: list[tuple[str, int, Any]]) -> None:
        for kind, index, value in events:
            # The warnings of a test follow its end, which is where a session stops.
            if self._stop is not None and not (kind == journal.WARNING and index <= self._limit.value):
                continue
            if kind == journal.PASSES:
                self.tower.journal.append_records(value)
                self._reporter.passed_run(self.session.items[index : index + len(value) // journal.RECORD_SIZE], value)
                continue
            self.tower.journal.append(kind, index, value)
            self._report(kind, index, value)
            if kind in (journal.FINISH, loop.STOPPED, loop.EXIT, loop.INTERRUPT):
                self._check_stop(index)

    def _report(self, kind: str, index: int, value: Any) -> None:
        hook = self.config.hook
        self._reporter.flush()
        nodeid = self._ids[index]
        if kind in (journal.REPORT, loop.EXIT, loop.INTERRUPT) and self._reporter.spares_reports:
            # The test may not have been begun here: who runs it waits with that for as long as it may yet pass in silence.
            self._reporter.begins(self.session.items[index])
            self._reporter.flush()
        if kind == journal.REPORT:
            report = reports.from_data(self.config, value)
            with silence(self.config) if value.get(reports.CAPTURED) else contextlib.nullcontext():
                hook.pytest_runtest_logreport(report=report)
        elif kind == journal.START:
            hook.pytest_runtest_logstart(nodeid=nodeid, location=tuple(value))
        elif kind == journal.FINISH:
            hook.pytest_runtest_logfinish(nodeid=nodeid, location=tuple(value))
        elif kind == journal.WARNING:
            hook.pytest_warning_recorded.call_historic(kwargs=warning_from_data(value))
        elif kind == loop.EXIT:
            message, code = value
            self._stop = pytest.exit.Exception(message, code)
        elif kind == loop.INTERRUPT:
            self._stop, self._place = KeyboardInterrupt(), value
        elif kind == loop.STOPPED:
            self._stop = self.session.Interrupted(value)

    def _check_stop(self, index: int) -> None:
        if self._stop is None and self.session.shouldfail:
            self._stop = self.session.Failed(self.session.shouldfail)
        elif self._stop is None and self.session.shouldstop:
            self._stop = self.session.Interrupted(self.session.shouldstop)
        if self._stop is not None:
            self._limit.value = min(self._limit.value, index)


def _raise_at(error: BaseException, place: tuple[str, int] | None) -> NoReturn:
    """Raise *error*, as if it came from *place*, a file and a line: pytest says where a run was interrupted."""
    if place is not None:
        name, line = place
        exec(compile("raise error", name, "exec").replace(co_firstlineno=line), {"error": error})
    raise error


def _nobody(_passed: Passed) -> None:
    """The journal has been written when a result is released."""


def _signal_group(pid: int, number: signal.Signals) -> None:
    for send in (os.killpg, os.kill):
        try:
            send(pid, number)
            return
        except OSError:
            continue


def _share_temporary_folder(config: Any, count: int) -> SharedBase | None:
    """*count* workers make their temporary folders below one numbered folder of the run, made by whoever needs it first."""
    factory = getattr(config, "_tmp_path_factory", None)
    if factory is None or getattr(factory, "_basetemp", None) is not None:
        return None
    shared = SharedBase(factory, count)
    shared.install()
    return shared
