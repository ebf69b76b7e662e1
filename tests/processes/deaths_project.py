"""The project in which one place can be struck: tests before and after the victim, in its file and in two others."""

from __future__ import annotations

import shutil
from pathlib import Path

from dxpy import DxPy

PLACES = ("import_module", "import_conftest", "setup", "call", "teardown", "sessionfinish")

VICTIM_FILE = "test_b_victim.py"
VICTIM = f"{VICTIM_FILE}::test_victim"

HEALTHY_FOLDER = "healthy"
"""A project beside the tests: another configuration and no conftest, but the same root and so the same daemon."""

_STRIKE = "deaths_causes.strike()"

_CONFTEST = """\
import pytest
import deaths_causes

{import_conftest}


@pytest.fixture
def victim():
    {setup}
    yield
    {teardown}


def pytest_sessionfinish():
    {sessionfinish}
"""

_OTHERS = """\
import pytest


def test_first():
    pass


@pytest.mark.skip(reason="to have a third outcome")
def test_skipped():
    pass


@pytest.mark.parametrize("value", [1, 2])
def test_last(value):
    print("printed by", value)
"""

_VICTIM_FILE = """\
import pytest
import deaths_causes

{import_module}


@pytest.fixture(scope="module", autouse=True)
def shared():
    yield


def test_before():
    pass


def test_victim(victim):
    {call}


def test_after(capfd):
    print("seen")
    assert capfd.readouterr().out == "seen\\n"


class TestMore:
    def test_method(self, tmp_path):
        assert tmp_path.is_dir()
"""

_HEALTHY = """\
def test_alive():
    pass
"""


def write_project(dx: DxPy, place: str) -> None:
    """Write the project whose *place*, and no other, calls for the cause."""
    lines = {name: _STRIKE if name == place else "pass" for name in PLACES}
    # A repository's top is its root, whatever settings are below it.
    (dx.project / ".git").mkdir()
    dx.write("pytest.ini", f"[pytest]\naddopts = -p state_recorder\nnorecursedirs = {HEALTHY_FOLDER}\n")
    dx.write("conftest.py", _CONFTEST.format(**lines))
    dx.write("test_a_before.py", _OTHERS)
    dx.write(VICTIM_FILE, _VICTIM_FILE.format(**lines))
    dx.write("test_c_after.py", _OTHERS)
    dx.write(f"{HEALTHY_FOLDER}/pytest.ini", "[pytest]\n")
    dx.write(f"{HEALTHY_FOLDER}/test_healthy.py", _HEALTHY)
    _install(dx)


def _install(dx: DxPy) -> None:
    """Put the causes and the recorder where the project's Python finds them, and say where they write."""
    plugins = dx.root / "plugins"
    plugins.mkdir()
    for name in ("deaths_causes.py", "state_recorder.py"):
        shutil.copy(Path(__file__).with_name(name), plugins)
    dx.env |= {
        "PYTHONPATH": str(plugins),
        "DEATHS_CHILDREN": str(dx.root / "children"),
        "DEATHS_RECORD": str(dx.root / "record"),
        "DX_PY_EXIT_GRACE": "2",
        # Node ids must not be cut to fit a narrow terminal.
        "COLUMNS": "200",
    }
