"""How a process ended, in words."""

from __future__ import annotations

import os
import signal


LOST_DESCRIPTORS = 86
"""Exit status of a process of ours that finds its own descriptors closed or replaced by a test."""


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
    if os.waitstatus_to_exitcode(wait_status) == LOST_DESCRIPTORS:
        return "lost the descriptors of pytest and dx-py (something closed or replaced them)"
    return f"exited with status {os.waitstatus_to_exitcode(wait_status)}"
