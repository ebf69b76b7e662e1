"""``dx-py list`` after a run: exactly what pytest collects, and never a wrong id that is said to be exact."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time

import pytest
from dxpy import command

FILES = {
    "pytest.ini": "[pytest]\nmarkers =\n    slow\n    fast\ntestpaths = tests\n",
    "values.py": "VALUES = ['one', 'two']\n",
    "tests/conftest.py": "import pytest\nimport sys\nsys.path.insert(0, str(__file__).rpartition('/tests/')[0])\n",
    "tests/numbers.txt": "3\n4\n",
    "tests/test_imported.py": """
import pytest
from values import VALUES

@pytest.mark.parametrize("value", VALUES)
def test_value(value): pass
""",
    "tests/test_read.py": """
import pytest
from pathlib import Path

@pytest.mark.parametrize("number", Path(__file__).with_name("numbers.txt").read_text().split())
def test_number(number): pass
""",
    "tests/test_environment.py": """
import os, pytest

@pytest.mark.parametrize("mode", os.environ.get("MODES", "plain").split(","))
def test_mode(mode): pass
""",
    "tests/test_made.py": """
import pytest

def pytest_generate_tests(metafunc):
    if "made" in metafunc.fixturenames:
        metafunc.parametrize("made", [f"m{n}" for n in range(3)], scope="session")

@pytest.mark.slow
def test_made(made): pass

def test_other(made): pass

def marked(function):
    function.odd_word = 1
    return pytest.mark.fast(function)

class TestMarked:
    @marked
    def test_decorated(self): pass
