"""The list of all tests ever seen: written as pytest would write it, whichever way."""

import json

import pytest

from dx_py_test_runner.run.known_tests import KnownIds


def text(*entries: str) -> str:
    return json.dumps(list(entries), ensure_ascii=False, indent=2)


def known(content: str, *added: str) -> KnownIds:
    ids = KnownIds(content, str)
    ids.update(added)
    return ids


def test_tests_that_are_all_known_leave_the_text_as_it_is():
    content = text("a.py::test_1", "ä.py::test[x\ny]")
    assert known(content, "ä.py::test[x\ny]").unchanged() == content


@pytest.mark.parametrize(
    "content",
    [
        text("a", "c"),
        text("b", "a"),
        text("a", "b", "b"),
        json.dumps(["a", "b"]),
        text("a", "b")[:-1],
        text(),
        json.dumps(["b", 1], indent=2),
        json.dumps({"b": 1}, indent=2),
    ],
    ids=["new test", "order", "twice", "layout", "cut off", "empty", "number", "no list"],
)
def test_anything_else_is_left_to_pytest(content):
    assert known(content, "b").unchanged() is None


def test_who_looks_finds_the_whole_set():
    ids = known(text("a", "b"), "c")
    assert set(ids) == {"a", "b", "c"} and len(ids) == 3 and "a" in ids and ids - {"a"} == {"b", "c"}
    ids.update(["d"])
    assert "d" in ids and ids.unchanged() is None
