"""Becoming the client's process: descriptors, environment, directory, limits, randomness.

A forked child starts as a copy of a process that served, or was started for, somebody else. After :func:`enter`
(from the base) or :func:`reenter` (from a level with a configuration) nothing of that is left that a test could see.
"""

from __future__ import annotations

import fcntl
import importlib
import io
import os
import random
import resource
import signal
import stat
import sys
import tempfile
from typing import Any

from dx_py_test_runner.tower.job import Job


class EnvironmentDelta:
    """What loading did to ``os.environ``: replayed on top of each client's own environment.

    :param before: the client's environment.
    """

    def __init__(self, before: dict[bytes, bytes]) -> None:
        self.before = before
        self.changed: dict[bytes, bytes | None] = {}

    def close(self, written: set[bytes]) -> None:
        """Compute the difference between the start of loading and now.

        :param written: variables that were set, perhaps to what they were.
        """
        now = dict(os.environb)
        self.changed = {name: value for name, value in now.items() if self.before.get(name) != value}
        self.changed.update({name: None for name in self.before if name not in now})
        self.changed.update({name: now.get(name) for name in written})


def enter(job: Job) -> None:
    """Make the base's child look like a fresh process of the client."""
    _take_descriptors(job, {0: [0], 1: [1], 2: [2]})
    _take_circumstances(job)
    _set_environment(job.env, _set_by_the_interpreter())
    bin_dir = os.path.dirname(sys.executable)
    sys.argv[:] = [os.path.join(bin_dir, "pytest"), *job.args]
    # The pytest command's own folder is sys.path[0] there; ours takes no part in imports.
    if not sys.flags.safe_path:
        sys.path.insert(0, bin_dir)
    importlib.invalidate_caches()
    _name_main_module(sys.argv[0])
    _fresh_streams()


def _name_main_module(script: str) -> None:
    """``multiprocessing`` and its like import the main module again, by its file, in the processes that they spawn."""
    if os.path.exists(script):
        main = sys.modules["__main__"]
        main.__file__, main.__cached__ = script, None  # type: ignore[attr-defined]


def started_with() -> dict[bytes, bytes]:
    """The environment that this process, or the one it is forked from, was given when it was started."""
    with open("/proc/self/environ", "rb") as file:
        return dict(entry.partition(b"=")[::2] for entry in file.read().split(b"\0") if b"=" in entry)


def _set_by_the_interpreter() -> dict[bytes, bytes | None]:
    """What Python put into its own environment at its start: LC_CTYPE, in the C locale (PEP 538)."""
    before = started_with()
    return {name: value for name, value in os.environb.items() if name == b"LC_CTYPE" and name not in before}


def printed_while_loading() -> tuple[bytes, bytes]:
    """What went to the real stdout and stderr since :func:`enter`."""
    for stream in (sys.__stdout__, sys.__stderr__):
        if stream is not None:
            stream.flush()
    return bytes(_PRINTED[1]), bytes(_PRINTED[2])


def forget_printed() -> None:
    """Stop keeping what is printed: tests are about to run."""
    for kept in _PRINTED.values():
        kept.clear()
    _Remembering.on = False


_PRINTED = {1: bytearray(), 2: bytearray()}

_PRINTED_LIMIT = 1 << 20


class _Remembering(io.FileIO):
    """A standard stream's raw file that keeps a copy of what loading prints: every warm run has to print it, too."""

    on = True

    def write(self, data: Any) -> int:
        written = super().write(data)
        kept = _PRINTED[self.fileno()]
        if self.on and written and len(kept) < _PRINTED_LIMIT:
            kept += bytes(data[:written])
        return written


def reenter(job: Job, config: Any, delta: EnvironmentDelta) -> None:
    """Make the child of a configured or collected level, with captures of its own, serve its own client."""
    _take_descriptors(job, held_streams(config))
    _take_circumstances(job)
    _set_environment(job.env, delta.changed)
    sys.argv[1:] = job.args
    importlib.invalidate_caches()
    for stream in (sys.__stdin__, sys.__stdout__, sys.__stderr__):
        if stream is not None and hasattr(stream, "reconfigure"):
            lines = not stream.write_through and (stream is sys.__stderr__ or stream.isatty())
            stream.reconfigure(line_buffering=lines)


