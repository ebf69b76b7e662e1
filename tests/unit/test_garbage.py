"""The last collections: as many as can find something."""

import gc
import weakref

from dx_py_test_runner.engine.garbage import collect_until_clean


class Chain:
    """Its end makes the garbage for the next collection."""

    ends = 0

    def __init__(self, length):
        self.itself, self.length = self, length

    def __del__(self):
        Chain.ends += 1
        if self.length:
            Chain(self.length - 1)


def count_collections(monkeypatch):
    counted = []
    collect = gc.collect
    monkeypatch.setattr(gc, "collect", lambda: counted.append(collect()) or counted[-1])
    return counted


def test_it_stops_behind_the_first_that_finds_nothing(monkeypatch):
    gc.collect()
    counted = count_collections(monkeypatch)
    collect_until_clean(5)
    assert counted[-1] == 0 and 0 not in counted[:-1] and len(counted) <= 3


def test_it_finds_what_finding_made(monkeypatch):
    gc.collect()
    Chain.ends = 0
    Chain(2)
    count_collections(monkeypatch)
    collect_until_clean(5)
    assert Chain.ends == 3


def test_it_collects_no_more_often_than_asked(monkeypatch):
    counted = count_collections(monkeypatch)
    Chain(9)
    collect_until_clean(2)
    assert len(counted) == 2


def test_objects_are_gone():
    chain = Chain(0)
    gone = weakref.ref(chain)
    del chain
    collect_until_clean(1)
    assert gone() is None
