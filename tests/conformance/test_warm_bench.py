"""A bench that measured something else than it says would be worse than none."""

import importlib.util
import sys
from collections import Counter
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def warm():
    path = Path(__file__).parents[2] / "benches" / "warm.py"
    spec = importlib.util.spec_from_file_location("warm_bench", path)
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def test_a_run_with_the_expected_counts_is_accepted(warm):
    warm.verify(["x"], Counter(passed=3, skipped=1), 0, "....\n3 passed, 1 skipped in 0.01s\n")
    warm.verify(["x"], Counter(passed=1), 0, "1 passed, 2 warnings in 0.01s\n")


@pytest.mark.parametrize(
    ("exit", "printed"),
    [
        (1, "3 passed in 0.01s"),
        (0, "2 passed in 0.01s"),
        (0, "2 passed, 1 failed in 0.01s"),
        (0, "3 passed, 1 deselected in 0.01s"),
        (0, "3 passed, 1 error in 0.01s"),
        (0, ""),
    ],
)
def test_a_run_that_did_anything_else_is_refused(warm, exit, printed):
    with pytest.raises(warm.Wrong):
        warm.verify(["x"], Counter(passed=3), exit, printed)


def test_the_first_argument_of_a_ratio_is_pytests_median(warm):
    row = warm.Row("flask", "tests/test_a.py", "cached", 7, {"pytest": [0.3, 0.1, 0.2], "warm": [0.01, 0.03, 0.02]})
    row.seconds |= {"cold -n 1": [0.4], "cold": [0.1]}
    assert warm.line(row).split() == "flask tests/test_a.py cached 7 200.0 20.0 10.0 400.0 0.5 100.0 2.0".split()


def test_every_chosen_project_is_one_of_the_compared(warm):
    assert warm.TESTS.keys() <= warm.PROJECTS.keys()
