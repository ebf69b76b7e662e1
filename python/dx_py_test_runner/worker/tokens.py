"""Handing out groups: a pipe full of group numbers that any worker reads from.

Reading four bytes from a pipe is atomic among its readers, so claiming needs no lock and no coordinator, and a worker
that dies takes nothing with it but what it had claimed. The pipe is filled before the workers are forked.
"""

from __future__ import annotations

import fcntl
import os

_WIDTH = 4
_PIPE_LIMIT = 1 << 20

_read = os.read  # as it was before any test replaced it


class TooManyGroups(Exception):
    """More groups than fit into a pipe."""


class Tokens:
    """The claims still open.

    :param numbers: the groups that anybody may claim, in this order.
    """

    def __init__(self, numbers: range) -> None:
        self._read, write = os.pipe2(os.O_CLOEXEC)
        needed = len(numbers) * _WIDTH
        if needed > 65536:
            if needed > _PIPE_LIMIT:
                raise TooManyGroups(len(numbers))
            fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, _PIPE_LIMIT)
        data = b"".join(number.to_bytes(_WIDTH, "little") for number in numbers)
        while data:
            data = data[os.write(write, data) :]
        os.close(write)
        self._detached = False

    def detach(self) -> None:
        """Claim nothing any more, in a process that must not be taken for a worker."""
        self._detached = True

    def claim(self) -> int | None:
        """The next group's number, or None when all are taken."""
        if self._detached:
            return None
        token = _read(self._read, _WIDTH)
        return int.from_bytes(token, "little") if token else None

    def close(self) -> None:
        os.close(self._read)
