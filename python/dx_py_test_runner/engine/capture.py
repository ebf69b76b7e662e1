"""From a module's source to a code object like the one that pytest's rewriting gives.

Nothing of pytest is imported here: a process without it compiles, too (``ahead.py``).
"""

from __future__ import annotations

import io
import os
import tokenize
from types import CodeType
from typing import Any

from dx_py_test_runner import _native

BYTE_ORDER_MARK = b"\xef\xbb\xbf"

MARK = "@py_builtins"
"""Among the names of the code of every module that pytest would have rewritten."""


def compile_captured(source: bytes, filename: str, *, walrus: bool) -> CodeType | None:
    """The code of a module with its assert statements captured.

    It can be marshalled, and is run after :func:`~dx_py_test_runner.engine.assertion.prepare.prepare`. It depends on *source*,
    *filename*, *walrus*, the interpreter and this package; on nothing else.

    :param walrus: whether pytest leaves assignment expressions in assert statements where they are (9.2 and later).
    :return: ``None`` if it has to be left to pytest: its text is not UTF-8, is wrong, or holds asserts that cannot be
        captured faithfully.
    """
    text = _decode(source)
    if text is None:
        return None
    captured = _native.capture_asserts(text, walrus=walrus)
    try:
        if captured is None:
            return compile(text, filename, "exec", dont_inherit=True)
        if isinstance(captured, str):
            return None
        code = compile(captured.text, filename, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError):
        # pytest finds the same, and says so about the original text.
        return None
    if not captured.unchanged:
        code = _restore(code, captured, captured.names)
    return code.replace(co_names=(*code.co_names, MARK))


def _decode(source: bytes) -> str | None:
    if source.startswith(BYTE_ORDER_MARK):
        source = source[len(BYTE_ORDER_MARK) :]
    # An encoding is declared in the first two lines or not at all.
    end = source.find(b"\n", source.find(b"\n") + 1)
    if b"coding" in source[: end if end > 0 else None] or b"\r" in source:
        try:
            encoding, _ = tokenize.detect_encoding(io.BytesIO(source).readline)
        except SyntaxError:
            return None
        if encoding != "utf-8":
            return None
    try:
        return source.decode()
    except UnicodeDecodeError:
        return None


def _restore(code: CodeType, captured: Any, names: dict[str, str]) -> CodeType:
    """*code* and those in it as if they came from the original text."""
    changes: dict[str, Any] = {}
    for index, constant in enumerate(code.co_consts):
        if isinstance(constant, CodeType):
            restored = _restore(constant, captured, names)
            if restored is not constant:
                changes.setdefault("co_consts", list(code.co_consts))[index] = restored
    if "co_consts" in changes:
        changes["co_consts"] = tuple(changes["co_consts"])
    if not names.keys().isdisjoint(code.co_names):
        changes["co_names"] = tuple([names.get(name, name) for name in code.co_names])
    if not names.keys().isdisjoint(code.co_varnames):
        changes["co_varnames"] = tuple([names.get(name, name) for name in code.co_varnames])
    table = captured.relocate(code.co_linetable, code.co_firstlineno)
    if table is not None:
        changes["co_linetable"] = table
    return code.replace(**changes) if changes else code


def _build() -> str:
    """What decides which code comes out: this package and its native part, as they are installed."""
    stamps = [os.stat(file) for file in (_native.__file__, __file__)]
    return f"{hash(tuple((status.st_mtime_ns, status.st_size) for status in stamps)) & 0xFFFFFFFF:08x}"


BUILD = _build()
