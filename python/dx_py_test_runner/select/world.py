"""What is there now: the present value of whatever a claim may be about. Reads the file system, changes nothing."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from dx_py_test_runner._native import hash_bytes
from dx_py_test_runner.inputs import owners
from dx_py_test_runner.inputs.compare import ALWAYS, NEVER
from dx_py_test_runner.inputs.stamp import stamp
from dx_py_test_runner.select.closure import ALL
from dx_py_test_runner.select.effects import Effects, mentions
from dx_py_test_runner.select.outline import Outline
from dx_py_test_runner.select.texts import Texts

CODE, LEVEL, BODY, SIGNATURE, SIGNATURES, FIND, CONFIG, TREE, CIRCUMSTANCES, DOUBT = (
    *("code", "level", "body", "signature", "signatures", "find", "config", "tree", "circumstances", "doubt"),
)
"""Kinds of claims beside those of :mod:`inputs.owners`: what a Python file means, its part outside of functions, one function of it, the parameters of one and of all, what importlib would find for a
name in a folder, how pytest is configured, all files of the project, what every interpreter and its libraries read, and what never holds."""

CONFTEST_NAMES = ("conftest.py", "__init__.py")
"""Files that count for all tests below their folder."""
TOUCHED, EFFECT, MENTIONS = "touched", "effect", "mentions"
"""More kinds: which modules leave something in that of a file; what loading a file leaves in others; whether a file mentions a module
(its name, then the package that relative imports start from, then the module's)."""

EVERYWHERE = ""
"""In the place of a file's name: what is left where everybody may see it."""


_CLOCK_SLACK_NS = 20_000_000
"""What the clock of the file system may be behind, and what passes between looking at files and beginning."""

_PASSED_OVER = frozenset(
    {".git", ".hg", ".svn", "__pycache__", ".pytest_cache", ".hypothesis", ".mypy_cache", ".ruff_cache", ".tox", ".nox", "node_modules"}
)
"""Folders that are no part of a project's own files."""


class World:
    """The present, each part of it looked at once.

    :param root: pytest's root folder. Paths below it are named relative to it in claims, so that another checkout has the same.
    :param prefix: the environment's folder, likewise.
    :param environment: the client's.
    :param config: texts that say how pytest is configured.
    :param search_path: folders in which modules are looked for, without those of the standard library.
    :param began_ns: what has changed since then may be otherwise than it was loaded; 0: nobody has loaded anything.
    :param texts: what is known of the contents of files.
    """

    def __init__(
        self,
        *,
        root: str,
        prefix: str,
        environment: Mapping[bytes, bytes],
        config: Mapping[str, str],
        search_path: Sequence[str],
        began_ns: int = 0,
        texts: Texts | None = None,
    ) -> None:
        self.root, self._prefix = root.rstrip(os.sep), prefix.rstrip(os.sep)
        self._environment = environment
        self._config = config
        self._search_path = search_path
        self._began_ns = began_ns
        self.texts = texts or Texts()
        self._closed_ns = 0
        self._values: dict[tuple[str, str], str | None] = {}
        self._names: dict[str, dict[str, list[str]]] = {}
        self._effects: Effects | None = None

    def know(self, effects: Effects) -> None:
        """What modules leave in one another: known when it is known which are loaded."""
        self._effects = effects

    @property
    def effects(self) -> Effects | None:
        return self._effects

    # ---- names

    def short(self, path: str) -> str:
        """A path as claims name it."""
        for start, mark in ((self.root, "{root}"), (self._prefix, "{env}")):
            if path == start or path.startswith(start + os.sep):
                return mark + path[len(start) :]
        return path

    def full(self, name: str) -> str:
        """The path that :meth:`short` has shortened."""
        for start, mark in ((self.root, "{root}"), (self._prefix, "{env}")):
            if name.startswith(mark):
                return start + name[len(mark) :]
        return name

    # ---- values

    def value(self, kind: str, name: str) -> str | None:
        """The present value of a claim of this kind and name, which is None if it can never be trusted."""
        key = (kind, name)
        if key not in self._values:
            self._values[key] = self._look(kind, name)
        return self._values[key]

    def _look(self, kind: str, name: str) -> str | None:
        if self._closed_ns and kind in (owners.KIND, TREE):
            return None
        if kind == owners.FILE:
            return None if self._is_too_late(self.full(name)) else self.content(self.full(name))
        if kind == CODE:
            return self.texts.meaning(self.full(name)) or "-"
        if kind == LEVEL:
            found = self.outline(self.full(name))
            return "-" if found is None else found.level or self.texts.meaning(self.full(name))
        if kind in (BODY, SIGNATURE, SIGNATURES):
            path, _, function = name.partition("::")
            found = self.outline(self.full(path))
            return "-" if found is None else of_outline(kind, found, function)
        if kind == FIND:
            folder, _, stem = name.rpartition("\0")
            return self._find([self.full(folder)] if folder else self._search_path, stem)
        if kind == TOUCHED:
            return self._touched(name)
        if kind == EFFECT:
            return None if self._effects is None else _digest(self._effects.effect(self.full(name)))
        if kind == MENTIONS:
            path, package, target = name.split("\0")
            return "yes" if mentions(self.outline(self.full(path)), package, target) else "-"
        if kind == owners.ENV:
            return self._variable(name)
        if kind == CONFIG:
            return self._config.get(name, "")
        if kind == CIRCUMSTANCES:
            return _digest(sorted(self._circumstances()))
        if kind == TREE:
            return self._tree()
        if kind in owners.STATES:
            return self.as_value(kind, owners.STATES[kind](self.full(name)))
        return None

    def _touched(self, name: str) -> str | None:
        if self._effects is None:
            return None
        found = "\n".join(sorted(self._effects.wide)) if name == EVERYWHERE else self._effects.touched(self.full(name))
        return _digest(found) if found else ""

    def as_value(self, kind: str, state: Any) -> str:
        """A state that was recorded (``owners.STATES``), as a claim's value; not for files."""
        if kind == owners.LINK:
            return self.short(state)
        text = str(state)
        return _digest(text) if len(text) > 40 else text

    def content(self, path: str) -> str | None:
        """A hash of what is in a file, ``-`` if there is none. Of very big files only size and time are looked at."""
        return self.texts.content(path)

    def content_when(self, path: str, then: tuple[Any, ...] | None) -> str | None:
        """What was in a file when it was read (``owners.reading``); None if it has been written to since, and nobody knows."""
        if then is None:
            return "-"
        *numbers, digest = then
        if digest:
            return str(digest)
        now = stamp(path)
        return self.content(path) if now is not None and list(now) == numbers else None

    def changed_lately(self, path: str) -> bool:
        """Whether the file at *path* may be another one than that which was loaded."""
        now = stamp(path)
        return bool(self._began_ns) and (now is None or now.ctime_ns > self._began_ns - _CLOCK_SLACK_NS)

    def close(self, folders: Iterable[str], above: Iterable[str], *, tree: bool) -> None:
        """When tests have ended, and before anybody knows how: from now on nothing else is looked at that they may have seen otherwise.

        :param folders: in which modules were looked for.
        :param above: in which a conftest would have counted.
        :param tree: whether somebody may have seen all files.
        """
        for folder in {*folders, *self._search_path}:
            self._importable(folder)
        for folder in above:
            for name in CONFTEST_NAMES:
                self.value(owners.KIND, self.short(os.path.join(folder, name)))
        if tree:
            self.value(TREE, "")
        self._closed_ns = time.time_ns()

    def _is_too_late(self, path: str) -> bool:
        """Whether *path* may have changed since."""
        now = stamp(path) if self._closed_ns else None
        return now is not None and now.ctime_ns > self._closed_ns - _CLOCK_SLACK_NS

    def outline(self, path: str) -> Outline | None:
        """The outline of a Python file; None if it cannot be read."""
        return self.texts.outline(path)

    def _circumstances(self) -> Iterator[tuple[bytes, bytes]]:
        """Variables that nobody is seen to read. Who looks for the user's home in Python is."""
        root = os.fsencode(self.root)
        for name, value in self._environment.items():
            if name.startswith(ALWAYS) and name not in NEVER and name != b"HOME":
                yield name, value.replace(root, b"{root}")

    def _variable(self, name: str) -> str:
        if name == "*":
            return _digest(sorted((n, v) for n, v in self._environment.items() if n not in NEVER and not n.startswith(b"DX_PY_")))
        value = self._environment.get(os.fsencode(name))
        return "-" if value is None else _digest(value)

    def _find(self, folders: Iterable[str], stem: str) -> str | None:
        found = []
        for folder in folders:
            if self._closed_ns and folder not in self._names:
                return None
            known = self._importable(folder)
            names = sorted(name for names in known.values() for name in names) if stem == ALL else known.get(stem)
            if names:
                found.append(f"{self.short(folder)}:{','.join(names)}")
        return ";".join(found)

    def _importable(self, folder: str) -> dict[str, list[str]]:
        """What importlib could load from a folder, by the name that it would have."""
        known = self._names.get(folder)
        if known is None:
            known = self._names[folder] = {}
            try:
                with os.scandir(folder) as entries:
                    for entry in sorted(entries, key=lambda entry: entry.name):
                        stem, dot, ending = entry.name.partition(".")
                        if dot and ending.endswith(("py", "so", "pyc", "pyd")):
                            known.setdefault(stem, []).append(entry.name)
                        elif not dot and stem != "__pycache__" and entry.is_dir():
                            packages = [name for name in ("__init__.py",) if os.path.exists(os.path.join(entry.path, name))]
                            known.setdefault(stem, []).append("/".join([stem, *packages]))
            except OSError:
                pass
        return known

    def _tree(self) -> str | None:
        found = []
        for folder, folders, files in os.walk(self.root):
            if folder != self.root and "pyvenv.cfg" in files:
                folders.clear()
                continue
            folders[:] = sorted(name for name in folders if name not in _PASSED_OVER and not name.endswith(".egg-info"))
            for name in sorted(files):
                if not name.endswith(".pyc") and not name.startswith(".coverage"):
                    path = os.path.join(folder, name)
                    if name.endswith(".py") and self.changed_lately(path):
                        return None
                    found.append((self.short(path), self.content(path)))
        return _digest(found)


def of_outline(kind: str, outline: Outline, function: str) -> str:
    """The value of a claim about a function, or about all of a file."""
    if kind == SIGNATURES:
        return outline.signatures()
    return outline.body(function) if kind == BODY else outline.signature(function)


def _digest(value: Any) -> str:
    return hash_bytes(repr(value).encode("utf-8", "surrogatepass")).hex()[:32]
