"""What is in files: hashes by stamp, and what a text means by its hash. Looked at once, kept from run to run."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

from dx_py_test_runner._native import hash_bytes
from dx_py_test_runner.inputs.compare import HASH_LIMIT
from dx_py_test_runner.inputs.stamp import content_hash, stamp
from dx_py_test_runner.select import outline as outlines
from dx_py_test_runner.select.outline import Outline, as_plain, from_plain

_SETTLED_NS = 50_000_000
"""A file that changed more recently than this may change again under the same stamp."""

_OLD = 200
"""How many texts are kept that are in no file any more: who takes an edit back has them again."""


class Texts:
    """The contents of files.

    :param known: what :meth:`learned` gave earlier.
    :param outlined: likewise, for :meth:`outlined`; asked for only when an outline is.
    """

    def __init__(self, known: dict[str, Any] | None = None, outlined: Callable[[], dict[str, Any]] = dict) -> None:
        known = known or {}
        self._hashes: dict[str, tuple[tuple[int, ...], str]] = dict(known.get("hashes", {}))
        self._meanings: dict[str, str] = dict(known.get("meanings", {}))
        self._kept_outlines = outlined
        self._outlines: dict[str, Outline] | None = None
        self.news = False
        """Whether something was learned that :meth:`learned` did not tell before."""
        self.outline_news = False

    def learned(self) -> dict[str, Any]:
        """What saves time later: hashes by stamps, and meanings by hashes."""
        return {"hashes": self._hashes, "meanings": self._without_oldest(self._meanings)}

    def outlined(self) -> dict[str, Any]:
        """The same for outlines, which few runs need."""
        return {key: as_plain(value) for key, value in self._without_oldest(self._known_outlines()).items()}

    def _without_oldest(self, texts: dict[str, Any]) -> dict[str, Any]:
        used = {digest for _stamp, digest in self._hashes.values()}
        old = [key for key in texts if key not in used]
        gone = set(old[: max(0, len(old) - _OLD)])
        return {key: value for key, value in texts.items() if key not in gone}

    def _known_outlines(self) -> dict[str, Outline]:
        if self._outlines is None:
            self._outlines = {key: from_plain(value) for key, value in self._kept_outlines().items()}
        return self._outlines

    def content(self, path: str) -> str | None:
        """A hash of what is in a file, ``-`` if there is none. Of very big files only size and time are looked at."""
        now = stamp(path)
        if now is None:
            return "-"
        known = self._hashes.get(path)
        if known is not None and known[0] == tuple(now):
            return known[1]
        if now.size > HASH_LIMIT:
            return f"{now.size} {now.mtime_ns}"
        digest = content_hash(path)
        if digest is None or stamp(path) != now:
            return "folder" if os.path.isdir(path) else None
        text = digest.hex()[:32]
        if now.ctime_ns < time.time_ns() - _SETTLED_NS:
            self._hashes[path] = (tuple(now), text)
            self.news = True
        return text

    def meaning(self, path: str) -> str | None:
        """What the text of a Python file means (:func:`~dx_py_test_runner.select.outline.meaning`); None if it cannot be read."""
        key = self.content(path)
        if key is None or key in ("-", "folder"):
            return None
        known = self._meanings.get(key)
        if known is None and (text := _read(path)) is not None:
            known = outlines.meaning(text)
            if _is_of(key, text):
                self._meanings[key] = known
                self.news = True
        return known

    def outline(self, path: str) -> Outline | None:
        """The outline of a Python file; None if it cannot be read."""
        key = self.content(path)
        if key is None or key in ("-", "folder"):
            return None
        texts = self._known_outlines()
        known = texts.get(key)
        if known is None and (text := _read(path)) is not None:
            known = outlines.outline(text)
            if _is_of(key, text):
                texts[key] = known
                self.outline_news = True
        return known


def _is_of(key: str, text: bytes) -> bool:
    """Whether *key* is the hash of *text*: else the file has been written to in between."""
    return hash_bytes(text).hex()[:32] == key


def _read(path: str) -> bytes | None:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return None
