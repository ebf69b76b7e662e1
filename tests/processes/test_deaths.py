"""No lost test, no false green: whatever ends or ruins a process, each test has one state, or the exit code is not 0.

CI runs a covering part of the matrix; `DX_PY_ALL_DEATHS=1` runs all of it (about twenty minutes).
"""

from __future__ import annotations

import functools
import os
import re

import pytest

from deaths_matrix import (
    ENDS_THE_PROCESS,
    LIKE_PYTEST,
    MODES,
    RAISES,
    SPOILS_LATER_TESTS,
    Cell,
    Mode,
    all_cells,
    covering_cells,
)
from deaths_project import HEALTHY_FOLDER, VICTIM, VICTIM_FILE, write_project
from deaths_states import Record, all_states, printed_states
from dxpy import DxPy, Ended, wait_until

BOUND = 60.0
"""Seconds in which every command must end, on a machine that is busy with other things."""

CELLS = all_cells() if os.environ.get("DX_PY_ALL_DEATHS") else covering_cells()


# ---- the truth


@functools.cache
def collected(place: str) -> frozenset[str]:
    """The tests that real pytest collects when nothing strikes."""
    dx = DxPy.create()
    try:
        write_project(dx, place)
        lines = dx.pytest("--collect-only", "-q").out.splitlines()
    finally:
        dx.remove()
    return frozenset(line for line in lines if "::" in line)


@functools.cache
def by_pytest(place: str, cause: str) -> tuple[int, dict[str, str]]:
    """Real pytest's exit code and the states of the tests."""
    dx = DxPy.create()
    try:
        write_project(dx, place)
        ended = dx.pytest(env={"DEATHS_CAUSE": cause}, patience=BOUND)
        return ended.code, Record(dx.root / "record").states()
    finally:
        dx.remove()


# ---- one cell


class Scene:
    """The place of one cell, and what was seen in it."""

    def __init__(self, dx: DxPy, cell: Cell) -> None:
        self.dx = dx
        self.cell = cell
        self.daemon: int | None = None
        write_project(dx, cell.place)

    def run(self, *args: str, cause: str = "") -> tuple[Ended, Record]:
        """One `dx-py test`, with a record of its own."""
        path = self.dx.root / "record"
        path.unlink(missing_ok=True)
        ended = self.dx.test(*self.cell.mode.args, *args, env={"DEATHS_CAUSE": cause}, patience=BOUND)
        return ended, Record(path)

    def children(self) -> set[int]:
        """Processes that the tests have left behind on purpose."""
        path = self.dx.root / "children"
        return set(map(int, path.read_text().split())) if path.exists() else set()

    def leftovers(self) -> list[str]:
        """Our processes that have no reason to be there: all but the daemon and the levels that it knows."""
        allowed = self.children()
        if self.cell.mode.start != "cold":
            known = list(map(int, re.findall(r"(?:daemon|pid) (\d+)", self.dx.daemon("status").out)))
            self.daemon = known[0] if known else None
            allowed.update(known)
        left = [process for process in self.dx.processes() if process.pid not in allowed]
        return [f"{process.pid} (child of {process.parent}): {process.command}" for process in left]

    def check_no_leftovers(self) -> None:
        try:
            wait_until(lambda: not self.leftovers(), "no process left over", 15.0)
        except AssertionError as hangs:
            raise AssertionError(f"{hangs}\n{self.leftovers()}\n--- log\n{self.dx.log()}") from None

    def check_healthy(self) -> None:
        """The same project with nothing striking gives what pytest gives."""
        ended, record = self.run()
        code, states = by_pytest(self.cell.place, "")
        assert ended.code == code == 0, ended
        assert record.states() == states, ended

    def check_daemon_serves(self) -> None:
        """The daemon that saw the death serves another project and this one, and ends when it is told to."""
        assert self.daemon, f"the daemon is gone\n{self.dx.log()}"
        ended = self.dx.test(cwd=self.dx.project / HEALTHY_FOLDER, patience=BOUND)
        assert (ended.code, ended.counts) == (0, {"passed": 1}), ended
        self.check_healthy()
        assert self.dx.daemon_pid() == self.daemon, f"another daemon serves now\n{self.dx.log()}"
        self.dx.stop_daemon()
        wait_until(lambda: {p.pid for p in self.dx.processes()} <= self.children(), "the daemon's end", 15.0)


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_death(place: DxPy, cell: Cell) -> None:
    scene = Scene(place, cell)
    if cell.mode.start == "warm":
        scene.check_healthy()
    ended, record = scene.run(cause=cell.cause)
    check_outcome(cell, ended, record)
    check_written_once(cell, ended, record)
    scene.check_no_leftovers()
    if cell.place == "import_module" and cell.cause in ENDS_THE_PROCESS:
        check_other_files(cell, *scene.run("--continue-on-collection-errors", cause=cell.cause))
    if cell.mode.start != "cold":
        scene.check_daemon_serves()


