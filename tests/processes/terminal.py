"""A command on a pseudo-terminal: what it shows, and a hand on its keyboard."""

from __future__ import annotations

import difflib
import errno
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from dxpy import PATIENCE, DxPy, Ended, Hangs, command, default_signals, wait_until, wait_until_taken

INTERRUPT = "\x03"
"""What Ctrl-C types."""


class Terminal:
    """One command that has a terminal of its own as its controlling terminal and as its stdin, stdout and stderr."""

    def __init__(
        self, args: Sequence[str], *, cwd: Path, env: dict[str, str], columns: int = 80, rows: int = 24
    ) -> None:
        self.args = list(args)
        self.master, slave = pty.openpty()
        self._seen = bytearray()
        self._read_so_far = 0
        self._hung_up = False
        self.resize(columns, rows)
        self.process = subprocess.Popen(
            self.args, cwd=cwd, env=env, stdin=slave, stdout=slave, stderr=slave, preexec_fn=_take_terminal
        )
        self._began = time.monotonic()
        os.close(slave)

    @classmethod
    def dx_py(cls, place: DxPy, *args: str, env: dict[str, str | None] | None = None, **size: int) -> Terminal:
        """`dx-py ARGS` on a terminal of a place."""
        return cls.program(place, command(), *args, env=env, **size)

    @classmethod
    def program(cls, place: DxPy, *args: str, env: dict[str, str | None] | None = None, **size: int) -> Terminal:
        """Any command on a terminal of a place. The terminal, not a variable, says how wide it is."""
        changes = {"TERM": "xterm", "COLUMNS": None, **(env or {})}
        return cls(args, cwd=place.project, env=place.environment(changes), **size)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_exception: object) -> None:
        with suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait()
        self.close()

    def close(self) -> None:
        """Close the window: whoever has the terminal gets SIGHUP."""
        if self.master >= 0:
            os.close(self.master)
            self.master = -1

    # ---- the keyboard

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def interrupt(self) -> None:
        """Ctrl-C: the terminal sends SIGINT to its foreground process group. Returns when the command has taken it."""
        echoes = self.shown.count("^C")
        self.type(INTERRUPT)
        # The terminal shows it after it has sent the signal.
        wait_until(lambda: self.shown.count("^C") > echoes or self.process.poll() is not None, "Ctrl-C is shown")
        wait_until_taken(self.process.pid, signal.SIGINT)

    def resize(self, columns: int, rows: int = 24) -> None:
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    # ---- the screen

    @property
    def shown(self) -> str:
        """All that has been written to the terminal so far."""
        self._read(0)
        return self._seen.decode("utf-8", "replace")

    def read_until(self, pattern: str, patience: float = PATIENCE) -> str:
        """Wait for *pattern* in what comes after the last match; returns the text up to its end."""
        deadline = time.monotonic() + patience
        while True:
            text = self._seen[self._read_so_far :].decode("utf-8", "replace")
            found = re.search(pattern, text)
            if found:
                upto = text[: found.end()]
                self._read_so_far += len(upto.encode("utf-8", "replace"))
                return upto
            ended = self._hung_up or (self.process.poll() is not None and not self._read(0.2))
            if ended or time.monotonic() > deadline:
                raise Hangs(f"{pattern!r} was not shown ({'ended' if ended else 'still waiting'}):\n{self.shown}")
            self._read(0.2)

    def wait(self, patience: float = PATIENCE) -> Ended:
        """The command's end, after everything it wrote has been read."""
        deadline = time.monotonic() + patience
        while self.process.poll() is None:
            if time.monotonic() > deadline:
                raise Hangs(f"{' '.join(self.args)} did not end within {patience:g} s:\n{self.shown}")
            self._read(0.05)
        while self._read(0):
            pass
        return Ended(self.process.returncode, self.shown, "", time.monotonic() - self._began)

    def wait_until_released(self, patience: float = 30.0) -> None:
        """Wait until no process has the terminal open any more; only then would a closed window's shell end."""
        deadline = time.monotonic() + patience
        while not self._hung_up:
            if time.monotonic() > deadline:
                raise Hangs(f"some process still holds the terminal after {patience:g} s")
            self._read(0.1)

    def _read(self, patience: float) -> bool:
        """Take in what the terminal has to show; False if there was nothing."""
        if self._hung_up or not select.select([self.master], [], [], patience)[0]:
            return False
        try:
            piece = os.read(self.master, 1 << 16)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            piece = b""
        self._hung_up = not piece
        self._seen += piece
        return bool(piece)


def _take_terminal() -> None:
    """In the new child: a session whose controlling terminal is its stdin."""
    default_signals()
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def without_colours(text: str) -> str:
    return COLOUR.sub("", text)


def layout(shown: str) -> list[str]:
    """A screen's lines as they look in the end, colours included, without times, addresses and the name that the
    interpreter goes by (a virtual environment has it under several).

    A line that was rewritten (pytest counts aloud while it collects) is what was written last.
    """
    lines = [line.rstrip("\r").rpartition("\r")[2] for line in shown.split("\n")]
    for pattern, replacement in _NOISE:
        lines = [pattern.sub(replacement, line) for line in lines]
    return lines


_NOISE = (
    (re.compile(r"\d+\.\d\ds\b"), "<T>.<TT>s"),
    (re.compile(r"0x[0-9a-f]{6,}"), "0x<ADDRESS>"),
    (re.compile(r"(pluggy-\S+ -- \S+/python)[\d.]*$"), r"\1"),
)


def check_same(ours: tuple[int, list[str]], wanted: tuple[int, list[str]]) -> None:
    """Fail with the lines that differ between two exit codes and screens."""
    __tracebackhide__ = True
    lines = difflib.unified_diff(wanted[1], ours[1], "pytest", "dx-py", lineterm="", n=1)
    if ours != wanted:
        raise AssertionError("\n".join([f"exit {ours[0]}, pytest's is {wanted[0]}", *map(repr, lines)]))
