"""Ctrl-C once, twice and three times, and the signals that end a run: from a terminal and without one."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dxpy import MODES, SERIAL_MODES, DxPy, Ended, Mode, Started, is_alive, real_pytest, wait_until
from gates import TESTS, Gates
from terminal import Terminal, check_same, layout, without_colours

SOON = 20.0
"""Seconds within which a run must be over that was told to end."""

FIRST_TESTS = {1: ("test_a",), 2: ("test_a", "test_d")}
"""The tests that run first, by the number of processes."""


@pytest.fixture(params=MODES, ids=str)
def mode(request: pytest.FixtureRequest) -> Mode:
    return request.param


@pytest.fixture(params=["terminal", "signal"])
def keyboard(request: pytest.FixtureRequest) -> str:
    """How the interrupt comes: typed on a terminal, or as a signal to the launcher."""
    return request.param


@contextmanager
def running(place: DxPy, keyboard: str, *args: str) -> Iterator[Terminal | Started]:
    """`dx-py ARGS`, started."""
    if keyboard == "terminal":
        with Terminal.dx_py(place, *args) as terminal:
            yield terminal
    else:
        yield place.start(*args)


def prepare(place: DxPy, mode: Mode, keyboard: str = "signal", *, stubborn: bool = False) -> Gates:
    """A project whose first tests will wait, seen once by a daemon where there is one."""
    gates = Gates.create(place, stubborn=stubborn)
    if mode.warm:
        with running(place, keyboard, *mode.args) as run:
            assert run.wait().code == 0
    gates.loaded_before = gates.loaders()
    gates.forget()
    gates.close(*FIRST_TESTS[mode.workers])
    return gates


def check_aftermath(place: DxPy, gates: Gates, mode: Mode) -> None:
    """The run's processes are gone, the next run is right, and then nothing is left."""
    wait_until(lambda: not any(map(is_alive, gates.pids())), f"the run's processes end: {gates.pids()}", SOON)
    if mode.warm:
        assert gates.loaders() <= gates.loaded_before, "the interrupted run was not a warm one"
        gates.remove()
        following = place.run(*mode.args)
        assert (following.code, following.counts) == (0, {"passed": 6}), str(following)
        place.stop_daemon()
    place.wait_until_gone(SOON)


# ---- Ctrl-C


def test_once_stops_between_two_tests(place: DxPy, mode: Mode, keyboard: str) -> None:
    first = FIRST_TESTS[mode.workers]
    gates = prepare(place, mode, keyboard)
    with running(place, keyboard, *mode.args) as run:
        gates.wait_for("at", *first)
        run.interrupt()
        gates.open(*first)
        ended = run.wait()
    assert ended.code == 2, str(ended)
    assert ended.counts == {"passed": len(first)}, str(ended)
    assert "stopped by the user" in ended.out, str(ended)
    assert "KeyboardInterrupt" not in ended.out, str(ended)
    assert gates.names("at") == set(first), "no test begins after the interrupt"
    assert gates.names("teardown") == set(first)
    assert gates.names("end") == {f"test_{file}" for file in ("one", "two")[: len(first)]}, "module fixtures end"
    check_aftermath(place, gates, mode)


def test_twice_stops_at_once(place: DxPy, mode: Mode, keyboard: str) -> None:
    first = FIRST_TESTS[mode.workers]
    gates = prepare(place, mode, keyboard)
    with running(place, keyboard, *mode.args) as run:
        gates.wait_for("at", *first)
        run.interrupt()
        run.interrupt()
        ended = run.wait(SOON)
    assert ended.code == 2, str(ended)
    assert "KeyboardInterrupt" in ended.out, str(ended)
    assert "no tests ran in" in without_colours(ended.out), str(ended)
    assert gates.names("at") == set(first)
    assert gates.names("teardown") == set(first), "the interrupted tests are torn down"
    assert gates.names("end") == {f"test_{file}" for file in ("one", "two")[: len(first)]}, "module fixtures end"
    check_aftermath(place, gates, mode)


