"""What a worker has passed in silence, in memory that it shares with its coordinator: no message for each test.

The records are the journal's own, so that they are copied there as they are.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from typing import Any

from dx_py_test_runner._native import Records
from dx_py_test_runner.wire.journal import RECORD_INDEX, RECORD_SIZE

_COUNT_SIZE = 8


class PassLog:
    """Records of at most *capacity* items, written by one process and taken by another.

    A record counts as soon as it is complete: what a process has written before it died is there.
    """

    def __init__(self, capacity: int) -> None:
        self._map = mmap.mmap(-1, _COUNT_SIZE + capacity * RECORD_SIZE)
        self._end = memoryview(self._map)[:_COUNT_SIZE].cast("Q")
        self._taken = _COUNT_SIZE
        self._records: Any = Records(self._map, _COUNT_SIZE, _COUNT_SIZE)
        self._detached = False

    def detach(self) -> None:
        """Write nothing any more, in a process that must not be taken for the worker."""
        self._detached = True
        self._become_private(0)

    def _become_private(self, count: int) -> None:
        self._records.close()
        self._records = Records(mmap.mmap(-1, mmap.PAGESIZE + count * RECORD_SIZE), _COUNT_SIZE, _COUNT_SIZE)

    def room(self, count: int) -> Records:
        """Where records belong, of which *count* fit in. Not to be kept: it closes when there is another one."""
        if self._detached:
            self._become_private(count)
        return self._records

    def renew(self) -> None:
        """Whoever has been given :meth:`room` has to ask again."""
        if not self._detached:
            before = self._records
            self._records = Records(self._map, _COUNT_SIZE, before.end)
            before.close()

    def append(self, index: int, times: tuple[float, ...]) -> None:
        """Write down that the item *index* has passed."""
        if self._detached:
            return
        self._records.append(index, times)

    def take(self) -> bytes:
        """The records that are new."""
        end = _COUNT_SIZE + self._end[0]
        if end <= self._taken:
            return b""
        records = self._map[self._taken : end]
        self._taken = end
        return records

    def close(self) -> None:
        self._end.release()
        self._records = None
        self._map.close()


def runs(records: bytes) -> Iterator[tuple[int, int, bytes]]:
    """*records* in pieces of consecutive items: the first item's index, how many there are, and their records."""
    indexes = [index for (index,) in RECORD_INDEX.iter_unpack(records)]
    start, count = 0, len(indexes)
    while start < count:
        first = indexes[start]
        stop = count
        if indexes[start:] != list(range(first, first + count - start)):
            stop = start + 1
            while stop < count and indexes[stop] == first + stop - start:
                stop += 1
        yield first, stop - start, records[start * RECORD_SIZE : stop * RECORD_SIZE]
        start = stop
