"""The loop of a run in one process: pytest's own protocol, item after item, watched from outside.

If a test ends the process, the supervisor has another process resume the run: it replays what the journal holds
without printing it again, reports the test that died, and goes on behind it.
"""

from __future__ import annotations

import functools
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import pluggy
import pytest

from dx_py_test_runner.engine import reports
from dx_py_test_runner.engine.lean import runner_for
from dx_py_test_runner.engine.lean.passes import Passed, make_reports
from dx_py_test_runner.engine.lean.plain import Shared
from dx_py_test_runner.engine.lean.reporting import reporter_for
from dx_py_test_runner.tower.tower import Tower
from dx_py_test_runner.wire import journal


class InlineLoop:
    """Runs ``session.items`` in this process."""

    def __init__(self, session: Any, tower: Tower, ids: list[str], watching: Any = None) -> None:
        self.session = session
        self.config = session.config
        self.tower = tower
        self._ids = ids
        self._watching = watching

    @functools.cached_property
    def _index(self) -> dict[str, int]:
        return {nodeid: index for index, nodeid in enumerate(self._ids)}

    def run(self) -> None:
        """Run every item; raises as pytest's loop does when the session must stop."""
        done = self._resume() if self.tower.job.carry.get("resume") else set()
        # Without telling others of it: it has nothing for them, and they would look through it.
        pluggy.PluginManager.register(self.config.pluginmanager, JournalPlugin(self), "dx-py-journal")
        self.tower.journal.append(journal.IDS, None, self._ids)
        self._replay_into_own_journal()
        reporter = reporter_for(self.config, self._tell_passed, self.tower.journal.set_unshown)
        page, log = self.tower.page, self.tower.journal
        between = None if self._watching is None else self._watching.between
        with runner_for(self.session, reporter, Shared(page, page, None, log, [log.fd], between)) as run_some:
            self._run_items(gaps(done, len(self.session.items)), run_some)

    def _run_items(
        self, parts: list[tuple[int, int]], run_some: Callable[[list[Any], int, int, Any], tuple[int, bool]]
    ) -> None:
        page, items = self.tower.page, list(self.session.items)
        following = [items[start] for start, _stop in parts[1:]]
        for (start, stop), behind in zip(parts, [*following, None]):
            while start < stop:
                if page.begins(start):
                    page.item = None
                    raise self.session.Interrupted("stopped by the user between two tests")
                silent = False
                if self._watching is not None:
                    self._watching.begins()
                try:
                    count, silent = run_some(items, start, stop, behind)
                finally:
                    if not silent:
                        # Also when pytest fails on descriptors that a test has closed: another process goes on then.
                        self.tower.journal.check()
                if self._watching is not None:
                    self._watching.ran(start, start + count)
                start += count
                if not silent:
                    page.item = None
                    self.check_stop()
        page.item = None

    def _tell_passed(self, passed: Passed) -> None:
        """Write down an item that has passed in silence."""
        self.tower.journal.append_passed(self.tower.page.item, passed[1:])

    def check_stop(self) -> None:
        """Raise if the session was asked to stop (by ``-x``, ``--maxfail`` or a plugin)."""
        if self.session.shouldfail:
            raise self.session.Failed(self.session.shouldfail)
        if self.session.shouldstop:
            raise self.session.Interrupted(self.session.shouldstop)

    # ---- resuming

    def _resume(self) -> set[int]:
        """Replay the journal of the process that died. Returns the indexes that need not run (again)."""
        fd = self.tower.job.journal_fd
        # Read twice: making a report of its data consumes the data.
        self._entries = list(journal.read(fd)) if fd is not None else []
        entries = list(journal.read(fd)) if fd is not None else []
        crashed = self.tower.job.carry.get("crashed_items", {})
        ids: list[str] = []
        last: dict[str, str] = {}
        done: set[int] = set()
        seen = len(entries) - (journal.unshown(fd) if fd is not None else 0)
        for number, (kind, index, value) in enumerate(entries):
            if kind == journal.IDS:
                ids = value
            elif index is not None and ids[index] in self._index:
                with silence(self.config) if number < seen else nullcontext():
                    self._replay(kind, ids[index], value, last)
                if kind in (journal.FINISH, journal.PASSED):
                    done.add(self._index[ids[index]])
        for nodeid, (manner, silent) in crashed.items():
            index = self._index.get(nodeid)
            if index is not None and index not in done:
                self._report_crash(index, last.get(nodeid), manner, silent)
                done.add(index)
        self.check_stop()
        return done

    _entries: list[tuple[str, int | None, Any]] = []

    def _replay(self, kind: str, nodeid: str, value: Any, last: dict[str, str]) -> None:
        hook = self.config.hook
        if kind == journal.PASSED:
            item = self.session.items[self._index[nodeid]]
            hook.pytest_runtest_logstart(nodeid=nodeid, location=item.location)
            for report in make_reports(Passed(item, *value)):
                hook.pytest_runtest_logreport(report=report)
            hook.pytest_runtest_logfinish(nodeid=nodeid, location=item.location)
        elif kind == journal.START:
            last[nodeid] = ""
            hook.pytest_runtest_logstart(nodeid=nodeid, location=tuple(value))
        elif kind == journal.REPORT:
            if nodeid not in last:
                # A subtest of a test that might yet have passed in silence.
                hook.pytest_runtest_logstart(nodeid=nodeid, location=self.session.items[self._index[nodeid]].location)
            last[nodeid] = reports.phase_of(value) or last.get(nodeid, "")
            hook.pytest_runtest_logreport(report=reports.from_data(self.config, value))
        elif kind == journal.FINISH:
            hook.pytest_runtest_logfinish(nodeid=nodeid, location=tuple(value))

    def _report_crash(self, index: int, last_phase: str | None, manner: str, silent: int) -> None:
        item = self.session.items[index]
        self._entries += [(journal.START, index, item.location)]
        for report in reports.crash_reports(item, last_phase, manner, silent=silent):
            self._entries.append((journal.REPORT, index, reports.to_data(self.config, report)))
            self.config.hook.pytest_runtest_logreport(report=report)
        self._entries.append((journal.FINISH, index, item.location))
        self.config.hook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)

    def _replay_into_own_journal(self) -> None:
        """The next process that resumes must find everything in one journal."""
        ids = self._ids
        for kind, index, value in self._entries:
            if kind == journal.IDS:
                ids = value
            elif index is not None and index < len(ids) and ids[index] in self._index:
                self.tower.journal.append(kind, self._index[ids[index]], value)