def test_three_times_kills(place: DxPy, mode: Mode, keyboard: str) -> None:
    first = FIRST_TESTS[mode.workers]
    gates = prepare(place, mode, keyboard, stubborn=True)
    with running(place, keyboard, *mode.args) as run:
        gates.wait_for("at", *first)
        run.interrupt()
        run.interrupt()
        gates.wait_for("ignored", *first)
        run.interrupt()
        ended = run.wait(SOON)
    assert ended.code not in (0, 1), str(ended)
    assert gates.names("at") == set(first), "nothing is run after the kill"
    assert not gates.names("teardown")
    check_aftermath(place, gates, mode)


@pytest.mark.parametrize("mode", SERIAL_MODES, ids=str, indirect=True)
def test_an_interrupted_test_is_shown_as_pytest_shows_it(place: DxPy, mode: Mode) -> None:
    """Two interrupts here are what one is to pytest."""
    gates = prepare(place, mode)
    real = place.start(program=real_pytest())
    gates.wait_for("at", "test_a")
    os.kill(real.pid, signal.SIGINT)
    wanted = real.wait()
    gates.forget()
    ours = place.start(*mode.args)
    gates.wait_for("at", "test_a")
    ours.interrupt()
    ours.interrupt()
    found = ours.wait(SOON)
    check_same((found.code, layout(found.out)), (wanted.code, layout(wanted.out)))


def test_a_daemon_that_was_started_in_the_background(place: DxPy) -> None:
    """A shell without job control ignores SIGINT for its background jobs. Later runs are not theirs."""
    mode = Mode(warm=True, workers=1)
    gates = Gates.create(place)
    ignored = place.start(*mode.args, preexec_fn=ignore_interrupts).wait()
    assert ignored.code == 0, str(ignored)
    gates.loaded_before = gates.loaders()
    gates.forget()
    gates.close("test_a")
    run = place.start(*mode.args)
    gates.wait_for("at", "test_a")
    run.interrupt()
    run.interrupt()
    ended = run.wait(SOON)
    assert ended.code == 2 and "KeyboardInterrupt" in ended.out, str(ended)
    check_aftermath(place, gates, mode)


