"""Warm runs with pytest-randomly: each has a seed of its own, says which, and can be repeated with it."""

from __future__ import annotations

import re

from dxpy import DxPy, Ended

SUITE = """
    import random

    def test_draws():
        print("drawn", random.random())

    def test_other(): pass
    def test_third(): pass
"""


def seed_of(ended: Ended) -> str:
    return re.search(r"--randomly-seed=(\d+)", ended.out).group(1)


def drawn(ended: Ended) -> str:
    return re.search(r"drawn (\S+)", ended.out).group(1)


def test_each_run_has_a_seed_of_its_own(place: DxPy) -> None:
    place.write("test_it.py", SUITE)
    options = ("-p", "pytest_randomly", "-n1", "-rP")
    runs = [place.test(*options) for _ in range(4)]
    assert len({seed_of(run) for run in runs}) == 4
    assert len({drawn(run) for run in runs}) == 4

    last = place.test(*options, "-p", "pytest_randomly", "--randomly-seed=last")
    assert (seed_of(last), drawn(last)) == (seed_of(runs[-1]), drawn(runs[-1]))
    again = place.test(*options, f"--randomly-seed={seed_of(runs[0])}")
    assert (seed_of(again), drawn(again)) == (seed_of(runs[0]), drawn(runs[0]))
    assert drawn(place.pytest("-p", "pytest_randomly", "-rP", f"--randomly-seed={seed_of(runs[0])}")) == drawn(runs[0])
