"""The code pack: where no bytecode can be written, what an earlier run has compiled is not compiled again."""

from __future__ import annotations

import shutil

import pytest

TESTS = """
import pytest

@pytest.mark.parametrize("value", range(3))
def test_value(value):
    assert value == {number}, "no"
"""

RUN = ("test", "--no-daemon", "-p", "no:cacheprovider")


@pytest.fixture
def suite(place):
    place.env["PYTHONDONTWRITEBYTECODE"] = "1"
    place.write("conftest.py", "def check(value): assert value\n")
    for number in range(3):
        place.write(f"test_{number}.py", TESTS.format(number=number))
    return place


def packs(place, folder="home/.cache/dx-py"):
    return [(path.name, path.stat().st_ino, path.stat().st_size) for path in sorted((place.root / folder).glob("*.dxbc"))]


def outcome(ended):
    """Without the time it took."""
    return ended.code, ended.out.rpartition(" in ")[0], ended.err


def test_a_second_run_compiles_nothing(suite):
    first = outcome(suite.run(*RUN))
    [pack] = packs(suite)
    assert outcome(suite.run(*RUN)) == first and first[0] == 1
    assert packs(suite) == [pack]
    assert not list(suite.project.rglob("*.pyc"))
    suite.write("test_1.py", TESTS.format(number=7))
    changed = suite.run(*RUN)
    assert changed.counts == {"failed": 7, "passed": 2}
    [bigger] = packs(suite)
    assert bigger != pack
    shutil.rmtree(suite.root / "home/.cache")
    assert outcome(suite.run(*RUN)) == outcome(changed)
    assert packs(suite)


REFUSING = """
import os
from dx_py_test_runner import _native

def refuse(text, **options):
    raise AssertionError("compiled: " + text)

if "REFUSE" in os.environ:
    _native.capture_asserts = refuse
"""


def test_what_is_in_the_pack_is_used_whatever_the_module_is_called(suite):
    suite.write("refusing.py", REFUSING)
    suite.env["PYTHONPATH"] = str(suite.project)
    suite.write("test_0.py", "def test_where(): assert __file__ == test_where.__code__.co_filename\n")
    args = (*RUN, "-p", "refusing")
    assert suite.run(*args).counts == {"failed": 4, "passed": 3}
    (suite.project / "test_0.py").rename(suite.project / "test_5.py")
    assert suite.run(*args, env={"REFUSE": "1"}).counts == {"failed": 4, "passed": 3}
    suite.write("test_1.py", "def test_other(): assert 1\n")
    assert "compiled: def test_other" in suite.run(*args, env={"REFUSE": "1"}).out


def test_a_damaged_pack_is_replaced(suite):
    first = outcome(suite.run(*RUN))
    [path] = (suite.root / "home/.cache/dx-py").iterdir()
    good = path.read_bytes()
    for damaged in (b"", b"DXBC", good[:-1], good[:60] + b"\xff" + good[61:], good[:-9] + b"\xff" + good[-8:]):
        path.write_bytes(damaged)
        assert outcome(suite.run(*RUN)) == first
        assert path.read_bytes() != damaged and len(path.read_bytes()) == len(good)


def test_bytecode_beside_the_modules_comes_first(suite):
    suite.run(*RUN, env={"PYTHONDONTWRITEBYTECODE": None})
    assert list(suite.project.glob("__pycache__/*-dx-py-*.pyc"))
    suite.run(*RUN)
    assert not packs(suite)


@pytest.mark.parametrize("variable", ["DX_PY_CACHE_DIR", "XDG_CACHE_HOME"])
def test_the_folder_can_be_named(suite, variable):
    suite.run(*RUN, env={variable: str(suite.root / "named")})
    assert packs(suite, {"DX_PY_CACHE_DIR": "named", "XDG_CACHE_HOME": "named/dx-py"}[variable])
    assert not packs(suite)


def test_a_folder_that_cannot_be_written_changes_nothing(suite):
    first = outcome(suite.run(*RUN))
    shutil.rmtree(suite.root / "home/.cache")
    (suite.root / "home/.cache").write_text("not a folder")
    assert outcome(suite.run(*RUN)) == first


@pytest.mark.parametrize("options", [(), ("-W", "error::SyntaxWarning", "-W", "error::DeprecationWarning")])
def test_the_compiler_warns_each_time(suite, options):
    suite.write("test_warning.py", "def test_warning(): assert '\\d' and (1 is 1)\n")
    first = outcome(suite.run(*RUN, *options))
    assert "SyntaxWarning" in first[1] or "invalid escape" in first[1]
    assert outcome(suite.run(*RUN, *options)) == first
    suite.run(*RUN, "-W", "ignore")
    assert outcome(suite.run(*RUN, *options)) == first


def test_levels_of_a_daemon_write_it_once(suite):
    suite.run("test", "-p", "no:cacheprovider")
    [pack] = packs(suite)
    shutil.rmtree(suite.root / "home/.cache")
    suite.run("test", "-p", "no:cacheprovider")
    assert suite.daemon_pid() and not packs(suite)
    suite.leave_nothing()


def test_where_bytecode_has_no_folder_the_pack_is_used(suite):
    (suite.project / "__pycache__").write_text("not a folder")
    args, env = (*RUN, "--tb=no"), {"PYTHONDONTWRITEBYTECODE": None}
    first = outcome(suite.run(*args, env=env))
    [pack] = packs(suite)
    assert outcome(suite.run(*args, env=env)) == first
    assert packs(suite) == [pack]
