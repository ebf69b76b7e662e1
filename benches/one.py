#!/usr/bin/env python3
"""Milliseconds of one warm test by node id, beside an interpreter that does nothing and pytest with the same arguments.

    python benches/one.py [--runs 31] [--python VENV/bin/python]

Two projects: suite A of benches/suites.py (1000 files of 10 tests), and a single file. The programs take turns, run after run, as
whole processes; each run of a test must end with 0. The plugins that are installed beside pytest are left out, for both
alike. No time is ever asserted: medians are printed, and theirs divided by ours.
"""

from __future__ import annotations

import argparse
import os
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
    parser.add_argument("--python", type=Path, default=CHECKOUT / ".venv/bin/python", help="of the venv with dx-py and pytest")
    options = parser.parse_args()
    print(f"{'project':<12}{'level':<12}{'dx-py ms':>10}{PASSES + ' ms':>20}{'pytest ms':>12}{'pass/ours':>12}{'pytest/ours':>13}")
    for name, make in (("1000 files", suite_a), ("1 file", one_file)):
        for whole in (True, False):
            with tempfile.TemporaryDirectory() as folder:
                print(line(name, whole, measure(Path(folder), make, whole, options)), flush=True)
    return 0


def one_file(root: Path) -> None:
    write(root / TEST.partition("::")[0], "def test_1():\n    assert 1 + 1 == 2\n")


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
    seconds: dict[str, list[float]] = {program: [] for program in commands}
    try:
        if whole:
            timed([str(bin / "dx-py"), "test"], project, environment)
        for number in range(options.runs + 3):  # the first rounds fill caches and start the daemon: not counted
            for program, command in commands.items():
                took = timed(command, project, environment)
                if number >= 3:
                    seconds[program].append(took)
    finally:
        subprocess.run([str(bin / "dx-py"), "daemon", "stop"], cwd=project, env=environment, stdout=subprocess.DEVNULL)
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
