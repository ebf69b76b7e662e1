"""What pytest's own tests run with `pytester` is run by our engine, in the test's process and outside of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent

TESTS = '''
import pytest

INNER = """
    def test_engine(pytestconfig): assert pytestconfig.pluginmanager.hasplugin("dx-py-journal")
    def test_passes(): pass
    def test_fails(): assert 1 == 2
"""

@pytest.mark.parametrize("run", ["runpytest_inprocess", "runpytest_subprocess"])
def test_sessions(pytester, run):
    pytester.makepyfile(INNER)
    result = getattr(pytester, run)()
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["*assert 1 == 2"])
    assert result.ret == 1
'''


def test_sessions_inside_tests_are_ours(tmp_path: Path) -> None:
    (tmp_path / "test_outer.py").write_text(TESTS)
    environment = os.environ | {"PYTHONPATH": str(HERE), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [sys.executable, "-m", "pytest", "-p", "pytester", "-p", "pytester_engine", "-p", "no:cacheprovider"]
    ended = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)
    assert "2 passed" in ended.stdout, ended.stdout + ended.stderr
