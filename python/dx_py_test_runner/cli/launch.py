"""The launcher, which starts every run, and the arguments that it is given."""

from __future__ import annotations

import os
import shutil
import sys


def own_options(args: list[str]) -> list[str]:
    """The arguments that may be options: those before ``--``."""
    return args[: args.index("--")] if "--" in args else args


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
