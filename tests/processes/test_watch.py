"""``dx-py test --watch``: with a terminal and without one, with saves while it waits and while it runs."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from dxpy import DxPy, Started, wait_until, wait_until_taken
from gates import Gates
from terminal import INTERRUPT, Terminal

WAITS = r"waiting for a save"

PROJECT = {
    "pytest.ini": "[pytest]\npythonpath = src\n",
    "src/one.py": "VALUE = 1\n",
    "src/two.py": "VALUE = 2\n",
    "tests/test_one.py": "import one\n\ndef test_one():\n    assert one.VALUE == 1\n",
    "tests/test_two.py": "import two\n\ndef test_two():\n    assert two.VALUE == 2\n",
}


@pytest.fixture
def project(place: DxPy) -> DxPy:
    for name, text in PROJECT.items():
        place.write(name, text)
    return place


@pytest.fixture
def screen(project: DxPy) -> Iterator[Terminal]:
    with Terminal.dx_py(project, "test", "--watch") as screen:
        screen.read_until("2 passed")
        screen.read_until(WAITS)
        yield screen


class Log:
    """What a watch without a terminal writes, read on from where the last match ended."""

    def __init__(self, started: Started) -> None:
        self._started, self._at = started, 0

    def until(self, text: str) -> str:
        wait_until(lambda: text in self._started.out[self._at :] or self._started.process.poll() is not None, f"{text!r} is written")
        rest = self._started.out[self._at :]
        assert text in rest, self._started.shown
        end = rest.index(text) + len(text)
        self._at += end
        return rest[:end]


def test_a_save_runs_what_it_affects_and_is_named(project: DxPy, screen: Terminal) -> None:
    project.write("src/one.py", "VALUE = 7\n")
    text = screen.read_until(WAITS)
    assert "affected: 1 of 2 tests" in text
    assert "assert 7 == 1" in text
    assert "broken by src/one.py, saved " in text
    assert "test_two" not in text
    project.write("src/one.py", "VALUE = 1\n")
    assert "fails no longer: tests/test_one.py::test_one" in screen.read_until(WAITS)


def test_what_failed_runs_first(project: DxPy, screen: Terminal) -> None:
    project.write("src/two.py", "VALUE = 7\n")
    screen.read_until(WAITS)
    project.write("tests/test_one.py", PROJECT["tests/test_one.py"] + "    assert True\n")
    text = screen.read_until(WAITS)
    assert "affected: 2 of 2 tests" in text
    assert text.index("tests/test_two.py ") < text.index("tests/test_one.py ")


def test_keys(project: DxPy, screen: Terminal) -> None:
    screen.type("h")
    assert "run all tests" in screen.read_until("debug one")
    screen.type("a")
    assert "2 passed" in screen.read_until(WAITS)
    screen.type("f")
    screen.read_until("no test fails")
    screen.type("t")
    screen.read_until("as for -k")
    screen.type("two\n")
    screen.read_until("only -k two")
    project.write("src/one.py", "VALUE = 7\n")
    assert "1 failed" not in screen.read_until(WAITS)
    screen.type("u")
    assert "1 failed" in screen.read_until(WAITS)
    screen.type("f")
    assert "1 failed" in screen.read_until(WAITS)
    screen.type("p")
    screen.read_until("paths")
    screen.type("tests/test_two.py\n")
    assert "only tests/test_two.py" in screen.read_until("lists the keys")
    screen.type("q")
    assert screen.wait().code in (0, 1, 5)


def test_ctrl_c_at_rest_ends_it_and_gives_the_terminal_back(screen: Terminal) -> None:
    import termios

    assert not termios.tcgetattr(screen.master)[3] & termios.ICANON
    screen.type(INTERRUPT)
    assert screen.wait().code == 2
    assert termios.tcgetattr(screen.master)[3] & termios.ICANON
    assert "Traceback" not in screen.shown


def test_without_a_terminal_it_is_a_log(project: DxPy) -> None:
    started = project.start("test", "--watch")
    log = Log(started)
    log.until(WAITS)
    project.write("tests/test_two.py", "def test_two():\n    assert 0\n")
    assert "broken by tests/test_two.py" in log.until(WAITS)
    # A file that is new, in a folder that is new.
    project.write("tests/more/test_three.py", "def test_three():\n    pass\n")
    assert "1 passed" in log.until(WAITS)
    (project.project / "tests/test_two.py").unlink()
    assert "fails no longer: tests/test_two.py::test_two" in log.until(WAITS)
    shutil.rmtree(project.project / "tests/more")
    log.until(WAITS)
    started.send(signal.SIGINT)
    ended = started.wait()
    assert ended.code == 2
    assert "Traceback" not in ended.out + ended.err


def test_a_save_during_a_run_stops_it_and_what_it_affects_runs(place: DxPy) -> None:
    gates = Gates.create(place)
    started = place.start("test", "--watch", "-n", "1")
    log = Log(started)
    log.until(WAITS)
    first, *_rest = sorted(path.name for path in place.project.glob("test_*.py"))
    text = (place.project / first).read_text()
    names = [line[4:].partition("(")[0] for line in text.splitlines() if line.startswith("def ")]
    gates.forget()
    gates.close(names[0])
    place.write(first, text + "\nMORE = 1\n")
    gates.wait_for("at", names[0])
    place.write(first, text + "\nMORE = 2\n")
    log.until("saved: the run stops and begins again")
    (launcher,) = Path(f"/proc/{started.pid}/task/{started.pid}/children").read_text().split()
    wait_until_taken(int(launcher), signal.SIGINT)
    gates.open(names[0])
    gates.remove()
    shown = log.until(WAITS)
    assert "stopped by the user between two tests" in shown
    assert "failed" not in shown
    started.send(signal.SIGTERM)
    assert started.wait().code == 128 + signal.SIGTERM


def test_a_file_that_cannot_be_collected_fails(project: DxPy) -> None:
    told = project.root / "told.json"
    started = project.start("test", "--watch", "--tell", str(told))
    log = Log(started)
    log.until(WAITS)
    told.unlink()
    project.write("src/two.py", "VALUE = no_such_name\n")
    shown = log.until(WAITS)
    assert "broken by src/two.py" in shown
    assert "1 failing" in shown
    assert json.loads(told.read_text()) == {"code": 2, "failing": ["tests/test_two.py"]}
    project.write("src/two.py", PROJECT["src/two.py"])
    assert "fails no longer: tests/test_two.py" in log.until(WAITS)
    assert json.loads(told.read_text()) == {"code": 0, "failing": []}
    started.send(signal.SIGINT)
    assert started.wait().code == 2


ENDS_LATE = """
import os, time

