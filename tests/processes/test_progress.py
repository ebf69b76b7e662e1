"""What is printed while tests run: names, dots and percentages, line by line as pytest prints them."""

from __future__ import annotations

import re

import pytest

from dxpy import DxPy

SUITE = {
    "test_few.py": "def test_a(): pass\ndef test_b(): pass\n",
    "test_many.py": "".join(f"def test_{n}(): pass\n" for n in range(230)),
    "below/test_classes.py": "class TestA:\n    def test_a(self): pass\n    def test_b(self): pass\n"
    "class TestB:\n    def test_a(self): pass\ndef test_c(): pass\n",
    "below/test_fails.py": "".join(f"def test_{n}(): assert {n} != 3\n" for n in range(9)),
    "below/further/test_says.py": "def test_a(): print('said')\ndef test_b(): pass\n",
    "below/further/test_ünï.py": "def test_a(): pass\n",
    "test_subtests.py": """
import unittest

class TestCases(unittest.TestCase):
    def test_some_fail(self):
        for value in (True, False, ""):
            with self.subTest(value=value):
                self.assertTrue(value)

    def test_none_fails(self):
        for value in (1, 2):
            with self.subTest(value=value):
                pass

def test_fixture(subtests):
    for value in ("a", 2):
        with subtests.test("message", value=value):
            assert value == 2

def test_fixture_passes(subtests):
    with subtests.test():
        pass
""",
    "test_subtests_first.py": "def test_a(subtests):\n    with subtests.test(): pass\ndef test_b(): pass\n",
    "test_skips.py": "import pytest\ndef test_a(): pytest.skip('no')\ndef test_b(): pass\n",
    "test_table.py": "import pytest\n@pytest.mark.parametrize('n', range(75))\ndef test_a(n): pass\ndef test_b(): pass\n",
    "test_warns.py": "import warnings\ndef test_a(): warnings.warn('careful')\ndef test_b(): pass\n",
}

MODES = {
    "one process": (["-n1"], 1),
    "one worker": (["-n1", "--isolation=process"], 1),
    "workers": (["-n2"], 1),
    "warm workers": (["-n2"], 2),
}

OPTIONS = {
    "plain": [],
    "quiet": ["-q"],
    "classic": ["-o", "console_output_style=classic"],
    "count": ["-o", "console_output_style=count"],
    "coloured": ["--color=yes"],
    "from below": ["--rootdir=.", "below"],
}


@pytest.fixture
def suite(place: DxPy) -> DxPy:
    for name, text in SUITE.items():
        place.write(name, text)
    place.env["COLUMNS"] = "72"
    return place


def without_time(text: str) -> list[str]:
    return re.sub(r"in \d+\.\d+s", "in N s", re.sub(r"0x[0-9a-f]+", "0xN", text)).splitlines()


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS.keys())
@pytest.mark.parametrize(("mode", "times"), MODES.values(), ids=MODES.keys())
def test_progress_is_printed_as_by_pytest(suite: DxPy, mode: list[str], times: int, options: list[str]) -> None:
    more = ["-p", "no:cacheprovider", *options]
    expected = suite.pytest(*more)
    for _ in range(times):
        ended = suite.test(*(["--no-daemon"] if times == 1 else []), *mode, *more)
    assert without_time(ended.out) == without_time(expected.out)
    assert ended.code == expected.code == 1


@pytest.mark.parametrize(("mode", "times"), MODES.values(), ids=MODES.keys())
def test_names_that_the_terminal_cannot_show_are_written_as_by_pytest(
    suite: DxPy, mode: list[str], times: int
) -> None:
    suite.env["PYTHONIOENCODING"] = "ascii"
    suite.write("below/further/test_after.py", "def test_a(): pass\n")
    expected = suite.pytest("-p", "no:cacheprovider")
    assert "test_\\xfcn\\xef.py" in expected.out
    for _ in range(times):
        ended = suite.test(*(["--no-daemon"] if times == 1 else []), *mode, "-p", "no:cacheprovider")
    assert without_time(ended.out) == without_time(expected.out)


@pytest.mark.parametrize(("option", "ran"), [("-x", 1), ("--maxfail=2", 2)])
def test_a_worker_stops_at_its_own_failures(place: DxPy, option: str, ran: int) -> None:
    """Before the run has heard of them."""
    place.write("test_many.py", """
        import pytest
        @pytest.mark.parametrize("number", range(40))
        def test_a(number):
            with open("ran", "a") as file:
                file.write(".")
            assert 0
    """)
    ended = place.test("--no-daemon", "-n1", "--isolation=process", option)
    assert ended.counts == {"failed": ran}, ended
    assert (place.project / "ran").read_text() == "." * ran


WAITS_FOR_THE_OTHER = """
import pathlib, time

def test_it():
    pathlib.Path("{own}").touch()
    deadline = time.monotonic() + 20
    while not pathlib.Path("{other}").exists():
        assert time.monotonic() < deadline, "the other test did not begin"
        time.sleep(0.01)
"""


def test_two_tests_in_two_files_run_at_the_same_time(place: DxPy) -> None:
    """Who asks what follows its only test does not take it from who has nothing."""
    place.write("test_a.py", WAITS_FOR_THE_OTHER.format(own="a", other="b"))
    place.write("test_b.py", WAITS_FOR_THE_OTHER.format(own="b", other="a"))
    ended = place.run("test", "-n2")
    assert (ended.code, ended.counts) == (0, {"passed": 2}), str(ended)
