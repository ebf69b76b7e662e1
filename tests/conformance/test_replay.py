"""The replay of mutations finds what it is for, and a small slice of it."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest
from replay import ROOT, Place, Tally, choose, environment_for, form, judge, mutations, replay

SOURCE = b"""\
import os

LIMIT = 3


class Shape:
    sides = 4

    def area(self, width, height=2):
        if width < LIMIT:
            return width * height
        return scaled(width, height)


def scaled(width, height):
    total = width * height
    return total * 2


def name():
    return "shape"
"""

TESTS = {
    "tests/test_area.py": "from shapes.main import Shape\n\n\ndef test_small():\n    assert Shape().area(1) == 2\n\n\ndef test_big():\n    assert Shape().area(5) == 20\n",
    "tests/test_name.py": "from shapes import main\n\n\ndef test_name():\n    assert main.name() == 'shape'\n\n\ndef test_sides():\n    assert main.Shape.sides == 4\n",
    "tests/test_none.py": "def test_none():\n    pass\n",
}


def test_every_kind_of_mutation_is_made_and_compiles() -> None:
    found = list(mutations(SOURCE))
    assert {mutation.kind for mutation in found} == {"constant", "comparison", "returned value", "import", "statement", "signature"}
    for mutation in found:
        after = mutation.apply(SOURCE)
        assert after != SOURCE
        compile(after, "main.py", "exec")


def test_choosing_is_repeatable(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_bytes(SOURCE)
    first, again = (choose(tmp_path, 8, random.Random(3)) for _ in range(2))
    assert first == again
    assert len(set(first)) == 8


@pytest.mark.parametrize(
    ("full", "selected", "missed", "wrong"),
    [
        ({"a": "failed", "b": "passed"}, {"a": "failed"}, 0, 0),
        ({"a": "failed", "b": "passed"}, {}, 1, 0),
        ({"a": "failed", "b": "passed"}, {"a": "passed"}, 0, 1),
        ({"a": "passed", "b": "passed", "c": "passed"}, {}, 1, 0),
        ({"a": "passed", "b": "passed", "u3": "failed"}, {}, 0, 0),
    ],
)
def test_judging(full: dict[str, str], selected: dict[str, str], missed: int, wrong: int) -> None:
    tally = Tally()
    judge(tally, "an edit", {"a": "passed", "b": "passed"}, full, selected, {form("u3")})
    assert (len(tally.missed), len(tally.wrong)) == (missed, wrong)


def test_a_small_slice(tmp_path: Path) -> None:
    source = tmp_path / "source"
    for name, text in {"shapes/__init__.py": "", "shapes/main.py": SOURCE.decode(), "pytest.ini": "[pytest]\n", **TESTS}.items():
        path = source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    place = Place(source, tmp_path, environment_for(tmp_path, sys.executable, [str(source), str(ROOT / "python")]), sys.executable)
    tally = replay("shapes", place, "shapes", 8, seed=5)
    assert (tally.missed, tally.wrong) == ([], [])
    assert tally.changed, "no mutation has changed an outcome"
    assert max(tally.shares) < 1, "nothing was ever left out"
