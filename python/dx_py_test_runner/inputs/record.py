"""Recording what a process reads while it loads: files, listings, missing paths, environment, foreign option reads.

One audit hook sees every ``open`` and directory listing of Python code; ``os.stat`` and its kin, which have no audit
event, are wrapped while recording; the environment is read through a dictionary that notes the names. The same hook
notes effects (writes, processes, connections), after which a level cannot be forked from safely.
"""

from __future__ import annotations

import _thread
import contextlib
import functools
import os
import sys
from sys import _getframe  # bound at once: a test may take it away
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from types import CodeType
from typing import Any

from dx_py_test_runner._native import code_of, listen
from dx_py_test_runner.inputs import owners, startup
from dx_py_test_runner.inputs.callers import (
    OURS,
    PACKAGES,
    asks_for_existence,
    caller_is_pytest,
    culprit,
    foreign_reader,
    is_configuring,
    is_harmless,
    is_installed,
    is_stdlib,
    loads_code,
    reader_is_ours,
    resolves_all_modules,
)
from dx_py_test_runner.inputs.compare import Inputs, importable_names, metadata_names, visible_names
from dx_py_test_runner.inputs.events import EFFECTS, LOOKED_AT, LOOKS, MAKING, PROCESSES, READING_UNSEEN, STARTS, TEMPORARY, WANTED, Effect, command
from dx_py_test_runner.inputs.owners import Owners
from dx_py_test_runner.inputs.stamp import Stamp, is_folder, link_target, stamp, what_is
from dx_py_test_runner.inputs.watched import watched_items, watched_variables

COMMAND_LINE = "the command line"
"""Stands for all options, to whoever reads the command line himself."""

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

_CLOCK_SLACK_NS = 10_000_000
"""A file changed this shortly before loading began may have been changed again without a new stamp."""


@dataclass
class _Seen:
    files: dict[str, Stamp | None] = field(default_factory=dict)
    exists: dict[str, str] = field(default_factory=dict)
    links: dict[str, str | None] = field(default_factory=dict)
    exact: set[str] = field(default_factory=set)
    listings: dict[tuple[str, str], frozenset[str] | None] = field(default_factory=dict)
    environment: dict[bytes, bytes | None] = field(default_factory=dict)


class _Inside(_thread._local):
    """Where the recorder itself is at work: what it reads there is nobody's input. Of each thread on its own: what others read meanwhile is heard."""

    depth = 0

    def __enter__(self) -> None:
        self.depth += 1

    def __exit__(self, *_exc: object) -> None:
        self.depth -= 1


