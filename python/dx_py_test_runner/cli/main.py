"""The verbs of ``dx-py`` that need an interpreter. ``dx-py test`` itself starts in the launcher."""

from __future__ import annotations

import os
import shutil
import sys

from dx_py_test_runner import __version__

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
    if verb in ("--help", "-h", "help"):
        sys.stdout.write(_HELP)
        return 0
    if verb in ("--version", "-V"):
        sys.stdout.write(f"dx-py {__version__}\n")
        return 0
    if verb == "daemon":
        from dx_py_test_runner.cli.daemon import daemon_command

        return daemon_command(argv[1:])
    if verb == "doctor":
        from dx_py_test_runner.cli.doctor import doctor_command

        return doctor_command(argv[1:])
    if verb in ("why", "why-not"):
        if len(argv) < 2:
            sys.stderr.write(f"dx-py: {verb} needs the name of a test, as 'dx-py {verb} tests/test_a.py::test_b'\n")
            return 4
        return run_as_module(["test", "--no-daemon", "--affected", "--why", argv[1], *argv[2:]])
    if verb == "test" and "--watch" in (argv[: argv.index("--")] if "--" in argv else argv):
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


def run_as_module(argv: list[str] | None = None) -> int:
    """Hand over to the launcher of this interpreter."""
    argv = sys.argv[1:] if argv is None else argv
    launcher = find_launcher()
    if launcher is None:
        return 3
    os.execv(launcher, [launcher, *argv])


def find_launcher() -> str | None:
    """The launcher of this interpreter, which it will use, too; None, and the user knows, if there is none."""
    beside = os.path.join(os.path.dirname(sys.executable), "dx-py")
    launcher = beside if os.access(beside, os.X_OK) else shutil.which("dx-py")
    if launcher is None:
        sys.stderr.write(f"dx-py: the launcher is missing: it should be {beside}. Install the package again.\n")
    os.environ["DX_PY_PYTHON"] = sys.executable
    return launcher
