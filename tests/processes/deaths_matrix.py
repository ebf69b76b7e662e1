"""The matrix of deaths: causes x places x modes, which of its cells CI runs, and where pytest's own answer counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from deaths_causes import CAUSES
from deaths_project import PLACES


class Mode(NamedTuple):
    """How a struck run starts and how many processes run its tests.

    *start* is `cold` (no daemon), `first` (the run that starts the daemon) or `warm` (its second run).
    """

    start: str
    workers: int

    def __str__(self) -> str:
        return f"{self.start}-{self.workers}"

    @property
    def args(self) -> tuple[str, ...]:
        return (*(["--no-daemon"] if self.start == "cold" else []), "-n", str(self.workers))


MODES = tuple(Mode(start, workers) for start in ("cold", "warm", "first") for workers in (1, 2))

ENDS_THE_PROCESS = {
    "exit_0_at_once": "exited with status 0",
    "exit_1_at_once": "exited with status 1",
    "sigkill": "SIGKILL",
    "sigsegv": "SIGSEGV",
    "sigabrt": "SIGABRT",
    "c_stack_overflow": "SIGSEGV",
    "close_inherited_fds": "lost the descriptors",
}
"""Causes that end the process, or leave it unable to say anything (then it ends itself), and how the user is told."""

RAISES = {
    "sys_exit": "SystemExit",
    "sys_exit_0": "SystemExit",
    "deep_recursion": "RecursionError",
    "use_up_memory": "MemoryError",
    "close_stdout": "closed file",
}
"""Causes that are exceptions as long as nobody swallows them, and what is shown of them."""

_LEFT_OVER = "a child process that is left over is no business of pytest's: nothing waits for it"
_UNDONE = "pytest's capture puts descriptor 1 back before anything is written to it"
_OWN_CHOICE = "every result is reported when the hook runs, and the exit code is what the user's hook asked for"

LIKE_PYTEST = {
    **{("leave_program", place): _LEFT_OVER for place in PLACES},
    **{("leave_fork", place): _LEFT_OVER for place in PLACES},
    **{("close_fd_1", place): _UNDONE for place in PLACES},
    ("sys_exit", "sessionfinish"): _OWN_CHOICE,
    ("sys_exit_0", "sessionfinish"): _OWN_CHOICE,
}
"""Cells where real pytest knows all results and ends with 0, and why that is right: ours must do exactly the same.

Every other cell must not end with 0, whatever pytest does: `os._exit(0)` anywhere, or `sys.exit()` while a conftest is
imported, make pytest end green without having run the tests.
"""

SPOILS_LATER_TESTS = {
    "close_stdout": "pytest's capture works through sys.stdout: once that is closed, every later phase in this process "
    "is an error, under pytest as well",
}
"""Causes after which tests of the same process may have the state that pytest gives them, instead of their own."""


@dataclass(frozen=True)
class Cell:
    """One struck run."""

    cause: str
    place: str
    mode: Mode

    def __str__(self) -> str:
        return f"{self.place}-{self.cause}-{self.mode}"


def all_cells() -> list[Cell]:
    """The complete matrix."""
    return [Cell(cause, place, mode) for place in PLACES for cause in CAUSES for mode in MODES]


def covering_cells() -> list[Cell]:
    """Every cause at every place in one mode, and every cause in every mode at one place.

    There are as many modes as places; each cause starts with the next mode, so that places and modes mix, too.
    """
    return [
        Cell(cause, place, MODES[(row + column) % len(MODES)])
        for row, cause in enumerate(CAUSES)
        for column, place in enumerate(PLACES)
    ]
