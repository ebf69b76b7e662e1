"""No stale verdict: after every kind of edit a warm run says what a cold pytest says on a fresh copy of the files."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from dxpy import DxPy
from staleness.edits import EDITS, OF_LOADING, Edit
from staleness.edits.code import body_of_transitive_dependency
from staleness.edits.layout import test_file_added as add_test_file
from staleness.mix import Mix
from staleness.slices import ALL_WAYS, MIXED_EDITS, slice_of
from staleness.trial import Trial, try_edit

ARGUMENTS = [
    (),
    ("-x",),
    ("--lf",),
    ("tests/test_code.py",),
    ("tests/test_code.py", "tests/deep"),
    ("tests/deep/test_deep.py", "tests/test_code.py"),
    ("tests/test_code.py::test_transitive",),
    ("tests/test_code.py::TestRoom", "tests/test_waiting.py::test_waiting"),
    ("tests/test_inputs.py::test_row[beta]",),
    ("tests/test_waiting.py::test_waiting", "tests/test_code.py::test_direct"),
    ("-k", "direct or waiting"),
    ("-k", "nothing_has_this_name"),
    ("--deselect", "tests/test_code.py::test_direct"),
    ("--ff",),
    ("--nf",),
    ("--sw",),
    ("--maxfail=2",),
    ("-o", "python_functions=check_*"),
    ("--import-mode=importlib", "tests/test_code.py"),
    ("--ignore=tests/deep",),
    ("--collect-only",),
    ("tests/no_such_file.py",),
]


class Shared:
    """One project with one daemon for edits that need no preparation: each is undone, and checked to be."""

    def __init__(self) -> None:
        self._trial: Trial | None = None

    @contextmanager
    def use(self) -> Iterator[Trial]:
        """The trial; whoever fails leaves it in a state that is no use to others."""
        if self._trial is None:
            self._trial = Trial.create(DxPy.create())
        try:
            yield self._trial
        except BaseException:
            self.drop()
            raise

    def drop(self) -> None:
        if self._trial is not None:
            self._trial.warm.place.remove()
        self._trial = None


@pytest.fixture(scope="module")
def shared() -> Iterator[Shared]:
    shared = Shared()
    yield shared
    shared.drop()


@pytest.mark.parametrize("edit", slice_of([edit for edit in EDITS.values() if edit.prepare is None], 1, 3), ids=str)
def test_edit(shared: Shared, edit: Edit) -> None:
    with shared.use() as trial:
        try_edit(edit, trial)


@pytest.mark.parametrize(
    "edit",
    slice_of([edit for edit in EDITS.values() if edit.prepare is not None and (edit.name in OF_LOADING or ALL_WAYS)], 1, 3),
    ids=str,
)
def test_prepared_edit(place: DxPy, edit: Edit) -> None:
    try_edit(edit, Trial.create(place))


@pytest.mark.parametrize("workers", ["1", "2"])
def test_all_arguments_see_an_edit(place: DxPy, workers: str) -> None:
    """One daemon serves all of these, from levels that were made for others among them; each must see what changed."""
    trial = Trial.create(place)
    trial.warm_up()
    arguments = slice_of(ARGUMENTS, int(workers) - 1, 4)
    saved = trial.scene.save()
    compare_all(trial, workers, arguments, "before any edit")
    rng = random.Random(1)
    body_of_transitive_dependency(trial.scene, rng)
    compare_all(trial, workers, arguments, "after an edit")
    add_test_file(trial.scene, rng)
    compare_all(trial, workers, arguments, "after adding a file")
    trial.scene.restore(saved, times=False)
    compare_all(trial, workers, arguments, "after undoing both")


def compare_all(trial: Trial, workers: str, arguments: Sequence[tuple[str, ...]], when: str) -> None:
    for args in arguments:
        trial.scene.args = ("-n", workers, *args)
        trial.compare(f"{when}, with {' '.join(args) or 'no arguments'}")


def test_a_file_left_open_is_read_from_its_start(place: DxPy) -> None:
    """A descriptor that a run has inherited has one position with that of every other run from the same level."""
    trial = Trial.create(place)
    trial.scene.write("app/open_file.py", 'KEPT = open(__file__.replace("open_file.py", "constants.py"))\n')
    trial.scene.write(
        "tests/test_open_file.py",
        "from app.open_file import KEPT\n\n\ndef test_content(record_property):\n"
        '    record_property("content", KEPT.read())\n',
    )
    for number in range(4):
        trial.compare(f"run {number}")


def test_random_edits(place: DxPy) -> None:
    mix = Mix(place, seed=3)
    mix.run(MIXED_EDITS)
    assert mix.counts["checked to be warm"] > 0, mix.counts
