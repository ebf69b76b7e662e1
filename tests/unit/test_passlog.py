"""What workers write down of silent passes comes out complete, in order, and in runs of consecutive items."""

from hypothesis import given
from hypothesis import strategies as st

from dx_py_test_runner.run.release import InOrder
from dx_py_test_runner.wire.journal import PASSES, RECORD_INDEX
from dx_py_test_runner.wire.passlog import PassLog, runs

TIMES = (1.0, 2.0, 3.0, 4.0, 5.0)


def indexes_of(records):
    return [index for (index,) in RECORD_INDEX.iter_unpack(records)]


@given(st.lists(st.tuples(st.integers(0, 50), st.booleans()), max_size=40))
def test_everything_is_taken_once(events):
    log = PassLog(len(events))
    taken = []
    for index, look in events:
        log.append(index, TIMES)
        if look:
            taken += indexes_of(log.take())
    taken += indexes_of(log.take())
    assert taken == [index for index, _ in events]
    assert log.take() == b""


@given(st.lists(st.integers(0, 30), max_size=40))
def test_runs_are_consecutive_and_complete(indexes):
    log = PassLog(len(indexes))
    for index in indexes:
        log.append(index, TIMES)
    found = []
    for first, count, records in runs(log.take()):
        assert indexes_of(records) == list(range(first, first + count))
        found += indexes_of(records)
    assert found == indexes


def test_a_stranger_writes_nothing():
    log = PassLog(2)
    log.detach()
    log.append(0, TIMES)
    assert log.take() == b""


@given(st.integers(1, 12), st.data())
def test_runs_are_released_in_order(count, data):
    """Cut into runs and told in any order, items are released as in a serial run."""
    cuts = sorted(data.draw(st.sets(st.integers(1, count), max_size=count)) | {0, count})
    pieces = [(start, stop) for start, stop in zip(cuts, cuts[1:])]
    order = InOrder(count)
    released = []
    for start, stop in data.draw(st.permutations(pieces)):
        released += order.add_run(start, stop - start, b"%d" % (stop - start))
    assert released == [(PASSES, start, b"%d" % (stop - start)) for start, stop in pieces]
    assert order.head == count