def pytest_unconfigure():
    deadline = time.monotonic() + 30
    while not os.path.exists("../ends") and time.monotonic() < deadline:
        time.sleep(0.01)
"""


def test_a_verdict_is_said_before_the_run_has_ended_and_a_save_then_waits_for_that(project: DxPy) -> None:
    project.write("conftest.py", ENDS_LATE)
    started = project.start("test", "--watch")
    log = Log(started)
    assert "2 passed" in log.until(WAITS)
    (launcher,) = Path(f"/proc/{started.pid}/task/{started.pid}/children").read_text().split()
    project.write("src/one.py", "VALUE = 7\n")
    project.write("src/one.py", "VALUE = 8\n")
    assert Path(f"/proc/{launcher}").exists()
    (project.project.parent / "ends").touch()
    shown = log.until(WAITS)
    assert "assert 8 == 1" in shown
    assert "broken by src/one.py" in shown
    assert "test_two" not in shown, "what had passed was remembered after all"
    started.send(signal.SIGINT)
    assert started.wait().code == 2


@pytest.mark.parametrize("wrong", ["--no-daemon", "--no-such-option"])
def test_what_cannot_work_is_said(project: DxPy, wrong: str) -> None:
    started = project.start("test", "--watch", wrong)
    if wrong == "--no-daemon":
        ended = started.wait()
        assert ended.code == 4
        assert "exclude each other" in ended.err
    else:
        Log(started).until(WAITS)
        assert "unrecognized arguments: --no-such-option" in started.err
        started.send(signal.SIGINT)
        assert started.wait().code == 2


def test_nothing_of_it_stays_behind(project: DxPy) -> None:
    temporary = Path(project.env["TMPDIR"])
    started = project.start("test", "--watch")
    Log(started).until(WAITS)
    assert list(temporary.glob("dx-py-watch-*"))
    started.send(signal.SIGTERM)
    started.wait()
    assert not list(temporary.glob("dx-py-watch-*"))
    project.stop_daemon()
    project.wait_until_gone()
