"""A folder of files that is edited, saved, put back and copied."""

from __future__ import annotations

import hashlib
import os
import py_compile
import re
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

LEFT_BY_TOOLS = ("__pycache__", ".pytest_cache", ".hypothesis", ".git")
"""Folders that are no part of a tree's state: whoever runs the tests makes them."""


@dataclass(frozen=True)
class Entry:
    """One path of a tree: a file's content, a link's target, or a folder."""

    kind: str
    content: bytes = b""
    mode: int = 0
    modified_ns: int = 0

    @property
    def identity(self) -> tuple[str, bytes, int]:
        """What tells two versions apart; the modification time does not."""
        return self.kind, self.content, self.mode


State = dict[str, Entry]


class Tree:
    """The files below *root*. Names are relative to it.

    No two versions of Python text that one tree has seen have the same size. Bytecode counts as fresh if size and
    modification time (in seconds) agree, so that plain pytest would take an edit within one second for none; these
    tests are about other mistakes, except where an edit says so.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._versions: dict[int, str] = {}

    def path(self, name: str) -> Path:
        return self.root / name

    # ---- reading

    def read(self, name: str) -> str:
        """A file's text, without the padding that :meth:`write` may have added."""
        text = self.path(name).read_text("utf-8")
        return re.sub(r"#+\Z", "", text) if name.endswith(".py") else text

    def has(self, name: str) -> bool:
        return os.path.lexists(self.path(name))

    def files(self, pattern: str) -> list[str]:
        """The names of the files that match *pattern*, sorted."""
        return sorted(self._name(path) for path in self.root.glob(pattern) if path.is_file())

    # ---- editing

    def write(self, name: str, text: str, *, modified_ns: int | None = None) -> None:
        """Write a file in place (the same inode if there is one)."""
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        text = self._padded(text) if name.endswith(".py") else text
        self._forget_bytecode_of_same_size(name, len(text.encode()))
        path.write_text(text, "utf-8")
        if modified_ns is not None:
            os.utime(path, ns=(modified_ns, modified_ns))

    def save_over(self, name: str, text: str, *, modified_ns: int | None = None) -> None:
        """Replace a file as careful editors do: the new one is written beside it and renamed."""
        beside = name + ".new~"
        self.write(beside, self._padded(text) if name.endswith(".py") else text, modified_ns=modified_ns)
        os.replace(self.path(beside), self.path(name))

    def change(self, name: str, pattern: str, replacement: str) -> None:
        """Replace the one match of a regular expression in a file."""
        text, count = re.subn(pattern, replacement, self.read(name), count=1, flags=re.MULTILINE)
        if not count:
            raise ValueError(f"{name} has nothing like {pattern!r}")
        self.write(name, text)

    def append(self, name: str, text: str) -> None:
        self.write(name, self.read(name) + text)

    def rename(self, old: str, new: str) -> None:
        self.path(new).parent.mkdir(parents=True, exist_ok=True)
        os.rename(self.path(old), self.path(new))

    def remove(self, name: str) -> None:
        """Remove a file, a link, or a folder with all it holds."""
        path = self.path(name)
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()

    def link(self, name: str, target: str) -> None:
        """Make *name* a symbolic link to *target*, whatever it was."""
        if self.has(name):
            self.remove(name)
        self.path(name).parent.mkdir(parents=True, exist_ok=True)
        os.symlink(target, self.path(name))

    def forget_bytecode(self, name: str) -> None:
        """Remove what was compiled from a module, as a fresh checkout would not have it."""
        path = self.path(name)
        for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*"):
            compiled.unlink()

    def make_bytecode(self, name: str) -> None:
        """Leave beside a module what Python leaves there when it is imported."""
        py_compile.compile(str(self.path(name)), doraise=True)

    def _forget_bytecode_of_same_size(self, name: str, size: int) -> None:
        """What an edit that keeps a module's size would leave wrong, whoever runs it."""
        path = self.path(name)
        if name.endswith(".py") and path.is_file() and path.stat().st_size == size:
            self.forget_bytecode(name)

    def _padded(self, text: str) -> str:
        while self._versions.setdefault(len(text.encode()), text) != text:
            text += "#"
        return text

    # ---- states

    def state(self) -> State:
        """All that is there, but for what tools leave behind."""
        return {self._name(path): _entry(path) for path in self._walk(self.root)}

    def digest(self) -> str:
        """A name for the present state; times are left out."""
        identities = [(name, *entry.identity) for name, entry in sorted(self.state().items())]
        return hashlib.sha256(repr(identities).encode()).hexdigest()

    def restore(self, wanted: State, *, times: bool) -> list[str]:
        """Bring back a state, touching only what differs; returns the names of what was touched.

        :param times: put back the modification times as well, as archives and synchronising tools do.
        """
        now = self.state()
        differing = [name for name in {**now, **wanted} if _identity(now, name) != _identity(wanted, name)]
        for name in sorted(differing, reverse=True):
            if name in now and self.has(name):
                self._make_way(name, now[name], wanted.get(name))
        for name in sorted(differing):
            if name in wanted:
                self._put(name, wanted[name], times)
        return sorted(differing)

    def _make_way(self, name: str, present: Entry, wanted: Entry | None) -> None:
        if wanted is None or wanted.kind != present.kind or wanted.kind == "link":
            self.remove(name)

    def _put(self, name: str, entry: Entry, times: bool) -> None:
        path = self.path(name)
        if entry.kind == "folder":
            path.mkdir(parents=True, exist_ok=True)
        elif entry.kind == "link":
            os.symlink(os.fsdecode(entry.content), path)
        else:
            self._forget_bytecode_of_same_size(name, len(entry.content))
            path.write_bytes(entry.content)
            path.chmod(entry.mode)
            if times:
                os.utime(path, ns=(entry.modified_ns, entry.modified_ns))

    def copy_to(self, folder: Path, *, bytecode: bool = False, cache: bool = False) -> None:
        """A copy of all files with their times.

        :param bytecode: also what was compiled in this place.
        :param cache: also pytest's cache folder.
        """
        left_out = {"__pycache__": bytecode, ".pytest_cache": cache, ".hypothesis": False, ".git": False}
        patterns = [name for name, wanted in left_out.items() if not wanted]
        shutil.copytree(self.root, folder, symlinks=True, ignore=shutil.ignore_patterns(*patterns))

    def _walk(self, folder: Path) -> Iterator[Path]:
        for entry in os.scandir(folder):
            if entry.name in LEFT_BY_TOOLS:
                continue
            yield Path(entry.path)
            if entry.is_dir(follow_symlinks=False):
                yield from self._walk(Path(entry.path))

    def _name(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()


def _entry(path: Path) -> Entry:
    status = path.lstat()
    if stat.S_ISLNK(status.st_mode):
        return Entry("link", os.fsencode(os.readlink(path)))
    if stat.S_ISDIR(status.st_mode):
        return Entry("folder")
    return Entry("file", path.read_bytes(), stat.S_IMODE(status.st_mode), status.st_mtime_ns)


def _identity(state: State, name: str) -> object:
    return state[name].identity if name in state else None
