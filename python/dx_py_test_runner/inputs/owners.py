"""Which part of a run has read what: a module being executed, a fixture that outlives its test, a test, or everybody.

The :class:`Recorder` tells of every read; who it belongs to is seen on the stack (a module's body that is being executed), and
on the status page, where whoever runs tests writes which one is running: so nothing happens between two tests.
"""

from __future__ import annotations

import inspect
import os
from sys import _getframe  # bound at once: a test may take it away
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import CodeType, FrameType
from typing import Any

from dx_py_test_runner._native import Stack, code_of
from dx_py_test_runner.inputs.compare import HASH_LIMIT, metadata_names, visible_names
from dx_py_test_runner.inputs.blame import Blame
from dx_py_test_runner.inputs.executed import NOBODY, Executed, listen
from dx_py_test_runner.inputs.lasting import Lasting, counts_objects
from dx_py_test_runner.inputs.left import UNKNOWN, Left
from dx_py_test_runner.inputs.mentioned import ANY_MODULE, WORDS, mentioned_in
from dx_py_test_runner.inputs.traces import Traces
from dx_py_test_runner.inputs.stamp import content_hash, link_target, stamp, what_is

FILE, KIND, LINK, STATUS, LIST, DISTS, ENV, PROCESS = "file", "kind", "link", "status", "list", "dists", "env", "process"
"""What may be read: a file's content, what is at a path, where a link leads, a file's size and times, the names in a folder, the
distributions installed in a folder, a variable of the environment (``*``: all of them), and whatever another process reads."""

MENTION = "mention"
"""A read like these: a module was asked for by a name that is in no file's text."""

LOAD = "load"
"""A read like these: a module was loaded from a file, perhaps under no name that importlib still knows in the end."""

ANY = "<any>"
"""Stands for a function when what it reads is kept in any case."""

_EXAMPLES = f"{os.sep}.hypothesis"
"""Where hypothesis keeps what it has found, and what it knows of the interpreter. What it draws is chance, be it found there or not."""

_LOOKING_FOR_PYTEST = ("/_pytest/", "/pluggy/")

_TRANSLATING = "/gettext.py"
_KEEPING = ("/linecache.py", "/mimetypes.py", _TRANSLATING)
"""Modules of the standard library that keep what they read."""

Read = tuple[str, str]
"""A kind and a name: a path, a variable or a command."""

Reads = dict[Read, Any]
"""What was there when it was read first: of files :func:`reading`, of variables nothing (they are the client's)."""


