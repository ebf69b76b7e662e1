"""What counts as a difference between two recordings, and what does not."""

from collections import Counter

import pytest

from compare import compare, compare_exit
from recording import Recording, Result, Uncollected

PASSED = Result((("setup", "passed"), ("call", "passed"), ("teardown", "passed")))
FAILED = Result((("setup", "passed"), ("call", "failed"), ("teardown", "passed")), message="assert 1 == 2")
SKIPPED = Result((("setup", "skipped"), ("teardown", "passed")), message="not here")
BROKEN_TEARDOWN = Result((("setup", "passed"), ("call", "passed"), ("teardown", "failed")))


def recording(tests, **other):
    tests = {node: results if isinstance(results, list) else [results] for node, results in tests.items()}
    order = [node for node, results in tests.items() for _ in results]
    return Recording(tests, order, **{"finished": True} | other)


def kinds(comparison):
    return [(difference.kind, difference.node) for difference in comparison.differences]


def test_equal_recordings_do_not_differ():
    tests = {"t.py::a": PASSED, "t.py::b": FAILED, "t.py::c": SKIPPED}
    comparison = compare(recording(tests), recording(tests))
    assert kinds(comparison) == [] and comparison.messages == [] and comparison.same_order


@pytest.mark.parametrize("result", [FAILED, SKIPPED, BROKEN_TEARDOWN], ids=str)
def test_another_outcome_differs_whatever_phase_it_is_from(result):
    comparison = compare(recording({"t.py::a": PASSED}), recording({"t.py::a": result}))
    assert kinds(comparison) == [("different", "t.py::a")]


def test_a_difference_shows_both_sides_with_their_reasons():
    (difference,) = compare(recording({"t.py::a": FAILED}), recording({"t.py::a": BROKEN_TEARDOWN})).differences
    assert (difference.pytest, difference.dx_py) == ("failed (assert 1 == 2)", "error in teardown")


def test_missing_and_extra_tests_differ():
    comparison = compare(recording({"t.py::a": PASSED}), recording({"t.py::b": PASSED}))
    assert kinds(comparison) == [("missing", "t.py::a"), ("extra", "t.py::b")]


def test_subtests_are_counted_per_outcome():
    three = Result(PASSED.phases, (("passed", 3),))
    two = Result(PASSED.phases, (("failed", 1), ("passed", 2)))
    assert kinds(compare(recording({"t.py::a": three}), recording({"t.py::a": two}))) == [("different", "t.py::a")]
    assert kinds(compare(recording({"t.py::a": three}), recording({"t.py::a": three}))) == []


def test_tests_that_share_a_node_id_are_compared_without_their_order_but_all_of_them():
    both = recording({"t.py::a": [PASSED, FAILED]})
    assert kinds(compare(both, recording({"t.py::a": [FAILED, PASSED]}))) == []
    assert kinds(compare(both, recording({"t.py::a": [FAILED]}))) == [("different", "t.py::a")]
    assert kinds(compare(both, recording({"t.py::a": [PASSED, FAILED, FAILED]}))) == [("different", "t.py::a")]


def test_a_message_alone_is_shown_and_is_no_difference():
    other_words = Result(FAILED.phases, message="assert 1 == 3")
    comparison = compare(recording({"t.py::a": FAILED}), recording({"t.py::a": other_words}))
    assert kinds(comparison) == []
    assert [(message.pytest, message.dx_py) for message in comparison.messages] == [
        ("failed (assert 1 == 2)", "failed (assert 1 == 3)")
    ]


def worded(*texts):
    return recording({"t.py::a": Result(FAILED.phases, texts=texts)})


def test_the_number_of_a_temporary_folder_is_no_difference():
    one, other = worded("in /t/pytest-of-me/pytest-0/test_a0"), worded("in /t/pytest-of-me/pytest-1/test_a0")
    assert kinds(compare(one, other)) == []
    assert kinds(compare(one, worded("in /t/pytest-of-me/pytest-0/test_a1"))) == [("text", "t.py::a")]


