"""The journal: every report of a run, in a file without a name that outlives the process that writes it.

A run appends to it as results come in. When the run's process dies, the supervisor reads how far it got, and the
process that resumes the run replays it, so that nothing that was known is lost.
"""

from __future__ import annotations

import fcntl
import marshal
import os
import struct
from collections.abc import Iterator
from typing import Any

from dx_py_test_runner.wire.deaths import LOST_DESCRIPTORS

_LENGTH = struct.Struct("<I")

IDS = "ids"
START = "start"
REPORT = "report"
FINISH = "finish"
WARNING = "warning"
PASSED = "passed"


def dumps(value: Any) -> bytes:
    """Encode plain values; objects that a plugin hung on a report take the slower way."""
    try:
        return b"m" + marshal.dumps(value)
    except ValueError:
        import pickle

        return b"p" + pickle.dumps(value, protocol=5)


def loads(data: bytes) -> Any:
    """Decode what :func:`dumps` made (only ever in a fork of the process that made it)."""
    if data[:1] == b"m":
        return marshal.loads(data[1:])
    import pickle

    return pickle.loads(data[1:])


class Journal:
    """Appends entries ``(kind, item index or None, value)``."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        fcntl.fcntl(fd, fcntl.F_SETFL, os.O_RDWR | os.O_APPEND)
        self._inode = os.fstat(fd).st_ino
        self._detached = False

    def detach(self) -> None:
        """Write nothing any more, in a process that must not be taken for the run."""
        self._detached = True

    @classmethod
    def create(cls) -> Journal:
        return cls(os.memfd_create("dx-py-journal", os.MFD_CLOEXEC))

    def append(self, kind: str, index: int | None, value: Any = None) -> None:
        if self._detached:
            return
        body = dumps((kind, index, value))
        data = _LENGTH.pack(len(body)) + body
        self.check()
        while data:
            data = data[os.write(self.fd, data) :]

    def check(self) -> None:
        """End the process if a test has closed or replaced our descriptor: whatever is behind it now is not ours."""
        if self._detached:
            return
        try:
            intact = os.fstat(self.fd).st_ino == self._inode
        except OSError:
            intact = False
        if not intact:
            os._exit(LOST_DESCRIPTORS)


def read(fd: int) -> Iterator[tuple[str, int | None, Any]]:
    """The entries that were written completely, oldest first."""
    at, size = 0, os.fstat(fd).st_size
    while at + _LENGTH.size <= size:
        (length,) = _LENGTH.unpack(os.pread(fd, _LENGTH.size, at))
        at += _LENGTH.size
        if at + length > size:
            return
        body = b""
        while len(body) < length:
            body += os.pread(fd, length - len(body), at + len(body))
        yield loads(body)
        at += length


def states(fd: int) -> tuple[list[str], dict[int, str], dict[int, str]]:
    """What a journal says of a run: all node ids, the outcome of each item that has one, and the last phase reported.

    An outcome is that of the worst phase: ``failed`` before ``skipped`` before ``passed``.
    """
    ids: list[str] = []
    outcomes: dict[int, str] = {}
    phases: dict[int, str] = {}
    rank = {"passed": 0, "skipped": 1, "failed": 2}
    for kind, index, value in read(fd):
        if kind == IDS:
            ids = value
        elif kind == PASSED and index is not None:
            outcomes[index] = "passed"
        elif kind == START and index is not None:
            phases[index] = "start"
        elif kind == REPORT and index is not None:
            outcome = value.get("outcome", "failed")
            if rank.get(outcome, 2) >= rank.get(outcomes.get(index, "passed"), 0):
                outcomes[index] = outcome
            if value.get("$report_type") == "TestReport":
                phases[index] = value["when"]
    return ids, outcomes, phases
