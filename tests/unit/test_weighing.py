"""What is left while a test runs is not blamed on who is executed later; what is gone in the end, on nobody."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from dx_py_test_runner.inputs.executed import NOBODY
from dx_py_test_runner.inputs.traces import Traces
from dx_py_test_runner.inputs.weighing import Weighing

FILE = "/project/app.py"
START, LATER, COMPUTE = 1, 2, 3
CODE = compile("", FILE, "exec")


@dataclass
class Told:
    """What is told of executed codes, without executing any."""

    places: dict[int, frozenset[str] | None]
    pending: set[tuple[int, int]] = field(default_factory=set)
    begun: set[int] = field(default_factory=set)
    callers: dict[str, set[tuple[int, int]]] = field(default_factory=dict)
    numbers_of: dict[tuple[str, str], list[int]] = field(default_factory=lambda: {(FILE, "start"): [START], (FILE, "later"): [LATER]})
    numbers_by_name: dict[str, list[int]] = field(default_factory=dict)
    handing: dict[int, frozenset[str]] = field(default_factory=dict)
    handing_anyway: frozenset[str] = frozenset()
    recent: set[int] | None = None
    watcher: Any = None
    returning: set[int] = field(default_factory=set)
    times: int = 0

    def execute(self, number: int, beneath: int | None = None) -> None:
        self.begun.add(number)
        if self.recent is not None:
            self.recent.add(number)
        self.pending.add((number, number if beneath is None else beneath))

    def given_by(self, _number: int) -> Iterable[int]:
        return ()

    def file_of(self, _number: int) -> str:
        return FILE

    def tell_when_it_returns(self, number: int) -> None:
        self.returning.add(number)

    def tell_anew(self) -> None:
        self.times += 1

    def forget(self) -> None:
        self.pending, self.begun = set(), set()


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    made = types.ModuleType("weighed")
    made.__file__ = FILE
    made.KNOWN = {}  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "weighed", made)
    return made


@pytest.fixture
def told(module: types.ModuleType) -> Iterator[Told]:
    yield Told({START: frozenset({"KNOWN", "#KNOWN"}), LATER: frozenset({"KNOWN", "KNOWN[]", "#KNOWN", ".*"})})


@pytest.fixture
def weighing(told: Told) -> Weighing:
    made = Weighing(told, Traces(lambda path: path.startswith("/project/")), lambda: [])  # type: ignore[arg-type]
    made.weigh()
    return made


def test_who_is_executed_later_has_not_done_it(weighing: Weighing, told: Told, module: Any) -> None:
    assert told.returning == {START, LATER}
    told.execute(START)
    module.KNOWN["one"] = [1]
    weighing.returns(START)
    told.execute(LATER)
    told.execute(COMPUTE, beneath=LATER)
    weighing.weigh()
    assert told.callers == {FILE: {(START, START)}}


def test_who_has_been_executed_may_have_done_it(weighing: Weighing, told: Told, module: Any) -> None:
    told.execute(LATER)
    told.execute(COMPUTE, beneath=LATER)
    told.execute(START)
    module.KNOWN["one"] = [1]
    weighing.returns(START)
    weighing.weigh()
    assert told.callers == {FILE: {(START, START), (LATER, LATER), (COMPUTE, LATER)}}


def test_what_is_otherwise_once_more_is_looked_at_once_more(weighing: Weighing, told: Told, module: Any) -> None:
    told.execute(START)
    module.KNOWN["one"] = [1]
    weighing.returns(START)
    told.execute(LATER)
    module.KNOWN["one"].append(2)
    weighing.weigh()
    assert told.callers == {FILE: {(START, START), (LATER, LATER)}}


@pytest.mark.parametrize("looks_again", [False, True])
def test_what_is_as_it_was_in_the_end_is_nobody_s(weighing: Weighing, told: Told, module: Any, looks_again: bool) -> None:
    told.execute(START)
    module.KNOWN["one"] = [1]
    weighing.returns(START)
    del module.KNOWN["one"]
    if looks_again:
        weighing.returns(START)
    weighing.weigh()
    assert told.callers == {}


def test_what_is_elsewhere_in_the_end_was_left_by_who_put_it_where_it_was(weighing: Weighing, told: Told, module: Any) -> None:
    told.execute(START)
    module.KNOWN["one"] = one = [1]
    weighing.returns(START)
    del module.KNOWN["one"]
    told.execute(LATER)
    module.OTHER = one
    weighing.weigh()
    assert told.callers == {FILE: {(START, START), (LATER, LATER)}}


def test_the_next_test_starts_anew(weighing: Weighing, told: Told, module: Any) -> None:
    told.execute(START)
    module.KNOWN["one"] = [1]
    weighing.returns(START)
    weighing.weigh()
    told.callers.clear()
    told.execute(LATER)
    del module.KNOWN["one"]
    weighing.weigh()
    assert told.callers == {FILE: {(LATER, LATER)}}


def test_what_was_read_before_is_what_counts(weighing: Weighing, told: Told, module: Any) -> None:
    told.execute(START)
    weighing.beneath[FILE, "start"] = {("env", "ONE"): None}
    module.KNOWN["one"] = [1]
    weighing.returns(START)
    weighing.beneath[FILE, "start"]["env", "TWO"] = None
    told.execute(LATER)
    weighing.beneath[FILE, "later"] = {("env", "THREE"): None}
    weighing.weigh()
    assert weighing.left_beneath == {(FILE, FILE, "start"): {("env", "ONE"): None}}


def test_a_cache_is_looked_at_when_the_next_code_begins(weighing: Weighing, told: Told, module: Any) -> None:
    import functools

    def start() -> list[int]:
        return [1]

    start.__module__ = "weighed"
    module.start = functools.cache(start)
    told.places = {START: frozenset({"@start"}), LATER: frozenset({"@start"})}
    weighing._watched.clear()
    weighing.weigh()
    told.execute(START)
    weighing.returns(START)
    assert told.times == 1, "the next one may have been told of"
    module.start()
    weighing.begins()
    told.execute(LATER)
    weighing.weigh()
    assert told.callers == {FILE: {(START, START)}}


def load(monkeypatch: pytest.MonkeyPatch) -> Any:
    made = types.ModuleType("weighed_later")
    made.__file__ = "/project/later.py"
    monkeypatch.setitem(sys.modules, "weighed_later", made)
    return made


def test_who_was_executed_before_a_module_is_loaded_has_not_filled_it(weighing: Weighing, told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    told.execute(LATER)
    weighing.loads(CODE)
    load(monkeypatch).KNOWN = [1]
    weighing.loaded(CODE)
    weighing.weigh()
    assert told.callers == {}


def test_who_is_executed_while_it_is_loaded_may_have(weighing: Weighing, told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    told.execute(START)
    inner = compile("", FILE, "exec")
    weighing.loads(CODE)
    weighing.loads(inner)
    made = load(monkeypatch)
    made.KNOWN = [1]
    told.execute(LATER)
    weighing.loaded(inner)
    made.MORE = [2]
    weighing.loaded(CODE)
    weighing.weigh()
    assert told.callers == {"/project/later.py": {(LATER, LATER)}}


def test_what_was_otherwise_before_a_module_is_loaded_is_not_forgotten(weighing: Weighing, told: Told, module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    told.execute(START)
    module.KNOWN["one"] = [1]
    weighing.loads(CODE)
    load(monkeypatch)
    weighing.loaded(CODE)
    weighing.weigh()
    assert told.callers == {FILE: {(START, START)}}


def test_all_are_blamed_if_somebody_cannot_be_seen(told: Told, module: Any) -> None:
    told.places[LATER] = frozenset({"!open"})
    weighing = Weighing(told, Traces(lambda path: path.startswith("/project/")), lambda: [])  # type: ignore[arg-type]
    weighing.weigh()
    told.execute(LATER)
    weighing.weigh()
    assert told.callers == {NOBODY: {(LATER, LATER)}}
