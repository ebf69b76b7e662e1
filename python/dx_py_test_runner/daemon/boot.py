"""Entry point of the supervisor process, started by the launcher as ``PYTHON -c … FD``.

The first thing it does is to fork: the child, the tower's base process, loads pytest while the supervisor loads itself.
"""

from __future__ import annotations

import _socket
import os
import sys


def main() -> None:
    """Serve the launcher behind the descriptor named by the last argument, then stay or end as it asked."""
    if sys.argv[1:2] == ["base"]:
        from dx_py_test_runner.tower.base import serve

        serve(int(sys.argv[2]))
    control = int(sys.argv[1])
    os.set_inheritable(control, False)
    os.setsid()
    # Not ``socket``: what is imported here is imported before the base can begin.
    ours, theirs = (end.detach() for end in _socket.socketpair())
    pid = os.fork()
    if pid == 0:
        os.close(ours)
        os.close(control)
        from dx_py_test_runner.tower.base import serve

        serve(theirs)
    os.close(theirs)
    _supervise(control, pid, ours)


def _supervise(control: int, base: int, channel: int) -> None:
    import socket

    from dx_py_test_runner.daemon.supervisor import Supervisor
    from dx_py_test_runner.wire.channel import Channel

    supervisor = Supervisor((base, Channel.from_fd(channel)))
    code = supervisor.serve_spawned(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, fileno=control))
    sys.stderr.flush()
    # There is nothing to take down, and a launcher may be waiting.
    os._exit(code)
