"""The comparison itself, on a small suite without network: pytest dressed up as dx-py, honest and otherwise."""

import json
import sys
from contextlib import suppress
from pathlib import Path

import pytest

import prepare
import run
import suite
from projects import PROJECTS, Project

SUITE = """
import pytest
def test_one(): pass
def test_two(): pass
def test_three(): assert 1 == 2
def test_four(): pytest.skip("not here")
"""

# What the real command is asked, in the words that pytest knows.
FAKE = """#!/bin/sh
[ "$1" = daemon ] && exit {daemon}
shift
while [ "$1" = --no-daemon ] || [ "$1" = -n ]; do
    [ "$1" = -n ] && shift
    shift
done
{before}
{python} -m pytest "$@" {options}
status=$?
{after}
exit $status
"""

LIAR = """
import pytest
@pytest.hookimpl(tryfirst=True)
def pytest_runtest_logreport(report):
    if report.nodeid.endswith("::test_two") and report.when == "call":
        report.outcome = "failed"
        report.longrepr = "a lie"
"""


@pytest.fixture
def compared(tmp_path, monkeypatch, capsys):
    """Call it with how the fake deviates: the exit code of the comparison, its outcomes, and what it printed."""
    home = tmp_path / "py" / "small"
    site_packages = home / "venv/lib/python3/site-packages"
    site_packages.mkdir(parents=True)
    (site_packages / "liar.py").write_text(LIAR)
    (home / "venv/bin").mkdir()
    script(home / "venv/bin/pytest", f'#!/bin/sh\nexec {sys.executable} -m pytest "$@"\n')
    (home / "source").mkdir()
    (home / "source/test_small.py").write_text(SUITE)
    environment = {"PYTHONPATH": str(site_packages), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    project = Project("small", "1", ("test_small.py",), environment=environment)
    prepared = prepare.Prepared(project, home, prepare.Installer(None))
    monkeypatch.setattr(run, "PROJECTS", {"small": project})
    monkeypatch.setattr(prepare, "make_tools", lambda corpus: prepared.installer)
    monkeypatch.setattr(prepare, "prepare", lambda *_: prepared)

    def compared(*arguments, options="", before="", after="", daemon=0):
        texts = {"python": sys.executable, "options": options, "before": before, "after": after, "daemon": daemon}
        command = script(tmp_path / "dx-py", FAKE.format(**texts))
        status = run.main(["small", "--dx-py", str(command), "--corpus", str(tmp_path), *arguments])
        results = [json.loads(line) for line in (tmp_path / "results.jsonl").read_text().splitlines()]
        return status, results, capsys.readouterr().out

    return compared


def script(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o755)
    return path


def differences(result):
    return [(difference["kind"], difference["node"]) for difference in result["comparison"]["differences"]]


def test_an_honest_runner_agrees_in_every_mode(compared):
    status, results, printed = compared("--modes", "cold,warm,parallel,warm-parallel,cold-again,pytest")
    assert status == 0, printed
    assert [result["mode"] for result in results] == [
        "cold",
        "warm (run 1)",
        "warm",
        "parallel",
        "warm-parallel (run 1)",
        "warm-parallel",
        "cold-again (run 1)",
        "cold-again",
        "pytest",
    ]
    assert all(differences(result) == [] and result["tests"] == 4 and not result["remarks"] for result in results)


def test_a_false_outcome_is_found_and_shown_with_both_sides(compared):
    status, (result,), printed = compared("--modes", "cold", options="-p liar")
    assert status == 1
    assert differences(result) == [("different", "test_small.py::test_two")]
    assert "pytest  passed\n" in printed and "dx-py   failed (a lie)\n" in printed


def test_a_test_left_out_is_found(compared):
    status, (result,), _ = compared("--modes", "parallel", options="--deselect test_small.py::test_one")
    assert status == 1
    assert differences(result) == [("missing", "test_small.py::test_one"), ("deselected", "test_small.py::test_one")]


def test_another_exit_code_is_found(compared):
    status, (result,), _ = compared("--modes", "cold", after="status=0", daemon=1)
    assert status == 1 and result["remarks"] == [], "without a daemon nobody asks for one"
    assert differences(result) == [("exit", "the run")]


def test_a_runner_that_runs_nothing_is_no_success(compared):
    status, (result,), printed = compared("--modes", "cold", before="echo out of order; exit 1")
    assert status == 1 and result["failed"]
    assert ("unfinished", "the run") in differences(result) and "out of order" in printed
    assert result["comparison"]["differences"][0]["dx_py"] == "nothing"


UNORDERED = """
import os
def test_of_a_set():
    print(os.environ["PYTHONHASHSEED"], {str(number) for number in range(50)})
    assert False
"""


def test_texts_that_show_sets_are_the_same_in_every_run(compared, tmp_path):
    (tmp_path / "py/small/source/test_small.py").write_text(UNORDERED)
    status, (result,), printed = compared("--modes", "cold")
    assert status == 0, printed
    assert differences(result) == [] and result["tests"] == 1
    truth = tmp_path / "py/small/truth"
    printed = {line for run in truth.glob("run*.txt") for line in run.read_text().splitlines() if line.startswith("0 {")}
    assert len(printed) == 1, "neither do pytest's own two runs differ"


def test_pytest_is_recorded_again_in_another_environment(compared, tmp_path, monkeypatch):
    truth = tmp_path / "py/small/truth/truth.json"
    keys = []
    for seed in ("0", "0", "1"):
        monkeypatch.setitem(suite.ENVIRONMENT, "PYTHONHASHSEED", seed)
        assert compared("--modes", "cold")[0] == 0
        keys.append(json.loads(truth.read_text())["key"])
    assert keys[0] == keys[1] != keys[2]


def test_a_runner_that_hangs_is_ended_and_no_success(compared):
    assert compared("--modes", "cold")[0] == 0, "with the time for pytest's side in the cache"
    status, (result,), printed = compared("--modes", "cold", "--timeout", "1", before="sleep 60")
    assert status == 1 and "timed out" in printed


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="processes are found by their environment in /proc")
def test_a_warm_run_without_a_daemon_and_a_process_left_behind_are_remarked(compared, tmp_path):
    _, results, _ = compared("--modes", "warm", daemon=1, before="setsid sleep 60 &")
    assert results[0]["remarks"] == ["no daemon answers: this was not warm"]
    assert results[1]["remarks"] == [
        "no daemon answers: this was not warm",
        "the daemon could not be stopped",
        "2 processes left behind",
    ]
    assert left_by_small(tmp_path) == [], "the harness ends what is left"


def left_by_small(directory):
    found = []
    for environment in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if f"PYTHONPATH={directory}".encode() in environment.read_bytes():
                found.append(environment)
    return found


def test_a_project_that_cannot_be_prepared_is_no_success(compared, monkeypatch):
    def fail(*_):
        raise prepare.Failed("no such version")

    monkeypatch.setattr(prepare, "prepare", fail)
    status, (result,), printed = compared("--modes", "cold")
    assert status == 1 and "no such version" in printed and result["failed"] == "no such version"


def test_unknown_names_are_refused(compared):
    with pytest.raises(SystemExit):
        compared("--modes", "lukewarm")


def test_every_project_has_pins_that_name_its_version():
    for project in PROJECTS.values():
        pins = prepare.pins_file(project).read_text().splitlines()
        assert project.pytest in pins, project.name
        assert project.editable or f"{project.name}=={project.version}" in pins, project.name
