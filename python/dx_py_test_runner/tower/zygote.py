"""A zygote: a process that waits, and forks itself when asked.

:func:`wait_for_job` returns only in the forked children. The parent reports to the supervisor what it forked and how
each child ended, and ends itself when its channel closes.
"""

from __future__ import annotations

import os
import selectors
import time
from collections.abc import Callable
from typing import Any, NoReturn

from dx_py_test_runner.inputs.compare import Stale, Unfit
from dx_py_test_runner.tower.job import Job
from dx_py_test_runner.tower.spare import Spare, fork_spare
from dx_py_test_runner.wire import forks, frozen
from dx_py_test_runner.wire.channel import Channel, ChannelClosed


def wait_for_job(
    channel: Channel,
    level: str,
    check: Callable[[Job], None],
    first_child: int | None = None,
    when_idle: Callable[[], None] | None = None,
    prepare: Callable[[], None] | None = None,
) -> Job:
    """Serve the supervisor until a forked child has a job to do.

    :param check: raises :class:`~dx_py_test_runner.inputs.compare.Unfit` or ``Stale`` when the job cannot be served from here.
    :param first_child: a child that exists already and whose end must be reported, too.
    :param when_idle: called once, when a first child has ended.
    :param prepare: called in each child before it has its job. Given, a spare child waits whenever no other is left.
    :returns: the job, in the child (or in the base itself, for a run that leaves no levels); its ``channel`` leads to the supervisor.
        A spare child has it before it is checked (:func:`~dx_py_test_runner.tower.spare.await_go`).
    """
    if first_child is not None:
        frozen.freeze()
    with selectors.DefaultSelector() as selector:
        zygote = _Zygote(channel, level, check, when_idle, prepare, selector)
        if first_child is not None:
            zygote.watch(first_child)
        while True:
            job = zygote.turn()
            if job is not None:
                return job


_PAUSE = 1.0
"""Seconds until another spare is forked in place of one whose job was refused: whoever serves that job shall have the cores first."""


class _Zygote:
    """What a zygote knows: its children by the descriptors that tell of their end, and the spare among them."""

    def __init__(
        self,
        channel: Channel,
        level: str,
        check: Callable[[Job], None],
        when_idle: Callable[[], None] | None,
        prepare: Callable[[], None] | None,
        selector: selectors.BaseSelector,
    ) -> None:
        self._channel = channel
        self._level = level
        self._check = check
        self._when_idle = when_idle
        self._prepare = prepare
        self._selector = selector
        self._children: dict[int, int] = {}
        self._spare: Spare | None = None
        self._refused = 0
        """The process of a spare that has ended, or will, because its job was refused."""
        self._spare_due: float | None = None
        selector.register(channel, selectors.EVENT_READ, channel)

    def watch(self, pid: int) -> None:
        """Report the end of the child *pid*."""
        pidfd = os.pidfd_open(pid)
        self._children[pidfd] = pid
        self._selector.register(pidfd, selectors.EVENT_READ, None)

    def turn(self) -> Job | None:
        """Do what there is to do now; the job, in a child that has one."""
        pause = None if self._spare_due is None else max(0.0, self._spare_due - time.monotonic())
        events = self._selector.select(pause)
        for key, _events in events:
            job = self._serve() if key.data is self._channel else self._bury(key.fd)
            if job is not None:
                return job
        if not events and self._spare_due is not None:
            return self._fork_spare()
        return None

    def _bury(self, pidfd: int) -> Job | None:
        """A child has ended."""
        self._selector.unregister(pidfd)
        pid = self._children.pop(pidfd)
        _report_end(self._channel, pid, pidfd)
        if self._spare is not None and self._spare.pid == pid:
            # Not forked again before the next run has ended: something may end it each time.
            self._spare.close()
            self._spare = None
            return None
        if pid == self._refused:
            self._refused = 0
            self._spare_due = time.monotonic() + _PAUSE
            return None
        if self._when_idle is not None:
            self._when_idle()
            self._when_idle = None
        return self._fork_spare()

    def _fork_spare(self) -> Job | None:
        """Have a spare, if no other child is left; its job, in the spare itself."""
        self._spare_due = None
        if self._prepare is None or self._children:
            return None
        made = fork_spare(self._channel, self._prepare)
        if isinstance(made, Job):
            return made
        self._spare = made
        self.watch(made.pid)
        _tell(self._channel, {"op": "spare", "pid": made.pid})
        return None

    def _serve(self) -> Job | None:
        """Have a child do what the supervisor asks for, if that may be done from here."""
        channel = self._channel
        job = _next_job(channel)
        ready, self._spare = self._spare, None
        begun = ready is not None and ready.begin(job)
        fits = _fits(channel, self._level, self._check, job)
        if ready is not None:
            if fits and begun and ready.go():
                _tell(channel, {"op": "forked", "run": job.number, "pid": ready.pid}, [ready.channel.fileno()])
                ready.channel.close()
                job.drop()
                return None
            self._refused = ready.pid
            ready.close()
        if not fits:
            return None
        if not job.levels and self._level == "base" and not self._children:
            return _become(channel, job)
        pid = _fork(channel, job)
        if pid == 0:
            for pidfd in self._children:
                os.close(pidfd)
            if self._prepare is not None:
                self._prepare()
            return job
        self.watch(pid)
        if len(self._children) == 1:
            # Not before: the first run is not kept waiting for it.
            frozen.freeze()
        return None


