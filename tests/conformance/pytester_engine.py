"""The pytest plugin that has `pytester` run dx-py where it runs pytest: loaded with -p in a run of pytest's own suite.

- Sessions in the test's own process (`inline_run`, `runpytest_inprocess`) get the plugin of a dx-py run, with a tower that
  has no levels: the same code collects, runs and reports as in `dx-py test --no-daemon -n 1 --engine=lean`.
- `runpytest_subprocess`, `spawn_pytest` and `python -m pytest` start `dx-py test --no-daemon -n 1`.

What a test of pytest's does with pytest's objects alone (`getitem`, `parseconfig`) is no run, and stays pytest's.
"""

import os
import shutil
import sys
from pathlib import Path

import pytest
from _pytest import pytester
from dx_py_test_runner.engine.lean import guards
from dx_py_test_runner.run import coordinate, doctor, inline  # noqa: F401  # or the first session that needs one takes it away again
from dx_py_test_runner.run.plugin import RunPlugin
from dx_py_test_runner.tower.job import Job
from dx_py_test_runner.tower.pace import Pace
from dx_py_test_runner.wire.journal import Journal
from dx_py_test_runner.wire.status import StatusPage

DX_PY = (shutil.which("dx-py", path=str(Path(sys.executable).parent)), "test", "--no-daemon", "-n", "1")
GUARDED = "DX_PY_PYTESTER_GUARDED"  # with that in the environment, sessions that are monitored are not lean
PYTEST = ((sys.executable, "-mpytest"), (sys.executable, "-m", "pytest"))


class NoTower:
    """The place of a process that is nobody's run: its status page and its journal are real, but no supervisor reads them, and
    there are no levels."""

    def __init__(self, args):
        self.job = Job(
            number=0,
            argv=["test", *args],
            env=dict(os.environb),
            cwd=os.getcwd(),
            umask=0o022,
            rlimits=[],
            closed=[],
            ignored=[],
            levels=False,
            carry={},
        )
        self.pace = Pace()
        self.page = StatusPage.create()
        self.journal = Journal.create()
        self.lasting = []
        self.torn = []

    def tell(self, message, fds=()):
        """There is no supervisor."""

    def note(self, text):
        """Nor a log."""

    def close(self):
        """Behind the session. What a test has kept of that may still write to the page."""
        self.journal.detach()
        os.close(self.journal.fd)
        os.close(self.page.fd)


class InnerRun(RunPlugin):
    """The plugin of a run, for a session inside a test: always in the test's own process."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_configure(self, config):
        config.option.numprocesses = 1
        super().pytest_configure(config)


_main = pytester.main
_popen = pytester.Pytester.popen


def main(args=None, plugins=None):
    """`_pytest.config.main`, as pytester calls it."""
    tower = NoTower(args)
    try:
        return _main(args, plugins=[InnerRun(tower), *(plugins or ())])
    finally:
        tower.close()


def command(words):
    """The command for what is asked for with *words*."""
    words = tuple(map(os.fspath, words))
    for start in PYTEST:
        if words[: len(start)] == start:
            return (*DX_PY, *words[len(start) :])
    return words


def popen(self, cmdargs, *args, **more):
    return _popen(self, command(cmdargs), *args, **more)


def pytest_configure():
    if GUARDED not in os.environ:
        # The recorder of every inner session monitors all hook calls, and with that no session would be lean. What it is
        # asked for are reports, mostly.
        guards.is_monitored = lambda config: False
    pytester.main = main
    pytester.Pytester.popen = popen
    pytester.Pytester._getpytestargs = lambda self: DX_PY
