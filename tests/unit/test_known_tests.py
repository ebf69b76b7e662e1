"""The list of all tests ever seen: written as pytest would write it, whichever way."""

import json
import os

import pytest

from dx_py_test_runner.run import known_tests
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


def test_a_text_that_was_checked_is_searched_for_whole_lines(monkeypatch):
    content = text("a.py::test_1", 'a.py::test[\n  "x",]', "a.py::test_10", "b.py::ä")
    monkeypatch.setattr(known_tests._checked, "text", content)
    monkeypatch.setattr(known_tests, "_entries", None)  # it is not taken apart again
    for entry in json.loads(content):
        assert known(content, entry).unchanged() == content
    for other in ("a.py::test_", "x", "test_1", "b.py::a", ""):
        assert known(content, other).unchanged() is None, other


def test_a_list_that_somebody_has_written_meanwhile_is_written_again(tmp_path):
    path = tmp_path / "nodeids"
    path.write_text(text("a"))
    before = path.stat()
    os.utime(path, ns=(0, 0))
    before_touch = path.stat()
    assert not known_tests._touched(path, before)
    assert known_tests._touched(path, before_touch) and path.stat().st_mtime_ns > 0
    assert path.read_text() == text("a")