def gaps(done: set[int], count: int) -> list[tuple[int, int]]:
    """The numbers below *count* that are not *done*, as ranges from their first to before their last."""
    found, start = [], 0
    for number in sorted(done):
        if start < number:
            found.append((start, number))
        start = number + 1
    return [*found, (start, count)] if start < count else found


@contextmanager
def silence(config: Any) -> Iterator[None]:
    """What was printed by the process that died is on the user's screen already."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    writer = getattr(reporter, "_tw", None)
    if writer is None:
        yield
        return
    real, writer._file = writer._file, io.StringIO()
    try:
        yield
    finally:
        writer._file = real


class JournalPlugin:
    """Writes every report to the journal before anybody else sees it."""

    def __init__(self, loop: InlineLoop) -> None:
        self._loop = loop
        self._journal = loop.tower.journal
        self._config = loop.config

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logstart(self, nodeid: str, location: tuple[str, int | None, str]) -> None:
        self._journal.append(journal.START, self._loop._index.get(str(nodeid)), tuple(location))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: Any) -> None:
        data = reports.to_data(self._config, report)
        self._journal.append(journal.REPORT, self._loop._index.get(str(report.nodeid)), data)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logfinish(self, nodeid: str, location: tuple[str, int | None, str]) -> None:
        self._journal.append(journal.FINISH, self._loop._index.get(str(nodeid)), tuple(location))
