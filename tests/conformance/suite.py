"""One run of a project's suite with the recorder on, whichever program runs it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import launch
from dx_conformance_recorder import VARIABLE
from prepare import RECORDER, Prepared
from recording import Recording, parse

# Texts that show sets, or dicts made of them, would differ by chance. On both sides, and what pytest's runs are kept by.
ENVIRONMENT = {"PYTHONHASHSEED": "0"}


@dataclass(frozen=True)
class SuiteRun:
    ended: launch.Ended
    recording: Recording
    output: Path  # what the program printed


def run_suite(
    command: Sequence[str], prepared: Prepared, place: launch.Place, records: Path, timeout: float
) -> SuiteRun:
    """Run COMMAND and the project's arguments. `records`.jsonl and `records`.txt keep what was recorded and printed."""
    recorded, output = records.with_suffix(".jsonl"), records.with_suffix(".txt")
    records.parent.mkdir(parents=True, exist_ok=True)
    # The same file name for every run of a place: a warm run must not see another environment than the one before.
    current = place.root / "record.jsonl"
    current.unlink(missing_ok=True)
    environment = environment_of(prepared, place) | {VARIABLE: str(current)}
    arguments = [*command, "-p", RECORDER.stem, *prepared.project.pytest_arguments()]
    ended = launch.run(arguments, prepared.source, environment, output, timeout)
    text = current.read_text() if current.exists() else ""
    recorded.write_text(text)
    replace = {str(prepared.home): "<project>", str(place.root): "<run>"}
    return SuiteRun(ended, parse(text.splitlines(), replace), output)


def environment_of(prepared: Prepared, place: launch.Place) -> dict[str, str]:
    """What a project sets for itself has the last word."""
    return place.environment(prepared.venv) | ENVIRONMENT | prepared.project.environment


def last_words(output: Path, lines: int = 15) -> str:
    return "\n".join(output.read_text(errors="replace").splitlines()[-lines:])
