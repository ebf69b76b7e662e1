#!/usr/bin/env python3
"""What a runner adds to each test: collection, run loop and memory, beside unittest and pytest.

    python benches/overhead.py [--runs 5] [--tests 10000] [--per-file 10]

Of modules that are already imported, each program finds and runs as many tests that do nothing: functions without
fixtures, functions with three fixtures of their own (plain functions), and methods for unittest. One worker. The programs
take turns, each time in a process of its own; printed are medians, per test. Memory is what the process has grown by from
before the collection to behind it, when garbage has been collected.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

PYTHON = Path(sys.executable)

CLOCK = '''
import gc, importlib, json, os, pathlib, sys, time
import pytest

numbers = {}

def resident():
    gc.collect()
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection(session):
    sys.path.insert(0, os.getcwd())
    for path in sorted(pathlib.Path().glob("test_*.py")):
        importlib.import_module(path.stem)
    before = resident()
    start = time.perf_counter()
    result = yield
    numbers["collection"] = time.perf_counter() - start
    numbers["memory"] = resident() - before
    return result

@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtestloop(session):
    start = time.perf_counter()
    result = yield
    numbers["loop"] = time.perf_counter() - start
    numbers["tests"] = len(session.items)
    numbers["failed"] = session.testsfailed
    pathlib.Path(os.environ["NUMBERS"]).write_text(json.dumps(numbers))
    return result
'''

UNITTEST = '''
import gc, importlib, json, os, pathlib, sys, time, unittest

def resident():
    gc.collect()
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

sys.path.insert(0, os.getcwd())
modules = [importlib.import_module(path.stem) for path in sorted(pathlib.Path().glob("test_*.py"))]
numbers = {}
before = resident()
start = time.perf_counter()
suite = unittest.defaultTestLoader.discover(".", "test_*.py")
numbers["collection"] = time.perf_counter() - start
numbers["memory"] = resident() - before
runner = unittest.TextTestRunner(stream=open(os.devnull, "w"))
start = time.perf_counter()
result = runner.run(suite)
numbers["loop"] = time.perf_counter() - start
numbers["tests"] = result.testsRun
numbers["failed"] = len(result.failures) + len(result.errors)
pathlib.Path(os.environ["NUMBERS"]).write_text(json.dumps(numbers))
'''

PLAIN = "def test_{n}():\n    pass\n\n\n"
FURNISHED = "def test_{n}(one, two, three):\n    pass\n\n\n"
FIXTURES = "import pytest\n\n\n" + "".join(
    f"@pytest.fixture\ndef {name}():\n    return {number}\n\n\n" for number, name in enumerate(("one", "two", "three"))
)
METHOD = "    def test_{n}(self):\n        pass\n\n"


def write_suite(root: Path, head: str, body: str, files: int, per_file: int) -> Path:
    root.mkdir()
    (root / "clock.py").write_text(CLOCK)
    (root / "pytest.ini").write_text("[pytest]\n")
    for number in range(files):
        bodies = "".join(body.replace("{n}", str(n)) for n in range(per_file))
        (root / f"test_m{number:04}.py").write_text(head + bodies)
    return root


def measure(command: list[str], suite: Path, tests: int) -> dict[str, float]:
    """Seconds and bytes of one process, per test.

    :raises SystemExit: the program has failed, or has not run all tests.
    """
    answer = suite / "numbers.json"
    environment = {**os.environ, "NUMBERS": str(answer), "PYTHONPATH": str(suite), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    ended = subprocess.run(command, cwd=suite, env=environment, capture_output=True, text=True)
    if ended.returncode or not answer.exists():
        sys.exit(f"{command} has ended with {ended.returncode}:\n{ended.stdout[-2000:]}\n{ended.stderr[-2000:]}")
    numbers = json.loads(answer.read_text())
    answer.unlink()
    if numbers["tests"] != tests or numbers["failed"]:
        sys.exit(f"{command} has run {numbers['tests']} of {tests} tests, of which {numbers['failed']} failed")
    return {name: numbers[name] / tests for name in ("collection", "loop", "memory")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--tests", type=int, default=10_000)
    parser.add_argument("--per-file", type=int, default=10)
    options = parser.parse_args()
    files, per_file = options.tests // options.per_file, options.per_file
    tests = files * per_file
    ours = [str(PYTHON.with_name("dx-py")), "test", "--no-daemon", "-n1", "-p", "clock", "-p", "no:cacheprovider"]
    pytest = [str(PYTHON), "-m", "pytest", "-p", "clock", "-p", "no:cacheprovider"]
    with tempfile.TemporaryDirectory(prefix="dx-py-overhead-") as folder:
        root = Path(folder)
        plain = write_suite(root / "plain", "", PLAIN, files, per_file)
        furnished = write_suite(root / "furnished", FIXTURES, FURNISHED, files, per_file)
        case = "import unittest\n\n\nclass Test(unittest.TestCase):\n"
        methods = write_suite(root / "methods", case, METHOD, files, per_file)
        programs = {
            "unittest": ([str(PYTHON), "-c", UNITTEST], methods),
            "dx-py": (ours, plain),
            "dx-py, 3 fixtures": (ours, furnished),
            "pytest": (pytest, plain),
            "pytest, 3 fixtures": (pytest, furnished),
        }
        figures: dict[str, list[dict[str, float]]] = {name: [] for name in programs}
        for run in range(options.runs + 1):
            for name, (command, suite) in programs.items():
                numbers = measure(command, suite, tests)
                if run:  # the first writes bytecode
                    figures[name].append(numbers)
    show(figures)


def show(figures: dict[str, list[dict[str, float]]]) -> None:
    print(f"{'per test':<20}{'collection':>14}{'loop':>14}{'memory':>14}   (loop / unittest's)")
    medians = {
        name: {key: statistics.median(run[key] for run in runs) for key in runs[0]} for name, runs in figures.items()
    }
    for name, median in medians.items():
        print(
            f"{name:<20}{median['collection'] * 1e6:>11.1f} us{median['loop'] * 1e6:>11.1f} us"
            f"{median['memory']:>12.0f} B   {median['loop'] / medians['unittest']['loop']:>6.2f}"
        )


if __name__ == "__main__":
    main()
