"""The `dx-py` command and real `pytest`, run on one small project in a place of its own.

A `DxPy` owns a folder with a project, a home, a temporary folder and a runtime directory (so: a daemon that nobody
else talks to). Every process started from it is marked through its environment, so that what stays behind is found.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

PATIENCE = 90.0
"""Seconds after which a command counts as hanging: far more than any of them needs on a loaded machine."""

MARK = "DXPY_TEST_PLACE"
"""The variable that marks a place's processes; its value is the place's folder."""

_TERMINAL_SIGNALS = (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGTERM, signal.SIGPIPE, signal.SIGTSTP)


def command() -> str:
    """The `dx-py` under test: `$DX_PY`, else the one beside this interpreter."""
    named = os.environ.get("DX_PY")
    if named:
        return shutil.which(named) or named
    return str(Path(sys.executable).with_name("dx-py"))


def real_pytest() -> str:
    """The `pytest` beside this interpreter, which says what is right."""
    return str(Path(sys.executable).with_name("pytest"))


@dataclass(frozen=True)
class Ended:
    """How a command ended. *code* is negative for a signal."""

    code: int
    out: str
    err: str
    seconds: float = 0.0

    @property
    def counts(self) -> dict[str, int]:
        """The numbers of pytest's last line: `{"passed": 3, "failed": 1}`."""
        for line in reversed(self.out.splitlines()):
            if re.search(r" in \d+\.\d+s", line):
                return {word: int(number) for number, word in re.findall(r"(\d+) ([a-z]+)", line.partition(" in ")[0])}
        return {}

    def __str__(self) -> str:
        return f"exit {self.code} after {self.seconds:.1f} s\n--- stdout\n{self.out}\n--- stderr\n{self.err}"


@dataclass(frozen=True)
class Mode:
    """A way to run the same tests: with or without a daemon that has seen them, in one process or in workers."""

    warm: bool
    workers: int

    def __str__(self) -> str:
        return f"{'warm' if self.warm else 'cold'}-n{self.workers}"

    @property
    def args(self) -> tuple[str, ...]:
        """What stands between `dx-py` and the test's own arguments."""
        return ("test", *(() if self.warm else ("--no-daemon",)), "-n", str(self.workers))


MODES = tuple(Mode(warm, workers) for warm in (False, True) for workers in (1, 2))
SERIAL_MODES = tuple(mode for mode in MODES if mode.workers == 1)


class Hangs(AssertionError):
    """Something that had to happen did not happen in time."""


def wait_until(happened: Callable[[], T], what: str, patience: float = PATIENCE) -> T:
    """Poll *happened* until it gives something true, and return that."""
    deadline = time.monotonic() + patience
    pause = 0.002
    while True:
        found = happened()
        if found:
            return found
        if time.monotonic() > deadline:
            raise Hangs(f"{what}: not within {patience:g} s")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.05)


def text_of(data: bytes | None) -> str:
    return (data or b"").decode("utf-8", "surrogateescape")


class Started:
    """A command that is running. Its output goes to files, so that no pipe can fill up."""

    def __init__(self, args: Sequence[str], *, cwd: Path, env: dict[str, str], outputs: Path, **popen: object) -> None:
        self.args = list(args)
        self._files = [tempfile.NamedTemporaryFile(dir=outputs, prefix="output-", delete=False) for _ in range(2)]
        options: dict[str, object] = {
            "stdin": subprocess.DEVNULL,
            "stdout": self._files[0],
            "stderr": self._files[1],
            "preexec_fn": default_signals,
            "start_new_session": True,
        }
        self.process = subprocess.Popen(self.args, cwd=cwd, env=env, **{**options, **popen})  # type: ignore[call-overload]
        self._began = time.monotonic()

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def out(self) -> str:
        """What it has written to stdout so far."""
        return text_of(Path(self._files[0].name).read_bytes())

    @property
    def err(self) -> str:
        return text_of(Path(self._files[1].name).read_bytes())

    @property
    def shown(self) -> str:
        return self.out + self.err

    def send(self, number: signal.Signals) -> None:
        """Send a signal, and return when the process has taken it (or has ended)."""
        os.kill(self.pid, number)
        wait_until_taken(self.pid, number)

    def interrupt(self) -> None:
        """What Ctrl-C does where there is no terminal."""
        self.send(signal.SIGINT)

    def wait(self, patience: float = PATIENCE) -> Ended:
        """Its end; a command that takes longer than *patience* is killed, and the test fails."""
        try:
            self.process.wait(patience)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise Hangs(f"{' '.join(self.args)} did not end within {patience:g} s\n{self.out}\n{self.err}") from None
        return Ended(self.process.returncode, self.out, self.err, time.monotonic() - self._began)


def default_signals() -> None:
    """In a new child: a shell's background job ignores SIGINT, and so would everything below it."""
    for number in _TERMINAL_SIGNALS:
        signal.signal(number, signal.SIG_DFL)


@dataclass
class Process:
    """A living process of a place."""

    pid: int
    parent: int
    command: str

    @classmethod
    def read(cls, pid: int) -> Process | None:
        """The process with this id; None if it is gone or a zombie."""
        with suppress(OSError, IndexError, ValueError):
            state, parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:2]
            if state not in "ZX":
                words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
                return cls(pid, int(parent), " ".join(map(text_of, words)).strip())
        return None


def wait_until_taken(pid: int, number: signal.Signals) -> None:
    """Wait until a process that reads its signals from a descriptor has read this one and waits for the next."""

    def taken() -> bool:
        try:
            status = Path(f"/proc/{pid}/status").read_text()
        except OSError:
            return True
        waiting = sum(int(mask, 16) for mask in re.findall(r"^S\w+Pnd:\s*(\w+)$", status, re.MULTILINE))
        state = re.search(r"^State:\s*(\w)", status, re.MULTILINE)
        return not waiting >> (number - 1) & 1 and state is not None and state[1] in "SZXTt"

    wait_until(taken, f"process {pid} takes {number.name}")