_LAST_DIES = """
    import os

    def test_first():
        pass

    def test_last():
        os._exit(0)
"""


@pytest.mark.parametrize("mode", MODES[:4], ids=str)
def test_last_test_of_each_file_dies(place: DxPy, mode: Mode) -> None:
    """A worker looks one test ahead, into the next file: what it had claimed there must not be lost with it."""
    for letter in "abcdef":
        place.write(f"test_{letter}.py", _LAST_DIES)
    ended = place.test(*mode.args, patience=BOUND)
    if mode.start == "warm":
        ended = place.test(*mode.args, patience=BOUND)
    assert (ended.code, ended.counts) == (1, {"failed": 6, "passed": 6}), ended


_DIES_BEHIND_SUBTESTS = """
    import os

    def test_first(subtests):
        with subtests.test("passes"):
            pass
        with subtests.test("fails"):
            assert False
        os._exit(0)

    def test_last():
        pass
"""


@pytest.mark.parametrize("verbose", [False, True], ids=["plain", "verbose"])
@pytest.mark.parametrize("mode", MODES[:4], ids=str)
def test_subtests_are_no_phases(place: DxPy, mode: Mode, verbose: bool) -> None:
    """Their reports are no sign that the test which then dies had ended; and nothing is printed twice about it."""
    for letter in "ab":
        place.write(f"test_{letter}.py", _DIES_BEHIND_SUBTESTS)
    for _ in range(2 if mode.start == "warm" else 1):
        ended = place.test(*mode.args, *(["-v"] if verbose else []), patience=BOUND)
    assert ended.code == 1, ended
    progress, _, rest = ended.out.partition("= FAILURES =")
    assert rest.count("exited with status 0 while running test_") == 2, ended
    if verbose:
        assert progress.count("collecting") == 1, ended
        assert progress.count("test_a.py::test_first SUBFAILED") == progress.count("test_a.py::test_first FAILED") == 1, ended
    else:
        lines = [line.split()[:2] for line in progress.splitlines() if line.startswith(("test_", "u", "F"))]
        assert lines == [["test_a.py", "uF."], ["test_b.py", "uF."]], ended


_NO_WORKER_BEGINS = """
    import os

    def pytest_collection_finish(session):
        os.register_at_fork(after_in_child=lambda: os._exit(0))
"""


@pytest.mark.parametrize("start", ["cold", "warm"])
def test_workers_die_before_they_begin(place: DxPy, start: str) -> None:
    """Nothing runs, so the run ends, and says so for each test. (One process would not fork.)"""
    place.write("conftest.py", _NO_WORKER_BEGINS)
    names = [f"test_{letter}.py::test_{name}" for letter in "abcd" for name in ("first", "last")]
    for letter in "abcd":
        place.write(f"test_{letter}.py", _LAST_DIES)
    ended = place.test(*Mode(start, 2).args, patience=BOUND)
    assert ended.code > 0, ended
    assert printed_states(ended.err) == {name: {"not run"} for name in names}, ended
    place.leave_nothing()


def test_the_checks_see_a_false_green(place: DxPy) -> None:
    """What pytest makes of `os._exit(0)` would not get past them."""
    cell = Cell("exit_0_at_once", "call", MODES[0])
    scene = Scene(place, cell)
    ended = place.pytest(env={"DEATHS_CAUSE": cell.cause})
    with pytest.raises(AssertionError, match="false green"):
        check_outcome(cell, ended, Record(place.root / "record"))
    with pytest.raises(AssertionError, match="lost"):
        check_states(cell, ended, Record(place.root / "record"))
    scene.check_no_leftovers()


# ---- what is right


