"""What is found in pytest's own suite, on plain recordings."""

import pytest

from compare import Comparison, Difference
from own_reasons import Reason, Reasons, find, page
from recording import Recording, Result
from report import Outcome

PASSED = Result((("setup", "passed"), ("call", "passed"), ("teardown", "passed")))
FAILED = Result((("setup", "passed"), ("call", "failed"), ("teardown", "passed")), message="no")
SKIPPED = Result((("setup", "skipped"), ("teardown", "passed")))


def recording(**results):
    return Recording({name: [result] for name, result in results.items()}, list(results), finished=True)


def reasons(*tests, guarded=False):
    return Reasons((Reason("Odd", "It is odd.", tests, guarded),) if tests else ())


TRUTH = recording(a=PASSED, b=PASSED, c=PASSED, d=SKIPPED)


def found(engine, listed=(), again=None):
    return find(TRUTH, TRUTH, engine, reasons(*listed), again)


def test_nothing_differs():
    findings = found(TRUTH)
    assert findings.are_explained and findings.share == 1 and findings.passing == 3


def test_a_test_that_fails_needs_a_reason():
    engine = recording(a=PASSED, b=FAILED, c=PASSED, d=SKIPPED)
    findings = found(engine)
    assert findings.unexplained == ["b"] and not findings.are_explained
    assert findings.share == pytest.approx(2 / 3)
    assert found(engine, ["b"]).are_explained


def test_a_reason_for_a_test_that_passes_is_refused():
    findings = found(TRUTH, ["a"])
    assert findings.outdated == ["a"] and not findings.are_explained


def test_every_other_outcome_is_a_difference():
    """A test that is skipped or missing with the engine does not pass; one that is skipped under pytest may not pass either."""
    findings = found(recording(a=SKIPPED, b=PASSED, d=PASSED))
    assert findings.unexplained == ["a", "c", "d"]
    assert findings.lost == 2


def test_what_fails_once_alone_is_counted_apart():
    engine = recording(a=FAILED, b=FAILED, c=PASSED, d=SKIPPED)
    findings = found(engine, ["b"], again=recording(a=PASSED, b=FAILED))
    assert list(findings.different) == ["b"] and findings.retried == 1 and findings.are_explained


def test_what_does_not_pass_with_the_guard_is_no_explanation():
    findings = found(recording(a=PASSED, b=FAILED, c=PASSED, d=SKIPPED), ["b"])
    findings.guarded_failures = ["b"]
    assert not findings.are_explained and "guard" in findings.summary()


def test_unsteady_tests_count_on_neither_side():
    findings = find(TRUTH, recording(a=FAILED, b=PASSED, c=PASSED, d=SKIPPED), TRUTH, reasons())
    assert findings.passing == 2


def test_the_page_names_every_test_and_the_share():
    text = page(found(recording(a=PASSED, b=FAILED, c=PASSED, d=SKIPPED), ["b"]), [], "9.2.0")
    assert "Of 3 tests that pass under pytest, 2 pass (66.67%)" in text
    assert "### Odd\n\nIt is odd.\n\n- `b`\n" in text


def test_the_suite_as_a_project_may_differ_in_what_is_listed_alone():
    def outcome(*nodes):
        return Outcome("pytest", "cold", Comparison([Difference("different", node, "passed", "skipped") for node in nodes]))

    listed = Reasons((), (Reason("Odd", "It is odd.", ("a",)),))
    assert listed.explain(outcome("a"))
    assert not listed.explain(outcome()) and not listed.explain(outcome("a", "b"))
    assert Reasons(()).explain(outcome()) and not Reasons(()).explain(Outcome("pytest", failed="broke off"))
