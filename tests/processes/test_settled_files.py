"""`--affected` does not even load a file of which nothing need run, and nobody can tell by the verdicts."""

from __future__ import annotations

import pytest

from dxpy import DxPy, Ended

@pytest.fixture(params=["cold", "warm"])
def project(place: DxPy, request: pytest.FixtureRequest) -> DxPy:
    place.env["LOADED"] = str(place.root / "loaded")
    place.env["WAY"] = request.param
    place.write("pytest.ini", "[pytest]\npythonpath = src\n")
    for name in "ab":
        place.write(f"tests/{name}/helper_{name}.py", "VALUE = 1\n")
        place.write(f"tests/{name}/test_{name}.py", _text(name))
    return place


def _text(name: str, more: str = "") -> str:
    """A test file that says when it is loaded, and leaves nothing in another module."""
    says = f"with open(os.environ['LOADED'], 'a') as file:\n    file.write({name + chr(10)!r})"
    return f"import os\n\n{says}\n\n\ndef test_{name}():\n    pass\n{more}"


def affected(project: DxPy, *args: str) -> tuple[Ended, set[str]]:
    """A run, and which test files it has loaded."""
    log = project.root / "loaded"
    log.unlink(missing_ok=True)
    cold = ["--no-daemon"] if project.env["WAY"] == "cold" else []
    ended = project.test("--affected", *cold, *args)
    return ended, set(log.read_text().split()) if log.exists() else set()


def settle(project: DxPy) -> None:
    """Until nothing need run: what was written a moment ago is run twice."""
    for _ in range(5):
        ended, _loaded = affected(project)
        assert ended.code == 0, ended
        if "affected: none of" in ended.out:
            return
    raise AssertionError(ended)


def test_only_the_file_that_was_edited_is_loaded(project: DxPy) -> None:
    settle(project)
    project.write("tests/a/test_a.py", _text("a", "    assert 0\n"))
    ended, loaded = affected(project)
    assert loaded == {"a"}
    assert "affected: 1 of 2 tests (1 file not even loaded)" in ended.out
    assert ended.counts == {"failed": 1}


def test_where_nothing_need_run_the_exit_code_is_0(project: DxPy) -> None:
    settle(project)
    project.write("tests/a/test_a.py", "# a comment\n" + _text("a"))
    ended, _loaded = affected(project)
    assert "affected: none of 2 tests" in ended.out
    assert ended.code == 0


def test_folders_are_on_the_path_as_if_all_had_been_loaded(project: DxPy) -> None:
    settle(project)
    project.write("tests/b/test_b.py", _text("b", "    import helper_a\n    import helper_b\n"))
    ended, loaded = affected(project)
    assert loaded == {"b"}
    assert ended.counts == {"passed": 1}


def test_a_new_file_may_shadow_what_others_import(project: DxPy) -> None:
    project.write("src/common.py", "VALUE = 1\n")
    project.write("tests/a/test_a.py", _text("a", "    import common\n    assert common.VALUE == 1\n"))
    settle(project)
    project.write("tests/b/common.py", "VALUE = 2\n")
    project.write("tests/b/test_more.py", "def test_more():\n    pass\n")
    ended, _loaded = affected(project)
    assert project.pytest().counts.get("failed", 0) == ended.counts.get("failed", 0) == 1


def test_who_looks_at_all_items_sees_them(project: DxPy) -> None:
    settle(project)
    project.write(
        "conftest.py",
        "def pytest_collection_modifyitems(items):\n    print('items', len(items))\n    assert len(items) == 2\n",
    )
    for _ in range(2):
        ended, _loaded = affected(project)
        assert ended.code == 0, ended
    project.write("tests/a/test_a.py", _text("a", "    assert 1\n"))
    ended, _loaded = affected(project)
    assert ended.code == 0, ended


def test_a_file_of_which_not_all_is_known_is_loaded(project: DxPy) -> None:
    project.write("tests/a/test_a.py", _text("a", "\n\ndef test_never_run():\n    assert 0\n"))
    for _ in range(3):
        affected(project, "tests/a/test_a.py::test_a", "tests/b")
    ended, loaded = affected(project)
    assert "a" in loaded
    assert ended.counts.get("failed") == 1, ended


@pytest.mark.parametrize("arguments", [("-k", "a"), ("-m", "no"), ("tests/a/test_a.py::test_a",), ("--collect-only",)], ids=str)
def test_a_run_that_chooses_otherwise_loads_what_it_chooses_from(project: DxPy, arguments: tuple[str, ...]) -> None:
    settle(project)
    if project.env["WAY"] == "cold":
        _ended, loaded = affected(project, *arguments)
        assert "a" in loaded


def test_a_file_whose_parameters_come_from_data_is_loaded_when_they_change(project: DxPy) -> None:
    project.write("data.txt", "1 2")
    text = "import pytest\n\n@pytest.mark.parametrize('one', open('data.txt').read().split())\ndef test_data(one):\n    assert one != '3'\n"
    project.write("tests/a/test_data.py", text)
    settle(project)
    project.write("data.txt", "1 2 3")
    ended, _loaded = affected(project)
    assert ended.counts.get("failed") == 1, ended


def test_levels_of_a_run_that_left_out_files_serve_nobody_else(project: DxPy) -> None:
    settle(project)
    project.write("tests/a/test_a.py", _text("a", "    assert 1\n"))
    affected(project)
    cold = ["--no-daemon"] if project.env["WAY"] == "cold" else []
    for _ in range(2):
        assert project.test(*cold).counts == {"passed": 2}
