"""Under pytest itself: which modules are captured, and that the output is the same."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent

IS_CAPTURED = """\
def is_captured(function):
    return hasattr(function, "__code__") and any("@dx_explain" in name for name in function.__code__.co_names)
"""

PROJECT = {
    "conftest.py": f"""
import pytest
pytest.register_assert_rewrite("helping")
pytest_plugins = ["plugged"]
{IS_CAPTURED}
def check(value): assert value == "conftest"

@pytest.fixture
def captured(): return is_captured

def pytest_assertrepr_compare(config, op, left, right):
    if left == "raise": raise RuntimeError("in the hook")
    if left == "mine": return ["compared by the conftest", f"{{op}} 100%"]
""",
    "plugged.py": "def check(value): assert value == 'plugged'\n",
    "helping.py": "def check(value): assert value == 'helping', value\n",
    "plain.py": "def check(value): assert value == 'plain'\n",
    "test_which.py": """
import conftest, helping, plain, plugged, test_off, test_tuple
import pytest

def test_which(captured):
    print("captured:", [name for name, module in sorted(globals().items()) if captured(getattr(module, "check", print))])

def test_conftest(): conftest.check("other")
def test_plugged(): plugged.check("other")
def test_helping(): helping.check("other")
def test_plain(): plain.check("other")
def test_mine(): assert "mine" == "yours"
def test_hook(): assert "raise" == "yours"
def test_hook_twice(): assert 1 and "raise" == "yours", "message"
class Bad:
    def __repr__(self): raise KeyboardInterrupt if self.__dict__ else ValueError
    def __bool__(self): return False
def test_bad_repr(): assert Bad()
def test_long(): assert list(range(100)) == list(range(50)) + [0] + list(range(51, 100))
def test_text(): assert "one\\ntwo" == "one\\nTWO", "message %s"
def test_raises():
    with pytest.raises(AssertionError, match="assert 1 == 2"):
        assert 1 == 2
@pytest.mark.parametrize("value", [1, 2])
def test_value(value):
    assert (
        value
        == plain.missing(value)
    )
def test_places():
    value = {"key": None}; assert value["key"].attribute == [1, 2][3]
def test_from_comparison():
    assert [number / 0 for number in [1]] and value
