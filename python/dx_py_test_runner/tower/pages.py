"""The pages of memory that a run writes to: learnt from the first run of a level, copied ahead for those that follow.

A forked process shares its memory until it writes to it, and pays a fault for each page. A short run spends half of
its time so. Copying is no change of content, so the list need not be right, only likely.
"""

from __future__ import annotations

import mmap

from dx_py_test_runner import _native

_MOST = 4096
"""Pages: what a spare process may hold of its own because of this (16 MiB)."""

_RANGES = 4000
_HEADER = 8
_ROOM = 1 << 16


class WrittenPages:
    """A list in memory that a level shares with all its forks. Empty until one of them has told."""

    def __init__(self) -> None:
        self._shared = mmap.mmap(-1, _ROOM)

    def learn(self) -> None:
        """At the end of a run: take down what it has written to, unless that is known, or too much."""
        if self._length():
            return
        found = _native.own_pages(_MOST, _RANGES)
        if found:
            self._shared[_HEADER : _HEADER + len(found)] = found
            self._shared[:_HEADER] = len(found).to_bytes(_HEADER, "little")

    def copy(self) -> None:
        """Have copies made of those pages in this process."""
        _native.copy_pages(self._shared[_HEADER : _HEADER + self._length()])

    def _length(self) -> int:
        return int.from_bytes(self._shared[:_HEADER], "little")
