"""Mutations of real projects' sources: does `dx-py test --affected` run every test whose outcome changes, and how few others?

    python tests/conformance/replay.py [PROJECT...] [--mutations 60] [--seed 1] [--rivals SITE-PACKAGES]

For each mutation (one constant, comparison, returned value, statement or import of a source file) the whole suite runs under pytest,
and then what `--affected` selects, with the history of the unchanged project. *Missed* is a test whose outcome has changed and that
was not selected. Exits with 1 if there is any. The corpus is that of `make conformance`.

With `--shares` nothing is judged: what each mutation selects is printed, which takes a fraction of the time.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RECORDER = ROOT / "tests/processes/staleness/plugin"
PROJECTS = {
    "marshmallow": "src/marshmallow",
    "cachetools": "src/cachetools",
    "jinja2": "src/jinja2",
    "boltons": "boltons",
    "attrs": "src/attr",
    "parso": "parso",
    "click": "src/click",
    "flask": "src/flask",
}
"""Where the sources are, by project."""

PATIENCE = 6.0
"""A run that takes longer than the unchanged suite by this factor (and ten seconds) counts as endless: its mutation is left out."""


# ---- mutations


@dataclass(frozen=True)
class Mutation:
    """A piece of a file, and what stands in its place."""

    line: int
    start: int
    end: int
    text: str
    kind: str

    def apply(self, source: bytes) -> bytes:
        lines = source.splitlines(keepends=True)
        one = lines[self.line - 1]
        lines[self.line - 1] = one[: self.start] + self.text.encode() + one[self.end :]
        return b"".join(lines)


_OPPOSITE = {ast.Eq: "!=", ast.NotEq: "==", ast.Lt: ">=", ast.GtE: "<", ast.Gt: "<=", ast.LtE: ">", ast.Is: "is not", ast.IsNot: "is", ast.In: "not in", ast.NotIn: "in"}


def mutations(source: bytes) -> Iterator[Mutation]:
    """All mutations of a file that are on one line each."""
    tree = ast.parse(source)
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    formatted = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in ast.walk(node)}
    for node in ast.walk(tree):
        if not hasattr(node, "lineno") or node.lineno != node.end_lineno or id(node) in formatted:
            continue
        line, start, end = node.lineno, node.col_offset, node.end_col_offset
        if isinstance(node, ast.Constant) and id(node) not in docs:
            value = node.value
            if isinstance(value, bool):
                yield Mutation(line, start, end, str(not value), "constant")
            elif isinstance(value, int):
                yield Mutation(line, start, end, f"({value} + 1)", "constant")
            elif isinstance(value, str):
                yield Mutation(line, start, end, f"({value + 'x'!r})", "constant")
        elif isinstance(node, ast.Compare) and len(node.ops) == 1:
            left, right = node.left, node.comparators[0]
            if left.end_lineno == right.lineno == line:
                yield Mutation(line, left.end_col_offset, right.col_offset, f" {_OPPOSITE[type(node.ops[0])]} ", "comparison")
        elif isinstance(node, ast.Return) and node.value is not None:
            yield Mutation(line, start, end, "return None", "returned value")
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            yield Mutation(line, start, end, "pass", "import")
        elif isinstance(node, (ast.Assign, ast.AugAssign, ast.Raise)) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)):
            yield Mutation(line, start, end, "pass", "statement")
        elif isinstance(node, ast.arg) and node.annotation is None and node.arg not in ("self", "cls"):
            yield Mutation(line, start, end, f"{node.arg}_", "signature")


def choose(folder: Path, count: int, rng: random.Random) -> list[tuple[Path, Mutation]]:
    """Random mutations that compile, of kinds and files at random."""
    files = [path for path in sorted(folder.rglob("*.py")) if path.stat().st_size]
    weights = [path.stat().st_size for path in files]
    found: list[tuple[Path, Mutation]] = []
    while len(found) < count:
        path = rng.choices(files, weights)[0]
        source = path.read_bytes()
        kinds: dict[str, list[Mutation]] = {}
        for mutation in mutations(source):
            kinds.setdefault(mutation.kind, []).append(mutation)
        if not kinds:
            continue
        mutation = rng.choice(kinds[rng.choice(sorted(kinds))])
        try:
            compile(mutation.apply(source), str(path), "exec")
        except (SyntaxError, ValueError):
            continue
        if (path, mutation) not in found:
            found.append((path, mutation))
    return found


# ---- running


@dataclass
class Place:
    """A copy of a project, and how it is run."""

    source: Path
    home: Path
    environment: dict[str, str]
    python: str
    patience: float = 600.0
    shown: str = ""
    """What the last run printed, its end."""

    def run(self, *command: str) -> dict[str, str] | None:
        """The worst outcome of each test that a command reports; None if it takes too long."""
        record = self.home / "record.jsonl"
        record.unlink(missing_ok=True)
        environment = {**self.environment, "STALENESS_RECORD": str(record)}
        try:
            done = subprocess.run(command, cwd=self.source, env=environment, capture_output=True, timeout=self.patience, check=False)
        except subprocess.TimeoutExpired:
            return None
        self.shown = f"exit {done.returncode}\n{(done.stdout + done.stderr)[-3000:].decode('utf-8', 'replace')}"
        found: dict[str, str] = {}
        for line in record.read_text().splitlines() if record.exists() else ():
            entry = json.loads(line)
            name = entry.get("test") or entry.get("collect")
            if name is not None:
                found[name] = max(found.get(name, ""), entry["outcome"], key=["", "passed", "skipped", "failed"].index)
        return found

    def with_path(self, folder: str) -> Place:
        """The same, where modules are looked for in another folder, too."""
        path = self.environment["PYTHONPATH"]
        return replace(self, environment={**self.environment, "PYTHONPATH": os.pathsep.join([path, folder])})

    def full(self) -> dict[str, str] | None:
        return self.run(self.python, "-m", "pytest", *_QUIET)

    def affected(self) -> dict[str, str] | None:
        return self.run(str(Path(sys.executable).with_name("dx-py")), "test", "--no-daemon", "--affected", *_QUIET)


class Testmon:
    """pytest-testmon, with the data of the unchanged project before each mutation."""

    name = "testmon"

    def __init__(self, place: Place, package: str, site: str) -> None:
        self._place = place.with_path(site)
        self._command = (place.python, "-m", "pytest", "-p", "testmon.pytest_testmon", "--testmon", *_FOR_RIVALS)
        self._database = place.source / ".testmondata"
        self._place.run(*self._command)
        self._kept = self._database.read_bytes()

    def run(self) -> dict[str, str] | None:
        for path in self._database.parent.glob(".testmondata*"):
            path.unlink()
        self._database.write_bytes(self._kept)
        return self._place.run(*self._command)


class Impacted:
    """pytest-impacted, which asks git what has changed."""

    name = "impacted"

    def __init__(self, place: Place, package: str, site: str) -> None:
        self._place = place.with_path(site)
        for args in (("init", "-q"), ("add", "-A"), ("-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "-qm", "all")):
            subprocess.run(["git", *args], cwd=place.source, check=True, capture_output=True)
        options = ("--impacted", f"--impacted-module={package}", "--impacted-git-mode=unstaged", "--impacted-tests-dir=tests")
        self._command = (place.python, "-m", "pytest", "-p", "pytest_impacted.plugin", *options, *_FOR_RIVALS)

    def run(self) -> dict[str, str] | None:
        return self._place.run(*self._command)


_QUIET = ("-q", "--tb=no", "-p", "dx_staleness_recorder", "-p", "no:cacheprovider", "-p", "no:randomly")
_FOR_RIVALS = ("-q", "--tb=no", "-p", "dx_staleness_recorder", "-p", "no:randomly")
"""testmon needs the cache plugin."""


def prepare(project: Path, python: str, folder: Path, checkout: Path) -> Place:
    source = folder / "source"
    shutil.copytree(project / "source", source, symlinks=True)
    site = next((project / "venv").glob("lib/python*/site-packages"))
    # What an interpreter has itself comes before what was installed for another one.
    first = subprocess.run([python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], capture_output=True, text=True, check=True)
    own = source / "src" if (source / "src").is_dir() else source
    return Place(source, folder, environment_for(folder, python, [str(own), str(checkout), first.stdout.strip(), str(site)]), python)


def environment_for(folder: Path, python: str, paths: list[str]) -> dict[str, str]:
    """What the runs find, with *paths* to look for modules in."""
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "PYTHON", "DX_PY"))},
        "DX_PY_PYTHON": python,
        "DX_PY_CACHE_DIR": str(folder / "cache"),
        "PYTHONPATH": os.pathsep.join([*paths, str(RECORDER)]),
        "PYTHONHASHSEED": "0",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }


# ---- judging


@dataclass
class Tally:
    """What a project's mutations came to."""

    shares: list[float] = field(default_factory=list)
    changed: int = 0
    missed: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    left_out: int = 0


