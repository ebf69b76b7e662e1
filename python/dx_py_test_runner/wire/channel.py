"""Messages between the supervisor and the processes of its tower, over a private ``socketpair``.

A message is a dict of plain values with descriptors beside it. Both ends are forks of one program, so the
encoding is ``marshal``; the length is bounded all the same, because a user's code may have scribbled on any descriptor.
"""

from __future__ import annotations

import marshal
import os
import socket
import struct
from typing import Any

_HEADER = struct.Struct("<4sIH")
_MAGIC = b"DXCH"
_LIMIT = 64 << 20
_MAX_FDS = 16


class ChannelClosed(Exception):
    """The other end is gone, or what it sent cannot be a message."""


class Channel:
    """One end of a supervisor-to-tower connection."""

    __slots__ = ("sock",)

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock

    @classmethod
    def pair(cls) -> tuple[Channel, Channel]:
        left, right = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        return cls(left), cls(right)

    @classmethod
    def from_fd(cls, fd: int) -> Channel:
        return cls(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, fileno=fd))

    def fileno(self) -> int:
        return self.sock.fileno()

    def close(self) -> None:
        self.sock.close()

    def send(self, message: dict[str, Any], fds: list[int] | tuple[int, ...] = ()) -> None:
        """Send one message.

        :raises ChannelClosed: the other end is gone.
        """
        body = marshal.dumps(message)
        data = _HEADER.pack(_MAGIC, len(body), len(fds)) + body
        try:
            if fds:
                sent = socket.send_fds(self.sock, [data], list(fds))
                data = data[sent:]
            if data:
                self.sock.sendall(data)
        except OSError as error:
            raise ChannelClosed(str(error)) from error

    def receive(self) -> tuple[dict[str, Any], list[int]]:
        """Wait for one message and its descriptors.

        :raises ChannelClosed: end of file, or bytes that are no message.
        """
        try:
            data, fds, _flags, _addr = socket.recv_fds(self.sock, _HEADER.size, _MAX_FDS)
            data = self._fill(data, _HEADER.size)
            magic, length, count = _HEADER.unpack(data)
            if magic != _MAGIC or length > _LIMIT or count != len(fds):
                raise ChannelClosed("the channel carries something else than messages")
            body = self._fill(b"", length)
        except OSError as error:
            raise ChannelClosed(str(error)) from error
        for fd in fds:
            os.set_inheritable(fd, False)
        return marshal.loads(body), fds

    def _fill(self, data: bytes, length: int) -> bytes:
        parts, have = [data], len(data)
        while have < length:
            piece = self.sock.recv(length - have)
            if not piece:
                raise ChannelClosed("end of file")
            parts.append(piece)
            have += len(piece)
        return b"".join(parts)
