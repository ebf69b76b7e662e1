"""What the comparison says: one line per compared run, what a developer needs under it, and all of it as JSON lines."""

import json
import threading
from dataclasses import asdict, dataclass, field
from pathlib import Path

from compare import Comparison

KINDS = ("different", "missing", "extra", "text", "collection", "deselected")
WIDTHS = (17, 23, 8, *(len(kind) + 2 for kind in KINDS), 11, 10, 9, 7)


@dataclass
class Outcome:
    """One compared run, or the reason why there is none."""

    project: str
    mode: str = ""
    comparison: Comparison = field(default_factory=Comparison)
    tests: int = 0
    exits: str = ""
    pytest_seconds: float = 0.0
    dx_py_seconds: float = 0.0
    remarks: list[str] = field(default_factory=list)  # worth a look, no difference
    failed: str = ""

    @property
    def agrees(self) -> bool:
        return not self.failed and not self.comparison.differences


class Report:
    """Prints each outcome as soon as it is there, from whichever thread."""

    def __init__(self, results: Path, show: int):
        self._results = results
        self._show = show
        self._lock = threading.Lock()
        self._outcomes: list[Outcome] = []

    def say(self, text: str) -> None:
        with self._lock:
            print(text, flush=True)

    def add(self, outcome: Outcome) -> None:
        with self._lock:
            if not self._outcomes:
                self._results.write_text("")
                print(HEADING)
            self._outcomes.append(outcome)
            print(row(outcome, self._show), flush=True)
            with self._results.open("a") as file:
                file.write(json.dumps(asdict(outcome)) + "\n")

    def close(self) -> bool:
        """Print the end; whether all agreed."""
        disagreeing = sum(not outcome.agrees for outcome in self._outcomes)
        remarked = sum(bool(outcome.remarks) for outcome in self._outcomes)
        if self._outcomes:
            counts = f"{len(self._outcomes)} runs, {disagreeing} not as under pytest, {remarked} with remarks"
            print(f"{counts}; all in {self._results}")
        return disagreeing == 0


def line(*cells: object) -> str:
    left = [f"{cell:<{width}}" for cell, width in zip(cells[:2], WIDTHS[:2], strict=True)]
    right = [f"{cell:>{width}}" for cell, width in zip(cells[2:], WIDTHS[2:], strict=True)]
    return "".join(left + right)


HEADING = line("project", "mode", "tests", *KINDS, "exit", "pytest s", "dx-py s", "ratio")


def row(outcome: Outcome, show: int) -> str:
    differences = outcome.comparison.differences
    counts = [outcome.comparison.count(kind) for kind in KINDS]
    ratio = f"{outcome.pytest_seconds / outcome.dx_py_seconds:.2f}" if outcome.dx_py_seconds else ""
    seconds = (f"{outcome.pytest_seconds:.1f}", f"{outcome.dx_py_seconds:.1f}")
    below = [*outcome.remarks, *map(str, differences[:show])]
    if outcome.failed:
        below.insert(0, outcome.failed)
    if len(differences) > show:
        below.append(f"and {len(differences) - show} more")
    first = line(outcome.project, outcome.mode, outcome.tests, *counts, outcome.exits, *seconds, ratio)
    return "\n".join([first, *("  " + text.replace("\n", "\n  ") for text in below)])
