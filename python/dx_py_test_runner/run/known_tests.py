"""``cache/nodeids``, pytest's list of all tests it has seen (for ``--nf``), kept as text while nobody needs its entries.

pytest makes an object of every entry when it is configured and writes all of them at the end. In a large project that
costs a run of one test more than everything else. Here the text is read at the same moment; if the tests of the run
are all among its entries, the same text is written at the end. In any other case pytest's own code does both.
"""

from __future__ import annotations

import itertools
import json
import operator
import os
from collections.abc import Iterable, Iterator, MutableSet
from typing import Any


class KnownIds(MutableSet[Any]):
    """In the place of ``NFPlugin.cached_nodeids``: whoever looks at it finds pytest's own set.

    :param text: the file's content.
    :param parse: makes one of pytest's ids of an entry.
    """

    def __init__(self, text: str, parse: Any) -> None:
        self._text = text
        self._parse = parse
        self._added: set[Any] = set()
        self._whole: set[Any] | None = None
        self.inherited: Any = None

    def update(self, ids: Iterable[Any]) -> None:
        """Add the tests of this run."""
        (self._added if self._whole is None else self._whole).update(ids)

    def __contains__(self, one: object) -> bool:
        return one in self._set()

    def __iter__(self) -> Iterator[Any]:
        return iter(self._set())

    def __len__(self) -> int:
        return len(self._set())

    def add(self, value: Any) -> None:
        """As of a set."""
        self._set().add(value)

    def discard(self, value: Any) -> None:
        """As of a set."""
        self._set().discard(value)

    @classmethod
    def _from_iterable(cls, it: Iterable[Any]) -> set[Any]:  # type: ignore[override]
        return set(it)

    def _set(self) -> set[Any]:
        if self._whole is None:
            self._whole = {self._parse(entry) for entry in _entries(self._text)} | self._added
        return self._whole

    def unchanged(self) -> str | None:
        """The text as it was read, if pytest would write that again; else None."""
        if self._whole is not None:
            return None
        if self._text == _checked.text and len(self._added) <= _FEW:
            return self._text if all(_has_line(self._text, str(one)) for one in self._added) else None
        entries = _entries(self._text)
        if not _as_pytest_writes(self._text, entries):
            return None
        known = entries if len(self._added) <= _FEW else set(entries)
        return self._text if all(str(one) in known for one in self._added) else None


_FEW = 10
"""Up to so many tests are searched for in the list itself: a set of all entries costs more."""


def _as_pytest_writes(text: str, entries: list[Any]) -> bool:
    """Names only, in order, each once, and laid out as pytest does it: an older version, or somebody's editor, may have written it."""
    if not all(isinstance(entry, str) for entry in entries):
        return False
    return text.startswith('[\n  "') and text.count("\n") == len(entries) + 1 and _rises(entries)


def _has_line(text: str, entry: str) -> bool:
    """Whether *entry* stands in a list that is laid out as pytest does it: no other place has these characters before a name."""
    line = f"\n  {json.dumps(entry, ensure_ascii=False)}"
    return f"{line}," in text or f"{line}\n]" in text


class _Checked:
    """The latest text that was found to be as pytest writes it, and the file's content that it was."""

    content = b""
    text = ""


_checked = _Checked()


def look_ahead(config: Any) -> None:
    """While nobody waits: check the list as it is now. Runs to come, in forks of this process, need not then."""
    path = _path(config)
    try:
        content = path.read_bytes() if path is not None else b""
        text = content.decode()
    except (OSError, ValueError):
        return
    # Reading it as text would make one line end of another.
    if content != _checked.content and b"\r" not in content and _as_pytest_writes(text, _entries(text)):
        _checked.content, _checked.text = content, text


def _read(path: Any) -> str:
    """
    :raises OSError: it cannot be read.
    :raises ValueError: it is no text.
    """
    content = path.read_bytes()
    return _checked.text if content == _checked.content else path.read_text(encoding="UTF-8")


def _rises(entries: list[str]) -> bool:
    """Whether the entries are in order, each once."""
    return all(map(operator.lt, entries, itertools.islice(entries, 1, None)))


def _entries(text: str) -> list[Any]:
    try:
        return list(json.loads(text))
    except ValueError:
        return []


def renew(plugin: Any, config: Any) -> None:
    """Configure pytest's ``NFPlugin`` *plugin* again, in place: hook calls in progress have their lists of plugins."""
    kind = type(plugin)
    path = _path(config)
    impl = _session_finish(plugin, config)
    if config.option.newfirst or path is None or impl is None:
        kind.__init__(plugin, config)
        return
    try:
        before = path.stat()
        text = _read(path)
    except (OSError, ValueError):
        kind.__init__(plugin, config)
        return
    plugin.config, plugin.active = config, config.option.newfirst
    inherited, known = plugin.cached_nodeids, KnownIds(text, _parser())
    plugin.cached_nodeids = known
    # Never freed: the level's own set may lie in a thousand pages that the processes share until somebody writes to them.
    known.inherited = inherited

    def pytest_sessionfinish() -> None:
        if not (_skips_writing(config) or _written(known, config, path, before)):
            plugin.pytest_sessionfinish()

    impl.function = pytest_sessionfinish


def _skips_writing(config: Any) -> bool:
    return bool(config.getoption("cacheshow") or hasattr(config, "workerinput") or config.getoption("collectonly"))


def _written(known: KnownIds, config: Any, path: Any, before: os.stat_result) -> bool:
    text = known.unchanged()
    if text is None:
        return False
    try:
        config.cache._mkdir(path.parent)
        if not _touched(path, before):
            path.write_text(text, encoding="UTF-8")
    except OSError:
        return False  # pytest's own code says so
    return True


def _touched(path: Any, before: os.stat_result) -> bool:
    """Make a file that is still as it was *before* look as if the same had been written again; False if it is another one.

    :raises OSError: it cannot be written.
    """
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        now = os.fstat(fd)
        same = all(getattr(now, name) == getattr(before, name) for name in ("st_ino", "st_dev", "st_size", "st_mtime_ns", "st_ctime_ns"))
        if same:
            os.utime(fd)
        return same
    finally:
        os.close(fd)


def _path(config: Any) -> Any:
    cache = getattr(config, "cache", None)  # there is none with -p no:cacheprovider
    find = getattr(cache, "_getvaluepath", None)
    return find("cache/nodeids") if find and hasattr(cache, "_mkdir") else None


def _session_finish(plugin: Any, config: Any) -> Any:
    """pluggy's entry of the plugin's end-of-session hook: replaced in place, it keeps its position among the others."""
    implementations = config.pluginmanager.hook.pytest_sessionfinish.get_hookimpls()
    found = [one for one in implementations if one.plugin is plugin and not one.argnames]
    return found[0] if len(found) == 1 else None


def _parser() -> Any:
    from _pytest import cacheprovider

    kind = getattr(cacheprovider, "NodeId", None)
    return kind.parse if kind is not None else str
