"""Directories and modules, collected without asking hooks that only pytest's own plugins answer.

What those plugins would have done is done here, for the files it concerns: everything else goes through pytest's code.
"""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Callable, Iterator
from pathlib import PosixPath
from types import ModuleType
from typing import Any

import pytest
from _pytest import nodes, runner
from _pytest.capture import FDCapture
from _pytest.main import Dir, Session
from _pytest.mark.structures import NodeKeywords
from _pytest.pathlib import scandir
from _pytest.python import Function, Module, Package
from _pytest.stash import Stash
from _pytest.terminal import TerminalReporter

from dx_py_test_runner.engine.frames import internal
from dx_py_test_runner.engine.lean import guards, items
from dx_py_test_runner.engine.lean.collectors import folder_of

_new = object.__new__
_fstat = os.fstat  # as it was before any module replaced it

_CONSTRUCTORS = tuple(
    (kind, name, getattr(kind, name).__func__ if name == "from_parent" else getattr(kind, name))
    for kind, name in (
        (Module, "__init__"),
        (Module, "from_parent"),
        (nodes.Node, "__init__"),
        (Module, "collect"),
        (Dir, "collect"),
        (Package, "collect"),
        (Session, "gethookproxy"),
        (Session, "_collect_one_node"),
        (Session, "genitems"),
    )
)
_SETUP_NAMES = frozenset(
    "setUpModule setup_module tearDownModule teardown_module setup_function teardown_function __getattr__".split()
)


def are_known() -> bool:
    """Whether directories and modules are pytest's, of the one version whose steps are known here."""
    return pytest.__version__.startswith("9.2.") and all(
        getattr(found := getattr(kind, name), "__func__", found) is real for kind, name, real in _CONSTRUCTORS
    )


class Relays:
    """The hooks of each directory, and which guards hold for them: looked up again when plugins or conftests change."""

    def __init__(self, session: Any) -> None:
        config = session.config
        self._session = session
        self._plugins = config.pluginmanager
        hooks = sorted({hook for guard in guards.COLLECTING for hook in guard.hooks})
        self._implementations = [getattr(config.hook, hook)._hookimpls for hook in hooks]
        self._seen: list[list[Any]] = []
        self._conftests: set[Any] = set()
        self._relays: dict[str, tuple[Any, Any]] = {}
        self._verdicts: dict[tuple[int, str], tuple[Any, bool]] = {}
        self._latest: tuple[Any, Any] = (None, None)

    def of(self, folder: Any) -> Any:
        """As ``Session.gethookproxy`` for the directory *folder* and the files in it."""
        self._renew()
        if self._latest[0] is folder:
            return self._latest[1]
        key = str(folder)
        modules = self._plugins._dirpath2confmods.get(folder)
        known = self._relays.get(key)
        if known is not None and known[1] is modules:
            relay = known[0]
        else:
            relay = self._session.gethookproxy(folder)
        if modules is not None:
            self._relays[key] = (relay, modules)
            self._latest = (folder, relay)
        return relay

    def holds(self, guard: guards.Guard, relay: Any) -> bool:
        """Whether nobody but the guard's plugins implements its hooks in *relay*."""
        key = (id(relay), guard.name)
        known = self._verdicts.get(key)
        if known is None or known[0] is not relay:
            known = self._verdicts[key] = (relay, not guards.why_off(guard, relay))
        return known[1]

    def _renew(self) -> None:
        if self._seen != self._implementations or self._conftests != self._plugins._conftest_plugins:
            self._seen = [list(implementations) for implementations in self._implementations]
            self._conftests = set(self._plugins._conftest_plugins)
            self._relays.clear()
            self._verdicts.clear()
            self._latest = (None, None)


class Folders:
    """``Dir.collect`` and ``Package.collect``."""

    def __init__(self, session: Any, relays: Relays) -> None:
        config = session.config
        self._session = session
        self._config = config
        self._relays = relays
        self._root = str(config.rootpath)
        patterns = config.getini("python_files")
        self._matches = (
            None
            if any(os.sep in pattern for pattern in patterns)
            else re.compile("|".join(map(fnmatch.translate, patterns)) or "(?!)").match
        )

    def _is_plain(self, folder: Any, relay: Any) -> bool:
        """Whether nobody but pytest says which files of *folder* are modules, and pytest only looks at their names."""
        config = self._config
        option = config.option
        return (
            self._matches is not None
            and type(folder.path) is PosixPath
            and self._relays.holds(guards.FILES, relay)
            and not (option.ignore or option.ignore_glob or getattr(option, "doctestmodules", False))
            and config._getconftest_pathlist("collect_ignore", path=folder.path) is None
            and config._getconftest_pathlist("collect_ignore_glob", path=folder.path) is None
        )

    @internal
    def collect(self, folder: Any) -> Iterator[Any]:
        """What the method of *folder* would yield."""
        __tracebackhide__ = True
        session, config, matches = self._session, self._config, self._matches
        relay = self._relays.of(folder.path)
        plain = self._is_plain(folder, relay)
        given = set(map(str, session._initialpaths))
        prefix = self._prefix(folder)
        for entry in scandir(folder.path, _packages_first) if type(folder) is Package else scandir(folder.path):
            name = entry.name
            if entry.is_dir():
                path = PosixPath(entry.path)
                if not session.isinitpath(path, with_parents=True):
                    if relay.pytest_ignore_collect(collection_path=path, config=config):
                        continue
                made = relay.pytest_collect_directory(path=path, parent=folder)
                if made is not None:
                    yield made
            elif entry.is_file():
                if plain and name.endswith(".py") and name[0] != "." and entry.path not in given:
                    if matches(name):  # type: ignore[misc]
                        yield _make_module(folder, _path_of(entry, folder.path), name, prefix)
                    continue
                path = PosixPath(entry.path)
                if not session.isinitpath(path):
                    if relay.pytest_ignore_collect(collection_path=path, config=config):
                        continue
                yield from relay.pytest_collect_file(file_path=path, parent=folder)

    def _prefix(self, folder: Any) -> str | None:
        """What the ids of files in *folder* begin with; None if it is not below the root."""
        above = str(folder.path)
        if above == self._root:
            return ""
        start = self._root.rstrip(os.sep) + os.sep
        return above[len(start) :] + "/" if above.startswith(start) else None


