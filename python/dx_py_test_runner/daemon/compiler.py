"""A process that compiles for a run which imports: a child of the supervisor, so that no test can see or reap it."""

from __future__ import annotations

import contextlib
import os
import signal


def start(descriptor: int) -> int:
    """Fork it.

    :param descriptor: shared memory with what there is to do, see ``engine/ahead.py``.
    :returns: a descriptor of the process, for :func:`end`.
    :raises OSError: there can be no more processes.
    """
    pid = os.fork()
    if pid:
        return os.pidfd_open(pid)
    try:
        _keep_only(descriptor)
        from dx_py_test_runner.engine.ahead import work

        work(descriptor)
    finally:
        # Whatever went wrong: the run compiles for itself.
        os._exit(0)


def _keep_only(descriptor: int) -> None:
    """The client's terminal and pipes must not stay open on its account."""
    null = os.open(os.devnull, os.O_RDWR)
    for standard in range(3):
        os.dup2(null, standard)
    os.closerange(3, descriptor)
    os.closerange(descriptor + 1, os.sysconf("SC_OPEN_MAX"))


def end(process: int) -> None:
    """End it, whatever it does. On return it is gone."""
    with contextlib.suppress(OSError):
        signal.pidfd_send_signal(process, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        os.waitid(os.P_PIDFD, process, os.WEXITED)
    os.close(process)