def replay(name: str, place: Place, package: str, count: int, seed: int, rivals: str = "") -> Tally:
    """Try *count* mutations of a project.

    :param rivals: where other selectors are installed, if they are to be tried, too.
    """
    tally = Tally()
    began = time.monotonic()
    base = place.full()
    place.patience = 10 + PATIENCE * (time.monotonic() - began)
    again = place.full()
    assert base and again is not None, f"{name}: pytest reports nothing"
    passed = sum(outcome == "passed" for outcome in base.values())
    assert passed > len(base) / 2, f"{name}: of {len(base)} tests {passed} pass with this Python and this pytest; try the project's own, without --python"
    unsteady = differing(base, again)
    for _ in range(2):
        place.affected()
    always = place.affected() or {}
    print(f"{name}: {len(base)} tests; {len(always)} run when nothing has changed; {len(unsteady)} unsteady", flush=True)
    others = [(kind(place, package, rivals), Tally()) for kind in (Testmon, Impacted)] if rivals else []
    for path, mutation in choose(place.source / package, count, random.Random(seed)):
        before = path.read_bytes()
        path.write_bytes(mutation.apply(before))
        try:
            full, selected = place.full(), place.affected()
            shown = place.shown
            if full is not None and selected is not None and judge(Tally(), "", base, full, selected, unsteady):
                # On a busy machine tests fail that depend on time: what counts is what pytest says twice.
                unsteady |= differing(full, place.full() or full)
            of_others = [rival.run() for rival, _ in others]
        finally:
            path.write_bytes(before)
        if full is None or selected is None:
            tally.left_out += 1
            continue
        what = f"{path.relative_to(place.source)}:{mutation.line} {mutation.kind}: {mutation.text}"
        if judge(tally, what, base, full, selected, unsteady):
            print(f"  {what}: dx-py ended with {shown}", flush=True)
        for (_, other), chosen in zip(others, of_others, strict=True):
            judge(other, what, base, full, chosen or {}, unsteady)
    for rival, other in others:
        print(f"  {rival.name} on the same: {len(other.missed)} changes missed; selected {shares(other)}", flush=True)
    return tally


