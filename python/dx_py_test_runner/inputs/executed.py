"""Which functions of the project are executed by whom, where the interpreter tells of it cheaply (``sys.monitoring``, since Python 3.12).

While modules are loaded, every code object that is begun is told of once; that of a module's body holds those of all its functions,
which are listened to from then on. Between two tests, and around fixtures that outlive a test, each may be told of once more.
"""

from __future__ import annotations

import dis
import sys
from sys import _getframe  # bound at once: a test may take it away
from collections.abc import Callable, Iterable, Mapping
from types import CodeType, FrameType
from typing import Any

_TOOL = 4
_NAME = "dx-py"

_STORING = frozenset(dis.opmap[name] for name in ("STORE_ATTR", "STORE_SUBSCR"))
_PUTTING = frozenset(
    {"append", "appendleft", "add", "update", "setdefault", "extend", "insert", "put", "set", "get_or_set", "push", "register", "store"}
    | {"__setitem__", "__setattr__", "setattr"}
)
"""Names of what puts something into an object (`crates/source/src/outline/keeping.rs`); a method that has none of them here is not looked at,
and so keeps what it finds if its text says so."""

_AGAIN = 8
"""How often in a test everything is told anew when one and the same keeping function begins."""

Keepers = tuple[Mapping[str, frozenset[str]], frozenset[str]]
"""Names of functions that may keep what they find, by their files; and of functions that are handed to others that may."""

_monitoring: Any = getattr(sys, "monitoring", None)


