"""How a process ended, in words."""

from __future__ import annotations

import os
import signal


def how(wait_status: int | None) -> str:
    """A wait status in words: ``was killed by SIGSEGV (signal 11)``, ``exited with status 0``."""
    if wait_status is None:
        return "ended in an unknown way"
    if os.WIFSIGNALED(wait_status):
        number = os.WTERMSIG(wait_status)
        try:
            name = signal.Signals(number).name
        except ValueError:
            name = "a signal"
        return f"was killed by {name} (signal {number})"
    return f"exited with status {os.waitstatus_to_exitcode(wait_status)}"
