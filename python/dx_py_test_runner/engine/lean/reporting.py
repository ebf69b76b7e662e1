"""Whom to tell that an item has passed: everybody, the terminal reporter alone, or another process."""

from __future__ import annotations

import io
import operator
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from _pytest import timing
from _pytest.terminal import TerminalReporter

from dx_py_test_runner.engine.lean import guards
from dx_py_test_runner.engine.lean.passes import Passed, PassedReports, PassedRun, ReportedIds


class HookReporter:
    """Tells everybody, through the hooks, as pytest does."""

    spares_reports = False

    def flush(self) -> None:
        """Have everything written that has been reported."""

    def settle(self) -> None:
        """Output may be captured from now on: nothing that others have written to the terminal may be waiting."""

    def check(self) -> None:
        """There is nothing to be lost."""

    def begins(self, item: Any) -> None:
        """An item is about to run."""
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)


class Elsewhere:
    """Tells another process, which tells whoever listens there.

    :param tell: called with each item that has passed and is not written down yet.
    :param check: called before that, if the item has left anything otherwise than it was.
    :param announce: called at most every :data:`PATIENCE` seconds, when there is something new.
    """

    spares_reports = True

    def __init__(
        self, tell: Callable[[Passed], None], check: Callable[[], None], announce: Callable[[], None]
    ) -> None:
        self._tell = tell
        self._announce = announce
        self._announced = 0.0
        self.check = check

    def passed(self, passed: Passed) -> None:
        """An item has passed."""
        self._tell(passed)
        self._say(passed[-1])

    def ran(self, _items: list[Any], _records: bytes) -> None:
        """Items have passed, and have been written down."""
        self._say(timing.perf_counter())

    def until(self) -> float:
        """When the other process wants to hear of what is written down, by the clock of durations."""
        return self._announced + PATIENCE

    def _say(self, now: float) -> None:
        if now - self._announced > PATIENCE:
            self._announced = now
            self._announce()

    def begins(self, _item: Any) -> None:
        """The other process knows."""

    def flush(self) -> None:
        """The other process does."""

    def settle(self) -> None:
        """Nobody writes to the terminal here."""


