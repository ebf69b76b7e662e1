"""Of what was read or executed beneath functions that may keep it: what a test has left behind, and who may have done it.

It is looked behind each test, and while it runs: where a function returns that puts something into its module, and around the bodies of
modules. What is otherwise then is nobody's doing who was executed only later; if it is as it was in the end, it is nobody's at all.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from sys import _current_frames  # bound at once: a test may take it away
from types import CodeType
from typing import Any, NamedTuple

from dx_py_test_runner.inputs.blame import Blame
from dx_py_test_runner.inputs.executed import NOBODY, Executed
from dx_py_test_runner.inputs.left import ODD, UNKNOWN, Left
from dx_py_test_runner.inputs.traces import Spot, Traces

Function = tuple[str, str]
"""A file, and the qualified name of a function in it."""

Reads = dict[tuple[str, str], Any]


class Moment(NamedTuple):
    """What one look has found."""

    left: list[tuple[Left, set[int]]]
    """With the numbers of the codes that may have done it."""
    pending: Collection[tuple[int, int]]
    """What had been executed until then (:attr:`~dx_py_test_runner.inputs.executed.Executed.pending`)."""
    beneath: Mapping[Function, Reads]
    """And read."""


class Weighing:
    """Weighs in one process.

    :param traces: what is known of its state; None: nothing.
    :param fixtures: gives what wide fixtures give.
    """

    def __init__(self, executed: Executed, traces: Traces | None, fixtures: Callable[[], Sequence[Any]]) -> None:
        self._executed = executed
        self._traces = traces
        self._fixtures = fixtures
        self.beneath: dict[Function, Reads] = {}
        """What was read in the test that is being run, beneath a function of the project."""
        self.left_beneath: dict[tuple[str, str, str], Reads] = {}
        """The same of what a test has left behind, by the file of a module that leads to that, and the function's file and name."""
        self._is_weighing = self._is_looking = False
        self._left: list[Left] = []
        """What is otherwise already, in the test that is being run: since when, is not marked."""
        self._early: list[Moment] = []
        self._watched: dict[int, bool] = {}
        """Of codes that may keep what they find, whether it would be seen if they did."""
        self._spots: dict[int, list[Spot]] = {}
        """Of those that are listened to when they return, where they put something."""
        self._caching: int | None = None
        """One of them has returned what somebody keeps who has not got it yet."""
        self._loading: list[tuple[int, set[int] | None]] = []
        """The codes of modules that are being loaded in this test, and who was executed since the one around it began; None: it is not known."""
        if traces is not None:
            executed.watcher = self

    # ---- behind a test

    def weigh(self) -> None:
        """A test has ended: of what was read or executed beneath functions that may keep it, take what may have been left behind."""
        executed, traces = self._executed, self._traces
        if traces is None:
            self._take([self._moment([UNKNOWN])])
            return
        if executed.pending or self.beneath or self._left or not self._is_weighing:
            self._is_weighing = True
            final = self._look(traces)
            # What was put somewhere for a while may be elsewhere now, with all that it was made of.
            early = [one for one in self._early if not all(traces.are_as_marked([left for left, _guilty in one.left]))]
            final = [one for one, is_as_marked in zip(final, traces.are_as_marked(final), strict=True) if not is_as_marked]
            self._take([*early, self._moment([*self._left, *final])])
        self._left.clear()
        self._early.clear()
        self._loading.clear()
        self._caching = executed.recent = None
        traces.unmark()
        if new := executed.places.keys() - self._watched.keys():
            for number in new:
                self._begin_to_watch(traces, number)
            self._look(traces, is_set_up=True)

    def fixture_is_set_up(self) -> None:
        """One that outlives a test: what it gives is new now, and what the test does to it is not."""
        if self._traces is not None and self._is_weighing:
            self._left += self._look(self._traces, is_set_up=True)

    def _begin_to_watch(self, traces: Traces, number: int) -> None:
        places, executed = self._executed.places[number], self._executed
        self._watched[number] = places is None or traces.watch(executed.file_of(number), places)
        if spots := traces.spots_of(executed.file_of(number), places or ()):
            self._spots[number] = spots
            executed.tell_when_it_returns(number)

    def _look(self, traces: Traces, *, is_set_up: bool = False) -> list[Left]:
        return traces.look(self._fixtures(), is_set_up=is_set_up)

    def _moment(self, left: Iterable[Left], within: Collection[int] | None = None) -> Moment:
        blame, numbers = self._blame(), self._numbers()
        return Moment([(one, blame.of(numbers, one, within)) for one in left], self._executed.pending, self.beneath)

    def _blame(self) -> Blame:
        return Blame(self._executed, {number for number, is_seen in self._watched.items() if not is_seen})

    def _numbers(self) -> set[int]:
        """Of all that may keep something, and were executed."""
        numbers = {keeper for _number, keeper in self._executed.pending}
        numbers.update(number for function in self.beneath for number in self._executed.numbers_of.get(function, ()))
        return numbers

    def _take(self, moments: Iterable[Moment]) -> None:
        """Of what is pending, what may be among what was left."""
        executed = self._executed
        unseen = self._blame().unseen(self._numbers())
        self._add(NOBODY, unseen, executed.pending, self.beneath)
        for moment in moments:
            whence: dict[str, set[int]] = {}
            for left, guilty in moment.left:
                for path in left.where if guilty else ():
                    whence.setdefault(path, set()).update(guilty)
            for path, guilty in whence.items():
                self._add(path, guilty, moment.pending, moment.beneath)
        executed.forget()
        self.beneath.clear()

    def _add(self, path: str, guilty: Collection[int], pending: Iterable[tuple[int, int]], beneath: Mapping[Function, Reads]) -> None:
        """What these codes may have left where the module of the file at *path* leads to."""
        executed = self._executed
        if guilty:
            executed.callers.setdefault(path, set()).update(pair for pair in pending if pair[1] in guilty)
        for function, reads in beneath.items():
            its = executed.numbers_of.get(function, ())
            if not set(its).isdisjoint(guilty) if its else path == NOBODY:
                known = self.left_beneath.setdefault((function[0] if path[:1] in ("", ODD) else path, *function), {})
                for read, state in reads.items():
                    known.setdefault(read, state)

    # ---- while it runs

    def returns(self, number: int) -> None:
        """A code of which that is told returns."""
        spots = self._spots.get(number)
        if spots is None or self._traces is None or not self._is_weighing:
            return
        if any(kind == "@" for kind, _path in spots):
            self._caching = number
            self._executed.tell_anew()
        if self._traces.has_news(self._executed.file_of(number), spots):
            self._look_early()

    def begins(self) -> None:
        """Some code begins, and has not done anything."""
        if self._caching is not None and self._traces is not None:
            number, self._caching = self._caching, None
            if self._traces.has_news(self._executed.file_of(number), self._spots[number]):
                self._look_early()

    def loads(self, code: CodeType) -> None:
        """The body of a module of the project is going to be executed."""
        if self._traces is None or not self._is_weighing or not self._executed.pending:
            return
        is_known = self._look_early(code.co_filename)
        self._loading.append((id(code), self._executed.recent))
        # In other threads, codes may go on that are not told of.
        self._executed.recent = set() if is_known and len(_current_frames()) == 1 else None

    def loaded(self, code: CodeType) -> None:
        """It has been."""
        if all(key != id(code) for key, _around in self._loading):
            return
        while self._loading:
            key, around = self._loading.pop()
            self._look_early()
            recent, self._executed.recent = self._executed.recent, around
            if around is not None and recent is not None:
                around |= recent
            elif around is not None:
                self._executed.recent = None
            if key == id(code):
                return

    def _look_early(self, loading: str = "") -> bool:
        """Whether it is known what was otherwise until now.

        :param loading: the file of a module whose body is going to be executed.
        """
        if self._is_looking or self._traces is None:
            return False
        self._is_looking = True
        try:
            left = self._traces.look_early(self._fixtures(), loading)
            if left:
                found = self._moment(left, self._executed.recent)
                self._early.append(Moment(found.left, set(found.pending), {function: dict(reads) for function, reads in found.beneath.items()}))
        finally:
            self._is_looking = False
        return left is not None and UNKNOWN not in left
