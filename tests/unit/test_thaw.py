"""Who starts a full collection gets everything looked at; those that start by themselves pass over what is frozen."""

import gc

import pytest

from dx_py_test_runner._native import Thaw


@pytest.fixture
def thaws():
    calls = []
    thaw = Thaw(lambda: calls.append(True), gc.get_count, gc.get_threshold)
    before = gc.get_threshold()
    # What the other tests have left would be looked through each time.
    gc.freeze()
    gc.callbacks.append(thaw)
    yield calls
    gc.callbacks.remove(thaw)
    gc.unfreeze()
    gc.set_threshold(*before)


def test_every_collection_that_is_asked_for_thaws(thaws):
    for new in range(gc.get_threshold()[0] + 100):
        gc.collect(0)
        objects = [[] for _ in range(new)]
        thaws.clear()
        gc.collect()
        assert thaws, f"with {new} new objects"
        del objects


def test_collections_by_themselves_do_not(thaws):
    oldest = []
    gc.callbacks.append(lambda phase, info: oldest.append(phase) if info["generation"] == 2 else None)
    try:
        gc.set_threshold(10, 1, 1)
        kept = []
        for _ in range(1_000_000):
            kept.append([])
            if oldest:
                break
    finally:
        gc.callbacks.pop()
    assert oldest, "no full collection began by itself"
    assert not thaws


def test_younger_collections_do_not(thaws):
    gc.collect(1)
    assert not thaws
