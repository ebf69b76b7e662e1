"""What the supervisor knows of the processes that it has to do with."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field
from typing import Any

from dx_py_test_runner.daemon import lifecycle
from dx_py_test_runner.daemon.compiler import Compiler
from dx_py_test_runner.wire import frames
from dx_py_test_runner.wire.channel import Channel


@dataclass(eq=False)
class Level:
    """A process of the tower that waits to be forked."""

    name: str
    pid: int
    channel: Channel
    cwd: str = ""
    argv: tuple[str, ...] = ()
    used: float = 0.0
    facts: dict[str, Any] = field(default_factory=dict)
    spare: int = 0
    """The process that it has ready for the next run, or 0."""
    spares: int = 0
    """How many it has had."""
    stale: bool = False
    """Whether an input of it had changed when it was last asked."""

    def memory(self) -> int:
        """Bytes, with those of its spare."""
        return lifecycle.memory_of(self.pid) + (lifecycle.memory_of(self.spare) if self.spare else 0)


@dataclass(eq=False)
class Run:
    """One request being served."""

    number: int
    control: socket.socket
    request: frames.Request
    fds: list[int]
    asked: list[Level] = field(default_factory=list)
    pid: int = 0
    channel: Channel | None = None
    state_fds: list[int] = field(default_factory=list)
    done: bool = False
    ended_at: float | None = None
    hung_up_at: float | None = None
    carry: dict[str, Any] = field(default_factory=dict)
    compiler: Compiler = field(default_factory=Compiler)
