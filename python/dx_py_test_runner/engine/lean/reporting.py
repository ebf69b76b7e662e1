"""Whom to tell that an item has passed: everybody, the terminal reporter alone, or another process."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

from _pytest.config import Config
from _pytest.terminal import TerminalReporter

from dx_py_test_runner.engine.lean import guards
from dx_py_test_runner.engine.lean.passes import Passed, PassedReports


class HookReporter:
    """Tells everybody, through the hooks, as pytest does."""

    spares_reports = False

    def needs_room(self, _item: Any) -> bool:
        """Whether :meth:`begins` is going to write more than a dot, or call code of others."""
        return True

    def begins(self, item: Any) -> None:
        """An item is about to run."""
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)


class Elsewhere:
    """Tells another process, which tells whoever listens there.

    :param tell: called with each item that has passed.
    """

    spares_reports = True

    def __init__(self, tell: Callable[[Passed], None]) -> None:
        self.passed = tell

    def needs_room(self, _item: Any) -> bool:
        return False

    def begins(self, _item: Any) -> None:
        """The other process knows."""


class TerminalAlone:
    """Does to the terminal reporter what three reports of a passed item would, and makes none of them.

    :param tell: called first with each item that has passed.
    """

    spares_reports = True

    def __init__(self, config: Any, reporter: Any, tell: Callable[[Passed], None]) -> None:
        self._reporter = reporter
        self._tell = tell
        self._fd = _real_stdout(config)
        self._writer = reporter._tw
        self._dot = self._writer.markup(".", green=True).encode()
        self._by_id = _ids_are_objects(reporter)
        self._parent: Any = None
        self._lastfailed = _last_failed(config)
        reporter._get_reports_to_display = self._reports_to_display

    def begins(self, item: Any) -> None:
        """An item is about to run: its file's name must be there before the file's first dot."""
        if item.parent is not self._parent:
            self._parent = item.parent
            self._reporter.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)

    def needs_room(self, item: Any) -> bool:
        """Whether :meth:`begins` is going to write more than a dot."""
        return item.parent is not self._parent

    def passed(self, passed: Passed) -> None:
        """An item that has been announced has passed."""
        self._tell(passed)
        reporter, item = self._reporter, passed.item
        reporter._tests_ran = True
        self._keep(passed)
        reporter._progress_nodeids_reported.add(item.id if self._by_id else item.nodeid)
        if self._lastfailed:
            self._lastfailed.pop(item.nodeid, None)
        writer = self._writer
        writer._current_line += "."
        _write(self._fd, self._dot)
        if reporter._show_progress_info and not reporter._is_last_item:
            self._end_line_if_full()

    def _reports_to_display(self, category: str) -> list[Any]:
        """As the reporter's method, which only wants to know how many there are."""
        kept = self._reporter.stats.get(category, [])
        if type(kept) is PassedReports:
            return kept.counted()
        return TerminalReporter._get_reports_to_display(self._reporter, category)

    def _keep(self, passed: Passed) -> None:
        stats = self._reporter.stats
        for category, which in (("", (0, 2)), ("passed", (1,))):
            kept = stats.get(category)
            if type(kept) is not PassedReports:
                kept = self._replace(category, which, kept)
            kept.add(passed)

    def _replace(self, category: str, which: tuple[int, ...], before: list[Any] | None) -> PassedReports:
        kept = self._reporter.stats[category] = PassedReports(which)
        if before is None:
            self._reporter._set_main_color()
        else:
            kept.extend(before)
        return kept

    def _end_line_if_full(self) -> None:
        """A line of dots ends with how far the run is. The reporter itself decides, near the edge."""
        reporter, writer = self._reporter, self._writer
        line = writer._current_line
        if line.isascii() and len(line) + _PROGRESS < reporter._screen_width:
            return
        before = writer._file
        with os.fdopen(os.dup(self._fd), "w", encoding=getattr(before, "encoding", None) or "utf-8") as file:
            writer._file = file
            try:
                reporter._write_progress_information_if_past_edge()
            finally:
                writer._file = before


_PROGRESS = len(" [100%]") + 1
"""Columns that a line's end needs. Of other lines than plain ones the reporter itself knows the width."""


def _write(fd: int, data: bytes) -> None:
    while data:
        data = data[os.write(fd, data) :]


def _ids_are_objects(reporter: Any) -> bool:
    """Since 9.1 node ids are objects to the reporter, too."""
    import _pytest.nodes

    return isinstance(getattr(_pytest.nodes.Node, "id", None), property)


def _last_failed(config: Any) -> dict[str, bool]:
    plugin = config.pluginmanager.getplugin("lfplugin")
    return getattr(plugin, "lastfailed", None) or {}


def reporter_for(config: Any, tell: Callable[[Passed], None]) -> Any:
    """The leanest reporter that tells everybody who listens.

    :param tell: called with each item that has passed and of which no reports are made.
    """
    return HookReporter() if why_reports_are_made(config) else TerminalAlone(config, _terminal(config), tell)


def _real_stdout(config: Any) -> int:
    """Where the terminal is, whether output is captured at the moment or not."""
    capturing = config.pluginmanager.getplugin("capturemanager")._global_capturing
    return getattr(capturing.out, "targetfd_save", 1)


def _terminal(config: Any) -> Any:
    return config.pluginmanager.getplugin("terminalreporter")


def why_reports_are_made(config: Any) -> str:
    """Why the hooks must be told of every phase, or ''."""
    reporter = _terminal(config)
    if type(reporter) is not TerminalReporter:
        return "there is another terminal reporter, or none"
    if config.get_verbosity(Config.VERBOSITY_TEST_CASES) > 0:
        return "-v"
    if reporter._show_progress_info not in (False, "progress"):
        return "console_output_style"
    file = reporter._tw._file
    if file is not sys.__stdout__ or file is None:
        return "the terminal reporter writes elsewhere"
    return guards.why_off(guards.REPORT, config.hook)