def let_go(config: Any) -> None:
    """In a process that stays behind as a level: hold nothing of the client's terminal or pipes."""
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for numbers in held_streams(config).values():
        for target in numbers:
            os.dup2(null, target, inheritable=target <= 2)
    os.close(null)


def open_files(known: set[int]) -> dict[int, int]:
    """Regular files that loading left open for reading, by descriptor, with their positions."""
    found = {}
    for name in os.listdir("/proc/self/fd"):
        fd = int(name)
        try:
            if fd > 2 and fd not in known and stat.S_ISREG(os.fstat(fd).st_mode) and not _writes(fd):
                found[fd] = os.lseek(fd, 0, os.SEEK_CUR)
        except OSError:
            continue
    return found


def reopen_files(positions: dict[int, int]) -> None:
    """After a fork: forks share a file's position, and each run shall find it where loading left it."""
    for fd, position in positions.items():
        try:
            fresh = os.open(f"/proc/self/fd/{fd}", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            continue
        os.lseek(fresh, position, os.SEEK_SET)
        os.dup2(fresh, fd, inheritable=os.get_inheritable(fd))
        os.close(fresh)


def _writes(fd: int) -> bool:
    return fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE != os.O_RDONLY


def _take_descriptors(job: Job, targets: dict[int, list[int]]) -> None:
    """Put the client's descriptors where the copies of our predecessor's are."""
    for source, fd in enumerate(job.fds):
        for target in targets[source]:
            os.dup2(fd, target, inheritable=target <= 2)
    for fd in job.fds:
        os.close(fd)
    job.fds = []
    for fd in job.closed:
        os.close(fd)


def renew_capture(config: Any) -> None:
    """Forks share a file's position and content: each process captures into files of its own."""
    for part in _capturing_parts(config).values():
        _renew_temporary_file(part)


def held_streams(config: Any) -> dict[int, list[int]]:
    """Every descriptor through which this process holds "the real" stdin, stdout and stderr."""
    targets: dict[int, list[int]] = {0: [0], 1: [1], 2: [2]}
    for number, part in _capturing_parts(config).items():
        targets[number].append(part.targetfd_save)
        if part._state == "started":
            targets[number].remove(number)
    _add_faulthandler_target(config, targets)
    return targets


def _capturing_parts(config: Any) -> dict[int, Any]:
    """pytest's captures of whole descriptors, by descriptor."""
    capture = config.pluginmanager.getplugin("capturemanager")
    streams = getattr(capture, "_global_capturing", None)
    parts = (getattr(streams, name, None) for name in ("in_", "out", "err"))
    return {number: part for number, part in enumerate(parts) if hasattr(part, "targetfd_save")}


def _renew_temporary_file(part: Any) -> None:
    if part.targetfd == 0:
        return
    with tempfile.TemporaryFile(buffering=0) as fresh:
        # What conftests printed when they were imported waits in it for the first collected file.
        fresh.write(os.pread(part.tmpfile.fileno(), os.fstat(part.tmpfile.fileno()).st_size, 0))
        os.dup2(fresh.fileno(), part.tmpfile.fileno(), inheritable=False)
        if part._state == "started":
            os.dup2(fresh.fileno(), part.targetfd)


def _add_faulthandler_target(config: Any, targets: dict[int, list[int]]) -> None:
    try:
        from _pytest.faulthandler import fault_handler_stderr_fd_key as key
    except ImportError:
        return
    fd = config.stash.get(key, None)
    if isinstance(fd, int):
        targets[2].append(fd)


def _take_circumstances(job: Job) -> None:
    os.chdir(job.cwd)
    os.umask(job.umask)
    for number, soft, hard in job.rlimits:
        try:
            if resource.getrlimit(number) != (soft, hard):
                resource.setrlimit(number, (soft, hard))
        except (ValueError, OSError):
            continue
    _take_ignored_signals(job)


_INHERITABLE = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM,
                signal.SIGTERM, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU, signal.SIGWINCH)  # fmt: skip
"""Signals that `nohup` and shells have their commands ignore; what an interpreter ignores by itself is not among them."""


