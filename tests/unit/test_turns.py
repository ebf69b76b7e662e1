"""What is run in turns is run in one of four, and each behaviour case comes to all of its modes."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import SimpleNamespace

import pytest

PATH = Path(__file__).parents[1] / "conftest.py"
MODES = ["cold", "warm", "parallel"]


@pytest.fixture(scope="module")
def parts():
    spec = importlib.util.spec_from_file_location("parts", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Item(SimpleNamespace):
    __hash__ = object.__hash__

    def get_closest_marker(self, name):
        return None


def cases():
    return [
        Item(nodeid=f"tests/spec/test_spec.py::test_case[file/case-{number}/{mode}]", callspec=SimpleNamespace(params={"mode": SimpleNamespace(name=mode)}))
        for number in range(60)
        for mode in MODES
    ]


def test_one_of_the_turns_has_an_item_and_all_modes_of_a_case_go_together(parts):
    items = cases()
    turns = [{item.nodeid for item in items if parts.in_turn(item, turn)} for turn in range(7, 7 + parts.TURNS)]
    assert set().union(*turns) == {item.nodeid for item in items}
    assert sum(map(len, turns)) == len(items)
    for turn in turns:
        assert 0.5 < len(turn) * parts.TURNS / len(items) < 1.5, "about as much as the others"
        assert {item.nodeid for item in items if item.nodeid.rpartition("/")[0] in {name.rpartition("/")[0] for name in turn}} == turn


def test_what_has_no_parameters_or_starts_no_processes_is_in_every_turn(parts):
    items = [Item(nodeid="tests/processes/test_a.py::test_a"), Item(nodeid="tests/unit/test_a.py::test_a[1]", callspec=SimpleNamespace(params={}))]
    assert all(parts.in_turn(item, turn) for item in items for turn in (0, 1))
    assert all(parts.in_turn(item, None) for item in cases())


def test_in_its_turns_a_case_comes_to_all_of_its_modes(parts):
    items = cases()
    seen = {item.nodeid for turn in range(parts.TURNS * len(MODES)) for item in parts.chosen(items, [MODES], turn) if parts.in_turn(item, turn)}
    assert seen == {item.nodeid for item in items}
    for turn in (0, 1):
        assert len(parts.chosen(items, [MODES], turn)) == 60, "one mode each"
