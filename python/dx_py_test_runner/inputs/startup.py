"""What the interpreter read before any of our code ran: path files, start-up modules, and what could shadow the modules
that a base has loaded."""

from __future__ import annotations

import os
import site
import sys

from dx_py_test_runner.inputs.compare import importable_names
from dx_py_test_runner.inputs.stamp import Stamp, stamp

_STARTUP_MODULES = ("sitecustomize", "usercustomize")

_files: dict[str, Stamp | None] = {}
_names: dict[str, frozenset[str]] = {}
_path: list[str] = []


def remember() -> None:
    """Take down what this process was started with; called once, in a base that has just loaded what it needs."""
    _path[:] = [entry for entry in sys.path if entry]
    _files.update(_read_at_start())
    _names.update({entry: _that_matter(entry) for entry in _path})


def files() -> dict[str, Stamp | None]:
    """The files read at the start, with their stamps: inputs of every level."""
    return dict(_files)


def what_changed() -> str:
    """What would make another interpreter of one started now, or ''."""
    for path, was in {**dict.fromkeys(_read_at_start()), **_files}.items():
        if stamp(path) != was:
            return f"{path} has changed"
    return next((f"what can be imported from {entry} has changed" for entry in _path if _that_matter(entry) != _names[entry]), "")


def _read_at_start() -> dict[str, Stamp | None]:
    folders = [*site.getsitepackages(), *([site.getusersitepackages()] if site.ENABLE_USER_SITE else [])]
    paths = [os.path.join(sys.prefix, "pyvenv.cfg")]
    for folder in folders:
        paths += [os.path.join(folder, name) for name in importable_names(folder) or () if name.endswith(".pth")]
    paths += [file for name in _STARTUP_MODULES if (file := getattr(sys.modules.get(name), "__file__", None))]
    return {path: stamp(path) for path in paths}


def _that_matter(folder: str) -> frozenset[str]:
    """Names in *folder* that would be imported in place of a module loaded before the project."""
    names = importable_names(folder) or frozenset()
    return frozenset(name for name in names if (stem := name.partition(".")[0]) in sys.modules or stem in _STARTUP_MODULES)
