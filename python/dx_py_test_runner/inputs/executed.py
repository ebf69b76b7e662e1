"""Which functions of the project are executed by whom, where the interpreter tells of it cheaply (``sys.monitoring``, since Python 3.12).

The code of a module's body holds those of all its functions, which are listened to from when the body is executed on. Each is told of once;
around the bodies of modules, between two tests, and around fixtures that outlive a test, it may be told of once more.
"""

from __future__ import annotations

import builtins
import dis
import importlib
import sys
from sys import _getframe  # bound at once: a test may take it away
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from types import CodeType, FrameType, MappingProxyType
from typing import Any, NamedTuple

from dx_py_test_runner._native import Stack, code_of
from dx_py_test_runner.inputs.blame import as_of_any

_TOOL = 4
_NAME = "dx-py"

_STORING = frozenset(dis.opmap[name] for name in ("STORE_ATTR", "STORE_SUBSCR"))
_PUTTING = frozenset(
    {"append", "appendleft", "add", "update", "setdefault", "extend", "insert", "put", "set", "get_or_set", "push", "register", "store"}
    | {"__setitem__", "__setattr__", "setattr"}
)
"""Names of what puts something into an object (`crates/source/src/outline/keeping.rs`); a method that has none of them here is not looked at,
and so keeps what it finds if its text says so."""

_OF_FUNCTION = 0x1
"""`inspect.CO_OPTIMIZED`."""

_UNNAMED = frozenset({"__setitem__", "__setattr__", "__set__"})
"""Methods that are called without being named, when something is put somewhere. Each call is told of: by whom, their names do not say."""

_MANY = 10_000
"""After so many calls of one of these in a test, it is taken to have been called by all."""

_AGAIN, _MORE = 8, 64
"""How often in a test everything is told anew when one and the same keeping function begins; and how often in all, beyond once for each test."""

_OTHER, _END, _BODY = Stack.OTHER, -3, -4
"""Codes that have no number: those that are passed over, those of which nothing that has called them matters, and bodies of the project's modules."""

NOBODY = ""
"""In place of the module that was being loaded, where it is not known."""


class Keepers(NamedTuple):
    """Functions that may keep what they find."""

    names: Mapping[str, frozenset[str]]
    """By their files."""
    in_object: Mapping[str, frozenset[str]]
    """Of these, the methods that keep it in their object alone."""
    handed: frozenset[str]
    """Names of functions that are handed to others that may keep what they give."""
    givers: Mapping[str, Mapping[str, frozenset[str]]] = MappingProxyType({})
    """Of those that have it kept by others, the last names of these."""
    places: Mapping[str, Mapping[str, frozenset[str]]] = MappingProxyType({})
    """Into what each puts something (:class:`~dx_py_test_runner.select.outline.Outline`, and ``!`` where nobody can tell)."""
    handing: Mapping[str, Mapping[str, frozenset[str]]] = MappingProxyType({})
    """The names of what each, and each file, hands on."""
    made: Mapping[str, frozenset[str]] = MappingProxyType({})
    """Of classes that say how their objects are made, their names and those of the classes below them."""


MAKING = frozenset({"__init__", "__new__", "__post_init__"})
"""Methods that are called by the name of their class, or of one below it, and by those of one below it."""

A_CLASS = "class"
"""As the name of what is called: whoever hears of a class that is made."""

HEARING_OF_CLASSES = frozenset({"__init_subclass__", "__set_name__"})
"""Methods that do; so do those of metaclasses that make objects."""

_monitoring: Any = getattr(sys, "monitoring", None)


