"""Fork hazards: what loading left in the process that a forked child would share or lack.

Looked for at every checkpoint; whoever has one is not kept as a level, and its tests run in the process that loaded it.
"""

from __future__ import annotations

import os
import stat
import time
from typing import Any


_THREADS_END = 0.1
"""Seconds that the kernel may need to end a thread that Python has done with."""


def find(recorder: Any, known: set[int]) -> str | None:
    """The first hazard in this process, in words, or None.

    :param known: descriptors that pytest itself holds open.
    """
    if recorder.effects:
        effect = recorder.effects[0]
        return f"{effect.what} at {effect.culprit}"
    live = find_live(known)
    blamed = sorted({start.culprit for start in recorder.starts})
    return f"{live}; started at {', '.join(blamed)}" if live and blamed else live


def find_live(known: set[int]) -> str | None:
    """Threads, child processes and descriptors that a fork would duplicate or lose."""
    if threads := _threads():
        return f"{threads} thread(s) started while loading: {_thread_names()}"
    if _has_children():
        return "a child process started while loading"
    return _open_handle(known | _OWN)


def _threads() -> int:
    """How many threads live besides this one. One that Python has joined already may still be about to end."""
    import threading

    deadline = time.monotonic() + _THREADS_END
    while (living := len(os.listdir("/proc/self/task")) - 1) > threading.active_count() - 1:
        if time.monotonic() > deadline:
            break
        time.sleep(0.001)
    return living


def _thread_names() -> str:
    import threading

    me = threading.main_thread()
    names = [thread.name + _code_of(thread) for thread in threading.enumerate() if thread is not me]
    return ", ".join(names) or "not made by Python"


def _code_of(thread: Any) -> str:
    """Where the function is that a thread runs, or '': before Python 3.12 nothing tells who started a thread."""
    function = getattr(thread, "_target", None) or type(thread).run
    code = getattr(function, "__code__", None)
    if code is None or code.co_filename.startswith(os.path.dirname(os.__file__) + os.sep):
        return ""
    return f" ({code.co_name}, {os.path.relpath(code.co_filename)}:{code.co_firstlineno})"


def _has_children() -> bool:
    try:
        with open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as file:
            return bool(file.read().strip())
    except OSError:
        return False


def _open_handle(known: set[int]) -> str | None:
    """A socket, or a file open for writing, that is not ours or pytest's own."""
    for name in os.listdir("/proc/self/fd"):
        fd = int(name)
        if fd <= 2 or fd in known:
            continue
        try:
            status = os.fstat(fd)
            target = os.readlink(f"/proc/self/fd/{fd}")
        except OSError:
            continue
        mode = status.st_mode
        if _INHERITED.get(fd) == (status.st_dev, status.st_ino):
            continue
        if stat.S_ISSOCK(mode):
            return f"a socket open since loading (descriptor {fd})"
        if stat.S_ISFIFO(mode) or os.isatty(fd):
            # Often a copy of the client's own: whoever reads from it would wait for its end as long as a level lives.
            return f"a pipe or terminal open since loading (descriptor {fd})"
        if stat.S_ISREG(mode) and _writable(fd) and not target.endswith("(deleted)"):
            return f"{target} open for writing since loading"
        if "anon_inode:[event" in target:
            return f"an event loop open since loading (descriptor {fd})"
    return None


def _writable(fd: int) -> bool:
    import fcntl

    return fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE != os.O_RDONLY


_INHERITED: dict[int, tuple[int, int]] = {}


def forgive_inherited() -> None:
    """Call first of all: what is open now comes from the caller (a jobserver, say), and loading has no part in it."""
    for name in os.listdir("/proc/self/fd"):
        try:
            status = os.fstat(int(name))
        except OSError:
            continue
        _INHERITED[int(name)] = (status.st_dev, status.st_ino)


_OWN: set[int] = set()


def set_own(fds: set[int]) -> None:
    """Declare the descriptors that are the runner's own."""
    _OWN.clear()
    _OWN.update(fds)