_child = getattr(PosixPath, "_make_child_relpath", None)
"""What pathlib itself lists a directory with, where it has it: without taking the path apart again."""


def _path_of(entry: Any, folder: Any) -> Any:
    """The path of *entry* in the directory *folder*, a plain path."""
    return PosixPath(entry.path) if _child is None else _child(folder, entry.name)


def _packages_first(entry: Any) -> tuple[bool, str]:
    return (entry.name != "__init__.py", entry.name)


@internal
def _make_module(parent: Any, path: Any, name: str, prefix: str | None) -> Any:
    """As ``Module.from_parent`` for the file *name* in the directory *parent*."""
    __tracebackhide__ = True
    if prefix is None:
        return Module.from_parent(parent, path=path)
    module = _new(Module)
    module.name = name
    module.path = path
    module.parent = parent
    module.config = parent.config
    module.session = parent.session
    module.keywords = NodeKeywords(module)
    module.own_markers = []
    module.extra_keyword_matches = set()
    module._id = items.node_id(prefix + name, ())
    module._store = module.stash = Stash()
    return module


class Modules:
    """``Session.genitems`` of modules, and ``Module.collect``."""

    def __init__(self, session: Any, relays: Relays, begins: Callable[[Any], Any], ends: Callable[[], None]) -> None:
        """*begins* is told the module that is about to be collected, and may have a report of it; *ends*, that it is over."""
        plugins = session.config.pluginmanager
        self._session = session
        self._relays = relays
        self._begins, self._ends = begins, ends
        self._capture = plugins.getplugin("capturemanager")
        self._reporter = plugins.getplugin("terminalreporter")
        self._last_failed = plugins.getplugin("lfplugin")

    def are_quiet(self, node: Any) -> bool:
        """Whether nobody but pytest hears of the collection of *node*, and the collection goes on."""
        session = self._session
        if session._shouldfail or session._shouldstop or node in session._collection_cache:
            return False
        if self._last_failed is not None and self._last_failed.active:
            return False
        folder = folder_of(node)
        return folder is not None and self._relays.holds(guards.MODULES, self._relays.of(folder))

    @internal
    def generate(self, node: Any) -> Iterator[Any]:
        """The items of the module *node*."""
        __tracebackhide__ = True
        session = self._session
        report = self._report(node)
        session._collection_cache[node] = report
        call = report.__dict__.pop("call", None)
        if report.outcome != "passed":
            if call and runner.check_interactive_exception(call, report):
                node.ihook.pytest_exception_interact(node=node, call=call, report=report)
            node.ihook.pytest_collectreport(report=report)
            return
        functions = set(map(type, report.result)) <= {Function}
        if functions and not session.config.hook.pytest_itemcollected.get_hookimpls():
            yield from report.result
        else:
            for below in report.result:
                yield from session.genitems(below)
        if self.are_heard(node):
            node.ihook.pytest_collectreport(report=report)
        else:
            self._tell(report, functions)

    def _tell(self, report: Any, functions: bool) -> None:
        """What pytest's plugins do with *report*, of a module that was collected; *functions*: into nothing else."""
        if self._last_failed is not None and self._last_failed.lastfailed:
            self._last_failed.pytest_collectreport(report)
        reporter = self._reporter
        if functions and type(reporter) is TerminalReporter:
            reporter._numcollected += len(report.result)
            if reporter.isatty():
                reporter.report_collect()
        elif reporter is not None:
            reporter.pytest_collectreport(report)

    def are_heard(self, node: Any) -> bool:
        """Whether somebody hears of *node*'s report after all: the module itself may have registered a plugin."""
        return not self._relays.holds(guards.MODULES, self._relays.of(node.parent.path))

    @internal
    def _report(self, node: Any) -> Any:
        """As the hook ``pytest_make_collect_report``."""
        __tracebackhide__ = True
        capture = self._capture
        try:
            crashed = self._begins(node)
            if crashed is not None:
                return crashed
            if capture is None:
                return runner.pytest_make_collect_report(node)
            capture.resume_global_capture()
            try:
                report = runner.pytest_make_collect_report(node)
            finally:
                capture.suspend_global_capture()
            if not _is_silent(capture):
                for heading, text in zip(
                    ("Captured stdout", "Captured stderr"), capture.read_global_capture(), strict=True
                ):
                    if text:
                        report.sections.append((heading, text))
            return report
        finally:
            self._ends()


def _is_silent(capture: Any) -> bool:
    """Whether nothing was written to either captured stream."""
    streams = capture._global_capturing
    try:
        for stream in (streams.out, streams.err):
            if type(stream) is not FDCapture or _fstat(stream.tmpfile.fileno()).st_size:
                return False
    except (OSError, ValueError):
        # Closed by the module: pytest says so when it reads.
        return False
    return True


@internal
def register_setup_functions(module: Any) -> None:
    """Register the fixtures that call a module's setup and teardown functions, if it has any."""
    __tracebackhide__ = True
    found = module.obj
    if type(module) is not Module or type(found) is not ModuleType or not found.__dict__.keys().isdisjoint(_SETUP_NAMES):
        module._register_setup_module_fixture()
        module._register_setup_function_fixture()
