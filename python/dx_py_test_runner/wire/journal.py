"""The journal: every report of a run, in a file without a name that outlives the process that writes it.

A run appends to it as results come in. When the run's process dies, the supervisor reads how far it got, and the
process that resumes the run replays it, so that nothing that was known is lost.
"""

from __future__ import annotations

import marshal
import mmap
import os
import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from dx_py_test_runner.wire.deaths import LOST_DESCRIPTORS

if TYPE_CHECKING:
    from dx_py_test_runner._native import Records

_LENGTH = struct.Struct("<I")
_HEADER = struct.Struct("=QQ")
_RECORD = struct.Struct("=IcI5d")
_RECORD_BODY = struct.Struct("=cI5d")
RECORD_INDEX, RECORD_TIMES = struct.Struct("=5xI40x"), struct.Struct("=9x5d")
"""What can be read of a record: an item that has passed is an entry of one size, with its length, a letter, its index and its times."""

RECORD_SIZE = RECORD_TIMES.size
_ROOM = 1 << 20

IDS = "ids"
START = "start"
REPORT = "report"
FINISH = "finish"
WARNING = "warning"
PASSED = "passed"
PASSES = "passes"
"""Items that have passed one after the other: only ever told, and written as their records."""


def record(index: int, times: tuple[float, ...]) -> bytes:
    """The record of the item *index*."""
    return _RECORD.pack(_RECORD_BODY.size, b"t", index, *times)


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
    if data[:1] == b"t":
        _tag, index, *times = _RECORD_BODY.unpack(data)
        return (PASSED, index, tuple(times))
    import pickle

    return pickle.loads(data[1:])


class Journal:
    """Appends entries ``(kind, item index or None, value)``, through shared memory: without asking the system.

    The file begins with two numbers: how many bytes of entries follow, and how many entries at the end are not on the
    user's screen yet (:meth:`set_unshown`).
    """

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._inode = os.fstat(fd).st_ino
        self._detached = False
        self._records: Any = None
        self._grow(0, _HEADER.size + _header(fd)[0])

    def detach(self) -> None:
        """Write nothing any more, in a process that must not be taken for the run."""
        self._detached = True
        self._write_to(mmap.mmap(-1, _ROOM), _HEADER.size)

    def room(self, count: int) -> Records:
        """Where records belong, of which *count* fit in. Not to be kept: it closes when there is another one."""
        needed = self._records.end + count * RECORD_SIZE
        if needed > len(self._map):
            if self._detached:
                self._write_to(mmap.mmap(-1, _ROOM + count * RECORD_SIZE), _HEADER.size)
            else:
                self.check()
                self._grow(needed)
        return self._records

    @classmethod
    def create(cls) -> Journal:
        return cls(os.memfd_create("dx-py-journal", os.MFD_CLOEXEC))

    def append(self, kind: str, index: int | None, value: Any = None) -> None:
        if self._detached:
            return
        body = dumps((kind, index, value))
        self.check()
        at = self._records.end
        end = at + _LENGTH.size + len(body)
        if end > len(self._map):
            self._grow(end)
        _LENGTH.pack_into(self._map, at, len(body))
        self._map[at + _LENGTH.size : end] = body
        self._records.advance(end)

    def append_passed(self, index: int, times: tuple[float, ...]) -> None:
        """As ``append(PASSED, index, times)``, in less time. Does not look at the descriptor, and does not need it."""
        if not self._detached:
            self.room(1).append(index, times)

    def append_records(self, records: bytes) -> None:
        """As :meth:`append_passed` for each of *records*."""
        if self._detached:
            return
        written = self.room(len(records) // RECORD_SIZE)
        end = written.end + len(records)
        self._map[written.end : end] = records
        written.advance(end)

    def set_unshown(self, count: int) -> None:
        """Say how many of the last entries the user has not seen yet."""
        if not self._detached:
            self._numbers[1] = count

    def _grow(self, size: int, end: int | None = None) -> None:
        """Make room for at least *size* bytes. What is there already ends at *end*."""
        size = max(size + _ROOM, os.fstat(self.fd).st_size)
        os.ftruncate(self.fd, size)
        self._write_to(mmap.mmap(self.fd, size), self._records.end if end is None else end)

    def _write_to(self, memory: mmap.mmap, end: int) -> None:
        # Whoever only reads journals does without: the supervisor is there before it could be loaded.
        from dx_py_test_runner._native import Records

        before, self._map = self._records, memory
        self._records = Records(memory, _HEADER.size, end, counting=True)
        self._numbers = memoryview(memory)[: _HEADER.size].cast("Q")
        if before is not None:
            before.close()

    def check(self) -> None:
        """End the process if a test has closed or replaced our descriptor: others of ours will have gone with it."""
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
    data, at = _bytes_of(fd, _HEADER.size, _header(fd)[0]), 0
    while at + _LENGTH.size <= len(data):
        (length,) = _LENGTH.unpack_from(data, at)
        at += _LENGTH.size
        if at + length > len(data):
            return
        if length:
            yield loads(data[at : at + length])
        at += length


def _bytes_of(fd: int, start: int, length: int) -> bytes:
    """So many bytes from *start* on, or as many as there are. Read at once: there is an entry for each test."""
    pieces, missing = [], length
    while missing > 0 and (piece := os.pread(fd, missing, start + length - missing)):
        pieces.append(piece)
        missing -= len(piece)
    return b"".join(pieces)


def unshown(fd: int) -> int:
    """How many of the last entries the user has not seen."""
    return _header(fd)[1]


def _header(fd: int) -> tuple[int, int]:
    data = os.pread(fd, _HEADER.size, 0)
    return _HEADER.unpack(data.ljust(_HEADER.size, b"\0"))


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
