"""Capture under pytest's import hook."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

import pytest
from _pytest.assertion import rewrite

from dx_py_test_runner.engine.assertion.compile import compile_captured, prepare

KNOWN = {(8, 4), (9, 0), (9, 1), (9, 2)}
"""The releases of pytest whose rewriting is known: what it computes, in which order, and how it numbers temporaries."""

WALRUS_IN_PLACE = (9, 2)

wanted_key = pytest.StashKey[Callable[[Any], bool]]()


def install(config: Any, wanted: Callable[[Any], bool] = lambda config: True) -> bool:
    """Capture the asserts of the modules that pytest's import hook rewrites from now on for this *config*.

    pytest decides which these are, and reads its own cached bytecode where that is fresh. To reach plugins and conftests, too, call
    it before pytest loads them.

    :param wanted: asked for each module, with *config*: ``False`` leaves it to pytest.
    :return: whether this interpreter and this pytest are known well enough.
    """
    if pytest.version_tuple[:2] not in KNOWN or sys.flags.optimize or not _has_columns():
        return False
    config.stash[wanted_key] = wanted
    if not isinstance(rewrite._read_pyc, _Reading):
        rewrite._read_pyc = _Reading(rewrite._read_pyc)
    return True


def _has_columns() -> bool:
    """Not under ``-X no_debug_ranges``: without columns, positions cannot be told apart."""
    return any(start is not None for _, _, start, _ in compile("x", "", "eval").co_positions())


class _Reading:
    """In place of pytest's function that reads cached bytecode: what is not cached is compiled at once.

    pytest then runs it in a frame of its own, as always, and does not write it to its cache, where others would find it.
    """

    def __init__(self, read_pyc: Callable[..., CodeType | None]) -> None:
        self._read_pyc = read_pyc

    def __call__(self, source: Path, pyc: Path, *args: Any, **kwargs: Any) -> CodeType | None:
        cached = self._read_pyc(source, pyc, *args, **kwargs)
        if cached is not None:
            return cached
        # The import hook's method, which goes on to run the code in this module.
        caller = sys._getframe(1).f_locals
        hook, module = caller.get("self"), caller.get("module")
        if not isinstance(hook, rewrite.AssertionRewritingHook) or not isinstance(module, ModuleType):
            return None
        code = _compile(source, hook.config)
        if code is not None:
            prepare(code, module.__dict__)
        return code


def _compile(source: Path, config: Any) -> CodeType | None:
    wanted = config.stash.get(wanted_key, None)
    # With the hook for passed assertions, explanations are built for these, too.
    if wanted is None or not wanted(config) or config.getini("enable_assertion_pass_hook"):
        return None
    try:
        text = source.read_bytes()
    except OSError:
        return None
    return compile_captured(text, str(source), walrus=pytest.version_tuple[:2] >= WALRUS_IN_PLACE)
