"""``dx-py daemon status|stop|restart|logs``."""

from __future__ import annotations

import os
import socket
import struct
import sys
import time

from dx_py_test_runner.wire import frames

_USAGE = "usage: dx-py daemon status|stop|restart|logs\n"


def daemon_command(args: list[str]) -> int:
    """Run one sub-verb on the daemon of the current folder and interpreter."""
    verb = args[0] if len(args) == 1 else ""
    if verb not in ("status", "stop", "restart", "logs"):
        sys.stderr.write(f"dx-py: {'daemon needs one sub-verb' if not args else f'unknown: {args}'}\n{_USAGE}")
        return 4
    path = os.environ.get("DX_PY_SOCKET", "")
    if not path:
        sys.stderr.write("dx-py: no daemon can live here: its runtime directory is not usable\n")
        return 3
    if verb == "logs":
        return _show_log(path)
    code = ask(path, ["daemon", "stop" if verb == "restart" else verb])
    if code is None:
        sys.stdout.write("no daemon is running for this folder and interpreter\n")
        return 0 if verb != "status" else 1
    if verb in ("stop", "restart"):
        _wait_until_gone(path)
    if verb == "restart":
        sys.stdout.write("the next 'dx-py test' starts a new one\n")
    return code


def ask(path: str, argv: list[str]) -> int | None:
    """Send *argv* to the daemon at *path*; its output goes to our stdout.

    :returns: its exit code, or None when no daemon answers.
    """
    request = frames.Request(argv=argv, env=dict(os.environb), cwd=os.getcwd())
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(10.0)
        try:
            sock.connect(path)
            frames.send_frame(sock, frames.REQUEST, frames.encode_request(request), [0, 1, 2])
            while True:
                header = _exactly(sock, 5)
                length, kind = struct.unpack("<IB", header)
                payload = _exactly(sock, min(length, frames.FRAME_LIMIT))
                if kind == frames.EXIT:
                    return payload[0]
        except (OSError, EOFError):
            return None


def _exactly(sock: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        piece = sock.recv(count - len(data))
        if not piece:
            raise EOFError
        data += piece
    return data


def _wait_until_gone(path: str, patience: float = 10.0) -> None:
    deadline = time.monotonic() + patience
    while os.path.exists(path) and time.monotonic() < deadline:
        time.sleep(0.01)


def _show_log(path: str) -> int:
    try:
        with open(path + ".log", encoding="utf-8", errors="replace") as file:
            sys.stdout.write(file.read())
    except FileNotFoundError:
        sys.stdout.write("there is no log yet\n")
    except OSError as error:
        sys.stderr.write(f"dx-py: {path}.log cannot be read: {error.strerror}\n")
        return 3
    return 0
