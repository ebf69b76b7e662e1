"""The pages of memory that a run writes to: learnt from the first run of a level, copied ahead for those that follow.

A forked process shares its memory until it writes to it, and pays a fault for each page. A short run spends half of
its time so. Copying is no change of content, so the list need not be right, only likely.
"""

from __future__ import annotations

import mmap
import struct

from dx_py_test_runner import _native

_MOST = 12288
"""Pages: what a spare process may hold of its own because of this (48 MiB). Ten thousand tests that do nothing write to 8000."""

_RANGES = 4000
_HEADER = struct.Struct("=I?3x")
_ROOM = 1 << 16


class WrittenPages:
    """A list in memory that a level shares with all its forks. Empty until one of them has told."""

    def __init__(self) -> None:
        self._shared = mmap.mmap(-1, _ROOM)

    def learn(self, *, alone: bool) -> None:
        """At the end of a run: take down what it has written to, unless that is known, or too much.

        :param alone: the process has run its items itself. It writes elsewhere than one that only has them run.
        """
        length, known = self._header()
        if length and known == alone:
            return
        found = _native.own_pages(_MOST, _RANGES)
        if found:
            end = _HEADER.size + len(found)
            self._shared[_HEADER.size : end] = found
            self._shared[: _HEADER.size] = _HEADER.pack(len(found), alone)

    def copy(self) -> None:
        """Have copies made of those pages in this process."""
        length, _alone = self._header()
        _native.copy_pages(self._shared[_HEADER.size : _HEADER.size + length])

    def _header(self) -> tuple[int, bool]:
        return _HEADER.unpack(self._shared[: _HEADER.size])
