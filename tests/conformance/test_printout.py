"""What is printed falls into pieces, and a piece that pytest prints otherwise each time is compared where it does not."""

from collections import Counter

from printout import LAST_LINE, differences, failures, fits, pieces, unsteady

PRINTED = """\
.F.F
=================================== FAILURES ===================================
____________________________________ test_a ____________________________________
E  assert <A at 0x7f0011223344> == 2
t.py:3: AssertionError
____________________________________ test_a ____________________________________
E  assert {number}
=========================== short test summary info ============================
FAILED t.py::test_a - assert 1
FAILED u.py::test_a - assert {number}
2 failed, 2 passed in 0.12s
"""


def read(number=5):
    return pieces(PRINTED.format(number=number), {})


def names(theirs, ours):
    return [difference.node for difference in differences(theirs, ours)]


def test_each_failure_and_each_line_of_the_summary_is_a_piece():
    found = read()
    assert list(found) == [
        "progress",
        "FAILURES",
        "FAILURES test_a",
        "FAILURES test_a (2)",
        "short test summary info",
        "short test summary info: FAILED t.py::test_a",
        "short test summary info: FAILED u.py::test_a",
        LAST_LINE,
    ]
    assert found[LAST_LINE] == ["2 failed, 2 passed in <TIME>"]
    assert found["FAILURES test_a"][1] == "E  assert <A at 0x<ADDRESS>> == 2"
    assert failures(found) == Counter(FAILURES=2)


def test_another_word_is_a_difference_of_its_pieces():
    assert names([read()], read()) == []
    assert names([read()], read(6)) == ["FAILURES test_a (2)", "short test summary info: FAILED u.py::test_a"]


def test_what_is_missing_or_extra_is_a_difference():
    whole = read()
    without = {name: lines for name, lines in whole.items() if name != "FAILURES test_a (2)"}
    assert names([whole], without) == names([without], whole) == ["FAILURES test_a (2)"]


def test_of_an_unsteady_piece_the_lines_that_are_steady_are_compared():
    theirs = [["a", "1", "c"], ["a", "2", "c"]]
    assert fits(["a", "3", "c"], theirs)
    assert not fits(["b", "3", "c"], theirs)
    assert not fits(["a", "3", "c", "d"], theirs)
    assert not fits(None, theirs)
    assert fits(["b"], [["a"], ["a", "b"]]), "not even the number of lines is the same"
    assert fits(None, [["a"], None]) and fits(["b"], [["a"], None]), "now it is there, now it is not"
    assert not fits(["b"], [None]) and not fits(["b"], [None, None])


def test_unsteady_is_what_differs_between_any_two_runs_of_pytest():
    assert unsteady([read(), read()]) == set()
    assert unsteady([read(), read(), read(6)]) == {"FAILURES test_a (2)", "short test summary info: FAILED u.py::test_a"}
