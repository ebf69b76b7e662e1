"""Whether recorded inputs still hold. Reads the file system, changes nothing."""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from dx_py_test_runner._native import Paths
from dx_py_test_runner.inputs.stamp import Stamp, content_hash, link_target, stamp, what_is


class Unfit(Exception):
    """A level cannot serve this request, but may serve others; the message says why."""


class Stale(Exception):
    """An input of a level has changed: nothing may start from it while that is so; the message names the input."""


ALL_NAMES = b"*"
"""Stands among the environment names read when the whole environment was looked at."""

ALWAYS = (b"HOME", b"LANG", b"TZ", b"LD_", b"MALLOC_", b"GLIBC_", b"PYTHON", b"LC_", b"OMP_", b"OPENBLAS_", b"MKL_", b"NPY_", b"BLIS_", b"KMP_", b"CUDA", b"SSL_", b"OPENSSL_")
"""Prefixes of variables that C libraries read where we cannot see it."""

NEVER = frozenset(
    {
        b"_", b"SHLVL", b"OLDPWD", b"PWD", b"COLUMNS", b"LINES", b"TERM_SESSION_ID", b"WINDOWID", b"TMUX_PANE",
        b"SSH_CLIENT", b"SSH_CONNECTION", b"SSH_TTY", b"GPG_TTY", b"PYTEST_CURRENT_TEST", b"PYTEST_VERSION",
        b"DX_PY_RUNTIME_DIR", b"DX_PY_DAEMON_IDLE",
    }
)  # fmt: skip
"""Variables that differ from one terminal to the next and decide nothing when code copies the whole environment."""

_IMPORTABLE = (".py", ".so", ".pyc", ".pth", ".pyd")

HASH_LIMIT = 4 << 20

_SETTLED_NS = 100_000_000
"""A folder that changed more recently than this may change again under the same stamp."""


_CLOCK_SLACK_NS = 10_000_000
"""What the clock of the file system may be behind."""


def importable_names(folder: str) -> frozenset[str] | None:
    """The names in *folder* that an import could find, or None if there is no such folder."""
    try:
        with os.scandir(folder) as entries:
            return frozenset(
                entry.name
                for entry in entries
                if entry.name.endswith(_IMPORTABLE) or ("." not in entry.name and entry.name != "__pycache__")
            )
    except OSError:
        return None


def metadata_names(folder: str) -> frozenset[str] | None:
    """The names in *folder* that tell of installed distributions, or None if there is no such folder."""
    try:
        return frozenset(name for name in os.listdir(folder) if name.lower().endswith((".dist-info", ".egg-info", ".egg")))
    except OSError:
        return None


def visible_names(folder: str, *, hidden: bool = False) -> frozenset[str] | None:
    """The names in *folder* without bytecode and, unless *hidden*, without those that start with a dot."""
    try:
        with os.scandir(folder) as entries:
            return frozenset(
                entry.name + ("/" if entry.is_dir() else "")
                for entry in entries
                if entry.name != "__pycache__" and (hidden or not entry.name.startswith("."))
            )
    except OSError:
        return None


_READERS = {
    "import": importable_names,
    "metadata": metadata_names,
    "visible": visible_names,
    "all": lambda folder: visible_names(folder, hidden=True),
}


class AtOnce:
    """Asks in one call about thousands of paths. Says only whether all are as they were; which is not, and whether that
    matters, is for :class:`Inputs` to find out.

    :param files: stamps that were taken, by path.
    :param exists: what was at each path, in the words of ``stamp.what_is``.
    :param folders: stamps of folders whose listings were compared, by kind and folder.
    """

    def __init__(
        self, files: dict[str, Stamp | None], exists: dict[str, str], folders: dict[tuple[str, str], Stamp]
    ) -> None:
        self._files, self._stamps = _paths(files), b"".join(map(_packed, files.values()))
        self._exists, self._kinds = _paths(exists), b"".join(map(_KINDS.__getitem__, exists.values()))
        self._folders = _paths(folder for _kind, folder in folders)
        self._folder_stamps = b"".join(map(_packed, folders.values()))

    def files_hold(self) -> bool:
        return self._files is not None and self._files.stamps() == self._stamps

    def kinds_hold(self) -> bool:
        return self._exists is not None and self._exists.kinds() == self._kinds

    def folders_hold(self) -> bool:
        return self._folders is not None and self._folders.stamps() == self._folder_stamps


