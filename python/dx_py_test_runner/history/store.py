"""The history of a project's tests: one file in the user's cache folder, replaced whole, never trusted.

A *claim* says what was there when a test ran: a kind, a name and a value. Claims are shared by thousands of tests, and so are sets
of them: a *memory* of a test is its outcome, how long it took, and the numbers of its sets. Of each test a few memories are kept, so
that a branch that is switched back to finds its own: those that were made last, or were of use last.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import marshal
import os
import sys
from array import array
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from dx_py_test_runner._native import hash_bytes

Claim = tuple[str, str, str | None]
"""Kind, name and value."""

GENERATIONS = 6
"""Memories kept of one test."""

_MAGIC = b"DXHI\x02\0\0\0"
_DIGEST = 32


class Memory(NamedTuple):
    """What is remembered of one run of a test."""

    outcome: str
    seconds: float
    sets: tuple[int, ...]
    """Numbers of sets of claims; all of them must hold."""
    used: int = 0
    """When it was made, or a test was left out because of it: milliseconds since 1970. The one that is of no use for the longest time is
    the first to be forgotten; which of two that hold is to be believed is decided by their order alone."""


class History:
    """Claims, sets and memories, in memory."""

    def __init__(self) -> None:
        self.claims: list[Claim] = []
        self.sets: list[bytes] = []
        """Each the sorted numbers of its claims, as 32-bit numbers."""
        self.tests: dict[str, list[Memory]] = {}
        """Latest first."""
        self._claim_numbers: dict[Claim, int] = {}
        self._set_numbers: dict[bytes, int] = {}

    def set_of(self, claims: Iterable[Claim]) -> int:
        """The number of the set of these claims."""
        numbers = set()
        for claim in claims:
            number = self._claim_numbers.get(claim)
            if number is None:
                number = self._claim_numbers[claim] = len(self.claims)
                self.claims.append(claim)
            numbers.add(number)
        packed = array("I", sorted(numbers)).tobytes()
        known = self._set_numbers.get(packed)
        if known is None:
            known = self._set_numbers[packed] = len(self.sets)
            self.sets.append(packed)
        return known

    def claims_of(self, number: int) -> Iterator[Claim]:
        """The claims of a set."""
        return map(self.claims.__getitem__, array("I", self.sets[number]))

    def remember(self, test: str, memory: Memory) -> None:
        """Add the latest memory of *test*; it takes the place of one with the same sets."""
        known = self.tests.get(test)
        if known is None:
            self.tests[test] = [memory]
            return
        others = [other for other in known if other.sets != memory.sets]
        if len(others) >= GENERATIONS:
            # Of several the oldest.
            del others[min(range(len(others)), key=lambda place: (others[place].used, -place))]
        self.tests[test] = [memory, *others]

    def take_in(self, other: History, when: int | None = None) -> None:
        """Add the memories of *other*, as later ones.

        :param when: when they were made, if they do not say it themselves.
        """
        for test, memory in self._renumbered(other):
            self.remember(test, memory if when is None else memory._replace(used=when))

    def use(self, other: History, when: int) -> None:
        """Take down that the memories of *other* were of use. What is no longer there is passed over."""
        for test, memory in self._renumbered(other):
            known = self.tests.get(test, [])
            for place, one in enumerate(known):
                if one.sets == memory.sets:
                    known[place] = one._replace(used=max(one.used, when))

    def _renumbered(self, other: History) -> Iterator[tuple[str, Memory]]:
        """The memories of *other*, of each test the latest last, with the numbers that their sets have here."""
        # Only what a memory needs; most tests of a file have the same.
        number_of = functools.cache(lambda number: self.set_of(other.claims_of(number)))
        numbers_of = functools.cache(lambda sets: tuple(map(number_of, sets)))
        for test, memories in other.tests.items():
            for memory in reversed(memories):
                yield test, memory._replace(sets=numbers_of(memory.sets))

    def only(self, memories: dict[str, Memory]) -> History:
        """Of this history these memories alone, one of each test."""
        part = History()
        part.claims, part.sets = self.claims, self.sets
        part.tests = {test: [memory] for test, memory in memories.items()}
        return part

    def cleaned(self) -> History:
        """The same without claims and sets that no memory needs."""
        clean = History()
        clean.take_in(self)
        return clean

    def is_wasteful(self) -> bool:
        """Whether a good part of the sets is needed by no memory."""
        used = {number for memories in self.tests.values() for memory in memories for number in memory.sets}
        return len(used) < 0.8 * len(self.sets)

    # ---- as bytes

    def dumps(self) -> bytes:
        """As :func:`loads` reads it."""
        tests = {test: [tuple(memory) for memory in memories] for test, memories in self.tests.items()}
        body = marshal.dumps((self.claims, self.sets, tests))
        return _MAGIC + hash_bytes(body) + body

    @classmethod
    def loads(cls, data: bytes) -> History | None:
        """The history that was written, or None if anything is wrong with *data*."""
        start = len(_MAGIC) + _DIGEST
        body = data[start:]
        if data[: len(_MAGIC)] != _MAGIC or data[len(_MAGIC) : start] != hash_bytes(body):
            return None
        try:
            claims, sets, tests = marshal.loads(body)
            history = cls()
            history.claims, history.sets = list(claims), list(sets)
            history.tests = {test: [Memory(*memory) for memory in memories] for test, memories in tests.items()}
        except (EOFError, ValueError, TypeError):
            return None
        history._claim_numbers = {claim: number for number, claim in enumerate(history.claims)}
        history._set_numbers = {packed: number for number, packed in enumerate(history.sets)}
        return history


def place(folder: Path, root: Path, build: str) -> Path:
    """The file of a project's history.

    :param folder: the user's cache folder.
    :param root: pytest's root folder.
    :param build: what else decides whether memories may be compared: versions.
    """
    interpreter = f"{sys.implementation.cache_tag}\0{sys.version}\0{sys.executable}\0{build}\0"
    name = hash_bytes(interpreter.encode("utf-8", "surrogateescape") + os.fsencode(root))
    return folder / f"{name.hex()[:32]}.dxhi"


def read(path: Path) -> History:
    """The history in a file; an empty one if there is none, or nothing that can be trusted."""
    try:
        return History.loads(path.read_bytes()) or History()
    except OSError:
        return History()


def add(path: Path, latest: History, used: History, when: int) -> None:
    """Add *latest* to the history in a file, made at *when*, and that the memories *used* were of use. Runs that end at the same time wait
    for one another.

    Where it cannot be written, nothing happens: the tests run again.
    """
    with contextlib.suppress(OSError), _alone(path):
        history = read(path)
        history.use(used, when)
        history.take_in(latest, when)
        write(path, (history.cleaned() if history.is_wasteful() else history).dumps())


def write(path: Path, data: bytes) -> None:
    """Replace a file whole."""
    beside = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        beside.write_bytes(data)
        os.replace(beside, path)
    except OSError:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with open(path.with_name(f"{path.name}.lock"), "a", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def exported(history: History) -> dict[str, Any]:
    """A history as plain values that JSON takes."""
    return {
        "dx-py history": 1,
        "claims": [list(claim) for claim in history.claims],
        "sets": [list(array("I", packed)) for packed in history.sets],
        "tests": {test: [[m.outcome, m.seconds, list(m.sets)] for m in memories] for test, memories in history.tests.items()},
    }


def imported(values: Any) -> History:
    """What :func:`exported` gave.

    :raises ValueError: it gave something else.
    """
    history = History()
    try:
        if values["dx-py history"] != 1:
            raise ValueError("another version")
        claims = [(str(kind), str(name), None if value is None else str(value)) for kind, name, value in values["claims"]]
        sets = [history.set_of(claims[number] for number in numbers) for numbers in values["sets"]]
        for test, memories in values["tests"].items():
            for outcome, seconds, numbers in reversed(memories):
                history.remember(test, Memory(str(outcome), float(seconds), tuple(sets[number] for number in numbers)))
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise ValueError(f"this is no exported history: {error!r}") from None
    return history


def remembered(path: Path, what: str) -> dict[str, Any]:
    """Plain values kept beside a history that only save time; empty if there is anything wrong with them."""
    try:
        data = path.with_suffix(f".{what}").read_bytes()
    except OSError:
        return {}
    if data[:_DIGEST] != hash_bytes(data[_DIGEST:]):
        return {}
    try:
        found = marshal.loads(data[_DIGEST:])
    except (EOFError, ValueError, TypeError):
        return {}
    return found if isinstance(found, dict) else {}


def keep(path: Path, what: str, values: dict[str, Any]) -> None:
    """Keep values for :func:`remembered`."""
    body = marshal.dumps(values)
    with contextlib.suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write(path.with_suffix(f".{what}"), hash_bytes(body) + body)
