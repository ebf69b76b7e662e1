"""Files that need not be collected: what they give is known, and none of it need run."""

from __future__ import annotations

from collections.abc import Sequence

from dx_py_test_runner.history.store import History, Memory
from dx_py_test_runner.select.affected import Selector


NO_TEST = "\0"
"""What the names of files begin with in a history: no test is called so."""


def key(short: str) -> str:
    """Under which a history keeps what a file gave, by its name in claims."""
    return NO_TEST + short


def memory_of(ids: Sequence[str], sets: Sequence[int]) -> Memory:
    """What to keep of a file that was collected whole: the ids of its tests, and what decided about them."""
    return Memory("\n".join(ids), 0.0, tuple(sorted(sets)))


def settled(history: History, selector: Selector, short: str) -> list[str] | None:
    """The ids of the tests of a file, if it would give the same again and none of them must run; else None."""
    for memory in history.tests.get(key(short), ()):
        if all(map(selector.holds, memory.sets)):
            ids = memory.outcome.split("\n")
            if any(map(selector.must_run, ids)):
                return None
            selector.note_use(key(short), memory)
            return ids
    return None