""",
    "test_off.py": '"""PYTEST_DONT_REWRITE"""\ndef check(value): assert value == "off"\ndef test_off(): check("other")\n',
    "test_tuple.py": "def check(value): assert (value == 1, 'always')\ndef test_tuple(): check(2)\n",
    "test_latin.py": "# -*- coding: latin-1 -*-\ndef test_latin(): assert 'é' == 'e'\n".encode("latin-1"),
    "test_declared.py": "# -*- coding: latin-1 -*-\ndef test_declared(): assert len('é') == 1\n",
    "test_bom.py": b"\xef\xbb\xbf# coding: utf-8\r\ndef test_bom():\r\n    assert 'x' == \\\r\n 'y'\r\n",
    "test_wrong.py": "def test_wrong(): assert (\n",
    "test_importing.py": "import plain\nassert plain.check == 5, 'on import'\n",
    "test_empty.py": "# nothing but assert\n",
    "test_warning.py": "def test_warning(): assert '\\d' is not 'x' and 1 is 2\n",
}


@pytest.fixture
def project(tmp_path):
    for name, content in PROJECT.items():
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return tmp_path


def run(project, *args, captured, **env):
    command = [sys.executable, "-m", "pytest", "-p", "dx_capture", "-p", "no:cacheprovider", "--continue-on-collection-errors", *args]
    environment = os.environ | {"PYTHONPATH": str(HERE), "PYTHONDONTWRITEBYTECODE": "1", "DX_CAPTURE": "01"[captured], "COLUMNS": "100", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"} | env
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, timeout=60)
    output = re.sub(r"0x[0-9a-f]+|in [0-9.]+s|\d+\.\d\ds", "…", done.stdout)
    return done.returncode, output, done.stderr


@pytest.mark.parametrize(
    "args",
    [
        ["-rA"], ["-vv", "--showlocals"], ["-q", "--tb=short"], ["--tb=native"], ["--tb=long", "--full-trace"], ["--assert=plain"],
        ["--import-mode=importlib"], ["-o", "enable_assertion_pass_hook=true"], ["-o", "truncation_limit_lines=2"], ["--tb=line", "-W", "error::SyntaxWarning"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_output_is_the_same(project, args):
    if args[-1].startswith("truncation") and pytest.version_tuple < (8, 4):
        pytest.skip("no such setting")
    one = run(project, *args, captured=False)
    other = run(project, *args, captured=True)
    assert re.sub("captured: .*", "", other[1]).splitlines() == re.sub("captured: .*", "", one[1]).splitlines()
    assert one[0] == other[0]
    assert one[2] == other[2]


def test_pytest_decides_which_modules_are_captured(project):
    _, output, _ = run(project, "test_which.py", "-rA", captured=True)
    assert "captured: ['conftest', 'helping', 'plugged']" in output


@pytest.mark.parametrize("option", ["--assert=plain", "-oenable_assertion_pass_hook=true"])
def test_nothing_is_captured(project, option):
    _, output, _ = run(project, "test_which.py", "-rA", option, captured=True)
    assert "captured: []" in output


def test_bytecode_of_ours_is_not_put_where_pytests_is(project):
    run(project, "test_which.py", captured=True, PYTHONDONTWRITEBYTECODE="")
    written = {path.name.split(".")[0] for path in project.glob("__pycache__/*-pytest-*.pyc") if "-dx-py-" not in path.name}
    assert written == {"test_tuple"}


def test_bytecode_of_ours_is_used_for_the_same_text_alone(project):
    run(project, "test_which.py", captured=True, PYTHONDONTWRITEBYTECODE="")
    [cache] = project.glob("__pycache__/test_which.*-dx-py-*.pyc")
    before = cache.read_bytes()
    source = project / "test_which.py"
    status = source.stat()
    source.write_text(source.read_text() + "\ndef test_more(): assert 0\n")
    os.utime(source, ns=(status.st_atime_ns, status.st_mtime_ns))
    _, output, _ = run(project, "test_which.py", captured=True, PYTHONDONTWRITEBYTECODE="")
    assert "test_more" in output and cache.read_bytes() != before
    cache.write_bytes(b"not bytecode")
    _, output, _ = run(project, "test_which.py", captured=True, PYTHONDONTWRITEBYTECODE="")
    assert "test_more" in output


def test_bytecode_of_ours_moves_with_its_module(project):
    text = "def test_name(): assert test_name.__code__.co_filename == (lambda: 0).__code__.co_filename == __file__\n"
    (project / "before").mkdir()
    (project / "before/test_moves.py").write_text(text)
    run(project, "before", captured=True, PYTHONDONTWRITEBYTECODE="")
    [cache] = project.glob("before/__pycache__/*-dx-py-*.pyc")
    status = cache.stat()
    (project / "before").rename(project / "after")
    code, output, _ = run(project, "after", captured=True, PYTHONDONTWRITEBYTECODE="")
    assert code == 0 and "1 passed" in output
    [cache] = project.glob("after/__pycache__/*-dx-py-*.pyc")
    assert cache.stat().st_mtime_ns == status.st_mtime_ns and cache.stat().st_ino == status.st_ino


def test_bytecode_of_pytests_is_read(project):
    run(project, "test_which.py", captured=False, PYTHONDONTWRITEBYTECODE="")
    _, output, _ = run(project, "test_which.py", "-rA", captured=True)
    assert "captured: []" in output
    (project / "helping.py").write_text("def check(value): assert value == 'something else', value\n")
    _, output, _ = run(project, "test_which.py", "-rA", captured=True)
    assert "captured: ['helping']" in output
