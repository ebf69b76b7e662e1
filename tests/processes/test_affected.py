"""`--affected` leaves out no test that a full pytest would report otherwise than before, whatever was edited."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from dxpy import DxPy
from staleness.edits import EDITS, Edit
from staleness.selecting import Missed, Selecting, reports_by_test, try_edit
from staleness.slices import slice_of

WAYS = {"cold": ("--no-daemon", "-n1"), "workers": ("--no-daemon", "-n2"), "warm": ()}


def pairs(edits: Iterable[Edit]) -> list[Any]:
    """The ways and edits to try: every edit in every way, or one edit of five, each in one of them in turn."""
    return [
        pytest.param(way, edit, id=f"{way}-{edit}")
        for number, edit in enumerate(slice_of(list(edits), 0, 5))
        for way in slice_of(list(WAYS), number % len(WAYS), len(WAYS))
    ]


class Shared:
    """One project for edits that need no preparation."""

    def __init__(self, way: str) -> None:
        self._way = way
        self._selecting: Selecting | None = None

    def get(self) -> Selecting:
        if self._selecting is None:
            self._selecting = Selecting.create(DxPy.create(), *WAYS[self._way])
        return self._selecting

    def drop(self) -> None:
        if self._selecting is not None:
            self._selecting.affected.place.remove()
        self._selecting = None


@pytest.fixture(scope="module")
def shared(request: pytest.FixtureRequest) -> Iterator[Shared]:
    shared = Shared(request.param)
    yield shared
    shared.drop()


@pytest.mark.parametrize(("shared", "edit"), pairs(edit for edit in EDITS.values() if edit.prepare is None), indirect=["shared"])
def test_edit(shared: Shared, edit: Edit) -> None:
    try:
        try_edit(edit, shared.get())
    except BaseException:
        shared.drop()
        raise


@pytest.mark.parametrize(("way", "edit"), pairs(edit for edit in EDITS.values() if edit.prepare is not None))
def test_prepared_edit(place: DxPy, edit: Edit, way: str) -> None:
    try_edit(edit, Selecting.create(place, *WAYS[way]))


@pytest.mark.parametrize("way", list(WAYS))
def test_nothing_runs_twice_without_need(place: DxPy, way: str) -> None:
    selecting = Selecting.create(place, *WAYS[way])
    selecting.settle()
    left = reports_by_test(selecting.selected)
    assert not left, left


def test_a_missed_test_is_noticed(place: DxPy) -> None:
    """What this file's tests find at all: here a test that asks the system past everything that is watched."""
    selecting = Selecting.create(place, "--no-daemon", "-n1")
    selecting.scene.write(
        "tests/test_unseen.py",
        "import posix\n\n\ndef test_size(record_property):\n    record_property('size', posix.stat('data/first.txt').st_size)\n",
    )
    selecting.settle()
    selecting.scene.write("data/first.txt", "another, which is longer\n")
    with pytest.raises(Missed, match="test_size was left out"):
        selecting.compare("after an edit")