def is_alive(pid: int) -> bool:
    """Whether the process exists and has not ended (a zombie has)."""
    return Process.read(pid) is not None


@dataclass
class DxPy:
    """A place: a project, and the circumstances in which commands run on it."""

    root: Path
    env: dict[str, str] = field(default_factory=dict)
    _clock: int = field(default_factory=lambda: int(time.time()) - 100_000)

    @classmethod
    def create(cls) -> DxPy:
        # Directly in /tmp, since a unix socket's path may have 107 bytes.
        root = Path(tempfile.mkdtemp(prefix="dxp-", dir="/tmp"))
        for name in ("project", "home", "tmp", "run", "output"):
            (root / name).mkdir(mode=0o700)
        # As in any project that has been tested before: its appearance would make the first warm level untrue.
        (root / "project" / ".pytest_cache").mkdir()
        place = cls(root)
        place.env = {
            "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(root / "home"),
            "TMPDIR": str(root / "tmp"),
            "LANG": "C.UTF-8",
            "TERM": "dumb",
            "COLUMNS": "80",
            # Whatever else is installed beside the runner must not decide what these tests see.
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "DX_PY_RUNTIME_DIR": str(place.runtime),
            "DX_PY_EXIT_GRACE": "3",
            MARK: str(root),
        }
        return place

    @property
    def project(self) -> Path:
        return self.root / "project"

    @property
    def runtime(self) -> Path:
        return self.root / "run"

    # ---- files

    def write(self, name: str, text: str) -> Path:
        """Write a file of the project. Each version gets a later modification time, in seconds: Python takes bytecode
        for fresh when that and the size agree, so that two versions within one second could be taken for one."""
        path = self.project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text).lstrip("\n"), "utf-8")
        self._clock += 10
        os.utime(path, (self._clock, self._clock))
        return path

    # ---- commands

    def environment(self, changes: dict[str, str | None] | None = None) -> dict[str, str]:
        """The place's environment with *changes*; None removes a variable."""
        env = {**self.env, **(changes or {})}
        return {name: value for name, value in env.items() if value is not None}

    def start(
        self, *args: str, program: str | None = None, env: dict[str, str | None] | None = None, cwd: Path | None = None,
        **popen: object,
    ) -> Started:  # fmt: skip
        """Start `dx-py ARGS` (or *program* with them) and return at once."""
        return Started(
            [program or command(), *args],
            cwd=cwd or self.project,
            env=self.environment(env),
            outputs=self.root / "output",
            **popen,
        )

    def run(self, *args: str, patience: float = PATIENCE, **options: object) -> Ended:
        """`dx-py ARGS` to its end."""
        return self.start(*args, **options).wait(patience)  # type: ignore[arg-type]

    def test(self, *args: str, **options: object) -> Ended:
        """`dx-py test ARGS` to its end."""
        return self.run("test", *args, **options)  # type: ignore[arg-type]

    def pytest(self, *args: str, **options: object) -> Ended:
        """Real pytest with the same circumstances."""
        return self.run(*args, program=real_pytest(), **options)  # type: ignore[arg-type]

    def daemon(self, verb: str, **options: object) -> Ended:
        """`dx-py daemon VERB` to its end."""
        return self.run("daemon", verb, **options)  # type: ignore[arg-type]

    def log(self) -> str:
        """What the daemons of this place have logged."""
        return "".join(path.read_text("utf-8", "replace") for path in sorted(self.runtime.glob("*.log")))

    # ---- processes

    def processes(self) -> list[Process]:
        """Every living process that was started, however indirectly, from this place."""
        mark = f"{MARK}={self.root}".encode()
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if mark in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(Process.read(int(entry.name)))
        return [process for process in found if process is not None]

    def daemon_pid(self) -> int | None:
        """The daemon's process id, if one answers."""
        found = re.match(r"daemon (\d+)", self.daemon("status").out)
        return int(found[1]) if found else None

    def daemon_pids(self) -> list[int]:
        """The processes that listen in the runtime directory, asked of the kernel and not of them."""
        found = []
        for path in self.runtime.glob("*.sock"):
            with socket.socket(socket.AF_UNIX) as sock, suppress(OSError):
                sock.connect(str(path))
                found.append(struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0])
        return found

    def prepare(self, mode: Mode, *args: str) -> None:
        """For a warm mode: let a daemon see the tests once, with the same arguments."""
        if mode.warm:
            first = self.run(*mode.args, *args)
            assert first.code in (0, 1), str(first)

    def stop_daemon(self) -> Ended:
        return self.daemon("stop")

    def wait_until_gone(self, patience: float = 30.0) -> None:
        """Wait until no process of this place is left; fail with their names if some stay."""
        try:
            wait_until(lambda: not self.processes(), "no process left", patience)
        except Hangs as hangs:
            left = "\n".join(f"{process.pid} (child of {process.parent}): {process.command}" for process in self.processes())
            raise Hangs(f"{hangs}\n{left}\n--- log\n{self.log()}") from None

    def leave_nothing(self) -> None:
        """Stop the daemon and check that nothing stays."""
        self.stop_daemon()
        self.wait_until_gone()

    def kill_everything(self) -> None:
        """Without regard for anything; for the end of a test."""
        deadline = time.monotonic() + 10
        while (left := self.processes()) and time.monotonic() < deadline:
            for process in left:
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(process.pid, signal.SIGKILL)
            time.sleep(0.005)

    def remove(self) -> None:
        self.kill_everything()
        shutil.rmtree(self.root, ignore_errors=True)