def print_shares(name: str, place: Place, package: str, count: int, seed: int) -> list[float]:
    """Print what each of *count* mutations selects of a project's tests, and judge nothing."""
    began = time.monotonic()
    base = place.affected() or {}
    place.patience = 10 + PATIENCE * (time.monotonic() - began)
    place.affected()
    again = place.affected() or {}
    print(f"{name}: {len(base)} tests; {len(again)} run when nothing has changed", flush=True)
    found: list[float] = []
    for path, mutation in choose(place.source / package, count, random.Random(seed)):
        before = path.read_bytes()
        path.write_bytes(mutation.apply(before))
        # A file that was changed a moment ago may be changed again unseen: then it is doubted.
        time.sleep(_SETTLED)
        try:
            selected = place.affected()
        finally:
            path.write_bytes(before)
        if selected is None:
            continue
        found.append(sum(test in base for test in selected) / len(base))
        print(f"  {found[-1]:7.1%}  {mutation.kind:14} {path.relative_to(place.source)}:{mutation.line} {mutation.text}", flush=True)
    return found


_SETTLED = 0.5


def shares(tally: Tally) -> str:
    """The share of tests that was selected."""
    found = tally.shares or [0.0]
    return f"{statistics.median(found):.1%} (median), {statistics.fmean(found):.1%} (mean)"


