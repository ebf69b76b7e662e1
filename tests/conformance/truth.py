"""What real pytest does with a project's suite: run twice, kept until something changes that it depends on."""

import hashlib
import json
import os
import platform
from dataclasses import dataclass
from pathlib import Path

import launch
from compare import unsteady_tests
from prepare import RECORDER, Failed, Prepared, install_recorder, remove_wheel
from recording import Recording, parse
from suite import ENVIRONMENT, last_words, run_suite

RUNS = 2  # what differs between them is the suite's own unsteadiness
TESTS_RAN = {0, 1}


@dataclass(frozen=True)
class Truth:
    recording: Recording  # of the last run, which found its bytecode cached
    again: Recording  # of the first
    exits: set[int]  # what a run may exit with
    seconds: float

    @property
    def unsteady(self) -> set[str]:
        return unsteady_tests(self.recording, self.again)


def truth_of(prepared: Prepared, timeout: float) -> Truth:
    directory = prepared.home / "truth"
    facts_file = directory / "truth.json"
    key = depends_on(prepared)
    if not facts_file.exists() or json.loads(facts_file.read_text())["key"] != key:
        facts = {"key": key, "runs": record(prepared, directory, timeout)}
        facts_file.write_text(json.dumps(facts, indent=1))
    return read(prepared, directory, json.loads(facts_file.read_text())["runs"])


def depends_on(prepared: Prepared) -> str:
    """The environment's own contents are left out: a new one makes a new directory."""
    facts = [
        prepared.project.pytest_arguments(),
        sorted((ENVIRONMENT | prepared.project.environment).items()),
        RECORDER.read_text(),
        platform.python_version(),
        launch.isolation(),
        os.getuid(),  # permission tests behave differently as root
    ]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def record(prepared: Prepared, directory: Path, timeout: float) -> list[dict]:
    remove_wheel(prepared)
    install_recorder(prepared)
    runs = []
    for number in range(RUNS):
        with launch.place() as place:
            command = [str(prepared.venv / "bin/pytest")]
            run = run_suite(command, prepared, place, directory / f"run{number}", timeout)
        if run.ended.timed_out or not run.recording.tests or not run.recording.finished:
            raise Failed(f"pytest itself did not get through: {run.ended}\n{last_words(run.output)}")
        runs.append({"exit": run.ended.exit, "seconds": run.ended.seconds, "place": str(place.root)})
    return runs


def read(prepared: Prepared, directory: Path, runs: list[dict]) -> Truth:
    recordings = []
    for number, run in enumerate(runs):
        lines = (directory / f"run{number}.jsonl").read_text().splitlines()
        recordings.append(parse(lines, {str(prepared.home): "<project>", run["place"]: "<run>"}))
    exits = {run["exit"] for run in runs}
    truth = Truth(recordings[-1], recordings[0], exits, min(run["seconds"] for run in runs))
    if truth.unsteady:  # one of them may fail this time, or none
        exits |= TESTS_RAN
    return truth
