#!/usr/bin/env python3
"""Run real projects' suites under pytest and under dx-py, and list every test about which they disagree.

    python tests/conformance/run.py [PROJECT...] [--quick] [--modes cold,warm,parallel,warm-parallel]

Exits with 0 only if everything asked for was compared and nothing differs.
"""

import argparse
import os
import signal
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import launch
import modes
import prepare
from compare import compare, compare_exit
from prepare import CHECKOUT, Corpus, Failed
from projects import PROJECTS, QUICK, Project
from report import Outcome, Report
from suite import last_words
from truth import Truth, truth_of


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse_arguments(arguments)
    corpus = Corpus(options.corpus)
    corpus.root.mkdir(parents=True, exist_ok=True)
    try:
        installer = prepare.make_tools(corpus)
        program = options.dx_py if options.prepare_only else prepare.find_program(options.dx_py, corpus)
    except Failed as reason:
        print(reason, file=sys.stderr)
        return 2
    report = Report(options.results or corpus.root / "results.jsonl", options.show)

    def check(project: Project) -> None:
        try:
            with prepare.alone(project, corpus):
                check_project(project, corpus, installer, program, options, report)
        except launch.Stopped:
            raise
        except Exception as reason:  # the other projects are compared all the same
            words = str(reason) if isinstance(reason, Failed) else f"{type(reason).__name__}: {reason}"
            report.add(Outcome(project.name, failed=words))

    each(options.projects, check, options.jobs)
    return 0 if report.close() else 1


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="run.py", description=__doc__.split("\n\n")[0])
    add_common(parser)
    parser.add_argument("--modes", default=",".join(modes.DEFAULT), help=f"of {', '.join(modes.MODES)}")
    parser.add_argument("--prepare-only", action="store_true", help="download, install and record pytest's side")
    parser.add_argument("--jobs", type=int, default=1, help="projects at the same time")
    parser.add_argument("--results", type=Path, metavar="FILE", help="default results.jsonl in the corpus directory")
    options = common(parser, parser.parse_args(arguments))
    options.modes = chosen(parser, options.modes.split(","), modes.MODES)
    return options


def add_common(parser: argparse.ArgumentParser) -> None:
    """What every comparison over the projects is asked."""
    parser.add_argument("projects", nargs="*", metavar="PROJECT", help=", ".join(PROJECTS))
    parser.add_argument("--quick", action="store_true", help="only " + ", ".join(QUICK))
    parser.add_argument("--dx-py", type=Path, default=CHECKOUT, metavar="PATH", help="a checkout, a wheel or a command")
    parser.add_argument("--corpus", type=Path, metavar="DIR", help="default $DX_PY_CORPUS, or .corpus in the checkout")
    parser.add_argument("--timeout", type=float, default=900, help="seconds for one run of a suite")
    parser.add_argument("--show", type=int, default=20, help="differences printed of each run")
    parser.add_argument("--keep", action="store_true", help="keep the runs' temporary directories")


def common(parser: argparse.ArgumentParser, options: argparse.Namespace) -> argparse.Namespace:
    options.projects = chosen(parser, options.projects or (QUICK if options.quick else PROJECTS), PROJECTS)
    options.corpus = (options.corpus or Path(os.environ.get("DX_PY_CORPUS", CHECKOUT / ".corpus"))).resolve()
    return options


def chosen(parser: argparse.ArgumentParser, names: Sequence[str], table: dict) -> list:
    for name in names:
        if name not in table:
            parser.error(f"{name!r} is none of {', '.join(table)}")
    return [table[name] for name in names]


def each(projects: Sequence[Project], act: Callable[[Project], None], jobs: int) -> None:
    with ThreadPoolExecutor(jobs) as pool:
        futures = [pool.submit(act, project) for project in projects]
        try:
            wait(futures)
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            launch.stop()  # the suites run in sessions of their own: the terminal's signal does not reach them
            raise


def check_project(
    project: Project,
    corpus: Corpus,
    installer: prepare.Installer,
    program: Path,
    options: argparse.Namespace,
    report: Report,
) -> None:
    prepared = prepare.prepare(project, corpus, installer)
    truth = truth_of(prepared, options.timeout)
    if options.prepare_only:
        report.say(
            f"{project.name}: {len(truth.recording.order)} tests, {len(truth.unsteady)} unsteady,"
            f" {truth.seconds:.1f} s under pytest"
        )
        return
    prepare.install_recorder(prepared)
    dx_py = prepare.install_program(prepared, program)
    for mode in options.modes:
        for run in modes.run_mode(mode, prepared, dx_py, prepared.home / "runs", options.timeout, options.keep):
            report.add(judge(project, truth, run))


def judge(project: Project, truth: Truth, mode_run: modes.ModeRun) -> Outcome:
    run, remarks = mode_run.run, list(mode_run.remarks)
    comparison = compare(truth.recording, run.recording, truth.again)
    comparison.differences += compare_exit(truth.exits, run.ended.exit)
    if comparison.messages:
        remarks.append(f"{len(comparison.messages)} with the same outcome and another message")
    if comparison.unsteady_texts:
        remarks.append(f"{len(comparison.unsteady_texts)} with other words, as between two runs of pytest")
    if mode_run.mode.serial and not comparison.same_order:
        remarks.append("in another order")
    failed = ""
    if run.ended.timed_out or not run.recording.finished:
        how = "timed out" if run.ended.timed_out else "broke off"
        failed = f"{how}; the end of {run.output}:\n{last_words(run.output)}"
    return Outcome(
        project.name,
        mode_run.name,
        comparison,
        tests=len(truth.recording.order),
        exits="/".join(map(str, sorted(truth.exits))) + f" : {run.ended.exit}",
        pytest_seconds=truth.seconds,
        dx_py_seconds=run.ended.seconds,
        remarks=remarks,
        failed=failed,
    )


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("interrupted: not everything was compared")
