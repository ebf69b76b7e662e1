"""Leaving out whole files before they are collected. What is certain after a collection has to be known here before it:
which folders will be on ``sys.path``, which conftests there are, and that nobody wants to see all items."""

from __future__ import annotations

import fnmatch
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from _pytest import pathlib

from dx_py_test_runner._native import hash_bytes
from dx_py_test_runner.engine.frames import internal
from dx_py_test_runner.history.store import History
from dx_py_test_runner.inputs.stamp import content_hash
from dx_py_test_runner.run.modules import Modules
from dx_py_test_runner.select.affected import Selector
from dx_py_test_runner.select.assemble import graph_of
from dx_py_test_runner.select.closure import Loaded
from dx_py_test_runner.select.effects import Bringers, Effects, to_load
from dx_py_test_runner.select.settled import settled
from dx_py_test_runner.select.world import World

Surroundings = dict[str, Any]
"""Plain values: ``before``, ``sys.path`` when collecting begins; ``after``, the folders of the project and of installed
modules on it when it has ended; ``files``, a hash of the names of those that may decide about it; ``conftests`` with their
contents; ``alone``, whether only pytest's plugins looked at the items; ``modules``, those that were loaded (:mod:`run.modules`)."""

_OWN = ("_pytest.", "dx_py_test_runner.")


def surroundings(config: Any) -> Surroundings:
    """What there is to be known before collecting."""
    patterns = [pattern for pattern in config.getini("python_files") if os.sep not in pattern]
    # A new module of any name may be imported by one that is loaded, and leave something in others.
    files = _look_through(str(config.rootpath), config.getini("norecursedirs"), [*patterns, "*.py"])
    conftests = {path: content_hash(path) for path in files if os.path.basename(path) == "conftest.py"}
    return {"before": list(sys.path), "files": hash_bytes(os.fsencode("\n".join(files))), "conftests": conftests}


def complete(before: Surroundings, config: Any, search_path: Sequence[str], modules: Modules) -> Surroundings:
    """The same when everything has been collected."""
    return {**before, "after": list(search_path), "alone": _is_alone(config), "modules": modules}


def bringers(modules: Modules, world: World) -> Bringers:
    """What modules leave in one another, by their present texts, and which of them are loaded for their own sake."""
    graph = graph_of(world, [Loaded(*module) for module in modules["loaded"]])
    collected = [name for names in modules["files"].values() for name in names]
    return Bringers(Effects(graph, collected, modules["always"]), modules["files"], modules["always"])


def may_settle(config: Any, now: Surroundings, then: Surroundings) -> bool:
    """Whether files may be left out: the run chooses among all tests of files and folders, and the surroundings are those of
    a run that has collected everything."""
    option = config.option
    chooses = option.keyword or option.markexpr or option.deselect or getattr(option, "lf", False) or option.collectonly
    other = option.changed is not None or option.why is not None or option.audit or getattr(option, "pyargs", False)
    named = any("::" in argument for argument in config.args)
    root = str(config.rootpath) + os.sep
    outside = any(not os.path.abspath(argument).startswith(root) for argument in config.args if argument + os.sep != root)
    if chooses or other or named or outside or not option.affected:
        return False
    return then.get("alone", False) and all(then.get(name) == value for name, value in now.items())


class Settled:
    """The files that a run leaves out.

    :param selector: of *world*, which has the ``sys.path`` that there will be.
    :param known: the modules that there were when everything was collected.
    """

    def __init__(self, config: Any, history: History, selector: Selector, world: World, known: Bringers) -> None:
        self._config, self._history, self._selector, self._world = config, history, selector, world
        self._known = known
        self._needed: set[str] | None = None
        self.files: dict[str, list[str]] = {}
        """The ids of what each would have given."""

    @internal
    def leaves_out(self, path: Path) -> bool:
        """Whether the file at *path* is left out."""
        name = str(path)
        if name not in self.files:
            ids = self._ids(name)
            if ids is None or name in self._to_load():
                return False
            self.files[name] = ids
            self._put_on_path(path)
        return True

    def _ids(self, name: str) -> list[str] | None:
        return settled(self._history, self._selector, self._world.short(name))

    def _to_load(self) -> set[str]:
        """The files with nothing to run that leave something behind for others that have."""
        if self._needed is None:
            arguments = [os.path.abspath(argument) for argument in self._config.args]
            files = [path for path in self._known.files if any(path == one or path.startswith(one.rstrip(os.sep) + os.sep) for one in arguments)]
            left_out = [path for path in files if self._ids(path) is not None]
            self._needed = to_load(self._known, left_out, set(files) - set(left_out))
        return self._needed

    def _put_on_path(self, path: Path) -> None:
        """What importing the file would have done to ``sys.path``: other modules may be found by it."""
        mode = self._config.getoption("importmode")
        if mode not in ("prepend", "append") or path.suffix != ".py":
            return
        try:
            namespaces = self._config.getini("consider_namespace_packages")
            root = str(pathlib.resolve_pkg_root_and_module_name(path, consider_namespace_packages=namespaces)[0])
        except pathlib.CouldNotResolvePathError:
            root = str(path.parent)
        if mode == "append":
            if root not in sys.path:
                sys.path.append(root)
        elif root != sys.path[0]:
            sys.path.insert(0, root)


def _is_alone(config: Any) -> bool:
    implementations = config.hook.pytest_collection_modifyitems.get_hookimpls()
    return all(_module_of(implementation.plugin).startswith(_OWN) for implementation in implementations)


def _module_of(plugin: Any) -> str:
    return str(getattr(plugin, "__name__", "") if isinstance(plugin, type(sys)) else type(plugin).__module__) + "."


def _look_through(root: str, passed_over: Sequence[str], patterns: Sequence[str]) -> list[str]:
    """The files below *root* that may be collected, or decide how others are imported."""
    matches = re.compile("|".join(map(fnmatch.translate, patterns))).match
    passes_over = re.compile("|".join(map(fnmatch.translate, passed_over)) or "(?!)").match
    found = []
    for folder, below, files in os.walk(root):
        below[:] = [name for name in below if not passes_over(name)]
        if "pyvenv.cfg" in files and folder != root:
            below.clear()
        else:
            found += [os.path.join(folder, name) for name in files if matches(name)]
    return sorted(found)