class Recorder:
    """Records from its creation until :meth:`stop`. Only one exists per process."""

    def __init__(self, *, enabled: bool, environment: dict[bytes, bytes]) -> None:
        self._seen = _Seen()
        self.owners: Owners | None = None
        """Who has read what; None if nobody asks for that."""
        self._by_level = True
        self._for_levels = enabled
        """Whether there may be a level, which will want to know its inputs; else only their owners are noted."""
        self.effects: list[Effect] = []
        self.starts: list[Effect] = []
        self.born_ns = time.time_ns()
        self._on = False
        self._paused = False
        self._inside = _Inside()
        self._options: set[str] = set()
        self._ignored_folders: tuple[str, ...] = ()
        self._originals: dict[str, Any] = {}
        self._initial_environment = environment
        self.quiet = False
        self.written: set[bytes] = set()
        self._hidden_count = False
        self._plain_environment: Any = None
        self._watched_options: list[tuple[Any, type]] = []
        self._plain_arguments: tuple[list[str], Any, Any] | None = None
        self._other_argv: list[str] | None = None
        self.texts: set[str] = set()
        """Python files of which somebody has read the text, and not only loaded the module."""
        self.temporary: list[str] = []
        """Files and folders that loading has made by :mod:`tempfile`: there was nothing, and the next time it is elsewhere."""
        self.options_of_project: set[str] = set()
        """Options that code of the project, and not only an installed plugin, has read."""
        self._listens = False
        self._spawn: Any = None
        if enabled:
            self.enable()

    # ---- switching on and off

    def enable(self) -> None:
        """Record from here on, if that is not so already."""
        if self._listens:
            return
        self._listens = True
        self._seen.files.update(startup.files())
        listen(self._audit, WANTED, LOOKED_AT)
        self._start()

    def tell_owners(self) -> None:
        """From here on, note of each read whose it is."""
        if self.owners is None:
            self.owners = Owners(is_stdlib, PACKAGES, OURS)

    def follow_hooks(self) -> None:
        """The record of loading has ended, but until tests run, hooks may read what all of them depend on."""
        if self.owners is not None:
            self._start()
            self._by_level = False
            self.quiet = False

    def follow_tests(self, page: Any) -> None:
        """Loading has ended, and its record with it: from here on only the owners of reads are noted.

        :param page: says which item is running in this process.
        """
        assert self.owners is not None
        if not self._on:
            self._start()
        self._by_level = False
        self.quiet = False
        self._watch_spawning()
        self.owners.follow(page)

    def _watch_spawning(self) -> None:
        """``multiprocessing`` starts processes without an audit event."""
        import _posixsubprocess

        spawn = self._spawn = _posixsubprocess.fork_exec

        @functools.wraps(spawn)
        def fork_exec(args: Any, *more: Any) -> Any:
            if self._hears:
                self._own(owners.PROCESS, command("", ("", args)))
            return spawn(args, *more)

        _posixsubprocess.fork_exec = fork_exec  # type: ignore[assignment]

    def _start(self) -> None:
        self._on = True
        self._wrap_stat()
        self._wrap_open()
        self._watch_environment()

    def stop(self) -> None:
        """Stop recording and take our wrappers away."""
        if not self._on:
            return
        self._on = False
        self.quiet = True
        if self.owners is not None and self.owners.follows and self.owners.executed is not None:
            self.owners.executed.stop()
        if self._spawn is not None:
            sys.modules["_posixsubprocess"].fork_exec = self._spawn  # type: ignore[attr-defined]
            self._spawn = None
        for watched, plain in self._watched_options:
            watched.__class__ = plain
        self._watched_options = []
        self._unwatch_arguments()
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

    @property
    def is_on(self) -> bool:
        """Whether it records, or would if it were not paused."""
        return self._on

    def pause(self) -> None:
        """Record nothing for now: what a waiting level looks at, to see whether it is true, is no input."""
        self._paused = True

    def go_on(self) -> None:
        self._paused = False

    @property
    def _hears(self) -> bool:
        """Whether what is asked for now may be somebody's input."""
        return self._on and not self.quiet and not self._paused and not self._inside.depth

    def resume(self, environment: dict[bytes, bytes]) -> None:
        """In a child that continues from a checkpoint for another client: keep what was recorded and go on."""
        self.born_ns = time.time_ns()
        self._initial_environment = environment
        self.quiet = False
        self._start()

    def know(self, config: Any) -> None:
        """From here on pytest's cache folder, which every run writes, is no input."""
        cache = getattr(config, "cache", None)
        folder = str(getattr(cache, "_cachedir", "") or "")
        if folder:
            self._ignored_folders = (folder + os.sep,)
            for path in [path for path in self._seen.files if path.startswith(folder)]:
                del self._seen.files[path]
            for path in [path for path in self._seen.exists if path.startswith(folder)]:
                del self._seen.exists[path]
            for path in [path for path in self._seen.links if path.startswith(folder)]:
                del self._seen.links[path]
        # pytest leaves hidden names out by default, and so do we; a project may want them.
        # Neither setting exists without the plugin that it is for.
        with contextlib.suppress(KeyError, ValueError):
            patterns = config.getini("python_files")
            self._hidden_count = ".*" not in config.getini("norecursedirs") or any(p[:1] in "*?[." for p in patterns)

    def _own(self, kind: str, name: str) -> None:
        """Note for its owner that something was read."""
        assert self.owners is not None
        with self._inside:
            self.owners.note(kind, name)

    # ---- the environment

    def _watch_environment(self) -> None:
        recorder, seen, initial = self, self._seen.environment, self._initial_environment

        def note(name: bytes) -> None:
            if not recorder.quiet:
                if recorder._by_level:
                    seen.setdefault(name, initial.get(name))
                if recorder.owners is not None:
                    text = os.fsdecode(name)
                    if not recorder.owners.has(owners.ENV, text) and not reader_is_ours():
                        recorder._own(owners.ENV, text)

        def wrote(name: bytes) -> None:
            if not recorder.quiet:
                recorder.written.add(name)

        self._plain_environment = os.environ._data
        watched = watched_variables(self._plain_environment, note, wrote)
        os.environ._data = watched
        os.environb._data = watched

    # ---- options

    def watch_options(self, config: Any) -> None:
        """Note options, and reads of the command line, by anyone but pytest itself."""
        self._watch_arguments(config)
        plain = type(config.option)
        if plain.__name__ == "WatchedOptions":
            return

        class WatchedOptions(plain):  # type: ignore[valid-type, misc]
            def __getattribute__(self, name: str) -> Any:
                value = object.__getattribute__(self, name)
                if recorder._on and not name.startswith("_") and (reader := foreign_reader()):
                    recorder._note_option(name, reader)
                return value

        recorder = self
        config.option.__class__ = WatchedOptions
        self._watched_options += [(config.option, plain), (config.known_args_namespace, plain)]
        config.known_args_namespace.__class__ = WatchedOptions

    def _note_option(self, name: str, reader: str) -> None:
        self._options.add(name)
        if not is_installed(reader):
            self.options_of_project.add(name)

    def _watch_arguments(self, config: Any) -> None:
        """Whoever looks at the command line itself may see anything in it."""

        def note() -> None:
            if self._on and not self.quiet and (reader := foreign_reader(through_stdlib=True)):
                self._note_option(COMMAND_LINE, reader)

        self._plain_arguments = (sys.argv, config, config.invocation_params)
        sys.argv = watched_items(list, sys.argv, note)
        given = config.invocation_params
        config.invocation_params = type(given)(args=(), plugins=given.plugins, dir=given.dir)
        object.__setattr__(config.invocation_params, "args", watched_items(tuple, given.args, note))

    def _unwatch_arguments(self) -> None:
        if self._plain_arguments is None:
            return
        argv, config, params = self._plain_arguments
        self._plain_arguments = None
        self._other_argv, argv[:] = sys.argv, sys.argv
        sys.argv = argv
        config.invocation_params = params

    def align_arguments(self) -> None:
        """Somebody may have kept the list that ``sys.argv`` was while it was watched."""
        if self._other_argv is not None:
            self._other_argv[:] = sys.argv

    def foreign_options(self) -> frozenset[str]:
        """Options read so far by code that is not pytest's."""
        return frozenset(self._options)

    # ---- files

    def _wrap_stat(self) -> None:
        for name in ("stat", "lstat", "access", "readlink"):
            original = getattr(os, name)
            self._originals[name] = original
            wrapper = self._stat_wrapper(original)
            setattr(os, name, wrapper)
            for supported in (os.supports_follow_symlinks, os.supports_fd, os.supports_dir_fd, os.supports_effective_ids):
                if original in supported:
                    supported.add(wrapper)

    def _stat_wrapper(self, original: Any) -> Any:
        @functools.wraps(original)
        def asked(path: Any, *args: Any, **kwargs: Any) -> Any:
            if self._hears and type(path) is not int:
                folder = kwargs.get("dir_fd")
                self._note_question(path if folder is None else _below(folder, path), original.__name__)
            return original(path, *args, **kwargs)

        return asked

    def _wrap_open(self) -> None:
        """The event of ``os.open`` does not tell of the folder that a path is relative to."""
        original = self._originals["open"] = os.open

        @functools.wraps(original)
        def opened(path: Any, flags: int, *args: Any, **kwargs: Any) -> int:
            folder = kwargs.get("dir_fd")
            if folder is not None and self._hears:
                self._audit("open", (_below(folder, path), None, flags))
            return original(path, flags, *args, **kwargs)

        os.open = opened
        if original in os.supports_dir_fd:
            os.supports_dir_fd.add(opened)

    def _note_question(self, path: Any, call: str) -> None:
        """Somebody asked whether *path* exists or what it is like."""
        try:
            name = os.path.abspath(os.fsdecode(path))
        except (TypeError, ValueError):
            return
        if self._ignored(name):
            return
        if not self._by_level and self.owners is not None and (owners.KIND, name) in self.owners.everybody and call == "stat" and asks_for_existence():
            return
        if not self._by_level and resolves_all_modules():
            return
        if not self._by_level and self.owners is not None and self.owners.has(owners.STATUS, name) and call == "stat":
            return
        foreign = not caller_is_pytest()
        if self._by_level and not self._for_levels and not foreign:
            return
        exact = foreign and not asks_for_existence()
        if self.owners is not None and (foreign or not self._by_level):
            if call in ("lstat", "readlink"):
                self._own(owners.LINK, name)
            if call != "readlink":
                self._own(owners.STATUS if exact else owners.KIND, name)
        if not (self._by_level and self._for_levels):
            return
        if call in ("lstat", "readlink"):
            self._seen.links.setdefault(name, link_target(name))
        if name in self._seen.exact or call == "readlink":
            return
        if exact:
            self._seen.exact.add(name)
        elif name in self._seen.files or name in self._seen.exists:
            return
        now = stamp(name)
        if now is None or not foreign or (is_folder(name) and not exact):
            self._seen.exists.setdefault(name, what_is(name))
        else:
            # Of a folder, too, if more was asked than whether it is one: its times are those of the last change of its names.
            self._seen.files.setdefault(name, now)

    def _ignored(self, path: str) -> bool:
        return path.startswith(("/proc/", "/dev/", "/sys/")) or bool(
            self._ignored_folders and path.startswith(self._ignored_folders)
        )

    def _audit(self, event: str, args: tuple[Any, ...]) -> None:
        if event == LOOKS:
            if self._hears and self.owners is not None and self.owners.executed is not None:
                with self._inside:
                    self.owners.look_at(args[0])
            return
        if not self._hears:
            return
        if event == "open":
            with self._inside:
                self._note_open(*args)
        elif event == "exec":
            if self.owners is not None and self.owners.executed is not None and isinstance(args[0], CodeType):
                with self._inside:
                    self.owners.executes(args[0])
        elif event == "import" and not self._by_level:
            assert self.owners is not None
            self.owners.imports()
        elif event == "import" and args[1]:
            # Only an extension module comes with a file name: the dynamic loader opens it, not Python.
            self._note_file(os.path.abspath(args[1]))
        elif event == "ctypes.dlopen" and isinstance(args[0], (str, bytes)) and os.sep in os.fsdecode(args[0]):
            name = os.path.abspath(os.fsdecode(args[0]))
            self._note_file(name)
            self._own_file(name)
        elif event in ("os.listdir", "os.scandir"):
            with self._inside:
                self._note_listing(args[0], event)
        elif event in TEMPORARY:
            if self._by_level:
                self.temporary.append(os.path.abspath(os.fsdecode(args[0])))
        elif event in EFFECTS or event in STARTS:
            with self._inside:
                if self.owners is not None:
                    self._own_effect(event, args)
                if self._by_level:
                    self._note_effect(event, args)

    def _note_open(self, path: Any, mode: Any, flags: Any) -> None:
        if isinstance(path, int) or path is None:
            return
        name = os.path.abspath(os.fsdecode(path))
        if self._ignored(name):
            return
        if isinstance(flags, int) and flags & _WRITING:
            if self._by_level:
                self._note_effect("open for writing", (name,))
            if not flags & (os.O_TRUNC | os.O_EXCL | os.O_WRONLY):
                self._own_file(name)
            if self.owners is not None:
                self.owners.note_written(name)
            return
        if self.owners is not None:
            if not loads_code(name):
                self._own_file(name)
            elif self.owners.is_of_project(source := (name.endswith(".pyc") and _source_of(name)) or name):
                self._own(owners.LOAD, source)
        if name.endswith(".py") and self._by_level and not loads_code(name):
            self.texts.add(name)
        if name.endswith(".pyc"):
            name = _source_of(name) or name
        self._note_file(name)

    def _note_file(self, name: str) -> None:
        if self._by_level and self._for_levels and name not in self._seen.files:
            self._seen.files[name] = stamp(name)

    def _own_file(self, name: str) -> None:
        if self.owners is not None and not (self._by_level and is_configuring()):
            self._own(owners.FILE, name)

    def _note_listing(self, path: Any, event: str) -> None:
        if isinstance(path, int):
            path = _below(path, "")
        name = os.path.abspath(os.fsdecode(path if path is not None else "."))
        if self._ignored(name):
            return
        lister = code_of(_getframe(2)).co_filename
        if self.owners is not None:
            self._own_listing(name, lister, event)
        if not (self._by_level and self._for_levels):
            return
        if lister == "<frozen importlib._bootstrap_external>":
            key, names = ("import", name), importable_names(name)
        elif lister.endswith("/importlib/metadata/__init__.py"):
            key, names = ("metadata", name), metadata_names(name)
        elif caller_is_pytest() and not self._hidden_count:
            key, names = ("visible", name), visible_names(name)
        else:
            key, names = ("all", name), visible_names(name, hidden=True)
            if event == "os.scandir" and not is_stdlib(lister) and not caller_is_pytest():
                self._note_entries(name, names)
        self._seen.listings.setdefault(key, names)

    def _own_listing(self, folder: str, lister: str, event: str) -> None:
        """What importing looks at is known by the names of the modules; pytest lists folders in each run anew."""
        if lister == "<frozen importlib._bootstrap_external>" or (self._by_level and caller_is_pytest()):
            return
        if lister.endswith("/importlib/metadata/__init__.py"):
            self._own(owners.DISTS, folder)
            return
        self._own(owners.LIST, folder)
        if event == "os.scandir" and not is_stdlib(lister):
            for name in visible_names(folder, hidden=True) or ():
                if not name.endswith("/"):
                    self._own(owners.STATUS, os.path.join(folder, name))

    def _own_effect(self, event: str, args: tuple[Any, ...]) -> None:
        """What is made here is no input; what another process reads, nobody sees."""
        assert self.owners is not None
        if event in MAKING:
            if args[-1] != -1:
                return  # relative to a folder that is open somewhere
            for path in args[MAKING[event]]:
                if isinstance(path, (str, bytes, os.PathLike)):
                    self.owners.note_written(os.path.abspath(os.fsdecode(path)))
        elif event in PROCESSES:
            if not is_harmless():
                self._own(owners.PROCESS, command(event, args))
        elif event == "sqlite3.connect" and isinstance(args[0], (str, bytes, os.PathLike)):
            name = os.fsdecode(args[0])
            if name and name != ":memory:":
                path = os.path.abspath(name.removeprefix("file:").partition("?")[0])
                self._own(owners.FILE, path)
                if what_is(path) == "":
                    self.owners.note_written(path)

    def _note_entries(self, folder: str, names: frozenset[str] | None) -> None:
        """Whoever lists a folder by ``os.scandir`` itself may ask the entries for their sizes and times, unseen."""
        for name in names or ():
            path = os.path.join(folder, name.rstrip("/"))
            if not name.endswith("/"):
                self._seen.files.setdefault(path, stamp(path))
                self._seen.exact.add(path)

    def _note_effect(self, event: str, args: tuple[Any, ...]) -> None:
        target = next((a for a in args if isinstance(a, (str, bytes, os.PathLike))), "")
        text = os.fsdecode(target) if target else ""
        if "__pycache__" in text or ".pyc" in os.path.basename(text) or (text and self._ignored(os.path.abspath(text))):
            return
        if text == ":memory:":
            return
        guilty = culprit()
        if guilty is not None:
            found = self.starts if event in STARTS else self.effects
            found.append(Effect(f"{event} {text}".strip(), guilty))

    # ---- the outcome

    def unseen(self) -> str:
        """What may have been read without having been seen, or ''."""
        found = (effect.what for effect in self.effects if effect.what.split(" ", 1)[0] in READING_UNSEEN)
        return next(found, "") or next((f"{path} changed while it was being loaded" for path in self._changed() if not is_below(path, self.temporary)), "")

    def doubt(self) -> str:
        """Why what was recorded cannot be trusted, or ''."""
        return next((f"{path} changed while it was being loaded" for path in self._changed()), "")

    def _changed(self) -> Iterator[str]:
        for path, seen in self._seen.files.items():
            if seen is not None and max(seen.ctime_ns, seen.mtime_ns) > self.born_ns - _CLOCK_SLACK_NS:
                yield path

    def snapshot(self) -> Inputs:
        """The inputs read so far, with files of imported modules and ``sys.path`` added."""
        with self._inside:
            seen = self._seen
            for entry in sys.path:
                if entry:
                    seen.exists.setdefault(os.path.abspath(entry), what_is(entry))
            self._note_packages_to_come()
            return Inputs(
                # Not a copy: where the level finds a file merely touched, its children take over the new stamp.
                files=seen.files,
                exists=dict(seen.exists),
                listings=dict(seen.listings),
                environment=dict(seen.environment),
                initial_environment=dict(self._initial_environment),
                links=dict(seen.links),
                exact=frozenset(seen.exact),
            )

    def _note_packages_to_come(self) -> None:
        """A folder without ``__init__.py`` that stands where an imported module was looked for would become a package
        and win, should it get one. The import system asks for that file where we cannot see it."""
        listed = {folder: names for (reader, folder), names in self._seen.listings.items() if reader == "import"}
        for name, module in list(sys.modules.items()):
            if getattr(module, "__file__", None) is None and not hasattr(module, "__path__"):
                continue
            parent, _, tail = name.rpartition(".")
            places = list(getattr(sys.modules.get(parent), "__path__", ())) if parent else sys.path
            for place in places:
                names = listed.get(os.path.abspath(place)) if isinstance(place, str) else None
                if names is not None and tail in names:
                    path = os.path.join(os.path.abspath(place), tail, "__init__.py")
                    self._seen.exists.setdefault(path, what_is(path))


def is_below(path: str, places: Iterable[str]) -> bool:
    """Whether *path* is one of *places*, or within one."""
    return any(path == place or path.startswith(place + os.sep) for place in places)


def _below(folder: int, path: Any) -> Any:
    """*path* as it is seen from an open folder."""
    try:
        return os.path.join(_readlink(f"/proc/self/fd/{folder}"), os.fsdecode(path))
    except (OSError, TypeError, ValueError):
        return path


_readlink = os.readlink


def _source_of(pyc: str) -> str | None:
    """The source of a bytecode file, pytest's rewritten ones included."""
    folder, name = os.path.split(pyc)
    prefix = sys.pycache_prefix
    if prefix and folder.startswith(os.path.join(os.path.abspath(prefix), "")):
        return os.path.join(os.sep, folder[len(os.path.abspath(prefix)) + 1 :], name.partition(".")[0] + ".py")
    parent, cache = os.path.split(folder)
    if cache != "__pycache__":
        return None
    return os.path.join(parent, name.partition(".")[0] + ".py")
