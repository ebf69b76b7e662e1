"""The daemon's directory in every state it should not be in, and strangers behind its socket.

Whatever is wrong there costs the daemon and not the run: the tests are run, soon, and one sentence says why there is
no daemon.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

import mounts
from dxpy import DxPy, Ended, wait_until

SOON = 40.0
"""Seconds within which a run must be over: a daemon that does not answer is given up after ten."""


@pytest.fixture
def place(place: DxPy) -> DxPy:
    """A place with one test that passes."""
    place.write("test_one.py", "def test_one(): pass\n")
    return place


def check_run(ended: Ended) -> None:
    assert (ended.code, ended.counts) == (0, {"passed": 1}), str(ended)
    assert ended.seconds < SOON, str(ended)
    assert "Traceback" not in ended.err, str(ended)


def check_without_daemon(place: DxPy, runtime: Path | str, sentence: str) -> None:
    """A run with this runtime directory is right, says *sentence* and leaves no daemon."""
    ended = place.test(env={"DX_PY_RUNTIME_DIR": str(runtime)})
    check_run(ended)
    assert sentence in ended.err and "without a daemon" in ended.err, str(ended)
    place.wait_until_gone()


# ---- the directory


def test_a_file_in_its_place(place: DxPy) -> None:
    path = place.root / "file"
    path.write_text("")
    check_without_daemon(place, path, "is not a directory")
    assert path.read_text() == ""


@pytest.mark.parametrize("dangling", [False, True])
def test_a_link_in_its_place(place: DxPy, dangling: bool) -> None:
    path = place.root / "link"
    path.symlink_to("nowhere" if dangling else "run")
    check_without_daemon(place, path, "is a symbolic link")
    assert not list(place.runtime.iterdir())


def test_a_directory_of_somebody_else(place: DxPy) -> None:
    if os.getuid() == 0:
        path = place.root / "theirs"
        path.mkdir()
        os.chown(path, 12345, -1)
        check_without_daemon(place, path, "belongs to user 12345")
    else:
        check_without_daemon(place, "/", "belongs to user 0")


def test_a_directory_that_cannot_be_made(place: DxPy) -> None:
    check_without_daemon(place, "/proc/dx-py", "cannot be created")
    check_without_daemon(place, place.root / "not" / "there", "cannot be created")


def test_a_path_that_is_too_long_for_a_socket(place: DxPy) -> None:
    path = place.root / ("long" * 30)
    check_without_daemon(place, path, "a socket's may have")


def test_a_directory_that_is_open_to_others_is_closed(place: DxPy) -> None:
    place.runtime.chmod(0o777)
    for _ in range(2):
        check_run(place.test())
    assert place.runtime.stat().st_mode & 0o777 == 0o700
    assert len(place.daemon_pids()) == 1
    place.leave_nothing()


def test_a_directory_that_cannot_be_written(place: DxPy) -> None:
    if not mounts.possible():
        # No mounts: a directory that nobody can write, not even root.
        runtime = "/proc/self/task" if os.getuid() == 0 else "/proc/self/fd"
        ended = place.test(env={"DX_PY_RUNTIME_DIR": runtime})
        check_run(ended)
        assert "without a daemon" in ended.err
        return
    with mounts.Mounts.read_only(place, place.runtime) as inside:
        for _ in range(2):
            ended = inside.run("test", "-n", "1")
            check_run(ended)
            assert "cannot be written" in ended.err and "without a daemon" in ended.err, str(ended)
    place.wait_until_gone()


@pytest.mark.skipif(not mounts.possible(), reason="needs a disk of its own; the read-only directory covers the launcher's part")
def test_a_full_disk(place: DxPy) -> None:
    """Full from the start: no daemon. Full later: the daemon that is there goes on serving."""
    fill = f"cat /dev/zero > {place.runtime}/filling 2>/dev/null || true"
    with mounts.Mounts.small(place, place.runtime) as inside:
        inside.shell(fill)
        ended = inside.run("test", "-n", "1")
        check_run(ended)
        assert "cannot be written" in ended.err and "without a daemon" in ended.err, str(ended)
        inside.shell(f"rm {place.runtime}/filling")
        check_run(inside.run("test", "-n", "1"))
        inside.shell(fill)
        for _ in range(2):
            ended = inside.run("test", "-n", "1")
            check_run(ended)
            assert not ended.err, str(ended)
        stopped = inside.run("daemon", "stop")
        assert "stopping" in stopped.out, str(stopped)
        place.wait_until_gone()


@pytest.mark.parametrize("home", [None, "/nowhere/at/all"])
def test_no_home(place: DxPy, home: str | None) -> None:
    """Neither a home nor a directory named for the daemon, but one of the login session."""
    session = place.root / "session"
    session.mkdir(mode=0o700)
    env = {"HOME": home, "DX_PY_RUNTIME_DIR": None, "XDG_RUNTIME_DIR": str(session)}
    for _ in range(2):
        ended = place.test(env=env)
        check_run(ended)
        assert not ended.err, str(ended)
    listed = place.run("list", env=env)
    assert listed.code == 0 and "::test_" in listed.out, str(listed)
    assert not Path("/nowhere").exists(), "it has made itself a home"
    assert list(session.glob("dx-py/*.sock"))
    place.run("daemon", "stop", env=env)
    place.wait_until_gone()


def test_a_directory_removed_under_a_daemon(place: DxPy) -> None:
    """A cleaner of temporary files takes it away: a new one is made, and the old daemon does not stay."""
    check_run(place.test())
    (old,) = place.daemon_pids()
    for path in place.runtime.iterdir():
        path.unlink()
    place.runtime.rmdir()
    check_run(place.test())
    (new,) = place.daemon_pids()
    assert new != old
    wait_until(lambda: old not in {process.pid for process in place.processes()}, "the old daemon ends", SOON)
    place.leave_nothing()


# ---- the socket


def socket_path(place: DxPy) -> Path:
    """Where this place's daemon listens: told by one that was there."""
    check_run(place.test())
    place.leave_nothing()
    (lock,) = place.runtime.glob("*.sock.lock")
    return lock.with_suffix("")


