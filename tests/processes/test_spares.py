"""The process that a level has ready for the next run: used once, for whoever comes, and for nothing untrue."""

from __future__ import annotations

import os
import re
import signal

import pytest
from dxpy import DxPy, is_alive, wait_until

TELLS = """
    import os, random, time
    VALUE = "loaded"
    def test_it():
        with open(os.environ["TOLD"], "w") as file:
            print(os.getpid(), os.getppid(), os.getpgrp(), os.environ.get("WORD"), random.random(), VALUE, file=file)
"""


@pytest.fixture
def telling(place: DxPy) -> DxPy:
    """A project whose one test tells what it sees, and a daemon that has run it."""
    place.env["TOLD"] = str(place.root / "told")
    place.write("test_it.py", TELLS)
    tell(place)
    return place


def tell(place: DxPy, word: str = "first") -> list[str]:
    place.env["WORD"] = word
    # pytest-randomly, if it is installed, would seed.
    assert place.test("-n", "1", "-p", "no:randomly").counts == {"passed": 1}
    return (place.root / "told").read_text().split()


def spare_of(place: DxPy) -> tuple[int, int]:
    """Process ids of the collected level and of its spare."""
    pattern = r"collected +pid (\d+).*\(pid (\d+) is ready for the next run\)"
    found = wait_until(lambda: re.search(pattern, place.daemon("status").out), "a spare is ready", 5.0)
    return int(found[1]), int(found[2])


def test_it_serves_the_next_run_as_a_fork_made_for_it_would(telling: DxPy) -> None:
    drawn = set()
    for word in ("second", "third", "fourth"):
        level, spare = spare_of(telling)
        pid, parent, group, seen, number, _value = tell(telling, word)
        assert (int(pid), int(parent), int(group), seen) == (spare, level, spare, word)
        drawn.add(number)
    assert len(drawn) == 3
    telling.leave_nothing()


def test_it_goes_with_its_level(telling: DxPy) -> None:
    level, spare = spare_of(telling)
    # A level that is not true waits for a while: the edit may be taken back.
    for edit in ("edited", "again", "thrice", "finally"):
        telling.write("test_it.py", TELLS.replace('"loaded"', f'"{edit}"'))
        *_, value = tell(telling)
        assert value == edit
    wait_until(lambda: not is_alive(level) and not is_alive(spare), "the level and its spare end")
    telling.leave_nothing()


def test_an_edit_that_is_taken_back_finds_its_level_again(telling: DxPy) -> None:
    level, _spare = spare_of(telling)
    telling.write("test_it.py", TELLS.replace('"loaded"', '"edited"'))
    _pid, parent, *_, value = tell(telling)
    assert (int(parent) == level, value) == (False, "edited")
    telling.write("test_it.py", TELLS)
    _pid, parent, *_, value = tell(telling)
    assert (int(parent) == level, value) == (True, "loaded")
    telling.leave_nothing()


def test_a_level_is_not_true_again_while_anything_else_has_changed(telling: DxPy) -> None:
    level, _spare = spare_of(telling)
    telling.write("test_it.py", TELLS.replace('"loaded"', '"edited"'))
    tell(telling)
    telling.write("test_it.py", TELLS)
    telling.write("conftest.py", "")
    _pid, parent, *_, value = tell(telling)
    assert (int(parent) == level, value) == (False, "loaded")
    telling.leave_nothing()


def test_the_next_run_does_without_one_that_is_gone(telling: DxPy) -> None:
    level, spare = spare_of(telling)
    os.kill(spare, signal.SIGKILL)
    wait_until(lambda: not is_alive(spare), "it ends")
    assert int(tell(telling)[1]) == level
    assert spare_of(telling)[1] != spare
    telling.leave_nothing()


def test_one_whose_request_is_refused_ends_unseen_and_another_takes_its_place(place: DxPy) -> None:
    """It has begun to become the client's process when its level finds that it is not true any more."""
    place.env["TOLD"] = str(place.root / "told")
    place.write("conftest.py", "import os\ndef pytest_report_header():\n    return f'printed by {os.getpid()}'\n")
    place.write("test_it.py", TELLS)
    tell(place)
    level, spare = spare_of(place)
    place.write("test_it.py", TELLS.replace('"loaded"', '"edited"'))
    done = place.test("-n", "1", "-p", "no:randomly")
    assert (place.root / "told").read_text().split()[-1] == "edited"
    assert len(re.findall(r"printed by \d+", done.out)) == 1, done.out
    assert f"printed by {spare}" not in done.out
    wait_until(lambda: not is_alive(spare), "it ends")
    pattern = rf"pid {level}\b.*\(pid (\d+) is ready for the next run\)"
    assert wait_until(lambda: re.search(pattern, place.daemon("status").out), "the level has another", 20.0)
    place.leave_nothing()
