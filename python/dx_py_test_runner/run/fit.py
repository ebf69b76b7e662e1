"""Whether a level fits a request: same configuration, same files, same place. Decided by the level itself.

Options are parsed again, by the level's own parser, from the request's arguments; the two outcomes are compared.
"""

from __future__ import annotations

import argparse
import copy
import os
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dx_py_test_runner.run import options
from dx_py_test_runner.tower.job import Job
from dx_py_test_runner.inputs.compare import Unfit
from dx_py_test_runner.inputs.record import COMMAND_LINE


@dataclass(frozen=True)
class Profile:
    """What a level was made for."""

    cwd: str
    args: tuple[str, ...]
    parsed: dict[str, Any]
    anchors: frozenset[tuple[str, str]]
    terminal: tuple[bool, ...]
    closed: tuple[int, ...]
    foreign_reads: frozenset[str]
    command_line: tuple[str, ...]
    collected_cleanly: bool = True

    @classmethod
    def of(cls, config: Any, job: Job, recorder: Any) -> Profile:
        """The profile of a session that is configured with *job*'s arguments."""
        parsed = parse_again(config, job.args, job.env)
        positional = tuple(parsed["file_or_dir"])
        return cls(
            cwd=job.cwd,
            args=positional,
            parsed=parsed,
            anchors=anchors(positional, job.cwd),
            terminal=job.terminal,
            closed=tuple(job.closed),
            foreign_reads=recorder.foreign_options(),
            command_line=tuple(job.args),
        )

    def with_items(self, session: Any) -> Profile:
        """The same, knowing how collection went."""
        return replace(self, collected_cleanly=not session.testsfailed)

    def refusal(self, name: str, session: Any) -> str:
        """Why no level may be kept here, or ''."""
        option = session.config.option
        if self.closed:
            return "closed standard descriptors"
        if option.engine == "pytest":
            return "--engine=pytest"
        if getattr(option, "cacheclear", False):
            return "--cache-clear is for this run alone"
        if name == "collected" and (getattr(option, "lf", False) or getattr(option, "failedfirst", False)):
            return "--lf and --ff decide what is collected, and in which order"
        if session.shouldstop or session.shouldfail:
            return "collection was stopped"
        return ""

    def check(self, name: str, job: Job, session: Any) -> None:
        """Raise :class:`Unfit` unless this level (*name*) may serve *job*."""
        if job.cwd != self.cwd:
            raise Unfit("another working directory")
        if job.closed:
            raise Unfit("closed standard descriptors")
        if job.terminal != self.terminal:
            raise Unfit("another kind of output")
        if job.carry.get("crashed_files"):
            raise Unfit("files that end the process must be left out from the start")
        parsed = parse_again(session.config, job.args, job.env)
        late = options.LATE if name == "collected" else options.LATE_BEFORE_COLLECTION
        for key in parsed.keys() | self.parsed.keys():
            if parsed.get(key) != self.parsed.get(key) and (key not in late or key in self.foreign_reads):
                raise Unfit(f"option {key} differs")
        if COMMAND_LINE in self.foreign_reads and tuple(job.args) != self.command_line:
            raise Unfit("other arguments, which the project looks at")
        positional = tuple(parsed["file_or_dir"])
        if anchors(positional, job.cwd) != self.anchors:
            raise Unfit("arguments in other folders")
        if name == "collected":
            self._check_items(positional, parsed, session)

    def _check_items(self, positional: tuple[str, ...], parsed: dict[str, Any], session: Any) -> None:
        if parsed.get("lf") or parsed.get("failedfirst") or parsed.get("stepwise") or parsed.get("pyargs"):
            raise Unfit("an option that takes part in collection")
        if not self.collected_cleanly and parsed["maxfail"] != self.parsed["maxfail"]:
            raise Unfit("collection had errors, and may stop at another one")
        if positional == self.args:
            return
        if not self.collected_cleanly:
            raise Unfit("collection had errors")
        select(positional, self.args, session)


