"""The ways to run dx-py that are compared with pytest."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import launch
from prepare import Prepared
from suite import SuiteRun, run_suite

DAEMON_TIMEOUT = 30
PATIENCE = 2  # seconds that processes may take to end after what they belong to has


@dataclass(frozen=True)
class Mode:
    name: str
    options: tuple[str, ...]
    runs: int = 1  # in the same place: the second finds the first one's caches, and its daemon if there is one
    serial: bool = True
    program: str = "dx-py"

    @property
    def daemon(self) -> bool:
        return self.program == "dx-py" and "--no-daemon" not in self.options

    def command(self, prepared: Prepared, dx_py: Path) -> list[str]:
        if self.program == "dx-py":
            return [str(dx_py), "test", *self.options]
        return [str(prepared.venv / "bin" / self.program)]


MODES = {
    mode.name: mode
    for mode in (
        Mode("cold", ("--no-daemon", "-n", "1")),
        Mode("pytest-engine", ("--no-daemon", "-n", "1", "--engine=pytest")),
        Mode("cold-again", ("--no-daemon", "-n", "1"), runs=2),
        Mode("warm", ("-n", "1"), runs=2),
        Mode("parallel", ("--no-daemon", "-n", "2"), serial=False),
        Mode("warm-parallel", ("-n", "2"), runs=2, serial=False),
        Mode("pytest", (), program="pytest"),  # once more: shows whether a difference is the suite's own unsteadiness
    )
}
DEFAULT = ("cold", "warm", "parallel", "warm-parallel")


@dataclass(frozen=True)
class ModeRun:
    mode: Mode
    name: str
    run: SuiteRun
    remarks: list[str]  # on the processes around the tests


def run_mode(
    mode: Mode, prepared: Prepared, dx_py: Path, records: Path, timeout: float, keep: bool = False
) -> Iterator[ModeRun]:
    """Each run of the mode is yielded; the last is the one that the mode is about."""
    with launch.place(keep) as place:
        for number in range(1, mode.runs + 1):
            last = number == mode.runs
            files = records / f"{mode.name}-{number}"
            run = run_suite(mode.command(prepared, dx_py), prepared, place, files, timeout)
            remarks = look_after(mode, prepared, place, dx_py, files, last)
            yield ModeRun(mode, mode.name if last else f"{mode.name} (run {number})", run, remarks)


def look_after(mode: Mode, prepared: Prepared, place: launch.Place, dx_py: Path, files: Path, last: bool) -> list[str]:
    """Was there a daemon at all, or was nothing warm? And after it has been stopped, is anything left?"""
    remarks = []

    def daemon(verb: str) -> int:
        command = [str(dx_py), "daemon", verb]
        output = files.with_suffix(f".{verb}.txt")
        return launch.run(command, prepared.source, place.environment(prepared.venv), output, DAEMON_TIMEOUT).exit

    if mode.daemon:
        daemon("logs")  # kept beside what the run printed
    if mode.daemon and daemon("status") != 0:
        remarks.append("no daemon answers: this was not warm")
    if mode.daemon and last and daemon("stop") != 0:
        remarks.append("the daemon could not be stopped")
    if last and (left := launch.left_behind(place, PATIENCE)):
        remarks.append(f"{len(left)} processes left behind")
    return remarks
