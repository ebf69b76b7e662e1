"""A passed item as a few numbers, and as the reports that pytest would have made of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import pytest

from dx_py_test_runner.wire.journal import RECORD_TIMES

PHASES = ("setup", "call", "teardown")


class Passed(NamedTuple):
    """When an item's phases ended, by the clock of durations (seconds), and when it began by the clock on the wall."""

    item: Any
    began: float
    setup: float
    call: float
    teardown: float
    end: float

    def durations(self) -> tuple[float, float, float]:
        """Seconds of setup, call and teardown."""
        return (self.call - self.setup, self.teardown - self.call, self.end - self.teardown)


class PassedRun(NamedTuple):
    """Items that have passed one after the other, and what was written down of each: the journal's records."""

    items: list[Any]
    records: bytes

    def passes(self) -> Iterator[Passed]:
        """Each of them."""
        for item, times in zip(self.items, RECORD_TIMES.iter_unpack(self.records), strict=True):
            yield Passed(item, *times)


def make_reports(passed: Passed, which: tuple[int, ...] = (0, 1, 2)) -> list[pytest.TestReport]:
    """The reports of an item that passed without a word; of its three phases, *which*."""
    durations = passed.durations()
    keywords = dict.fromkeys(passed.item.keywords, 1)
    starts = (passed.began, passed.began + durations[0], passed.began + durations[0] + durations[1])
    return [
        make_report(passed.item, PHASES[number], starts[number], durations[number], dict(keywords)) for number in which
    ]


def make_report(
    item: Any, when: Any, start: float, duration: float, keywords: dict[str, int] | None = None
) -> pytest.TestReport:
    """The report of a phase that passed, as ``TestReport.from_item_and_call`` makes it.

    :param keywords: the names of the item's keywords, if they are known.
    """
    return pytest.TestReport(
        getattr(item, "id", item.nodeid),
        item.location,
        dict.fromkeys(item.keywords, 1) if keywords is None else keywords,
        "passed",
        None,
        when,
        [],
        duration,
        start,
        start + duration,
        user_properties=item.user_properties,
    )


_SILENT = (Passed, PassedRun)


class PassedReports(list):
    """Reports of passed items, made when somebody looks at them.

    The terminal reporter keeps every report in lists; all that is asked of most of them is how many there are.
    *which* says which of an item's three reports belong here.
    """

    def __init__(self, which: tuple[int, ...]) -> None:
        super().__init__()
        self._which = which
        self._waiting: list[Any] = []
        self.add: Callable[[Passed | PassedRun], None] = self._waiting.append
        """Keep an item's reports for later."""

    def told(self) -> list[Any]:
        """The reports that exist, without those of silent passes."""
        return [*super().__iter__(), *(entry for entry in self._waiting if type(entry) not in _SILENT)]

    def counted(self) -> PassedReports:
        """Those that count in the summary. Reports of silent passes always do."""
        counted = PassedReports(self._which)
        counted.extend(report for report in super().__iter__() if getattr(report, "count_towards_summary", True))
        for entry in self._waiting:
            if type(entry) in _SILENT:
                counted.add(entry)
            elif getattr(entry, "count_towards_summary", True):
                counted.append(entry)
        return counted

    def append(self, report: Any) -> None:
        self._waiting.append(report)

    def extend(self, reports: Any) -> None:
        for report in reports:
            self.append(report)

    def _make(self) -> None:
        waiting = self._waiting[:]
        self._waiting.clear()
        for entry in waiting:
            if type(entry) is Passed:
                super().extend(make_reports(entry, self._which))
            elif type(entry) is PassedRun:
                for passed in entry.passes():
                    super().extend(make_reports(passed, self._which))
            else:
                super().append(entry)

    def __len__(self) -> int:
        kinds = Counter(map(type, self._waiting))
        runs = sum(len(entry.items) for entry in self._waiting if type(entry) is PassedRun) if kinds[PassedRun] else 0
        silent, others = kinds[Passed] + runs, len(self._waiting) - kinds[Passed] - kinds[PassedRun]
        return super().__len__() + others + len(self._which) * silent

    def __bool__(self) -> bool:
        return bool(self._waiting) or super().__len__() > 0

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

    def __setitem__(self, index: Any, report: Any) -> None:
        self._make()
        super().__setitem__(index, report)

    def __delitem__(self, index: Any) -> None:
        self._make()
        super().__delitem__(index)

    def clear(self) -> None:
        self._waiting.clear()
        super().clear()

    def reverse(self) -> None:
        self._make()
        super().reverse()

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


class ReportedIds(set):
    """The ids of items whose progress has been shown, worked out when somebody looks at them.

    The terminal reporter only wants to know how many there are. Each of the items that are waiting ran once.
    """

    def __init__(self, ids: Iterable[Any], identify: Callable[[Any], Any]) -> None:
        super().__init__(ids)
        self._identify = identify
        self._waiting: list[Any] = []
        self.add_items: Callable[[Iterable[Any]], None] = self._waiting.extend

    def _make(self) -> None:
        waiting = self._waiting[:]
        self._waiting.clear()
        super().update(map(self._identify, waiting))

    def __len__(self) -> int:
        if self._waiting and super().__len__():
            # Their subtests may have been reported already, under the same ids.
            self._make()
        return super().__len__() + len(self._waiting)

    def __bool__(self) -> bool:
        return len(self) > 0

    def __iter__(self) -> Iterator[Any]:
        self._make()
        return super().__iter__()

    def __contains__(self, identity: object) -> bool:
        self._make()
        return super().__contains__(identity)

    def __repr__(self) -> str:
        self._make()
        return super().__repr__()

    def clear(self) -> None:
        self._waiting.clear()
        super().clear()