def parse_again(config: Any, args: list[str], env: dict[bytes, bytes]) -> dict[str, Any]:
    """What pytest's parser makes of *args*, with ``PYTEST_ADDOPTS`` and ``addopts`` in front as pytest puts them.

    :raises Unfit: they cannot be parsed; the error is for a run from the base to print.
    """
    addopts = os.fsdecode(env.get(b"PYTEST_ADDOPTS", b""))
    key = (addopts, *args)
    if key == _last.get("key"):
        return _last["parsed"]
    try:
        full = [*config.getini("addopts"), *shlex.split(addopts), *args]
        silent = open(os.devnull, "w", encoding="utf-8")
        stderr, sys.stderr = sys.stderr, silent
        try:
            namespace = config._parser.parse(copy.copy(full), namespace=argparse.Namespace())
        finally:
            sys.stderr = stderr
            silent.close()
    except BaseException as error:
        raise Unfit(f"arguments that pytest refuses: {type(error).__name__}") from None
    _last.update(key=key, parsed=dict(vars(namespace)))
    return _last["parsed"]


_last: dict[str, Any] = {}
"""The latest parse: a forked child asks again what the level has just found out for it."""


def path_of(argument: str) -> str:
    """The file or folder in a positional argument."""
    return argument.partition("[")[0].partition("::")[0]


_INI_FILES = ("pytest.toml", ".pytest.toml", "pytest.ini", ".pytest.ini", "pyproject.toml", "tox.ini", "setup.cfg")


def anchors(positional: tuple[str, ...], cwd: str) -> frozenset[tuple[str, str]]:
    """What pytest finds from the paths named: the initial conftests, and the folder whose ini file may count.

    Two command lines with equal anchors configure pytest alike. A folder's ``test*`` folders belong to it, as in pytest.
    """
    found: set[tuple[str, str]] = set()
    folders: list[str] = []
    for argument in positional or (".",):
        path = os.path.normpath(os.path.join(cwd, path_of(argument)))
        if not os.path.exists(path):
            found.add(("nothing", argument))
            continue
        folder = path if os.path.isdir(path) else os.path.dirname(path)
        folders.append(folder)
        found.update(("conftest", name) for name in _conftests_above(folder))
        if folder == path:
            found.update(("conftest", name) for name in _conftests_below(folder))
    if folders:
        found.add(("ini", _ini_folder(os.path.commonpath(folders))))
    return frozenset(found)


def _parents(folder: str) -> Iterator[str]:
    while True:
        yield folder
        parent = os.path.dirname(folder)
        if parent == folder:
            return
        folder = parent


def _conftests_above(folder: str) -> Iterator[str]:
    for parent in _parents(folder):
        name = os.path.join(parent, "conftest.py")
        if os.path.exists(name):
            yield name


def _conftests_below(folder: str) -> Iterator[str]:
    try:
        names = [name for name in os.listdir(folder) if name.startswith("test")]
    except OSError:
        return
    for name in names:
        path = os.path.join(folder, name, "conftest.py")
        if os.path.exists(path):
            yield path


def _ini_folder(ancestor: str) -> str:
    """The first folder from *ancestor* upwards with any file that may configure pytest (or end its search)."""
    for parent in _parents(ancestor):
        if any(os.path.exists(os.path.join(parent, name)) for name in (*_INI_FILES, "setup.py")):
            return parent
    return ancestor


def select(positional: tuple[str, ...], collected: tuple[str, ...], session: Any) -> list[Any]:
    """The items that *positional* names among those collected for whole files, in the order pytest would give.

    :raises Unfit: the arguments cannot be answered from these items, or pytest has something to say about them.
    """
    if any("::" in argument for argument in collected):
        raise Unfit("other tests of these files were collected")
    paths = list(dict.fromkeys(path_of(argument) for argument in positional))
    if paths != list(collected):
        raise Unfit("other files were collected")
    chosen: dict[Any, None] = {}
    for argument in positional:
        matches = [item for item in session.items if _matches(item, argument, session.startpath)]
        if not matches:
            raise Unfit(f"nothing matches {argument}")
        for item in matches:
            if item in chosen:
                raise Unfit("arguments that overlap")
            chosen[item] = None
    return list(chosen)


def _matches(item: Any, argument: str, startpath: Path) -> bool:
    base, bracket, rest = argument.partition("[")
    path, *names = base.split("::")
    target = Path(os.path.normpath(startpath / path))
    below = [node.name for node in item.listchain() if node.path == target]
    if not below:
        return target in item.path.parents
    below = below[1:]
    if not names:
        return True
    if len(below) < len(names) or below[: len(names) - 1] != names[:-1]:
        return False
    last = below[len(names) - 1]
    return last == names[-1] + bracket + rest if bracket else last.partition("[")[0] == names[-1]
