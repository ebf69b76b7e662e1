"""The recorder writes down every kind of report, and only in the process that reports."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from recording import Result, Uncollected, parse

HERE = Path(__file__).parent
SUITE = """
import unittest
import pytest

def test_passes(): pass
def test_fails(): assert 1 == 2
def test_skips(): pytest.skip("not here")
@pytest.mark.skip(reason="never")
def test_is_skipped(): pass
@pytest.mark.xfail(reason="known")
def test_xfails(): assert False
@pytest.mark.xfail
def test_xpasses(): pass
@pytest.fixture
def broken(): raise ValueError("in setup")
def test_breaks_in_setup(broken): pass
@pytest.fixture
def undone():
    yield
    raise ValueError("in teardown")
def test_breaks_in_teardown(undone): pass
def test_deselected(): pass
class Numbers(unittest.TestCase):
    def test_all(self):
        for number in range(3):
            with self.subTest(number=number):
                assert number != 1
"""


def run(directory, *arguments, **files):
    """Run pytest with the recorder in DIRECTORY; what it recorded, and where."""
    for name, text in files.items():
        (directory / f"{name}.py").write_text(text)
    record = directory / "record.jsonl"
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(HERE), "DX_CONFORMANCE_RECORD": str(record)}
    environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # another order, say, is not what these tests are about
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "dx_conformance_recorder"]
    subprocess.run([*command, *arguments], cwd=directory, env=environment, stdout=subprocess.DEVNULL, timeout=60)
    return parse(record.read_text().splitlines()) if record.exists() else None


def outcomes(recording):
    return {node.partition("::")[2]: results[0].outcome for node, results in recording.tests.items()}


def test_each_outcome_has_its_phases_and_reason(tmp_path):
    recorded = run(tmp_path, "--deselect", "test_suite.py::test_deselected", test_suite=SUITE)
    subtests = recorded.tests.pop("test_suite.py::Numbers::test_all")
    assert outcomes(recorded) == {
        "test_passes": "passed",
        "test_fails": "failed",
        "test_skips": "skipped",
        "test_is_skipped": "skipped",
        "test_xfails": "xfailed",
        "test_xpasses": "xpassed",
        "test_breaks_in_setup": "error in setup",
        "test_breaks_in_teardown": "error in teardown",
    }
    messages = {node.partition("::")[2]: results[0].message for node, results in recorded.tests.items()}
    assert messages["test_fails"].startswith("assert 1 == 2") and messages["test_skips"] == "Skipped: not here"
    assert messages["test_breaks_in_teardown"] == "ValueError: in teardown" and messages["test_passes"] == ""
    assert recorded.deselected == {"test_suite.py::test_deselected": 1} and recorded.finished
    if tuple(map(int, pytest.__version__.split(".")[:2])) >= (9, 0):  # older ones know no subtests
        assert dict(subtests[0].subtests) == {"failed": 1, "passed": 2}


def test_files_that_cannot_be_collected_are_recorded(tmp_path):
    recorded = run(
        tmp_path,
        "--continue-on-collection-errors",
        test_broken="import no_such_module",
        test_skipped="import pytest\npytest.skip('whole file', allow_module_level=True)",
        test_good="def test_passes(): pass",
    )
    (broken,) = recorded.collection.pop("test_broken.py")
    assert broken.outcome == "failed" and "no_such_module" in broken.message
    assert recorded.collection == {"test_skipped.py": [Uncollected("skipped", "Skipped: whole file")]}
    assert outcomes(recorded) == {"test_passes": "passed"}


def test_texts_are_recorded_whole_with_what_was_captured(tmp_path):
    suite = """
def test_fails():
    print("said")
    assert [1] * 500 == "x", "\\n".join("words" * 200)
def test_passes(): print("said")
"""
    recorded = run(tmp_path, test_suite=suite, test_broken="import no_such_module")
    run(tmp_path, "--continue-on-collection-errors", test_suite=suite)
    recorded = parse((tmp_path / "record.jsonl").read_text().splitlines())
    ((failed,), (passed,)) = recorded.tests.values()
    (text,) = failed.texts
    assert text.startswith("call failed\ndef test_fails():\n") and text.endswith("--- Captured stdout call ---\nsaid\n")
    assert text.count("words"[-1]) >= 200 and passed.texts == ()
    assert "No module named 'no_such_module'" in recorded.collection["test_broken.py"][0].text


def test_a_fork_that_reports_writes_to_its_own_file_what_its_parent_collected(tmp_path):
    """The shape of a warm run: configured and collected in one process, reported by its fork in another environment."""
    conftest = """
import os, pytest
@pytest.hookimpl(trylast=True)
def pytest_collection_finish(session):
    process = os.fork()
    if process:
        os.waitpid(process, 0)
        os._exit(0)
    os.environ["DX_CONFORMANCE_RECORD"] += ".fork"
"""
    suites = {"test_good": "def test_passes(): pass", "test_broken": "import no_such_module"}
    assert run(tmp_path, "--continue-on-collection-errors", conftest=conftest, **suites) is None
    recorded = parse((tmp_path / "record.jsonl.fork").read_text().splitlines())
    assert outcomes(recorded) == {"test_passes": "passed"} and recorded.finished
    assert list(recorded.collection) == ["test_broken.py"]


def test_a_test_that_forks_and_comes_back_twice_is_recorded_once(tmp_path):
    suite = "import os\ndef test_forks(): os.fork()\ndef test_after(): pass\n"
    recorded = run(tmp_path, test_suite=suite)
    assert recorded.order == ["test_suite.py::test_forks", "test_suite.py::test_after"]


def test_a_worker_writes_nothing(tmp_path):
    conftest = "def pytest_sessionstart(session): session.config.workerinput = {}\n"
    assert run(tmp_path, conftest=conftest, test_suite="def test_passes(): pass") is None


def test_a_run_that_dies_leaves_what_it_had_and_is_not_finished(tmp_path):
    recorded = run(tmp_path, test_suite="import os\ndef test_a(): pass\ndef test_b(): os._exit(0)\n")
    assert recorded.order == ["test_suite.py::test_a"] and not recorded.finished


def test_a_line_cut_off_is_left_out():
    whole = '{"test": "t.py::a", "phases": [["call", "passed"]], "subtests": {}, "message": "", "texts": []}'
    recorded = parse([whole, whole[:30]])
    assert recorded.tests == {"t.py::a": [Result((("call", "passed"),))]} and not recorded.finished


def test_paths_of_one_machine_or_run_are_replaced():
    line = '{"test": "t.py::a[/home/me/db]", "phases": [], "subtests": {}, "message": "no /tmp/x", "texts": []}'
    recorded = parse([line], {"/home/me": "<project>", "/tmp/x": "<run>"})
    assert recorded.tests["t.py::a[<project>/db]"][0].message == "no <run>"
