"""Processes of the runner killed at random moments: the command still ends, rightly or with a clear error, and so does
the next one."""

from __future__ import annotations

import os
import random
import signal
import time
from contextlib import suppress

import pytest

from dxpy import DxPy, Ended, Process, is_alive, wait_until

SOON = 60.0

COUNTS = {"passed": 8, "failed": 1}


@pytest.fixture
def place(place: DxPy) -> DxPy:
    """A project whose tests take a third of a second together, so that most moments are in the middle of them."""
    for name in ("one", "two"):
        place.write(f"test_{name}.py", """
            import time
            import pytest
            @pytest.mark.parametrize("number", range(4))
            def test_pass(number):
                time.sleep(0.04)
        """)
    place.write("test_zero.py", "def test_fails(): assert 0\n")
    return place


def check_clear(ended: Ended) -> bool:
    """The right result (True), or none at all and a sentence that says so."""
    if (ended.code, ended.counts) == (1, COUNTS):
        return True
    assert ended.code not in (0, 1, 5), str(ended)
    assert "dx-py: " in ended.err and "Traceback" not in ended.err, str(ended)
    return False


def check_right(ended: Ended) -> None:
    assert (ended.code, ended.counts) == (1, COUNTS), str(ended)


def the_daemon(place: DxPy, workers: str) -> int:
    """The daemon. A run that has met the last one dying may have done without any: then the next run starts it."""
    if not place.daemon_pids():
        check_right(place.test("-n", workers))
    (daemon,) = place.daemon_pids()
    return daemon


@pytest.mark.parametrize("workers", ["1", "2"])
def test_the_daemon_is_killed_at_any_moment(place: DxPy, workers: str) -> None:
    moments = random.Random(7)
    check_right(place.test("-n", workers))
    for _ in range(10):
        daemon = the_daemon(place, workers)
        delay = moments.uniform(0.0, 0.4)
        run = place.start("test", "-n", workers)
        time.sleep(delay)
        os.kill(daemon, signal.SIGKILL)
        ended = run.wait(SOON)
        try:
            check_clear(ended)
            check_right(place.test("-n", workers, patience=SOON))
        except AssertionError as error:
            raise AssertionError(f"daemon killed after {delay:.3f} s\n{error}\n{place.log()}") from None
        assert not is_alive(daemon)
    place.leave_nothing()


def test_a_daemon_is_killed_while_it_starts(place: DxPy) -> None:
    moments = random.Random(8)
    for workers in ("1", "2") * 3:
        delay = moments.uniform(0.0, 0.4)
        run = place.start("test", "-n", workers)
        time.sleep(delay)
        for process in children_of(place, run.pid):
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
        ended = run.wait(SOON)
        try:
            check_clear(ended)
            check_right(place.test("-n", workers, patience=SOON))
        except AssertionError as error:
            raise AssertionError(f"daemon killed after {delay:.3f} s\n{error}\n{place.log()}") from None
        place.leave_nothing()


def children_of(place: DxPy, pid: int) -> list[Process]:
    return [process for process in place.processes() if process.parent == pid]


def test_any_process_is_killed_at_any_moment(place: DxPy) -> None:
    """The daemon, a level of its tower, the run or a worker: whichever it is."""
    moments = random.Random(9)
    check_right(place.test("-n", "2"))
    for _ in range(8):
        delay = moments.uniform(0.0, 0.3)
        run = place.start("test", "-n", "2")
        time.sleep(delay)
        others = sorted((process for process in place.processes() if process.pid != run.pid), key=lambda one: one.pid)
        victim = moments.choice(others)
        with suppress(ProcessLookupError):
            os.kill(victim.pid, signal.SIGKILL)
        ended = run.wait(SOON)
        try:
            check_killed_run(ended)
            check_right(place.test("-n", "2", patience=SOON))
        except AssertionError as error:
            raise AssertionError(f"{victim} of {others} killed after {delay:.3f} s\n{error}\n{place.log()}") from None
    place.leave_nothing()


def check_killed_run(ended: Ended) -> None:
    """As above; a test whose own process was killed counts as failed, and its report says why."""
    if "was killed by SIGKILL" in ended.out and ended.code == 1:
        # It may have been the test that fails anyway; and what is torn down has been told of before.
        torn = ended.out.count("ERROR at teardown of")
        assert sum(ended.counts.values()) == sum(COUNTS.values()) + torn and torn <= 1, str(ended)
    else:
        check_clear(ended)


def test_a_stopped_daemon_is_given_up(place: DxPy) -> None:
    """It hangs, but its socket is there: the run does without it, and the next ones as well until it is gone."""
    check_right(place.test("-n", "1"))
    (daemon,) = place.daemon_pids()
    os.kill(daemon, signal.SIGSTOP)
    ended = place.test("-n", "1", patience=SOON)
    check_right(ended)
    assert "without a daemon" in ended.err, str(ended)
    os.kill(daemon, signal.SIGCONT)
    wait_until(lambda: place.test("-n", "1").err == "", "the daemon serves again", SOON)
    place.leave_nothing()
