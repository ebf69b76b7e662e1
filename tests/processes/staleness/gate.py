"""Stopping a run at a known place: the project asks for a shared lock there, which these tests may hold."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dxpy import Started, wait_until


class Gate:
    """A closed gate: whoever comes to it waits until it is opened."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        fcntl.flock(self._fd, fcntl.LOCK_EX)
        self._path = path

    def wait_for_arrival(self, started: Started) -> bool:
        """Return when a process waits at the gate, or the run has ended without one; says which."""
        ended = started.process.poll
        wait_until(lambda: self._somebody_waits() or ended() is not None, f"a process waits at {self._path}")
        return ended() is None

    def open(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = -1

    def _somebody_waits(self) -> bool:
        inode = str(os.fstat(self._fd).st_ino)
        # A line of one that waits: "7: -> FLOCK ADVISORY READ PID MAJOR:MINOR:INODE START END".
        waiting = [line.split() for line in Path("/proc/locks").read_text().splitlines() if " -> " in line]
        return any(words[6].rpartition(":")[2] == inode for words in waiting)


@contextmanager
def closed(path: Path) -> Iterator[Gate]:
    gate = Gate(path)
    try:
        yield gate
    finally:
        gate.open()
