"""Entry point of the supervisor process, started by the launcher as ``PYTHON -c … FD``.

Nothing heavy is imported before the first fork: the tower's base process is a child of this one and inherits
exactly what is loaded here.
"""

from __future__ import annotations

import os
import socket
import sys


def main() -> None:
    """Serve the launcher behind the descriptor named by the last argument, then stay or end as it asked."""
    if sys.argv[1:2] == ["base"]:
        from dx_py_test_runner.tower.base import serve_exec

        serve_exec(int(sys.argv[2]))
    fd = int(sys.argv[1])
    os.set_inheritable(fd, False)
    os.setsid()
    from dx_py_test_runner.daemon.supervisor import BecomeBase, Supervisor

    control = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, fileno=fd)
    try:
        sys.exit(Supervisor().serve_spawned(control))
    except BecomeBase as fork:
        channel = fork.channel
    from dx_py_test_runner.tower.base import serve

    serve(channel)


BOOT = (
    "import sys; sys.path[:1] = [] if sys.path[:1] == [''] else sys.path[:1]; "
    "from dx_py_test_runner.daemon.boot import main; main()"
)
"""What ``-c`` gets: the working directory leaves ``sys.path``, where the ``pytest`` command would not have it."""
