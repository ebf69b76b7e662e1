#!/usr/bin/env python3
"""Seconds of whole `dx-py test` processes beside `pytest` ones: one test by node id, and one file, in real projects.

    python benches/warm.py [--runs 11] [--dx-py PATH] [PROJECT...]

The programs take turns, run after run, so that whatever else the machine does meets all of them alike. Each run must
print the counts that real pytest recorded for the same selection and exit with 0, else there is no result. No time
is ever asserted: what is printed are medians, and pytest's median divided by each.

Bytecode "cached" is what a developer's second run finds. "not written" (PYTHONDONTWRITEBYTECODE, and none there before)
is what a fresh checkout has for the suite's own modules; installed packages keep theirs.
"""

import argparse
import json
import os
import platform
import re
import select
import shutil
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(CHECKOUT / "tests" / "conformance"))

import launch  # noqa: E402
import prepare  # noqa: E402
from projects import OPTIONS, PROJECTS  # noqa: E402
from recording import Recording  # noqa: E402
from truth import truth_of  # noqa: E402

# project: one of its tests. All tests of its file must pass, so that the exit code tells something.
TESTS = {
    "flask": "tests/test_basic.py::test_url_generation",
    "jinja2": "tests/test_filters.py::TestFilter::test_capitalize",
    "attrs": "tests/test_dunders.py::TestAddRepr::test_infinite_recursion",
}
SUMMARY = re.compile(r"(\d+) (passed|failed|skipped|errors?|xfailed|xpassed|deselected)\b")
TRUTH_TIMEOUT = 900
RUN_TIMEOUT = 300


class Wrong(Exception):
    """A run did something else than what is measured."""


@dataclass(frozen=True)
class Program:
    name: str
    options: tuple[str, ...] = ()

    def command(self, prepared: prepare.Prepared, dx_py: Path) -> list[str]:
        if self.name == "pytest":
            return [str(prepared.venv / "bin/pytest")]
        return [str(dx_py), "test", *self.options]


PYTEST = Program("pytest")
PROGRAMS = (
    PYTEST,
    Program("warm"),
    Program("cold -n 1", ("--no-daemon", "-n", "1")),
    Program("cold", ("--no-daemon",)),
)


@dataclass
class Row:
    project: str
    selection: str
    bytecode: str  # cached, or not written
    tests: int
    seconds: dict[str, list[float]] = field(default_factory=dict)  # per program, in the order of the runs

    def median(self, program: str) -> float:
        return statistics.median(self.seconds[program])


def main() -> int:
    options = parse_arguments()
    corpus = prepare.Corpus(options.corpus.resolve())
    corpus.root.mkdir(parents=True, exist_ok=True)
    results = {"python": platform.python_version(), "machine": platform.machine(), "processors": os.cpu_count()}
    try:
        installer = prepare.make_tools(corpus)
        program = prepare.find_program(options.dx_py, corpus)
        print(heading(), flush=True)
        rows = []
        for name in options.projects:
            with prepare.alone(PROJECTS[name], corpus):
                prepared = prepare.prepare(PROJECTS[name], corpus, installer)
                recorded = truth_of(prepared, TRUTH_TIMEOUT).recording
                dx_py = prepare.install_program(prepared, program)
                rows += measure_project(prepared, recorded, dx_py, options.runs)
                floors = measure_floors(prepared, dx_py, options.runs)
    except (prepare.Failed, Wrong) as reason:
        print(reason, file=sys.stderr)
        return 1
    print("for comparison: " + ", ".join(f"{name} {seconds * 1000:.1f} ms" for name, seconds in floors.items()))
    if options.json:
        options.json.write_text(
            json.dumps(results | {"floors": floors, "rows": [asdict(row) for row in rows]}, indent=1)
        )
    return 0


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="warm.py", description=__doc__.split("\n\n")[0])
    parser.add_argument("projects", nargs="*", default=list(TESTS), metavar="PROJECT", help=", ".join(TESTS))
    parser.add_argument("--runs", type=int, default=11, help="measured runs of each program")
    parser.add_argument("--dx-py", type=Path, default=CHECKOUT, metavar="PATH", help="a checkout, a wheel or a command")
    default = Path(os.environ.get("DX_PY_CORPUS", CHECKOUT / ".corpus"))
    parser.add_argument("--corpus", type=Path, default=default, metavar="DIR", help="shared with tests/conformance")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every single time there")
    options = parser.parse_args()
    if unknown := [name for name in options.projects if name not in TESTS]:
        parser.error(f"no test is chosen for {', '.join(unknown)}")
    return options


