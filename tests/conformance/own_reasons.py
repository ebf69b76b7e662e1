"""Which of pytest's own tests do not end alike with dx-py inside, why that is, and the page that says so: plain values."""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from compare import compare_tests, results, unsteady_tests
from recording import Recording
from report import Outcome


@dataclass(frozen=True)
class Reason:
    title: str
    why: str
    tests: tuple[str, ...]
    guarded: bool = False
    """The tests pass as soon as the guards see that pytester monitors hook calls, as a run of its own would see it."""


@dataclass(frozen=True)
class Reasons:
    reasons: tuple[Reason, ...]
    project: tuple[Reason, ...] = ()
    """Those of the suite as a project."""

    @classmethod
    def read(cls, path: Path) -> "Reasons":
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
        reasons, project = (
            tuple(Reason(**{**table, "tests": tuple(table["tests"])}) for table in tables.get(name, []))
            for name in ("reason", "project")
        )
        return cls(reasons, project)

    def explain(self, outcome: Outcome) -> bool:
        """Whether the suite as a project ended as under pytest, but for exactly what is listed."""
        listed = sorted(test for reason in self.project for test in reason.tests)
        return not outcome.failed and listed == sorted(found.node for found in outcome.comparison.differences)

    @property
    def tests(self) -> list[str]:
        return [test for reason in self.reasons for test in reason.tests]

    @property
    def guarded(self) -> list[str]:
        return [test for reason in self.reasons if reason.guarded for test in reason.tests]


@dataclass
class Findings:
    passing: int
    """How many tests pass under pytest."""
    different: dict[str, str]
    """Tests that end otherwise with the engine, and how."""
    lost: int
    """How many of those pass under pytest."""
    reasons: Reasons
    retried: int = 0
    """How many ended otherwise at first, but not when they were run again."""
    guarded_failures: list[str] = field(default_factory=list)

    @property
    def share(self) -> float:
        return (self.passing - self.lost) / self.passing if self.passing else 0.0

    @property
    def unexplained(self) -> list[str]:
        return [test for test in self.different if test not in self.reasons.tests]

    @property
    def outdated(self) -> list[str]:
        return [test for test in self.reasons.tests if test not in self.different]

    @property
    def are_explained(self) -> bool:
        return not (self.unexplained or self.outdated or self.guarded_failures)

    def summary(self) -> str:
        lines = [
            f"with the engine inside: {self.passing - self.lost} of {self.passing} tests that pass under pytest"
            f" pass ({self.share:.2%}), {len(self.different)} end otherwise, {self.retried} more did so only once"
        ]
        lines += [f"  no reason is given for {test}\n    {self.different[test]}" for test in self.unexplained]
        lines += [f"  a reason is given, but it ends as under pytest: {test}" for test in self.outdated]
        lines += [f"  does not pass with the guard either: {test}" for test in self.guarded_failures]
        return "\n".join(lines)


def tests_that_pass(recording: Recording) -> set[str]:
    return {node for node, found in recording.tests.items() if all(result.outcome == "passed" for result in found)}


def find(
    truth: Recording, truth_again: Recording, engine: Recording, reasons: Reasons, engine_again: Recording | None = None
) -> Findings:
    """Compare test by test; with *engine_again*, only what ended otherwise in both runs with the engine counts."""
    unsteady = unsteady_tests(truth, truth_again)
    passing = tests_that_pass(truth) - unsteady
    different = {found.node: f"{found.pytest} -> {found.dx_py}" for found in compare_tests(truth, engine, unsteady)}
    retried = 0
    if engine_again is not None:
        settled = {node for node in different if results(engine_again, node) == results(truth, node)}
        retried = len(settled)
        different = {node: how for node, how in different.items() if node not in settled}
    return Findings(len(passing), different, len(passing & different.keys()), reasons, retried)


def page(findings: Findings, outcomes: Sequence[Outcome], version: str) -> str:
    """What was found, for people."""
    lines = [
        "# pytest's own test suite",
        "",
        "Made by `make pytest-own`, from what it found and `tests/conformance/pytest_own_reasons.toml`. The suite is the",
        f"`testing/` folder of pytest {version}'s sdist.",
        "",
        "## As a project",
        "",
        "| mode | tests | not as under pytest |",
        "|---|---|---|",
    ]
    lines += [f"| `{outcome.mode}` | {outcome.tests} | {len(outcome.comparison.differences)} |" for outcome in outcomes]
    for reason in findings.reasons.project:
        lines += ["", f"{reason.title}: {reason.why.strip()}", ""]
        lines += [f"- `{test}`" for test in reason.tests]
    lines += [
        "",
        "## With the engine inside its tests",
        "",
        "pytest runs the suite, but what its tests run with `pytester` is dx-py: sessions in the test's own process have the plugin and the",
        "lean engine of a dx-py run, subprocesses are `dx-py test --no-daemon -n 1` (`tests/conformance/pytester_engine.py`).",
        "",
        f"Of {findings.passing} tests that pass under pytest, {findings.passing - findings.lost} pass ({findings.share:.2%}). These"
        f" {len(findings.different)} end otherwise:",
    ]
    for reason in findings.reasons.reasons:
        lines += ["", f"### {reason.title}", "", reason.why.strip(), ""]
        lines += [f"- `{test}`" for test in reason.tests]
    return "\n".join(lines) + "\n"
