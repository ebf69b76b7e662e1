"""What a worker has passed in silence, in memory that it shares with its coordinator: no message for each test.

The records are the journal's own, so that they are copied there as they are.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator

from dx_py_test_runner.wire.journal import RECORD, RECORD_BODY

_COUNT_SIZE = 8
_INDEX = struct.Struct("=5xI40x")
assert _INDEX.size == RECORD.size


class PassLog:
    """Records of at most *capacity* items, written by one process and taken by another.

    A record counts as soon as it is complete: what a process has written before it died is there.
    """

    def __init__(self, capacity: int) -> None:
        self._map = mmap.mmap(-1, _COUNT_SIZE + capacity * RECORD.size)
        self._end = memoryview(self._map)[:_COUNT_SIZE].cast("Q")
        self._written = self._taken = _COUNT_SIZE
        self._detached = False

    def detach(self) -> None:
        """Write nothing any more, in a process that must not be taken for the worker."""
        self._detached = True

    def append(self, index: int, times: tuple[float, ...]) -> None:
        """Write down that the item *index* has passed."""
        if self._detached:
            return
        RECORD.pack_into(self._map, self._written, RECORD_BODY, b"t", index, *times)
        self._written += RECORD.size
        self._end[0] = self._written

    def take(self) -> bytes:
        """The records that are new."""
        end = self._end[0]
        if end <= self._taken:
            return b""
        records = self._map[self._taken : end]
        self._taken = end
        return records

    def close(self) -> None:
        self._end.release()
        self._map.close()


def runs(records: bytes) -> Iterator[tuple[int, int, bytes]]:
    """*records* in pieces of consecutive items: the first item's index, how many there are, and their records."""
    indexes = [index for (index,) in _INDEX.iter_unpack(records)]
    start, count = 0, len(indexes)
    while start < count:
        first = indexes[start]
        stop = count
        if indexes[start:] != list(range(first, first + count - start)):
            stop = start + 1
            while stop < count and indexes[stop] == first + stop - start:
                stop += 1
        yield first, stop - start, records[start * RECORD.size : stop * RECORD.size]
        start = stop
