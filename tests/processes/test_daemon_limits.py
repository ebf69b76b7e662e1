"""What a daemon may keep: time without requests, and memory."""

from __future__ import annotations

from dxpy import DxPy, wait_until


def test_it_ends_when_nobody_asks_for_long_enough(place: DxPy) -> None:
    place.write("test_it.py", "def test_it(): pass\n")
    place.env["DX_PY_DAEMON_IDLE"] = "1"
    assert place.test().code == 0
    place.wait_until_gone()
    assert place.test().counts == {"passed": 1}


def test_levels_beyond_its_memory_are_given_up(place: DxPy) -> None:
    place.write("test_it.py", "def test_it(): pass\n")
    place.env["DX_PY_DAEMON_MEMORY"] = "1"
    for _again in range(2):
        assert place.test().counts == {"passed": 1}
        wait_until(lambda: "1 level(s), 0 run(s)" in place.daemon("status").out, "a base alone is left")
    assert "collected level given up: more than 1 MiB of memory in all" in place.log()
    place.leave_nothing()


def test_levels_within_its_memory_stay(place: DxPy) -> None:
    place.write("test_it.py", "def test_it(): pass\n")
    assert place.test().counts == {"passed": 1}
    assert "3 level(s)" in place.daemon("status").out
    place.leave_nothing()
