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
        self._path = path
        # A run that has just ended may still be on its way through.
        wait_until(self._try_to_close, f"{path} can be closed, held by {self._lines(' ')}")

    def wait_for_arrival(self, started: Started) -> bool:
        """Return when a process waits at the gate, or the run has ended without one; says which."""
        ended = started.process.poll
        wait_until(lambda: self._somebody_waits() or ended() is not None, f"a process waits at {self._path}")
        return ended() is None

    def open(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = -1

    def _try_to_close(self) -> bool:
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _somebody_waits(self) -> bool:
        return bool(self._lines(" -> "))

    def _lines(self, mark: str) -> list[str]:
        """The kernel's lines about locks on this file. One that is waited for looks like this:
        "7: -> FLOCK ADVISORY READ PID MAJOR:MINOR:INODE START END"."""
        inode = f":{os.fstat(self._fd).st_ino} "
        return [line for line in Path("/proc/locks").read_text().splitlines() if mark in line and inode in line]


@contextmanager
def closed(path: Path) -> Iterator[Gate]:
    gate = Gate(path)
    try:
        yield gate
    finally:
        gate.open()
