"""A supervisor that runs no tests: it plays the scene named in FAKE_SCENE over the control protocol.

Called as the launcher calls Python: ``fake_supervisor.py -c BOOT FD``. What it received goes to the file FAKE_RECORD as
JSON. It shares no code with the real supervisor or with the launcher, so that it checks both against the document.
"""

import json
import os
import signal
import socket
import struct
import sys
import time

STARTED, EXIT, TEXT, REFUSED = 1, 2, 3, 4


def main():
    if sys.argv[2].rstrip().endswith("sys.exit(main(sys.argv[1:]))"):
        record(verb=sys.argv[3:], socket=os.environ["DX_PY_SOCKET"], open=[fd for fd in range(3) if is_open(fd)])
        sys.exit(17)
    scene = SCENES[os.environ["FAKE_SCENE"]]
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, fileno=int(sys.argv[3]))
    os.setsid()
    if scene is die_unread:
        os._exit(7)
    request, fds = read_request(sock)
    scene(sock, request, fds)


def is_open(fd):
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def record(**facts):
    path = os.environ["FAKE_RECORD"]
    with open(path + ".part", "w") as file:
        json.dump(facts, file)
    os.rename(path + ".part", path)


def read_request(sock):
    data, fds, _, _ = socket.recv_fds(sock, 1 << 16, 10)
    (length,) = struct.unpack_from("<I", data)
    assert data[4] == 1, data[:5]
    while len(data) < 5 + length:
        data += sock.recv(1 << 20)
    assert len(data) == 5 + length
    at = 5

    def take(code):
        nonlocal at
        values = struct.unpack_from("<" + code, data, at)
        at += struct.calcsize("<" + code)
        return values if len(values) > 1 else values[0]

    def text():
        return take(f"{take('I')}s").decode(errors="surrogateescape")

    protocol, flags = take("HH")
    request = {"protocol": protocol, "flags": flags, "build": text(), "cwd": text(), "umask": take("I")}
    request["argv"] = [text() for _ in range(take("I"))]
    request["env"] = [text() for _ in range(take("I"))]
    request["rlimits"] = [take("IQQ") for _ in range(take("I"))]
    request["ignored"] = take("Q")
    request["socket"] = text()
    assert at == len(data)
    request["fds"] = len(fds)
    request["own"] = {int(name): link(name) for name in os.listdir("/proc/self/fd")}
    return request, fds


def link(name):
    try:
        return os.readlink(f"/proc/self/fd/{name}")
    except OSError:
        return None


def frame(sock, kind, payload=b"", fds=()):
    data = struct.pack("<IB", len(payload), kind) + payload
    rest = data[socket.send_fds(sock, [data], list(fds)) :]
    if rest:  # The launcher may have read the last frame and left by now.
        sock.sendall(rest)


def status_page(phase):
    page = os.memfd_create("status")
    os.ftruncate(page, 4096)
    os.pwrite(page, b"DXST" + struct.pack("<III", os.getpid(), phase, 0), 0)
    return page


def started(sock, phase=2, pid=None):
    page = status_page(phase)
    frame(sock, STARTED, struct.pack("<I", pid or os.getpid()), [page])
    return page


def finish(sock, code):
    frame(sock, EXIT, bytes([code]))
    os._exit(0)


# The scenes.


def echo(sock, request, fds):
    """Everything is passed on: standard descriptors, text, exit code."""
    record(**request)
    started(sock)
    with open(fds[0], "rb") as stdin:
        os.write(fds[1], stdin.read().upper())
    os.write(fds[2], b"to stderr\n")
    frame(sock, TEXT, b"as text\n")
    finish(sock, 5)


def die_unread(sock, request, fds):
    raise AssertionError("dies before it has read anything")


def die_before(sock, request, fds):
    os._exit(9)


def die_after(sock, request, fds):
    started(sock)
    os._exit(0)


def refuse(sock, request, fds):
    reason = b"on strike"
    frame(sock, REFUSED, struct.pack("<I", len(reason)) + reason)
    os._exit(0)


def nonsense(sock, request, fds):
    sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    time.sleep(60)


def everybody(sock, request, fds):
    """A pid that would be everybody's in a call of kill."""
    frame(sock, STARTED, struct.pack("<I", 0xFFFFFFFF))
    time.sleep(60)


def flood(sock, request, fds):
    started(sock)
    for _ in range(8):
        frame(sock, TEXT, b"x" * (1 << 20))
    finish(sock, 6)


def count_signals(sock, request, fds):
    """Reports every signal in the record, and ends at SIGTERM."""
    seen = []
    signals = [signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH]
    signals += [signal.SIGTERM, signal.SIGCONT]
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    page = started(sock, phase=int(os.environ.get("FAKE_PHASE", "2")))
    while True:
        (stop,) = struct.unpack("<I", os.pread(page, 4, 12))
        record(pid=os.getpid(), seen=seen, stop=stop)
        # Not sigtimedwait: interrupted by a stop, it may give a signal that nobody sent.
        for arrived in signal.sigpending() & set(signals):
            seen.append(signal.Signals(signal.sigwait([arrived])).name)
            if arrived == signal.SIGTERM:
                finish(sock, 4)
        time.sleep(0.01)


def default_signals(sock, request, fds):
    """Dies of what Python dies of."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    started(sock)
    record(pid=os.getpid())
    time.sleep(60)


def heirs(sock, request, fds):
    """The run is killed, and another takes over: the supervisor outlives both."""
    for code in (None, 8):
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            page = started(sock, phase=2)
            os.write(writer, b"x")
            if code is None:
                signal.pause()
            while not struct.unpack("<I", os.pread(page, 4, 12))[0]:
                time.sleep(0.01)
            finish(sock, code)
        os.read(reader, 1)
        record(pid=pid, heir=code is not None)
        os.waitpid(pid, 0)
    os._exit(0)


def slow(sock, request, fds):
    record(pid=os.getpid())
    time.sleep(60)


SCENES = {
    scene.__name__: scene
    for scene in (
        echo,
        die_unread,
        die_before,
        die_after,
        refuse,
        nonsense,
        everybody,
        flood,
        count_signals,
        default_signals,
        heirs,
        slow,
    )
}

if __name__ == "__main__":
    main()