def test_a_socket_that_a_killed_daemon_left(place: DxPy) -> None:
    check_run(place.test())
    for pid in place.daemon_pids():
        os.kill(pid, 9)
    place.wait_until_gone()
    assert list(place.runtime.glob("*.sock"))
    for _ in range(2):
        ended = place.test()
        check_run(ended)
        assert not ended.err, str(ended)
    place.leave_nothing()


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_something_else_where_the_socket_should_be(place: DxPy, kind: str) -> None:
    path = socket_path(place)
    path.write_text("") if kind == "file" else path.mkdir()
    for _ in range(2):
        check_run(place.test())
    place.leave_nothing()


def say_nothing(_client: socket.socket, over: threading.Event) -> None:
    over.wait()


def close_at_once(_client: socket.socket, _over: threading.Event) -> None:
    pass


def send_garbage(client: socket.socket, over: threading.Event) -> None:
    client.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n" * 100)
    over.wait()


def send_half_a_frame(client: socket.socket, over: threading.Event) -> None:
    client.sendall((200).to_bytes(4, "little") + b"\x03" + b"only half of what was promised")
    over.wait()


def refuse(client: socket.socket, _over: threading.Event) -> None:
    reason = (7).to_bytes(4, "little") + b"no, no!"
    client.sendall(len(reason).to_bytes(4, "little") + b"\x04" + reason)


@contextmanager
def stranger(path: Path, behave: Callable[[socket.socket, threading.Event], None]) -> Iterator[None]:
    """A process of the same user (this one) that listens at *path* and is no daemon."""
    over = threading.Event()
    clients = []

    def serve(client: socket.socket) -> None:
        with client, suppress(OSError):
            behave(client, over)

    def listen() -> None:
        with suppress(OSError):
            while True:
                client, _address = listener.accept()
                clients.append(threading.Thread(target=serve, args=(client,)))
                clients[-1].start()

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(8)
        thread = threading.Thread(target=listen)
        thread.start()
        try:
            yield
        finally:
            over.set()
            listener.shutdown(socket.SHUT_RDWR)
            for each in (thread, *clients):
                each.join()


@pytest.mark.parametrize("behave", [close_at_once, send_garbage])
def test_a_stranger_behind_the_socket(place: DxPy, behave: Callable[..., None]) -> None:
    with stranger(socket_path(place), behave):
        ended = place.test()
        check_run(ended)
        assert "without a daemon" in ended.err, str(ended)
        place.wait_until_gone()
    for _ in range(2):
        check_run(place.test())
    place.leave_nothing()


def test_a_stranger_that_refuses(place: DxPy) -> None:
    """As a daemon does that makes room for its successor: that is nothing to talk about."""
    with stranger(socket_path(place), refuse):
        ended = place.test()
        check_run(ended)
        assert not ended.err, str(ended)
    for _ in range(2):
        check_run(place.test())
    place.leave_nothing()


def test_strangers_that_keep_us_waiting(place: DxPy) -> None:
    """Both at a time, since each is waited for as long as a daemon may take to answer."""
    other = DxPy.create()
    other.write("test_one.py", "def test_one(): pass\n")
    try:
        with stranger(socket_path(place), say_nothing), stranger(socket_path(other), send_half_a_frame):
            for run in [each.start("test") for each in (place, other)]:
                ended = run.wait()
                check_run(ended)
                assert "without a daemon" in ended.err, str(ended)
        for each in (place, other):
            each.wait_until_gone()
            check_run(each.test())
            each.leave_nothing()
    finally:
        other.remove()


def test_a_daemon_outlives_clients_that_misbehave(place: DxPy) -> None:
    check_run(place.test())
    (path,) = place.runtime.glob("*.sock")
    (daemon,) = place.daemon_pids()
    clients = []
    for first_words in (b"", b"GET / HTTP/1.1\r\n\r\n", b"\xff\xff\xff\x7f\x01", b"\x10\x00\x00\x00\x01half"):
        client = socket.socket(socket.AF_UNIX)
        client.connect(str(path))
        client.sendall(first_words)
        clients.append(client)
    for _ in range(2):
        check_run(place.test())
    for client in clients:
        client.close()
    assert place.daemon_pids() == [daemon]
    place.leave_nothing()
