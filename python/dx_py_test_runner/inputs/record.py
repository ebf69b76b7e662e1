"""Recording what a process reads while it loads: files, listings, missing paths, environment, foreign option reads.

One audit hook sees every ``open`` and directory listing of Python code; ``os.stat`` and its kin, which have no audit
event, are wrapped while recording; the environment is read through a dictionary that notes the names. The same hook
notes effects (writes, processes, connections), after which a level cannot be forked from safely.
"""

from __future__ import annotations

import os
import sys
import sysconfig
import time
from dataclasses import dataclass, field
from typing import Any

from dx_py_test_runner.inputs.compare import ALL_NAMES, Inputs, importable_names, metadata_names, visible_names
from dx_py_test_runner.inputs.stamp import Stamp, is_folder, stamp

_STDLIB = tuple(
    sorted({os.path.realpath(sysconfig.get_paths()[name]) + os.sep for name in ("stdlib", "platstdlib")})
)
_PACKAGES = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")
_OURS = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

_CLOCK_SLACK_NS = 10_000_000
"""A file changed this shortly before loading began may have been changed again without a new stamp."""

_EFFECTS = frozenset(
    {
        "subprocess.Popen",
        "os.system",
        "os.exec",
        "os.posix_spawn",
        "os.spawn",
        "os.fork",
        "os.forkpty",
        "pty.spawn",
        "socket.connect",
        "socket.bind",
        "socket.sendto",
        "os.mkdir",
        "os.remove",
        "os.rename",
        "os.rmdir",
        "os.link",
        "os.symlink",
        "os.truncate",
        "os.chmod",
        "os.chown",
        "os.utime",
        "os.kill",
        "sqlite3.connect",
        "signal.pthread_kill",
    }
)

_STARTS = frozenset({"_thread.start_new_thread", "socket.__new__"})
"""Not effects by themselves (the thread may have ended, the socket may be closed): kept to name who is to blame."""

_HARMLESS_CALLERS = ("platform", "ctypes.util", "uuid", "_sysconfigdata")
"""Standard modules that ask the system about itself through a subprocess."""


@dataclass(frozen=True, slots=True)
class Effect:
    """Something outside the process that loading changed: *what* it did, and the *culprit* ``file:line``."""

    what: str
    culprit: str


@dataclass
class _Seen:
    files: dict[str, Stamp | None] = field(default_factory=dict)
    exists: dict[str, bool] = field(default_factory=dict)
    listings: dict[tuple[str, str], frozenset[str] | None] = field(default_factory=dict)
    environment: dict[bytes, bytes | None] = field(default_factory=dict)


