"""``dx-py doctor [pytest's arguments]``."""

from __future__ import annotations

from dx_py_test_runner.cli.main import run_as_module


def doctor_command(args: list[str]) -> int:
    """Collect as a test run would, report hazards, run nothing."""
    return run_as_module(["test", "--no-daemon", "--doctor", *args])
