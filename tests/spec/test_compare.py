"""A side that lies is found out: each test tells one lie."""

from __future__ import annotations

import copy
import dataclasses

import pytest

from .bench import Outcome
from .compare import LONGEST_DIFF, differences, line_pattern, tally, unmet
from .modes import DX_MODES
from .parser import Options, parse

TEXT = """\
## Case

```console
$ pytest
exit 1: 1 failed, 1 passed
FAILED test_a.py::test_bad
! INTERNALERROR
```
"""
[CASE] = parse(TEXT, "file.md")
MODES = {mode.name: mode for mode in DX_MODES}


def report(name: str, outcome: str, when: str = "call", **more) -> dict:
    record = {"kind": "test", "type": "TestReport", "nodeid": f"test_a.py::{name}", "when": when}
    record |= {"outcome": outcome, "wasxfail": None, "subtest": None, "sections": [], "message": None, "text": ""}
    return record | more


def truth() -> Outcome:
    records = [
        report("test_good", "passed", sections=[["Captured stdout call", "text\n"]]),
        report("test_bad", "failed", message="assert 0", text="E assert 0"),
    ]
    stdout = [
        "test_a.py .F   [100%]",
        "=== FAILURES ===",
        "FAILED test_a.py::test_bad",
        "=== 1 failed, 1 passed in <TIME> ===",
    ]
    return Outcome("pytest", "pytest", 1, stdout, [], records, {"out.xml": ["<a>"]})


def compared(own: Outcome, mode: str = "cold", **options) -> list[str]:
    case = dataclasses.replace(CASE, options=Options(**options))
    return differences(case, MODES[mode], [truth()], [own])


def test_the_truth_has_no_difference():
    for mode in MODES:
        assert compared(truth(), mode) == []
    assert unmet(CASE, [truth()]) == []


def test_another_exit_code():
    own = truth()
    own.exit_code = 0
    assert "exit code 0, under pytest 1" in compared(own)[0]


@pytest.mark.parametrize("mode", ["cold", "parallel"])
@pytest.mark.parametrize(
    "change",
    [
        lambda records: records.pop(),
        lambda records: records.append(copy.deepcopy(records[0])),
        lambda records: records.reverse(),
        lambda records: records[1].update(outcome="passed"),
        lambda records: records[1].update(message="another"),
        lambda records: records[1].update(text="another"),
        lambda records: records[0].update(sections=[]),
        lambda records: records[0].update(wasxfail="reason"),
        lambda records: records[0].update(when="setup"),
    ],
)
def test_a_lie_in_the_reports(change, mode):
    own = truth()
    change(own.records)
    assert "reports under pytest" in compared(own, mode)[0]


def test_order_may_be_left_open():
    own = truth()
    own.records.reverse()
    assert compared(own, order=False) == []


def test_texts_may_be_left_open():
    own = truth()
    own.records[1]["text"] = "another"
    own.records[0]["sections"] = []
    assert compared(own, compare_longrepr=False, compare_sections=False) == []
    assert compared(own, compare_longrepr=False) != []


def test_progress_is_compared():
    own = truth()
    own.stdout[0] = "test_a.py F.   [ 50%]"
    for mode in ("cold", "parallel"):
        assert "stdout under pytest" in compared(own, mode)[0]
    assert "stdout under pytest" in compared(own, "cold", shown_at_once=True)[0]
    assert compared(own, "parallel", shown_at_once=True) == []
    assert compared(own, "cold", compare_output="summary") == []


def test_the_summary_is_compared_in_all_modes():
    own = truth()
    own.stdout[2] = "FAILED test_a.py::test_other"
    assert compared(own, "parallel") != []
    assert compared(own, "cold", compare_output=False) == []


def test_stderr_and_files_are_compared():
    own = truth()
    own.stderr = ["a line more"]
    own.files = {"out.xml": None}
    [text] = compared(own)
    assert "stderr under pytest" in text
    assert "file out.xml under pytest" in text


def test_a_side_without_records_is_compared_by_its_output():
    own = truth()
    own.records = None
    assert compared(own, "lean") == []
    own.stdout[3] = "=== 2 passed in <TIME> ==="
    assert compared(own, "lean") != []


def test_what_the_case_states():
    own = truth()
    own.exit_code = 0
    own.stdout[2:] = ["INTERNALERROR", "=== 2 passed in <TIME> ==="]
    [text] = unmet(CASE, [own])
    assert "exit code 0, stated is 1" in text
    assert "counts 2 passed, stated are 1 failed, 1 passed" in text
    assert "no such line (or not in this order): FAILED test_a.py::test_bad" in text
    assert "a line that should not be: INTERNALERROR" in text
    assert "the last line says 2 passed, the reports say 1" in text


def test_without_a_last_line_the_reports_count():
    own = truth()
    own.stdout.pop()
    assert unmet(CASE, [own]) == []
    own.records.pop()
    assert "counts 1 passed" in unmet(CASE, [own])[0]


def test_stated_lines_come_in_order_and_each_on_its_own():
    twice = parse(TEXT.replace("! INTERNALERROR", "FAILED test_a.py::test_bad"), "file.md")[0]
    own = truth()
    assert "no such line (or not in this order): FAILED" in unmet(twice, [own])[0]
    own.stdout.insert(2, "FAILED test_a.py::test_bad again")
    assert unmet(twice, [own]) == []


def test_a_case_may_do_without_the_tally():
    own = truth()
    own.records.pop()
    assert "the last line says 1 failed, the reports say 0" in unmet(CASE, [own])[0]
    assert unmet(dataclasses.replace(CASE, options=Options(tally=False)), [own]) == []


def test_a_lost_command_is_no_agreement():
    with pytest.raises(ValueError):
        unmet(CASE, [])
    with pytest.raises(ValueError):
        differences(CASE, MODES["cold"], [truth()], [])


def test_tally():
    collected = {"kind": "collect", "nodeid": "x", "outcome": "passed"}
    subtest = {"subtest": ["message", {}]}
    records = [
        collected,
        collected | {"outcome": "failed"},
        collected | {"outcome": "skipped"},
        {"kind": "deselected", "nodeids": ["a", "b"]},
        report("a", "passed", "setup"),
        report("a", "passed"),
        report("a", "passed", "teardown"),
        report("b", "failed", "setup"),
        report("c", "failed"),
        report("c", "failed", "teardown"),
        report("d", "skipped", "setup"),
        report("e", "skipped", wasxfail="reason"),
        report("f", "passed", wasxfail="reason"),
        report("g", "failed", wasxfail="reason"),
        report("h", "passed", **subtest),
        report("h", "failed", **subtest),
        {"kind": "warning"},
        {"kind": "finish"},
    ]
    counts = {"passed": 1, "failed": 3, "error": 3, "skipped": 2, "xfailed": 1, "xpassed": 1, "deselected": 2}
    assert tally(records) == counts


def test_order_of_lines_may_be_left_open():
    own = truth()
    own.stdout[0], own.stdout[2] = own.stdout[2], own.stdout[0]
    assert compared(own) != []
    assert compared(own, order=False) == []


def test_a_long_diff_is_cut():
    own = truth()
    own.stdout = [f"line {n}" for n in range(LONGEST_DIFF * 2)]
    [text] = compared(own)
    assert "more lines" in text
    assert len(text.splitlines()) < LONGEST_DIFF + 10


def test_dots_in_a_stated_line():
    assert line_pattern("a ... c").search("a b c")
    assert not line_pattern("a ... c").search("a b d")
    assert line_pattern("a ....F").search("test a ....F")
    assert not line_pattern("a ....F").search("a xxxxF")
