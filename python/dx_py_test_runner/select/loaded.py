"""What this process has loaded: modules of the project, and files of installed ones."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import Any, NamedTuple

from dx_py_test_runner.inputs.callers import is_installed, is_ours, is_stdlib
from dx_py_test_runner.select.closure import Loaded


class Process(NamedTuple):
    """The modules of one process. Made of plain values."""

    modules: tuple[Loaded, ...]
    installed: tuple[str, ...]
    """Files of installed modules."""


_OF_FILES = frozenset({"SourceFileLoader", "SourcelessFileLoader", "ExtensionFileLoader", "AssertionRewritingHook"})
"""Loaders of modules that are files of their own."""


def look(more: Iterable[Any] = ()) -> Process:
    """What is loaded now.

    :param more: modules that importlib may know by no name, such as conftests.
    """
    modules: dict[str, Loaded] = {}
    installed: set[str] = set()
    for name, module in list(sys.modules.items()):
        _take(name, module, modules, installed)
    for module in more:
        _take(name_of(module), module, modules, installed)
    return Process(tuple(modules.values()), tuple(sorted(installed)))


def name_of(module: Any) -> str:
    """The name of a module in the graph: its file's, if importlib knows another module by its name."""
    name = getattr(module, "__name__", "")
    return name if sys.modules.get(name) is module else str(getattr(module, "__file__", "") or name)


def _archive_of(path: str) -> str:
    """The file that a module was loaded from, which may be one of many in an archive."""
    found = path
    while len(found) > 1 and not os.path.exists(found):
        found = os.path.dirname(found)
    return found if os.path.isfile(found) else path


def _take(name: str, module: Any, modules: dict[str, Loaded], installed: set[str]) -> None:
    try:
        names = vars(module)
        names = names if type(names) is dict else dict(names)
    except (TypeError, ReferenceError):
        return  # a lazy stand-in, or what is left of one
    path, folders = names.get("__file__"), names.get("__path__")
    folders = tuple(folder for folder in folders if isinstance(folder, str)) if folders is not None else ()
    if not isinstance(path, str):
        if not folders or any(is_installed(folder) or is_stdlib(folder + os.sep) for folder in folders):
            return
        path = ""
    else:
        path = os.path.abspath(path)
        if is_ours(path) or (is_stdlib(path) and not is_installed(path)):
            return
        if type(names.get("__loader__")).__name__ not in _OF_FILES:
            path = _archive_of(path)
        if is_installed(path):
            installed.add(path)
            return
    package = names.get("__package__")
    if not isinstance(package, str):
        package = name if folders else name.rpartition(".")[0]
    modules[name] = Loaded(name, path, package, tuple(os.path.abspath(folder) for folder in folders))
