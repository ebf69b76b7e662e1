"""A few small real projects under pytest and under dx-py: what every change is checked against.

The rest of them: `make conformance`. What is downloaded is kept in $DX_PY_CORPUS, or .corpus in the checkout.
$DX_PY_WHEEL names a wheel (or a dx-py command) to test instead of building one from the checkout.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import prepare
from projects import QUICK

CHECKOUT = Path(__file__).parents[2]
RUN = Path(__file__).with_name("run.py")
FAILURES = Path(__file__).with_name("failures.py")
MODES = "cold,warm,parallel"

pytestmark = pytest.mark.conformance


@pytest.fixture(scope="module")
def corpus():
    return prepare.Corpus(Path(os.environ.get("DX_PY_CORPUS", CHECKOUT / ".corpus")).resolve())


@pytest.fixture(scope="module")
def dx_py(corpus):
    if "DX_PY_WHEEL" in os.environ:
        return Path(os.environ["DX_PY_WHEEL"])
    need_downloads(["--prepare-only", QUICK[0]], corpus)
    return prepare.build_wheel(CHECKOUT, corpus)


@pytest.mark.parametrize("project", QUICK if os.environ.get("DX_PY_ALL_WAYS") else QUICK[:2])
def test_the_project_runs_as_under_pytest(project, corpus, dx_py):
    need_downloads(["--prepare-only", project], corpus)
    status, printed = run([project, "--dx-py", str(dx_py), "--modes", MODES], corpus)
    assert status == 0, f"not as under pytest:\n{printed}"


def test_failures_read_as_under_pytest(corpus, dx_py):
    need_downloads(["--prepare-only", QUICK[1]], corpus)
    status, printed = run([QUICK[1], "--dx-py", str(dx_py), "--seeds", "1"], corpus, FAILURES)
    assert status == 0, f"not as under pytest:\n{printed}"


def need_downloads(arguments, corpus):
    status, printed = run(arguments, corpus)
    if status != 0 and not os.environ.get("CI"):
        pytest.skip(f"cannot be prepared here: {printed[-1000:]}")
    assert status == 0, printed


def run(arguments, corpus, program=RUN):
    command = [sys.executable, str(program), "--corpus", str(corpus.root), *arguments]
    ended = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=900)
    return ended.returncode, ended.stdout
