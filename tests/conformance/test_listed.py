"""What is compared of ids, on plain values."""

import pytest

from listed import Compared, Found, compare, latest, page


def one(id, exact=True, file=None):
    return {"id": id, "exact": exact, "file": file or (id or "").split("::")[0] or None}


COLLECTED = ["a.py::b", "a.py::a", "a.py::a[1]"]


def test_all_is_exact_only_in_order_and_with_nothing_open():
    listed = [one(id) for id in COLLECTED]
    assert compare(COLLECTED, listed) == Compared(exact=3, ordered=True)
    assert compare(COLLECTED, listed[::-1]) == Compared(exact=3)
    assert compare(COLLECTED, [*listed, one(None)]) == Compared(exact=3)


@pytest.mark.parametrize("covering", [one("a.py::a[...]", exact=False), one(None, exact=False, file="a.py"), one(None, exact=False, file="conftest.py"), one(None, exact=False)])
def test_what_is_collected_and_not_listed_has_to_be_covered(covering):
    found = compare(COLLECTED, [one("a.py::b"), one("a.py::a"), covering])
    assert (found.exact, found.provisional, found.wrong, found.missed) == (2, 1, [], [])
    found = compare(COLLECTED, [one("a.py::b"), one("a.py::a"), one("b.py::a", exact=False), one(None, exact=False, file="b/conftest.py")])
    assert (found.provisional, found.missed) == (0, ["a.py::a[1]"])


def test_an_id_that_is_listed_twice_is_wrong_once():
    assert compare(COLLECTED, [one("a.py::b"), one("a.py::b")]).wrong == ["a.py::b"]


def test_a_project_is_good_only_if_it_collects_and_all_of_it_is_exact():
    good = Found("p", "1", 3, Compared(exact=3), 0.1, Compared(exact=3, ordered=True))
    assert good.is_sound and good.is_exact_after
    assert not Found("p", "1", 0, Compared(), 0.1).is_sound
    assert not Found("p", "1", 3, Compared(exact=3), 0.1, Compared(exact=3)).is_exact_after
    assert not Found("p", "1", 3, Compared(wrong=["a"]), 0.1).is_sound
    assert "another order" in "\n".join(Found("p", "1", 3, Compared(), 0.1, Compared(exact=3)).lines(5))
    assert "missed: a" in "\n".join(Found("p", "1", 3, Compared(), 0.1, Compared(exact=2, missed=["a"])).lines(5))


def test_the_page_says_each_project_and_all():
    first = Found("p", "1", 3, Compared(exact=1, provisional=2), 0.1, Compared(exact=3, ordered=True))
    second = Found("q", "2", 4, Compared(exact=3, missed=["a"]), 0.1, Compared(exact=3, wrong=["a"]), whole_run=False)
    lines = page([first, second], 3, "3.11").splitlines()[-3:]
    assert lines == [
        "| p 1 | 3 | 1 | 2 | 0 | 0 | 3 | 0 | 0 | yes |",
        "| q 2 * | 4 | 3 | 0 | 0 | 1 | 3 | 1 | 0 | no |",
        "| all | 7 | 4 | 2 | 0 | 1 | 6 | 1 | 0 | no |",
    ]


def test_the_last_result_of_each_project_counts():
    old, new = (Found("p", "1", 3, Compared(), 0.1, Compared(exact=number)) for number in (1, 3))
    alone = Found("q", "1", 3, Compared(), 0.1)
    assert latest([one.to_json() for one in (old, alone, new)], ["q", "r", "p"]) == [new]
