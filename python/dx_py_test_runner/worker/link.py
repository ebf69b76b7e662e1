"""The way from a worker to its coordinator: whole messages over a socket, safe once sent.

Tests may close or replace any descriptor. A worker notices before it writes into somebody else's file, and ends; the
coordinator then reports the test that it was running.
"""

from __future__ import annotations

import mmap
import os
import pickle
import socket
import struct
import warnings
from typing import Any

from dx_py_test_runner.wire.deaths import LOST_DESCRIPTORS
from dx_py_test_runner.wire.journal import dumps, loads

_fstat, _write, _exit = os.fstat, os.write, os._exit  # as they were before any test replaced them

_LENGTH = struct.Struct("<I")

NO_LIMIT = 0xFFFFFFFF


class Limit:
    """A number shared by run and workers: items behind it need not be started (``-x`` has struck)."""

    def __init__(self) -> None:
        self.memory = mmap.mmap(-1, mmap.PAGESIZE)
        """Begins with the number."""
        self._words = memoryview(self.memory).cast("I")
        self.value = NO_LIMIT

    @property
    def value(self) -> int:
        return self._words[0]

    @value.setter
    def value(self, index: int) -> None:
        self._words[0] = index


class Link:
    """A worker's end."""

    def __init__(self, sock: socket.socket, limit: Limit) -> None:
        self._fd = sock.fileno()
        self._sock = sock
        self._limit = limit
        status = _fstat(self._fd)
        self._identity = (status.st_dev, status.st_ino)
        self._detached = False

    def detach(self) -> None:
        """Send nothing any more, in a process that must not be taken for the worker."""
        self._detached = True
        self._sock.close()

    @property
    def limit(self) -> Limit:
        return self._limit

    def check(self) -> None:
        """End the process if a test has closed or replaced our descriptor: others of ours will have gone with it."""
        if self._detached:
            return
        try:
            status = _fstat(self._fd)
            intact = (status.st_dev, status.st_ino) == self._identity
        except OSError:
            intact = False
        if not intact:
            _exit(LOST_DESCRIPTORS)

    def send(self, kind: str, index: int | None, value: Any = None) -> None:
        """Send one message; returns when it is in the kernel's hands."""
        if self._detached:
            return
        body = dumps((kind, index, value))
        data = _LENGTH.pack(len(body)) + body
        self.check()
        try:
            while data:
                data = data[_write(self._fd, data) :]
        except OSError:
            _exit(LOST_DESCRIPTORS)


class Inbox:
    """The coordinator's end: collects bytes into messages."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._data = bytearray()

    def fileno(self) -> int:
        return self.sock.fileno()

    def rest(self) -> list[tuple[str, int | None, Any]]:
        """Everything that a worker which has ended had sent: others may still hold its end, so none waits for its close."""
        found = []
        while True:
            before = len(self._data)
            messages, closed = self.read()
            found += messages
            if closed or (not messages and len(self._data) == before):
                return found

    def read(self) -> tuple[list[tuple[str, int | None, Any]], bool]:
        """The messages that have arrived, and whether the worker's end is closed."""
        try:
            piece = self.sock.recv(1 << 20)
        except BlockingIOError:
            return [], False
        except OSError:
            piece = b""
        self._data += piece
        messages = []
        at = 0
        while len(self._data) - at >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._data, at)
            end = at + _LENGTH.size + length
            if end > len(self._data):
                break
            messages.append(loads(bytes(self._data[at + _LENGTH.size : end])))
            at = end
        del self._data[:at]
        return messages, not piece


def warning_to_data(message: Any, when: str, nodeid: str, location: Any) -> tuple[Any, ...]:
    """A recorded warning as values that survive the way; a warning that cannot be pickled keeps text and category name."""
    try:
        body = pickle.dumps((message.message, message.category))
    except Exception:
        body = pickle.dumps((UserWarning(str(message.message)), UserWarning))
    return (body, message.filename, message.lineno, message.line, when, str(nodeid), location)


def warning_from_data(data: tuple[Any, ...]) -> dict[str, Any]:
    """The arguments of ``pytest_warning_recorded`` again."""
    body, filename, lineno, line, when, nodeid, location = data
    text, category = pickle.loads(body)
    message = warnings.WarningMessage(text, category, filename, lineno, line=line)
    return {"warning_message": message, "when": when, "nodeid": nodeid, "location": location}