""",
    "tests/test_if.py": "import sys\nif sys.maxsize:\n    def test_if(): pass\nelse:\n    def test_else(): pass\n",
    "tests/test_none.py": "from values import *\nglobals()['x'] = 1\n",
}


@pytest.fixture
def suite(place):
    for name, text in FILES.items():
        place.write(name, text)
    time.sleep(0.05)
    return place


def rows(place, *arguments, **environment):
    done = subprocess.run(
        [command(), "list", "--json", *arguments], cwd=place.project, env={**place.env, **environment}, capture_output=True, text=True, check=False
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def ids(place, *arguments, **environment):
    """Ids, with a question mark where they are not exact, and one for each place that may hold others."""
    return [(row["id"] or "") + ("" if row["exact"] else "?") for row in rows(place, *arguments, **environment)]


def collected(place, *arguments, **environment):
    """As pytest prints them."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *arguments],
        cwd=place.project,
        env={**place.env, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    return [line for line in done.stdout.splitlines() if "::" in line]


def run(place, *arguments, **environment):
    done = subprocess.run([command(), "test", *arguments], cwd=place.project, env={**place.env, **environment}, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 5), done.stdout + done.stderr
    return done


def sound(place, *arguments, **environment):
    """What is listed as exact, having compared it with pytest; all of it is there, exact or not."""
    listed, expected = rows(place, *arguments, **environment), collected(place, *arguments, **environment)
    exact = [row["id"] for row in listed if row["exact"]]
    assert set(exact) <= set(expected)
    assert [id for id in expected if id in set(exact)] == exact
    return exact


def test_after_one_run_all_is_exact_and_in_order(suite):
    assert sound(suite) != collected(suite)
    run(suite)
    expected = collected(suite)
    assert len(expected) == 13
    assert ids(suite) == expected
    # From the index, and without one.
    assert ids(suite) == expected
    plain = subprocess.run([command(), "list"], cwd=suite.project, env=suite.env, capture_output=True, text=True, check=False)
    assert plain.stdout.splitlines() == [*expected, "", "13 tests"]
    for index in suite.root.rglob("*.dxti"):
        index.unlink()
    assert ids(suite) == expected


@pytest.mark.parametrize(
    "arguments",
    [
        ["-k", "value or odd_word"],
        ["-k", "not m1 and not two"],
        ["-m", "slow"],
        ["-m", "not slow and not fast"],
        ["-m", "fast", "-k", "decorated"],
        ["tests/test_made.py::TestMarked"],
        ["tests/test_made.py::test_made"],
        ["tests/test_imported.py::test_value[two]"],
        ["tests/test_read.py", "tests/test_imported.py"],
        ["--deselect", "tests/test_made.py"],
    ],
    ids=" ".join,
)
def test_what_is_chosen_from_it_is_exact(suite, arguments):
    run(suite)
    assert sorted(ids(suite, *arguments)) == sorted(collected(suite, *arguments))


EDITS = {
    "the test file": lambda suite: suite.write("tests/test_if.py", "import sys\nif sys.maxsize:\n    def test_new(): pass\n"),
    "a conftest": lambda suite: suite.write("tests/conftest.py", FILES["tests/conftest.py"] + "def pytest_collection_modifyitems(items): del items[3:]\n"),
    "a new conftest": lambda suite: suite.write("conftest.py", "def pytest_collection_modifyitems(items): del items[3:]\n"),
    "a module": lambda suite: suite.write("values.py", "VALUES = ['one', 'three']\n"),
    "a module that comes first": lambda suite: suite.write("tests/values.py", "VALUES = ['three']\n"),
    "settings": lambda suite: suite.write("pytest.ini", FILES["pytest.ini"] + "python_functions = test_m*\n"),
    "other settings": lambda suite: suite.write("pytest.toml", "[pytest]\npython_functions = ['test_m*']\n"),
    "data": lambda suite: suite.write("tests/numbers.txt", "5\n"),
    "a new file": lambda suite: suite.write("tests/test_aa.py", "def test_first(): pass\n"),
    "a new file in a new folder": lambda suite: suite.write("tests/deep/test_deep.py", "import sys\nif sys:\n    def test_deep(): pass\n"),
    "a removed file": lambda suite: (suite.project / "tests/test_read.py").unlink(),
    "a removed module": lambda suite: (suite.project / "tests/numbers.txt").unlink(),
    "a moved folder": lambda suite: (suite.project / "tests").rename(suite.project / "later"),
    "a new module of the same name": lambda suite: suite.write("tests/pytest.py", "x = 1 / 0\n"),
}


@pytest.mark.parametrize("edit", EDITS)
def test_nothing_that_has_changed_is_listed_as_exact(suite, edit):
    run(suite)
    assert ids(suite) == collected(suite)
    EDITS[edit](suite)
    sound(suite)
    # From the index that was just written, too.
    sound(suite)
    if edit not in ("a removed module", "a new module of the same name", "a moved folder"):
        run(suite)
        assert ids(suite) == collected(suite)


def test_an_edit_of_one_test_file_leaves_the_others_exact(suite):
    run(suite)
    before = ids(suite)
    EDITS["the test file"](suite)
    expected = [id.replace("::test_if", "::test_new?") for id in before]
    assert ids(suite) == expected
    # Put back: the text is again what was collected.
    suite.write("tests/test_if.py", FILES["tests/test_if.py"])
    assert "tests/test_if.py::test_if?" in ids(suite)
    run(suite, "tests/test_if.py")
    assert ids(suite) == before


def test_a_file_that_is_only_touched_is_what_it_was(suite):
    run(suite)
    before = ids(suite)
    os.utime(suite.project / "tests/test_if.py")
    assert ids(suite) == before


def test_the_environment_counts(suite):
    run(suite)
    assert "tests/test_environment.py::test_mode[plain]" in ids(suite)
    assert not any("plain" in id for id in sound(suite, MODES="a,b"))
    assert "tests/test_environment.py::test_mode[plain]" in ids(suite)
    run(suite, MODES="a,b")
    assert "tests/test_environment.py::test_mode[a]" in ids(suite, MODES="a,b")
    sound(suite)
    assert ids(suite, NEVER_READ="1", MODES="a,b") == ids(suite, MODES="a,b")


def test_a_run_of_a_part_adds_what_it_knows(suite):
    run(suite, "tests/test_imported.py")
    exact = sound(suite)
    assert "tests/test_imported.py::test_value[two]" in exact
    assert not any("test_read" in id for id in exact)
    run(suite)
    suite.write("tests/test_imported.py", FILES["tests/test_imported.py"].replace("test_value", "test_again"))
    assert not any("imported" in id for id in sound(suite))
    run(suite, "tests/test_imported.py")
    assert ids(suite) == collected(suite)


@pytest.mark.parametrize(
    "arguments",
    [["-k", "value"], ["-m", "slow"], ["--lf"], ["tests/test_made.py::test_other"], ["--deselect", "tests/test_made.py"], ["--ignore=tests/test_if.py"]],
    ids=" ".join,
)
def test_a_run_of_some_tests_takes_nothing_away(suite, arguments):
    run(suite, *arguments)
    sound(suite)
    run(suite)
    expected = ids(suite)
    assert expected == collected(suite)
    run(suite, *arguments)
    assert ids(suite) == expected


def test_hooks_decide_and_what_they_read_counts(suite):
    suite.write(
        "conftest.py",
        """
import os, pytest

def pytest_collection_modifyitems(config, items):
    items.reverse()
    for item in items:
        item.add_marker("late")
    if os.environ.get("FEW"):
        del items[2:]
""",
    )
    suite.write("pytest.ini", FILES["pytest.ini"] + "    late\n".replace("    ", "addopts = -ra\n#"))
    time.sleep(0.05)
    run(suite)
    expected = collected(suite)
    assert ids(suite) == expected
    sound(suite, FEW="1")
    # Others would be there if others were asked for: nobody knows.
    assert sound(suite, "tests/test_made.py") == []
    assert sorted(sound(suite, "-m", "late")) == sorted(collected(suite, "-m", "late"))


def test_files_that_a_conftest_leaves_out_are_no_tests(suite):
    suite.write("tests/conftest.py", FILES["tests/conftest.py"] + "collect_ignore = ['test_if.py', 'out']\n")
    suite.write("tests/out/test_out.py", "def test_out(): pass\n")
    time.sleep(0.05)
    assert any("test_out" in id for id in ids(suite))
    run(suite)
    assert ids(suite) == collected(suite)
    # By its name it can be had.
    assert "tests/out/test_out.py::test_out?" in ids(suite, "tests/out/test_out.py")


def test_what_loading_starts_is_not_seen_and_so_nothing_is_exact(suite):
    suite.write("tests/test_started.py", "import subprocess, pytest\nout = subprocess.run(['cat', 'names'], capture_output=True, text=True).stdout\n@pytest.mark.parametrize('n', out.split())\ndef test_n(n): pass\n")
    suite.write("names", "a b\n")
    time.sleep(0.05)
    run(suite)
    assert not any("test_started" in id for id in sound(suite))
    suite.write("names", "c\n")
    sound(suite)


def test_damaged_collections_are_none(suite):
    before = ids(suite)
    run(suite)
    (kept,) = suite.root.rglob("*.dxtc")
    content = kept.read_bytes()
    expected = ids(suite)
    for damaged in (b"", b"DXTC", content[:-1], content + b"\0", b"\0" * 500, content[:4] + b"\7" + content[5:], content[:100] + b"\xff" + content[101:]):
        kept.write_bytes(damaged)
        assert ids(suite) == before
    kept.write_bytes(content)
    assert ids(suite) == expected
    # One of another project, or of this one elsewhere.
    shutil.copytree(suite.project, suite.root / "copy")
    listed = subprocess.run([command(), "list", "--json"], cwd=suite.root / "copy", env=suite.env, capture_output=True, text=True, check=False)
    assert "two" not in listed.stdout


def test_marks_that_are_not_known_do_not_hide_a_test(suite):
    assert "tests/test_made.py::TestMarked::test_decorated?" in ids(suite, "-m", "fast")
    assert "tests/test_made.py::TestMarked::test_decorated?" in ids(suite, "-m", "not slow")
    assert "tests/test_made.py::TestMarked::test_decorated?" in ids(suite, "-k", "odd_word")


@pytest.mark.parametrize(
    "arguments",
    [
        ["-W", "error"],
        ["-Werror::UserWarning"],
        ["-p", "no:doctest"],
        ["-p", "values"],
        ["-o", "python_functions=test_m*"],
        ["-o", "testpaths=tests/test_made.py tests/test_if.py"],
        ["--rootdir", "tests"],
        ["--rootdir=.", "tests"],
        ["--ignore", "tests/test_if.py", "--deselect", "tests/test_made.py::test_other"],
    ],
    ids=" ".join,
)
def test_after_a_run_with_options_the_list_with_them_is_exact_and_any_other_is_sound(suite, arguments):
    suite.env["PYTHONPATH"] = str(suite.project)
    run(suite, *arguments)
    expected = collected(suite, *arguments)
    assert len(expected) > 2
    found = ids(suite, *arguments)
    # Ids of files outside of the root folder begin otherwise: then nothing is kept.
    assert found == expected or arguments == ["--rootdir", "tests"] and not any("?" not in id for id in found)
    sound(suite)
    # The whole is known besides, and neither takes the other's place.
    run(suite)
    assert ids(suite) == collected(suite)
    sound(suite, *arguments)


def test_a_warning_that_is_an_error_is_another_collection(suite):
    suite.write("tests/test_warns.py", "import warnings\ntry:\n    warnings.warn('w')\n    def test_quiet(): pass\nexcept UserWarning:\n    def test_strict(): pass\n")
    time.sleep(0.05)
    run(suite)
    assert ids(suite) == collected(suite)
    assert not any(id.endswith("warns.py::test_quiet") for id in sound(suite, "-W", "error"))
    run(suite, "-W", "error")
    assert "tests/test_warns.py::test_strict" in ids(suite, "-W", "error")
    assert sound(suite, "-W", "error") and "tests/test_warns.py::test_quiet" in sound(suite)


def test_a_plugin_that_is_asked_for_decides_for_its_own_runs_alone(suite):
    suite.write("chooser.py", "def pytest_collection_modifyitems(items):\n    del items[4:]\n")
    suite.env["PYTHONPATH"] = str(suite.project)
    time.sleep(0.05)
    run(suite, "-p", "chooser")
    assert len(collected(suite, "-p", "chooser")) == 4
    assert ids(suite, "-p", "chooser") == collected(suite, "-p", "chooser")
    sound(suite)
    run(suite)
    assert ids(suite) == collected(suite)
    assert len(sound(suite, "-pchooser")) in (0, 4)


def test_a_run_from_a_folder_within_is_one_of_its_own(suite):
    def inside(*command_line):
        return subprocess.run(command_line, cwd=suite.project / "tests", env=suite.env, capture_output=True, text=True, check=False).stdout

    def listed_inside():
        return [(row["id"] or "") + ("" if row["exact"] else "?") for row in map(json.loads, inside(command(), "list", "--json").splitlines())]

    assert "passed" in inside(command(), "test")
    expected = [line for line in inside(sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider").splitlines() if "::" in line]
    assert len(expected) == 13
    assert listed_inside() == expected
    assert sound(suite) != expected
    run(suite)
    assert ids(suite) == collected(suite)
    assert set(expected) <= {id.rstrip("?") for id in listed_inside()}


def test_what_one_run_deselects_another_may_not(suite):
    first, second = ["--deselect", "tests/test_made.py"], ["--deselect", "tests/test_read.py", "--deselect", "tests/test_if.py"]
    run(suite, *first)
    assert ids(suite, *first) == collected(suite, *first)
    sound(suite)
    sound(suite, *second)
    run(suite, *second)
    assert ids(suite, *second) == collected(suite, *second)
    sound(suite, *first)
    both = [*first, *second]
    assert set(sound(suite, *both)) == set(collected(suite, *both))
    run(suite)
    for options in ([], first, second, both):
        assert ids(suite, *options) == collected(suite, *options)


def test_what_loading_makes_for_a_moment_is_no_input(suite):
    suite.write("tests/test_links.py", """
import os, tempfile, pytest

with tempfile.TemporaryDirectory() as folder:
    os.symlink("nowhere", os.path.join(folder, "link"))
    CAN_LINK = os.path.islink(os.path.join(folder, "link")) and bool(os.stat(folder)) and os.listdir(folder)

@pytest.mark.skipif(not CAN_LINK, reason="no links")
@pytest.mark.parametrize("name", CAN_LINK)
def test_linked(name): pass
""")
    time.sleep(0.05)
    run(suite)
    assert "tests/test_links.py::test_linked[link]" in ids(suite)
    assert ids(suite) == collected(suite)


def test_names_that_are_made_up_are_not_listed_as_exact(suite):
    suite.write("tests/test_names.py", "import os, tempfile, pytest\n\n@pytest.mark.parametrize('folder', [tempfile.mkdtemp()])\ndef test_name(folder): pass\n")
    time.sleep(0.05)
    run(suite)
    assert not any("test_name[" in id and "?" not in id for id in ids(suite))
