"""The supervisor's loop: requests in, forks asked of the tower, deaths explained.

One process, one thread, no user code. With a listening socket it is the *daemon*; without one it serves the launcher
that spawned it and ends. What to do is decided in ``plan.py`` and ``explain.py``; here are only sockets and processes.
"""

from __future__ import annotations

import collections
import os
import select
import selectors
import signal
import socket
import sys
import time
from typing import Any

from dx_py_test_runner.daemon import explain, lifecycle
from dx_py_test_runner.daemon.known import Level, Run
from dx_py_test_runner.daemon.plan import Candidate, order_levels
from dx_py_test_runner.wire import frames
from dx_py_test_runner.wire.deaths import LOST_DESCRIPTORS
from dx_py_test_runner.wire.channel import Channel, ChannelClosed

_DEATH_GRACE = 2.0
"""Seconds between a run's channel closing and its parent's word on how it ended."""

_MOST_BASES = 3
"""How many base processes one attempt at a run may try before it is given up."""

_HANGUP_GRACE = 1.0
"""Seconds a run gets to end after its launcher is gone."""


class Supervisor:
    """Serves runs until nobody needs it any more.

    :param first_base: process id and channel of a base that is loading already, in this process's own environment.
    """

    def __init__(self, first_base: tuple[int, Channel]) -> None:
        self._first_base: tuple[int, Channel] | None = first_base
        self._selector = selectors.DefaultSelector()
        self.levels: list[Level] = []
        self.runs: dict[int, Run] = {}
        self._number = 0
        self._listener: socket.socket | None = None
        self._lock = -1
        self._born: os.stat_result | None = None
        self._socket_path = ""
        self._build = b""
        self._code: lifecycle.OwnCode | None = None
        self._leaving = False
        self._grown = False
        self._last_use = time.monotonic()
        self._base_children: set[int] = set()
        self._notes: collections.deque[str] = collections.deque(maxlen=200)

    # ---- life

    def serve_spawned(self, control: socket.socket) -> int:
        """Serve the launcher that started this process; stay as a daemon if it asked for one."""
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        request, fds = frames.receive_request(control)
        self._build = request.build
        if request.want_daemon and request.socket_path:
            self._become_daemon(request)
        self._accept_request(control, request, fds)
        self._loop()
        return 0

    def _become_daemon(self, request: frames.Request) -> None:
        try:
            self._listener, self._lock = lifecycle.listen(request.socket_path)
        except lifecycle.NotListening as reason:
            self._log(f"not listening: {reason}")
            return
        self._socket_path = request.socket_path
        self._born = os.stat(request.socket_path)
        self._code = lifecycle.OwnCode()
        self._listener.setblocking(False)
        self._selector.register(self._listener, selectors.EVENT_READ, self._on_connect)

    def _loop(self) -> None:
        while not self._finished():
            for key, _events in self._selector.select(self._patience()):
                # An earlier event of this round may have ended what this one is about.
                if self._selector.get_map().get(key.fd) == key:
                    key.data()
            self._reap_own_children()
            self._look_after_deaths()
        self._close()

    def _finished(self) -> bool:
        if self.runs:
            return False
        if self._listener is None or self._leaving:
            return True
        if not lifecycle.owns(self._socket_path, self._listener, self._born):
            return True
        return time.monotonic() - self._last_use > lifecycle.IDLE_SECONDS

    def _patience(self) -> float | None:
        waits = [run.ended_at + _DEATH_GRACE for run in self.runs.values() if run.ended_at]
        waits += [run.hung_up_at + _HANGUP_GRACE for run in self.runs.values() if run.hung_up_at]
        if waits:
            return max(0.0, min(waits) - time.monotonic())
        return None if self._listener is None else 5.0

    def _close(self) -> None:
        if self._listener is not None:
            if lifecycle.owns(self._socket_path, self._listener, self._born):
                os.unlink(self._socket_path)
            self._listener.close()
        for level in list(self.levels):
            self._drop(level)

    def _log(self, text: str) -> None:
        if self._listener is not None:
            sys.stderr.write(f"{time.strftime('%H:%M:%S')} {text}\n")
            sys.stderr.flush()

    def _reap_own_children(self) -> None:
        while self._base_children:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                self._base_children.clear()
                return
            if pid == 0:
                return
            self._base_children.discard(pid)
            self._on_exited(pid, status)

    # ---- clients

    def _on_connect(self) -> None:
        assert self._listener is not None
        try:
            control, _addr = self._listener.accept()
        except OSError:
            return
        if lifecycle.peer_uid(control) != os.getuid():
            control.close()
            return
        control.settimeout(2.0)
        try:
            request, fds = frames.receive_request(control)
        except (frames.ProtocolError, OSError) as error:
            self._log(f"bad request: {error}")
            self._refuse(control, f"unreadable request: {error}")
            return
        control.settimeout(None)
        self._last_use = time.monotonic()
        reason = self._why_refuse(request)
        if reason:
            for fd in fds:
                os.close(fd)
            self._refuse(control, reason)
        else:
            self._accept_request(control, request, fds)

    def _why_refuse(self, request: frames.Request) -> str:
        if self._leaving:
            return "the daemon is stopping"
        if request.argv[:1] == ["daemon"]:
            return ""
        if request.build != self._build or (self._code is not None and self._code.changed()):
            self.leave()
            return "the daemon runs another build"
        if not lifecycle.can_have_limits(request.rlimits):
            self.leave()
            return "the daemon was started under lower resource limits, which it cannot raise"
        return ""

    def leave(self) -> None:
        """Stop listening, so that the next launcher starts a daemon of its own; runs in progress end first."""
        self._leaving = True
        if self._listener is not None:
            self._selector.unregister(self._listener)
            if lifecycle.owns(self._socket_path, self._listener, self._born):
                os.unlink(self._socket_path)
            os.close(self._lock)

    def _refuse(self, control: socket.socket, reason: str) -> None:
        try:
            frames.send_frame(control, frames.REFUSED, frames.text(reason.encode()))
        except OSError:
            pass
        control.close()

    def _accept_request(self, control: socket.socket, request: frames.Request, fds: list[int]) -> None:
        self._number += 1
        run = Run(self._number, control, request, fds)
        if request.argv[:1] == ["daemon"]:
            self._own_verb(run)
            return
        self.runs[run.number] = run
        self._selector.register(control, selectors.EVENT_READ, lambda: self._on_control(run))
        self._start(run)
        if self._listener is not None and self._number == 1:
            lifecycle.open_log(self._socket_path)

    def _own_verb(self, run: Run) -> None:
        from dx_py_test_runner.daemon import verbs

        if run.request.args[:1] == ["stop"]:
            self.leave()
        text, code = verbs.answer(run.request.args, self.levels, len(self.runs), self._notes)
        try:
            os.write(run.fds[1], text.encode())
            frames.send_frame(run.control, frames.EXIT, bytes([code]))
        except OSError:
            pass
        for fd in run.fds:
            os.close(fd)
        run.control.close()

    def _on_control(self, run: Run) -> None:
        """The launcher never sends after its request: whatever comes now is its end."""
        self._selector.unregister(run.control)
        if not run.done:
            run.hung_up_at = time.monotonic()
            self._kill(run, signal.SIGHUP)

    def _kill(self, run: Run, number: signal.Signals) -> None:
        if run.pid:
            for target in (os.killpg, os.kill):
                try:
                    target(run.pid, number)
                    return
                except OSError:
                    continue

    # ---- starting

    def _start(self, run: Run) -> None:
        """Ask the best level that has not been asked yet; make a new base when there is none left."""
        candidates = [self._candidate(level) for level in self.levels if level not in run.asked]
        wanted = order_levels(candidates, run.request.cwd, tuple(run.request.argv), fresh="crashed_files" in run.carry)
        for candidate in wanted:
            if self._ask(run, candidate.level):
                return
        bases = sum(level.name == "base" for level in run.asked)
        if bases > _MOST_BASES or not self._ask(run, self._new_base(run)):
            self._give_up(run, "the process that should have loaded the project could not be started")

    @staticmethod
    def _candidate(level: Level) -> Candidate:
        return Candidate(level, level.name, level.cwd, level.argv, level.used, level.stale)

    def _ask(self, run: Run, level: Level) -> bool:
        run.asked.append(level)
        request = run.request
        message = {
            "op": "run",
            "run": run.number,
            "argv": request.argv,
            "env": request.env,
            "cwd": request.cwd,
            "umask": request.umask,
            "rlimits": request.rlimits,
            "closed": list(request.closed_fds),
            "ignored": list(request.ignored_signals),
            "levels": self._listener is not None and not self._leaving,
            "carry": run.carry,
        }
        state = run.state_fds[1:2]
        try:
            level.channel.send(message, [*run.fds, run.control.fileno(), *state])
        except ChannelClosed:
            self._drop(level)
            return False
        return True

    def _new_base(self, run: Run) -> Level:
        pid, channel = self._first_base or self._start_base(run)
        self._first_base = None
        self._base_children.add(pid)
        level = Level("base", pid, channel)
        self._add_level(level)
        return level

    @staticmethod
    def _start_base(run: Run) -> tuple[int, Channel]:
        """In the environment that the run asks for."""
        import subprocess

        ours, theirs = Channel.pair()
        # Popen would wait for the exec; its object is dropped, the pid is reaped with the others.
        pid = subprocess.Popen(
            [lifecycle.interpreter(), "-c", lifecycle.BOOT, "base", str(theirs.fileno())],
            env=run.request.env,
            cwd=run.request.cwd,
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
        ).pid
        theirs.close()
        return pid, ours

    def _add_level(self, level: Level) -> None:
        self.levels.append(level)
        self._selector.register(level.channel, selectors.EVENT_READ, lambda: self._on_level(level))

    def _drop(self, level: Level) -> None:
        """Ask it nothing more. It answers what it has been asked before, then ends, which closes its channel."""
        if level in self.levels:
            self.levels.remove(level)
            try:
                level.channel.send({"op": "quit"})
            except ChannelClosed:
                pass

    # ---- what the tower says

    def _on_level(self, level: Level) -> None:
        try:
            message, fds = level.channel.receive()
        except ChannelClosed:
            self._on_level_gone(level)
            return
        self._on_message(level, message, fds)

    def _on_level_gone(self, level: Level) -> None:
        """What it was asked and has not answered goes to others."""
        if level in self.levels:
            self.levels.remove(level)
        self._selector.unregister(level.channel)
        level.channel.close()
        for run in list(self.runs.values()):
            if run.asked and run.asked[-1] is level and not run.pid and not run.done:
                self._start(run)

    def _on_message(self, level: Level | None, message: dict[str, Any], fds: list[int]) -> None:
        run = self.runs.get(message.get("run", 0))
        operation = message["op"]
        if operation == "exited":
            self._on_exited(message["pid"], message["status"])
            if level is not None and level.spare == message["pid"]:
                level.spare = 0
        elif operation == "spare":
            assert level is not None
            self._on_spare(level, message["pid"])
        elif run is None:
            for fd in fds:
                os.close(fd)
        elif operation == "forked":
            if level is not None:
                level.used = time.monotonic()
                level.stale = False
                if level.spare == message["pid"]:
                    level.spare = 0
            self._adopt(run, message["pid"], Channel.from_fd(fds[0]))
        elif operation == "became":
            assert level is not None
            self._become(level, run)
        elif operation in ("unfit", "stale"):
            self._log(f"run {run.number}: {message['level']} is {operation}: {message['why']}")
            if operation == "stale" and level is not None:
                self._on_stale(level, lasting=message["lasting"])
            self._start(run)
        elif operation == "state":
            for fd in run.state_fds:
                os.close(fd)
            run.state_fds = fds
            if run.hung_up_at:
                self._kill(run, signal.SIGHUP)
        elif operation == "compile":
            run.compiler.start(fds[0])
        elif operation == "done":
            run.done = True
            # Who reads its output to the end shall not wait for the process's own end.
            for fd in run.fds:
                os.close(fd)
            run.fds = []
        elif operation == "note":
            self._notes.append(message["text"])
            self._log(f"run {run.number}: {message['text']}")

    def _on_stale(self, level: Level, *, lasting: bool) -> None:
        """*lasting*: it will not be true again."""
        if lasting:
            self._drop(level)
            return
        level.stale = True
        from dx_py_test_runner.daemon.plan import overdue

        for candidate in overdue([self._candidate(one) for one in self.levels]):
            self._drop(candidate.level)

    def _on_spare(self, level: Level, pid: int) -> None:
        level.spare = pid
        level.spares += 1
        if level.spares <= 2:
            # The second knows what the first has learnt. Later ones need no more memory.
            self._grown = True
            self._shed_if_idle()

    def _adopt(self, run: Run, pid: int, channel: Channel) -> None:
        run.pid, run.channel, run.ended_at = pid, channel, None
        self._selector.register(channel, selectors.EVENT_READ, lambda: self._on_run(run, channel))

    def _become(self, level: Level, run: Run) -> None:
        """A base without a future serves its only run itself. It is our own child: nobody else tells how it ends."""
        self.levels.remove(level)
        self._selector.unregister(level.channel)
        self._adopt(run, level.pid, level.channel)
        handle = os.pidfd_open(level.pid)

        def on_end() -> None:
            self._selector.unregister(handle)
            os.close(handle)

        self._selector.register(handle, selectors.EVENT_READ, on_end)

    def _on_run(self, run: Run, channel: Channel) -> None:
        try:
            message, fds = channel.receive()
        except ChannelClosed:
            self._selector.unregister(channel)
            channel.close()
            if run.channel is channel:
                run.channel = None
                if run.done:
                    self._forget(run)
                elif run.ended_at is None:
                    run.ended_at = time.monotonic()
            return
        if message["op"] == "level":
            self._promote(run, channel, message, fds)
        else:
            self._on_message(None, message, fds)

    def _promote(self, run: Run, channel: Channel, message: dict[str, Any], fds: list[int]) -> None:
        """The process that served *run* has become a level; its fork goes on with the run."""
        self._selector.unregister(channel)
        level = Level(
            message["name"],
            message["pid"],
            channel,
            message["cwd"],
            tuple(run.request.argv),
            time.monotonic(),
            message["facts"],
        )
        self._add_level(level)
        self._grown = True
        self._adopt(run, message["child"], Channel.from_fd(fds[0]))
        self._evict()

    def _shed_if_idle(self) -> None:
        if self._grown and not self.runs:
            self._grown = False
            self._shed()

    def _shed(self) -> None:
        """Hold no more memory than is ours between runs."""
        from dx_py_test_runner.daemon.plan import surplus

        ceiling = lifecycle.memory_ceiling()
        sizes = [(self._candidate(level), level.memory()) for level in self.levels]
        for candidate in surplus(sizes, ceiling):
            self._log(f"{candidate.name} level given up: more than {ceiling >> 20} MiB of memory in all")
            self._drop(candidate.level)

    def _evict(self) -> None:
        from dx_py_test_runner.daemon.plan import KEEP

        for name, most in KEEP.items():
            of_kind = sorted((level for level in self.levels if level.name == name), key=lambda level: level.used)
            for level in of_kind[: max(0, len(of_kind) - most)]:
                self._drop(level)

    # ---- ends

    def _on_exited(self, pid: int, status: int) -> None:
        for run in list(self.runs.values()):
            if run.pid == pid:
                self._hear_out(run)
            if run.pid == pid and run.number in self.runs:
                if run.done:
                    self._forget(run)
                else:
                    self._died(run, status)

    def _hear_out(self, run: Run) -> None:
        """Its last words may have come after the events of this round were asked for."""
        while run.channel is not None and select.select([run.channel], [], [], 0)[0]:
            self._on_run(run, run.channel)

    def _look_after_deaths(self) -> None:
        now = time.monotonic()
        for run in list(self.runs.values()):
            if run.ended_at and not run.done and now - run.ended_at >= _DEATH_GRACE:
                self._died(run, self._end_speechless(run.pid))
            elif run.hung_up_at and now - run.hung_up_at >= _HANGUP_GRACE:
                self._kill(run, signal.SIGKILL)
                self._forget(run)

    def _end_speechless(self, pid: int) -> int | None:
        """A run whose channel is closed and whose end nobody has told may live: without its descriptors it can say
        nothing any more, and must not go on beside the process that takes over. Returns its wait status, if it lived."""
        try:
            handle = os.pidfd_open(pid)
        except OSError:
            return None
        try:
            if select.select([handle], [], [], 0)[0]:
                return None
            signal.pidfd_send_signal(handle, signal.SIGKILL)
            select.select([handle], [], [], _DEATH_GRACE)
            return LOST_DESCRIPTORS << 8
        except OSError:
            return None
        finally:
            os.close(handle)

    def _died(self, run: Run, status: int | None) -> None:
        """A run's process ended without finishing: resume in a fresh one, or tell the user what was lost."""
        run.ended_at, run.pid = None, 0
        if run.channel is not None:
            self._selector.unregister(run.channel)
            run.channel.close()
            run.channel = None
        if run.hung_up_at:
            self._forget(run)
            return
        verdict = explain.decide(status, run.state_fds, run.carry)
        self._log(f"run {run.number} died: {verdict}")
        if verdict.carry is not None:
            run.carry = verdict.carry
            run.asked = []
            self._start(run)
        elif not verdict.text:
            self._forget(run)
        else:
            self._give_up(run, verdict.text)

    def _give_up(self, run: Run, text: str) -> None:
        try:
            frames.send_frame(run.control, frames.TEXT, f"dx-py: {text}\n".encode())
            frames.send_frame(run.control, frames.EXIT, bytes([explain.INTERNAL_ERROR]))
        except OSError:
            pass
        run.done = True
        self._forget(run)

    def _forget(self, run: Run) -> None:
        if self.runs.pop(run.number, None) is None:
            return
        self._last_use = time.monotonic()
        run.compiler.end()
        try:
            self._selector.unregister(run.control)
        except KeyError:
            pass
        run.control.close()
        if run.channel is not None:
            self._selector.unregister(run.channel)
            run.channel.close()
        for fd in [*run.fds, *run.state_fds]:
            os.close(fd)
        self._shed_if_idle()
