"""What one run reported, read from the recorder's lines: plain values."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Result:
    """One test, or one of several that share a node id."""

    phases: tuple[tuple[str, str], ...]
    subtests: tuple[tuple[str, int], ...] = ()
    message: str = field(default="", compare=False)  # worded by the code under test: shown, not compared
    texts: tuple[str, ...] = field(default=(), compare=False)  # of what is no plain pass; compared after normalising

    def __str__(self) -> str:
        words = self.outcome
        if self.subtests:
            words += " with subtests " + ", ".join(f"{count} {outcome}" for outcome, count in self.subtests)
        return f"{words} ({self.message})" if self.message else words

    @property
    def outcome(self) -> str:
        """The word that pytest's summary would use, with the phase where that matters."""
        unlike_passed = [(when, outcome) for when, outcome in self.phases if outcome != "passed"]
        if not unlike_passed:
            return "passed" if "call" in dict(self.phases) else f"only {self.phases}"
        return " and ".join(
            f"error in {when}" if outcome == "failed" and when != "call" else outcome for when, outcome in unlike_passed
        )


@dataclass(frozen=True)
class Uncollected:
    """A file, class or directory that failed to be collected, or was skipped as a whole."""

    outcome: str
    message: str = ""
    text: str = field(default="", compare=False)

    def __str__(self) -> str:
        return f"{self.outcome} ({self.message})" if self.message else self.outcome


@dataclass
class Recording:
    tests: dict[str, list[Result]] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)  # node ids as they were reported
    collection: dict[str, list[Uncollected]] = field(default_factory=dict)
    deselected: Counter[str] = field(default_factory=Counter)
    finished: bool = False


def parse(lines: Iterable[str], replace: Mapping[str, str] = {}) -> Recording:
    """Read the recorder's lines, with paths that are this machine's or this run's replaced.

    A last line cut off by the death of the run is left out; the recording is then not finished.
    """
    recording = Recording()
    for line in lines:
        for text, replacement in replace.items():
            line = line.replace(text, replacement)
        try:
            add(recording, json.loads(line))
        except json.JSONDecodeError:
            recording.finished = False
    return recording


def add(recording: Recording, entry: dict) -> None:
    if "test" in entry:
        phases = tuple((when, outcome) for when, outcome in entry["phases"])
        subtests, texts = tuple(sorted(entry["subtests"].items())), tuple(entry["texts"])
        result = Result(phases, subtests, entry["message"], texts)
        recording.tests.setdefault(entry["test"], []).append(result)
        recording.order.append(entry["test"])
    elif "collect" in entry:
        uncollected = Uncollected(entry["outcome"], entry["message"], entry["text"])
        recording.collection.setdefault(entry["collect"], []).append(uncollected)
    elif "deselected" in entry:
        recording.deselected.update(entry["deselected"])
    elif "finished" in entry:
        recording.finished = True