def _next_job(channel: Channel) -> Job:
    try:
        message, fds = channel.receive()
    except ChannelClosed:
        leave()
    if message["op"] == "quit":
        leave()
    return Job.from_message(message, fds)


def _fits(channel: Channel, level: str, check: Callable[[Job], None], job: Job) -> bool:
    """Whether *job* may be served from here; otherwise the supervisor has been told why not."""
    try:
        check(job)
        return True
    except (Unfit, Stale) as reason:
        operation = "stale" if isinstance(reason, Stale) else "unfit"
        # What has changed may be taken back, and then the level is true again. A base loads in no time.
        answer = {"op": operation, "run": job.number, "level": level, "why": str(reason), "lasting": level == "base"}
    except Exception as error:
        # A level that cannot tell whether it is true is of no use; nobody would see its traceback.
        why = f"it could not be checked: {type(error).__name__}: {error}"
        answer = {"op": "stale", "run": job.number, "level": level, "why": why, "lasting": True}
    job.drop()
    try:
        channel.send(answer)
    except ChannelClosed:
        leave()
    return False


def _become(channel: Channel, job: Job) -> Job:
    """Serve the only job that there will be in this process, and spare the fork."""
    os.setpgid(0, 0)
    try:
        channel.send({"op": "became", "run": job.number})
    except ChannelClosed:
        leave()
    job.channel = channel
    return job


def _fork(channel: Channel, job: Job) -> int:
    """Fork a child for *job*; both sides know each other when this returns."""
    ours, theirs = Channel.pair()
    pid = forks.fork()
    if pid == 0:
        ours.close()
        channel.close()
        os.setpgid(0, 0)
        job.channel = theirs
        return 0
    theirs.close()
    _tell(channel, {"op": "forked", "run": job.number, "pid": pid}, [ours.fileno()])
    ours.close()
    job.drop()
    return pid


def _tell(channel: Channel, message: dict[str, Any], fds: list[int] | tuple[int, ...] = ()) -> None:
    """Send a message. That nobody listens any more is found out by reading."""
    try:
        channel.send(message, fds)
    except ChannelClosed:
        pass


def _report_end(channel: Channel, pid: int, pidfd: int) -> None:
    os.close(pidfd)
    try:
        _pid, status = os.waitpid(pid, 0)
        channel.send({"op": "exited", "pid": pid, "status": status})
    except ChildProcessError:
        pass
    except ChannelClosed:
        leave()


def leave() -> NoReturn:
    """End a zygote: its children are runs of their own and finish by themselves."""
    os._exit(0)
