"""What a waiting process has loaded is *frozen*: the collector passes over it, so that forks go on sharing its pages.

A test must not notice. Whoever asks the collector for objects, or for a full collection, gets everything thawed first.
Collections that begin by themselves pass over it: when they do is nobody's business.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from dx_py_test_runner import _native

_ASKING = frozenset({"gc.get_objects", "gc.get_referrers"})

_watching = False

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
    been looked at.
    """
    gc.collect(1)
    _freeze()


def _freeze() -> None:
    """Freeze everything, and watch for those who ask."""
    global _watching
    gc.freeze()
    if not _watching:
        _watching = True
        sys.addaudithook(_on_event)
        gc.callbacks.append(_on_collection)


@contextmanager
def staying_frozen() -> Iterator[None]:
    """For collections that are pytest's own: what was loaded before the run is no garbage of it."""
    _on_collection.switch(False)
    try:
        yield
    finally:
        _on_collection.switch(True)


def _on_event(event: str, _args: object) -> None:
    if event in _ASKING:
        gc.unfreeze()
