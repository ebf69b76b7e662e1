"""The verbs of ``dx-py`` that need an interpreter. ``dx-py test`` itself starts in the launcher."""

from __future__ import annotations

import os
import sys

from dx_py_test_runner import __version__
from dx_py_test_runner.cli.launch import own_options, run_as_module

_HELP = """\
dx-py: run any pytest suite, with pytest's outcomes

Usage:
  dx-py test [pytest's arguments]    run tests; -n N|auto, --no-daemon, --isolation, --engine=pytest are ours
  dx-py test --watch [arguments]     run what each save affects, until q is pressed
  dx-py list [PATH[::NAME]…]         the tests' ids, without importing anything; --json, -k, -m
  dx-py daemon status|stop|restart|logs
  dx-py why TEST [arguments]         why a test must run again, or need not; also: dx-py why-not TEST
  dx-py history export|import FILE   what is known of the tests, for --affected in another checkout
  dx-py doctor                       what keeps a project from warm and parallel runs
  dx-py --version

'dx-py test --help' lists pytest's options.
"""


def main(argv: list[str]) -> int:
    """Run one verb; returns the exit code."""
    verb = argv[0] if argv else "--help"
    if verb in ("--help", "-h", "help") or (verb in ("why", "why-not", "history") and argv[1:2] in (["--help"], ["-h"])):
        sys.stdout.write(_HELP)
        return 0
    if verb in ("--version", "-V"):
        sys.stdout.write(f"dx-py {__version__}\n")
        return 0
    if verb == "daemon":
        from dx_py_test_runner.cli.daemon import daemon_command

        return daemon_command(argv[1:])
    if verb == "doctor":
        # Collects as a test run would, reports hazards, runs nothing.
        return run_as_module(["test", "--no-daemon", "--doctor", *argv[1:]])
    if verb in ("why", "why-not"):
        if len(argv) < 2 or argv[1].startswith("-"):
            sys.stderr.write(f"dx-py: {verb} needs the name of a test first, as 'dx-py {verb} tests/test_a.py::test_b'\n")
            return 4
        return run_as_module(["test", "--no-daemon", "--affected", "--why", argv[1], *argv[2:]])
    if verb == "test" and "--watch" in own_options(argv):
        from dx_py_test_runner.cli.watch import watch_command

        return watch_command(argv[1:])
    if verb == "history":
        if len(argv) != 3 or argv[1] not in ("export", "import"):
            sys.stderr.write("usage: dx-py history export|import FILE\n")
            return 4
        return run_as_module(["test", "--no-daemon", "--history", argv[1], os.path.abspath(argv[2])])
    if verb in ("test", "list"):
        return run_as_module(argv)
    sys.stderr.write(f"dx-py: there is no verb {verb!r}. 'dx-py --help' lists them; tests are run by 'dx-py test'.\n")
    return 4
