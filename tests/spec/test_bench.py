"""The bench with stand-ins for dx-py: one that is pytest itself, some that cheat, and one that is not there."""

from __future__ import annotations

import stat
import sys
from pathlib import Path

import pytest

from .bench import Bench, BenchError
from .compare import differences
from .modes import DX_MODES
from .parser import parse
from .test_spec import find_problems

TEXT = """\
## Case

```python test_a.py
import pathlib

def test_good(tmp_path):
    print("text")
    assert not pathlib.Path("left_over").exists()
    pathlib.Path("left_over").touch()

def test_bad():
    assert [1] == [2]
```

```console
$ pytest
exit 1: 1 failed, 1 passed
```

```python test_a.py
def test_good(): assert 1
```

```console
$ pytest
exit 0: 1 passed
$ rm test_a.py
$ pytest
exit 5
```
"""
[CASE] = parse(TEXT, "file.md")

# `test`, the mode's options, then pytest's own arguments; `daemon status` and `daemon stop` say yes.
FAITHFUL = """\
#!{python}
import os, sys
arguments = sys.argv[1:]
if arguments[0] == "daemon":
    sys.exit(0)
arguments.pop(0)
while arguments and arguments[0] in ("--no-daemon", "-n", "--isolation=process"):
    del arguments[: 2 if arguments[0] == "-n" else 1]
{extra}
os.execv({pytest!r}, [{pytest!r}, *arguments])
"""


@pytest.fixture
def own_bench():
    bench = Bench()
    yield bench
    bench.close()


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    def make(extra: str = "") -> None:
        program = tmp_path / "dx-py"
        oracle = str(Path(sys.executable).parent / "pytest")
        program.write_text(FAITHFUL.format(python=sys.executable, pytest=oracle, extra=extra))
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("DX_PY", str(program))

    return make


@pytest.mark.parametrize("mode", DX_MODES, ids=lambda mode: mode.name)
def test_a_faithful_runner_agrees(mode, own_bench, stand_in):
    stand_in()
    assert find_problems(CASE, mode, own_bench) == []


@pytest.mark.parametrize(
    ("extra", "found"),
    [
        ('arguments.append("--deselect=test_a.py::test_bad")', "exit code 0, under pytest 1"),
        ('arguments.append("--runxfail"); os.environ["COLUMNS"] = "60"', "stdout under pytest"),
        ('arguments.append("--capture=no")', "Captured stdout call"),
        ('print("said to stderr", file=sys.stderr)', "stderr under pytest"),
        ("sys.exit(1)", "reports under pytest"),
    ],
)
def test_a_cheat_is_found(extra, found, own_bench, stand_in):
    stand_in(extra)
    [cold] = [mode for mode in DX_MODES if mode.name == "cold"]
    text = "\n".join(differences(CASE, cold, own_bench.pytest_outcomes(CASE), own_bench.run(CASE, cold)))
    assert found in text


def test_a_missing_dx_py_is_a_failure(own_bench, monkeypatch):
    monkeypatch.setenv("DX_PY", "/no/such/dx-py")
    [text] = find_problems(CASE, DX_MODES[0], own_bench)
    assert "no dx-py to run: /no/such/dx-py is not an executable" in text


def test_a_warm_mode_needs_a_daemon(own_bench, stand_in, tmp_path):
    stand_in()
    program = tmp_path / "dx-py"
    program.write_text(program.read_text().replace("sys.exit(0)", "sys.exit(3)"))
    [warm] = [mode for mode in DX_MODES if mode.name == "warm"]
    with pytest.raises(BenchError, match="no daemon after a warm run: 'dx-py daemon status' gave 3"):
        own_bench.run(CASE, warm)


@pytest.mark.parametrize(("cheats", "number"), [("==", 1), ("!=", 2)])
def test_each_pass_is_compared(cheats, number, own_bench, stand_in, tmp_path):
    """The first run of a warm mode is a run like any other."""
    runs = str(tmp_path / "runs")
    commands = len(CASE.commands)
    stand_in(
        f"with open({runs!r}, 'a+') as runs: runs.write('x'); runs.flush(); number = runs.tell() - 1\n"
        f"if number // {commands} {cheats} 0: sys.exit(1)"
    )
    [warm] = [mode for mode in DX_MODES if mode.name == "warm"]
    found = find_problems(CASE, warm, own_bench)
    assert found[0] == f"in pass {number} of 2:"


def test_pytest_runs_a_case_once(own_bench):
    assert own_bench.pytest_outcomes(CASE) is own_bench.pytest_outcomes(CASE)