class TerminalAlone:
    """Does to the terminal reporter what three reports of a passed item would, and makes none of them.

    What it writes is held back for as long as nobody could notice: until something else is written, or more than
    :data:`PATIENCE` has passed.

    :param tell: called first with each item that has passed.
    :param hold: told how many of those items the user has not seen yet.
    """

    spares_reports = True

    def __init__(
        self, config: Any, reporter: Any, tell: Callable[[Passed], None], hold: Callable[[int], None]
    ) -> None:
        self._reporter = reporter
        self._tell = tell
        self._hold = hold
        self._fd = _real_stdout(config)
        self._writer = reporter._tw
        self._held = b""
        self._held_items = 0
        self._width = 0
        self._flushed = self._looked = 0.0
        # Otherwise output that is not captured could overtake it.
        self._patience = PATIENCE if config.option.capture == "fd" else -1.0
        encoding = getattr(self._writer._file, "encoding", None) or "utf-8"
        self._page = io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="")
        self._dot = self._writer.markup(".", green=True).encode()
        self._by_id = _ids_are_objects(reporter)
        self._identify = operator.attrgetter("id" if self._by_id else "nodeid")
        self._parent: Any = None
        # Of the file whose name was written last.
        self._path, self._fspath = "", None
        self._encoding = encoding
        start = str(reporter.startpath)
        self._start = start + os.sep if start == str(config.rootpath) else "\0"
        self._lastfailed = _last_failed(config)
        reporter._get_reports_to_display = self._reports_to_display

    def begins(self, item: Any) -> None:
        """An item is about to run: its file's name must be there before the file's first dot."""
        if item.parent is not self._parent and self._announce(item):
            # The first test may take long: who waits for it wants to see where it is.
            self.settle()
            self.flush()

    def check(self) -> None:
        """Whoever runs the items looks at what they have left."""

    def _announce(self, item: Any) -> bool:
        """Write the file's name if it is not there yet; whether anything may have been written."""
        self._parent = item.parent
        reporter, path = self._reporter, item.nodeid.partition("::")[0]
        if reporter.currentfspath is self._fspath is not None:
            if path == self._path:
                return False
            if self._announce_plainly(item, path):
                return True
        with self._writing():
            # Looks at the place only when it is verbose; finding it out takes longer than a short test.
            reporter.pytest_runtest_logstart(nodeid=item.nodeid, location=("", None, ""))
        self._path, self._fspath = path, reporter.currentfspath
        return True

    def _announce_plainly(self, item: Any, path: str) -> bool:
        """As ``write_fspath_result`` for another file than before, without colours, where it is started; whether that is so."""
        reporter, writer, line = self._reporter, self._writer, self._writer._current_line
        if not (
            line.isascii()
            and path.isascii()  # what a terminal cannot show, the writer writes otherwise
            and reporter.showfspath
            and not writer.hasmarkup
            and str(item.path) == self._start + path
        ):
            return False
        text = ""
        if reporter._show_progress_info:
            reporter._get_main_color()  # not used, but settled at this moment
            self._look_at_screen(timing.perf_counter())
            text = reporter._get_progress_information_message().rjust(self._width - len(line) - 1)
        writer._current_line = f"{path} "
        self._path, self._fspath = path, item.path
        reporter.currentfspath = item.path
        self._held += f"{text}\n{path} ".encode(self._encoding)
        return True

    def passed(self, passed: Passed) -> None:
        """An item that has been announced has passed."""
        self._tell(passed)
        self._keep(passed).add_items(passed[:1])
        if self._lastfailed:
            item = passed[0]
            self._lastfailed.pop(item.id if self._by_id else item.nodeid, None)
        writer = self._writer
        line = writer._current_line = writer._current_line + "."
        self._held += self._dot
        self._held_items += 1
        now = passed[-1]
        if len(line) + _PROGRESS >= self._width or now - self._looked > self._patience or not line.isascii():
            self._look(now)
        if not self._flush_in_time(now):
            self._hold(self._held_items)

    def ran(self, items: list[Any], records: bytes) -> None:
        """*items* have passed one after the other, and *records* of them have been written."""
        self.passed_run(items, records)
        self._flush_in_time(timing.perf_counter())

    def _flush_in_time(self, now: float) -> bool:
        """Write what is held back if the user has waited long enough; whether that is so."""
        if now - self._flushed <= self._patience:
            return False
        self._flushed = now
        self.flush()
        return True

    def until(self) -> float:
        """When the user wants to see what is held back, by the clock of durations."""
        return self._flushed + self._patience

    def passed_run(self, items: list[Any], records: bytes) -> None:
        """*items* have passed one after the other, somewhere else; *records* are their times, as in the journal."""
        ids = self._keep(PassedRun(items, records))
        if self._lastfailed:
            for item in items:
                self._lastfailed.pop(item.id if self._by_id else item.nodeid, None)
        start, count = 0, len(items)
        while start < count:
            parent = items[start].parent
            if parent is not self._parent:
                self._announce(items[start])
            stop = start + 1
            while stop < count and items[stop].parent is parent:
                stop += 1
            self._print_dots(items[start:stop], ids)
            start = stop
        self._hold(self._held_items)

    def _print_dots(self, items: list[Any], ids: ReportedIds) -> None:
        """Hold a dot for each of *items* for the terminal, which has shown *ids* before."""
        writer = self._writer
        self._look_at_screen(timing.perf_counter())
        while items:
            line = writer._current_line
            room = self._width - len(line) - _PROGRESS if line.isascii() else 1
            some = max(1, min(len(items), room))
            ids.add_items(items[:some])
            items = items[some:]
            writer._current_line += "." * some
            self._held += self._dot * some
            self._held_items += some
            if some >= room:
                self._look(self._looked)

    def flush(self) -> None:
        """Write what is held back."""
        if self._held:
            held, self._held, self._held_items = self._held, b"", 0
            _write(self._fd, held)
            self._hold(0)

    def settle(self) -> None:
        """Nothing that the reporter has written may come behind what is written past its file, or be captured."""
        self._writer._file.flush()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """What the reporter writes meanwhile is held back with the rest."""
        writer = self._writer
        before, writer._file = writer._file, self._page
        width, writer._terminal_width = writer._terminal_width, self._screen_width()
        try:
            yield
        finally:
            writer._file, writer._terminal_width = before, width
            self._page.flush()
            buffer: Any = self._page.buffer
            self._held += buffer.getvalue()
            buffer.seek(0)
            buffer.truncate()

    def _screen_width(self) -> int:
        """As the writer finds it out, which looks at descriptor 1: that is not the terminal while output is captured."""
        if self._writer._terminal_width is not None:
            return int(self._writer._terminal_width)
        try:
            width = int(os.environ["COLUMNS"])
        except (KeyError, ValueError):
            width = 0
        if width <= 0:
            try:
                width = os.get_terminal_size(self._fd).columns
            except OSError:
                width = 0
        return width if width >= _NARROWEST else _DEFAULT_WIDTH

    def _reports_to_display(self, category: str) -> list[Any]:
        """As the reporter's method, which only wants to know how many there are."""
        kept = self._reporter.stats.get(category, [])
        if type(kept) is PassedReports:
            return kept.counted()
        return TerminalReporter._get_reports_to_display(self._reporter, category)

    def _keep(self, passed: Passed | PassedRun) -> ReportedIds:
        """Keep the reports for later; returns where the ids of what is shown belong."""
        stats = self._reporter.stats
        around, calls, ids = stats.get(""), stats.get("passed"), self._reporter._progress_nodeids_reported
        if type(around) is not PassedReports:
            around = self._replace("", (0, 2), around)
        if type(calls) is not PassedReports:
            calls = self._replace("passed", (1,), calls)
        if type(ids) is not ReportedIds:
            ids = self._reporter._progress_nodeids_reported = ReportedIds(ids, self._identify)
            self._reporter._tests_ran = True
        around.add(passed)
        calls.add(passed)
        return ids

    def _replace(self, category: str, which: tuple[int, ...], before: list[Any] | None) -> PassedReports:
        kept = self._reporter.stats[category] = PassedReports(which)
        if before is None:
            self._reporter._set_main_color()
        else:
            kept.extend(before)
        return kept

    def _look_at_screen(self, now: float) -> None:
        # Asking for the width takes as long as a short test.
        if now - self._looked > self._patience:
            self._looked, self._width = now, self._screen_width()

    def _look(self, now: float) -> None:
        """A line of dots ends with how far the run is. The reporter itself decides, near the edge."""
        reporter, line = self._reporter, self._writer._current_line
        self._look_at_screen(now)
        if not reporter._show_progress_info or reporter._is_last_item:
            return
        if not line.isascii() or len(line) + _PROGRESS >= self._width:
            with self._writing():
                reporter._write_progress_information_if_past_edge()


