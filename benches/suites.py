#!/usr/bin/env python3
"""Whole runs of generated suites: dx-py cold and warm beside pytest, pytest-xdist and other runners.

    python benches/suites.py [--runs 5] [--suites ABC] [--rivals xdist,rstest,...] [--json FILE]

A: 1000 files of 10 trivial tests. B: 100 files of 100 tests with fixtures and parameters. C: 200 files of 50 tests of
5 asserts. The programs take turns, run after run. Every run must say that it has passed as many tests as the suite has,
else that program has no result for the suite. No time is ever asserted: medians are printed, and pytest's divided by each.

"bytecode": what an earlier run of the same program has cached is there. "no bytecode": with PYTHONDONTWRITEBYTECODE; what
earlier runs have put into the user's cache folder (XDG_CACHE_HOME) is there. "first run": the same without that folder, as in
a fresh checkout on a fresh machine; only ours has one, and for the others it is the same as "no bytecode". "warm": a daemon of the program's own serves the suite for the third time or later.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
TIMEOUT = 600
COLOURS = re.compile(r"\x1b\[[0-9;]*m")


# ---- the suites


def suite_a(root: Path) -> int:
    for number in range(1000):
        tests = "".join(f"def test_{n}():\n    assert {n} + {number} == {n + number}\n\n\n" for n in range(10))
        write(root / f"tests/p{number % 20:02}/test_m{number:04}.py", tests)
    return 10_000


def suite_b(root: Path) -> int:
    write(
        root / "tests/conftest.py",
        """import pytest


@pytest.fixture(scope="session")
def settings():
    return {"rate": 3}


@pytest.fixture(autouse=True)
def clean():
    yield


@pytest.fixture
def account(settings):
    account = {"rate": settings["rate"], "sum": 0}
    yield account
    account.clear()
""",
    )
    for number in range(100):
        parts = [
            "import pytest\n\n\n@pytest.fixture(scope='module')\ndef table():\n    return list(range(100))\n\n\n"
            "@pytest.fixture\ndef entry(account, table):\n    account['sum'] = table[7]\n    return account\n\n\n"
        ]
        for n in range(10):
            parts.append(
                f"@pytest.mark.parametrize('x', range(5))\ndef test_entry_{n}(entry, x):\n"
                f"    assert entry['sum'] + x == 7 + x\n\n\n"
            )
        parts.append("class TestAccount:\n")
        for n in range(50):
            parts.append(f"    def test_{n}(self, account):\n        assert account['rate'] + {n} == {n + 3}\n\n")
        write(root / f"tests/test_b{number:03}.py", "".join(parts))
    return 10_000


def suite_c(root: Path) -> int:
    for number in range(200):
        tests = []
        for n in range(50):
            tests.append(
                f"def test_{n}():\n    a, b = {n}, {number}\n    names = ['a', 'b', str(a)]\n"
                f"    assert a + b == {n + number}\n    assert names[2] == '{n}' and 'a' in names\n"
                f"    assert len(names) == 3, names\n    assert not (a < 0 or b < 0)\n"
                f"    assert {{'a': a}}.get('a') is not None\n\n\n"
            )
        write(root / f"tests/test_c{number:03}.py", "".join(tests))
    return 10_000


SUITES = {"A": suite_a, "B": suite_b, "C": suite_c}


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


# ---- the programs


@dataclass(frozen=True)
class Program:
    """A way of running a suite. *package* is what has to be installed beside pytest; ours comes from the checkout."""

    name: str
    command: tuple[str, ...]
    package: str = ""
    warm: bool = False
    count: str = r"(\d+) passed"
    variants: tuple[str, ...] = ("bytecode", "no bytecode")
    warm_ups: int = 1
    """Runs that fill caches, and levels of a daemon, before times count."""


PYTEST = Program("pytest", ("pytest", "-p", "no:cacheprovider"))
OURS = (
    Program(
        "dx-py cold",
        ("dx-py", "test", "-p", "no:cacheprovider", "--no-daemon"),
        str(CHECKOUT),
        variants=("bytecode", "no bytecode", "first run"),
        warm_ups=2,
    ),
    Program(
        "dx-py warm",
        ("dx-py", "test", "-p", "no:cacheprovider"),
        str(CHECKOUT),
        warm=True,
        warm_ups=2,
    ),
)
RIVALS = {
    "xdist": Program("pytest -n 2", ("pytest", "-p", "no:cacheprovider", "-n", "2"), "pytest-xdist"),
    "rstest": Program("rstest", ("rstest",), "rstest"),
    "pytest-rs": Program("pytest-rs", ("pytest-rs",), "pytest-rs"),
    "ztest-runner": Program("ztest-runner", ("ztest",), "ztest-runner"),
    "rustest": Program("rustest", ("rustest",), "rustest"),
    "karva": Program("karva", ("karva", "test"), "karva"),
    "tezt": Program("tezt", ("tezt",), "tezt"),
    "rtest": Program("rtest", ("rtest",), "rtest"),
}


@dataclass
class Place:
    """One program's own copy of a suite, and its virtual environment."""

    program: Program
    suite: str
    variant: str
    tests: int
    root: Path
    bin: Path
    seconds: list[float] = field(default_factory=list)
    failure: str = ""

    def run(self) -> float:
        """Run once. Whatever does not say that all tests have passed fails for good."""
        environment = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(("PYTEST", "PYTHON", "DX_PY")) and key != "VIRTUAL_ENV"
        }
        environment["PATH"] = f"{self.bin}{os.pathsep}{environment['PATH']}"
        environment["XDG_RUNTIME_DIR"] = str(self.root)
        environment["XDG_CACHE_HOME"] = str(self.root / "cache")
        if self.variant != "bytecode":
            environment["PYTHONDONTWRITEBYTECODE"] = "1"
        if self.variant == "first run":
            shutil.rmtree(self.root / "cache", ignore_errors=True)
        command = [str(self.bin / self.program.command[0]), *self.program.command[1:]]
        start = time.perf_counter()
        done = subprocess.run(
            command, cwd=self.root, env=environment, capture_output=True, text=True, timeout=TIMEOUT, check=False
        )
        elapsed = time.perf_counter() - start
        counts = re.findall(self.program.count, COLOURS.sub("", done.stdout + done.stderr))
        if done.returncode != 0 or not counts or int(counts[-1]) != self.tests:
            last = (done.stdout + done.stderr).strip().splitlines()[-1:] or ["nothing printed"]
            self.failure = f"exit {done.returncode}: {last[0].strip()[:90]}"
        return elapsed


