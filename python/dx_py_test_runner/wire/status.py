"""The status page: one shared 4 KiB page per run, through which a run tells what it is doing even if it dies at once.

The first sixteen bytes are the launcher's (``docs/design/control-protocol.md``); the rest is between a run and its
supervisor. Writing a field costs no system call.
"""

from __future__ import annotations

import mmap
import os
import sys

SIZE = 4096
BOOT, LOAD, TESTS, FINISH = range(4)

_MAGIC = int.from_bytes(b"DXST", sys.byteorder)
_PID, _PHASE, _STOP, _ITEM, _SILENT, _TEXT_LENGTH, _TEXT = 4, 8, 12, 16, 20, 60, 64
_NO_ITEM = 0xFFFFFFFF


class StatusPage:
    """A view of the page. Fields are plain numbers; *doing* is a short text such as the file being imported."""

    def __init__(self, fd: int, *, create: bool = False) -> None:
        self.fd = fd
        if create:
            os.ftruncate(fd, SIZE)
        self._look_at(mmap.mmap(fd, SIZE))
        if create:
            self._words[0] = _MAGIC
            self.item = None

    @classmethod
    def create(cls) -> StatusPage:
        return cls(os.memfd_create("dx-py-status", os.MFD_CLOEXEC), create=True)

    def _look_at(self, page: mmap.mmap) -> None:
        self._map = self.memory = page
        """The page itself: another one in a process that is :meth:`detached <detach>`."""
        self._words = memoryview(page)[:_TEXT].cast("I")

    def _get(self, at: int) -> int:
        return self._words[at // 4]

    def _set(self, at: int, value: int) -> None:
        self._words[at // 4] = value

    @property
    def pid(self) -> int:
        return self._get(_PID)

    @pid.setter
    def pid(self, value: int) -> None:
        self._set(_PID, value)

    @property
    def phase(self) -> int:
        return self._get(_PHASE)

    @phase.setter
    def phase(self, value: int) -> None:
        self._set(_PHASE, value)

    @property
    def stop(self) -> bool:
        """Whether the user asked to stop at the next test boundary."""
        return bool(self._get(_STOP) & 1)

    @property
    def abandoned(self) -> bool:
        """Whether the user meant to end the run by a signal: its death is no crash then."""
        return bool(self._get(_STOP) & 2)

    @stop.setter
    def stop(self, value: bool) -> None:
        self._set(_STOP, int(value))

    @property
    def item(self) -> int | None:
        """Index of the item being run in this process, if any."""
        value = self._get(_ITEM)
        return None if value == _NO_ITEM else value

    @item.setter
    def item(self, value: int | None) -> None:
        words = self._words
        words[_SILENT // 4] = 0
        words[_ITEM // 4] = _NO_ITEM if value is None else value

    def begins(self, index: int) -> bool:
        """An item is about to run; whether the user has asked to stop instead."""
        words = self._words
        words[_SILENT // 4] = 0
        words[_ITEM // 4] = index
        return bool(words[_STOP // 4] & 1)

    @property
    def silent(self) -> int:
        """How many of the item's phases have passed without having been reported yet."""
        return self._get(_SILENT)

    def set_silent(self, count: int) -> None:
        self._words[_SILENT // 4] = count

    @property
    def doing(self) -> str:
        length = min(self._get(_TEXT_LENGTH), SIZE - _TEXT)
        return self._map[_TEXT : _TEXT + length].decode("utf-8", "replace")

    @doing.setter
    def doing(self, text: str) -> None:
        data = text.encode("utf-8", "surrogateescape")[: SIZE - _TEXT]
        self._set(_TEXT_LENGTH, 0)
        self._map[_TEXT : _TEXT + len(data)] = data
        self._set(_TEXT_LENGTH, len(data))

    def detach(self) -> None:
        """Go on with a private copy, in a process that must not be taken for the run."""
        private = mmap.mmap(-1, SIZE)
        private[:] = self._map[:]
        self._look_at(private)

    def close(self) -> None:
        self._words.release()
        self._map.close()
        os.close(self.fd)