PATIENCE = 0.01
"""Seconds: less than a screen takes to show a change."""

_NARROWEST, _DEFAULT_WIDTH = 40, 80
"""Columns: pytest takes no narrower terminal for true."""

_PROGRESS = len(" [100%]") + 1
"""Columns that a line's end needs. Of other lines than plain ones the reporter itself knows the width."""


_os_write = os.write  # as it was before any test replaced it


def _write(fd: int, data: bytes) -> None:
    while data:
        data = data[_os_write(fd, data) :]


def _ids_are_objects(reporter: Any) -> bool:
    """Since 9.1 node ids are objects to the reporter, too."""
    import _pytest.nodes

    return isinstance(getattr(_pytest.nodes.Node, "id", None), property)


def _last_failed(config: Any) -> dict[str, bool]:
    plugin = config.pluginmanager.getplugin("lfplugin")
    return getattr(plugin, "lastfailed", None) or {}


def reporter_for(config: Any, tell: Callable[[Passed], None], hold: Callable[[int], None]) -> Any:
    """The leanest reporter that tells everybody who listens.

    :param tell: called with each item that has passed and of which no reports are made.
    :param hold: told how many of these the user has not seen yet.
    """
    if guards.why_reports_are_made(config):
        return HookReporter()
    return TerminalAlone(config, _terminal(config), tell, hold)


def _real_stdout(config: Any) -> int:
    """Where the terminal is, whether output is captured at the moment or not."""
    capturing = config.pluginmanager.getplugin("capturemanager")._global_capturing
    return getattr(capturing.out, "targetfd_save", 1)


def _terminal(config: Any) -> Any:
    return config.pluginmanager.getplugin("terminalreporter")
