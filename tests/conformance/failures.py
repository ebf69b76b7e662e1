#!/usr/bin/env python3
"""Break assertions of real projects' suites on purpose, and compare what pytest and dx-py print about them.

    python tests/conformance/failures.py [PROJECT...] [--quick] [--seeds 1,2] [--rate 0.05] [--modes cold,pytest-engine]

Nothing listens to the reports, so dx-py takes the paths that it takes for a user. Compared are the exit code, the progress,
each failure's text whole, each line of the short summary, warnings and counts. What differs between runs of pytest is left out,
and counted. `--rate 0` compares what fails by itself. Exits with 0 only if something failed, and nothing differs.
"""

import argparse
import os
import shutil
import signal
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import launch
import prepare
import run as conformance
from breaking import break_suite
from compare import Difference
from modes import MODES, Mode
from prepare import Corpus, Failed, Prepared
from projects import Project
from suite import environment_of, last_words
from printout import Pieces, differences, failures, pieces, unsteady

MODES_COMPARED = ("cold", "pytest-engine")
AGAIN = 4  # how often pytest is asked again where something differs

# The examples that hypothesis makes up are then the same each time.
HYPOTHESIS = "--hypothesis-seed=0"

# When garbage is collected is up to the interpreter; which test is blamed for what a failed one left open follows from that.
QUIET = ("-W", "ignore::pytest.PytestUnraisableExceptionWarning", "-W", "ignore::ResourceWarning")


@dataclass
class Broken:
    """A project's suite, broken by one seed."""

    prepared: Prepared
    seed: int
    rate: float
    options: argparse.Namespace

    @property
    def source(self) -> Path:
        return self.prepared.home / "broken"

    @property
    def results(self) -> Path:
        return self.prepared.home / "failures"

    def arguments(self) -> list[str]:
        hypothesis = [HYPOTHESIS] if list(self.prepared.venv.glob("lib/python*/site-packages/hypothesis")) else []
        return [*self.prepared.project.pytest_arguments(), "--continue-on-collection-errors", *QUIET, *hypothesis]

    def make(self) -> int:
        """A new copy for each run, as one may leave files for the next; how many assertions are broken in it."""
        shutil.rmtree(self.source, ignore_errors=True)
        ignored = shutil.ignore_patterns("__pycache__", ".hypothesis", ".pytest_cache")
        shutil.copytree(self.prepared.source, self.source, symlinks=True, ignore=ignored)
        places = [word for word in self.prepared.project.arguments if (self.source / word).exists()]
        return break_suite(self.source, places or ["."], self.seed, self.rate)


@dataclass
class Printed:
    ended: launch.Ended
    output: Path
    pieces: Pieces


@dataclass
class Verdict:
    name: str
    mode: str = ""
    broken: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    unsteady: set[str] = field(default_factory=set)
    differences: list[Difference] = field(default_factory=list)
    seconds: tuple[float, float] = (0.0, 0.0)
    failed: str = ""

    @property
    def agrees(self) -> bool:
        return not self.failed and not self.differences

    def __str__(self) -> str:
        counts = ", ".join(f"{count} {kind.lower()}" for kind, count in self.failures.items()) or "nothing fails"
        seconds = " : ".join(f"{seconds:.1f}" for seconds in self.seconds)
        first = (
            f"{self.name:<22} {self.mode:<14} {self.broken:>4} broken, {counts};"
            f" {len(self.unsteady)} unsteady, {len(self.differences)} differ; {seconds} s"
        )
        return first if not self.failed else f"{first}\n  {self.failed}"


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse_arguments(arguments)
    corpus = Corpus(options.corpus)
    corpus.root.mkdir(parents=True, exist_ok=True)
    verdicts: list[Verdict] = []
    try:
        installer = prepare.make_tools(corpus)
        program = prepare.find_program(options.dx_py, corpus)
    except Failed as reason:
        print(reason, file=sys.stderr)
        return 2
    for project in options.projects:
        try:
            with prepare.alone(project, corpus):
                verdicts += check_project(project, corpus, installer, program, options)
        except Exception as reason:  # the other projects are compared all the same
            verdicts.append(show(Verdict(project.name, failed=f"{type(reason).__name__}: {reason}"), options.show))
    disagreeing = sum(not verdict.agrees for verdict in verdicts)
    total = sum((verdict.failures for verdict in verdicts), Counter())
    print(f"{len(verdicts)} runs with {total.total()} failures and errors, {disagreeing} not as under pytest")
    return 0 if total and not disagreeing else 1


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="failures.py", description=__doc__.split("\n\n")[0])
    conformance.add_common(parser)
    parser.add_argument("--modes", default=",".join(MODES_COMPARED), help=f"of {', '.join(single_modes())}")
    parser.add_argument("--seeds", default="1,2", help="each breaks other assertions")
    parser.add_argument("--rate", type=float, default=0.05, help="the share of assertions to break")
    options = conformance.common(parser, parser.parse_args(arguments))
    options.modes = conformance.chosen(parser, options.modes.split(","), single_modes())
    options.seeds = [int(seed) for seed in options.seeds.split(",")]
    return options


