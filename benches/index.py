#!/usr/bin/env python3
"""What it costs to know a project's tests without running: dx-py list beside pytest's collection, rtest and cito.

    python benches/index.py [--runs 7] [--stale-files 5000] [--folder DIR]

Suite A of benches/suites.py. Programs take turns. A result counts only if as many ids are printed as there are tests. Printed are
medians of wall time and of CPU time (user and system, of the process and those it started), and pytest's divided by them.

"scratch": no index; every file is read. "index": nothing has changed since. "stale check": a project of so many files, nothing
changed, one id printed. For scale: "read files" is `cat` of all of them, "copy the list" is `cat` of the ids. All write into a file.
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from dataclasses import dataclass, field
from pathlib import Path

from suites import CHECKOUT, suite_a, write

SETTLED = 0.1
"""Seconds after which a file's stamp is believed."""


@dataclass
class Program:
    name: str
    command: list[str]
    printed: Path
    cache: Path | None = None
    scratch: bool = False
    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    failure: str = ""

    def run(self, root: Path, tests: int | None) -> None:
        """*tests*: how many ids have to be printed; None if it is not about ids."""
        if self.scratch and self.cache:
            shutil.rmtree(self.cache, ignore_errors=True)
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST", "PYTHON", "DX_PY"))}
        if self.cache:
            environment["DX_PY_CACHE_DIR"] = str(self.cache)
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        with self.printed.open("w+") as printed:
            done = subprocess.run(self.command, cwd=root, env=environment, stdout=printed, stderr=subprocess.PIPE, text=True, check=False)
            wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
        words = self.printed.read_text()
        ids = sum("::" in line for line in words.splitlines())
        if tests is not None and ids != tests:
            self.failure = f"{ids} ids of {tests}: {(done.stderr or words).strip()[:80]}"
        self.wall.append(wall)
        self.cpu.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def environment_with(folder: Path, package: str) -> Path:
    root = folder / "venvs" / re.sub(r"\W+", "-", Path(package).name)
    if not (root / "ready").exists():
        venv.create(root, with_pip=True, clear=True)
        subprocess.run([root / "bin/python", "-m", "pip", "install", "--quiet", "pytest", package], check=True)
        subprocess.run([root / "bin/python", "-m", "compileall", "-q", root / "lib"], check=False)
        (root / "ready").touch()
    return root / "bin"


def programs(folder: Path) -> list[Program]:
    ours = environment_with(folder, str(CHECKOUT))
    printed = folder / "printed"
    found = [
        Program("pytest", [str(ours / "python"), "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider"], printed),
        Program("dx-py scratch", [str(ours / "dx-py"), "list"], printed, folder / "cache-scratch", scratch=True),
        Program("dx-py index", [str(ours / "dx-py"), "list"], printed, folder / "cache-index"),
    ]
    for name, arguments in (("cito", ["collect"]), ("rtest", ["--collect-only"])):
        try:
            found.append(Program(name, [str(environment_with(folder, name) / name), *arguments], printed))
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"{name} cannot be installed: {error}", file=sys.stderr)
    return found


def stale_check(folder: Path, files: int, runs: int, dx_py: str) -> None:
    root = folder / "stale"
    shutil.rmtree(root, ignore_errors=True)
    write(root / "pytest.ini", "[pytest]\n")
    for number in range(files):
        write(root / f"p{number % 50:02}/{'test_' if number % 4 == 0 else 'm'}{number}.py", "def test_a():\n    assert 1\n")
    time.sleep(SETTLED)
    program = Program("stale check", [dx_py, "list", "p00/test_0.py"], folder / "printed", folder / "cache-stale")
    for _ in range(runs + 2):
        program.run(root, 1)
    cpu, wall = (statistics.median(numbers[2:]) * 1000 for numbers in (program.cpu, program.wall))
    print(f"stale check of {files} files: {cpu:.1f} ms CPU, {wall:.1f} ms {program.failure}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--stale-files", type=int, default=5000)
    parser.add_argument("--folder", type=Path, help="kept between runs of this program; default: a temporary one")
    options = parser.parse_args()
    folder = (options.folder or Path(tempfile.mkdtemp(prefix="dx-py-index-"))).resolve()
    root = folder / "suite"
    shutil.rmtree(root, ignore_errors=True)
    tests = suite_a(root)
    write(root / "pytest.ini", "[pytest]\ntestpaths = tests\n")
    all_programs = programs(folder)
    copied = folder / "list"
    all_programs[1].run(root, tests)
    shutil.copy(all_programs[1].printed, copied)
    scale = [
        Program("read files", ["cat", *map(str, sorted(root.rglob("*.py")))], folder / "printed"),
        Program("copy the list", ["cat", str(copied)], folder / "printed"),
    ]
    time.sleep(SETTLED)
    for _ in range(options.runs + 2):
        for program in (*all_programs, *scale):
            if not program.failure:
                program.run(root, None if program in scale else tests)
    base = all_programs[0]
    print(f"{'program':16}{'wall ms':>10}{'CPU ms':>10}{'wall: pytest /':>16}{'CPU: pytest /':>16}{'CPU us/file':>14}")
    for program in (*all_programs, *scale):
        if program.failure:
            print(f"{program.name:16}{program.failure}")
            continue
        # The first runs fill caches.
        wall, cpu = statistics.median(program.wall[2:]), statistics.median(program.cpu[2:])
        base_wall, base_cpu = statistics.median(base.wall[2:]), statistics.median(base.cpu[2:])
        print(f"{program.name:16}{wall * 1e3:10.2f}{cpu * 1e3:10.2f}{base_wall / wall:15.0f}x{base_cpu / cpu:15.0f}x{cpu * 1e3:14.1f}")
    stale_check(folder, options.stale_files, options.runs, all_programs[1].command[0])
    return 0


if __name__ == "__main__":
    sys.exit(main())
