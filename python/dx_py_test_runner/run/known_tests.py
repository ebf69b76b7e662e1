"""``cache/nodeids``, pytest's list of all tests it has seen (for ``--nf``), kept as text while nobody needs its entries.

pytest makes an object of every entry when it is configured and writes all of them at the end. In a large project that
costs a run of one test more than everything else. Here the text is read at the same moment; if the tests of the run
are all among its entries, the same text is written at the end. In any other case pytest's own code does both.
"""

from __future__ import annotations

import itertools
import json
import operator
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
        entries = _entries(self._text)
        if not all(isinstance(entry, str) for entry in entries):
            return None
        # In order, each once, and laid out as pytest does it: an older version, or somebody's editor, may have written it.
        as_written = self._text.startswith('[\n  "') and self._text.count("\n") == len(entries) + 1
        known = entries if len(self._added) <= _FEW else set(entries)
        if as_written and _rises(entries) and all(str(one) in known for one in self._added):
            return self._text
        return None


_FEW = 10
"""Up to so many tests are searched for in the list itself: a set of all entries costs more."""


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
        text = path.read_text(encoding="UTF-8")
    except (OSError, ValueError):
        kind.__init__(plugin, config)
        return
    plugin.config, plugin.active = config, config.option.newfirst
    inherited, known = plugin.cached_nodeids, KnownIds(text, _parser())
    plugin.cached_nodeids = known
    # Never freed: the level's own set may lie in a thousand pages that the processes share until somebody writes to them.
    known.inherited = inherited

    def pytest_sessionfinish() -> None:
        if not (_skips_writing(config) or _written(known, config, path)):
            plugin.pytest_sessionfinish()

    impl.function = pytest_sessionfinish


def _skips_writing(config: Any) -> bool:
    return bool(config.getoption("cacheshow") or hasattr(config, "workerinput") or config.getoption("collectonly"))


def _written(known: KnownIds, config: Any, path: Any) -> bool:
    text = known.unchanged()
    if text is None:
        return False
    try:
        config.cache._mkdir(path.parent)
        path.write_text(text, encoding="UTF-8")
    except OSError:
        return False  # pytest's own code says so
    return True


def _path(config: Any) -> Any:
    find = getattr(config.cache, "_getvaluepath", None)
    return find("cache/nodeids") if find and hasattr(config.cache, "_mkdir") else None


def _session_finish(plugin: Any, config: Any) -> Any:
    """pluggy's entry of the plugin's end-of-session hook: replaced in place, it keeps its position among the others."""
    implementations = config.pluginmanager.hook.pytest_sessionfinish.get_hookimpls()
    found = [one for one in implementations if one.plugin is plugin and not one.argnames]
    return found[0] if len(found) == 1 else None


def _parser() -> Any:
    from _pytest import cacheprovider

    kind = getattr(cacheprovider, "NodeId", None)
    return kind.parse if kind is not None else str