class Recorder:
    """Records from its creation until :meth:`stop`. Only one exists per process."""

    def __init__(self, *, enabled: bool, environment: dict[bytes, bytes]) -> None:
        self._seen = _Seen()
        self.effects: list[Effect] = []
        self.starts: list[Effect] = []
        self.born_ns = time.time_ns()
        self._on = False
        self._busy = False
        self._options: set[str] = set()
        self._ignored_folders: tuple[str, ...] = ()
        self._originals: dict[str, Any] = {}
        self._initial_environment = environment
        self.quiet = False
        self._plain_environment: Any = None
        self._watched_options: Any = None
        self._plain_options: type = object
        if enabled:
            sys.addaudithook(self._audit)
            self._start()

    # ---- switching on and off

    def _start(self) -> None:
        self._on = True
        self._wrap_stat()
        self._watch_environment()

    def stop(self) -> None:
        """Stop recording and take our wrappers away."""
        if not self._on:
            return
        self._on = False
        self.quiet = True
        if self._watched_options is not None:
            self._watched_options.__class__ = self._plain_options
            self._watched_options = None
        for name, original in self._originals.items():
            if getattr(os, name) is not original:
                setattr(os, name, original)
        if self._plain_environment is not None:
            data = os.environ._data
            self._plain_environment.clear()
            self._plain_environment.update(data)
            os.environ._data = self._plain_environment
            if hasattr(os, "environb"):
                os.environb._data = self._plain_environment
            self._plain_environment = None

    def resume(self, environment: dict[bytes, bytes]) -> None:
        """In a child that continues from a checkpoint for another client: keep what was recorded and go on."""
        self.born_ns = time.time_ns()
        self._initial_environment = environment
        self.quiet = False
        self._start()

    def know(self, config: Any) -> None:
        """From here on pytest's cache folder, which every run writes, is no input, and option reads are noted."""
        cache = getattr(config, "cache", None)
        folder = str(getattr(cache, "_cachedir", "") or "")
        if folder:
            self._ignored_folders = (folder + os.sep,)
            for path in [path for path in self._seen.files if path.startswith(folder)]:
                del self._seen.files[path]
            for path in [path for path in self._seen.exists if path.startswith(folder)]:
                del self._seen.exists[path]
        if self._on:
            self._watch_options(config)

    # ---- the environment

    def _watch_environment(self) -> None:
        recorder, seen, initial = self, self._seen.environment, self._initial_environment

        def note(name: bytes) -> None:
            if not recorder.quiet:
                seen.setdefault(name, initial.get(name))

        class Watched(dict):
            """``os.environ``'s own dictionary, noting which names are looked up."""

            def __getitem__(self, name: bytes) -> bytes:
                note(name)
                return dict.__getitem__(self, name)

            def __contains__(self, name: object) -> bool:
                if isinstance(name, bytes):
                    note(name)
                return dict.__contains__(self, name)

            def get(self, name: bytes, default: Any = None) -> Any:
                note(name)
                return dict.get(self, name, default)

            def __iter__(self) -> Any:
                note(ALL_NAMES)
                return dict.__iter__(self)

            def keys(self) -> Any:
                note(ALL_NAMES)
                return dict.keys(self)

            def items(self) -> Any:
                note(ALL_NAMES)
                return dict.items(self)

        self._plain_environment = os.environ._data
        watched = Watched(self._plain_environment)
        os.environ._data = watched
        os.environb._data = watched

    # ---- options

    def _watch_options(self, config: Any) -> None:
        """Note options that anyone but pytest itself reads while collecting."""
        found = self._options
        plain = type(config.option)
        if plain.__name__ == "WatchedOptions":
            return

        class WatchedOptions(plain):  # type: ignore[valid-type, misc]
            def __getattribute__(self, name: str) -> Any:
                value = object.__getattribute__(self, name)
                if recorder._on and not name.startswith("_") and _reader_is_foreign():
                    found.add(name)
                return value

        recorder = self
        config.option.__class__ = WatchedOptions
        self._watched_options, self._plain_options = config.option, plain

    def foreign_options(self) -> frozenset[str]:
        """Options read so far by code that is not pytest's."""
        return frozenset(self._options)

    # ---- files

    def _wrap_stat(self) -> None:
        for name in ("stat", "lstat", "access"):
            original = getattr(os, name)
            self._originals[name] = original
            wrapper = self._stat_wrapper(original)
            setattr(os, name, wrapper)
            for supported in (os.supports_follow_symlinks, os.supports_fd, os.supports_dir_fd, os.supports_effective_ids):
                if original in supported:
                    supported.add(wrapper)

    def _stat_wrapper(self, original: Any) -> Any:
        import functools

        @functools.wraps(original)
        def asked(path: Any, *args: Any, **kwargs: Any) -> Any:
            if self._on and not self._busy and not self.quiet and type(path) is not int:
                self._note_question(path)
            return original(path, *args, **kwargs)

        return asked

    def _note_question(self, path: Any) -> None:
        """Somebody asked whether *path* exists or what it is like."""
        try:
            name = os.path.abspath(os.fsdecode(path))
        except (TypeError, ValueError):
            return
        if name in self._seen.files or name in self._seen.exists or self._ignored(name):
            return
        now = stamp(name)
        if now is None or is_folder(name) or _caller_is_pytest():
            self._seen.exists[name] = now is not None
        else:
            self._seen.files[name] = now

    def _ignored(self, path: str) -> bool:
        return path.startswith(("/proc/", "/dev/", "/sys/")) or bool(
            self._ignored_folders and path.startswith(self._ignored_folders)
        )

    def _audit(self, event: str, args: tuple[Any, ...]) -> None:
        if not self._on or self._busy or self.quiet:
            return
        if event == "open":
            self._busy = True
            try:
                self._note_open(*args)
            finally:
                self._busy = False
        elif event == "import" and args[1]:
            # Only an extension module comes with a file name: the dynamic loader opens it, not Python.
            self._note_file(os.path.abspath(args[1]))
        elif event in ("os.listdir", "os.scandir"):
            self._busy = True
            try:
                self._note_listing(args[0])
            finally:
                self._busy = False
        elif event in _EFFECTS or event in _STARTS:
            self._busy = True
            try:
                self._note_effect(event, args)
            finally:
                self._busy = False

    def _note_open(self, path: Any, mode: Any, flags: Any) -> None:
        if isinstance(path, int) or path is None:
            return
        name = os.path.abspath(os.fsdecode(path))
        if self._ignored(name):
            return
        if isinstance(flags, int) and flags & _WRITING:
            self._note_effect("open for writing", (name,))
            return
        if name.endswith(".pyc"):
            name = _source_of(name) or name
        self._note_file(name)

    def _note_file(self, name: str) -> None:
        if name not in self._seen.files:
            self._seen.files[name] = stamp(name)

    def _note_listing(self, path: Any) -> None:
        if isinstance(path, int):
            return
        name = os.path.abspath(os.fsdecode(path if path is not None else "."))
        if self._ignored(name):
            return
        frame = sys._getframe(2)
        if frame.f_code.co_filename == "<frozen importlib._bootstrap_external>":
            key, names = ("import", name), importable_names(name)
        elif frame.f_code.co_filename.endswith("/importlib/metadata/__init__.py"):
            key, names = ("metadata", name), metadata_names(name)
        elif _caller_is_pytest():
            key, names = ("visible", name), visible_names(name)
        else:
            key, names = ("all", name), visible_names(name, hidden=True)
        self._seen.listings.setdefault(key, names)

    def _note_effect(self, event: str, args: tuple[Any, ...]) -> None:
        target = next((a for a in args if isinstance(a, (str, bytes, os.PathLike))), "")
        text = os.fsdecode(target) if target else ""
        if "__pycache__" in text or text.endswith(".pyc") or (text and self._ignored(os.path.abspath(text))):
            return
        if text == ":memory:":
            return
        culprit = _culprit()
        if culprit is not None:
            found = self.starts if event in _STARTS else self.effects
            found.append(Effect(f"{event} {text}".strip(), culprit))

    # ---- the outcome

    def doubt(self) -> str:
        """Why what was recorded cannot be trusted, or ''."""
        for path, seen in self._seen.files.items():
            if seen is not None and max(seen.ctime_ns, seen.mtime_ns) > self.born_ns - _CLOCK_SLACK_NS:
                return f"{path} changed while it was being loaded"
        return ""

    def snapshot(self) -> Inputs:
        """The inputs read so far, with files of imported modules and ``sys.path`` added."""
        self._busy = True
        try:
            seen = self._seen
            for entry in sys.path:
                if entry:
                    seen.exists.setdefault(os.path.abspath(entry), os.path.exists(entry))
            return Inputs(
                files=dict(seen.files),
                exists=dict(seen.exists),
                listings=dict(seen.listings),
                environment=dict(seen.environment),
                initial_environment=dict(self._initial_environment),
            )
        finally:
            self._busy = False


