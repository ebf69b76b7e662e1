"""Releasing reports in collection order, whatever order they arrive in.

Reporting plugins, the terminal and ``-x`` then see exactly what they would see in a serial run. Pure: events in,
events out.
"""

from __future__ import annotations

from typing import Any

from dx_py_test_runner.wire.journal import FINISH, PASSES

Event = tuple[str, int, Any]


class InOrder:
    """Holds back events of items whose predecessors have not finished."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._head = 0
        self._held: dict[int, list[Event]] = {}
        self._finished: set[int] = set()

    @property
    def head(self) -> int:
        """The first item that has not finished; every item before it has been released completely."""
        return self._head

    def is_finished(self, index: int) -> bool:
        return index < self._head or index in self._finished

    def add(self, event: Event) -> list[Event]:
        """Take one event in; returns those that may be released now, in order."""
        kind, index, _value = event
        if kind == FINISH:
            self._finished.add(index)
        if index < self._head:
            # What follows an item's end, as the warnings that it gave do.
            return [event]
        if index != self._head:
            self._held.setdefault(index, []).append(event)
            return []
        return self._go_on([event])

    def add_run(self, first: int, count: int, records: bytes) -> list[Event]:
        """Take in that *count* items from *first* on have passed; returns the events that may be released now."""
        self._finished.update(range(first, first + count))
        event = (PASSES, first, records)
        if first != self._head:
            self._held.setdefault(first, []).append(event)
            return []
        return self._go_on([event])

    def _go_on(self, released: list[Event]) -> list[Event]:
        """*released*, and what may follow it."""
        while self._head in self._finished:
            self._finished.discard(self._head)
            self._head += 1
            released += self._held.pop(self._head, [])
        return released

    def rest(self) -> list[Event]:
        """What is still held back when no more will come: finished items only, in order, gaps skipped."""
        released: list[Event] = []
        for index in sorted(self._held):
            if index in self._finished:
                released += self._held[index]
        self._held.clear()
        return released
