"""Test modules compiled on a second core, while the run imports one after the other.

The run begins in front, and a process of its own, which imports nothing of the user's, at the far end of the list of files that
the run will import by all appearance. They share a piece of memory, the :class:`Board`: what the run finds there under the
text that it is about to compile, it takes. Everything else is a hint: a wrong one costs that process some time, and nobody else.
"""

from __future__ import annotations

import contextlib
import fnmatch
import gc
import marshal
import os
import resource
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from dx_py_test_runner import _native
from dx_py_test_runner.engine.capture import BUILD, compile_captured

SIZE = 128 << 20
"""Bytes of the shared memory; what is never written to takes no room."""

WORTH_IT = 0.015
"""Seconds that a run must have spent compiling before it asks for help: those of a few small modules cost less than a process."""

_STOP, _LISTED, _REQUEST, _NAMES = range(4)
_TEXTS = 64
"""Where the request begins, in bytes; behind it come the names, the slots and what was compiled."""

_WORD = 8
_STATE, _PLACE, _LENGTH, _SLOT = 0, 1, 2, 3
_FREE, _TAKEN, _READY = range(3)
_KEY = 32


class Board:
    """The shared memory: a request, the files in the order in which they will be imported, and a slot for each.

    :param descriptor: an empty file of :data:`SIZE` bytes, or one that another process has made a board of.
    :raises OSError: there is no room in this process's address space.
    """

    def __init__(self, descriptor: int) -> None:
        self._memory = _native.Mapping(descriptor, SIZE)
        self._slots = 0
        self._end = 0

    @property
    def stopped(self) -> bool:
        return bool(self._memory.load(_STOP))

    def stop(self) -> None:
        self._memory.store(_STOP, 1)

    def ask(self, request: dict[str, Any]) -> None:
        text = marshal.dumps(request)
        self._memory.write(_TEXTS, text)
        self._memory.store(_REQUEST, len(text))

    def asked(self) -> dict[str, Any]:
        request = marshal.loads(self._memory.read(_TEXTS, self._memory.load(_REQUEST)))
        assert isinstance(request, dict)
        return request

    def list(self, names: list[str]) -> None:
        """Say which files there are."""
        text = os.fsencode("\0".join(names))
        start = _TEXTS + self._memory.load(_REQUEST)
        self._memory.write(start, text)
        self._memory.store(_NAMES, len(text))
        self._find_slots()
        self._end = (self._slots + _SLOT * len(names)) * _WORD
        self._memory.store(_LISTED, 1)

    def listed(self) -> list[str] | None:
        """The files, or ``None`` as long as that is not known."""
        if not self._memory.load(_LISTED):
            return None
        self._find_slots()
        text = self._memory.read(_TEXTS + self._memory.load(_REQUEST), self._memory.load(_NAMES))
        return os.fsdecode(text).split("\0")

    def _find_slots(self) -> None:
        end = _TEXTS + self._memory.load(_REQUEST) + self._memory.load(_NAMES)
        self._slots = -(-end // _WORD)

    def take(self, number: int) -> None:
        """Say that file *number* need not be compiled."""
        self._memory.store(self._slots + _SLOT * number + _STATE, _TAKEN)

    def is_taken(self, number: int) -> bool:
        return bool(self._memory.load(self._slots + _SLOT * number + _STATE))

    def put(self, number: int, key: bytes, blob: bytes) -> None:
        """Hand over what was made of file *number*, whose text has *key*.

        :raises IndexError: there is no room left.
        """
        self._memory.write(self._end, key + blob)
        slot = self._slots + _SLOT * number
        self._memory.store(slot + _PLACE, self._end)
        self._memory.store(slot + _LENGTH, _KEY + len(blob))
        self._memory.store(slot + _STATE, _READY)
        self._end += _KEY + len(blob)

    def get(self, number: int, key: bytes) -> bytes | None:
        """What was made of file *number*, if that had the text with *key*."""
        slot = self._slots + _SLOT * number
        if self._memory.load(slot + _STATE) != _READY:
            return None
        found = self._memory.read(self._memory.load(slot + _PLACE), self._memory.load(slot + _LENGTH))
        return found[_KEY:] if found[:_KEY] == key else None


# ---- in the run


class Ahead:
    """The run's side. Nothing is shared, and no process started, before compiling has proved to take its time.

    :param request: called then; see :func:`request`.
    :param start: called then with the descriptor of the shared memory: has a process call :func:`work` with it.
    """

    def __init__(self, request: Callable[[], dict[str, Any]], start: Callable[[int], None]) -> None:
        self._request = request
        self._start = start
        self._spent = 0.0
        self._board: Board | None = None
        self._numbers: dict[str, int] = {}
        self._own: list[str] = []
        self._ended = False

    def get(self, name: str, text: bytes) -> bytes | None:
        """The marshalled code of the file *name*, which holds *text*, if it is ready."""
        board = self._board
        if board is None or not (self._numbers or self._look()):
            return None
        number = self._numbers.get(name)
        if number is None:
            return None
        found = board.get(number, _native.hash_bytes(text))
        board.take(number)
        return found

    def compiled(self, name: str, seconds: float) -> None:
        """Say that the run has compiled a file itself, and how long that took."""
        if self._ended:
            return
        if not self._numbers:
            self._own.append(name)
        self._spent += seconds
        if self._spent > WORTH_IT and self._board is None:
            self._ended = not self._begin()

    def end(self) -> None:
        """Nothing will be compiled any more that somebody could help with."""
        self._ended = True
        if self._board is not None:
            self._board.stop()
            self._board = None

    def _begin(self) -> bool:
        if len(os.sched_getaffinity(0)) < 2 or resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY:
            # In the second case, the room that the memory takes would be missing somewhere else.
            return False
        try:
            descriptor = os.memfd_create("dx-py-ahead", os.MFD_CLOEXEC)
        except OSError:
            return False
        try:
            os.ftruncate(descriptor, SIZE)
            board = Board(descriptor)
            board.ask(self._request())
            self._start(descriptor)
        except OSError:
            return False
        finally:
            os.close(descriptor)
        self._board = board
        return True

    def _look(self) -> bool:
        """Find out which files the other process knows of."""
        assert self._board is not None
        names = self._board.listed()
        if names is None:
            return False
        self._numbers = {name: number for number, name in enumerate(names)}
        for name in self._own:
            if name in self._numbers:
                self._board.take(self._numbers[name])
        return True


def request(places: list[str], patterns: list[str], passed_over: list[str], *, walrus: bool) -> dict[str, Any]:
    """What :func:`work` is to do.

    :param places: files and directories in which the run looks for tests, absolute.
    :param patterns: names of test modules.
    :param passed_over: names of directories without any.
    :param walrus: see :func:`~dx_py_test_runner.engine.capture.compile_captured`.
    """
    return {
        "dialect": _dialect(),
        "places": places,
        "patterns": [pattern.rpartition(os.sep)[2] for pattern in patterns],
        "passed over": passed_over,
        "walrus": walrus,
    }


def _dialect() -> tuple[Any, ...]:
    """What decides, besides a text, which code is made of it."""
    return BUILD, sys.version, tuple(sys.flags), sorted(map(str, sys._xoptions.items()))


# ---- in the other process


def work(descriptor: int) -> None:
    """Compile what the run behind the board has not come to yet, until it says that that is enough, or the parent is gone."""
    parent = os.getppid()
    board = Board(descriptor)
    request = board.asked()
    if request["dialect"] != _dialect():
        return
    gc.disable()

    def stopped() -> bool:
        return board.stopped or os.getppid() != parent

    # The run has to see them, too.
    warnings.simplefilter("error")
    names = list(_files(request, stopped))
    if not names:
        return
    with contextlib.suppress(IndexError):
        board.list(names)
        for number in range(len(names) - 1, -1, -1):
            if stopped():
                return
            if not board.is_taken(number):
                _compile(board, number, names[number], walrus=request["walrus"])


def _compile(board: Board, number: int, name: str, *, walrus: bool) -> None:
    try:
        with open(name, "rb") as file:
            text = file.read()
        code = compile_captured(text, name, walrus=walrus)
    except (OSError, Warning):
        return
    if code is not None:
        board.put(number, _native.hash_bytes(text), marshal.dumps(code))


def _files(request: dict[str, Any], stopped: Callable[[], bool]) -> Iterator[str]:
    """Test modules, about in the order in which pytest collects them."""
    for place in request["places"]:
        if os.path.isdir(place):
            yield from _below(place, request, stopped)
        elif place.endswith(".py"):
            yield place


def _below(folder: str, request: dict[str, Any], stopped: Callable[[], bool]) -> Iterator[str]:
    if stopped():
        return
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        # Those that a link leads to may lead back here.
        if entry.is_dir(follow_symlinks=False):
            if not _matches(entry.name, request["passed over"]) and not os.path.exists(f"{entry.path}/pyvenv.cfg"):
                yield from _below(entry.path, request, stopped)
        elif entry.name.endswith(".py") and _matches(entry.name, request["patterns"]) and entry.is_file():
            yield entry.path


def _matches(name: str, patterns: list[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