def single_modes() -> dict[str, Mode]:
    """Each run has a new copy of the source, so nothing can be warm."""
    return {name: mode for name, mode in MODES.items() if mode.runs == 1 and mode.program == "dx-py"}


def check_project(
    project: Project, corpus: Corpus, installer: prepare.Installer, program: Path, options: argparse.Namespace
) -> list[Verdict]:
    prepared = prepare.prepare(project, corpus, installer)
    dx_py = prepare.install_program(prepared, program)
    verdicts = []
    for seed in options.seeds:
        verdicts += check_seed(Broken(prepared, seed, options.rate, options), dx_py)
    return verdicts


def check_seed(suite: Broken, dx_py: Path) -> list[Verdict]:
    name = f"{suite.prepared.project.name} seed {suite.seed}"
    theirs = [run_pytest(suite, 0)]
    verdicts = []
    for mode in suite.options.modes:
        ours, broken = run_once(suite, mode.command(suite.prepared, dx_py), mode.name)
        seconds = (theirs[0].ended.seconds, ours.ended.seconds)
        verdict = Verdict(name, mode.name, broken, failures(theirs[0].pieces), seconds=seconds)
        judge(suite, verdict, theirs, ours)
        verdicts.append(show(verdict, suite.options.show))
    shutil.rmtree(suite.source, ignore_errors=True)
    return verdicts


def judge(suite: Broken, verdict: Verdict, theirs: list[Printed], ours: Printed) -> None:
    """Compare one run of dx-py with pytest's first, asking pytest again as long as something differs that may be unsteady."""
    for printed in (theirs[0], ours):
        if printed.ended.timed_out or printed.ended.exit not in (0, 1):
            verdict.failed = f"{printed.ended}; the end of {printed.output}:\n{last_words(printed.output)}"
            return
    while True:
        verdict.unsteady = unsteady([printed.pieces for printed in theirs])
        verdict.differences = differences([printed.pieces for printed in theirs], ours.pieces)
        if not verdict.differences or len(theirs) > AGAIN:
            break
        theirs.append(run_pytest(suite, len(theirs)))
    expected = {printed.ended.exit for printed in theirs}
    if ours.ended.exit not in expected:
        verdict.differences.append(Difference("exit", "the run", f"exit {expected}", f"exit {ours.ended.exit}"))


def run_pytest(suite: Broken, number: int) -> Printed:
    return run_once(suite, [str(suite.prepared.venv / "bin/pytest")], f"pytest-{number}")[0]


def run_once(suite: Broken, command: Sequence[str], name: str) -> tuple[Printed, int]:
    broken = suite.make()
    suite.results.mkdir(exist_ok=True)
    output = suite.results / f"seed{suite.seed}-{name}.txt"
    with launch.place(suite.options.keep, f"dxc-failures-{os.getpid()}") as place:
        environment = environment_of(suite.prepared, place)
        words = [*command, *suite.arguments()]
        ended = launch.run(words, suite.source, environment, output, suite.options.timeout)
    folders = {str(suite.source): "<project>", str(suite.prepared.home): "<home>", str(place.root): "<run>"}
    return Printed(ended, output, pieces(output.read_text(errors="replace"), folders)), broken


def show(verdict: Verdict, limit: int) -> Verdict:
    print(verdict, flush=True)
    for name in sorted(verdict.unsteady)[:limit]:
        print(f"  unsteady    {name}")
    for difference in verdict.differences[:limit]:
        print("  " + str(difference).replace("\n", "\n  "), flush=True)
    if len(verdict.differences) > limit:
        print(f"  and {len(verdict.differences) - limit} more", flush=True)
    return verdict


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("interrupted: not everything was compared")