class Executed:
    """Listens from its creation on.

    :param is_own: whether the file of this name is the project's.
    :param sink: where the numbers of codes belong that are begun now; None: to their modules alone.
    :param ends: whether nothing that has called this code matters.
    :param reaches: told the names by which a function of the project asks for modules, or whatever it asks with.
    """

    def __init__(self, is_own: Callable[[str], bool], sink: Callable[[], set[int] | None], ends: Callable[[CodeType], bool], reaches: Callable[[Iterable[object]], None]) -> None:
        self._is_own = is_own
        self._sink = sink
        self._ends = ends
        self._reaches = reaches
        self._numbers: dict[int, int] = {}
        self._by_name: dict[str, list[int]] = {}
        self._codes: list[CodeType] = []
        self.paths: set[str] = set()
        """Files of which all functions are listened to."""
        self.loading: dict[str, set[int]] = {}
        """Numbers of codes that were begun while a module was being loaded, by its file: beneath its body, and that of none that it imports."""
        self._methods: set[int] = set()
        self.called: set[int] = set()
        """Numbers of methods that may put something into their objects, and were begun since this was emptied last."""
        self.callers: dict[str, set[tuple[int, int]]] = {}
        """Numbers of a code that was begun (or the complement of its number, if only its parameters were looked at), and of one beneath
        which that happened, be it itself: one that may keep what it finds, for all that is known. By the file of a module that leads to where it
        may be kept; :data:`NOBODY`: it is not known which."""
        self.callers_in: dict[str, set[tuple[int, int]]] = {}
        """The same of what was begun while a module was being loaded, by its file."""
        self.pending: set[tuple[int, int]] = set()
        """Those of the test that is being run."""
        self._wide = True
        self.keepers_of: Callable[[Iterable[str]], Keepers] | None = None
        """Tells which functions of files keep; asked when tests begin."""
        self.fleeting: Mapping[int, bool] = {}
        """Which methods are known to keep nothing for others, by their numbers."""
        self._keepers: set[int] = set()
        self._lasting_keepers: set[int] = set()
        """Those that keep it whatever becomes of their object."""
        self.places: dict[int, frozenset[str] | None] = {}
        """Of each code that may keep what it finds, into what it puts something; None: anywhere."""
        self.gives_to: dict[int, frozenset[str]] = {}
        """Of codes that have something kept by others, the last names of these."""
        self.numbers_by_name: dict[str, list[int]] = {}
        """The numbers of codes by their last names, without those that make objects."""
        self._makers: dict[int, str] = {}
        """Those, with their classes."""
        self._makers_by_name: dict[str, set[int]] = {}
        """The same by the names that they may be called by."""
        self.handing: dict[int, frozenset[str]] = {}
        """Of each code that does, the names of what it hands on."""
        self.handing_anyway: frozenset[str] = frozenset()
        self.begun: set[int] = set()
        """Numbers of all codes that were begun in the test that is being run."""
        self.numbers_of: dict[tuple[str, str], list[int]] = {}
        """The numbers of codes by their files and qualified names."""
        self._unnamed: dict[int, int] = {}
        """Codes that are called without being named, and how often they were in the test that is being run."""
        self._callers_of: dict[int, set[int]] = {}
        """Of these, the codes that have called them in it, and those around these."""
        self._called_by_all: set[int] = set()
        """Those of which it is not known."""
        self._told: set[int] = set()
        """Those that everything has been told of since the last restart."""
        self._judged = 0
        self._again: dict[int, int] = {}
        self._more: dict[int, int] = {}
        self._stack = Stack(self._find_place)
        self._held: list[CodeType] = []
        self._bodies: set[int] = set()
        monitoring = _monitoring
        monitoring.use_tool_id(_TOOL, _NAME)
        monitoring.register_callback(_TOOL, monitoring.events.RAISE, self._raises)
        self._local = monitoring.events.PY_START | monitoring.events.PY_RESUME
        for event in (monitoring.events.PY_START, monitoring.events.PY_RESUME):
            monitoring.register_callback(_TOOL, event, self._begins)
        for event in (monitoring.events.PY_RETURN, monitoring.events.PY_UNWIND):
            monitoring.register_callback(_TOOL, event, self._ends_body)
        monitoring.register_callback(_TOOL, monitoring.events.CALL, self._calls)
        self._importing = importlib.import_module.__code__
        monitoring.set_local_events(_TOOL, self._importing, monitoring.events.PY_START)
        monitoring.set_events(_TOOL, monitoring.events.PY_UNWIND | monitoring.events.RAISE)

    def restart(self) -> None:
        """Have everything told once more."""
        self._again.clear()
        self._tell_anew()

    def _tell_anew(self) -> None:
        self._told.clear()
        _monitoring.restart_events()

    def forget(self) -> None:
        """What was begun until now is weighed: another test begins."""
        self.pending.clear()
        self.begun.clear()
        self._callers_of.clear()
        self._called_by_all.clear()
        self._unnamed = dict.fromkeys(self._unnamed, 0)

    def narrow(self) -> None:
        """Nothing is being loaded: only known functions matter."""
        if self._wide:
            self._wide = False
            _monitoring.set_events(_TOOL, _monitoring.events.RAISE)
            self._find_keepers()

    def _find_keepers(self) -> None:
        if self.keepers_of is None or self._judged == len(self._codes):
            return
        known = self.keepers_of(self.paths)
        names, in_object, handed = known.names, known.in_object, known.handed
        self.handing_anyway = frozenset().union(*(found.get("", ()) for found in known.handing.values()))
        for number in range(self._judged, len(self._codes)):
            code = self._codes[number]
            name = owner_of(code.co_qualname)
            if handing := known.handing.get(code.co_filename, {}).get(name):
                self.handing[number] = handing
            is_handed = name.rpartition(".")[2] in handed or name.endswith("<lambda>")
            if is_handed or name in names.get(code.co_filename, ()):
                self._keepers.add(number)
                self.places[number] = None if is_handed else known.places.get(code.co_filename, {}).get(name, frozenset())
                if name not in in_object.get(code.co_filename, ()):
                    self._lasting_keepers.add(number)
                elif _is_method(code):
                    self._methods.add(number)  # it may have another put it there
            if to := known.givers.get(code.co_filename, {}).get(name):
                self.gives_to[number] = to
            if not code.co_flags & _OF_FUNCTION:
                continue  # a class
            last = name.rpartition(".")[2]
            if last in MAKING:
                self._makers[number] = name.rpartition(".")[0].rpartition(".")[2]
            else:
                self.numbers_by_name.setdefault(last, []).append(number)
                if last in HEARING_OF_CLASSES:
                    self.numbers_by_name.setdefault(A_CLASS, []).append(number)
        # Who makes an object calls its class, or one below; and of these there may be more now.
        self._makers_by_name = {}
        for number, owner in self._makers.items():
            for called in known.made.get(owner, (owner,)):
                self._makers_by_name.setdefault(called, set()).add(number)
        self._judged = len(self._codes)

    def widen(self) -> None:
        """Something is going to be loaded."""
        if not self._wide:
            self._wide = True
            _monitoring.set_events(_TOOL, _monitoring.events.PY_UNWIND | _monitoring.events.RAISE)

    def loads(self, code: CodeType) -> None:
        """*code* is going to be executed: perhaps it is the body of a module."""
        if code.co_name == "<module>" and self._is_own(code.co_filename):
            self.paths.add(code.co_filename)
            self._bodies.add(id(code))
            self._held.append(code)
            self._listen(code)
            _monitoring.set_local_events(_TOOL, code, _monitoring.events.PY_RETURN | _calls_of(code))
            # What was executed for another module may be executed for this one, too.
            self._tell_anew()

    def _ends_body(self, code: CodeType, _offset: int, _value: object) -> None:
        if id(code) in self._bodies:
            self._tell_anew()

    def stop(self) -> None:
        """Listen no more."""
        self._wide = False
        _monitoring.set_events(_TOOL, 0)
        if _monitoring.get_tool(_TOOL) == _NAME:
            events = _monitoring.events
            for event in (events.PY_START, events.PY_RESUME, events.PY_RETURN, events.PY_UNWIND, events.RAISE, events.CALL):
                _monitoring.register_callback(_TOOL, event, None)
            for code in [*self._codes, *self._held, self._importing]:
                _monitoring.set_local_events(_TOOL, code, 0)
            _monitoring.free_tool_id(_TOOL)

    def _begins(self, code: CodeType, _offset: int) -> Any:
        number = self._numbers.get(id(code))
        if number is None:
            return self._imports(_getframe(1)) if code is self._importing else _monitoring.DISABLE
        if number in self._methods:
            self.called.add(number)
        again = _monitoring.DISABLE
        if number in self._unnamed and self._note_caller(number, _getframe(1)):
            again = None
            if number in self._told:
                return again
            self._told.add(number)
        is_kept = self._note(number, _getframe(1))
        if number in self._keepers and not is_kept and not self._wide and not self.fleeting.get(number, False) and self._is_due(number):
            # What the test has executed before is not told of otherwise, when it is executed beneath. And this one shall be told of again.
            self._tell_anew()
            return None
        return again

    def _imports(self, frame: FrameType) -> None:
        """``importlib.import_module`` begins; for whom matters if the project has a part in it, be it by others (``mock.patch``)."""
        given, caller = frame.f_locals, frame.f_back
        while caller is not None and not self._is_own(code_of(caller).co_filename):
            caller = caller.f_back
        if caller is not None:
            self._reaches([given.get("name")])

    def _calls(self, _code: CodeType, _offset: int, function: object, first: object) -> None:
        """A code that names ``__import__`` calls something."""
        if function is _import:
            # It gives the outermost package, unless it is given names.
            self._reaches([first, first.partition(".")[0]] if isinstance(first, str) else [first])
        elif builtins.__import__ is not _import:
            self._reaches([None])

    def _note_caller(self, number: int, frame: FrameType) -> bool:
        """Take down who has called a method that nobody names; whether to be told of the next call, too."""
        times = self._unnamed[number] = self._unnamed[number] + 1
        caller = frame.f_back
        place = _OTHER if caller is None else self._stack.place_of(code_of(caller))
        if place >= 0:
            known = self._callers_of.setdefault(number, set())
            if place not in known:
                known.add(place)
                code = self._codes[place]
                for name in around(code.co_qualname):
                    known.update(self.numbers_of.get((code.co_filename, name), ()))
        elif place == _OTHER:
            # Somebody else's code, which may do it for whoever has called that.
            self._called_by_all.add(number)
        if times > _MANY:
            self._called_by_all.add(number)
        return number not in self._called_by_all

    def _is_due(self, keeper: int) -> bool:
        """Whether everything shall be told anew, now that this one begins."""
        times = self._again[keeper] = self._again.get(keeper, 0) + 1
        if times > 1:
            self._more[keeper] = self._more.get(keeper, 0) + 1
        return times <= _AGAIN and self._more.get(keeper, 0) <= _MORE

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

    def _note(self, number: int, frame: FrameType | None) -> bool:
        """Take down a code for whoever is running; whether it is executed beneath another that keeps it in any case."""
        sink = self._sink()
        if sink is not None:
            sink.add(number)
            self.begun.add(number)
        passed, end = self._stack.walk(frame)
        # Of the others it does not matter what is executed beneath them.
        keepers = [place for place in passed if place in self._keepers or place >= self._judged]
        is_kept = any(place in self._lasting_keepers and place != number for place in keepers)
        callers = {(number, place) for place in keepers}
        if sink is not None:
            self.pending |= callers
        if end is None:
            self.loading.setdefault(NOBODY, set()).add(number)  # in a thread of its own: for whom, is not seen
        elif end[0] == _BODY:
            path = end[1].co_filename
            self.loading.setdefault(path, set()).add(number)
            if sink is None and callers:
                self.callers_in.setdefault(path, set()).update(callers)
        elif sink is None:
            self.loading.setdefault(NOBODY, set()).add(number)
            self.callers.setdefault(NOBODY, set()).update(callers)
        return is_kept

    def _find_place(self, code: CodeType) -> int:
        """The number of a code, or what it stands for on a stack."""
        if code.co_name == "<module>":
            return _BODY if self._is_own(code.co_filename) else _OTHER
        return _END if self._ends(code) else self._numbers.get(id(code), _OTHER)

    def _listen(self, code: CodeType) -> None:
        """To all codes within *code*."""
        for constant in code.co_consts:
            if isinstance(constant, CodeType):
                if id(constant) not in self._numbers:
                    number = self._numbers[id(constant)] = len(self._codes)
                    self._stack.set(constant, number)
                    if _is_method(constant) and _may_put(constant):
                        self._methods.add(number)
                    self._codes.append(constant)
                    self.numbers_of.setdefault((constant.co_filename, constant.co_qualname), []).append(number)
                    self._by_name.setdefault(constant.co_qualname, []).append(number)
                    if constant.co_name in _UNNAMED:
                        self._unnamed[number] = 0
                    _monitoring.set_local_events(_TOOL, constant, self._local | _calls_of(constant))
                self._listen(constant)

    def codes(self, numbers: Iterable[int]) -> list[tuple[int, CodeType]]:
        """Some codes, with their numbers."""
        return [(number, self._codes[number]) for number in numbers]

    def given_by(self, number: int) -> Iterable[int]:
        """The codes that a code may have given something to that keep it, and that were begun in this test."""
        for name in self.gives_to.get(number, ()):
            found: Collection[int] = {*self.numbers_by_name.get(name, ()), *self._makers_by_name.get(name, ())}
            yield from self.begun.intersection(found or self._makers)
        for name in {name for place in self.places.get(number) or () for name in _asked_by(place)}:
            for one in self.begun.intersection(self.numbers_by_name.get(name, ())):
                if one not in self._unnamed or one in self._called_by_all or number in self._callers_of.get(one, ()):
                    yield one

    def file_of(self, number: int) -> str:
        return self._codes[number].co_filename

    def names(self) -> list[tuple[str, str]]:
        """File and qualified name of each code, by its number."""
        return [(code.co_filename, code.co_qualname) for code in self._codes]


