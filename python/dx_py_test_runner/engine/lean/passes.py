"""A passed item as a few numbers, and as the reports that pytest would have made of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

PHASES = ("setup", "call", "teardown")


class Passed(NamedTuple):
    """When an item's phases ended, by the clock of durations (seconds), and when it began by the clock on the wall."""

    item: Any
    began: float
    setup: float
    call: float
    teardown: float
    end: float

    def times(self) -> tuple[float, float, float, float, float]:
        """What another process needs to make the same of the same item."""
        return self[1:]

    def durations(self) -> tuple[float, float, float]:
        """Seconds of setup, call and teardown."""
        return (self.call - self.setup, self.teardown - self.call, self.end - self.teardown)


def make_reports(passed: Passed) -> list[pytest.TestReport]:
    """The three reports of an item that passed without a word."""
    reports, start = [], passed.began
    for when, duration in zip(PHASES, passed.durations(), strict=True):
        reports.append(make_report(passed.item, when, start, duration))
        start += duration
    return reports


def make_report(item: Any, when: Any, start: float, duration: float) -> pytest.TestReport:
    """The report of a phase that passed, as ``TestReport.from_item_and_call`` makes it."""
    return pytest.TestReport(
        getattr(item, "id", item.nodeid),
        item.location,
        dict.fromkeys(item.keywords, 1),
        "passed",
        None,
        when,
        [],
        duration,
        start,
        start + duration,
        user_properties=item.user_properties,
    )


class PassedReports(list):
    """Reports of passed items, made when somebody looks at them.

    The terminal reporter keeps every report in lists; all that is asked of most of them is how many there are.
    *which* says which of an item's three reports belong here.
    """

    def __init__(self, which: tuple[int, ...]) -> None:
        super().__init__()
        self._which = which
        self._waiting: list[Any] = []
        self._count = 0

    def add(self, passed: Passed) -> None:
        """Keep an item's reports for later."""
        self._waiting.append(passed)
        self._count += len(self._which)

    def append(self, report: Any) -> None:
        self._waiting.append(report)
        self._count += 1

    def extend(self, reports: Any) -> None:
        for report in reports:
            self.append(report)

    def _make(self) -> None:
        waiting, self._waiting, self._count = self._waiting, [], 0
        for entry in waiting:
            if type(entry) is Passed:
                reports = make_reports(entry)
                super().extend(reports[index] for index in self._which)
            else:
                super().append(entry)

    def __len__(self) -> int:
        return super().__len__() + self._count

    def __bool__(self) -> bool:
        return len(self) > 0

    def __iter__(self) -> Iterator[Any]:
        self._make()
        return super().__iter__()

    def __reversed__(self) -> Iterator[Any]:
        self._make()
        return super().__reversed__()

    def __getitem__(self, index: Any) -> Any:
        self._make()
        return super().__getitem__(index)

    def __contains__(self, report: object) -> bool:
        self._make()
        return super().__contains__(report)

    def __add__(self, other: Any) -> Any:
        self._make()
        return super().__add__(other)

    def __radd__(self, other: Any) -> Any:
        return [*other, *self]

    def __iadd__(self, other: Any) -> Any:
        self._make()
        return super().__iadd__(other)

    def __eq__(self, other: object) -> bool:
        self._make()
        return super().__eq__(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        self._make()
        return super().__repr__()

    def insert(self, index: Any, report: Any) -> None:
        self._make()
        super().insert(index, report)

    def remove(self, report: Any) -> None:
        self._make()
        super().remove(report)

    def pop(self, index: Any = -1) -> Any:
        self._make()
        return super().pop(index)

    def index(self, *args: Any) -> int:
        self._make()
        return super().index(*args)

    def count(self, report: Any) -> int:
        self._make()
        return super().count(report)

    def sort(self, **how: Any) -> None:
        self._make()
        super().sort(**how)

    def copy(self) -> list[Any]:
        self._make()
        return super().copy()