def ignore_interrupts() -> None:
    """In a new child: what `command &` in a script does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGQUIT, signal.SIG_IGN)


def test_an_interrupt_while_collecting(place: DxPy, mode: Mode) -> None:
    """A file that is being imported is interrupted at once, as under pytest."""
    gates = prepare(place, mode)
    place.write("test_two.py", "from conftest import Gate\nGate('import').wait()\ndef test_d(): pass\n")
    gates.close("import")
    run = place.start(*mode.args)
    gates.wait_for("at", "import")
    run.interrupt()
    ended = run.wait(SOON)
    assert ended.code == 2, str(ended)
    assert "KeyboardInterrupt" in ended.out, str(ended)
    assert gates.names("at") == {"import"}
    place.write("test_two.py", TESTS.format(*"def"))
    check_aftermath(place, gates, mode)


@pytest.mark.parametrize("mode", SERIAL_MODES, ids=str, indirect=True)
def test_an_interrupt_at_any_moment(place: DxPy, mode: Mode) -> None:
    """While the launcher, the supervisor and the run are starting: a clear end each time, and nothing stays."""
    gates = Gates.create(place)
    place.prepare(mode)
    gates.loaded_before = gates.loaders()
    moments = random.Random(20)
    latest = 0.1 if mode.warm else 0.8
    for _ in range(8):
        delay = moments.uniform(0.0, latest)
        run = place.start(*mode.args)
        time.sleep(delay)
        os.kill(run.pid, signal.SIGINT)
        ended = run.wait(SOON)
        check_interrupted(ended, delay)
    check_aftermath(place, gates, mode)


def check_interrupted(ended: Ended, delay: float) -> None:
    """It had ended, or was in its last test; or it was interrupted, and shows it by its exit code."""
    if ended.code == 0:
        assert ended.counts == {"passed": 6}, str(ended)
    elif ended.code == 1:
        # pytest's terminal reporter fails when it is interrupted while it starts the session.
        assert "!!! KeyboardInterrupt !!!" in ended.out and "_pytest/terminal.py" in ended.err, str(ended)
    else:
        # A launcher without a run ends by the signal.
        assert ended.code in (2, 128 + signal.SIGINT, -signal.SIGINT), f"interrupted after {delay:.3f} s: {ended}"


# ---- signals that end a run


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_a_fatal_signal_ends_the_run(place: DxPy, mode: Mode, number: signal.Signals) -> None:
    first = FIRST_TESTS[mode.workers]
    gates = prepare(place, mode)
    run = place.start(*mode.args)
    gates.wait_for("at", *first)
    run.send(number)
    ended = run.wait(SOON)
    assert ended.code not in (0, 1), str(ended)
    assert gates.names("at") == set(first), "nothing is run after the signal"
    check_aftermath(place, gates, mode)


def test_a_killed_launcher_takes_its_run_with_it(place: DxPy, mode: Mode) -> None:
    first = FIRST_TESTS[mode.workers]
    gates = prepare(place, mode)
    run = place.start(*mode.args)
    gates.wait_for("at", *first)
    run.process.kill()
    assert run.wait().code == -signal.SIGKILL
    check_aftermath(place, gates, mode)
    assert mode.warm or gates.names("at") == set(first), "nothing is run after the kill"


def test_a_closed_terminal_ends_the_run(place: DxPy, mode: Mode) -> None:
    first = FIRST_TESTS[mode.workers]
    gates = prepare(place, mode, "terminal")
    with Terminal.dx_py(place, *mode.args) as terminal:
        gates.wait_for("at", *first)
        terminal.close()
        assert terminal.process.wait(SOON) not in (0, 1)
    check_aftermath(place, gates, mode)


# ---- Ctrl-Z


def test_a_stopped_run_goes_on(place: DxPy, mode: Mode) -> None:
    first = FIRST_TESTS[mode.workers]
    gates = prepare(place, mode)
    # As a shell with job control would: a process group of its own, in a session that can continue it.
    run = place.start(*mode.args, start_new_session=False, process_group=0)
    gates.wait_for("at", *first)
    os.killpg(run.pid, signal.SIGTSTP)
    _pid, status = wait_until(lambda: stopped(run.process), "the launcher stops")
    assert os.WIFSTOPPED(status)
    wait_until(lambda: all(state(pid) == "T" for pid in gates.pids()), "the run's processes stop", SOON)
    os.killpg(run.pid, signal.SIGCONT)
    gates.open(*first)
    ended = run.wait()
    assert (ended.code, ended.counts) == (0, {"passed": 6}), str(ended)
    check_aftermath(place, gates, mode)


def stopped(process: subprocess.Popen[bytes]) -> tuple[int, int] | None:
    """The wait status of a child that has just been stopped."""
    pid, status = os.waitpid(process.pid, os.WUNTRACED | os.WNOHANG)
    return (pid, status) if pid else None


def state(pid: int) -> str:
    """The letter of a process's state: T for stopped."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "gone"


# ---- a worker that is interrupted because the session stops


TURNS_AN_INTERRUPT_INTO_ANOTHER_ERROR = """
import pathlib, time
import pytest

@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    try:
        if item.name == "test_behind" and call.when == "call":
            pathlib.Path("waiting").touch()
            time.sleep(30)
    except KeyboardInterrupt:
        raise TypeError("what pytest's own words for a failure come to, when they are interrupted") from None
    return (yield)
"""

FAILS_WHEN_THE_OTHER_WAITS = """
import pathlib, time

def test_fails():
    deadline = time.monotonic() + 20
    while not pathlib.Path("waiting").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert 0
"""


def test_what_breaks_in_a_test_that_nobody_waits_for_is_not_told(place: DxPy) -> None:
    place.write("conftest.py", TURNS_AN_INTERRUPT_INTO_ANOTHER_ERROR)
    place.write("test_a.py", FAILS_WHEN_THE_OTHER_WAITS)
    place.write("test_b.py", "def test_behind(): assert 0\n")
    ended = place.run("test", "-x", "-n2")
    assert ended.code == 1, str(ended)
    assert ended.counts == {"failed": 1} and "INTERNALERROR" not in ended.out, str(ended)
