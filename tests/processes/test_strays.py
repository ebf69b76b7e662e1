"""Processes that go on where they should have ended: they must not be taken for the run, nor run beside it."""

from __future__ import annotations

import re

import pytest

from deaths_matrix import MODES, Mode
from dxpy import DxPy, Ended

BOUND = 60.0

_FORK_GOES_ON = """
    import os

    def test_before():
        pass

    def test_forks():
        child = os.fork()
        if child == 0:
            return  # and so on, with all tests that follow, as a second run
        os.waitpid(child, 0)
        assert False, "said by the parent"

    def test_after():
        pass
"""

_FINE = """
    def test_fine():
        pass
"""

_LOSES_DESCRIPTORS = """
    import os
    import time

    def note(word):
        with open(os.environ["NOTES"], "a") as file:
            file.write(f"{word}\\n")

    def test_closes():
        os.closerange(3, 256)
        # Longer than the runner needs to notice.
        for _ in range(45):
            time.sleep(0.1)
            note("first")

    def test_after():
        note("second")
"""


def run(place: DxPy, mode: Mode) -> Ended:
    """One run in *mode*; for a warm one, the second."""
    if mode.start == "warm":
        place.test(*mode.args, patience=BOUND)
    return place.test(*mode.args, patience=BOUND)


@pytest.mark.parametrize("mode", MODES, ids=str)
def test_child_that_goes_on_says_nothing(place: DxPy, mode: Mode) -> None:
    """A test forks, and its child returns into pytest and passes: the run's results and exit code are the parent's."""
    place.write("test_a_forks.py", _FORK_GOES_ON)
    place.write("test_b.py", _FINE)
    place.write("test_c.py", _FINE)
    ended = run(place, mode)
    assert ended.code == place.pytest().code == 1, ended
    # In one process both print, as under pytest; the parent ends last.
    assert ended.counts == {"failed": 1, "passed": 4}, ended
    assert "said by the parent" in ended.out, ended
    place.leave_nothing()


@pytest.mark.parametrize("mode", MODES[:4], ids=str)
def test_process_without_descriptors_has_no_successor_beside_it(place: DxPy, mode: Mode) -> None:
    """A test closes all descriptors and runs on: no other test runs at the same time, and the command ends after it."""
    place.write("test_a_closes.py", _LOSES_DESCRIPTORS)
    place.write("test_b.py", _FINE)
    notes = place.root / "notes"
    place.env["NOTES"] = str(notes)
    ended = run(place, mode)
    words = notes.read_text().split()
    last_run = re.findall(r"(?:first )*second", " ".join(words))[-1]
    assert words[-1] == "second" and "second first" not in last_run, words
    assert (ended.code, ended.counts) == (1, {"failed": 1, "passed": 2}), ended
    assert "lost the descriptors" in ended.out, ended
    place.leave_nothing()
    assert notes.read_text().split() == words, "something ran on after the command's end"
