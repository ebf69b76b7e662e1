"""What a daemon answers when it is asked about itself."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence

from dx_py_test_runner.daemon.known import Level


def answer(args: Sequence[str], levels: Sequence[Level], runs: int, notes: Iterable[str]) -> tuple[str, int]:
    """The text and exit code for ``dx-py daemon ARGS``.

    :param runs: how many are in progress.
    :param notes: what runs had to say about themselves, oldest first.
    """
    verb = args[0] if args else "status"
    if verb == "status":
        return status(levels, runs), 0
    if verb == "stop":
        return "the daemon is stopping\n", 0
    if verb == "doctor":
        return "".join(f"{note}\n" for note in dict.fromkeys(notes)), 0
    return f"dx-py: 'daemon {verb}' is unknown: use status, stop, restart or logs\n", 4


def status(levels: Sequence[Level], runs: int) -> str:
    """Who is there, for people."""
    lines = [f"daemon {os.getpid()}, {len(levels)} level(s), {runs} run(s) in progress"]
    now = time.monotonic()
    for level in sorted(levels, key=lambda level: -level.used):
        words = f"  {level.name:<10} pid {level.pid}, {level.memory() >> 20} MiB, used {now - level.used:.0f} s ago"
        if level.cwd:
            words += f", {level.cwd}: {' '.join(level.argv[1:]) or '(no arguments)'}"
        if level.spare:
            words += f" (pid {level.spare} is ready for the next run)"
        lines.append(words)
    return "\n".join(lines) + "\n"
