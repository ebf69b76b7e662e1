"""The journal outlives its writer and is read up to the last complete entry."""

import os

from hypothesis import given
from hypothesis import strategies as st

from dx_py_test_runner.wire import journal
from dx_py_test_runner.wire.deaths import LOST_DESCRIPTORS

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
entries = st.lists(st.tuples(st.sampled_from(["start", "report", "finish"]), st.none() | st.integers(0, 9), values))


@given(entries, st.data())
def test_what_was_written_completely_is_read(written, data):
    book = journal.Journal.create()
    try:
        for entry in written:
            book.append(*entry)
        assert list(journal.read(book.fd)) == written
        size = os.fstat(book.fd).st_size
        cut = data.draw(st.integers(0, size))
        os.ftruncate(book.fd, cut)
        read = list(journal.read(book.fd))
        assert read == written[: len(read)]
    finally:
        os.close(book.fd)


class NotPlain:
    def __eq__(self, other):
        return isinstance(other, NotPlain)


def test_values_that_are_not_plain_survive_too():
    assert journal.loads(journal.dumps(("report", 1, NotPlain()))) == ("report", 1, NotPlain())


def test_states_names_the_worst_outcome_and_the_last_phase():
    book = journal.Journal.create()
    book.append(journal.IDS, None, ["a", "b", "c"])
    for index, when, outcome in ((0, "setup", "passed"), (0, "call", "failed"), (0, "teardown", "passed")):
        book.append(journal.REPORT, index, {"$report_type": "TestReport", "when": when, "outcome": outcome})
    book.append(journal.START, 1, None)
    ids, outcomes, phases = journal.states(book.fd)
    os.close(book.fd)
    assert ids == ["a", "b", "c"]
    assert outcomes == {0: "failed"}
    assert phases == {0: "teardown", 1: "start"}


def test_a_replaced_descriptor_ends_the_process_instead_of_being_written_to(tmp_path):
    victim = tmp_path / "victim"
    pid = os.fork()
    if pid == 0:
        book = journal.Journal.create()
        fd = os.open(victim, os.O_RDWR | os.O_CREAT)
        os.dup2(fd, book.fd)
        book.append("start", 0)
        os._exit(0)
    _pid, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == LOST_DESCRIPTORS
    assert victim.read_bytes() == b""
