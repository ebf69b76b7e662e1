"""Code of the project's modules in the user's cache folder, for where no bytecode can be written beside them.

One file for each project and interpreter; what is in it is found by the text it was made of, whatever the module is called and
whenever it was changed. Whatever is wrong with the file or its folder only means that modules are compiled.
"""

from __future__ import annotations

import _imp
import _thread
import contextlib
import marshal
import os
import sys
import warnings
from collections.abc import Callable, Mapping
from importlib.util import MAGIC_NUMBER
from pathlib import Path
from types import CodeType

import pytest

from dx_py_test_runner import _native

CAPTURED, PLAIN = "captured", "plain"
"""Kinds of code: with its assert statements captured, or as the interpreter compiles it."""

LIMIT = 256 << 20
"""Bytes of one pack above which code is dropped that the writing run has not used."""


def folder(environment: Mapping[bytes, bytes]) -> Path | None:
    """The user's cache folder: ``$DX_PY_CACHE_DIR``, else ``dx-py`` in ``$XDG_CACHE_HOME``, else in ``~/.cache``.

    :param environment: the client's; it is not looked up in ``os.environ``, where it would count as read by the project.
    :return: ``None`` if no variable names an absolute path. A home that is not there is not made.
    """
    for name, below in ((b"DX_PY_CACHE_DIR", "."), (b"XDG_CACHE_HOME", "dx-py"), (b"HOME", ".cache/dx-py")):
        path = os.fsdecode(environment.get(name, b""))
        if os.path.isabs(path):
            return None if name == b"HOME" and not os.path.isdir(path) else Path(path, below)
    return None


class CodePack:
    """The pack of one project.

    :param folder: where packs are; it need not exist.
    :param root: pytest's root folder.
    :param build: what decides, besides a module's text, which code comes out of it.
    """

    def __init__(self, folder: Path, root: Path, build: str) -> None:
        interpreter = f"{sys.implementation.cache_tag}\0{MAGIC_NUMBER.hex()}\0{sys.version}"
        name = _native.hash_bytes(f"{interpreter}\0{sys.executable}\0".encode("utf-8", "surrogateescape") + os.fsencode(root))
        self.path = folder / f"{name.hex()[:32]}.dxbc"
        dialect = f"{sys.flags.optimize}\0{has_columns()}"
        self._kinds = {
            CAPTURED: f"{CAPTURED}\0{interpreter}\0{pytest.__version__}\0{build}\0".encode(),
            PLAIN: f"{PLAIN}\0{interpreter}\0{dialect}\0".encode(),
        }
        self._pack: _native.Pack | None = None
        self._opened = False
        self._closed = False
        self._used: set[bytes] = set()
        self._new: list[tuple[bytes, CodeType | bytes]] = []

    def get(self, text: bytes, filename: str, kind: str = CAPTURED) -> CodeType | None:
        """The code of a module with this source, as if compiled for *filename*."""
        if not self._opened:
            self._opened = True
            self._pack = _native.Pack.open(self.path)
        if self._pack is None:
            return None
        key = self._key(text, kind)
        blob = self._pack.get(key)
        if blob is None:
            return None
        try:
            code = marshal.loads(blob)
        except (EOFError, ValueError, TypeError):
            return None
        if not isinstance(code, CodeType):
            return None
        if code.co_filename != filename:
            _imp._fix_co_filename(code, filename)
        self._used.add(key)
        return code

    def compile(self, text: bytes, make: Callable[[], CodeType | None], kind: str = CAPTURED) -> CodeType | None:
        """What *make* makes of *text*; kept for :meth:`save` if no warning belongs to it.

        The compiler warns each time that it sees a module, and so it has to be asked each time: about wrong escapes, say.
        """
        if self._closed or _thread._count() or getattr(sys.flags, "context_aware_warnings", False):
            # Other threads would have our filters meanwhile; and in the last case, which are asked is not ours to say.
            return make()
        filters = warnings.filters
        warnings.filters = _ERRORS  # type: ignore[misc]  # the compiler, which has no registry, asks for nothing else
        try:
            code = make()
        except (Warning, SyntaxError, ValueError, OverflowError, RecursionError, MemoryError):
            code = None
        finally:
            warnings.filters = filters  # type: ignore[misc]
        if code is None:
            return make()
        self._new.append((self._key(text, kind), code))
        return code

    def keep(self, text: bytes, blob: bytes) -> None:
        """Keep for :meth:`save` what another process has made of *text*: marshalled code, without warnings."""
        self._new.append((self._key(text, CAPTURED), blob))

    def save(self) -> None:
        """Write what was kept, and keep nothing from now on. Where it cannot be written, nothing happens."""
        self._closed = True
        if self._new:
            blobs = [(key, made if isinstance(made, bytes) else marshal.dumps(made)) for key, made in self._new]
            self.forget()
            with contextlib.suppress(OSError):
                _native.add_to_pack(self.path, blobs, used=self._used, limit=LIMIT)

    def forget(self) -> None:
        """Keep nothing for :meth:`save`: another process has done or will do that."""
        self._new = []

    def _key(self, text: bytes, kind: str) -> bytes:
        return _native.hash_bytes(self._kinds[kind] + text)


def has_columns() -> bool:
    """Not under ``-X no_debug_ranges``: without columns, positions cannot be told apart."""
    return any(start is not None for _, _, start, _ in compile("x", "", "eval").co_positions())


_ERRORS = [("error", None, category, None, 0) for category in (SyntaxWarning, DeprecationWarning)]
