"""A spare: a child that a level forks before anybody has asked for it.

What a fork costs, and whatever of a run does not depend on the request, is then paid while nobody waits. A spare knows
nothing of any client; the level checks each request itself before it hands it over, as it does before it forks.
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

    def take(self, job: Job) -> bool:
        """Hand *job* over, with its descriptors. False if the child is gone; the job is as it was then."""
        try:
            self._handover.send(job.to_message(), job.descriptors())
        except ChannelClosed:
            return False
        self._handover.close()
        return True

    def close(self) -> None:
        """Hold nothing of it any more. It ends then, unless it has a job."""
        self._handover.close()
        self.channel.close()


def fork_spare(channel: Channel, prepare: Callable[[], None]) -> Spare | Job:
    """Fork a child that prepares itself and waits.

    :param channel: the level's own, which the child lets go of.
    :param prepare: called in the child before it waits.
    :returns: in the level, the spare; in the child, as soon as there is one, its job.
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
    waiting.close()
    job = Job.from_message(message, fds)
    job.channel = theirs
    return job
