"""The comparison of broken suites, without network: pytest dressed up as dx-py, honest and otherwise."""

import sys

import pytest

import failures
import prepare
import run
from projects import Project

SUITE = """
def test_one():
    assert [1, 2] == [1, 2]
def test_two():
    print("said")
    assert "a" in "abc"
"""

FAKE = """#!/bin/sh
shift; shift; shift; shift
{python} -m pytest "$@" >printed.txt
status=$?
{sed} printed.txt
exit {exit}
"""


@pytest.fixture
def compared(tmp_path, monkeypatch, capsys):
    """Call it with how the fake deviates: the exit code of the comparison, and what it printed."""
    home = tmp_path / "py" / "small"
    (home / "venv/bin").mkdir(parents=True)
    (home / "source").mkdir()
    (home / "source/test_small.py").write_text(SUITE)
    script(home / "venv/bin/pytest", f'#!/bin/sh\nexec {sys.executable} -m pytest "$@"\n')
    project = Project("small", "1", ("test_small.py",), environment={"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"})
    prepared = prepare.Prepared(project, home, prepare.Installer(None))
    monkeypatch.setattr(run, "PROJECTS", {"small": project})
    monkeypatch.setattr(prepare, "make_tools", lambda corpus: prepared.installer)
    monkeypatch.setattr(prepare, "prepare", lambda *_: prepared)

    def compared(*arguments, sed="cat", exit="$status"):
        command = script(tmp_path / "dx-py", FAKE.format(python=sys.executable, sed=sed, exit=exit))
        words = ["small", "--dx-py", str(command), "--corpus", str(tmp_path), "--modes", "cold", *arguments]
        status = failures.main(words)
        assert (home / "source/test_small.py").read_text() == SUITE, "the project itself is not touched"
        return status, capsys.readouterr().out

    return compared


def script(path, text):
    path.write_text(text)
    path.chmod(0o755)
    return path


def test_an_honest_runner_agrees(compared):
    status, printed = compared("--rate", "1", "--seeds", "1,2,3")
    assert status == 0, printed
    assert "3 runs with 6 failures and errors, 0 not as under pytest" in printed


@pytest.mark.parametrize(
    ("sed", "piece"),
    [
        ("sed s/said/sad/", "FAILURES test_two"),
        ("sed '/^FAILED.*test_one/d'", "short test summary info: FAILED test_small.py::test_one"),
        ("sed s/FF/F./", "progress"),
        ("sed 's/2 failed/1 failed/'", "last line"),
    ],
)
def test_another_word_is_found(compared, sed, piece):
    status, printed = compared("--rate", "1", "--seeds", "1", sed=sed)
    assert status == 1 and f"text        {piece}\n" in printed


def test_another_exit_code_is_found(compared):
    status, printed = compared("--rate", "1", "--seeds", "1", exit="0")
    assert status == 1 and "exit        the run" in printed


def test_where_nothing_fails_nothing_has_been_compared(compared):
    status, printed = compared("--rate", "0", "--seeds", "1")
    assert status == 1 and "nothing fails" in printed


def test_a_runner_that_breaks_off_does_not_agree(compared):
    status, printed = compared("--rate", "1", "--seeds", "1", exit="3")
    assert status == 1 and "exit=3" in printed
