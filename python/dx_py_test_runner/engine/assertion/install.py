"""Capture under pytest's import hook."""

from __future__ import annotations

import _imp
import contextlib
import marshal
import os
import struct
import sys
from sys import _getframe  # bound at once: a test may take it away
from collections.abc import Callable, Mapping
from importlib.util import MAGIC_NUMBER, source_hash
from pathlib import Path
from time import perf_counter
from types import CodeType, ModuleType
from typing import Any

import pytest
from _pytest.assertion import rewrite

from dx_py_test_runner import _native
from dx_py_test_runner.engine import ahead, first_party
from dx_py_test_runner.engine.assertion import finding
from dx_py_test_runner.engine.assertion.codepack import CodePack, folder, has_columns
from dx_py_test_runner.engine.assertion.prepare import prepare
from dx_py_test_runner.engine.capture import BUILD, compile_captured

KNOWN = {(8, 4), (9, 0), (9, 1), (9, 2)}
"""The releases of pytest whose rewriting is known: what it computes, in which order, and how it numbers temporaries."""

WALRUS_IN_PLACE = (9, 2)

wanted_key = pytest.StashKey[Callable[[Any], bool]]()
pack_key = pytest.StashKey[CodePack]()
ahead_key = pytest.StashKey[ahead.Ahead]()


def install(config: Any, wanted: Callable[[Any], bool] = lambda config: True) -> bool:
    """Capture the asserts of the modules that pytest's import hook rewrites from now on for this *config*.

    pytest decides which these are, and reads its own cached bytecode where that is fresh. To reach plugins and conftests, too, call
    it before pytest loads them.

    :param wanted: asked for each module, with *config*: ``False`` leaves it to pytest.
    :return: whether this interpreter and this pytest are known well enough.
    """
    if pytest.version_tuple[:2] not in KNOWN or sys.flags.optimize or not has_columns():
        return False
    config.stash[wanted_key] = wanted
    if not isinstance(rewrite._read_pyc, _Reading):
        rewrite._read_pyc = _Reading(rewrite._read_pyc)
    if pytest.version_tuple[:2] == finding.KNOWN:
        finding.install()
    return True


def use_pack(config: Any, environment: Mapping[bytes, bytes]) -> None:
    """Keep code that cannot be cached beside its module in the user's cache folder; to be called when *config* knows its root.

    Who calls it calls :func:`save_pack` in the process that has collected.
    """
    place = folder(environment)
    if place is not None:
        pack = config.stash[pack_key] = CodePack(place, config.rootpath, BUILD)
        first_party.serve(pack, str(config.rootpath))


def save_pack(config: Any) -> None:
    """Write what had to be compiled. To be called before tests run, which may do to the process what they like."""
    pack = config.stash.get(pack_key, None)
    if pack is not None:
        first_party.stop()
        pack.save()


def forget_compiled(config: Any) -> None:
    """In a process that was forked from the one that has compiled: not to write it once more."""
    pack = config.stash.get(pack_key, None)
    if pack is not None:
        pack.forget()


def begin_ahead(config: Any, start: Callable[[int], None]) -> None:
    """Have modules compiled by another process, too, from now until :func:`end_ahead`, if there is much to compile.

    :param start: called when there is; see :class:`~dx_py_test_runner.engine.ahead.Ahead`.
    """
    if wanted_key not in config.stash:
        return

    def request() -> dict[str, Any]:
        folder = str(config.invocation_params.dir)
        return ahead.request(
            [os.path.normpath(os.path.join(folder, argument.partition("::")[0])) for argument in map(str, config.args)],
            config.getini("python_files"),
            config.getini("norecursedirs"),
            walrus=_is_walrus_in_place(),
        )

    config.stash[ahead_key] = ahead.Ahead(request, start)


def end_ahead(config: Any) -> None:
    """Modules have been collected: that process is not needed any more."""
    if ahead_key in config.stash:
        config.stash[ahead_key].end()
        del config.stash[ahead_key]


def _is_walrus_in_place() -> bool:
    return pytest.version_tuple[:2] >= WALRUS_IN_PLACE


class _Reading:
    """In place of pytest's function that reads cached bytecode: what is not cached is compiled at once.

    pytest then runs it in a frame of its own, as always, and does not write it to its cache, where others would find it.
    It is cached beside that under a name of its own, with a hash of the text that it was made of: a file that has moved with its
    cache keeps it.
    """

    def __init__(self, read_pyc: Callable[..., CodeType | None]) -> None:
        self._read_pyc = read_pyc

    def __call__(self, source: Path, pyc: Path, *args: Any, **kwargs: Any) -> CodeType | None:
        try:
            data = _read(str(pyc))
        except FileNotFoundError:
            cached = None  # which is all that pytest's own function would find out
        except OSError:
            cached = self._read_pyc(source, pyc, *args, **kwargs)
        else:
            cached = _known_code(source, data) or self._read_pyc(source, pyc, *args, **kwargs)
        if cached is not None:
            return cached
        # The import hook's method, which goes on to run the code in this module.
        caller = _getframe(1).f_locals
        hook, module = caller.get("self"), caller.get("module")
        if not isinstance(hook, rewrite.AssertionRewritingHook) or not isinstance(module, ModuleType):
            return None
        if not any(finder is hook for finder in sys.meta_path):
            return None  # not the session's: somebody tries out pytest's rewriting
        if not _is_wanted(hook.config):
            return None
        code = _code_of(source, pyc.with_name(f"{pyc.stem}-dx-py-{BUILD}.pyc"), hook.config.stash)
        if code is not None:
            prepare(code, module.__dict__)
        return code


