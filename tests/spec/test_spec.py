"""Every case of spec/ in every mode: `test_case[FILE/HEADING/MODE]`."""

from __future__ import annotations

import importlib.metadata
import sys
from pathlib import Path

import pytest

from .bench import Bench, BenchError
from .compare import differences, unmet
from .modes import ORACLE, Mode, modes_named
from .parser import Case, read_cases

SPEC = Path(__file__).parents[2] / "spec"
CASES = read_cases(SPEC)


def runs() -> list:
    """Case by case, real pytest first: with `-x` the first thing seen is whether the case itself is right."""
    return [
        pytest.param(case, mode, id=f"{case.id}/{mode.name}")
        for case in CASES
        for mode in (ORACLE, *modes_named(case.options.modes))
    ]


@pytest.mark.parametrize(("case", "mode"), runs())
def test_case(case: Case, mode: Mode, bench: Bench) -> None:
    check_requirements(case)
    problems = find_problems(case, mode, bench)
    if problems:
        pytest.fail("\n\n".join([f"{case.source}:{case.line}: {case.title}", *problems]), pytrace=False)


def find_problems(case: Case, mode: Mode, bench: Bench) -> list[str]:
    try:
        oracle = bench.pytest_outcomes(case)
        if mode is ORACLE:
            return unmet(case, oracle)
        passes = bench.passes(case, mode)
    except BenchError as error:
        return [str(error)]
    for number, ours in enumerate(passes, 1):
        if found := differences(case, mode, oracle, ours) or unmet(case, ours):
            return [f"in pass {number} of {mode.passes}:", *found] if mode.passes > 1 else found
    return []


def check_requirements(case: Case) -> None:
    """A version that a case is not about is no failure; a package that is missing is one, unless the case
    calls it optional."""
    options = case.options
    pytest_version = version(pytest.__version__)
    if options.min_pytest and pytest_version < version(options.min_pytest):
        pytest.skip(f"for pytest {options.min_pytest} and later")
    if options.max_pytest and pytest_version > version(options.max_pytest, last=True):
        pytest.skip(f"for pytest up to {options.max_pytest}")
    if options.min_python and sys.version_info[:2] < version(options.min_python):
        pytest.skip(f"for Python {options.min_python} and later")
    for name in options.requires:
        try:
            importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            say = pytest.skip if options.optional else pytest.fail
            say(f"{case.source}:{case.line}: needs {name}, which is not installed")


def version(text: str, last: bool = False) -> tuple[float, ...]:
    """`9.0.3` as numbers; with `last` the highest version that starts so (`9.0` holds all 9.0.x)."""
    numbers = tuple(float(part) for part in text.split(".") if part.isdigit())
    return (*numbers, float("inf")) if last else numbers

