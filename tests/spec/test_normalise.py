"""What is taken out of output before it is compared, and what stays."""

from __future__ import annotations

import pytest

from .normalise import normalise, normalise_file, summary_part, terminal_counts, without_progress


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("<Thing object at 0x7f3a2b1c4d50>", "<Thing object at 0x<ADDRESS>>"),
        ("<Thing object at 0x7f3...", "<Thing object at 0x<ADDRESS>..."),
        ("can't decode byte 0xff in", "can't decode byte 0xff in"),
        ("===== 2 passed in 0.12s =====", "=== 2 passed in <TIME> ==="),
        ("===== 2 passed in 75.12s (0:01:15) =====", "=== 2 passed in <TIME> ==="),
        ("________ test_it _________", "___ test_it ___"),
        ("\x1b[1m====== a ======\x1b[0m", "\x1b[1m=== a ===\x1b[0m"),
        ("\x1b[31m====== \x1b[31mb\x1b[0m \x1b[31m======\x1b[0m", "\x1b[31m=== \x1b[31mb\x1b[0m \x1b[31m===\x1b[0m"),
        ("__init__.py:3: Error", "__init__.py:3: Error"),
        ("0.50s call     test_a.py::test_b", "<TIME> call     test_a.py::test_b"),
        ("/tmp/x/pytest-0/popen-gw1/test_it0", "/tmp/x/pytest-0/test_it0"),
        ("/lib/python3.11/site-packages/_pytest/python.py:170: Warning: text", "<INTERNAL>: Warning: text"),
        ("usage: dx-py test [options]", "usage: <PROGRAM> [options]"),
        ("test_a.py .F   [ 50%]   ", "test_a.py .F   [ 50%]"),
        ('<testcase name="a" time="0.001" />', '<testcase name="a" time="<time>" />'),
        ("/home/me/project/test_a.py", "<CASE>/project/test_a.py"),
    ],
)
def test_line(line, expected):
    assert normalise(line, {"/home/me": "<CASE>"}) == [expected]


@pytest.mark.parametrize(
    "line", ["plugins: asyncio-1.0, cov-5", "[gw1] linux -- Python 3.11.7 /usr/bin/python", "dx-py: warm"]
)
def test_dropped(line):
    assert normalise(f"before\n{line}\nafter", {}) == ["before", "after"]


def test_a_longer_path_goes_first():
    assert normalise("/a/b/c", {"/a": "<A>", "/a/b": "<B>"}) == ["<B>/c"]


def test_the_source_of_the_runners_own_warning_is_dropped():
    text = "test_a.py::test_b\n  /x/_pytest/python.py:1: W: text\n  more\n    warn(\n\nnext"
    assert normalise(text, {}) == ["test_a.py::test_b", "  <INTERNAL>: W: text", "  more", "    warn(", "", "next"]
    text = "  /x/_pytest/python.py:1: W: text\n    warn(\n\n    kept"
    assert normalise(text, {}) == ["  <INTERNAL>: W: text", "", "    kept"]


def test_the_runners_own_steps_are_dropped_from_short_tracebacks():
    own = "/x/pluggy/_hooks.py:5: in call\n    return f()\n    ^^^\n"
    assert normalise(f"test_a.py:1: in name\n    fail()\n{own}E   Error\n    kept", {}) == ["test_a.py:1: in name", "    fail()", "E   Error", "    kept"]


def test_the_runners_own_frames_are_dropped_from_tracebacks():
    text = (
        '  |   File "/x/_pytest/runner.py", line 1, in f\n'
        "  |     return g()\n"
        '  |   File "/home/test_a.py", line 2, in test\n'
        "  |     fail()\n"
    )
    assert normalise(text, {}) == ['  |   File "/home/test_a.py", line 2, in test', "  |     fail()"]


LONG = """\
________ test_it ________

config = 1

    def hook(config):
>       call()

/x/_pytest/runner.py:5:
_ _ _ _ _ _ _ _ _ _ _ _ _

item = 2

    def test_it():
>       helper()

test_a.py:3:
_ _ _ _ _ _ _ _ _ _ _ _ _

    def helper():
>       raise ValueError
E       ValueError

/x/pluggy/_hooks.py:7: ValueError
-------- Captured stdout call --------
text
"""


def test_the_runners_own_entries_are_dropped_from_long_tracebacks():
    assert normalise(LONG, {}) == [
        "___ test_it ___",
        "",
        "item = 2",
        "",
        "    def test_it():",
        ">       helper()",
        "",
        "test_a.py:3:",
        "E ValueError",
        "--- Captured stdout call ---",
        "text",
    ]


def test_which_worker_had_an_internal_error_is_dropped():
    frame = '  File "{}", line 3, in run\n'
    text = "Traceback (most recent call last):\n" + frame.format("/x/test_a.py") + "TypeError: no"
    own = "Traceback (most recent call last):\n" + frame.format("/x/dx_py_test_runner/run/coordinate.py")
    assert normalise(f"{own}RuntimeError: worker 0 failed:\n{text}", {}) == normalise(text, {}) != []
    assert "RuntimeError: no worker" in normalise("RuntimeError: no worker", {})


def test_a_tracebacks_of_the_project_is_kept():
    text = "___ test_it ___\n\n    def test_it():\n>       assert 0\nE       assert 0\n\ntest_a.py:3: AssertionError"
    assert normalise(text, {}) == text.splitlines()


def test_xml_has_a_line_per_element():
    assert normalise_file("<a><b/></a>", {}) == ["<a>", "<b/>", "</a>"]


def test_long_lines_take_no_time():
    assert normalise("x" * 100_000, {}) == ["x" * 100_000]


@pytest.mark.parametrize(
    ("line", "counts"),
    [
        ("=== 1 failed, 2 passed in <TIME> ===", {"failed": 1, "passed": 2}),
        ("2 passed, 3 warnings in <TIME>", {"passed": 2, "warning": 3}),
        ("=== no tests ran in <TIME> ===", {}),
        ("=== 3 tests collected in <TIME> ===", {"collected": 3}),
        ("2/5 tests collected (3 deselected) in <TIME>", {"collected": 2, "deselected": 3}),
        ("no tests collected (3 deselected) in <TIME>", {"collected": 0, "deselected": 3}),
        ("1 test collected, 2 errors in <TIME>", {"collected": 1, "error": 2}),
        ("1 passed, 2 subtests passed in <TIME>", {"passed": 1, "subtests passed": 2}),
        ("\x1b[32m=== \x1b[1m1 passed\x1b[0m in <TIME> ===\x1b[0m", {"passed": 1}),
        ("ERROR: usage", None),
    ],
)
def test_counts_of_the_last_line(line, counts):
    assert terminal_counts(["first", line, "after"]) == counts


def test_summary_part():
    lines = ["test_a.py F", "", "=== FAILURES ===", "text", "=== 1 failed in <TIME> ==="]
    assert summary_part(lines) == lines[2:]
    assert summary_part(["test_a.py .", "=== 1 passed in <TIME> ==="]) == ["=== 1 passed in <TIME> ==="]
    assert summary_part([". [100%]", "1 passed in <TIME>"]) == ["1 passed in <TIME>"]
    assert summary_part(["no summary at all"]) == ["no summary at all"]


def test_progress():
    assert without_progress(["test_a.py ..   [ 50%]", "text"]) == ["test_a.py ..", "text"]
