"""The rim of a watch: changed files, keys, signals, the runs' processes, the clock and the terminal."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import termios
import time
import tty
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dx_py_test_runner._native import Changes
from dx_py_test_runner.history import store
from dx_py_test_runner.watch.files import folders, is_watched
from dx_py_test_runner.watch.plan import Action, Ask, Say, Start, Stop, Verdict, Watch

_QUIET = 0.008
"""Seconds without a change after which a save counts as finished: editors write, rename and remove within less."""

_PATIENCE = 0.1
"""Seconds after which the changes so far count as a save, even when there are more."""

_GRACE = 5.0
"""Seconds that a run gets to end when the watch does."""


class Loop:
    """One watch in the current folder.

    :param launcher: the ``dx-py`` command.
    :param args: the user's arguments, without ``--watch``.
    :param tell: a file that says at any time what fails, for programs.
    """

    def __init__(self, launcher: str, args: tuple[str, ...], tell: str | None = None) -> None:
        self._launcher = launcher
        self._told_to = tell
        self._watch = Watch(args, root=os.getcwd())
        self._selector = selectors.DefaultSelector()
        self._changes = Changes()
        self._watched: set[str] = set()
        self._seen: dict[str, None] = {}
        """Changed files since the last save that was told, in order."""
        self._first_seen = self._last_seen = 0.0
        self._run: subprocess.Popen[bytes] | None = None
        self._tells = Changes()
        """Of the folder in which a run leaves its verdict."""
        self._is_judged = False
        """Whether the run that is still there has said its verdict: it only remembers, and ends."""
        self._next: tuple[str, ...] | None = None
        """The arguments of the run that begins when it has ended."""
        self._handle = -1
        self._keys = os.isatty(0) and os.isatty(1)
        self._left: int | None = None
        self._folder = tempfile.TemporaryDirectory(prefix="dx-py-watch-")
        self._verdict = os.path.join(self._folder.name, "verdict")

    def run(self) -> int:
        """Watch until the user leaves; returns the exit code."""
        self._look_at(os.getcwd())
        self._selector.register(self._changes, selectors.EVENT_READ, self._on_change)
        self._tells.add(self._folder.name)
        self._selector.register(self._tells, selectors.EVENT_READ, self._on_tell)
        with self._folder, self._signals(), self._terminal():
            try:
                self._do(self._watch.begin())
                while self._left is None:
                    for key, _events in self._selector.select(self._timeout()):
                        key.data()
                    self._tell_saves()
            finally:
                self._end_run()
        return self._left

    # ---- files

    def _look_at(self, top: str) -> None:
        """Watch a folder and those below it."""
        for folder in folders(top):
            if folder in self._watched:
                continue
            try:
                self._changes.add(folder)
            except FileNotFoundError:
                continue
            except OSError as error:
                self._say(
                    f"cannot watch {folder} and what follows: {error.strerror}. "
                    "Raise fs.inotify.max_user_watches, or press enter after a save there."
                )
                return
            self._watched.add(folder)

    def _on_change(self) -> None:
        changed, lost = self._changes.read()
        for path, is_folder in changed:
            if not is_watched(os.path.basename(path), folder=is_folder):
                continue
            if is_folder:
                self._on_folder(path)
            else:
                self._note(path)
        if lost:
            # Whatever it was: the run itself looks at everything.
            self._look_at(os.getcwd())
            self._note(os.getcwd())

    def _on_folder(self, path: str) -> None:
        """One that is new has been filled, perhaps, before it was watched; one that is gone may come again."""
        self._watched = {folder for folder in self._watched if folder != path and not folder.startswith(path + os.sep)}
        self._note(path)
        self._look_at(path)

    def _note(self, path: str) -> None:
        now = time.monotonic()
        if not self._seen:
            self._first_seen = now
        self._last_seen = now
        self._seen[path] = None

    def _timeout(self) -> float | None:
        # A save that comes while a run remembers is told when that has ended: nothing is there to be stopped.
        if not self._seen or (self._run is not None and self._is_judged):
            return None
        return max(0.0, min(self._last_seen + _QUIET, self._first_seen + _PATIENCE) - time.monotonic())

    def _tell_saves(self) -> None:
        if self._seen and self._timeout() == 0.0 and self._left is None:
            paths, self._seen = list(self._seen), {}
            self._do(self._watch.saved(paths, time.strftime("%H:%M:%S")))

    # ---- the runs

    def _do(self, actions: list[Action]) -> None:
        for action in actions:
            if isinstance(action, Say):
                self._say(action.text)
            elif isinstance(action, Start):
                self._start(action.args)
            elif isinstance(action, Stop):
                self._stop()
            elif isinstance(action, Ask):
                self._ask(action)
            else:
                self._left = action.code

    def _start(self, args: tuple[str, ...]) -> None:
        if self._run is not None:
            self._next = args
            return
        # A process group of its own: Ctrl-C is for the watch, which stops the run as it sees fit.
        command = [self._launcher, "test", "--tell", self._verdict, *args]
        self._run = subprocess.Popen(command, stdin=subprocess.DEVNULL, process_group=0)
        self._is_judged = False
        self._handle = os.pidfd_open(self._run.pid)
        self._selector.register(self._handle, selectors.EVENT_READ, self._on_end)

    def _stop(self) -> None:
        if self._next is None:
            self._signal_run(signal.SIGINT)
        else:
            # It has not begun.
            self._next = None
            self._do(self._watch.ended(Verdict(0, complete=False, whole=False)))

    def _on_tell(self) -> None:
        """Something has changed where runs leave their verdicts."""
        self._tells.read()
        if self._run is not None and not self._is_judged and (verdict := _read_verdict(self._verdict)) is not None:
            self._is_judged = True
            self._judge(verdict)

    def _on_end(self) -> None:
        assert self._run is not None
        self._on_tell()
        self._selector.unregister(self._handle)
        os.close(self._handle)
        code = self._run.wait()
        self._run = None
        if not self._is_judged:
            # It had no time for that.
            self._judge(Verdict(code, complete=code >= 0, whole=False))
        args, self._next = self._next, None
        if args is not None:
            self._start(args)

    def _judge(self, verdict: Verdict) -> None:
        actions = self._watch.ended(verdict)
        if self._told_to is not None and not any(isinstance(action, Start) for action in actions):
            self._tell(self._told_to)
        self._do(actions)

    def _tell(self, path: str) -> None:
        """Say what fails, now that nothing is waited for but a save."""
        told = {"code": self._watch.code, "failing": list(self._watch.failing)}
        try:
            store.write(Path(path), json.dumps(told).encode())
        except OSError as error:
            self._say(f"{path} cannot be written: {error.strerror}")

    def _signal_run(self, number: signal.Signals) -> None:
        if self._run is not None:
            with suppress(ProcessLookupError):
                self._run.send_signal(number)

    def _end_run(self) -> None:
        if self._run is not None and self._is_judged:
            with suppress(subprocess.TimeoutExpired):
                self._run.wait(_GRACE)
                self._run = None
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            if self._run is None:
                return
            self._signal_run(number)
            with suppress(subprocess.TimeoutExpired):
                self._run.wait(_GRACE)
                self._run = None

    # ---- the user

    def _say(self, text: str) -> None:
        with suppress(BrokenPipeError):
            sys.stdout.write("".join(f"watch: {line}\n" for line in text.splitlines()))
            sys.stdout.flush()

    @contextmanager
    def _terminal(self) -> Iterator[None]:
        """Keys come one by one and are not shown."""
        if not self._keys:
            yield
            return
        self._before = termios.tcgetattr(0)
        tty.setcbreak(0)
        self._selector.register(0, selectors.EVENT_READ, self._on_key)
        try:
            yield
        finally:
            termios.tcsetattr(0, termios.TCSADRAIN, self._before)

    def _on_key(self) -> None:
        typed = os.read(0, 64).decode("utf-8", "replace")
        if not typed:
            # The terminal is gone.
            self._left = self._watch.code
        for key in typed:
            self._do(self._watch.key(key))

    def _ask(self, action: Ask) -> None:
        termios.tcsetattr(0, termios.TCSADRAIN, self._before)
        try:
            typed = input(f"watch: {action.question}: ")
        except (EOFError, KeyboardInterrupt):
            self._say("as before")
            return
        finally:
            tty.setcbreak(0)
        self._do(action.answer(typed))

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """Signals arrive as bytes in the loop, never in between."""
        reading, writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

        def on_signal() -> None:
            for number in os.read(reading, 64):
                if number == signal.SIGINT:
                    self._do(self._watch.interrupted())
                else:
                    self._left = 128 + number

        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        before = [signal.signal(number, lambda *_: None) for number in numbers]
        wakeup = signal.set_wakeup_fd(writing)
        self._selector.register(reading, selectors.EVENT_READ, on_signal)
        try:
            yield
        finally:
            self._selector.unregister(reading)
            signal.set_wakeup_fd(wakeup)
            for number, handler in zip(numbers, before, strict=True):
                signal.signal(number, handler)
            os.close(reading)
            os.close(writing)


def _read_verdict(path: str) -> Verdict | None:
    """What a run has told, or None if it has not."""
    try:
        with open(path, encoding="utf-8") as file:
            told = json.load(file)
        os.unlink(path)
    except (OSError, ValueError):
        return None
    return Verdict(told["code"], tuple(told["failing"]), frozenset(told["ran"]), told["complete"], told["whole"])
