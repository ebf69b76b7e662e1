"""Pure decisions: grouping, worker counts, the order of asking levels, what a death means."""

import math
import os

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from dx_py_test_runner.daemon import explain
from dx_py_test_runner.daemon.plan import Candidate, order_levels, overdue, surplus
from dx_py_test_runner.run.plan import Group, groups_of, join, several_pay, worker_count
from dx_py_test_runner.tower.pace import Pace
from dx_py_test_runner.wire import journal, status
from dx_py_test_runner.wire.deaths import how
from dx_py_test_runner.worker.tokens import Tokens


@given(st.lists(st.sampled_from(["a.py", "b.py", "c.py"])))
def test_groups_cover_every_item_once_and_never_mix_files(files):
    ids = [f"{path}::test_{number}" for number, path in enumerate(files)]
    groups = groups_of(ids)
    assert [i for group in groups for i in range(*group)] == list(range(len(ids)))
    for group in groups:
        assert len({files[i] for i in range(*group)}) == 1
    for left, right in zip(groups, groups[1:]):
        assert files[left.start] != files[right.start]


def test_items_alone_are_groups_of_one():
    assert groups_of(["a.py::x", "a.py::y"], alone=True) == [Group(0, 1), Group(1, 2)]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["x", "y", None]))))
def test_items_of_one_label_are_in_one_group(items):
    groups = groups_of([f"{path}.py::t" for path, _label in items])
    labels = [label for _path, label in items]
    joined = join(groups, labels)
    assert [i for group in joined for i in range(*group)] == list(range(len(items)))
    assert {group.start for group in joined} <= {group.start for group in groups}
    for label in ("x", "y"):
        assert len({g for g in joined for i in range(*g) if labels[i] == label}) <= 1
    if not any(labels):
        assert joined == groups


def test_no_more_workers_than_groups():
    assert worker_count(8, [Group(0, 1)]) == 1
    assert worker_count(2, [Group(0, 1), Group(1, 2), Group(2, 3)]) == 2
    assert worker_count(4, []) == 1


def candidate(name, cwd="/p", argv=("test",), used=0.0):
    return Candidate(name, name, cwd, argv, used)


@given(
    st.lists(st.tuples(st.sampled_from(["base", "configured", "collected"]), st.integers(0, 9), st.integers(0, 9))),
    st.integers(0, 40),
)
def test_what_is_given_up_is_the_oldest_and_no_more_than_needed(levels, ceiling):
    sizes = [(candidate(name, used=used, argv=(str(i),)), size) for i, (name, used, size) in enumerate(levels)]
    gone = surplus(sizes, ceiling)
    kept = [(c, size) for c, size in sizes if c not in gone]
    others = [c for c, _size in kept if c.name != "base"]
    assert all(c.name != "base" for c in gone)
    assert sum(size for _c, size in kept) <= ceiling or not others
    assert all(g.used <= c.used for g in gone for c in others)
    if gone:
        size_of = {c.argv: size for c, size in sizes}
        assert sum(size for _c, size in kept) + size_of[gone[-1].argv] > ceiling


def test_the_most_advanced_level_of_the_same_folder_is_asked_first():
    levels = [candidate("base"), candidate("configured"), candidate("collected"), candidate("collected", cwd="/q")]
    assert [c.level for c in order_levels(levels, "/p", ("test",))] == ["collected", "configured", "base"]


def test_the_same_arguments_come_before_the_latest_use():
    same = candidate("collected", argv=("test", "a.py"), used=1.0)
    later = candidate("collected", used=2.0)
    assert order_levels([later, same], "/p", ("test", "a.py"))[0] is same
    assert order_levels([same, later], "/p", ("test", "b.py"))[0] is later


def test_levels_that_were_not_true_are_asked_last_and_few_are_kept():
    levels = [replace(candidate("collected", used=float(age)), stale=age > 1) for age in range(5)]
    assert [c.used for c in order_levels(levels, "/p", ("test",))] == [1.0, 0.0, 4.0, 3.0, 2.0]
    assert [c.used for c in overdue(levels)] == [2.0]
    assert overdue([replace(candidate("configured"), stale=True), *levels[:4]]) == []


def test_a_fresh_start_takes_a_base():
    levels = [candidate("collected"), candidate("base")]
    assert [c.name for c in order_levels(levels, "/p", ("test",), fresh=True)] == ["base"]


