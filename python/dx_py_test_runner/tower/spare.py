"""A spare: a child that a level forks before anybody has asked for it.

What a fork costs, and whatever of a run does not depend on the request, is then paid while nobody waits. A spare knows
nothing of any client. A request is handed to it at once, and while it becomes the client's process the level checks the
request, on another core: nothing that anybody could see is done before the level has said that it may be served.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from dx_py_test_runner.tower.job import Job
from dx_py_test_runner.wire import forks
from dx_py_test_runner.wire.channel import Channel, ChannelClosed


class Spare:
    """The level's view of a child that waits for its job.

    *pid* is the child's; *channel* is the end of its connection that the supervisor gets with the job.
    """

    def __init__(self, pid: int, handover: Channel, channel: Channel) -> None:
        self.pid = pid
        self.channel = channel
        self._handover = handover

    def begin(self, job: Job) -> bool:
        """Hand *job* over, with its descriptors. False if the child is gone; the job is as it was then."""
        try:
            self._handover.send(job.to_message(), job.descriptors())
        except ChannelClosed:
            return False
        return True

    def go(self) -> bool:
        """Let it serve the job that it has. False if the child is gone: then nobody has seen anything of it."""
        try:
            self._handover.send(_GO)
        except ChannelClosed:
            return False
        self._handover.close()
        return True

    def close(self) -> None:
        """Hold nothing of it any more. It ends then, unless it serves a job."""
        self._handover.close()
        self.channel.close()


_GO: dict[str, bool] = {"go": True}


def await_go(job: Job) -> None:
    """In a spare that has its job: return when the level has found that it may be served; otherwise the process ends."""
    if job.unchecked is None:
        return
    try:
        job.unchecked.receive()
    except ChannelClosed:
        os._exit(0)
    job.unchecked.close()
    job.unchecked = None


def fork_spare(channel: Channel, prepare: Callable[[], None]) -> Spare | Job:
    """Fork a child that prepares itself and waits.

    :param channel: the level's own, which the child lets go of.
    :param prepare: called in the child before it waits.
    :returns: in the level, the spare; in the child, as soon as there is one, its job, not yet checked.
    """
    handover, waiting = Channel.pair()
    ours, theirs = Channel.pair()
    pid = forks.fork()
    if pid:
        waiting.close()
        theirs.close()
        return Spare(pid, handover, ours)
    handover.close()
    ours.close()
    channel.close()
    os.setpgid(0, 0)
    try:
        prepare()
        message, fds = waiting.receive()
    except ChannelClosed:
        # The level is gone, or has no use for this child any more.
        os._exit(0)
    except BaseException:
        # Nobody is served yet: the next run is forked from the level, and says what is wrong.
        os._exit(1)
    job = Job.from_message(message, fds)
    job.channel = theirs
    job.unchecked = waiting
    return job