def form(test: str) -> str:
    """A test's name without numbers: some have the time in theirs."""
    return re.sub(r"\d+", "0", test)


def differing(one: dict[str, str], other: dict[str, str]) -> set[str]:
    """The forms of tests that do not always end in the same way."""
    return {form(test) for test in one.keys() | other.keys() if one.get(test) != other.get(test)}


def judge(tally: Tally, what: str, base: dict[str, str], full: dict[str, str], selected: dict[str, str], unsteady: set[str]) -> int:
    """Add one mutation to a tally; gives how many tests are missed or wrong."""
    known = len(tally.missed) + len(tally.wrong)
    changed = {test for test in full if full[test] != base.get(test) and form(test) not in unsteady}
    tally.changed += bool(changed)
    tally.shares.append(sum(test in base for test in selected) / len(base))
    # What is new has no history: nobody could leave it out. (It may be gone in the same way.)
    for test in sorted(changed - selected.keys()):
        tally.missed.append(f"{what}: {test} was {base.get(test)}, is {full[test]}")
    for test in sorted(selected):
        if form(test) not in unsteady and full.get(test) != selected[test]:
            tally.wrong.append(f"{what}: {test} is {full.get(test)} to pytest, {selected[test]} to dx-py")
    return len(tally.missed) + len(tally.wrong) - known


def project_in(corpus: Path, name: str, python: str) -> Path:
    """Where *name* has been prepared, for the version of *python* if there is one for that: what is installed may be compiled."""
    found = sorted(corpus.glob(f"py*/{name}"))
    if python:
        version = subprocess.run([python, "-c", "import sys; print('py%d.%d' % sys.version_info[:2])"], capture_output=True, text=True, check=True)
        found.sort(key=lambda path: path.parent.name != version.stdout.strip())
    return found[0] if found else corpus / name


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("projects", nargs="*", default=list(PROJECTS))
    parser.add_argument("--mutations", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--corpus", type=Path, default=Path(os.environ.get("DX_PY_CORPUS", ROOT / ".corpus")))
    parser.add_argument("--python", default="", help="the interpreter; by default the project's own")
    parser.add_argument("--rivals", default="", help="site-packages with pytest-testmon and pytest-impacted, to be tried beside")
    parser.add_argument("--shares", action="store_true", help="only print what each mutation selects")
    options = parser.parse_args()
    every: list[float] = []
    bad = 0
    for name in options.projects:
        project = project_in(options.corpus, name, options.python)
        with tempfile.TemporaryDirectory() as folder:
            place = prepare(project, options.python or str(project / "venv/bin/python"), Path(folder), ROOT / "python")
            if options.shares:
                every += print_shares(name, place, PROJECTS[name], options.mutations, options.seed)
                continue
            tally = replay(name, place, PROJECTS[name], options.mutations, options.seed, options.rivals)
        every += tally.shares
        bad += len(tally.missed) + len(tally.wrong)
        for line in [*(f"  MISSED {line}" for line in tally.missed[:20]), *(f"  WRONG {line}" for line in tally.wrong[:20])]:
            print(line)
        print(
            f"{name}: {len(tally.shares)} mutations, {tally.changed} change an outcome; {len(tally.missed)} changes missed, "
            f"{len(tally.wrong)} wrong; selected {shares(tally)}; "
            f"{tally.left_out} too slow",
            flush=True,
        )
    if every:
        print(f"all: selected {statistics.median(every):.1%} of the tests on the median mutation; {bad} missed or wrong")
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
