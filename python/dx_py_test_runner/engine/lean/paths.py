"""``_pytest.pathlib.bestrelpath`` for what is nearly always asked: a path below the folder."""

from __future__ import annotations

import os
from typing import Any

from _pytest import main, pathlib, terminal

_bestrelpath = pathlib.bestrelpath


def bestrelpath(directory: Any, dest: Any) -> str:
    """As pytest's own, which compares the paths part by part."""
    if type(dest) is type(directory):
        above, text = str(directory) + os.sep, str(dest)
        if text.startswith(above):
            return text[len(above) :]
    return _bestrelpath(directory, dest)


def install() -> None:
    """Let pytest use it for the terminal and for node ids."""
    for module in (main, terminal):
        if getattr(module, "bestrelpath", None) is _bestrelpath:
            module.bestrelpath = bestrelpath
