"""What runs remember: verbs and options around `--affected`, and that nothing breaks it."""

from __future__ import annotations

import json
import re
import subprocess
import time

import pytest

from dx_py_test_runner.history.store import GENERATIONS
from dxpy import DxPy, Ended, wait_until

FILES = {
    "app/__init__.py": "",
    "app/one.py": "VALUE = 1\n\n\ndef one():\n    return VALUE\n",
    "app/two.py": "def two():\n    return 2\n",
    "tests/test_one.py": "from app.one import one\n\n\ndef test_one():\n    assert one() == 1\n\n\ndef test_nothing():\n    pass\n",
    "tests/test_two.py": "from app.two import two\n\n\ndef test_two():\n    assert two() == 2\n",
    "pytest.ini": "[pytest]\npythonpath = .\n",
}


@pytest.fixture
def project(place: DxPy) -> DxPy:
    for name, text in FILES.items():
        place.write(name, text)
    return place


def affected(place: DxPy, *args: str, **options: object) -> Ended:
    return place.test("--no-daemon", "--affected", *args, **options)


def line(ended: Ended) -> str:
    """What is said of the selection, without how it was come by."""
    found = [text for text in ended.out.splitlines() if text.startswith(("affected:", "changed since"))]
    assert len(found) == 1, str(ended)
    return re.sub(r" \(\d+ files? not even loaded\)$", "", found[0])


def settle(place: DxPy) -> None:
    assert line(affected(place)) == "affected: 3 of 3 tests"
    ended = affected(place)
    assert line(ended).startswith("affected: none of 3 tests; all have passed")
    assert ended.code == 0


def test_nothing_to_run_is_no_failure(project: DxPy) -> None:
    settle(project)
    assert affected(project, "-k", "no_such_name").code == 5, "there are no such tests, as pytest says"


DRAWS = """
from hypothesis import HealthCheck, given, settings, strategies as st

@settings(deadline=None, suppress_health_check=list(HealthCheck))
@given(st.text())
def test_any(text):
    assert text + "" == text

def test_other():
    pass
"""


@pytest.mark.parametrize("args", [(), ("-n2",)], ids=["one", "workers"])
def test_what_hypothesis_keeps_is_no_input(place: DxPy, args: tuple[str, ...]) -> None:
    place.write("test_one.py", DRAWS)
    place.write("test_two.py", DRAWS)
    assert affected(place, *args).counts == {"passed": 4}
    assert (place.project / ".hypothesis").is_dir()
    assert line(affected(place, *args)).startswith("affected: none of 4")


TAKES_AWAY = """
import os, sys

def test_without(monkeypatch):
    monkeypatch.delattr(sys, "_getframe")
    import late
    assert late.answer() and os.path.exists(__file__) and os.environ.get("NOBODY") is None
    assert open("data.txt").read() == "data"
"""


def test_who_takes_the_frames_away_is_recorded_like_anybody(place: DxPy) -> None:
    place.write("test_it.py", TAKES_AWAY)
    place.write("late.py", "def answer(): return 42\n")
    place.write("data.txt", "data")
    ended = affected(place)
    assert (ended.code, ended.counts) == (0, {"passed": 1}), str(ended)
    assert line(affected(place)).startswith("affected: none of 1")
    place.write("data.txt", "other")
    assert affected(place).counts == {"failed": 1}


def test_failures_run_again_until_they_pass(project: DxPy) -> None:
    settle(project)
    project.write("app/two.py", "def two():\n    return 3\n")
    for _ in range(2):
        ended = affected(project)
        assert (ended.code, line(ended)) == (1, "affected: 1 of 3 tests")
    project.write("app/two.py", FILES["app/two.py"])
    assert "none of 3" in line(affected(project))


def test_a_branch_that_is_switched_back_to_has_its_own_memories(project: DxPy) -> None:
    settle(project)
    for number in (5, 6):
        project.write("app/one.py", FILES["app/one.py"] + f"OTHER = {number}\n")
        assert line(affected(project)) == "affected: 2 of 3 tests"
    project.write("app/one.py", FILES["app/one.py"])
    assert "none of 3" in line(affected(project))


