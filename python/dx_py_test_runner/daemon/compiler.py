"""A process that compiles for a run which imports: a child of the supervisor, so that no test can see or reap it."""

from __future__ import annotations

import contextlib
import os
import signal


class Compiler:
    """The process of one run, if that asks for it."""

    def __init__(self) -> None:
        self._process = -1
        """Its descriptor: the process id may have come to mean another one."""

    def start(self, memory: int) -> None:
        """Fork it, in place of an earlier one. Where there can be no more processes, the run compiles for itself.

        :param memory: descriptor of what it shares with the run (``engine/ahead.py``); closed here.
        """
        self.end()
        with contextlib.suppress(OSError):
            pid = os.fork()
            if pid == 0:
                _compile(memory)
            self._process = os.pidfd_open(pid)
        os.close(memory)

    def end(self) -> None:
        """End it, whatever it does. On return it is gone."""
        if self._process < 0:
            return
        with contextlib.suppress(OSError):
            signal.pidfd_send_signal(self._process, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitid(os.P_PIDFD, self._process, os.WEXITED)
        os.close(self._process)
        self._process = -1


def _compile(memory: int) -> None:
    try:
        _keep_only(memory)
        from dx_py_test_runner.engine.ahead import work

        work(memory)
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
