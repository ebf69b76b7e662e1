"""Which claims are about what has changed between a revision and now. Pure."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import NamedTuple

from dx_py_test_runner._native import hash_bytes
from dx_py_test_runner.history.store import Claim, History
from dx_py_test_runner.inputs import owners
from dx_py_test_runner.select.affected import Selector
from dx_py_test_runner.select.closure import ALL
from dx_py_test_runner.select.effects import mentions
from dx_py_test_runner.select.outline import Outline, meaning, outline
from dx_py_test_runner.select.world import BODY, CODE, EFFECT, FIND, LEVEL, MENTIONS, SIGNATURE, SIGNATURES, TOUCHED, TREE, of_outline


class Was(NamedTuple):
    """A path that is not as it was."""

    content: bytes | None
    """What was in it; None if it was not there."""
    is_there: bool
    """Whether it is there now."""


class Changes:
    """Paths that have changed since a revision.

    :param paths: by the names that claims have for them.
    :param now: gives the present outline of a path, None if there is none.
    """

    def __init__(self, paths: Mapping[str, Was], now: Callable[[str], Outline | None] = lambda _name: None) -> None:
        self._paths = paths
        self._now = now
        self._outlines: dict[str, Outline] = {}
        self._gone: bool | None = None
        come_or_gone = [path for path, was in paths.items() if (was.content is None) == was.is_there]
        self._folders = {folder for path in come_or_gone for folder in _above(path)}
        self._stems = {part.partition(".")[0] for path in come_or_gone for part in path.split("/")}

    def touch(self, claim: Claim) -> bool:
        """Whether what *claim* says was otherwise at the revision, for all that is known."""
        kind, name, value = claim
        if kind == TREE:
            return bool(self._paths)
        if kind == owners.LIST:
            return name in self._folders
        if kind == owners.DISTS:
            return any(".dist-info" in path or ".egg" in path for path in self._paths)
        if kind == FIND:
            stem = name.rpartition("\0")[2]
            return stem in self._stems or (stem == ALL and bool(self._folders))
        if kind == TOUCHED:
            return self._others_touch()
        if kind == MENTIONS:
            name, package, target = name.split("\0")
            was = self._paths.get(name)
            return was is not None and mentions(self._outline(name), package, target) != (value == "yes")
        path, _, function = name.partition("::")
        was = self._paths.get(path)
        if was is None:
            return kind == owners.KIND and name in self._folders
        if was.content is None or not was.is_there:
            return True
        if kind == owners.KIND:
            return False
        if kind == owners.FILE:
            return hash_bytes(was.content).hex()[:32] != value
        if kind == EFFECT:
            return self._statements(self._outline(path)) != self._statements(self._now(path))
        if kind not in (CODE, LEVEL, BODY, SIGNATURE, SIGNATURES):
            return True
        if kind == CODE:
            return meaning(was.content) != value
        known = self._outline(path)
        assert known is not None
        then = known.level or meaning(was.content) if kind == LEVEL else of_outline(kind, known, function)
        return then != value

    def _outline(self, path: str) -> Outline | None:
        """Of a changed file, as it was."""
        content = self._paths[path].content
        if path not in self._outlines and content is not None:
            self._outlines[path] = outline(content)
        return self._outlines.get(path)

    def _others_touch(self) -> bool:
        """Whether a file has left something in others, which it does not any more. (What is new there is a claim of its own.)"""
        if self._gone is None:
            paths = [path for path in self._paths if path.endswith(".py")]
            both = [(self._outline(path), self._now(path)) for path in paths]
            self._gone = any(not _touched(was) <= _touched(now) for was, now in both)
        return self._gone

    @staticmethod
    def _statements(known: Outline | None) -> object:
        return None if known is None else known.touches.statements


def _touched(known: Outline | None) -> set[tuple[str, int, str]]:
    return set() if known is None else {one for statement in known.touches.statements for one in statement.touched}


def _above(path: str) -> list[str]:
    found = []
    while (parent := os.path.dirname(path)) and parent != path:
        found.append(parent)
        path = parent
    return found


class ChangedSelector:
    """Decides which tests must run that depend on what has changed since a revision, whether they have passed since or not."""

    def __init__(self, history: History, selector: Selector, changes: Changes) -> None:
        self._history, self._selector, self._changes = history, selector, changes
        self._touched: dict[int, bool] = {}

    def must_run(self, test: str) -> bool:
        """Whether *test* must run: unless what it depends on now is known, and was the same at the revision."""
        for memory in self._history.tests.get(test, ()):
            if memory.sets and all(map(self._selector.holds, memory.sets)):
                return any(map(self._is_touched, memory.sets))
        return True

    def _is_touched(self, number: int) -> bool:
        known = self._touched.get(number)
        if known is None:
            known = self._touched[number] = any(map(self._changes.touch, self._history.claims_of(number)))
        return known