def test_what_is_gone_back_to_again_and_again_is_not_forgotten(project: DxPy) -> None:
    settle(project)
    for number in range(GENERATIONS + 2):
        project.write("app/one.py", FILES["app/one.py"] + f"OTHER = {number}\n")
        assert line(affected(project)) == "affected: 2 of 3 tests"
        project.write("app/one.py", FILES["app/one.py"])
        assert "none of 3" in line(affected(project)), number


def test_other_options_choose_first(project: DxPy) -> None:
    assert line(affected(project, "-k", "two")) == "affected: 1 of 1 tests"
    assert line(affected(project, "tests/test_one.py")) == "affected: 2 of 2 tests"
    assert "none of 3" in line(affected(project, "-n2"))


def test_another_configuration_is_another_input(project: DxPy) -> None:
    settle(project)
    assert line(affected(project, "-W", "error")) == "affected: 3 of 3 tests"
    assert "none of 3" in line(affected(project, "-v"))
    project.write("pytest.ini", FILES["pytest.ini"] + "markers = one\n")
    assert line(affected(project)) == "affected: 3 of 3 tests"


def test_with_coverage(project: DxPy) -> None:
    args = ("-p", "pytest_cov", "--cov=app")
    assert line(affected(project, *args)) == "affected: 3 of 3 tests"
    assert "none of 3" in line(affected(project, *args))
    assert line(affected(project)) == "affected: 3 of 3 tests", "who measures may change what a test sees"


def test_the_daemon_serves_it(project: DxPy) -> None:
    settle(project)
    for _ in range(3):
        assert "none of 3" in line(project.test("--affected"))
    project.write("app/two.py", FILES["app/two.py"] + "MORE = 1\n")
    # What is read right after it was saved may be saved again under the same stamp: it would be run once more.
    saved = (project.project / "app/two.py").stat().st_ctime
    wait_until(lambda: time.time() - saved > 0.1, "the edit is old enough to be believed")
    assert line(project.test("--affected")) == "affected: 1 of 3 tests"
    assert "none of 3" in line(project.test("--affected"))


def test_why_says_which_change_and_how_it_is_reached(project: DxPy) -> None:
    settle(project)
    assert "test_two need not run" in project.run("why-not", "test_two").out
    project.write("app/two.py", FILES["app/two.py"] + "MORE = 1\n")
    said = project.run("why", "tests/test_two.py::test_two").out
    assert "app/two.py has changed" in said
    assert "test_two needs app.two" in said
    assert "no test is called" in project.run("why", "test_of_nothing").out
    assert project.run("why").code == 4


def git(place: DxPy, *args: str) -> None:
    names = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    subprocess.run(["git", *names, *args], cwd=place.project, env=place.env, check=True, capture_output=True)


def test_changed_since_a_revision(project: DxPy) -> None:
    project.write(".gitignore", "__pycache__\n.pytest_cache\n")
    git(project, "init", "-q")
    git(project, "add", "-A")
    git(project, "commit", "-qm", "first")
    settle(project)
    changed = lambda *args: line(project.test("--no-daemon", *args))  # noqa: E731
    assert changed("--changed") == "changed since HEAD: nothing that any of 3 tests depends on"
    project.write("app/two.py", FILES["app/two.py"] + "MORE = 1\n")
    for _ in range(2):
        assert changed("--changed") == "changed since HEAD: 1 of 3 tests", "whether they have passed since or not"
    project.write("app/two.py", "# a comment\n" + FILES["app/two.py"])
    affected(project)
    assert "nothing that any" in changed("--changed=HEAD")
    project.write("app/two.py", FILES["app/two.py"] + "MORE = 1\n")
    git(project, "commit", "-qam", "second")
    assert "nothing that any" in changed("--changed")
    assert changed("--changed=HEAD~1") == "changed since HEAD~1: 1 of 3 tests"
    ended = project.test("--no-daemon", "--changed=no-such-revision")
    assert ended.code == 4 and "no-such-revision" in ended.err


def test_what_is_looked_at_to_show_a_failure_is_no_input(project: DxPy) -> None:
    project.write("tests/test_two.py", "def test_two():\n    assert 2 == 3\n")
    affected(project)
    project.run("history", "export", "out.json")
    claims = json.loads((project.project / "out.json").read_text())["claims"]
    modules = [name for kind, name, _value in claims if kind in ("link", "kind") and "site-packages/" in name]
    assert modules == []


