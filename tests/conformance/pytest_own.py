#!/usr/bin/env python3
"""Run pytest's own test suite under dx-py, and with dx-py inside of its tests.

    python tests/conformance/pytest_own.py [--part project|engine] [--modes cold,parallel] [--page]

- *project*: the suite is a project like any other; every test must end as it does under pytest.
- *engine*: pytest runs the suite, but what its tests run with `pytester` is dx-py (`pytester_engine.py`). Every test that then
  ends otherwise than under pytest must be listed in `pytest_own_reasons.toml`, with the reason, and no other test may be.

Exits with 0 only if both hold. `--page` writes what was found to docs/pytest-own-suite.md.
"""

import argparse
import os
import shutil
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import launch
import modes
import prepare
from own_reasons import Findings, Reasons, find, page, tests_that_pass
from prepare import CHECKOUT, HERE, Corpus, Failed, Prepared
from projects import PROJECTS
from recording import Recording
from report import Outcome, Report
from run import chosen, judge
from suite import last_words, run_suite
from truth import Truth, truth_of

PLUGIN = HERE / "pytester_engine.py"
GUARDED = "DX_PY_PYTESTER_GUARDED"  # also in the plugin
REASONS = HERE / "pytest_own_reasons.toml"
PAGE = CHECKOUT / "docs" / "pytest-own-suite.md"
PROJECT = PROJECTS["pytest"]
SHARE = 0.97
"""Of the tests that pass under pytest, how many must pass with the engine, at least."""


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse_arguments(arguments)
    corpus = Corpus(options.corpus)
    corpus.root.mkdir(parents=True, exist_ok=True)
    try:
        with prepare.alone(PROJECT, corpus):
            return compare_all(options, corpus)
    except Failed as reason:
        print(reason, file=sys.stderr)
        return 2


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="pytest_own.py", description=__doc__.split("\n\n")[0])
    parser.add_argument("--part", choices=("project", "engine"), help="only this part")
    parser.add_argument("--modes", default="cold,parallel", help=f"of the project: {', '.join(modes.MODES)}")
    parser.add_argument("--page", action="store_true", help=f"write {PAGE.relative_to(CHECKOUT)}; needs both parts")
    parser.add_argument("--dx-py", type=Path, default=CHECKOUT, metavar="PATH", help="a checkout or a wheel")
    parser.add_argument("--corpus", type=Path, metavar="DIR", help="default $DX_PY_CORPUS, or .corpus in the checkout")
    parser.add_argument("--timeout", type=float, default=1800, help="seconds for one run of the suite")
    parser.add_argument("--show", type=int, default=50, help="differences printed of each run")
    options = parser.parse_args(arguments)
    if options.page and options.part:
        parser.error("--page needs both parts")
    options.modes = chosen(parser, options.modes.split(","), modes.MODES)
    options.corpus = (options.corpus or Path(os.environ.get("DX_PY_CORPUS", CHECKOUT / ".corpus"))).resolve()
    return options


def compare_all(options: argparse.Namespace, corpus: Corpus) -> int:
    installer = prepare.make_tools(corpus)
    program = prepare.find_program(options.dx_py, corpus)
    prepared = prepare.prepare(PROJECT, corpus, installer)
    truth = truth_of(prepared, options.timeout)
    prepare.install_recorder(prepared)
    dx_py = prepare.install_program(prepared, program)
    good, outcomes, findings = True, [], None
    if options.part != "engine":
        outcomes = run_as_project(options, prepared, dx_py, truth)
        reasons = Reasons.read(REASONS)
        good = all(reasons.explain(outcome) for outcome in outcomes)
    if options.part != "project":
        findings = run_with_engine(options, prepared, truth)
        print(findings.summary())
        good = good and findings.are_explained and findings.share >= SHARE
    if options.page and findings:
        PAGE.write_text(page(findings, outcomes, PROJECT.version))
    return 0 if good else 1


# ---- the suite as a project


def run_as_project(options: argparse.Namespace, prepared: Prepared, dx_py: Path, truth: Truth) -> list[Outcome]:
    report = Report(prepared.home / "results.jsonl", options.show)
    outcomes = []
    for mode in options.modes:
        for run in modes.run_mode(mode, prepared, dx_py, prepared.home / "runs", options.timeout):
            outcomes.append(judge(PROJECT, truth, run))
            report.add(outcomes[-1])
    report.close()
    return outcomes


# ---- the engine inside the suite's tests


def run_with_engine(options: argparse.Namespace, prepared: Prepared, truth: Truth) -> Findings:
    """Tests that end otherwise are run again by themselves: what fails once only is the machine's fault."""
    recording = run_engine(prepared, "engine", options.timeout)
    if not recording.finished:
        raise Failed(f"the suite broke off; the end of what it printed:\n{last_words(output_of(prepared, 'engine'))}")
    reasons = Reasons.read(REASONS)
    findings = find(truth.recording, truth.again, recording, reasons)
    if findings.different:
        again = run_engine(prepared, "engine-again", options.timeout, list(findings.different))
        findings = find(truth.recording, truth.again, recording, reasons, again)
    if expected := [test for test in reasons.guarded if test in findings.different]:
        guarded = run_engine(prepared, "engine-guarded", options.timeout, expected, {GUARDED: "1"})
        findings.guarded_failures = [test for test in expected if test not in tests_that_pass(guarded)]
    return findings


def run_engine(
    prepared: Prepared, name: str, timeout: float, tests: Sequence[str] = (), environment: dict[str, str] = {}
) -> Recording:
    """Run the suite, or of it only *tests*, under pytest with dx-py inside."""
    site_packages = next(prepared.venv.glob("lib/python*/site-packages"))
    shutil.copy(PLUGIN, site_packages)
    project = replace(PROJECT, environment=PROJECT.environment | environment)
    if tests:
        project = replace(project, arguments=tuple(tests))
    command = [str(prepared.venv / "bin/pytest"), "-p", PLUGIN.stem]
    with launch.place() as place:
        files = output_of(prepared, name).with_suffix("")
        run = run_suite(command, replace(prepared, project=project), place, files, timeout)
    return run.recording


def output_of(prepared: Prepared, name: str) -> Path:
    return prepared.home / "runs" / f"{name}.txt"


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("interrupted: not everything was compared")
