"""How long the items of a level's last runs took, for the next one to know whether several processes pay."""

from __future__ import annotations

import mmap
import struct

_NUMBERS = struct.Struct("=Qd")


class Pace:
    """Numbers in memory that a level shares with all its forks: for runs of one process, and for those of several."""

    def __init__(self) -> None:
        self._shared = mmap.mmap(-1, mmap.PAGESIZE)

    def tell(self, count: int, seconds: float, *, alone: bool) -> None:
        """*count* items have taken so many *seconds* from the first one's beginning to the last one's end.

        :param alone: by one process.
        """
        at = 0 if alone else _NUMBERS.size
        self._shared[at : at + _NUMBERS.size] = _NUMBERS.pack(count, seconds)

    def expected(self, count: int, *, alone: bool) -> float | None:
        """Seconds that *count* items will take, if they are as those of the last run of this kind; None if there was none."""
        known, seconds = _NUMBERS.unpack_from(self._shared, 0 if alone else _NUMBERS.size)
        return seconds / known * count if known else None
