"""What a waiting process has loaded is *frozen*: the collector passes over it, so that forks go on sharing its pages.

A test must not notice. Whoever asks the collector for objects, or for a full collection, gets everything thawed first.
Collections that begin by themselves pass over it: when they do is nobody's business.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from dx_py_test_runner import _native

T = TypeVar("T")

_ASKING = frozenset({"gc.get_objects", "gc.get_referrers"})

_WORTHWHILE = 500
"""So many new objects are worth a look for garbage; the collector itself begins one at 700."""

_watching = False
_asks_itself = False

kinds: set[type] = set()
"""The classes of which objects are frozen, or have been."""

notes_kinds = hasattr(sys, "monitoring")
"""Whether anybody wants to know: who hears which functions are executed."""

# No function of ours: a test that traces what is called (for coverage, or hypothesis for it) would see that as its own doing.
_on_collection = _native.Thaw(gc.unfreeze, gc.get_count, gc.get_threshold)


@contextmanager
def loading() -> Iterator[None]:
    """Load what stays: without looking for garbage on the way, and frozen at the end."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
    _freeze()


def freeze() -> None:
    """In a process that is going to wait: collect what is garbage, freeze the rest."""
    gc.collect()
    _freeze()


def keep() -> None:
    """What has been loaded stays: the collector need not look for garbage in it time and again.

    Garbage that loading has left is collected now, among what is new since the last time: what is older than that has
    been looked at. If little is new, it is left for the next time.
    """
    youngest, middle, _oldest = gc.get_count()
    if middle or youngest >= _WORTHWHILE:
        gc.collect(1)
        _freeze()


def _freeze() -> None:
    """Freeze everything, and watch for those who ask."""
    global _watching
    if notes_kinds:
        look_at_new(lambda objects: kinds.update(_native.kinds(objects)))
    gc.freeze()
    if not _watching:
        _watching = True
        _native.listen(_on_event, _ASKING)
        gc.callbacks.append(_on_collection)


def look_at_new(look: Callable[[list[Any]], T], *, generations: int | None = None) -> T:
    """Give *look* the objects that are not frozen; nothing is thawed.

    :param generations: only those of so many of the collector's generations, from the youngest on.
    """
    global _asks_itself
    _asks_itself = True
    try:
        # The list is not to be one of the objects that it has.
        objects = gc.get_objects(None if generations is None else 0)
        for number in range(1, generations or 0):
            objects += gc.get_objects(number)
    finally:
        _asks_itself = False
    return look(objects)


@contextmanager
def staying_frozen() -> Iterator[None]:
    """For collections that are pytest's own: what was loaded before the run is no garbage of it."""
    _on_collection.switch(False)
    try:
        yield
    finally:
        _on_collection.switch(True)


def _on_event(_event: str, _args: object) -> None:
    if not _asks_itself:
        gc.unfreeze()
