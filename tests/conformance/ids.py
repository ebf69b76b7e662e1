#!/usr/bin/env python3
"""Compare `dx-py list` with `pytest --collect-only -q` over real projects, before a test has run and after one `dx-py test`.

    python tests/conformance/ids.py [PROJECT...] [--quick] [--without-run] [--collecting NAMES] [--page]

An id that is listed as exact must be one that pytest collects. One that pytest collects and that is not listed as exact must be
covered by something provisional: the same id, its function with parameters that are not known, or a file that may hold more.
After one run all ids have to be exact, and in pytest's order. Exits with 0 only if that is so for every project.
`--page` writes to docs/ids.md what was found last of each project, in this run or in earlier ones.
"""

import argparse
import json
import platform
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import launch
import prepare
from listed import Found, compare, latest, page, total
from prepare import CHECKOUT, Corpus, Prepared
from projects import PROJECTS, Project
from run import add_common, chosen, common

PAGE = CHECKOUT / "docs/ids.md"


def collect(prepared: Prepared, arguments: list[str], environment: Mapping[str, str], output: Path) -> list[str]:
    # How often -q has to be said for a list of ids depends on how often the project's own options say it.
    for quiet in (["-q"], [], ["-qq"]):
        command = [str(prepared.venv / "bin/python"), "-m", "pytest", "--collect-only", *quiet, *arguments]
        launch.run(command, prepared.source, dict(environment), output, 600)
        lines = output.read_text(errors="replace").splitlines()
        found = [line for line in lines[: lines.index("") if "" in lines else None] if "::" in line]
        if found:
            return found
    return []


def list_ids(dx_py: Path, prepared: Prepared, arguments: list[str], environment: Mapping[str, str], output: Path) -> list[dict]:
    # Started as the runs are: what starts them sets variables, too.
    command = [str(dx_py), "list", "--json", *arguments]
    ended = launch.run(command, prepared.source, dict(environment), output, 60)
    text = output.read_text(errors="replace")
    if ended.exit not in (0, 5):
        raise SystemExit(f"{' '.join(command)}\n{text}")
    return [json.loads(line) for line in text.splitlines()]


def run_once(dx_py: Path, prepared: Prepared, arguments: list[str], environment: Mapping[str, str], output: Path, timeout: float) -> str:
    """One `dx-py test`; gives what its daemon has to say about what was collected."""
    launch.run([str(dx_py), "test", *arguments], prepared.source, dict(environment), output, timeout)
    logs = output.with_suffix(".logs.txt")
    launch.run([str(dx_py), "daemon", "logs"], prepared.source, dict(environment), logs, 30)
    launch.run([str(dx_py), "daemon", "stop"], prepared.source, dict(environment), output.with_suffix(".stop.txt"), 30)
    lines = logs.read_text(errors="replace").splitlines()
    return "; ".join(dict.fromkeys(line.partition("collection not kept: ")[2] for line in lines if "collection not kept" in line))


def look_at(prepared: Prepared, dx_py: Path, options: argparse.Namespace) -> Found:
    project = prepared.project
    with launch.place(options.keep) as place:
        environment = {**place.environment(prepared.venv), **project.environment}
        environment |= {"DX_PY_PYTHON": str(prepared.venv / "bin/python"), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "0"}
        # The options among a project's own that ask for less output would not print ids.
        arguments = [word for word in project.pytest_arguments() if word != "-q"]
        output = place.root / "collected.txt"
        collected = collect(prepared, arguments, environment, output)
        began = time.perf_counter()
        listed = list_ids(dx_py, prepared, arguments, environment, place.root / "listed.txt")
        seconds = time.perf_counter() - began
        found = Found(project.name, project.version, len(collected), compare(collected, listed), seconds)
        if not options.without_run:
            found.whole_run = project not in options.collecting
            how = [*project.pytest_arguments(), *([] if found.whole_run else ["--collect-only"])]
            found.kept = run_once(dx_py, prepared, how, environment, place.root / "run.txt", options.timeout)
            listed = list_ids(dx_py, prepared, arguments, environment, place.root / "listed.txt")
            found.after = compare(collect(prepared, arguments, environment, output), listed)
        return found


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="ids.py", description=__doc__.split("\n\n")[0])
    add_common(parser)
    parser.add_argument("--without-run", action="store_true", help="only what is listed before a test has run")
    parser.add_argument("--collecting", default="", metavar="NAMES", help="projects, parted by commas, whose run is one with --collect-only")
    parser.add_argument("--page", action="store_true", help=f"write {PAGE.relative_to(CHECKOUT)}")
    options = common(parser, parser.parse_args())
    options.collecting = chosen(parser, [name for name in options.collecting.split(",") if name], {one.name: one for one in options.projects})
    if options.page and options.without_run:
        parser.error("--page needs the runs")
    return options


def main() -> int:
    options = parse_arguments()
    corpus = Corpus(options.corpus)
    results = corpus.root / "ids.jsonl"
    installer = prepare.make_tools(corpus)
    # A wheel, which every environment gets, or the command of a package that they have.
    program = prepare.find_program(options.dx_py, corpus)

    def look(project: Project) -> Found | None:
        with prepare.alone(project, corpus):
            prepared = Prepared(project, corpus.home(project), installer)
            if not (prepared.home / "prepared.json").exists():
                print(f"{project.name}: not prepared; run.py --prepare-only does that")
                return None
            found = look_at(prepared, prepare.install_program(prepared, program), options)
            print("\n".join(found.lines(options.show)), flush=True)
            with results.open("a") as file:
                file.write(found.to_json() + "\n")
            return found

    all_found = [look(project) for project in options.projects]
    found = [one for one in all_found if one is not None]
    good = [one for one in found if one.is_sound and (options.without_run or one.is_exact_after)]
    sum_of = total(found)
    after = f"; after one run exact {sum_of.after.exact}" if sum_of.after and not options.without_run else ""
    bad = len(all_found) - len(good)
    print(f"all: exact {sum_of.before.exact}, provisional {sum_of.before.provisional}{after}; projects with differences: {bad}")
    if options.page:
        kept = latest(results.read_text().splitlines(), list(PROJECTS))
        PAGE.write_text(page(kept, len(PROJECTS), platform.python_version()))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
