#!/usr/bin/env python3
"""Milliseconds of one warm test by node id, beside an interpreter that does nothing and pytest with the same arguments.

    python benches/one.py [--runs 31] [--python VENV/bin/python] [--corpus FOLDER] [PROJECT ...]

Two projects: suite A of benches/suites.py (1000 files of 10 tests), and a single file; or else the corpus' projects that are named, as
tests/conformance has prepared them (`make conformance ARGS=--prepare-only`), each with the first of its tests that passes. The programs take turns, run after run, as
whole processes; each run of a test must end with 0. The plugins that are installed beside pytest are left out, for both
alike. No time is ever asserted: medians are printed, and theirs divided by ours.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from suites import CHECKOUT, suite_a, write

TEST = "tests/p00/test_m0000.py::test_1"
PASSES = "python -c pass"


def main() -> int:
    parser = argparse.ArgumentParser(prog="one.py", description=__doc__.split("\n\n")[0])
    parser.add_argument("--runs", type=int, default=31, help="measured runs of each program")
    parser.add_argument("projects", nargs="*", metavar="PROJECT")
    parser.add_argument("--corpus", type=Path, default=Path(os.environ.get("DX_PY_CORPUS", CHECKOUT / ".corpus")))
    parser.add_argument("--python", type=Path, default=CHECKOUT / ".venv/bin/python", help="of the venv with dx-py and pytest")
    options = parser.parse_args()
    print(f"{'project':<12}{'level':<12}{'dx-py ms':>10}{PASSES + ' ms':>20}{'pytest ms':>12}{'pass/ours':>12}{'pytest/ours':>13}")
    for name in options.projects:
        with tempfile.TemporaryDirectory() as folder:
            print(line(name, False, measure_real(Path(folder), name, options)), flush=True)
    for name, make in () if options.projects else (("1000 files", suite_a), ("1 file", one_file)):
        for whole in (True, False):
            with tempfile.TemporaryDirectory() as folder:
                print(line(name, whole, measure(Path(folder), make, whole, options)), flush=True)
    return 0


def one_file(root: Path) -> None:
    write(root / TEST.partition("::")[0], "def test_1():\n    assert 1 + 1 == 2\n")


def measure_real(root: Path, name: str, options: argparse.Namespace) -> dict[str, list[float]]:
    """Seconds of every run of one test of a corpus project, with the plugins that the project has."""
    prepared = next(iter(sorted(options.corpus.glob(f"*/{name}"))), options.corpus / name)
    project, runtime = root / "project", root / "run"
    shutil.copytree(prepared / "source", project, symlinks=True)
    runtime.mkdir(mode=0o700)
    python = prepared / "venv/bin/python"
    environment = {name: os.environ[name] for name in ("HOME", "PATH", "LANG") if name in os.environ}
    environment |= {"PYTHONHASHSEED": "0"}
    pytest = [str(python), "-m", "pytest", "-p", "no:randomly"]
    listed = subprocess.run([*pytest, "--collect-only", "-q"], cwd=project, env=environment, capture_output=True, text=True, check=False)
    for test in (line for line in listed.stdout.splitlines() if "::" in line):
        done = subprocess.run([*pytest, test], cwd=project, env=environment, capture_output=True, text=True, check=False)
        if done.returncode == 0 and "1 passed" in done.stdout:
            break
    else:
        raise SystemExit(f"{name}: none of its tests passes alone")
    commands = {
        "dx-py": [str(options.python.with_name("dx-py")), "test", test],
        PASSES: [str(python), "-c", "pass"],
        "pytest": [str(python.with_name("pytest")), test],
    }
    ours = {"DX_PY_PYTHON": str(python), "PYTHONPATH": str(CHECKOUT / "python"), "DX_PY_RUNTIME_DIR": str(runtime)}
    return take_turns(commands, project, environment | ours, options)


def measure(root: Path, make, whole: bool, options: argparse.Namespace) -> dict[str, list[float]]:
    """Seconds of every run, by program.

    :param whole: whether the daemon has collected the whole project before, or only ever this test.
    """
    project, runtime = root / "project", root / "run"
    make(project)
    write(project / "pytest.ini", "[pytest]\n")
    runtime.mkdir(mode=0o700)
    environment = {name: os.environ[name] for name in ("HOME", "PATH", "LANG") if name in os.environ}
    environment |= {"DX_PY_RUNTIME_DIR": str(runtime), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    bin = options.python.parent
    commands = {
        "dx-py": [str(bin / "dx-py"), "test", TEST],
        PASSES: [str(options.python), "-c", "pass"],
        "pytest": [str(bin / "pytest"), TEST],
    }
    if whole:
        timed([str(bin / "dx-py"), "test"], project, environment)
    return take_turns(commands, project, environment, options)


def take_turns(commands: dict[str, list[str]], project: Path, environment: dict[str, str], options: argparse.Namespace) -> dict[str, list[float]]:
    seconds: dict[str, list[float]] = {program: [] for program in commands}
    try:
        for number in range(options.runs + 3):  # the first rounds fill caches and start the daemon: not counted
            for program, command in commands.items():
                took = timed(command, project, environment)
                if number >= 3:
                    seconds[program].append(took)
    finally:
        subprocess.run([commands["dx-py"][0], "daemon", "stop"], cwd=project, env=environment, stdout=subprocess.DEVNULL)
    return seconds


def timed(command: list[str], folder: Path, environment: dict[str, str]) -> float:
    """Seconds until the process has ended. Waited for by the kernel: a wait with a time limit looks only now and then."""
    started = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _pid, status = os.waitpid(process.pid, 0)
    took = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return took


def line(name: str, whole: bool, seconds: dict[str, list[float]]) -> str:
    ours, passes, pytest = (statistics.median(times) * 1000 for times in seconds.values())
    level = "whole" if whole else "this test"
    return f"{name:<12}{level:<12}{ours:>10.1f}{passes:>20.1f}{pytest:>12.1f}{passes / ours:>12.2f}{pytest / ours:>13.1f}"


if __name__ == "__main__":
    sys.exit(main())
