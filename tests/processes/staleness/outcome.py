"""What one run said, as plain values, and what tells two runs apart."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Outcome:
    """A run's exit code and reports. *shown* is its output: for people, not compared."""

    code: int
    reports: tuple[str, ...]
    failures_kept: str | None = None
    shown: str = field(default="", compare=False)

    @property
    def tests(self) -> list[str]:
        """The node ids that were reported, in order."""
        entries = [json.loads(line) for line in self.reports]
        return list(dict.fromkeys(entry["test"] for entry in entries if "test" in entry))

    @property
    def broken(self) -> bool:
        """Whether nothing could be tested: such a state says little about later edits."""
        return self.code > 1 or not self.tests


def read_outcome(code: int, record: Path, shown: str, kept: Path | None, roots: dict[str, str]) -> Outcome:
    """Put together the outcome of a run.

    :param kept: where pytest's cache keeps the failures of the last run, if they are to be compared.
    :param roots: paths that differ between the sides, and what to call them. Addresses in memory differ, too.
    """
    text = record.read_text("utf-8") if record.exists() else ""
    failures = kept.read_text("utf-8") if kept is not None and kept.exists() else None
    for path, name in roots.items():
        text, shown = text.replace(path, name), shown.replace(path, name)
    text = re.sub(r"0x[0-9a-f]{6,}", "0x…", text)
    return Outcome(code, tuple(_in_order(text.splitlines())), failures, shown)


def _in_order(lines: list[str]) -> list[str]:
    """Reports of tests keep their order; deselections are sorted, since they may come in several parts."""
    entries = [json.loads(line) for line in lines]
    deselected = sorted(name for entry in entries for name in entry.get("deselected", ()))
    others = [entry for entry in entries if "deselected" not in entry]
    if deselected:
        others.append({"deselected": deselected})
    return [json.dumps(entry) for entry in others]


def differences(warm: Outcome, cold: Outcome) -> list[str]:
    """How *warm* differs from *cold*, a line each; empty if they agree."""
    found = []
    if warm.code != cold.code:
        found.append(f"exit code: dx-py {warm.code}, pytest {cold.code}")
    if warm.failures_kept != cold.failures_kept:
        found.append(f"failures kept for --lf: dx-py {warm.failures_kept}, pytest {cold.failures_kept}")
    only_warm = [line for line in warm.reports if line not in cold.reports]
    only_cold = [line for line in cold.reports if line not in warm.reports]
    found += [f"only dx-py:  {_brief(line)}" for line in only_warm]
    found += [f"only pytest: {_brief(line)}" for line in only_cold]
    if not only_warm and not only_cold and warm.reports != cold.reports:
        found.append(f"another order or number: dx-py {warm.tests}, pytest {cold.tests}")
    return found


def _brief(line: str) -> str:
    entry: dict[str, Any] = json.loads(line)
    return ", ".join(f"{key}={value!r}" for key, value in entry.items() if value not in ("", []))