class Owners:
    """Keeps reads by their owners.

    :param is_stdlib: whether a file of code is the standard library's.
    :param installed: what is part of the paths of installed code.
    :param ours: what the paths of our own code begin with.
    """

    def __init__(self, is_stdlib: Callable[[str], bool], installed: tuple[str, ...], ours: str) -> None:
        self._is_stdlib = is_stdlib
        self._installed = installed
        self._ours = ours
        self.everybody: Reads = {}
        self.modules: dict[str, Reads] = {}
        """By the file whose code was executed as a module's body."""
        self.fixtures: dict[int, Reads] = {}
        """By a number that a fixture's definition has here."""
        self.items: dict[int, Reads] = {}
        """By the item's index."""
        self.beneath: dict[tuple[str, str], Reads] = {}
        """What was read beneath a function of the project, by its file and its qualified name: it may have kept what it found."""
        self.left_beneath: dict[tuple[str, str, str], Reads] = {}
        """The same of what a test has left behind, by the file of a module that leads to that, and the function's file and name."""
        self._stack = Stack(self._find_place)
        self._named: list[tuple[str, str] | None] = []
        """Functions on stacks, by the numbers that they have there."""
        self._keeping: set[int] = set()
        """Of these, those of modules that keep what they read."""
        self.uses: set[tuple[str, int, int]] = set()
        """Which fixtures were asked for at run time: by ``item`` or ``fixture``, its number, and the fixture's."""
        self.ran: list[tuple[int, int]] = []
        """Items that were run here: from the first to before the last."""
        self._numbers: dict[int, int] = {}
        self._definitions: list[Any] = []
        self._running: list[int] = []
        self._page: Any = None
        self._imports_in: int | None = None
        self.item_codes: dict[int, set[int]] = {}
        self.fixture_codes: dict[int, set[int]] = {}
        self.executed = listen(self.is_of_project, self._codes, self._ends_stack, self.reaches)
        """Which functions were executed; None where nobody tells."""
        self._lasting = Lasting() if self.executed is not None and counts_objects() else None
        if self._lasting is not None and self.executed is not None:
            self.executed.fleeting = self._lasting.fleeting
        self._traces = Traces(self.is_of_project) if self._lasting is not None else None
        self._is_weighing = False
        self._left: list[Left] = []
        """What is otherwise already, in the test that is being run."""
        self._watched: dict[int, bool] = {}
        """Of codes that may keep what they find, whether it would be seen if they did."""
        self._now_beneath: dict[tuple[str, str], Reads] = {}
        """What was read in the test that is being run, as in `beneath`."""
        self._created: set[str] = set()
        self._made: set[tuple[int | None, str]] = set()
        self._temporary = os.path.join(tempfile.gettempdir(), "pytest-of-")
        if os.getcwd().startswith(self._temporary):
            # A project that lies where tests have their temporary files: what this run makes itself is known without that.
            self._temporary = "\0"
        self._temporary_root = tempfile.gettempdir()
        # Looked for once in a process, and now it has been.
        self.everybody.update({(ENV, name): None for name in ("TMPDIR", "TEMP", "TMP")})

    def follow(self, page: Any) -> None:
        """Tests run from now on in this process; *page* says which."""
        self._page = page
        self.begins()

    def begins(self) -> None:
        """A test, or a fixture that outlives one, begins or has ended."""
        if self.executed is not None:
            self.executed.narrow()
            self._weigh(self.executed)
            if self._lasting is not None and (called := self.executed.called):
                self._lasting.look(self.executed.codes(called))
                called.clear()
            self.executed.restart()

    def _weigh(self, executed: Executed) -> None:
        """A test has ended: of what was read or executed beneath functions that may keep it, take what may have been left behind."""
        traces = self._traces
        if traces is None:
            self._take(executed, [UNKNOWN])
            return
        if executed.pending or self._now_beneath or self._left or not self._is_weighing:
            self._is_weighing = True
            self._take(executed, [*self._left, *self._look(traces)])
            self._left.clear()
        if new := executed.places.keys() - self._watched.keys():
            for number in new:
                places = executed.places[number]
                self._watched[number] = places is None or traces.watch(executed.file_of(number), places)
            self._look(traces, is_set_up=True)

    def _look(self, traces: Traces, *, is_set_up: bool = False) -> list[Left]:
        values = (getattr(one, "cached_result", None) for one in self._definitions)
        return traces.look([value[0] for value in values if value is not None], is_set_up=is_set_up)

    def _take(self, executed: Executed, left: Sequence[Left]) -> None:
        """Of what is pending, what may be among what was *left*."""
        blame = Blame(executed, {number for number, is_seen in self._watched.items() if not is_seen})
        numbers = {keeper for _number, keeper in executed.pending}
        numbers.update(number for function in self._now_beneath for number in executed.numbers_of.get(function, ()))
        unseen = blame.unseen(numbers)
        blamed = [(one.where, blame.of(numbers, one)) for one in left]
        whence: dict[str, set[int]] = {NOBODY: set(unseen)}
        for where, guilty in blamed:
            for path in where:
                whence.setdefault(path, set()).update(guilty)
        for path, guilty in whence.items():
            if guilty:
                executed.callers.setdefault(path, set()).update(pair for pair in executed.pending if pair[1] in guilty)
        for function, reads in self._now_beneath.items():
            its = executed.numbers_of.get(function, ())
            if not its or not unseen.isdisjoint(its):
                places = {function[0]}
            else:
                places = {path or function[0] for where, guilty in blamed if not guilty.isdisjoint(its) for path in where}
            for path in places:
                known = self.left_beneath.setdefault((path, *function), {})
                for read, state in reads.items():
                    known.setdefault(read, state)
        executed.forget()
        self._now_beneath.clear()

    def is_of_project(self, filename: str) -> bool:
        """Whether a file of code is the project's own."""
        return (
            filename[:1] == os.sep
            and not filename.startswith(self._ours)
            and not any(part in filename for part in self._installed)
            and not self._is_stdlib(filename)
        )

    def _codes(self) -> set[int] | None:
        """Where functions belong that are executed now."""
        if self._running:
            return self.fixture_codes.setdefault(self._running[-1], set())
        item = None if self._page is None else self._page.item
        return None if item is None else self.item_codes.setdefault(item, set())

    @property
    def follows(self) -> bool:
        return self._page is not None

    # ---- fixtures

    def number_of(self, definition: Any) -> int:
        """The number of a fixture's definition."""
        number = self._numbers.get(id(definition))
        if number is None:
            number = self._numbers[id(definition)] = len(self._definitions)
            self._definitions.append(definition)
        return number

    @contextmanager
    def within(self, definition: Any) -> Iterator[None]:
        """What is read here belongs to everyone who uses the fixture *definition*, which outlives a test."""
        number = self.number_of(definition)
        if self._running:
            self.uses.add(("fixture", self._running[-1], number))
        elif self._page is not None and (item := self._page.item) is not None:
            self.uses.add(("item", item, number))
        self._running.append(number)
        self._restart()
        try:
            yield
        finally:
            self._running.pop()
            if self._traces is not None and self._is_weighing:
                # What it gives is new now, and what the test does to it is not.
                self._left += self._look(self._traces, is_set_up=True)
            self._restart()

    def _restart(self) -> None:
        if self.executed is not None:
            self.executed.restart()

    def known(self, definition: Any) -> int | None:
        """The number of a fixture's definition that has been set up here."""
        return self._numbers.get(id(definition))

    def forget(self) -> None:
        """In a fork: what was read before it is somebody else's to tell."""
        self.everybody, self.modules, self.beneath, self.left_beneath, self.ran = {}, {}, {}, {}, []

    # ---- reads

    def imports(self) -> None:
        """A module is about to be loaded."""
        if self._page is not None:
            self._imports_in = self._page.item
            if self.executed is not None:
                self.executed.widen()

    def has(self, kind: str, name: str) -> bool:
        """Whether this read is known already to belong to what is running, and to nothing else, or to everybody."""
        read = (kind, name)
        if read in self.everybody:
            return True
        if self._page is None or self._running:
            return False
        item = self._page.item
        if item is None or item == self._imports_in or read not in self.items.get(item, ()):
            return False
        return all(read in self.beneath.get(function, ()) or read in self._now_beneath.get(function, ()) for function in self._functions())

    def note(self, kind: str, name: str) -> None:
        """Something was read. *name* is an absolute path where it is a path."""
        read = (kind, name)
        if read in self.everybody:
            return
        if self._page is not None and self._translates():
            sinks = [self.everybody]
        else:
            sinks = self._sinks()
            is_pending = self.executed is not None and self._page is not None and self._page.item is not None
            for function in self._functions():
                beneath = self._now_beneath if is_pending and function[1] != ANY else self.beneath
                sinks.append(beneath.setdefault(function, {}))
        if all(read in sink for sink in sinks):
            return
        if name[:1] == os.sep and self._is_own(name):
            return
        state = STATES[kind](name) if kind in STATES else None
        for sink in sinks:
            sink.setdefault(read, state)

    def executes(self, code: CodeType) -> None:
        """Somebody executes *code*, as a module or otherwise."""
        if self.executed is None:
            return
        self.executed.loads(code)
        path = self._file_behind(_getframe(2))
        if path is None:
            return
        for name in mentioned_in(code):
            self.note(MENTION, name)
            # What the text defines may be there for whoever comes next.
            self.modules.setdefault(path, {})[(MENTION, name)] = None

    def _file_behind(self, frame: FrameType | None) -> str | None:
        """The project's file whose code *frame* executes, be it a text that the file has executed; None if it is none."""
        while frame is not None and code_of(frame).co_filename[:1] == "<" and not code_of(frame).co_filename.startswith(_FROZEN):
            frame = frame.f_back
        path = "" if frame is None else code_of(frame).co_filename
        return path if self.is_of_project(path) else None

    def reaches(self, names: Iterable[object]) -> None:
        """Modules are asked for by these names, and may be asked for what is in them."""
        for name in names:
            self.note(MENTION, name if type(name) is str and name and name[0] not in "." + WORDS else ANY_MODULE)

    def look_at(self, function: Any) -> None:
        """Somebody asks how a function is called, or what its code is. What pytest asks to find out what is asked for is known otherwise."""
        frame = _getframe(1)
        while frame is not None and code_of(frame).co_filename.startswith(_RECORDING):
            frame = frame.f_back
        reader = frame
        while reader is not None and self._is_stdlib(code_of(reader).co_filename):
            reader = reader.f_back
        read_in = "" if reader is None else code_of(reader).co_filename
        if frame is None or read_in.startswith(self._ours) or any(part in read_in for part in _LOOKING_FOR_PYTEST):
            return
        code = getattr(function, "__code__", None)
        if self.executed is not None and isinstance(code, CodeType):
            self.executed.looked_at(code, frame, whole=code_of(frame).co_filename != inspect.__file__)

    def note_written(self, path: str) -> None:
        """*path* is about to be written, made or removed: what is found there from now on is no input of who did it."""
        self._made.add((None if self._page is None else self._page.item, path))
        if path not in self._created and what_is(path) == "" and link_target(path) is None:
            self._created.add(path)

    def has_made(self, path: str) -> bool:
        """Whether this run has made the file at *path*, or a folder that it is in."""
        return self._is_own(path)

    def _is_own(self, path: str) -> bool:
        if _EXAMPLES in path and f"{_EXAMPLES}{os.sep}" in f"{path}{os.sep}":
            return True
        if path.startswith(self._temporary) or path == self._temporary_root or path.startswith(("/proc/", "/dev/", "/sys/")):
            return True
        if self._made and (None if self._page is None else self._page.item, path) in self._made:
            return True
        if self._created:
            while len(path) > 1:
                if path in self._created:
                    return True
                path = os.path.dirname(path)
        return False

    def _translates(self) -> bool:
        """Whether it is read to find a translation: for every text anew, and kept for whoever asks next. So it is everybody's at once."""
        frame = _getframe(2)
        while frame is not None and ((name := code_of(frame).co_filename) in _ASKING or name.startswith(_RECORDING)):
            frame = frame.f_back
        return frame is not None and name.endswith(_TRANSLATING) and self._is_stdlib(name)

    def _sinks(self) -> list[Reads]:
        item = None if self._page is None else self._page.item
        # Without an import since the test began, no module's body is being executed.
        module = None if item is not None and item != self._imports_in and not self._running else self._module()
        sinks = []
        if module is not None:
            sinks.append(self.modules.setdefault(module, {}) if module else self.everybody)
        if self._running:
            sinks.append(self.fixtures.setdefault(self._running[-1], {}))
        elif item is not None:
            sinks.append(self.items.setdefault(item, {}))
        elif not sinks:
            sinks.append(self.everybody)
        return sinks

    def _functions(self) -> set[tuple[str, str]]:
        """The project's functions that are being executed, up to where pytest or a module's body begins."""
        numbers, end = self._stack.walk(_getframe(1))
        found = {function for number in numbers if (function := self._named[number]) is not None}
        # In a thread of its own: for whom, is not seen.
        if end is None or not self._keeping.isdisjoint(numbers):
            return {(path, ANY) for path, _name in found}
        return found

    def _find_place(self, code: CodeType) -> int:
        """What a code stands for on a stack: a number of ``_named``, or what :class:`Stack` says."""
        path = code.co_filename
        if path.startswith(_RECORDING):
            return Stack.ABOVE
        if self._ends_stack(code):
            return _END
        function = (path, code.co_qualname) if self.is_of_project(path) else None
        is_keeping = path.endswith(_KEEPING)
        if function is None and not is_keeping:
            return Stack.OTHER
        if is_keeping:
            self._keeping.add(len(self._named))
        self._named.append(function)
        return len(self._named) - 1

    def _ends_stack(self, code: CodeType) -> bool:
        """Whether what has called a code does not matter."""
        path = code.co_filename
        return code.co_name == "<module>" or "/_pytest/" in path or path.startswith((self._ours, *_OURS_FROZEN))

    def _module(self) -> str | None:
        """The file of the innermost module body on the stack; '' if it is not the project's, None if there is none."""
        frame = _getframe(2)
        while frame is not None:
            code = code_of(frame)
            filename = code.co_filename
            if filename.startswith(self._ours):
                if not filename.startswith(_RECORDING):
                    return None
            elif code.co_name == "<module>":
                return filename if self.is_of_project(filename) else ""
            frame = frame.f_back
        return None

    # ---- the outcome

    def plain(self) -> dict[str, Any]:
        """Everything, as values that :mod:`marshal` takes."""
        if self._lasting is not None and self.executed is not None:
            self._lasting.close(self.executed.called)
        if self.executed is not None:
            self._weigh(self.executed)
        return {
            "everybody": _plain(self.everybody),
            "modules": {name: _plain(reads) for name, reads in self.modules.items()},
            "fixtures": {number: _plain(reads) for number, reads in self.fixtures.items()},
            "items": {index: _plain(reads) for index, reads in self.items.items()},
            "beneath": {function: _plain(reads) for function, reads in self.beneath.items()},
            "left_beneath": {place: _plain(reads) for place, reads in self.left_beneath.items()},
            "uses": list(self.uses),
            "ran": self.ran,
            "codes": [] if self.executed is None else self.executed.names(),
            "listened": [] if self.executed is None else sorted(self.executed.paths),
            "loading": {} if self.executed is None else {path: sorted(codes) for path, codes in self.executed.loading.items()},
            "callers": {} if self.executed is None else {path: sorted(pairs) for path, pairs in self.executed.callers.items()},
            "callers_in": {} if self.executed is None else {path: sorted(pairs) for path, pairs in self.executed.callers_in.items()},
            "fleeting": [] if self._lasting is None else sorted(number for number, is_so in self._lasting.fleeting.items() if is_so),
            "item_codes": {index: sorted(codes) for index, codes in self.item_codes.items()},
            "fixture_codes": {number: sorted(codes) for number, codes in self.fixture_codes.items()},
        }


