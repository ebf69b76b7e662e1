"""Checkpoints: places in pytest's natural flow where a process can stay behind as a level of the tower.

A cold run is pytest's own start, unchanged. At a checkpoint it forks: the child goes on with the run, the parent
waits. When the parent is asked for another run it forks again, and that child continues *from the checkpoint* with
the other client's request. So a warm run has done exactly what a cold one does, in the same order, only earlier.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

from dx_py_test_runner.wire import forks, frames
from dx_py_test_runner.wire.journal import Journal
from dx_py_test_runner.wire.status import LOAD, StatusPage
from dx_py_test_runner.wire.channel import Channel, ChannelClosed
from dx_py_test_runner.tower import hazards
from dx_py_test_runner.tower.job import Job
from dx_py_test_runner.tower.pace import Pace
from dx_py_test_runner.tower.pages import WrittenPages
from dx_py_test_runner.tower.spare import await_go
from dx_py_test_runner.tower.zygote import wait_for_job


def flush_streams() -> None:
    """Before a fork: what waits in a buffer would be written by both processes."""
    for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
        try:
            stream.flush()  # type: ignore[union-attr]
        except (AttributeError, OSError, ValueError):
            continue


class Tower:
    """The process's place in the tower: the job it serves and its connection to the supervisor."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.lasting: list[str] = []
        """Names of threads that did not end in a worker."""
        self.torn: list[str] = []
        """Tracebacks of workers that could not tear down what was still set up when the session was stopped."""
        self._written: WrittenPages | None = None
        self.pace = Pace()
        """What earlier runs from the same level took."""
        self.alone = True
        """Whether this process runs the items itself."""
        self.page: StatusPage
        self.journal: Journal
        self._make_state()
        self._open_state()
        self._announce()
        forks.in_strangers(self._detach)

    def _detach(self) -> None:
        """In a child that a test has forked: it is not the run."""
        self.page.detach()
        self.journal.detach()
        if self.job.channel is not None:
            self.job.channel.close()
        if self.job.control is not None:
            self.job.control.close()
            self.job.control = None

    @property
    def channel(self) -> Channel:
        assert self.job.channel is not None
        return self.job.channel

    def _make_state(self) -> None:
        """A status page and a journal for a run to come."""
        self.page = StatusPage.create()
        self.page.phase = LOAD
        self.journal = Journal.create()

    def _open_state(self) -> None:
        """Make both known to the supervisor, before anything is loaded."""
        self._own_descriptors()
        self.tell({"op": "state", "run": self.job.number}, [self.page.fd, self.journal.fd])

    def _own_descriptors(self) -> None:
        """Our own sockets are no fork hazard."""
        control = [] if self.job.control is None else [self.job.control.fileno()]
        hazards.set_own({self.channel.fileno(), *control})

    def _announce(self) -> None:
        """Tell the launcher which process to signal from now on."""
        self.page.pid = os.getpid()
        if self.job.control is not None:
            try:
                frames.send_frame(
                    self.job.control, frames.STARTED, os.getpid().to_bytes(4, "little"), [self.page.fd]
                )
            except OSError:
                # Nobody waits for this run any more, and somebody else may be doing it already.
                self.tell({"op": "done", "run": self.job.number})
                os._exit(1)

    def tell(self, message: dict[str, Any], fds: list[int] | tuple[int, ...] = ()) -> None:
        """Send a message to the supervisor; a run goes on without one."""
        try:
            self.channel.send(message, fds)
        except ChannelClosed:
            pass

    def note(self, text: str) -> None:
        """Leave a line in the daemon's log."""
        self.tell({"op": "note", "run": self.job.number, "text": text})

    def learn(self) -> None:
        """At the end of a run, when nobody waits for it any more: what may serve the next one."""
        if self._written is not None:
            self._written.learn(alone=self.alone)

    def checkpoint(
        self,
        name: str,
        check: Callable[[Job], None],
        facts: dict[str, Any],
        let_go: Callable[[], None],
        when_idle: Callable[[], None],
        prepare: Callable[[], None] | None = None,
    ) -> bool:
        """Let a level stay behind here, if the run may leave levels at all.

        :param check: raises ``Unfit`` or ``Stale`` for jobs that cannot start here.
        :param facts: plain values about the level for ``dx-py doctor`` and ``dx-py daemon status``.
        :param let_go: releases the client's terminal in the process that stays behind.
        :param when_idle: called there once, after the first run has ended.
        :param prepare: what a run from here does before it knows its job; given, one process is always ready for the next.
        :returns: False in the process that goes on with the same run; True in one that serves another job from here, which
            calls :meth:`begin` before it does anything that somebody may see.
        """
        if not self.job.levels:
            return False
        flush_streams()
        ours, theirs = Channel.pair()
        level_pid = os.getpid()
        self.pace = Pace()
        pid = forks.fork()
        if pid == 0:
            ours.close()
            self.channel.close()
            os.setpgid(0, 0)
            self.job.channel = theirs
            self._own_descriptors()
            self._announce()
            return False
        theirs.close()
        channel = self.channel
        message = {
            "op": "level",
            "run": self.job.number,
            "name": name,
            "pid": level_pid,
            "child": pid,
            "cwd": self.job.cwd,
            "facts": facts,
        }
        self.tell(message, [ours.fileno()])
        ours.close()
        self.job.channel = None
        self.job.drop()
        self.page.close()
        os.close(self.journal.fd)
        let_go()
        self._written = written = WrittenPages() if prepare is not None else None

        def get_ready() -> None:
            if written is not None:
                written.copy()
            self._make_state()
            if prepare is not None:
                prepare()

        self.job = wait_for_job(channel, name, check, pid, when_idle, get_ready if prepare is not None else None)
        if prepare is None:
            self._make_state()
        self._open_state()
        return True

    def begin(self) -> None:
        """Serve the job for good. Returns only if the level has found, in the meantime, that it may be served from there."""
        await_go(self.job)
        self._announce()
