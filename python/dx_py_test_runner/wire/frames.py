"""The control protocol of ``docs/design/control-protocol.md``: frames between a launcher and its supervisor or run.

Pure encoding and decoding on bytes, and two functions that move frames over a socket. Every length is checked
against its bound before anything is allocated.
"""

from __future__ import annotations

import os
import socket
import struct
from dataclasses import dataclass, field

PROTOCOL = 1

REQUEST = 1

STARTED = 1
EXIT = 2
TEXT = 3
REFUSED = 4

REQUEST_LIMIT = 16 << 20
FRAME_LIMIT = 1 << 20

WANT_DAEMON = 1

_HEADER = struct.Struct("<IB")
_U32 = struct.Struct("<I")
_RLIMIT = struct.Struct("<IQQ")


class ProtocolError(Exception):
    """A peer sent bytes that are not the control protocol; the connection cannot go on."""


@dataclass(slots=True)
class Request:
    """What one client wants: its command and the circumstances that its run must reproduce.

    ``argv`` starts with the verb. ``rlimits`` holds ``(resource, soft, hard)`` with ``-1`` for infinity.
    ``closed_fds`` names those of the descriptors 0, 1, 2 that the client did not have.
    """

    argv: list[str]
    env: dict[bytes, bytes]
    cwd: str
    umask: int = 0o022
    rlimits: list[tuple[int, int, int]] = field(default_factory=list)
    build: bytes = b""
    socket_path: str = ""
    want_daemon: bool = False
    closed_fds: tuple[int, ...] = ()
    ignored_signals: tuple[int, ...] = ()

    @property
    def args(self) -> list[str]:
        """The arguments behind the verb."""
        return self.argv[1:]


class _Reader:
    """Walks a payload, refusing to read beyond its end."""

    __slots__ = ("_at", "_data")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, count: int) -> bytes:
        end = self._at + count
        if end > len(self._data):
            raise ProtocolError(f"request is truncated: {count} bytes wanted at {self._at} of {len(self._data)}")
        piece = self._data[self._at : end]
        self._at = end
        return piece

    def end(self) -> None:
        """Refuse what is left: it was written by a side with another idea of a request."""
        if self._at != len(self._data):
            raise ProtocolError(f"{len(self._data) - self._at} bytes behind the end of a request")

    def u16(self) -> int:
        return int.from_bytes(self.take(2), "little")

    def u32(self) -> int:
        return int.from_bytes(self.take(4), "little")

    def u64(self) -> int:
        return int.from_bytes(self.take(8), "little")

    def text(self) -> bytes:
        return self.take(self.u32())

    def texts(self) -> list[bytes]:
        return [self.text() for _ in range(self._count(4))]

    def _count(self, smallest: int) -> int:
        """A list's length, refused when its elements could not fit in what is left."""
        count = self.u32()
        if count * smallest > len(self._data) - self._at:
            raise ProtocolError(f"request announces {count} elements but ends before them")
        return count

    def rlimits(self) -> list[tuple[int, int, int]]:
        found = []
        for _ in range(self._count(_RLIMIT.size)):
            resource, soft, hard = _RLIMIT.unpack(self.take(_RLIMIT.size))
            found.append((resource, _limit(soft), _limit(hard)))
        return found


def _limit(value: int) -> int:
    return -1 if value >= 1 << 63 else value


def _unlimit(value: int) -> int:
    return (1 << 64) - 1 if value < 0 else value


def decode_request(payload: bytes) -> Request:
    """The request in a frame's payload.

    :raises ProtocolError: truncated, of another protocol version, or with counts beyond its end.
    """
    reader = _Reader(payload)
    protocol = reader.u16()
    if protocol != PROTOCOL:
        raise ProtocolError(f"protocol {protocol}, this side speaks {PROTOCOL}")
    flags = reader.u16()
    build = reader.text()
    cwd = os.fsdecode(reader.text())
    umask = reader.u32()
    argv = [os.fsdecode(arg) for arg in reader.texts()]
    env = dict(entry.partition(b"=")[::2] for entry in reader.texts() if b"=" in entry)
    rlimits = reader.rlimits()
    ignored = reader.u64()
    socket_path = os.fsdecode(reader.text())
    reader.end()
    return Request(
        argv=argv,
        env=env,
        cwd=cwd,
        umask=umask,
        rlimits=rlimits,
        build=build,
        socket_path=socket_path,
        want_daemon=bool(flags & WANT_DAEMON),
        ignored_signals=tuple(number for number in range(1, 65) if ignored >> (number - 1) & 1),
        closed_fds=tuple(fd for fd in range(3) if flags & (2 << fd)),
    )


def text(value: bytes) -> bytes:
    """A ``str`` of the protocol."""
    return _U32.pack(len(value)) + value


def encode_request(request: Request) -> bytes:
    """The payload that :func:`decode_request` reads (used by tests and by Python clients)."""

    def texts(values: list[bytes]) -> bytes:
        return _U32.pack(len(values)) + b"".join(map(text, values))

    flags = (WANT_DAEMON if request.want_daemon else 0) | sum(2 << fd for fd in request.closed_fds)
    limits = [_RLIMIT.pack(r, _unlimit(s), _unlimit(h)) for r, s, h in request.rlimits]
    return b"".join(
        (
            struct.pack("<HH", PROTOCOL, flags),
            text(request.build),
            text(os.fsencode(request.cwd)),
            _U32.pack(request.umask),
            texts([os.fsencode(arg) for arg in request.argv]),
            texts([name + b"=" + value for name, value in request.env.items()]),
            _U32.pack(len(limits)) + b"".join(limits),
            struct.pack("<Q", sum(1 << (number - 1) for number in request.ignored_signals)),
            text(os.fsencode(request.socket_path)),
        )
    )


def send_frame(sock: socket.socket, kind: int, payload: bytes = b"", fds: list[int] | None = None) -> None:
    """Send one frame, with descriptors on its first byte.

    :raises OSError: the peer is gone.
    """
    data = _HEADER.pack(len(payload), kind) + payload
    if fds:
        sent = socket.send_fds(sock, [data], fds)
        data = data[sent:]
    if data:
        sock.sendall(data)


def receive_request(sock: socket.socket) -> tuple[Request, list[int]]:
    """Read a Request frame and its three descriptors from a blocking socket.

    :raises ProtocolError: not a request, too long, or cut short.
    :raises OSError: the peer is gone or the socket's time-out expired.
    """
    data, fds, _flags, _addr = socket.recv_fds(sock, 1 << 16, 3)
    try:
        while len(data) < _HEADER.size:
            data += _more(sock, _HEADER.size - len(data))
        length, kind = _HEADER.unpack_from(data)
        if kind != REQUEST or length > REQUEST_LIMIT:
            raise ProtocolError(f"frame of type {kind} with {length} bytes where a request was expected")
        parts = [data[_HEADER.size :]]
        missing = length - len(parts[0])
        while missing > 0:
            piece = _more(sock, missing)
            parts.append(piece)
            missing -= len(piece)
        if len(fds) != 3:
            raise ProtocolError(f"request came with {len(fds)} descriptors instead of 3")
        for fd in fds:
            os.set_inheritable(fd, False)
        return decode_request(b"".join(parts)), fds
    except BaseException:
        for fd in fds:
            os.close(fd)
        raise


def _more(sock: socket.socket, count: int) -> bytes:
    piece = sock.recv(min(count, 1 << 20))
    if not piece:
        raise ProtocolError("the connection ended inside a request")
    return piece
