"""Modules of the project that are no tests: where importlib would compile them in each run, their code comes from the code pack.

Finders, loaders and specs stay importlib's own, and so does the order of things: a loader has read the source, and has found no
bytecode, when it asks for a compiler. There we stand, under the name by which ``importlib._bootstrap_external`` looks that up.
"""

from __future__ import annotations

import builtins
import os
import sys
from importlib import _bootstrap_external  # type: ignore[attr-defined]
from importlib.util import cache_from_source
from types import CodeType
from typing import Any

from dx_py_test_runner import _native
from dx_py_test_runner.engine.assertion import codepack
from dx_py_test_runner.engine.assertion.codepack import PLAIN, CodePack

_OPTIONS = {"dont_inherit": True, "optimize": -1}
"""How importlib calls the compiler, unless somebody wants something special of it."""

_INSTALLED = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")

_OWN = [__file__, codepack.__file__]

_access, _builtin = os.access, builtins.compile
# As they were before anything recorded or replaced them.


class _Compiler:
    """In place of ``compile`` for importlib."""

    def __init__(self, pack: CodePack, root: str) -> None:
        self._pack = pack
        self._below = root.rstrip(os.sep) + os.sep

    def __call__(self, source: Any, filename: Any, mode: Any, **options: Any) -> Any:
        if (
            type(source) is not bytes
            or type(filename) is not str
            or mode != "exec"
            or options != _OPTIONS
            or builtins.compile is not _builtin
            or not self._is_ours(filename)
        ):
            return builtins.compile(source, filename, mode, **options)

        def make() -> CodeType:
            code: CodeType = _builtin(source, filename, mode, **options)
            return code

        return self._pack.get(source, filename, PLAIN) or self._pack.compile(source, make, PLAIN)

    def _is_ours(self, filename: str) -> bool:
        """Whether it is a file of the project, and its bytecode will not be written."""
        if not filename.startswith(self._below) or any(folder in filename for folder in _INSTALLED):
            return False
        return sys.dont_write_bytecode or not _can_be_cached(filename)


def _can_be_cached(filename: str) -> bool:
    """Whether importlib will be able to write the bytecode of *filename*, as far as can be seen."""
    try:
        folder = os.path.dirname(cache_from_source(filename))
    except NotImplementedError:
        return False
    # It makes the folder if there is none.
    while not _access(folder, os.F_OK) and folder != os.path.dirname(folder):
        folder = os.path.dirname(folder)
    return _access(folder, os.W_OK | os.X_OK)


def serve(pack: CodePack, root: str) -> None:
    """Let modules below the folder *root* come from *pack* from now on, until :func:`stop`."""
    # What the compiler raises must not be traced to us: importlib drops its own frames from that, and no others.
    _bootstrap_external.compile = _native.Untraced(_Compiler(pack, root), _OWN)


def stop() -> None:
    """Leave importlib as it was."""
    vars(_bootstrap_external).pop("compile", None)
