#!/usr/bin/env python3
"""From save to verdict: edits of a real project under `dx-py test --watch`, each beside `pytest FILE`, each checked.

    python benches/watch.py [--edits 50] [--check] [--seed 1] [--project marshmallow] [--dx-py PATH] [--corpus DIR]

An edit changes a number, a comparison or a truth value somewhere in the project's code or tests; the next one takes it
back. *verdict* is the time from the save to the moment when the watch says what fails; *pytest FILE* is one pytest run
of the test file that is edited, or, where code is, of the first test file that fails, else of the one of most tests.
With ``--check`` each verdict is compared with the failures of a cold pytest run of the whole project (a soak:
``--edits 500 --check``); a difference is printed, and ends with 1. No time is ever asserted: medians are printed.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(CHECKOUT / "tests" / "conformance"))

import launch  # noqa: E402
import prepare  # noqa: E402
from projects import OPTIONS, PROJECTS  # noqa: E402

CHANGES = [
    (re.compile(r"(?<![\w.\"'])(\d+)(?![\w.\"'])"), lambda found: str(int(found[1]) + 1)),
    (re.compile(r" == "), lambda _found: " != "),
    (re.compile(r"\bTrue\b"), lambda _found: "False"),
    (re.compile(r"\bFalse\b"), lambda _found: "True"),
    (re.compile(r"\bnot in\b"), lambda _found: "in"),
]
PATIENCE = 120.0


def main() -> int:
    parser = argparse.ArgumentParser(prog="watch.py", description=__doc__.split("\n\n")[0])
    parser.add_argument("--edits", type=int, default=50)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--project", default="marshmallow")
    parser.add_argument("--dx-py", type=Path, default=CHECKOUT, metavar="PATH")
    default = Path(os.environ.get("DX_PY_CORPUS", CHECKOUT / ".corpus"))
    parser.add_argument("--corpus", type=Path, default=default, metavar="DIR")
    options = parser.parse_args()
    corpus = prepare.Corpus(options.corpus.resolve())
    corpus.root.mkdir(parents=True, exist_ok=True)
    project = PROJECTS[options.project]
    try:
        installer = prepare.make_tools(corpus)
        program = prepare.find_program(options.dx_py, corpus)
        with prepare.alone(project, corpus), launch.place() as place:
            prepared = prepare.prepare(project, corpus, installer)
            dx_py = prepare.install_program(prepared, program)
            source = place.root / "source"
            shutil.copytree(prepared.source, source, symlinks=True)
            environment = place.environment(prepared.venv)
            if (source / "src").is_dir():
                # Else tests import the installed copy, and edits of the code have no effect.
                environment["PYTHONPATH"] = str(source / "src")
            bench = Bench(source, prepared.venv / "bin", dx_py, environment, place.root)
            return bench.measure(options.edits, options.check, random.Random(options.seed))
    except prepare.Failed as reason:
        print(reason, file=sys.stderr)
        return 1


class Bench:
    """One watch on one copy of a project."""

    def __init__(self, source: Path, bin: Path, dx_py: Path, environment: dict[str, str], root: Path) -> None:
        self.source, self.bin, self.dx_py, self.environment = source, bin, dx_py, environment
        self.told = root / "told.json"
        self.output = root / "watch.txt"
        self.files = [path for path in source.rglob("*.py") if not {"docs", "setup.py", "conftest.py"} & set(path.parts)]
        self.tests = [path for path in self.files if path.name.startswith("test_")]
        self.biggest = max(self.tests, key=lambda path: path.read_text().count("def test_"))

    def measure(self, edits: int, check: bool, choice: random.Random) -> int:
        rows: list[tuple[str, float, float]] = []
        wrong = 0
        with self.output.open("wb") as output:
            command = [str(self.dx_py), "test", "--watch", *OPTIONS, "--tell", str(self.told)]
            watch = subprocess.Popen(command, cwd=self.source, env=self.environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        try:
            self.verdict(time.perf_counter())
            back: tuple[Path, str] | None = None
            for number in range(edits):
                path, text = back or self.edit(choice)
                kind = "taken back" if back else "tests" if path in self.tests else "code"
                before = path.read_text()
                back = None if back else (path, before)
                self.told.unlink()
                started = time.perf_counter()
                path.write_text(text)
                took, failing = self.verdict(started)
                file = path if path in self.tests else self.file_of(failing)
                beside = self.pytest(str(file.relative_to(self.source)))[0]
                rows.append((kind, took, beside))
                said = f"{number:>4} {path.relative_to(self.source)!s:<40} verdict {took * 1000:7.0f} ms  pytest FILE {beside * 1000:7.0f} ms  {len(failing)} fail"
                print(said, flush=True)
                if check and (truth := self.pytest()[1]) != failing:
                    wrong += 1
                    print(f"     WRONG: only watch {sorted(failing - truth)}, only pytest {sorted(truth - failing)}", flush=True)
        finally:
            watch.terminate()
            watch.wait()
            subprocess.run([str(self.dx_py), "daemon", "stop"], cwd=self.source, env=self.environment, stdout=subprocess.DEVNULL)
        for kind in ("tests", "code", "taken back", ""):
            chosen = [(took, beside) for known, took, beside in rows if kind in ("", known)]
            if chosen:
                took, beside = (statistics.median(column) for column in zip(*chosen, strict=True))
                ratio = statistics.median(mine / theirs for mine, theirs in chosen)
                print(
                    f"{kind or 'all':<10} medians of {len(chosen):>3} edits: verdict {took * 1000:.0f} ms, pytest FILE {beside * 1000:.0f} ms, ratio {ratio:.2f}"
                )
        if check:
            print(f"{wrong} wrong verdicts of {len(rows)}")
        return min(wrong, 1)

    def edit(self, choice: random.Random) -> tuple[Path, str]:
        """A file, and its text with one change that still compiles."""
        while True:
            path = choice.choice(self.files)
            text = path.read_text()
            pattern, change = choice.choice(CHANGES)
            places = list(pattern.finditer(text))
            if not places:
                continue
            place = choice.choice(places)
            fresh = text[: place.start()] + change(place) + text[place.end() :]
            try:
                compile(fresh, str(path), "exec")
            except SyntaxError:
                continue
            return path, fresh

    def file_of(self, failing: set[str]) -> Path:
        files = [self.source / test.partition("::")[0] for test in sorted(failing)]
        return next((path for path in files if path.is_file()), self.biggest)

    def verdict(self, started: float) -> tuple[float, set[str]]:
        """Seconds since *started* until the watch has said what fails, and what that is."""
        while not self.told.exists():
            if time.perf_counter() - started > PATIENCE:
                raise SystemExit(f"no verdict within {PATIENCE:g} s:\n{self.output.read_text()[-3000:]}")
            time.sleep(0.001)
        return time.perf_counter() - started, set(json.loads(self.told.read_text())["failing"])

    def pytest(self, *args: str) -> tuple[float, set[str]]:
        command = [str(self.bin / "pytest"), *OPTIONS, "-q", "-rfE", *args]
        environment = {**self.environment, "COLUMNS": "1000"}
        started = time.perf_counter()
        ended = subprocess.run(command, cwd=self.source, env=environment, capture_output=True, text=True, check=False)
        took = time.perf_counter() - started
        return took, set(re.findall(r"^(?:FAILED|ERROR) (\S+(?:\[.*?\])?)(?: - .*)?$", ended.stdout, re.MULTILINE))


if __name__ == "__main__":
    sys.exit(main())
