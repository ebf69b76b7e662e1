"""Which tests have to run. Pure, but for the world that it asks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from dx_py_test_runner.history.store import GENERATIONS, Claim, History, Memory
from dx_py_test_runner.select.world import World

GOOD = frozenset({"passed", "skipped"})
"""Outcomes that need not be seen again while nothing changes."""


class Verdict(NamedTuple):
    """Whether a test must run, and why."""

    runs: bool
    reason: str
    """Of one that runs: ``new``, ``not passed`` or ``changed``; of one that does not: ``unchanged``."""
    broken: tuple[tuple[Claim, str | None], ...] = ()
    """Claims of the memory that comes closest which do not hold, with what is there now."""
    sets: tuple[int, ...] = ()
    """Those of the memory that was looked at."""


class Selector:
    """Decides about tests, one after the other; each set of claims is looked at once."""

    def __init__(self, history: History, world: World) -> None:
        self._history = history
        self._world = world
        self._holds: dict[int, bool] = {}
        self.used: dict[str, Memory] = {}
        """The memories for which tests were left out, and that will be forgotten soon if nobody says so."""

    def must_run(self, test: str) -> bool:
        """Whether *test* must run: the latest memory that holds, if there is one, is not of a good outcome."""
        memories = self._history.tests.get(test, ())
        for memory in memories:
            if memory.outcome in GOOD:
                if all(map(self.holds, memory.sets)):
                    self.note_use(test, memory)
                    return False
            elif all(map(self._may_hold, memory.sets)):
                return True
        return True

    def note_use(self, test: str, memory: Memory) -> None:
        """Because of *memory*, *test* is left out."""
        if _is_in_danger(memory, self._history.tests[test]):
            self.used[test] = memory

    def _may_hold(self, number: int) -> bool:
        """Whether nothing that is known of a set has changed: enough for what is bad news."""
        return self.holds(number) or all(claim[2] is None for claim, _now in self.broken(number))

    def holds(self, number: int) -> bool:
        """Whether all claims of a set hold."""
        known = self._holds.get(number)
        if known is None:
            known = self._holds[number] = not any(True for _ in self.broken(number))
        return known

    def broken(self, number: int) -> Iterable[tuple[Claim, str | None]]:
        """The claims of a set that do not hold, with the present values."""
        for claim in self._history.claims_of(number):
            kind, name, value = claim
            now = None if value is None else self._world.value(kind, name)
            if now is None or now != value:
                yield claim, now

    def verdict(self, test: str) -> Verdict:
        """The same with its reasons."""
        memories = self._history.tests.get(test, ())
        if not memories:
            return Verdict(True, "new")
        closest: Verdict | None = None
        for memory in memories:
            if memory.outcome not in GOOD:
                if all(map(self._may_hold, memory.sets)):
                    return Verdict(True, "not passed", sets=memory.sets)
                continue
            broken = tuple(found for number in memory.sets for found in self.broken(number))
            if not broken:
                return Verdict(False, "unchanged", sets=memory.sets)
            if closest is None or len(broken) < len(closest.broken):
                closest = Verdict(True, "changed", broken, memory.sets)
        return closest or Verdict(True, "not passed", sets=memories[0].sets)


def _is_in_danger(memory: Memory, memories: Sequence[Memory]) -> bool:
    """Whether it is among those that are forgotten next. Others need not be written down again each time they are of use."""
    return len(memories) > GENERATIONS // 2 and sum(one.used < memory.used for one in memories) < GENERATIONS // 2


def failing_first(files: Sequence[str], failing: Sequence[bool]) -> list[int]:
    """An order in which files with tests that failed come first; within a file, and among files, it stays as it is.

    :param files: of each test, the file.
    :param failing: of each test, whether it failed when it was last run.
    :returns: the numbers of the tests, in their new order.
    """
    urgent = {file for file, fails in zip(files, failing, strict=True) if fails}
    return sorted(range(len(files)), key=lambda number: files[number] not in urgent)