def environment_for(program: Program, folder: Path) -> Path:
    """The scripts folder of a virtual environment with pytest and *program*."""
    root = folder / (re.sub(r"\W+", "-", Path(program.package).name) or "pytest")
    scripts = root / "bin"
    if not (root / "ready").exists():
        venv.create(root, with_pip=True, clear=True)
        packages = ["pytest", *([program.package] if program.package else [])]
        subprocess.run([scripts / "python", "-m", "pip", "install", "--quiet", *packages], check=True)
        # So that no program pays for compiling its own code.
        subprocess.run([scripts / "python", "-m", "compileall", "-q", root / "lib"], check=False)
        (root / "ready").touch()
    return scripts


def prepare(options: argparse.Namespace) -> Iterator[Place]:
    programs = [PYTEST, *OURS, *(RIVALS[name] for name in options.rivals if name)]
    for suite in options.suites:
        for program in programs:
            try:
                scripts = environment_for(program, options.folder / "venvs")
            except (OSError, subprocess.CalledProcessError) as error:
                print(f"{program.name} cannot be installed: {error}", file=sys.stderr)
                continue
            for variant in program.variants:
                root = options.folder / "suites" / f"{suite}-{program.name}-{variant}".replace(" ", "-")
                shutil.rmtree(root, ignore_errors=True)
                tests = SUITES[suite](root)
                write(root / "pytest.ini", "[pytest]\ntestpaths = tests\n")
                yield Place(program, suite, variant, tests, root, scripts)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--suites", default="ABC")
    parser.add_argument("--rivals", type=lambda text: text.split(","), default=["xdist"], help=", ".join(RIVALS))
    parser.add_argument("--folder", type=Path, help="kept between runs of this program; default: a temporary one")
    parser.add_argument("--json", type=Path, help="write every single time there")
    options = parser.parse_args()
    options.folder = (options.folder or Path(tempfile.mkdtemp(prefix="dx-py-suites-"))).resolve()
    places = list(prepare(options))
    for number in range(-max(place.program.warm_ups for place in places), options.runs):
        for place in places:
            if not place.failure and number >= -place.program.warm_ups:
                seconds = place.run()
                if number >= 0 and not place.failure:
                    place.seconds.append(seconds)
    for place in places:
        if place.program.warm:
            subprocess.run(
                [place.bin / "dx-py", "daemon", "stop"],
                cwd=place.root,
                env=os.environ | {"XDG_RUNTIME_DIR": str(place.root)},
                capture_output=True,
                check=False,
            )
    show(places)
    if options.json:
        rows = [[place.suite, place.program.name, place.variant, place.seconds, place.failure] for place in places]
        options.json.write_text(json.dumps(rows, indent=1))
    return 0


def show(places: list[Place]) -> None:
    print(f"{'suite':6}{'program':14}{'bytecode':14}{'median s':>9}{'pytest /':>10}")
    of_pytest = {(place.suite, place.variant): place for place in places if place.program is PYTEST}
    for place in places:
        base = of_pytest.get((place.suite, "no bytecode" if place.variant == "first run" else place.variant))
        if place.failure or not place.seconds or base is None or not base.seconds:
            print(f"{place.suite:6}{place.program.name:14}{place.variant:14}  {place.failure or 'no result'}")
            continue
        median = statistics.median(place.seconds)
        ratio = statistics.median(base.seconds) / median
        print(f"{place.suite:6}{place.program.name:14}{place.variant:14}{median:9.3f}{ratio:9.1f}x")


if __name__ == "__main__":
    sys.exit(main())
