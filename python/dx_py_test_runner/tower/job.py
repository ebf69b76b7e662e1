"""A job: one request as it arrives in the process that shall serve it."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass, field
from typing import Any

from dx_py_test_runner.wire.channel import Channel


@dataclass(slots=True)
class Job:
    """A client's request together with its descriptors and the way to its supervisor and launcher.

    *levels* says whether processes may stay behind as levels of the tower. *carry* is what the supervisor knows of
    earlier attempts at the same run (see ``daemon/explain.py``). *terminal* says which of stdin, stdout and stderr are one.
    """

    number: int
    argv: list[str]
    env: dict[bytes, bytes]
    cwd: str
    umask: int
    rlimits: list[tuple[int, int, int]]
    closed: list[int]
    ignored: list[int]
    levels: bool
    carry: dict[str, Any]
    terminal: tuple[bool, ...] = ()
    fds: list[int] = field(default_factory=list)
    control: socket.socket | None = None
    journal_fd: int | None = None
    channel: Channel | None = None
    unchecked: Channel | None = None
    """Given in a process that has the job before its level has checked it: there it says whether the job may be served."""

    @classmethod
    def from_message(cls, message: dict[str, Any], fds: list[int]) -> Job:
        """Take over a message of the supervisor and its descriptors."""
        job = cls(
            number=message["run"],
            argv=message["argv"],
            env=message["env"],
            cwd=message["cwd"],
            umask=message["umask"],
            rlimits=message["rlimits"],
            closed=message["closed"],
            ignored=message["ignored"],
            levels=message["levels"],
            carry=message["carry"],
            terminal=tuple(map(os.isatty, fds[:3])),
            fds=fds[:3],
        )
        job.control = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, fileno=fds[3])
        job.journal_fd = fds[4] if len(fds) > 4 else None
        return job

    def to_message(self) -> dict[str, Any]:
        """What :meth:`from_message` makes this job of, beside :meth:`descriptors`."""
        names = ("argv", "env", "cwd", "umask", "rlimits", "closed", "ignored", "levels", "carry")
        return {"run": self.number, **{name: getattr(self, name) for name in names}}

    def descriptors(self) -> list[int]:
        """Its descriptors, in the order in which they come with a message."""
        assert self.control is not None
        return [*self.fds, self.control.fileno(), *([] if self.journal_fd is None else [self.journal_fd])]

    @property
    def args(self) -> list[str]:
        """pytest's arguments (and ours): everything behind the verb."""
        return self.argv[1:]

    def drop(self) -> None:
        """Close the descriptors, in a process that will not serve this job."""
        for fd in self.fds:
            os.close(fd)
        self.fds = []
        if self.journal_fd is not None:
            os.close(self.journal_fd)
            self.journal_fd = None
        if self.control is not None:
            self.control.close()
            self.control = None
