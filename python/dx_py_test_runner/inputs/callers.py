"""Who reads: code of the project, of an installed distribution, of the standard library, pytest's or ours, as the stack tells.

All of it is about who has called the :class:`record.Recorder`, so frames of this package are passed over.
"""

from __future__ import annotations

import inspect
import linecache
import os
import pathlib
import sys
from sys import _getframe  # bound at once: a test may take it away

from dx_py_test_runner._native import code_of

_STDLIB_FOLDERS = (
    os.path.dirname(os.__file__),
    os.path.join(sys.base_exec_prefix, sys.platlibdir, f"python{sys.version_info[0]}.{sys.version_info[1]}"),
)
_STDLIB = tuple(sorted({os.path.realpath(folder) + os.sep for folder in _STDLIB_FOLDERS}))
PACKAGES = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")
"""What is part of the paths of installed code."""

OURS = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
"""What the paths of our own code begin with."""

_HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "")

_HARMLESS_READERS = ("/pytest_metadata/",)
"""Plugins that only tell people what they find in the environment: in CI, another build's number each time."""

_HARMLESS_CALLERS = (
    *("platform", "ctypes.util", "uuid", "_sysconfigdata"),
    *("pytest_benchmark.utils", "pytest_benchmark.storage.file"),
)
"""Modules that ask the system about itself through a subprocess: standard ones, and pytest-benchmark, which asks git for
the project's name and makes its folder in every run, whether there are benchmarks or not."""


def is_stdlib(filename: str) -> bool:
    """Whether the file of this name belongs to the standard library."""
    known = _known.get(filename)
    if known is None:
        is_below = filename.startswith(_STDLIB) and not any(part in filename for part in PACKAGES)
        known = _known[filename] = is_below or filename.startswith("<frozen")
    return known


_known: dict[str, bool] = {}


def caller_is_pytest() -> bool:
    """Whether the first frame outside the standard library and this package is pytest's."""
    frame = _getframe(1)
    while frame is not None:
        filename = code_of(frame).co_filename
        if not is_stdlib(filename) and not filename.startswith(OURS):
            return "/_pytest/" in filename
        frame = frame.f_back
    return False


_LOOKING = frozenset(
    {os.path.realpath.__code__.co_filename, os.path.exists.__code__.co_filename, inspect.__file__, linecache.__file__}
    | {pathlib.Path.resolve.__code__.co_filename}
)
_RESOLVING_ALL = ("/_pytest/_code/", "/hypothesis/internal/")


def resolves_all_modules() -> bool:
    """Whether it is asked where the files of all modules are, which decides nothing: by pytest, through :mod:`inspect`, to show the source of a
    traceback, or by hypothesis, to find out which of them are the project's. What that code reads counts, and so does what the
    representations of values ask."""
    frame = _getframe(3)
    while frame is not None and code_of(frame).co_filename in _LOOKING:
        frame = frame.f_back
    return frame is not None and any(part in code_of(frame).co_filename for part in _RESOLVING_ALL)


_EXISTENCE = frozenset(
    {"exists", "lexists", "isfile", "isdir", "islink", "ismount", "samefile", "realpath", "_joinrealpath", "resolve"}
    | {"is_file", "is_dir", "is_symlink", "checkcache", "updatecache", "mtime", "_path_stat"}
)
"""Functions of the standard library that ask the file system for no more than what is there."""


def asks_for_existence() -> bool:
    """Whether the frame that called ``os.stat`` or its kin wants to know only whether, and as what, a path exists."""
    frame = _getframe(3)
    while frame is not None and is_stdlib((code := code_of(frame)).co_filename):
        if code.co_name in _EXISTENCE:
            return True
        frame = frame.f_back
    return False


def foreign_reader(*, through_stdlib: bool = False) -> str:
    """The file whose code reads an option (through ``config.getoption`` or not), if it is neither pytest's nor ours; else ''."""
    frame = _getframe(2)
    while frame is not None:
        filename = code_of(frame).co_filename
        if filename.startswith(OURS):
            frame = frame.f_back if through_stdlib and filename.startswith(_HERE) else None
            continue
        if filename.endswith("/_pytest/config/__init__.py") or (through_stdlib and is_stdlib(filename)):
            frame = frame.f_back
            continue
        return "" if "/_pytest/" in filename or "/pluggy/" in filename or is_stdlib(filename) else filename
    return ""


def is_configuring() -> bool:
    """Whether a file is read by pytest, or by us, to know how it is configured: what comes out is compared itself."""
    frame = _getframe(2)
    while frame is not None:
        filename = code_of(frame).co_filename
        if not filename.startswith(_HERE) and not is_stdlib(filename):
            return filename.startswith(OURS) or any(part in filename for part in ("/_pytest/", "/iniconfig/"))
        frame = frame.f_back
    return False


def reader_is_ours() -> bool:
    """Whether who looks at the environment is the runner, or pytest for itself."""
    frame = _getframe(2)
    while frame is not None:
        filename = code_of(frame).co_filename
        if not filename.startswith(_HERE) and not is_stdlib(filename):
            if filename.startswith((OURS, "<dx_py_test_runner/", "<python/dx_py_test_runner/")):
                return True
            if any(part in filename for part in _HARMLESS_READERS):
                return True
            return "/_pytest/" in filename and not filename.endswith("/monkeypatch.py")
        frame = frame.f_back
    return False


def loads_code(name: str) -> bool:
    """Whether a module is being loaded from the file *name*: then it is known by the module's name, and by what it means.
    Whoever wants to see the text of a module reads it as a file."""
    if not name.endswith((".py", ".pyc")):
        return False
    frame = _getframe(3)
    while frame is not None:
        code = code_of(frame)
        if code.co_name == "get_code" and code.co_filename == "<frozen importlib._bootstrap_external>":
            return True
        if not code.co_filename.startswith(_HERE) and not is_stdlib(code.co_filename):
            return code.co_filename.startswith(OURS) or code.co_filename.endswith("/_pytest/assertion/rewrite.py")
        frame = frame.f_back
    return False


def is_harmless() -> bool:
    """Whether a process is started by code that asks the system about itself."""
    frame = _getframe(3)
    while frame is not None:
        if frame.f_globals.get("__name__") in _HARMLESS_CALLERS:
            return True
        if not is_stdlib(code_of(frame).co_filename):
            return False
        frame = frame.f_back
    return False


def culprit() -> str | None:
    """``file:line`` of the code outside the standard library that caused an effect; None if it is harmless."""
    frame = _getframe(1)
    while frame is not None and code_of(frame).co_filename.startswith(_HERE):
        frame = frame.f_back
    while frame is not None:
        filename = code_of(frame).co_filename
        if frame.f_globals.get("__name__") in _HARMLESS_CALLERS or filename.startswith(OURS):
            return None
        if not is_stdlib(filename):
            if "/_pytest/" in filename or "/pluggy/" in filename:
                return None
            return f"{filename}:{frame.f_lineno}"
        frame = frame.f_back
    return None


def is_installed(path: str) -> bool:
    """Whether the file at *path* belongs to an installed distribution."""
    return any(part in path for part in PACKAGES)


def is_ours(path: str) -> bool:
    """Whether the file at *path* is part of this runner."""
    return path.startswith(OURS)