def test_tokens_are_claimed_once_each():
    tokens = Tokens(range(300))
    assert [tokens.claim() for _ in range(301)] == [*range(300), None]
    tokens.close()


def run_state(phase, *, item=None, doing="", entries=()):
    page = status.StatusPage.create()
    page.phase, page.item, page.doing = phase, item, doing
    book = journal.Journal.create()
    for entry in entries:
        book.append(*entry)
    return [page.fd, book.fd]


IDS = (journal.IDS, None, ["t.py::a", "t.py::b", "t.py::c"])
A_PASSED = (journal.REPORT, 0, {"$report_type": "TestReport", "when": "call", "outcome": "passed"})
KILLED = 11
EXITED = 0


def test_a_death_at_import_blames_the_file_and_tries_again():
    verdict = explain.decide(KILLED, run_state(status.LOAD, doing="collect:/p/test_x.py"), {})
    assert verdict.carry == {"crashed_files": {"/p/test_x.py": "was killed by SIGSEGV (signal 11)"}}


def test_the_same_file_twice_is_not_tried_again():
    carry = {"crashed_files": {"/p/test_x.py": "x"}}
    verdict = explain.decide(KILLED, run_state(status.LOAD, doing="collect:/p/test_x.py"), carry)
    assert verdict.carry is None
    assert "/p/test_x.py" in verdict.text


def test_a_death_in_a_conftest_says_so():
    verdict = explain.decide(EXITED, run_state(status.LOAD, doing="load:the initial conftest files"), {})
    assert verdict.carry is None
    assert "exited with status 0 while loading the initial conftest files" in verdict.text


def test_a_death_in_a_test_resumes_behind_it():
    verdict = explain.decide(KILLED, run_state(status.TESTS, item=1, entries=[IDS, A_PASSED]), {})
    assert verdict.carry is not None and verdict.carry["resume"]
    assert verdict.carry["crashed_items"] == {"t.py::b": ("was killed by SIGSEGV (signal 11)", 0)}


def test_deaths_without_progress_end_in_an_account_that_names_every_test():
    carry = {}
    for _ in range(3):
        verdict = explain.decide(KILLED, run_state(status.TESTS, entries=[IDS, A_PASSED]), carry)
        carry = verdict.carry
    assert carry is None
    assert "1 passed" in verdict.text
    assert "NOT RUN t.py::b" in verdict.text and "NOT RUN t.py::c" in verdict.text


def test_a_death_at_the_end_gives_the_account_at_once():
    failed = (journal.REPORT, 1, {"$report_type": "TestReport", "when": "call", "outcome": "failed"})
    fds = run_state(status.FINISH, doing="finish:pytest_sessionfinish", entries=[IDS, A_PASSED, failed])
    verdict = explain.decide(EXITED, fds, {})
    assert verdict.carry is None
    assert "pytest_sessionfinish" in verdict.text
    assert "FAILED t.py::b" in verdict.text and "NOT RUN t.py::c" in verdict.text


def test_wait_statuses_in_words():
    assert how(9) == "was killed by SIGKILL (signal 9)"
    assert how(3 << 8) == "exited with status 3"
    assert how(None) == "ended in an unknown way"


def test_the_status_page_is_shared_with_a_fork():
    page = status.StatusPage.create()
    pid = os.fork()
    if pid == 0:
        page.item, page.doing, page.stop = 7, "collect:/ä", True
        os._exit(0)
    os.waitpid(pid, 0)
    assert (page.item, page.doing, page.stop) == (7, "collect:/ä", True)
    page.item = None
    assert page.item is None
    page.close()


def test_several_processes_are_tried_first_and_kept_while_they_should_take_less():
    assert several_pay(None, None, 2)
    assert several_pay(None, 3.0, 2)
    assert not several_pay(None, 0.1, 2)
    assert not several_pay(0.07, 0.1, 2)
    assert several_pay(0.12, 0.1, 2)
    assert several_pay(0.07, 0.1, 8)
    assert several_pay(0.07, 0.06, 2)
    assert not several_pay(9.0, 9.0, 1)


@given(st.integers(1, 1000), st.integers(1, 1000), st.floats(0.001, 1000), st.booleans())
def test_what_items_took_is_expected_of_as_many(known, count, seconds, alone):
    pace = Pace()
    pace.tell(known, seconds, alone=alone)
    assert pace.expected(count, alone=not alone) is None
    assert math.isclose(pace.expected(count, alone=alone), seconds / known * count)
