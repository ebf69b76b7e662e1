"""A case's project on disk: one copy per case and mode."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

from .parser import Case, Command, WriteFile

#: Seconds between the modification times of two versions of a file. Python takes a .pyc as fresh if time
#: (in seconds) and size agree, so an edit within one second could go unseen, under pytest too.
STEP = 10


class Project:
    """`project/` is the root of the project; `tmp/` and `home/` are beside it and belong to this copy too."""

    def __init__(self, case: Case, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "project"
        self.tmp = folder / "tmp"
        self.home = folder / "home"
        self.initial = initial_files(case)
        self.clock = int(time.time()) - 100 * STEP
        for path in (self.root, self.tmp, self.home):
            path.mkdir(parents=True)

    def reset(self) -> None:
        """Back to the first state. A file that did not change is not touched, so that a daemon may stay warm.
        Bytecode stays as well."""
        empty(self.tmp)
        for path in sorted(self.root.rglob("*"), reverse=True):
            name = path.relative_to(self.root).as_posix()
            if "__pycache__" in name or name in self.initial:
                continue
            if path.is_dir() and not path.is_symlink():
                remove_if_no_source(path)
            else:
                path.unlink()
        for name, text in self.initial.items():
            path = self.root / name
            if not path.is_file() or path.read_text("utf-8") != text:
                self.write(name, text, self.clock)

    def edit(self, name: str, text: str) -> None:
        """A new version of a file, with a new modification time."""
        path = self.root / name
        before = int(path.stat().st_mtime) if path.exists() else self.clock
        self.write(name, text, before + STEP)

    def write(self, name: str, text: str, modified: int) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        os.utime(path, (modified, modified))

    def remove(self, name: str) -> None:
        path = self.root / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def initial_files(case: Case) -> dict[str, str]:
    """The files written before the first command."""
    files: dict[str, str] = {}
    for step in case.steps:
        if isinstance(step, Command):
            break
        if isinstance(step, WriteFile):
            files[step.path] = step.text
    return files


def empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()


def remove_if_no_source(folder: Path) -> None:
    """Remove a folder of a later state: one with nothing but bytecode in it would be collected all the same."""
    if {path.name for path in folder.iterdir()} == {"__pycache__"}:
        shutil.rmtree(folder / "__pycache__")
    try:
        folder.rmdir()
    except OSError:
        # It still holds a file of the project.
        pass