def measure_project(prepared: prepare.Prepared, recorded: Recording, dx_py: Path, runs: int) -> Iterator[Row]:
    name = prepared.project.name
    for selection in (TESTS[name], TESTS[name].partition("::")[0]):
        expected = Counter(
            result.outcome
            for node, results in recorded.tests.items()
            if node == selection or node.startswith(selection + "::")
            for result in results
        )
        for bytecode in ("cached", "not written"):
            row = Row(name, selection, bytecode, expected.total())
            measure(row, expected, prepared, dx_py, runs)
            print(line(row), flush=True)
            yield row


def measure(row: Row, expected: Counter[str], prepared: prepare.Prepared, dx_py: Path, runs: int) -> None:
    if not expected:
        raise Wrong(f"{row.project} has no {row.selection}")
    remove_bytecode(prepared.source)
    with launch.place() as place:
        environment = place.environment(prepared.venv)
        if row.bytecode == "not written":
            environment["PYTHONDONTWRITEBYTECODE"] = "1"

        def run(*command: str) -> tuple[float, int, str]:
            return timed(command, prepared.source, environment, place.root / "output.txt")

        for number in range(runs + 1):  # the first round fills caches and starts the daemon: not counted
            for program in PROGRAMS:
                command = [*program.command(prepared, dx_py), *OPTIONS, row.selection]
                seconds, exit, printed = run(*command)
                verify(command, expected, exit, printed)
                if number > 0:
                    row.seconds.setdefault(program.name, []).append(seconds)
        if run(str(dx_py), "daemon", "status")[1] != 0:
            raise Wrong("no daemon answers after the warm runs: they were not warm")
        run(str(dx_py), "daemon", "stop")


def remove_bytecode(source: Path) -> None:
    """The suite's own, as Python and as pytest wrote it."""
    for directory in list(source.rglob("__pycache__")):
        shutil.rmtree(directory)


def timed(command: Sequence[str], directory: Path, environment: dict[str, str], output: Path) -> tuple[float, int, str]:
    """Seconds, exit code and what was printed (to a file: a daemon that inherits a pipe would keep it open)."""
    with output.open("wb") as file:
        started = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=directory, env=environment, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT
        )
        # Not Popen.wait with a time limit: it looks only every 50 ms.
        handle = os.pidfd_open(process.pid)
        ended, _, _ = select.select([handle], [], [], RUN_TIMEOUT)
        seconds = time.perf_counter() - started
        os.close(handle)
        if not ended:
            process.kill()
            raise Wrong(f"{' '.join(command)} did not end within {RUN_TIMEOUT} s")
        exit = process.wait()
    return seconds, exit, output.read_text(errors="replace")


def verify(command: Sequence[str], expected: Counter[str], exit: int, printed: str) -> None:
    last = printed.strip().rpartition("\n")[2]
    found = Counter({outcome: int(number) for number, outcome in SUMMARY.findall(last)})
    if exit != 0 or found != expected:
        raise Wrong(f"{' '.join(command)}\nexit {exit}, {dict(found)} instead of {dict(expected)}\n{printed[-2000:]}")


def measure_floors(prepared: prepare.Prepared, dx_py: Path, runs: int) -> dict[str, float]:
    """What no runner can be faster than: starting a process, the launcher, an interpreter. Medians."""
    commands = {
        "true": ["true"],
        "dx-py --version": [str(dx_py), "--version"],
        "python -c pass": [str(prepared.venv / "bin/python"), "-c", "pass"],
    }
    times: dict[str, list[float]] = {name: [] for name in commands}
    with launch.place() as place:
        for _ in range(runs):
            for name, command in commands.items():
                environment = place.environment(prepared.venv)
                seconds, exit, printed = timed(command, prepared.source, environment, place.root / "output.txt")
                if exit != 0:
                    raise Wrong(f"{' '.join(command)}\nexit {exit}\n{printed}")
                times[name].append(seconds)
    return {name: statistics.median(seconds) for name, seconds in times.items()}


SELECTION_WIDTH = max(map(len, TESTS.values())) + 2


def heading() -> str:
    programs = "".join(f"{program.name + ' ms':>14}{'ratio':>8}" for program in PROGRAMS[1:])
    return f"{'project':<9}{'selection':<{SELECTION_WIDTH}}{'bytecode':<13}{'tests':>5}{'pytest ms':>11}{programs}"


def line(row: Row) -> str:
    pytest = row.median(PYTEST.name)
    medians = [row.median(program.name) for program in PROGRAMS[1:]]
    what = f"{row.project:<9}{row.selection:<{SELECTION_WIDTH}}{row.bytecode:<13}{row.tests:>5}"
    programs = "".join(f"{median * 1000:>14.1f}{pytest / median:>8.1f}" for median in medians)
    return f"{what}{pytest * 1000:>11.1f}{programs}"


if __name__ == "__main__":
    sys.exit(main())
