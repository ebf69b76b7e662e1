"""Whatever order events arrive in, they are released item by item in collection order."""

from hypothesis import given
from hypothesis import strategies as st

from dx_py_test_runner.run.release import InOrder
from dx_py_test_runner.wire.journal import FINISH, REPORT, START


def events_of(index):
    return [(START, index, None), (REPORT, index, "setup"), (REPORT, index, "call"), (FINISH, index, None)]


@st.composite
def interleavings(draw):
    """Events of some items, each item's own in order, spread over workers that interleave at will."""
    count = draw(st.integers(1, 6))
    assignment = [draw(st.integers(0, 2)) for _ in range(count)]
    queues = [[e for i in range(count) if assignment[i] == worker for e in events_of(i)] for worker in range(3)]
    arrived = []
    while any(queues):
        worker = draw(st.sampled_from([n for n, queue in enumerate(queues) if queue]))
        arrived.append(queues[worker].pop(0))
    return count, arrived


@given(interleavings())
def test_released_in_collection_order(case):
    count, arrived = case
    order = InOrder(count)
    released = [event for incoming in arrived for event in order.add(incoming)]
    assert released == [event for index in range(count) for event in events_of(index)]
    assert order.head == count
    assert order.rest() == []


@given(interleavings(), st.data())
def test_what_is_left_is_released_at_the_end_without_unfinished_items(case, data):
    count, arrived = case
    lost = data.draw(st.integers(0, count - 1))
    order = InOrder(count)
    released = []
    for incoming in arrived:
        if incoming != (FINISH, lost, None):
            released += order.add(incoming)
    assert not order.is_finished(lost)
    released += order.rest()
    expected = [event for index in range(count) if index != lost for event in events_of(index)]
    assert [event for event in released if event[1] != lost] == expected


def test_the_first_items_events_are_not_held_back():
    order = InOrder(2)
    assert order.add((START, 0, None)) == [(START, 0, None)]
    assert order.add((START, 1, None)) == []
