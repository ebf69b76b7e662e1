"""The tower's ground floor: an interpreter with pytest imported and nothing of the user's.

Every cold run is a fork of it, and so is every level above it.
"""

from __future__ import annotations

import os
import sys
from typing import NoReturn

from dx_py_test_runner.inputs import startup
from dx_py_test_runner.inputs.compare import Stale, Unfit
from dx_py_test_runner.tower import adopt, hazards
from dx_py_test_runner.tower.job import Job
from dx_py_test_runner.tower.zygote import wait_for_job
from dx_py_test_runner.wire import frozen
from dx_py_test_runner.wire.channel import Channel

_STRICT_PREFIXES = (b"PYTHON", b"LD_", b"LC_", b"MALLOC_", b"GLIBC_", b"COV_CORE_", b"COVERAGE_")
_STRICT_NAMES = (b"HOME", b"LANG", b"LANGUAGE", b"TZ", b"VIRTUAL_ENV", b"PYTEST_DEBUG")


def strict_environment(env: dict[bytes, bytes]) -> dict[bytes, bytes]:
    """The variables that an interpreter or its C libraries read before any of our code runs."""
    return {
        name: value
        for name, value in env.items()
        if name in _STRICT_NAMES or name.startswith(_STRICT_PREFIXES)
    }


def _has_relative_entries(env: dict[bytes, bytes]) -> bool:
    """Whether ``PYTHONPATH`` means something else in another folder: the interpreter resolves it when it starts."""
    path = env.get(b"PYTHONPATH", b"")
    return bool(path) and not all(entry.startswith(b"/") for entry in path.split(b":"))


def serve(fd: int) -> NoReturn:
    """Load pytest, then serve the supervisor behind descriptor *fd* for ever. Forked children run their job and end in here, too."""
    os.set_inheritable(fd, False)
    hazards.forgive_inherited()
    try:
        job = _next_job(fd)
        from dx_py_test_runner.run.session import run_job

        # Called from here: a test may count the frames below it.
        run_job(job)
    except BaseException:
        import traceback

        traceback.print_exc()
        sys.stderr.flush()
        os._exit(3)


def _next_job(fd: int) -> Job:
    with frozen.loading():
        _import_pytest()
    channel = Channel.from_fd(fd)
    _let_go_of_the_terminal()
    # Not os.environ: in the C locale, the interpreter sets LC_CTYPE there by itself.
    own_environment = strict_environment(adopt.started_with())
    own_cwd = os.getcwd() if _has_relative_entries(own_environment) else None
    stamps = _pytest_stamps()
    startup.remember()

    def check(job: Job) -> None:
        if strict_environment(job.env) != own_environment:
            raise Unfit("another interpreter environment")
        if own_cwd is not None and job.cwd != own_cwd:
            raise Unfit("PYTHONPATH is relative to another folder")
        if _pytest_stamps() != stamps:
            raise Stale("the installed pytest has changed")
        if reason := startup.what_changed():
            raise Stale(reason)

    return wait_for_job(channel, "base", check)


def _import_pytest() -> None:
    """Import pytest with its built-in plugins and what our own run needs; all of it is the same for every project."""
    import pytest  # noqa: F401
    from _pytest.config import default_plugins

    for name in default_plugins:
        __import__(f"_pytest.{name}")
    from dx_py_test_runner.run import session  # noqa: F401


def _let_go_of_the_terminal() -> None:
    """A waiting process must not keep the user's pipes open; until here its stderr was for our own start-up errors."""
    null = os.open(os.devnull, os.O_RDWR)
    for fd in range(3):
        os.dup2(null, fd)
    if null > 2:
        os.close(null)


def _pytest_stamps() -> tuple[tuple[int, int], ...]:
    """Stamps of the installed pytest and pluggy: an upgrade replaces these files."""
    import _pytest
    import pluggy

    found = []
    for module in (_pytest, pluggy):
        path = os.path.dirname(module.__file__ or "")
        for name in ("__init__.py", "_version.py"):
            try:
                status = os.stat(os.path.join(path, name))
                found.append((status.st_mtime_ns, status.st_ctime_ns))
            except OSError:
                found.append((0, 0))
    return tuple(found)