def test_other_texts_differ_but_for_times_and_addresses():
    once, again = worded("x\n<A at 0x7f0000000001>\nin 0.12s", "y"), worded("x\n<A at 0x7f0000000002>\nin 0.13s", "y")
    assert kinds(compare(once, again)) == []
    comparison = compare(once, worded("x\n<B at 0x7f0000000001>\nin 0.12s", "y"))
    assert kinds(comparison) == [("text", "t.py::a")] and "| <A at" in comparison.differences[0].pytest
    assert kinds(compare(once, worded("x\n<A at 0x7f0000000001>\nin 0.12s"))) == [("text", "t.py::a")]


def test_texts_that_differ_between_two_runs_of_pytest_are_counted_only():
    comparison = compare(worded("1"), worded("3"), again=worded("2"))
    assert kinds(comparison) == [] and comparison.unsteady_texts == ["t.py::a"]


def test_texts_of_what_was_not_collected_are_compared():
    one, other = (recording({}, collection={"t.py": [Uncollected("failed", text=text)]}) for text in "ab")
    assert kinds(compare(one, one)) == [] and kinds(compare(one, other)) == [("text", "t.py")]


def test_what_differs_between_two_runs_of_pytest_is_not_held_against_the_candidate():
    once, again = recording({"t.py::a": PASSED, "t.py::b": PASSED}), recording({"t.py::a": FAILED, "t.py::b": PASSED})
    candidate = recording({"t.py::a": SKIPPED, "t.py::b": FAILED})
    assert kinds(compare(once, candidate, again)) == [("different", "t.py::b")]
    assert kinds(compare(once, recording({"t.py::b": PASSED}), again)) == []


def test_order_is_told_but_is_no_difference():
    forth, back = recording({"t.py::a": PASSED, "t.py::b": PASSED}), recording({"t.py::b": PASSED, "t.py::a": PASSED})
    comparison = compare(forth, back)
    assert kinds(comparison) == [] and not comparison.same_order
    assert compare(forth, back, again=back).same_order, "pytest itself keeps no order here"


def test_a_missing_test_does_not_count_as_another_order():
    three = recording({"t.py::a": PASSED, "t.py::b": PASSED, "t.py::c": PASSED})
    assert compare(three, recording({"t.py::a": PASSED, "t.py::c": PASSED})).same_order


def test_collection_errors_and_skips_differ_by_outcome_not_by_message():
    failed = recording({}, collection={"t.py": [Uncollected("failed", "SyntaxError at 3")]})
    worded = recording({}, collection={"t.py": [Uncollected("failed", "SyntaxError")]})
    skipped = recording({}, collection={"t.py": [Uncollected("skipped")]})
    assert kinds(compare(failed, worded)) == []
    assert kinds(compare(failed, skipped)) == [("collection", "t.py")]
    assert kinds(compare(failed, recording({}))) == [("collection", "t.py")]
    assert kinds(compare(recording({}), skipped)) == [("collection", "t.py")]


def test_deselections_differ_by_node_id_and_number():
    one, two = recording({}, deselected=Counter({"t.py::a": 1})), recording({}, deselected=Counter({"t.py::a": 2}))
    assert kinds(compare(one, one)) == []
    assert kinds(compare(one, two)) == [("deselected", "t.py::a")]
    assert kinds(compare(recording({}), one)) == [("deselected", "t.py::a")]


def test_deselected_ids_that_change_from_run_to_run_are_compared_by_number():
    def at(*times):
        return recording({}, deselected=Counter(f"t.py::a[{time}]" for time in times))

    assert kinds(compare(at("12:00"), at("12:02"), again=at("12:01"))) == []
    assert kinds(compare(at("12:00"), at("12:02", "12:03"), again=at("12:01"))) == [("deselected", "the run")]


def test_a_run_that_broke_off_differs_even_if_no_test_does():
    broken = recording({"t.py::a": PASSED}, finished=False)
    assert kinds(compare(recording({"t.py::a": PASSED}), broken)) == [("unfinished", "the run")]


def test_the_exit_code_must_be_one_of_pytests():
    assert compare_exit({0}, 0) == compare_exit({0, 1}, 1) == []
    (difference,) = compare_exit({0, 1}, 3)
    assert (difference.kind, difference.pytest, difference.dx_py) == ("exit", "exit 0 or exit 1", "exit 3")
