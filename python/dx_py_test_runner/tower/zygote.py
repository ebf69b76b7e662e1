"""A zygote: a process that waits, and forks itself when asked.

:func:`wait_for_job` returns only in the forked children. The parent reports to the supervisor what it forked and how
each child ended, and ends itself when its channel closes.
"""

from __future__ import annotations

import os
import selectors
from collections.abc import Callable
from typing import Any, NoReturn

from dx_py_test_runner.inputs.compare import Stale, Unfit
from dx_py_test_runner.engine import frozen
from dx_py_test_runner.tower.job import Job
from dx_py_test_runner.tower.spare import Spare, fork_spare
from dx_py_test_runner.wire import forks
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
    """
    children: dict[int, int] = {}
    spare: Spare | None = None
    if first_child is not None:
        frozen.freeze()
    with selectors.DefaultSelector() as selector:
        selector.register(channel, selectors.EVENT_READ, channel)
        if first_child is not None:
            _watch(selector, children, first_child)
        while True:
            for key, _events in selector.select():
                if key.data is not channel:
                    selector.unregister(key.fd)
                    pid = children.pop(key.fd)
                    _report_end(channel, pid, key.fd)
                    if spare is not None and spare.pid == pid:
                        # Not forked again before the next run has ended: something may end it each time.
                        spare.close()
                        spare = None
                        continue
                    if when_idle is not None:
                        when_idle()
                        when_idle = None
                    if prepare is not None and not children:
                        made = fork_spare(channel, prepare)
                        if isinstance(made, Job):
                            return made
                        spare = made
                        _watch(selector, children, spare.pid)
                        _tell(channel, {"op": "spare", "pid": spare.pid})
                    continue
                job = _next_job(channel, level, check)
                if job is None:
                    continue
                if spare is not None:
                    ready, spare = spare, None
                    if ready.take(job):
                        _tell(channel, {"op": "forked", "run": job.number, "pid": ready.pid}, [ready.channel.fileno()])
                        ready.channel.close()
                        job.drop()
                        continue
                    ready.close()
                if not job.levels and level == "base" and not children:
                    return _become(channel, job)
                pid = _fork(channel, job)
                if pid == 0:
                    for pidfd in children:
                        os.close(pidfd)
                    if prepare is not None:
                        prepare()
                    return job
                _watch(selector, children, pid)
                if len(children) == 1:
                    # Not before: the first run is not kept waiting for it.
                    frozen.freeze()


def _watch(selector: selectors.BaseSelector, children: dict[int, int], pid: int) -> None:
    pidfd = os.pidfd_open(pid)
    children[pidfd] = pid
    selector.register(pidfd, selectors.EVENT_READ, None)


def _next_job(channel: Channel, level: str, check: Callable[[Job], None]) -> Job | None:
    try:
        message, fds = channel.receive()
    except ChannelClosed:
        leave()
    if message["op"] == "quit":
        leave()
    job = Job.from_message(message, fds)
    try:
        check(job)
        return job
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
    return None


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
