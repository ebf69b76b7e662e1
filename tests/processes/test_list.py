"""``dx-py list`` beside ``pytest --collect-only -q`` on one project, and that it imports nothing."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

DX_PY = Path(sys.executable).parent / "dx-py"

FILES = {
    "pytest.ini": "[pytest]\nmarkers = slow\ntestpaths = tests\naddopts = -ra\n",
    "tests/conftest.py": "import pytest\n\n\n@pytest.fixture(params=['sqlite', 'postgres'])\ndef database(request):\n    return request.param\n",
    "tests/test_plain.py": """
import pytest

@pytest.mark.slow
def test_first(tmp_path): pass

class TestGroup:
    @pytest.mark.parametrize("value", [1, "two", None])
    def test_each(self, value): pass

    class TestInner:
        def test_deep(self): pass

def helper(): pass
""",
    "tests/sub/__init__.py": "",
    "tests/sub/test_more.py": "import unittest\n\n\ndef test_database(database): pass\n\n\nclass Case(unittest.TestCase):\n    def test_b(self): pass\n    def test_a(self): pass\n",
    "elsewhere/test_other.py": "def test_outside(): pass\n",
}


@pytest.fixture
def project(tmp_path):
    for name, text in FILES.items():
        path = tmp_path / "project" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "project"


def environment(project):
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST", "DX_PY"))}
    return kept | {"DX_PY_CACHE_DIR": str(project.parent / "cache"), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}


def run(project, *command, cwd="."):
    return subprocess.run(
        [str(word) for word in command], cwd=project / cwd, env=environment(project), capture_output=True, text=True, check=False
    )


def listed(project, *arguments, cwd="."):
    done = run(project, DX_PY, "list", *arguments, cwd=cwd)
    return [line for line in done.stdout.splitlines() if "::" in line], done.returncode


def collected(project, *arguments, cwd="."):
    done = run(project, sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *arguments, cwd=cwd)
    return [line for line in done.stdout.splitlines() if "::" in line], done.returncode


@pytest.mark.parametrize(
    "line",
    [
        "",
        "tests/sub",
        "tests/test_plain.py tests/sub",
        "tests/sub/test_more.py tests",
        "elsewhere",
        "tests/test_plain.py::TestGroup",
        "tests/test_plain.py::TestGroup::test_each[two]",
        "tests/test_plain.py::TestGroup::test_each tests/test_plain.py::test_first",
        "-k|each and not two",
        "-k|sub or INNER",
        "-m|slow",
        "-m|not slow",
        "-k|nothing_has_this_name",
        "--deselect|tests/test_plain.py::TestGroup",
    ],
)
def test_ids_are_those_that_pytest_collects(project, line):
    arguments = line.split("|") if "|" in line else line.split()
    expected, code = collected(project, *arguments)
    assert listed(project, *arguments) == (expected, code)
    # From the index, too.
    assert listed(project, *arguments) == (expected, code)


def test_paths_are_told_from_the_root_wherever_one_is(project):
    assert listed(project, "test_more.py", cwd="tests/sub") == collected(project, "test_more.py", cwd="tests/sub")
    assert listed(project, cwd="elsewhere") == collected(project, cwd="elsewhere")


def test_what_is_exact_is_said_and_what_is_not(project):
    (project / "tests/test_odd.py").write_text("import sys\nif sys.argv:\n    def test_if(): pass\nfrom base import *\n")
    rows = [json.loads(line) for line in run(project, DX_PY, "list", "--json").stdout.splitlines()]
    odd = {(row["id"], row["exact"]) for row in rows if row["file"] == "tests/test_odd.py"}
    assert odd == {(None, False), ("tests/test_odd.py::test_if", False)}
    first = next(row for row in rows if row["id"] == "tests/test_plain.py::test_first")
    assert first == {"id": first["id"], "exact": True, "file": "tests/test_plain.py", "line": 4, "marks": ["slow"]}
    assert "1 of them provisional" in run(project, DX_PY, "list").stdout


def test_nothing_is_imported(project):
    (project / "tests/conftest.py").write_text("open('imported', 'w')\n")
    (project / "tests/test_plain.py").write_text("open('imported', 'w')\ndef test_a(): pass\n")
    ids, code = listed(project)
    assert "tests/test_plain.py::test_a" in ids
    assert code == 0
    assert not (project / "imported").exists()


def test_edits_show_at_once(project):
    file = project / "tests/test_plain.py"
    for name in ("test_one", "test_two", "test_six"):
        file.write_text(f"def {name}(): pass\n")
        assert f"tests/test_plain.py::{name}" in listed(project)[0]
    file.unlink()
    assert not any("test_plain" in id for id in listed(project)[0])


def test_a_damaged_index_is_no_index(project):
    expected = listed(project)
    (index,) = (project.parent / "cache/index").iterdir()
    for content in (b"", b"DXTI", index.read_bytes()[:-50], b"\0" * 5000):
        index.write_bytes(content)
        assert listed(project) == expected


def test_mistakes_are_told(project):
    done = run(project, DX_PY, "list", "nowhere.py")
    assert (done.returncode, "not found: nowhere.py" in done.stderr) == (4, True)
    assert run(project, DX_PY, "list", "-k", "a b").returncode == 4
