"""``dx-py list`` reads a command line as pytest's own parser reads it."""

from __future__ import annotations

import subprocess
import sys

import pytest
from dxpy import command

FILES = {
    "pytest.ini": "[pytest]\ntestpaths = tests\n",
    "tests/test_a.py": "import pytest\n\ndef test_foo(): pass\n\ndef test_bar(): pass\n\n@pytest.mark.parametrize('x', ['foo', 'other'])\ndef test_more(x): pass\n",
    "tests/sub/test_b.py": "def test_foo(): pass\n\n\ndef check_b(): pass\n",
    "settings.ini": "[pytest]\npython_functions = check\n",
    "words": "-k\nfoo and not more\ntests/test_a.py\n",
}

PARSER = """
from _pytest.config import get_config
config = get_config([])
config.pluginmanager.load_setuptools_entrypoints("pytest11")
for action in config._parser._getparser()._actions if hasattr(config._parser, "_getparser") else config._parser.optparser._actions:
    for name in action.option_strings:
        print(name, {None: "1", "?": "1", "+": "2"}.get(action.nargs, action.nargs), repr(action.nargs))
"""


@pytest.fixture
def suite(place):
    for name, text in FILES.items():
        place.write(name, text)
    return place


def called(place, *words, cwd="."):
    return subprocess.run([str(word) for word in words], cwd=place.project / cwd, env=place.env, capture_output=True, text=True, check=False)


def listed(place, *arguments, cwd="."):
    return [line for line in called(place, command(), "list", *arguments, cwd=cwd).stdout.splitlines() if "::" in line]


def collected(place, *arguments, cwd="."):
    done = called(place, sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *arguments, cwd=cwd)
    return [line for line in done.stdout.splitlines() if "::" in line]


@pytest.mark.parametrize(
    "arguments",
    [
        ["-xkfoo"],
        ["-xk", "foo"],
        ["-lxsk", "not more", "tests/test_a.py"],
        ["-k=bar"],
        ["-x", "-n4"],
        ["--maxfail", "3", "tests/sub"],
        ["--durations", "3", "--tb", "short", "tests/sub"],
        ["--log-file-mode", "w", "--color", "no", "tests/sub"],
        ["-rA", "-p", "no:doctest", "tests/sub"],
        ["-osub=1", "-opython_functions=check"],
        ["--override-ini", "python_functions=check", "-o", "testpaths=tests/sub"],
        ["-o", "addopts=-k foo"],
        ["-c", "settings.ini", "tests"],
        ["--config-file=settings.ini"],
        ["--rootdir", "tests"],
        ["--rootdir=.", "tests/sub"],
        ["--rootdir", "$PWD/tests", "tests/sub"],
        ["@words"],
        ["--deselect", "tests/sub", "--deselect=tests/test_a.py::test_bar"],
        ["tests/sub", "--", "tests/test_a.py"],
    ],
    ids=" ".join,
)
def test_a_line_means_what_it_means_to_pytest(suite, arguments):
    suite.env["PWD"] = str(suite.project)
    # Only xdist, and dx-py in its place, has -n.
    expected = collected(suite, *[word for word in arguments if word != "-n4"])
    assert expected
    assert listed(suite, *arguments) == expected


def test_options_take_as_many_words_as_they_do_for_pytest(suite):
    suite.env.pop("PYTEST_DISABLE_PLUGIN_AUTOLOAD", None)
    options = [line.split(" ", 2) for line in called(suite, sys.executable, "-c", PARSER).stdout.splitlines()]
    assert len(options) > 100
    wrong = []
    for name, count, how in options:
        # A flag leaves the next word alone; what takes words takes them all.
        taken = ["nowhere"] * max(int(count), 1)
        refused = "not found: nowhere" in called(suite, command(), "list", name, *taken).stderr
        if refused != (count == "0"):
            wrong.append((name, how))
    assert wrong == []


def test_a_word_behind_an_option_that_a_conftest_adds_may_be_its_value(suite):
    suite.write("conftest.py", "def pytest_addoption(parser):\n    parser.addoption('--mode')\n    parser.addoption('--loud', action='store_true')\n")
    everything = collected(suite)
    assert called(suite, command(), "test", "-q", "--mode", "fast").returncode == 0
    assert listed(suite, "--mode", "fast") == everything
    # Here it is a folder's name as well.
    assert called(suite, command(), "test", "-q", "--mode", "tests").returncode == 0
    for option in ("--mode", "--loud"):
        done = called(suite, command(), "list", "--json", option, "tests")
        assert '"id":null' in done.stdout
        assert set(collected(suite, option, "tests")) <= set(listed(suite, option, "tests"))


def test_a_file_of_words_that_has_changed_is_another_line(suite):
    assert called(suite, command(), "test", "-q", "@words").returncode == 0
    suite.write("words", "tests/sub\n")
    assert listed(suite, "@words") == collected(suite, "@words")
    assert "cannot be read" in called(suite, command(), "list", "@no").stderr
