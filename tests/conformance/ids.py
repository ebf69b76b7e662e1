#!/usr/bin/env python3
"""Compare `dx-py list` with `pytest --collect-only -q` over real projects, before a test has run and after one `dx-py test`.

    python tests/conformance/ids.py [PROJECT...] [--quick] [--without-run]

An id that is listed as exact must be one that pytest collects. One that pytest collects and that is not listed as exact must be
covered by something provisional: the same id, its function with parameters that are not known, or a file that may hold more.
After one run all ids have to be exact, and in pytest's order. Exits with 0 only if that is so for every project.
"""

import argparse
import json
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import launch
import prepare
from prepare import CHECKOUT, Corpus, Prepared
from run import add_common, common


@dataclass
class Compared:
    exact: int = 0
    provisional: int = 0
    wrong: list[str] = field(default_factory=list)  # listed as exact, but not collected, or not as often
    missed: list[str] = field(default_factory=list)  # collected, and nothing provisional says so


def compare(collected: list[str], listed: list[dict]) -> Compared:
    """*listed*: the objects that `dx-py list --json` prints."""
    found = Compared()
    rest = Counter(collected)
    open_files, open_ids = set(), set()
    for one in listed:
        if one["id"] is None:
            open_files.add(one["file"])
        elif not one["exact"]:
            open_ids.add(one["id"].split("[")[0])
        elif rest[one["id"]]:
            rest[one["id"]] -= 1
            found.exact += 1
        else:
            found.wrong.append(one["id"])
    for id in rest.elements():
        if is_open(id.split("::")[0], open_files) or id.split("[")[0] in open_ids:
            found.provisional += 1
        else:
            found.missed.append(id)
    return found


def is_open(file: str, open_files: set[str | None]) -> bool:
    """Whether the file, a conftest above it, or anything anywhere may hold tests that are not listed."""
    conftests = {str(folder / "conftest.py") for folder in Path(file).parents}
    return not open_files.isdisjoint({None, file, *conftests})


def collect(prepared: Prepared, arguments: list[str], environment: dict[str, str], output: Path) -> list[str]:
    # How often -q has to be said for a list of ids depends on how often the project's own options say it.
    for quiet in (["-q"], [], ["-qq"]):
        command = [str(prepared.venv / "bin/python"), "-m", "pytest", "--collect-only", *quiet, *arguments]
        launch.run(command, prepared.source, environment, output, 600)
        lines = output.read_text(errors="replace").splitlines()
        found = [line for line in lines[: lines.index("") if "" in lines else None] if "::" in line]
        if found:
            return found
    return []


def list_ids(dx_py: Path, prepared: Prepared, arguments: list[str], environment: dict[str, str]) -> list[dict]:
    command = [str(dx_py), "list", "--json", *arguments]
    ended = subprocess.run(command, cwd=prepared.source, env=environment, capture_output=True, text=True)
    if ended.returncode not in (0, 5):
        raise SystemExit(f"{' '.join(command)}\n{ended.stderr}")
    return [json.loads(line) for line in ended.stdout.splitlines()]


def after_run(found: Compared, collected: list[str], listed: list[dict]) -> str:
    """What is not as it has to be after a run, in words; '' if nothing is."""
    ids = [one["id"] for one in listed if one["id"] is not None]
    if found.wrong or found.missed or any(not one["exact"] for one in listed):
        return f"not all is exact: exact {found.exact}, wrong {len(found.wrong)}, others {len(collected) - found.exact}"
    if ids != collected:
        place = next((place for place, pair in enumerate(zip(ids, collected)) if pair[0] != pair[1]), min(len(ids), len(collected)))
        return f"another order, from number {place} on: {ids[place : place + 1]} for {collected[place : place + 1]}"
    return ""


def run_once(dx_py: Path, prepared: Prepared, arguments: list[str], environment: dict[str, str], output: Path, timeout: float) -> str:
    """One `dx-py test`; gives what its daemon has to say about what was collected."""
    launch.run([str(dx_py), "test", *arguments], prepared.source, environment, output, timeout)
    logs = output.with_suffix(".logs.txt")
    launch.run([str(dx_py), "daemon", "logs"], prepared.source, environment, logs, 30)
    return "; ".join(line.partition("collection not kept: ")[2] for line in logs.read_text(errors="replace").splitlines() if "collection not kept" in line)


def main() -> int:
    parser = argparse.ArgumentParser(prog="ids.py", description=__doc__.split("\n\n")[0])
    add_common(parser)
    parser.add_argument("--without-run", action="store_true", help="only what is listed before a test has run")
    options = common(parser, parser.parse_args())
    corpus = Corpus(options.corpus)
    dx_py = CHECKOUT / ".venv/bin/dx-py" if options.dx_py == CHECKOUT else options.dx_py
    # A wheel, which every environment gets, or the command of a package that they have.
    program = None if options.without_run else prepare.find_program(options.dx_py, corpus)
    total, bad, exact_after = Compared(), 0, 0
    for project in options.projects:
        prepared = Prepared(project, corpus.home(project), None)
        if not (prepared.home / "prepared.json").exists():
            print(f"{project.name}: not prepared; run.py --prepare-only does that")
            bad += 1
            continue
        with launch.place(options.keep) as place:
            environment = {**place.environment(prepared.venv), **project.environment}
            environment |= {"DX_PY_PYTHON": str(prepared.venv / "bin/python"), "PYTHONDONTWRITEBYTECODE": "1"}
            # The options among a project's own that ask for less output would not print ids.
            arguments = [word for word in project.pytest_arguments() if word != "-q"]
            collected = collect(prepared, arguments, environment, place.root / "collected.txt")
            began = time.perf_counter()
            listed = list_ids(dx_py, prepared, arguments, environment)
            seconds = time.perf_counter() - began
            after, trouble = Compared(), ""
            if program is not None:
                command = prepare.install_program(prepared, program)
                kept = run_once(command, prepared, project.pytest_arguments(), environment, place.root / "run.txt", options.timeout)
                collected_after = collect(prepared, arguments, environment, place.root / "collected.txt")
                listed_after = list_ids(dx_py, prepared, arguments, environment)
                after = compare(collected_after, listed_after)
                trouble = after_run(after, collected_after, listed_after)
                trouble += f" ({kept})" if trouble and kept else ""
                launch.run([str(command), "daemon", "stop"], prepared.source, environment, place.root / "stop.txt", 30)
        found = compare(collected, listed)
        print(
            f"{project.name}: pytest collects {len(collected)}; exact {found.exact}, provisional {found.provisional},"
            f" wrong {len(found.wrong)}, missed {len(found.missed)}; {seconds * 1000:.0f} ms",
            flush=True,
        )
        for kind, ids in (("wrong", found.wrong), ("missed", found.missed)):
            for id in ids[: options.show]:
                print(f"    {kind}: {id}")
        if program is not None:
            exact_after += after.exact
            print(f"    after one run: exact {after.exact}, wrong {len(after.wrong)}; {trouble or 'all exact and in order'}", flush=True)
            bad += bool(trouble) and not (found.wrong or found.missed or not collected)
        total.exact += found.exact
        total.provisional += found.provisional
        bad += bool(found.wrong or found.missed or not collected)
    print(f"all: exact {total.exact}, provisional {total.provisional}; after one run exact {exact_after}; projects with differences: {bad}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
