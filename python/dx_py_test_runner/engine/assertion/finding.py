"""``AssertionRewritingHook.find_spec``, asked for every module that anybody imports, on texts instead of path objects.

Beside it the two functions that find a test module's cache: they make the same two paths and one system call for each.
"""

from __future__ import annotations

import fnmatch
import importlib.util
import os
import re
import stat
import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path, PosixPath
from typing import Any

from _pytest.assertion import rewrite
from _pytest.assertion.rewrite import AssertionRewritingHook

from dx_py_test_runner.engine.frames import standing_in_for

KNOWN = (9, 2)
"""The release whose steps these are."""

_find_spec = AssertionRewritingHook.find_spec
_get_cache_dir = getattr(rewrite, "get_cache_dir", None)
_try_makedirs = getattr(rewrite, "try_makedirs", None)
_OWN = {
    name: AssertionRewritingHook.__dict__.get(name)
    for name in ("_find_spec", "_early_rewrite_bailout", "_should_rewrite", "_is_marked_for_rewrite")
}
_exists, _stat = os.path.exists, os.stat  # as they were before any test replaced them
_making = os.makedirs, os.mkdir


def install() -> None:
    """Have pytest's import hook find modules this way, where nobody has changed it."""
    if AssertionRewritingHook.find_spec is _find_spec:
        AssertionRewritingHook.find_spec = find_spec  # type: ignore[method-assign]
        rewrite.get_cache_dir = get_cache_dir
        rewrite.try_makedirs = try_makedirs


@standing_in_for(_find_spec, "_find_spec")
def find_spec(
    self: Any, name: str, path: Sequence[str | bytes] | None = None, target: Any = None
) -> ModuleSpec | None:
    """As pytest's own; whatever is not simple is left to it."""
    matches = _matcher(self)
    last = name.rpartition(".")[2]
    if matches is None or not last or os.sep in name or "\0" in name:
        return _find_spec(self, name, path, target)
    if self._writing_pyc:
        return None
    state = self.config.stash[rewrite.assertstate_key]
    if (
        not matches(last + ".py")
        and last not in self._basenames_to_check_rewrite
        and not self._is_marked_for_rewrite(name, state)
    ):
        return None
    spec = self._find_spec(name, path)
    if (
        spec is None
        or spec.origin is None
        or not isinstance(spec.loader, SourceFileLoader)
        or not _exists(spec.origin)
        or not (matches(os.path.basename(spec.origin)) or self._should_rewrite(name, spec.origin, state))
    ):
        return None
    return importlib.util.spec_from_file_location(
        name, spec.origin, loader=self, submodule_search_locations=spec.submodule_search_locations
    )


def _matcher(hook: Any) -> Callable[[str], object] | None:
    """Whether a file of a name is a test module to *hook*; None if its own code has to find that out."""
    if type(hook) is not AssertionRewritingHook or not (hook._session_paths_checked or hook.session is None):
        return None
    known = hook.__dict__
    if not _OWN.keys().isdisjoint(known) or any(AssertionRewritingHook.__dict__.get(name) is not own for name, own in _OWN.items()):
        return None
    trace = hook.config.trace.root
    if trace._writer is not None or trace._tags2proc:
        return None  # it would write down each step
    patterns = tuple(hook.fnpats)
    if patterns != _last.patterns:
        _last.patterns = patterns
        _last.matches = (
            None
            if any(os.sep in pattern for pattern in patterns)
            else re.compile("|".join(map(fnmatch.translate, patterns)) or "(?!)").match
        )
    return _last.matches


class _Last:
    """The patterns that were looked at last, and what they match."""

    patterns: tuple[str, ...] | None = None
    matches: Callable[[str], object] | None = None


_last = _Last()


# ---- where a module's code is cached


def get_cache_dir(file_path: Path) -> Path:
    """As pytest's own. Paths do not change: that of a folder is made once for all of its modules."""
    if sys.pycache_prefix or type(file_path) is not PosixPath:
        return _get_cache_dir(file_path)  # type: ignore[misc]
    folder = str(file_path).rpartition(os.sep)[0]
    if folder != _cache.folder or not folder:
        _cache.folder, _cache.path = folder, _get_cache_dir(file_path)  # type: ignore[misc]
    return _cache.path


class _Cache:
    """The folder that was asked for last."""

    folder = ""
    path: Path


_cache = _Cache()


def try_makedirs(cache_dir: Path) -> bool:
    """As pytest's own, which tries to make it before it looks whether it is there. Nobody's input: this asks unrecorded."""
    try:
        # Where somebody has replaced what makes it, that is to be heard.
        if (os.makedirs, os.mkdir) == _making and stat.S_ISDIR(_stat(cache_dir).st_mode):
            return True
    except OSError:
        pass
    return _try_makedirs(cache_dir)  # type: ignore[misc]
