"""Captured output and log records of items that are run one after the other: looked at, and only read if there are any."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from _pytest.capture import FDCapture, SysCapture
from _pytest.logging import caplog_handler_key, caplog_records_key, catching_logs

from dx_py_test_runner._native import Silence, all_propagate

_fstat = os.fstat  # as it was before any test replaced it


HEEDS_LOGGERS = "attached_loggers" in getattr(catching_logs, "__slots__", ())
"""Whether this pytest listens to other loggers than the root."""


class Streams:
    """The capture manager's and the logging plugin's part of an item's phases.

    While resumed, everything is as inside of a phase under pytest; while paused, as between two.
    """

    def __init__(self, config: Any, before_uncaptured: Callable[[], None], kept: Sequence[int] = ()) -> None:
        """*before_uncaptured* is called when capturing is switched off for a while by others.

        :param kept: descriptors that no test may close or replace unnoticed.
        """
        self._before_uncaptured = before_uncaptured
        self._was_uncaptured = False
        self._manager = config.pluginmanager.getplugin("capturemanager")
        logs = config.pluginmanager.getplugin("logging-plugin")
        self._caplog, self._report = logs.caplog_handler, logs.report_handler
        self._handlers = [self._caplog, self._report]
        self._root = logging.getLogger()
        self._apart: list[logging.Logger] = []
        self._resumed = False
        capturing = self._manager._global_capturing
        self._parts = [part for part in (capturing.out, capturing.err) if part is not None]
        self._fds = [part.tmpfile.fileno() for part in self._parts if type(part) is FDCapture]
        captured = [part for part in self._parts if type(part) is FDCapture]
        self._silence = Silence([(part.targetfd, part.tmpfile.fileno()) for part in captured], list(kept))
        self._names = [(_sys_capture(part).name, _sys_capture(part).tmpfile) for part in self._parts]
        self._buffers = [part.tmpfile.buffer for part in self._parts if type(part) is SysCapture]

    # ---- between items

    def resume(self) -> None:
        """An item begins: whatever an earlier one has done to the standard streams and to the root logger is undone."""
        if not self._resumed:
            self._resumed = True
            self._manager.suspend_global_capture = self._suspend
            self._manager.resume_global_capture()
            self._renew_handlers()
            return
        for part in self._parts:
            if type(part) is FDCapture:
                os.dup2(part.tmpfile.fileno(), part.targetfd)
                part = part.syscapture
            if getattr(sys, part.name) is not part.tmpfile:
                setattr(sys, part.name, part.tmpfile)
        if self._root.handlers[-2:] != self._handlers:
            self._detach_handlers()
            self._renew_handlers()

    def stay_resumed(self) -> None:
        """A phase begins, and perhaps something was reported before it."""
        if not self._resumed:
            self.resume()

    def pause(self) -> None:
        """No item is running: the streams are the user's, the root logger is nobody's."""
        if self._resumed:
            self._resumed = False
            self._detach_handlers()
            self._leave_loggers()
            self._manager.__dict__.pop("suspend_global_capture", None)
            self._manager.suspend_global_capture(in_=False)

    def _suspend(self, in_: bool = False) -> None:
        """In place of the manager's method: somebody is about to write past the capture."""
        self._was_uncaptured = True
        self._before_uncaptured()
        type(self._manager).suspend_global_capture(self._manager, in_)

    def were_uncaptured(self) -> bool:
        """Whether capturing has been switched off since the last call."""
        was, self._was_uncaptured = self._was_uncaptured, False
        return was

    def _renew_handlers(self) -> None:
        for handler in self._handlers:
            handler.reset()
            self._root.addHandler(handler)

    def _detach_handlers(self) -> None:
        for handler in reversed(self._handlers):
            self._root.removeHandler(handler)

    def heed_loggers(self) -> bool:
        """Listen to loggers that pass nothing on to the root logger, as pytest does since 9.2 in each phase; whether there are any."""
        if not HEEDS_LOGGERS:
            return False
        loggers = self._root.manager.loggerDict
        if not self._apart and type(loggers) is dict and all_propagate(loggers):
            return False
        apart = [logger for logger in loggers.values() if not logger.__dict__.get("propagate", True)]
        self._leave_loggers()
        self._apart = [logger for logger in apart if isinstance(logger, logging.Logger) and logger is not self._root]
        for logger in self._apart:
            for handler in self._handlers:
                logger.addHandler(handler)
        return bool(self._apart)

    def _leave_loggers(self) -> None:
        while self._apart:
            logger = self._apart.pop()
            for handler in self._handlers:
                logger.removeHandler(handler)

    def are_open(self) -> bool:
        """Whether no test has closed what output is captured in."""
        return not any(part.tmpfile.closed for part in self._parts)

    def watched(self) -> dict[str, Any]:
        """What a :class:`Glance` sees of them: a silent test has written and logged nothing, replaced and closed no stream."""
        return {
            "same": [(vars(sys), name, stream) for name, stream in self._names],
            "empty": [(handler.__dict__, "records") for handler in self._handlers],
            "ends": [(self._root.__dict__, "handlers", *self._handlers)],
            "open": [stream for _name, stream in self._names],
            "silence": self._silence,
        }

    @property
    def buffers(self) -> list[Any]:
        """What is captured without descriptors: a silent test leaves them at their start."""
        return self._buffers

    @contextmanager
    def let_through(self) -> Iterator[None]:
        """What is written to standard output meanwhile goes where it does between two items."""
        captured = [part for part in self._parts if type(part) is FDCapture and part.targetfd == 1] if self._resumed else []
        for part in captured:
            os.dup2(part.targetfd_save, part.targetfd)
        try:
            yield
        finally:
            for part in captured:
                os.dup2(part.tmpfile.fileno(), part.targetfd)

    # ---- phases

    def begin(self, item: Any, when: str) -> None:
        """A phase in which the user's code can look at its log records, or has replaced the streams' capture."""
        if when == "setup":
            item.stash[caplog_records_key] = {}
        else:
            self.resume()
        self.heed_loggers()
        if self._manager._capture_fixture is not None:
            self._manager.activate_fixture()
        for handler in self._handlers:
            handler.reset()
        item.stash.setdefault(caplog_records_key, {})[when] = self._caplog.records
        item.stash[caplog_handler_key] = self._caplog

    def end(self) -> None:
        """The phase has ended."""
        if self._manager._capture_fixture is not None:
            self._manager.deactivate_fixture()

    def forget(self, item: Any) -> None:
        """The item has ended."""
        item.stash._storage.pop(caplog_records_key, None)
        item.stash._storage.pop(caplog_handler_key, None)

    def silent(self) -> bool:
        """Whether the phase has neither written nor logged anything."""
        # Of a closed file, the capture still has a duplicate: only reading it fails.
        if self._report.records or self._caplog.records or not self.are_open():
            return False
        if not self._silence.holds():
            for fd in self._fds:
                if _fstat(fd).st_size:
                    return False
        return not any(buffer.tell() for buffer in self._buffers)

    def take(self, item: Any, when: str) -> None:
        """Pause, and put what was written and logged among the item's sections."""
        log = self._report.stream.getvalue().strip()
        self.pause()
        captured = self._manager.read_global_capture()
        item.add_report_section(when, "stdout", captured.out)
        item.add_report_section(when, "stderr", captured.err)
        item.add_report_section(when, "log", log)


def _sys_capture(part: Any) -> Any:
    """What stands in for ``sys.stdout`` or ``sys.stderr``."""
    return part.syscapture if type(part) is FDCapture else part