def _source_of(pyc: str) -> str | None:
    """The source of a bytecode file, pytest's rewritten ones included."""
    folder, name = os.path.split(pyc)
    parent, cache = os.path.split(folder)
    if cache != "__pycache__":
        return None
    return os.path.join(parent, name.partition(".")[0] + ".py")


def _is_stdlib(filename: str) -> bool:
    if filename.startswith("<frozen"):
        return True
    return filename.startswith(_STDLIB) and not any(part in filename for part in _PACKAGES)


def _caller_is_pytest() -> bool:
    """Whether the first frame outside the standard library and this package is pytest's."""
    frame = sys._getframe(1)
    while frame is not None:
        filename = frame.f_code.co_filename
        if not _is_stdlib(filename) and not filename.startswith(_OURS):
            return "/_pytest/" in filename
        frame = frame.f_back
    return False


def _reader_is_foreign() -> bool:
    """Whether the frame that reads an option (through ``config.getoption`` or not) is neither pytest's nor ours."""
    frame = sys._getframe(2)
    while frame is not None:
        filename = frame.f_code.co_filename
        if filename.startswith(_OURS):
            return False
        if filename.endswith("/_pytest/config/__init__.py"):
            frame = frame.f_back
            continue
        return "/_pytest/" not in filename and "/pluggy/" not in filename and not _is_stdlib(filename)
    return False


def _culprit() -> str | None:
    """``file:line`` of the code outside the standard library that caused an effect; None if it is harmless."""
    frame = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename == __file__:
        frame = frame.f_back
    while frame is not None:
        filename = frame.f_code.co_filename
        if frame.f_globals.get("__name__") in _HARMLESS_CALLERS or filename.startswith(_OURS):
            return None
        if not _is_stdlib(filename):
            if "/_pytest/" in filename or "/pluggy/" in filename:
                return None
            return f"{filename}:{frame.f_lineno}"
        frame = frame.f_back
    return None
