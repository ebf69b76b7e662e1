"""Which files and folders a watch looks at. Decided by their names."""

from __future__ import annotations

import os
from collections.abc import Iterator

_NO_FOLDERS = frozenset(
    {"__pycache__", "node_modules", "site-packages", "CVS", "_darcs", "{arch}", "__pypackages__", ".git", ".hg", ".svn", ".bzr", ".jj"}
    | {".tox", ".nox", ".venv", "venv", ".eggs", ".idea", ".vscode", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis"}
)
"""Folders in which nothing is written that a test reads."""

_NO_ENDS = (".pyc", ".pyo", "~", ".swp", ".swx", ".swo", ".tmp", ".orig", ".egg-info", ".dist-info")
"""Of files that programs leave beside what is being edited."""


def is_watched(name: str, *, folder: bool) -> bool:
    """Whether a file or folder of this name, without those above it, is looked at."""
    if folder:
        return name not in _NO_FOLDERS and not name.endswith(_NO_ENDS) and not name.startswith("pytest-cache-files-")
    return not name.endswith(_NO_ENDS) and not name.startswith((".#", "#", "4913", ".coverage", ".goutputstream"))


def folders(top: str) -> Iterator[str]:
    """*top* and all folders below it that are looked at; links to folders are not followed.

    A folder with a ``pyvenv.cfg`` is a virtual environment, whatever its name.
    """
    waiting = [top]
    while waiting:
        folder = waiting.pop()
        below = []
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.name == "pyvenv.cfg":
                        below = None
                        break
                    if is_watched(entry.name, folder=True) and entry.is_dir(follow_symlinks=False):
                        below.append(entry.path)
        except OSError:
            continue  # gone again, or not ours to read
        if below is not None or folder == top:
            yield folder
            waiting += below or ()