class Executed:
    """Listens from its creation on.

    :param is_own: whether the file of this name is the project's.
    :param sink: where the numbers of codes belong that are begun now; None: to their modules alone.
    :param ends: whether nothing that has called this code matters.
    """

    def __init__(self, is_own: Callable[[str], bool], sink: Callable[[], set[int] | None], ends: Callable[[CodeType], bool]) -> None:
        self._is_own = is_own
        self._sink = sink
        self._ends = ends
        self._numbers: dict[int, int] = {}
        self._by_name: dict[str, list[int]] = {}
        self._codes: list[CodeType] = []
        self.paths: set[str] = set()
        """Files of which all functions are listened to."""
        self.loading: set[int] = set()
        """Numbers of codes that were begun while modules were being loaded."""
        self._methods: set[int] = set()
        self.called: set[int] = set()
        """Numbers of methods that may put something into their objects, and were begun since this was emptied last."""
        self.callers: set[tuple[int, int]] = set()
        """Numbers of a code that was begun (or the complement of its number, if only its parameters were looked at), and of one beneath
        which that happened, be it itself."""
        self._wide = True
        self.keepers_of: Callable[[Iterable[str]], Keepers] | None = None
        """Tells which functions of files keep; asked when tests begin."""
        self.fleeting: Mapping[int, bool] = {}
        """Which methods are known to keep nothing for others, by their numbers."""
        self._keepers: set[int] = set()
        self._judged = 0
        self._again: dict[int, int] = {}
        monitoring = _monitoring
        monitoring.use_tool_id(_TOOL, _NAME)
        monitoring.register_callback(_TOOL, monitoring.events.RAISE, self._raises)
        self._local = monitoring.events.PY_START | monitoring.events.PY_RESUME
        for event in (monitoring.events.PY_START, monitoring.events.PY_RESUME):
            monitoring.register_callback(_TOOL, event, self._begins)
        monitoring.set_events(_TOOL, monitoring.events.PY_START | monitoring.events.RAISE)

    def restart(self) -> None:
        """Have everything told once more."""
        self._again.clear()
        _monitoring.restart_events()

    def narrow(self) -> None:
        """Nothing is being loaded: only known functions matter."""
        if self._wide:
            self._wide = False
            _monitoring.set_events(_TOOL, _monitoring.events.RAISE)
            self._find_keepers()

    def _find_keepers(self) -> None:
        if self.keepers_of is None or self._judged == len(self._codes):
            return
        known, handed = self.keepers_of(self.paths)
        for number in range(self._judged, len(self._codes)):
            code = self._codes[number]
            name = code.co_qualname
            if name in known.get(code.co_filename, ()) or code.co_name in handed or (code.co_name == "<lambda>" and "<locals>" not in name):
                self._keepers.add(number)
        self._judged = len(self._codes)

    def widen(self) -> None:
        """Something is going to be loaded."""
        if not self._wide:
            self._wide = True
            _monitoring.set_events(_TOOL, _monitoring.events.PY_START | _monitoring.events.RAISE)

    def stop(self) -> None:
        """Listen no more."""
        self._wide = False
        _monitoring.set_events(_TOOL, 0)
        if _monitoring.get_tool(_TOOL) == _NAME:
            for event in (_monitoring.events.PY_START, _monitoring.events.PY_RESUME, _monitoring.events.RAISE):
                _monitoring.register_callback(_TOOL, event, None)
            for code in self._codes:
                _monitoring.set_local_events(_TOOL, code, 0)
            _monitoring.free_tool_id(_TOOL)

    def _begins(self, code: CodeType, _offset: int) -> Any:
        number = self._numbers.get(id(code))
        if number is None:
            if code.co_name == "<module>" and self._is_own(code.co_filename):
                self.paths.add(code.co_filename)
                self._listen(code)
            return _monitoring.DISABLE
        if number in self._methods:
            self.called.add(number)
        self._note(number, _getframe(1))
        if number in self._keepers and not self._wide and not self.fleeting.get(number, False):
            times = self._again[number] = self._again.get(number, 0) + 1
            if times <= _AGAIN:
                # What the test has executed before is not told of otherwise, when it is executed beneath.
                _monitoring.restart_events()
        return _monitoring.DISABLE

    def _raises(self, _code: CodeType, _offset: int, error: BaseException) -> None:
        """Who calls a function with other arguments than it takes does not begin it, but can tell its parameters."""
        if type(error) is TypeError and error.args and isinstance(error.args[0], str):
            name, call, _rest = error.args[0].partition("() ")
            for number in self._by_name.get(name, ()) if call else ():
                self._note(number, _getframe(1))

    def looked_at(self, code: CodeType, frame: FrameType, *, whole: bool) -> None:
        """In *frame*, somebody has asked for the code of a function, or its defaults.

        :param whole: perhaps for more than how it is called.
        """
        number = self._numbers.get(id(code))
        if number is not None:
            self._note(number if whole else ~number, frame)

    def _note(self, number: int, frame: FrameType | None) -> None:
        sink = self._sink()
        if sink is None or self._wide:
            self.loading.add(number)
        if sink is not None:
            sink.add(number)
            self._note_callers(number, frame)

    def _note_callers(self, number: int, frame: FrameType | None) -> None:
        while frame is not None and not self._ends(frame.f_code):
            caller = self._numbers.get(id(frame.f_code))
            if caller is not None:
                self.callers.add((number, caller))
            frame = frame.f_back
        if frame is None:
            self.loading.add(number)  # in a thread of its own: for whom, is not seen

    def _listen(self, code: CodeType) -> None:
        """To all codes within *code*."""
        for constant in code.co_consts:
            if isinstance(constant, CodeType):
                if id(constant) not in self._numbers:
                    number = self._numbers[id(constant)] = len(self._codes)
                    if _is_method(constant) and _may_put(constant):
                        self._methods.add(number)
                    self._codes.append(constant)
                    self._by_name.setdefault(constant.co_qualname, []).append(number)
                    _monitoring.set_local_events(_TOOL, constant, self._local)
                self._listen(constant)

    def codes(self, numbers: Iterable[int]) -> list[tuple[int, CodeType]]:
        """Some codes, with their numbers."""
        return [(number, self._codes[number]) for number in numbers]

    def names(self) -> list[tuple[str, str]]:
        """File and qualified name of each code, by its number."""
        return [(code.co_filename, code.co_qualname) for code in self._codes]


def _is_method(code: CodeType) -> bool:
    """Whether a code is that of a function within a class that is in no function."""
    return "." in code.co_qualname and "<" not in code.co_qualname and code.co_argcount > 0


def _may_put(code: CodeType) -> bool:
    return not _STORING.isdisjoint(code.co_code[::2]) or not _PUTTING.isdisjoint(code.co_names)


def listen(is_own: Callable[[str], bool], sink: Callable[[], set[int] | None], ends: Callable[[CodeType], bool]) -> Executed | None:
    """Listen if the interpreter can, and nobody else has taken our place."""
    if _monitoring is None or _monitoring.get_tool(_TOOL) is not None:
        return None
    return Executed(is_own, sink, ends)
