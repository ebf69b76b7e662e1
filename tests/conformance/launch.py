"""Start one process of a suite: alone in a clean environment, without network, within a time limit."""

import functools
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

SIGNALS = (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGTERM, signal.SIGPIPE)
LOOPBACK_ONLY = ("unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh")
KILL_TIMEOUT = 5

_running: set[subprocess.Popen] = set()
_stopped = threading.Event()


class Stopped(Exception):
    """The user ended it all: nothing more is to be started."""


@dataclass(frozen=True)
class Ended:
    exit: int  # negative: killed by that signal
    seconds: float
    timed_out: bool = False


@dataclass(frozen=True)
class Place:
    """Directories that belong to one run (or a chain of warm ones), so that none sees what another left."""

    root: Path

    @property
    def runtime(self) -> Path:
        return self.root / "run"

    def environment(self, venv: Path) -> dict[str, str]:
        return {
            "PATH": f"{venv}/bin:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.root / "home"),
            "TMPDIR": str(self.root / "tmp"),
            "PYTEST_DEBUG_TEMPROOT": str(self.root / "tmp"),
            "DX_PY_RUNTIME_DIR": str(self.runtime),
            "LANG": "C.UTF-8",
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
            "TERM": "dumb",
            "COLUMNS": "80",
            "VIRTUAL_ENV": str(venv),
        }


@contextmanager
def place(keep: bool = False, name: str = "") -> Iterator[Place]:
    """With a `name` of its own the path is the same each time, where texts would be cut off elsewhere in another."""
    # Directly in /tmp: the path of a unix socket below it may have 107 bytes.
    root = Path("/tmp", name) if name else Path(tempfile.mkdtemp(prefix="dxc-", dir="/tmp"))
    if name:
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir(mode=0o700)
    for name in ("home", "tmp", "run"):
        (root / name).mkdir(mode=0o700)
    try:
        yield Place(root)
    finally:
        kill_left_behind(Place(root))
        if not keep:
            shutil.rmtree(root, ignore_errors=True)


@functools.cache
def isolation() -> tuple[str, ...]:
    """What to put before a command so that it has no network but loopback; nothing where that is refused."""
    with suppress(OSError):
        if subprocess.run([*LOOPBACK_ONLY, "true"], capture_output=True).returncode == 0:
            return LOOPBACK_ONLY
    return ()


def run(command: Sequence[str], directory: Path, environment: dict[str, str], output: Path, timeout: float) -> Ended:
    started = time.perf_counter()
    with output.open("wb") as file:
        process = subprocess.Popen(
            [*isolation(), *command],
            cwd=directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=default_signals,
        )
    _running.add(process)
    timed_out = False
    try:
        process.wait(0 if _stopped.is_set() else timeout)
    except subprocess.TimeoutExpired:
        timed_out = True
    finally:
        seconds = time.perf_counter() - started
        _running.discard(process)
        kill_session(process)  # with what the suite left running in it
        process.wait()
    if _stopped.is_set():
        raise Stopped
    return Ended(process.returncode, round(seconds, 3), timed_out)


def stop() -> None:
    """From another thread: end what runs now, and what would run next."""
    _stopped.set()
    for process in tuple(_running):
        kill_session(process)


def kill_session(process: subprocess.Popen) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def default_signals() -> None:
    """A shell's background job ignores SIGINT, and so would the suite: its KeyboardInterrupt tests would hang."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL)


def left_behind(place: Place, patience: float = 0) -> list[int]:
    """Processes that were started in this place and are still there after `patience` seconds."""
    deadline = time.monotonic() + patience
    while (processes := started_in(place)) and time.monotonic() < deadline:
        time.sleep(0.01)
    return processes


def started_in(place: Place) -> list[int]:
    """Nobody else's processes have this place's runtime directory in their environment."""
    mark = f"DX_PY_RUNTIME_DIR={place.runtime}".encode()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if mark in (process / "environ").read_bytes().split(b"\0"):
                found.append(int(process.name))
    return found


def kill_left_behind(place: Place) -> None:
    deadline = time.monotonic() + KILL_TIMEOUT
    while (processes := started_in(place)) and time.monotonic() < deadline:
        for process in processes:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(process, signal.SIGKILL)
        time.sleep(0.01)