def _known_code(source: Path, data: bytes) -> CodeType | None:
    """What pytest's own function makes of *data*, if all is well, in a fraction of its time. Anything else is left to it."""
    name = str(source)
    try:
        if data[:8] == MAGIC_NUMBER + _HASHED and pytest.version_tuple[:2] >= HASHED_IN:
            if data[8:16] != source_hash(_read(name)):
                return None
        elif data[:8] == MAGIC_NUMBER + _STAMPED and pytest.version_tuple[:2] < HASHED_IN:
            status = _stat(name)
            stamp = struct.pack("<LL", int(status.st_mtime) & 0xFFFFFFFF, status.st_size & 0xFFFFFFFF)
            if data[8:16] != stamp:
                return None
        else:
            return None
        code = marshal.loads(memoryview(data)[16:])
    except (OSError, EOFError, ValueError, TypeError):
        return None
    return code if isinstance(code, CodeType) and code.co_filename == name else None


def _read(path: str) -> bytes:
    """A small file's content, without the layers that :func:`open` puts above it."""
    fd = _open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        piece = _read_some(fd, _PIECE)
        if len(piece) < _PIECE:
            return piece
        pieces = [piece]
        while piece := _read_some(fd, _LARGE_PIECE):
            pieces.append(piece)
        return b"".join(pieces)
    finally:
        _close(fd)


_PIECE, _LARGE_PIECE = 1 << 14, 1 << 18
"""Bytes. Room for a large piece is asked of the kernel each time, and given back: that takes ten times as long as to read a small file."""

_open, _read_some, _close, _stat, _access = os.open, os.read, os.close, os.stat, os.access
# As they were before any test replaced them: modules are imported in the middle of tests, too.

_HASHED, _STAMPED = b"\x03\x00\x00\x00", b"\x00\x00\x00\x00"
HASHED_IN = (9, 2)
"""The first version of pytest that knows by content, not by time and size, whether bytecode is fresh."""


def _code_of(source: Path, cache: Path, stash: Any) -> CodeType | None:
    """The code of *source*, from *cache* or the pack if that was made of the same text."""
    name = str(source)
    try:
        text = _read(name)
    except OSError:
        return None
    origin = MAGIC_NUMBER + _native.hash_bytes(text)
    with contextlib.suppress(OSError, EOFError, ValueError, TypeError):
        cached = _read(str(cache))
        if cached.startswith(origin):
            code = marshal.loads(memoryview(cached)[len(origin) :])
            if isinstance(code, CodeType):
                if code.co_filename != name:
                    _imp._fix_co_filename(code, name)
                return code
    pack = stash.get(pack_key, None)
    code = pack.get(text, name) if pack is not None else None
    beside = not sys.dont_write_bytecode and _is_writable(cache.parent)
    blob = None
    if code is None:
        code, blob = _compile(name, text, None if beside else pack, stash.get(ahead_key, None))
    if code is not None and beside:
        with contextlib.suppress(OSError):
            _replace(cache, origin + (blob or marshal.dumps(code)))
    return code


def _compile(
    name: str, text: bytes, pack: CodePack | None, others: ahead.Ahead | None
) -> tuple[CodeType | None, bytes | None]:
    """The code of the module *name*, and the same marshalled if it is at hand; kept for *pack*."""
    if others is not None and (blob := others.get(name, text)) is not None:
        if pack is not None:
            pack.keep(text, blob)
        return marshal.loads(blob), blob
    began = perf_counter()

    def make() -> CodeType | None:
        return compile_captured(text, name, walrus=_is_walrus_in_place())

    code = make() if pack is None else pack.compile(text, make)
    if others is not None:
        others.compiled(name, perf_counter() - began)
    return code, None


def _is_writable(folder: Path) -> bool:
    """Whether files can be made there; pytest has made the folder if it could."""
    return _access(folder, os.W_OK | os.X_OK)


def _replace(path: Path, content: bytes) -> None:
    """Write a whole file or none: another run may be reading it."""
    new = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        new.write_bytes(content)
        new.replace(path)
    except OSError:
        new.unlink(missing_ok=True)
        raise


def _is_wanted(config: Any) -> bool:
    # With the hook for passed assertions, explanations are built for these, too.
    wanted = config.stash.get(wanted_key, None)
    return wanted is not None and wanted(config) and not config.getini("enable_assertion_pass_hook")