_ignored = {number for number in _INHERITABLE if signal.getsignal(number) is signal.SIG_IGN}
"""Those that this process ignores because a client of it, or of what it is forked from, does."""


def _take_ignored_signals(job: Job) -> None:
    """Ignore what the client ignores, and nothing because an earlier client did."""
    wanted = {number for number in _INHERITABLE if number in job.ignored}
    for number in wanted - _ignored:
        signal.signal(number, signal.SIG_IGN)
    for number in _ignored - wanted:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    _ignored.clear()
    _ignored.update(wanted)


def _set_environment(env: dict[bytes, bytes], changed: dict[bytes, bytes | None]) -> None:
    """Replace the whole environment, C side included, by the client's plus what loading had changed."""
    wanted = dict(env)
    for name, value in changed.items():
        if value is None:
            wanted.pop(name, None)
        else:
            wanted[name] = value
    now = os.environb
    for name in [name for name in now if name not in wanted]:
        del now[name]
    for name, value in wanted.items():
        if now.get(name) != value:
            now[name] = value


def _fresh_streams() -> None:
    """Text streams over 0, 1, 2 as an interpreter makes them at start, for the client's terminal or pipes."""
    unbuffered = bool(getattr(sys.__stdout__, "write_through", False))
    for name, fd, mode in (("stdin", 0, "r"), ("stdout", 1, "w"), ("stderr", 2, "w")):
        try:
            os.fstat(fd)
        except OSError:
            setattr(sys, name, None)
            setattr(sys, f"__{name}__", None)
            continue
        old = getattr(sys, f"__{name}__")
        buffer = _buffer(fd, mode, unbuffered)
        getattr(buffer, "raw", buffer).name = f"<{name}>"
        stream = _text_stream(buffer, fd, mode, old, unbuffered)
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def _buffer(fd: int, mode: str, unbuffered: bool) -> Any:
    if mode == "r":
        return open(fd, "rb", closefd=False)
    raw = _Remembering(fd, "wb", closefd=False)
    return raw if unbuffered else io.BufferedWriter(raw)


def _text_stream(raw: Any, fd: int, mode: str, old: Any, unbuffered: bool) -> Any:
    stream = io.TextIOWrapper(
        raw,
        encoding=getattr(old, "encoding", None),
        errors="backslashreplace" if fd == 2 else getattr(old, "errors", None),
        newline=None if mode == "r" else "\n",
        line_buffering=not unbuffered and (fd == 2 or os.isatty(fd)),
        write_through=unbuffered,
    )
    stream.mode = mode
    return stream


def _reseed_numpy() -> None:
    """numpy's global generator is copied by a fork; one that nobody seeded must differ from process to process."""
    mtrand = getattr(sys.modules.get("numpy.random"), "mtrand", None)
    generator = getattr(getattr(mtrand, "_rand", None), "_bit_generator", None)
    # A generator that was seeded by the legacy functions has no seed sequence of its own any more.
    if generator is not None and getattr(generator, "_seed_seq", None) is not None:
        generator.state = type(generator)().state


class RandomState:
    """Keeps ``random``'s state as loading left it, when loading seeded it.

    Forked children reseed ``random``, which would lose a ``random.seed(0)`` of a conftest; keeping the state without
    a seed would make every warm run draw the same numbers. So the two are told apart.
    """

    _BLOCKS = 64

    def __init__(self) -> None:
        random.seed()
        self._start = random.getstate()
        self._seeded: Any = None

    def close(self) -> None:
        """Look at the state that loading left behind."""
        now = random.getstate()
        self._seeded = None if self._drawn_only(now) else now

    def restore(self) -> None:
        """After a fork: the seeded state as loading left it, or a fresh seed."""
        _reseed_numpy()
        if self._seeded is not None:
            random.setstate(self._seeded)
        else:
            random.seed()
            self._start = random.getstate()

    def _drawn_only(self, now: Any) -> bool:
        """Whether *now* is reached from the start by drawing numbers, however many (within reason)."""
        if now[1][:-1] == self._start[1][:-1]:
            return True
        twin = random.Random()
        twin.setstate(self._start)
        for _ in range(self._BLOCKS):
            for _ in range(624):
                twin.getrandbits(32)
            if twin.getstate()[1][:-1] == now[1][:-1]:
                return True
        return False