_KINDS = {"": b"-", "file": b"f", "folder": b"d"}


def _paths(names: Iterable[str]) -> Paths | None:
    try:
        return Paths([os.fsencode(name) for name in names])
    except ValueError:
        return None  # one that no file can have


def _packed(one: Stamp | None) -> bytes:
    return b"\xff" * 32 if one is None else struct.pack("=4Q", *(number & (1 << 64) - 1 for number in one))


@dataclass
class Inputs:
    """What a level read while it was loaded."""

    files: dict[str, Stamp | None]
    exists: dict[str, str]
    listings: dict[tuple[str, str], frozenset[str] | None]
    environment: dict[bytes, bytes | None]
    initial_environment: dict[bytes, bytes]
    links: dict[str, str | None] = field(default_factory=dict)
    exact: frozenset[str] = frozenset()
    _hashes: dict[str, bytes | None] = field(default_factory=dict)
    _folders: dict[tuple[str, str], Stamp] = field(default_factory=dict)
    _at_once: AtOnce | None = None

    def counts(self) -> dict[str, int]:
        """Sizes, for people."""
        return {
            "files": len(self.files),
            "paths": len(self.exists),
            "listings": len(self.listings),
            "environment": len(self.environment),
        }

    def check(self, env: dict[bytes, bytes]) -> None:
        """Raise unless everything is as it was.

        :param env: the client's environment.
        :raises Unfit: the client's environment differs in a variable that was read; another client may fit.
        :raises Stale: something on disk has changed.
        """
        self._check_environment(env)
        now = self._at_once = self._at_once or AtOnce(self.files, self.exists, self._folders)
        if not now.files_hold():
            self._check_files()
        if not now.kinds_hold():
            self._check_kinds()
        for path, target in self.links.items():
            if link_target(path) != target:
                raise Stale(f"{path} leads elsewhere")
        settled = self._folders if now.folders_hold() else {}
        for (kind, folder), names in self.listings.items():
            if (kind, folder) not in settled and not self._same_names(kind, folder, names):
                raise Stale(f"the files in {folder} have changed")

    def _check_files(self) -> None:
        for path, was in self.files.items():
            now = stamp(path)
            if now != was and not self._same_content(path, was, now):
                raise Stale(f"{path} has changed")

    def _check_kinds(self) -> None:
        for path, there in self.exists.items():
            now_there = what_is(path)
            if now_there != there:
                raise Stale(f"{path} was {there or 'missing'} and is {now_there or 'missing'}")

    def _same_names(self, kind: str, folder: str, names: frozenset[str] | None) -> bool:
        """Compare a listing, skipping folders whose own stamp has not moved since the last comparison."""
        now = stamp(folder)
        if now is not None and self._folders.get((kind, folder)) == now:
            return True
        if _READERS[kind](folder) != names:
            return False
        if now is not None and now.ctime_ns < time.time_ns() - _SETTLED_NS:
            self._folders[kind, folder] = now
            self._at_once = None
        return True

    def _check_environment(self, env: dict[bytes, bytes]) -> None:
        initial = self.initial_environment
        everything = ALL_NAMES in self.environment
        for name in env.keys() | initial.keys():
            if env.get(name) == initial.get(name):
                continue
            read = name in self.environment or name.startswith(ALWAYS) or (everything and name not in NEVER)
            if read:
                raise Unfit(f"environment variable {os.fsdecode(name)} differs")

    def remember_contents(self) -> None:
        """Hash the recorded files that are unchanged since they were read, so that a mere touch is recognised later."""
        for path, was in self.files.items():
            if "/site-packages/" not in path and was is not None and was.size <= HASH_LIMIT and path not in self._hashes and stamp(path) == was:
                digest = content_hash(path)
                if stamp(path) == was:
                    self._hashes[path] = digest

    def _same_content(self, path: str, was: Stamp | None, now: Stamp | None) -> bool:
        digest = self._hashes.get(path)
        if digest is None or path in self.exact or was is None or now is None or was.size != now.size:
            return False
        if content_hash(path) != digest or stamp(path) != now:
            return False
        if now.ctime_ns < time.time_ns() - _CLOCK_SLACK_NS:
            # Else it may be written to again under this stamp; it is compared by its content once more.
            self.files[path] = now
            self._at_once = None
        return True
