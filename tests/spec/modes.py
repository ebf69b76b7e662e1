"""The ways in which a case is run."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Mode:
    """`arguments` stand between `dx-py test` and the case's own.

    `passes`: how often the case is run; each pass is compared, and the first of several is a cold one that starts a daemon.
    `serial`: all tests run in one process, the run's own. What they show at once stands where it does under pytest.
    `recorded`: with the recording plugin. A plugin that listens makes the runner call hooks which it would
    otherwise pass over, so there are modes without it, which compare exit codes and output alone.
    `side`: the folder of the mode's projects; all of one length, because pytest shortens long lines.
    """

    name: str
    arguments: tuple[str, ...] = ()
    passes: int = 1
    daemon: bool = False
    serial: bool = True
    recorded: bool = True
    side: str = ""


#: Real pytest: what all others are compared with.
ORACLE = Mode("pytest", side="side-o")

#: Two workers, if there is something for two to do; otherwise one, which is a process of its own all the same.
WORKERS = ("-n", "2", "--isolation=process")

DX_MODES = (
    Mode("cold", ("--no-daemon", "-n", "1"), side="side-c"),
    Mode("warm", ("-n", "1"), passes=2, daemon=True, side="side-w"),
    Mode("parallel", ("--no-daemon", *WORKERS), serial=False, side="side-p"),
    Mode("warm-parallel", WORKERS, passes=2, daemon=True, serial=False, side="side-q"),
    Mode("lean", ("--no-daemon", "-n", "1"), recorded=False, side="side-l"),
    Mode("workers", ("--no-daemon", *WORKERS), serial=False, recorded=False, side="side-f"),
    Mode("default", (), passes=2, daemon=True, serial=False, recorded=False, side="side-d"),
)

#: Names of several modes at once, for a case's `modes` option.
GROUPS = {
    "serial": tuple(mode.name for mode in DX_MODES if mode.serial),
    "fresh": tuple(mode.name for mode in DX_MODES if mode.passes == 1),
    "none": (),
}


def modes_named(names: tuple[str, ...]) -> tuple[Mode, ...]:
    """The dx-py modes that a case asks for; all of them if it asks for none."""
    if not names:
        return DX_MODES
    wanted = [mode for name in names for mode in GROUPS.get(name, (name,))]
    known = [mode.name for mode in DX_MODES]
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise ValueError(f"no mode {unknown[0]!r}; there are {', '.join([*known, *GROUPS])}")
    return tuple(mode for mode in DX_MODES if mode.name in wanted)