def check_outcome(cell: Cell, ended: Ended, record: Record) -> None:
    if (cell.cause, cell.place) in LIKE_PYTEST:
        check_as_pytest(cell, ended, record)
        return
    assert ended.code != 0, f"false green\n{ended}"
    assert ended.code > 0, f"the command itself died\n{ended}"
    if cell.cause == "leave_thread":
        check_thread(cell, ended, record)
    elif cell.place == "import_module":
        check_collection_error(cell, ended)
    elif cell.place == "import_conftest":
        check_conftest_error(cell, ended)
    else:
        check_states(cell, ended, record)


def check_as_pytest(cell: Cell, ended: Ended, record: Record) -> None:
    """Where pytest's own answer is green and right, ours is the same, test by test."""
    code, states = by_pytest(cell.place, cell.cause)
    assert code == 0 and states.keys() == collected(cell.place), "this cell does not belong into LIKE_PYTEST"
    assert ended.code == code, ended
    assert record.states() == states, ended


def check_written_once(cell: Cell, ended: Ended, record: Record) -> None:
    """Whatever forks, resumes and replaces processes: the user sees one header and one summary, with the right numbers."""
    assert ended.out.count("test session starts") <= 1, ended
    counts = {name.removesuffix("s"): count for name, count in ended.counts.items()}
    if counts and not cell.place.startswith("import"):
        assert counts == record.counts(), ended


def check_thread(cell: Cell, ended: Ended, record: Record) -> None:
    """pytest has all results and then waits for the thread without end; we wait for a while and say what for."""
    assert record.states() == by_pytest(cell.place, "")[1], ended
    assert "never-ending" in ended.err, ended


def check_collection_error(cell: Cell, ended: Ended) -> None:
    """A module that cannot be imported is an error in collection, which says what happened."""
    output = ended.out + ended.err
    if cell.cause in ENDS_THE_PROCESS:
        assert f"ERROR {VICTIM_FILE}" in output, ended
        assert ENDS_THE_PROCESS[cell.cause] in output, ended
        assert "1 error" in output, ended
    else:
        assert VICTIM_FILE in output or RAISES[cell.cause] in output, ended


def check_other_files(cell: Cell, ended: Ended, record: Record) -> None:
    """With --continue-on-collection-errors the tests of the other files run as ever."""
    _code, healthy = by_pytest(cell.place, "")
    assert ended.code not in (0, 3), ended
    assert f"ERROR {VICTIM_FILE}" in ended.out, ended
    others = {test: state for test, state in healthy.items() if not test.startswith(VICTIM_FILE)}
    assert record.states() == others, ended


def check_conftest_error(cell: Cell, ended: Ended) -> None:
    """No test is known yet: what is said must name the phase and what ended it, or show the exception."""
    output = ended.out + ended.err
    assert "conftest" in output or RAISES.get(cell.cause, "conftest") in output, ended
    if cell.cause in ENDS_THE_PROCESS and cell.cause != "close_inherited_fds":
        assert ENDS_THE_PROCESS[cell.cause] in output, ended


def check_states(cell: Cell, ended: Ended, record: Record) -> None:
    """Every test has one state; the victim did not pass, and all others have the state that they have without it."""
    states = all_states(record, ended.out + ended.err)
    assert states.keys() == collected(cell.place), f"lost: {sorted(collected(cell.place) - states.keys())}\n{ended}"
    healthy = by_pytest(cell.place, "")[1]
    if cell.cause in SPOILS_LATER_TESTS:
        spoilt = by_pytest(cell.place, cell.cause)[1]
        healthy = {test: state if states[test] == state else spoilt[test] for test, state in healthy.items()}
    if cell.place == "sessionfinish":
        assert states == healthy, ended
    else:
        assert states[VICTIM] in ("failed", "error", "lost"), ended
        assert {**states, VICTIM: ""} == {**healthy, VICTIM: ""}, ended
    check_blame(cell, ended, record)


def check_blame(cell: Cell, ended: Ended, record: Record) -> None:
    """What is said and the exit code fit what happened."""
    if cell.cause in ENDS_THE_PROCESS and cell.place != "sessionfinish":
        assert ENDS_THE_PROCESS[cell.cause] in record.text(VICTIM), ended
    elif cell.cause in ENDS_THE_PROCESS and cell.cause != "close_inherited_fds":
        assert ENDS_THE_PROCESS[cell.cause] in ended.err and "pytest_sessionfinish" in ended.err, ended
    elif cell.cause in RAISES and cell.cause not in SPOILS_LATER_TESTS and cell.place != "sessionfinish":
        assert ended.code == by_pytest(cell.place, cell.cause)[0], ended
