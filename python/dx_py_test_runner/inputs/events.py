"""Events of the interpreter (``sys.addaudithook``) that the recorder listens to, and what they mean."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

EFFECTS = frozenset(
    {
        "subprocess.Popen",
        "os.system",
        "os.exec",
        "os.posix_spawn",
        "os.spawn",
        "os.fork",
        "os.forkpty",
        "pty.spawn",
        "socket.connect",
        "socket.bind",
        "socket.sendto",
        "os.mkdir",
        "os.remove",
        "os.rename",
        "os.rmdir",
        "os.link",
        "os.symlink",
        "os.truncate",
        "os.chmod",
        "os.chown",
        "os.utime",
        "os.kill",
        "sqlite3.connect",
        "signal.pthread_kill",
    }
)

MAKING = {
    "os.mkdir": slice(0, 1),
    "os.remove": slice(0, 1),
    "os.rmdir": slice(0, 1),
    "os.rename": slice(0, 2),
    "os.link": slice(1, 2),
    "os.symlink": slice(1, 2),
}
"""Which arguments of these are paths that are otherwise from then on."""

PROCESSES = frozenset(
    {"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.forkpty", "pty.spawn"}
)

READING_UNSEEN = PROCESSES | {"socket.connect", "sqlite3.connect"}
"""Events after which something may have been read that no event tells of."""

LOOKS, LOOKED_AT = "object.__getattr__", frozenset({"__code__", "__defaults__", "__kwdefaults__"})
"""The event of reading certain attributes, and those by which a function tells how it is called."""

STARTS = frozenset({"_thread.start_new_thread", "socket.__new__"})
"""Not effects by themselves (the thread may have ended, the socket may be closed): kept to name who is to blame."""

TEMPORARY = frozenset({"tempfile.mkdtemp", "tempfile.mkstemp"})
"""What has a name made up for it that nothing else has."""

WANTED = frozenset({"open", "import", "exec", "ctypes.dlopen", "os.listdir", "os.scandir", *EFFECTS, *STARTS, *TEMPORARY})
"""All events that are listened to, but for LOOKS."""


@dataclass(frozen=True, slots=True)
class Effect:
    """Something outside the process that loading changed: *what* it did, and the *culprit* ``file:line``."""

    what: str
    culprit: str


def command(event: str, args: tuple[Any, ...]) -> str:
    """What is started, in words."""
    if event in ("os.fork", "os.forkpty"):
        return "fork"
    words = args[1] if event != "os.system" and len(args) > 1 else args[0]
    if isinstance(words, (str, bytes, os.PathLike)):
        return os.fsdecode(words)
    try:
        return " ".join(os.fsdecode(word) for word in words)
    except TypeError:
        return event
