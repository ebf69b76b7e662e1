"""Records of passes: written where they are said to be, counted, and never behind a lid."""

import mmap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dx_py_test_runner._native import Records
from dx_py_test_runner.wire.journal import RECORD_SIZE, Journal, read, record, unshown

HEADER = 16
TIMES = (1.0, 2.0, 3.0, 4.0, 5.5)


def memory_for(count):
    return mmap.mmap(-1, HEADER + count * RECORD_SIZE)


@given(st.lists(st.tuples(st.integers(0, 2**32 - 1), st.tuples(*[st.floats(allow_nan=False)] * 5)), max_size=30))
def test_a_record_is_what_the_journal_makes_of_it(passes):
    memory = memory_for(len(passes))
    records = Records(memory, HEADER, HEADER)
    for index, times in passes:
        records.append(index, times)
    expected = b"".join(record(index, times) for index, times in passes)
    assert records.since(HEADER) == memory[HEADER : HEADER + len(expected)] == expected
    assert int.from_bytes(memory[:8], "little") == len(expected)


def test_nothing_is_written_behind_the_end():
    records = Records(memory_for(1), HEADER, HEADER)
    records.append(0, TIMES)
    with pytest.raises(BufferError):
        records.append(1, TIMES)
    assert records.end == HEADER + RECORD_SIZE


def test_nothing_is_written_where_it_is_closed():
    memory = memory_for(1)
    records = Records(memory, HEADER, HEADER)
    records.close()
    with pytest.raises(BufferError):
        records.append(0, TIMES)
    assert not any(memory[:])


@pytest.mark.parametrize(
    ("memory", "header", "end"),
    [
        (b"\0" * 64, HEADER, HEADER),  # cannot be written to
        (mmap.mmap(-1, 64), 4, HEADER),  # no room for the number
        (mmap.mmap(-1, 64), HEADER, 8),
        (mmap.mmap(-1, 64), HEADER, 65),
    ],
)
def test_memory_that_cannot_hold_them_is_refused(memory, header, end):
    with pytest.raises(ValueError):
        Records(memory, header, end)


def test_an_end_outside_of_the_memory_is_refused():
    records = Records(memory_for(1), HEADER, HEADER)
    for end in (0, HEADER + RECORD_SIZE + 1):
        with pytest.raises(ValueError):
            records.advance(end)


def test_a_journal_that_grows_closes_what_it_has_given():
    book = Journal.create()
    given = book.room(1)
    book.append_passed(3, TIMES)
    book.append("report", 4, "x" * (1 << 21))
    with pytest.raises(BufferError):
        given.append(5, TIMES)
    book.room(1).append(6, TIMES)
    assert [(kind, index) for kind, index, _value in read(book.fd)] == [("passed", 3), ("report", 4), ("passed", 6)]
    assert unshown(book.fd) == 0


def test_a_stranger_writes_to_memory_of_its_own():
    book = Journal.create()
    book.append_passed(1, TIMES)
    book.detach()
    given = book.room(100_000)
    given.append(2, TIMES)
    book.append_passed(3, TIMES)
    assert [index for _kind, index, _value in read(book.fd)] == [1]