def test_an_audit_runs_some_of_the_rest_and_tells(project: DxPy) -> None:
    """Something past all that is watched changes the outcome: that is what an audit is for."""
    project.write(
        "tests/test_unseen.py", "import posix\n\n\ndef test_size():\n    assert posix.stat('size.txt').st_size == 2\n"
    )
    project.write("size.txt", "1\n")
    affected(project)
    ended = affected(project, "--audit", "100%")
    assert "audit: 4 tests that need not have run have passed as before" in ended.out
    project.write("size.txt", "longer\n")
    assert affected(project).code == 0
    ended = affected(project, "--audit=100")
    assert ended.code == 1
    assert "that is a bug of dx-py:\n  tests/test_unseen.py::test_size" in ended.out
    assert affected(project, "--audit=much").code == 4


def test_a_history_serves_another_checkout(project: DxPy) -> None:
    settle(project)
    exported = project.root / "history.json"
    assert "3 tests exported" in project.run("history", "export", str(exported)).out
    elsewhere = project.root / "elsewhere"
    subprocess.run(["cp", "-r", str(project.project), str(elsewhere)], check=True)
    env = {"DX_PY_CACHE_DIR": str(project.root / "other-cache"), "HOME": str(project.root / "tmp")}
    assert line(affected(project, cwd=elsewhere, env=env)) == "affected: 3 of 3 tests"
    env["DX_PY_CACHE_DIR"] = str(project.root / "third-cache")
    assert "3 tests imported" in project.run("history", "import", str(exported), cwd=elsewhere, env=env).out
    assert "none of 3" in line(affected(project, cwd=elsewhere, env=env))


@pytest.mark.parametrize("text", ["", "no json", "[]", '{"dx-py history": 2}', json.dumps({"dx-py history": 1, "claims": [], "sets": [[5]], "tests": {}})])
def test_what_is_no_exported_history_is_refused(project: DxPy, text: str) -> None:
    path = project.root / "history.json"
    path.write_text(text)
    ended = project.run("history", "import", str(path))
    assert ended.code == 4 and "cannot be imported" in ended.err


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "folder"])
def test_a_damaged_history_only_means_that_tests_run(project: DxPy, damage: str) -> None:
    settle(project)
    (path,) = (project.root / "home/.cache/dx-py").glob("*.dxhi")
    data = path.read_bytes()
    path.unlink()
    if damage == "folder":
        path.mkdir()
    else:
        path.write_bytes({"cut": data[:-1], "flip": data[:-1] + bytes([data[-1] ^ 1]), "empty": b""}[damage])
    ended = affected(project)
    assert (ended.code, line(ended)) == (0, "affected: 3 of 3 tests")


def test_runs_at_the_same_time_lose_nothing(project: DxPy) -> None:
    started = [project.start("test", "--no-daemon", "--affected", f"tests/test_{name}.py") for name in ("one", "two") for _ in range(3)]
    assert [one.wait().code for one in started] == [0] * 6
    assert "none of 3" in line(affected(project))


def test_a_project_may_have_every_run_remember(project: DxPy) -> None:
    project.write("pyproject.toml", "[tool.dx-py]\nrecord = true\n")
    project.test("--no-daemon")
    assert "none of 3" in line(affected(project))


def test_what_a_dead_process_has_run_is_run_again(project: DxPy) -> None:
    settle(project)
    project.write("tests/test_two.py", FILES["tests/test_two.py"] + "\n\ndef test_end():\n    import os\n    os._exit(0)\n")
    for _ in range(2):
        ended = affected(project)
        assert (ended.code, line(ended)) == (1, "affected: 2 of 4 tests"), str(ended)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_what_is_no_module_among_the_modules(project: DxPy, workers: str) -> None:
    """Stand-ins that are gone, or raise whatever they are asked, as some packages leave behind."""
    project.write(
        "tests/test_strange.py",
        "import sys\nimport weakref\n\n\nclass Thing:\n    pass\n\n\n"
        "def test_strange():\n    thing = Thing()\n    sys.modules['gone'] = weakref.proxy(thing)\n    sys.modules['number'] = 5\n",
    )
    ended = affected(project, "-n", workers)
    assert ended.code == 0 and "dx-py:" not in ended.out, str(ended)
    assert "none of 4" in line(affected(project, "-n", workers))
