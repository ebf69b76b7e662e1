"""A daemon's own life: its socket, its lock, its log and the version of the code it runs."""

from __future__ import annotations

import fcntl
import os
import resource
import socket
import stat
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

IDLE_SECONDS = float(os.environ.get("DX_PY_DAEMON_IDLE", "900"))
"""Seconds without a request after which a daemon ends."""


def memory_ceiling() -> int:
    """Bytes that a daemon's waiting processes may hold together: ``DX_PY_DAEMON_MEMORY`` (MiB), else a quarter of the machine's."""
    given = os.environ.get("DX_PY_DAEMON_MEMORY", "")
    if given.isdecimal():
        return int(given) << 20
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 4


def memory_of(pid: int) -> int:
    """Bytes of a process's memory, pages shared with others counted in proportion (0 when it cannot be read)."""
    try:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
            return next(int(line.split()[1]) << 10 for line in file if line.startswith("Pss:"))
    except (OSError, StopIteration):
        return 0


class NotListening(Exception):
    """No daemon can live at this socket path; the message says why."""


def listen(socket_path: str) -> tuple[socket.socket, int]:
    """Bind the daemon's socket under its lock.

    :returns: the listening socket and the locked descriptor, which must stay open as long as the daemon lives.
    :raises NotListening: another daemon holds the lock, or the directory cannot be used.
    """
    try:
        lock = os.open(socket_path + ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise NotListening(f"{socket_path}.lock: {error.strerror}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        raise NotListening("another daemon holds the lock") from error
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # Holding the lock proves that whoever bound this path is gone.
        Path(socket_path).unlink(missing_ok=True)
        listener.bind(socket_path)
        os.chmod(socket_path, 0o600)
        listener.listen(64)
    except OSError as error:
        listener.close()
        os.close(lock)
        raise NotListening(f"{socket_path}: {error.strerror}") from error
    return listener, lock


def owns(socket_path: str, listener: socket.socket, born: os.stat_result | None) -> bool:
    """Whether the path still leads to our own socket (someone may have removed the directory)."""
    try:
        now = os.stat(socket_path)
    except OSError:
        return False
    return stat.S_ISSOCK(now.st_mode) and (born is None or (now.st_dev, now.st_ino) == (born.st_dev, born.st_ino))


def peer_uid(sock: socket.socket) -> int:
    """The user id of the process at the other end of a unix socket."""
    return struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[1]


def open_log(socket_path: str) -> None:
    """Send this process's own stdout and stderr to the daemon's log, or nowhere when it cannot be written."""
    try:
        log = os.open(socket_path + ".log", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        if os.fstat(log).st_size > 4 << 20:
            os.ftruncate(log, 0)
    except OSError:
        log = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)


def own_code() -> tuple[tuple[str, int, int], ...]:
    """Stamps of this package's files: a daemon whose own code changed must not serve with the old one."""
    return tuple(sorted((path, status.st_mtime_ns, status.st_size) for path, status in _own_files()))


class OwnCode:
    """This package's files, looked at before every run.

    :raises OSError: one of them disappeared meanwhile.
    """

    def __init__(self) -> None:
        self._stamps = own_code()
        self._paths: Any = None
        self._seen = b""

    def changed(self) -> bool:
        """Whether any file is another one than at first. A scan tells; it is spared when all files, and the folders
        in which a new one would appear, have the stamps that they had before the last scan."""
        if self._paths is None:
            # Not before the second run: a cold one need not wait for it.
            from dx_py_test_runner._native import Paths

            names = sorted({*(path for path, _status in _own_files()), *_own_folders()})
            self._paths = Paths([os.fsencode(name) for name in names])
        now = self._paths.stamps()
        if now == self._seen:
            return False
        if own_code() != self._stamps:
            return True
        self._seen = now
        return False


def _own_folders() -> Iterator[str]:
    folders = [os.path.dirname(os.path.dirname(os.path.abspath(__file__)))]
    while folders:
        folder = folders.pop()
        yield folder
        with os.scandir(folder) as entries:
            folders += [entry.path for entry in entries if "." not in entry.name and entry.name != "__pycache__"]


def _own_files() -> Iterator[tuple[str, os.stat_result]]:
    for folder in _own_folders():
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.endswith((".py", ".so")):
                    yield entry.path, entry.stat()


def interpreter() -> str:
    """The interpreter a base process is started with: this one, by the path that keeps its virtual environment."""
    return sys.executable


BOOT = (
    "import sys; sys.path[:1] = [] if sys.path[:1] == [''] else sys.path[:1]; "
    "from dx_py_test_runner.daemon.boot import main; main()"
)
"""What ``-c`` gets: the working directory leaves ``sys.path``, where the ``pytest`` command would not have it."""


def can_have_limits(wanted: list[tuple[int, int, int]]) -> bool:
    """Whether the forks of this process can have these limits; a hard limit only falls, except for the privileged."""
    for number, _soft, hard in wanted:
        try:
            own_soft, own_hard = resource.getrlimit(number)
            if own_hard != resource.RLIM_INFINITY and (hard == resource.RLIM_INFINITY or hard > own_hard):
                resource.setrlimit(number, (own_soft, hard))
        except (ValueError, OSError):
            return False
    return True