def _plain(reads: Reads) -> dict[Read, Any]:
    return {read: tuple(state) if isinstance(state, tuple) else state for read, state in list(reads.items())}


def listing(names: frozenset[str] | None) -> str:
    """The names in a folder, as one text."""
    return "-" if names is None else "\n".join(sorted(names))


def status(path: str) -> str:
    """What somebody sees who asks for more than whether a path exists; inodes and times of change differ between checkouts."""
    found = stamp(path)
    try:
        mode = _stat(path).st_mode
    except (OSError, ValueError):
        return "-"
    return "-" if found is None else f"{found.size} {found.mtime_ns} {mode:o}"


def reading(path: str) -> tuple[Any, ...] | None:
    """What a file is when it is read: its stamp, and a hash of its content ('' for big files and what is none)."""
    found = stamp(path)
    if found is None:
        return None
    known = _readings.get(path)
    if known is None or known[:4] != found:
        digest = content_hash(path) if found.size <= HASH_LIMIT else None
        known = _readings[path] = (*found, digest.hex()[:32] if digest is not None else "")
    return known


_readings: dict[str, tuple[Any, ...]] = {}
_stat = os.stat
_FROZEN = "<frozen "
_OURS_FROZEN = ("<dx_py_test_runner/", "<python/dx_py_test_runner/")
_ASKING = frozenset(
    {os.getenv.__code__.co_filename, os.path.exists.__code__.co_filename, os.path.join.__code__.co_filename, Mapping.get.__code__.co_filename}
)
"""Files of what asks the file system and the environment on behalf of others."""

_RECORDING = os.path.join(os.path.dirname(os.path.abspath(__file__)), "")

_END = -3
"""On a stack, a code of which nothing that has called it matters."""

STATES: dict[str, Callable[[str], Any]] = {
    FILE: reading,
    LOAD: stamp,
    KIND: what_is,
    LINK: lambda path: link_target(path) or "",
    STATUS: status,
    LIST: lambda path: listing(visible_names(path, hidden=True)),
    DISTS: lambda path: listing(metadata_names(path)),
}
"""How each kind of path is looked at."""

