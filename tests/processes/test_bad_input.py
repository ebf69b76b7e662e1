"""Command lines, settings and files that pytest refuses: the same words and the same exit code, cold and warm."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from dxpy import MODES, SERIAL_MODES, DxPy, Ended, Mode, real_pytest
from terminal import check_same

FINE = "def test_fine(): pass\n"

File = tuple[str, str]

CASES: dict[str, tuple[File | None, tuple[str, ...]]] = {
    "unknown option": (None, ("--nonsense",)),
    "ambiguous option": (None, ("--no",)),
    "option without value": (None, ("-k",)),
    "bad value": (None, ("--maxfail=many",)),
    "bad choice": (None, ("--color=sometimes",)),
    "missing path": (None, ("nowhere.py",)),
    "missing path among others": (None, ("test_fine.py", "nowhere.py")),
    "missing test": (None, ("test_fine.py::test_nowhere",)),
    "missing folder": (None, ("nowhere/",)),
    "bad keyword expression": (None, ("-k", "(")),
    "bad marker expression": (None, ("-m", "a b")),
    "missing settings file": (None, ("-c", "nowhere.ini")),
    "missing root folder": (None, ("--rootdir=nowhere",)),
    "missing plugin": (None, ("-p", "no_such_plugin")),
    "plugin that cannot be imported": (("bad_plugin.py", "import no_such_module\n"), ("-p", "bad_plugin")),
    "plugin that is no Python": (("bad_plugin.py", "def (\n"), ("-p", "bad_plugin")),
    "plugin with an unknown hook": (("bad_plugin.py", "def pytest_nonsense(): pass\n"), ("-p", "bad_plugin")),
    "no settings": (("pytest.ini", "this is not an ini file\n"), ()),
    "unknown setting": (("pytest.ini", "[pytest]\nnonsense = 1\n"), ("--strict-config",)),
    "bad setting": (("pytest.ini", "[pytest]\nxfail_strict = perhaps\n"), ()),
    "bad option in the settings": (("pytest.ini", "[pytest]\naddopts = --nonsense\n"), ()),
    "bad toml": (("pyproject.toml", "[tool.pytest.ini_options\n"), ()),
    "missing required plugin": (("pytest.ini", "[pytest]\nrequired_plugins = no-such-plugin\n"), ()),
    "too new a project": (("pytest.ini", "[pytest]\nminversion = 99.0\n"), ()),
    "conftest that is no Python": (("conftest.py", "def (\n"), ()),
    "conftest that cannot be imported": (("conftest.py", "import no_such_module\n"), ()),
    "conftest that fails": (("conftest.py", "raise RuntimeError('never')\n"), ()),
    "conftest with an unknown hook": (("conftest.py", "def pytest_nonsense(): pass\n"), ()),
    "conftest that ends everything": (("conftest.py", "import pytest\npytest.exit('no more', 7)\n"), ()),
    "conftest that leaves": (("conftest.py", "raise SystemExit(9)\n"), ()),
    "hook that fails": (("conftest.py", "def pytest_configure(): raise ValueError('no')\n"), ()),
    "hook that refuses": (
        ("conftest.py", "import pytest\ndef pytest_configure(): raise pytest.UsageError('not so')\n"),
        (),
    ),
    "test file that is no Python": (("test_bad.py", "def test_bad(:\n    pass\n"), ()),
    "test file that cannot be imported": (("test_bad.py", "import no_such_module\n"), ()),
    "unknown marker": (("test_bad.py", "import pytest\n@pytest.mark.odd\ndef test(): pass\n"), ("--strict-markers",)),
    "unknown fixture": (("test_bad.py", "def test_bad(nonsense): pass\n"), ()),
    "two files of one name": (("below/test_fine.py", FINE), ()),
    "no tests": (None, ("-k", "nowhere")),
    "plugins named too late": (("below/conftest.py", "pytest_plugins = ['json']\n"), ("below", ".")),
}

REACHING_TESTS = ("missing path among others", "unknown fixture", "plugins named too late")
"""Those in which something is run after all, so that it matters in how many processes."""

ADDRESS = re.compile(r"0x[0-9a-f]{6,}")
CLOCK = re.compile(r"\d+\.\d\ds")
OWN_FRAME = re.compile(r'^(INTERNALERROR> )?  File "[^"]*(dx_py_test_runner/[^"]*|/bin/pytest|<frozen runpy>)", line')


@pytest.fixture(scope="module")
def project() -> Iterator[DxPy]:
    """One project and one daemon for all cases."""
    place = DxPy.create()
    place.write("test_fine.py", FINE)
    place.write("test_more.py", FINE)
    place.write("below/readme", "")
    yield place
    place.remove()


@contextmanager
def spoiled(project: DxPy, file: File | None) -> Iterator[None]:
    """The project with one more file."""
    path = project.write(*file) if file else None
    yield
    if path:
        path.unlink()


@pytest.mark.parametrize("name", CASES)
def test_it_is_refused_as_pytest_refuses_it(project: DxPy, name: str) -> None:
    """All modes in one test and at a time, since real pytest has to be asked only once. The warm one follows a run that
    was fine."""
    file, args = CASES[name]
    project.prepare(Mode(warm=True, workers=1))
    modes = MODES if name in REACHING_TESTS else SERIAL_MODES
    with spoiled(project, file):
        real = project.start(*args, program=real_pytest())
        ours = [project.start(*mode.args, *args) for mode in modes]
        wanted = real.wait()
        ended = [run.wait() for run in ours]
    for mode, found in zip(modes, ended, strict=True):
        try:
            check_same((found.code, told(found.out)), (wanted.code, told(wanted.out)))
            check_same((found.code, told(found.err)), (wanted.code, told(wanted.err)))
        except AssertionError as error:
            raise AssertionError(f"{mode}: {error}\n{found}") from None


def told(text: str) -> list[str]:
    """The lines without addresses, times, and frames of the command's own files."""
    lines = ADDRESS.sub("0x<ADDRESS>", CLOCK.sub("<TIME>", text)).splitlines()
    kept: list[str] = []
    inside = False
    for line in lines:
        if OWN_FRAME.match(line):
            inside = True
        elif not (inside and line.removeprefix("INTERNALERROR> ").startswith("    ")):
            inside = False
            kept.append(line)
    return kept


@pytest.mark.parametrize("args", [("-n", "many"), ("-n", "-1"), ("--isolation", "none"), ("--engine", "steam")], ids=" ".join)
def test_bad_values_of_our_own_options(project: DxPy, args: tuple[str, ...]) -> None:
    for mode in SERIAL_MODES:
        check_usage(project.run(*mode.args, *args), args)


def check_usage(ended: Ended, args: tuple[str, ...]) -> None:
    assert ended.code == 4, str(ended)
    assert ended.err.startswith("ERROR: usage:") and args[1] in ended.err, str(ended)
    assert "Traceback" not in ended.err, str(ended)


def test_unknown_verbs(place: DxPy) -> None:
    for args in (("tset",), ("daemon", "dance"), ("daemon",), ("daemon", "status", "now")):
        ended = place.run(*args)
        assert ended.code == 4 and ended.err.startswith("dx-py: "), str(ended)
    assert not place.processes()


@pytest.mark.parametrize("verb", ["why", "why-not"])
def test_verbs_that_need_a_test(place: DxPy, verb: str) -> None:
    for args in ((), ("-v",)):
        ended = place.run(verb, *args)
        assert ended.code == 4 and f"{verb} needs the name of a test first" in ended.err, str(ended)
    ended = place.run(verb, "--help")
    assert ended.code == 0 and "dx-py why TEST" in ended.out, str(ended)