def _asked_by(place: str) -> Sequence[str]:
    """The methods that are called, without being named, when something is put into a *place*."""
    if place[0] in "=#@!":
        return ()
    place = as_of_any(place)
    return (place[1:], "__setattr__", "__set__") if place[0] == "." else ("__setitem__",)


def owner_of(qualname: str) -> str:
    """The function that a comprehension or lambda of this name is a part of; its own name if there is none."""
    names = (qualname, *around(qualname))
    return next((name for name in names if not name.rpartition(".")[2].startswith("<")), names[-1])


def around(qualname: str) -> Iterator[str]:
    """The functions that one of this name stands in, from within."""
    while ".<locals>." in qualname:
        qualname = qualname.rpartition(".<locals>.")[0]
        yield qualname


def _is_method(code: CodeType) -> bool:
    """Whether a code is that of a function within a class that is in no function."""
    return "." in code.co_qualname and "<" not in code.co_qualname and code.co_argcount > 0


def _may_put(code: CodeType) -> bool:
    return not _STORING.isdisjoint(code.co_code[::2]) or not _PUTTING.isdisjoint(code.co_names)


def _calls_of(code: CodeType) -> int:
    """The event by which it is told what a code calls, if it may call ``__import__``."""
    return _monitoring.events.CALL if _import.__name__ in code.co_names else 0


_import = __import__


def listen(
    is_own: Callable[[str], bool], sink: Callable[[], set[int] | None], ends: Callable[[CodeType], bool], reaches: Callable[[Iterable[object]], None]
) -> Executed | None:
    """Listen if the interpreter can, and nobody else has taken our place."""
    if _monitoring is None or _monitoring.get_tool(_TOOL) is not None:
        return None
    return Executed(is_own, sink, ends, reaches)
