"""What became of each test, as far as a run has told: from the recorded reports and from what was printed."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from pathlib import Path

_ACCOUNT = re.compile(r"^(FAILED|ERROR|NOT RUN|LOST) (\S+::\S.*?)(?: - .*)?$", re.MULTILINE)
_WORDS = {"FAILED": "failed", "ERROR": "error", "NOT RUN": "not run", "LOST": "lost"}


class Contradiction(AssertionError):
    """Two different things were said about one test, or one thing twice."""


class Record:
    """The reports that `state_recorder` has written, in the order in which they came."""

    def __init__(self, path: Path) -> None:
        text = path.read_text("utf-8") if path.exists() else ""
        self.lines = [json.loads(line) for line in text.splitlines()]

    def states(self) -> dict[str, str]:
        """The state of each test whose reports are complete.

        A run that is resumed reports again what is known, in another process, to its own listeners: each process may
        report a phase once, and all must agree.
        """
        self._check_repetitions()
        phases: dict[str, dict[str, str]] = defaultdict(dict)
        for line in self.lines:
            said = phases[line["test"]].setdefault(line["when"], line["outcome"])
            if said != line["outcome"]:
                raise Contradiction(f"{line['test']} {line['when']}: reported {said} and {line['outcome']}")
        states = {test: state_of(outcomes) for test, outcomes in phases.items()}
        return {test: state for test, state in states.items() if state}

    def _check_repetitions(self) -> None:
        counts = Counter((line["pid"], line["test"], line["when"]) for line in self.lines)
        twice = [key for key, count in counts.items() if count > 1]
        if twice:
            raise Contradiction(f"reported more than once by one process: {twice}")

    def counts(self) -> dict[str, int]:
        """The numbers that pytest's last line should give."""
        phases = {(line["test"], line["when"]): line["outcome"] for line in self.lines}
        categories = Counter(_category(when, outcome) for (_test, when), outcome in phases.items())
        return {name: count for name, count in categories.items() if name}

    def text(self, test: str) -> str:
        """All that the reports say about a test's failures."""
        return "\n".join(line["text"] for line in self.lines if line["test"] == test)


def state_of(outcomes: dict[str, str]) -> str:
    """pytest's word for a test with these outcomes by phase; empty while the test has not ended."""
    if outcomes.get("call") == "failed":
        return "failed"
    if "failed" in (outcomes.get("setup"), outcomes.get("teardown")):
        return "error"
    if "teardown" not in outcomes:
        return ""
    return outcomes.get("call") or outcomes.get("setup", "")


def _category(when: str, outcome: str) -> str:
    """The word under which pytest's last line counts one phase; empty if it does not count."""
    if when == "call" or outcome == "skipped":
        return outcome
    return "error" if outcome == "failed" else ""


def printed_states(output: str) -> dict[str, set[str]]:
    """What the output says about single tests: pytest's summary, and our account of a run that broke off."""
    found: dict[str, set[str]] = defaultdict(set)
    for word, test in _ACCOUNT.findall(output):
        found[test].add(_WORDS[word])
    return dict(found)


def all_states(record: Record, output: str) -> dict[str, str]:
    """The one state of each test that was named at all."""
    states = record.states()
    for test, said in printed_states(output).items():
        known = {states[test]} if test in states else said
        # A test that fails and whose teardown fails, too, is listed as both.
        if (known | said) - {"failed", "error"} and len(known | said) > 1:
            raise Contradiction(f"{test}: recorded as {states.get(test)}, printed as {', '.join(sorted(said))}")
        states.setdefault(test, min(said))
    return states
