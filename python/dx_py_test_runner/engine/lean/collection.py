"""Collecting plain test functions without asking hooks that nobody but pytest answers.

A *plain* function is no coroutine, no generator, wraps nothing, is marked with nothing that concerns collection, and asks
for no parametrized fixture: then ``pytest_pycollect_makeitem`` and ``pytest_generate_tests`` end in one item, always.
"""

from __future__ import annotations

import contextlib
import inspect
import operator
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FunctionType, ModuleType
from typing import Any, NamedTuple

from _pytest import fixtures, python
from _pytest.compat import getfuncargnames
from _pytest.fixtures import FixtureFunctionDefinition, FuncFixtureInfo
from _pytest.main import Dir
from _pytest.python import Class, Function, FunctionDefinition, Module, Package, PyCollector
from _pytest.scope import Scope
from _pytest.stash import StashKey

from dx_py_test_runner.engine.frames import internal
from dx_py_test_runner.engine.lean import files, guards, holders, importing, items
from dx_py_test_runner.engine.lean.collectors import folder_of

_NOT_PLAIN = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR | inspect.CO_ITERABLE_COROUTINE

_COLLECTING_MARKS = frozenset({"parametrize", "usefixtures"})

_collect = PyCollector.collect
_all_argument_names = fixtures.getfuncargnames
_all_names_with_defaults = python.get_default_arg_names


@contextmanager
def lean_collection(
    session: Any, begins: Callable[[Any], Any] | None = None, ends: Callable[[], None] | None = None
) -> Iterator[None]:
    """Within this context, plain test functions are collected lean, and so are modules and directories.

    :param begins: is told the module that is about to be collected, in place of a hook; may return a report of it.
    :param ends: is called behind each.
    """
    if guards.why_no_lean_collection(session.config) or not items.are_unchanged():
        yield
        return
    names = _Names(session.config)
    relays = files.Relays(session) if files.are_known() else None
    infos = _FixtureInfos(session._fixturemanager)

    @internal
    def collect(self: Any) -> Any:
        __tracebackhide__ = True
        if type(self) not in (Module, Class) or not names.collect_imported_tests:
            return _collect(self)
        collecting = _Collecting(self, names, relays)
        return infos.sharing_below(self, collecting.collect) if collecting.is_plain else collecting.collect()

    manager = session._fixturemanager
    parse, reorder = manager.parsefactories, fixtures.reorder_items

    @internal
    def parsefactories(*args: Any, **more: Any) -> None:
        __tracebackhide__ = True
        node, holder = (holders.holder_of(args, more) if holders.is_unchanged() else None) or (None, None)
        names = None if node is None else holders.fixture_names(holder)
        if names is None:
            parse(*args, **more)
        else:
            for name in names:
                holders.register(manager, node, holder, name)

    order = session.stash[order_key] = _Order(reorder)

    @internal
    def reorder_items(items: list[Any]) -> list[Any]:
        __tracebackhide__ = True
        return order.of(items)

    with items.made_lean(), contextlib.ExitStack() as undo:
        for owner, name, lean in (
            (PyCollector, "collect", collect),
            (manager, "parsefactories", parsefactories),
            (manager, "getfixtureinfo", infos.of),
            (fixtures, "reorder_items", reorder_items),
            (fixtures, "getfuncargnames", _names_of_arguments),
            (python, "get_default_arg_names", _names_with_defaults),
            (python, "import_path", importing.import_path),
            *_for_files(session, relays, begins or _ignore, ends or _ignore),
        ):
            undo.enter_context(_replaced(owner, name, lean))
        yield


def _ignore(*_args: object) -> None:
    pass


def _for_files(
    session: Any, relays: files.Relays | None, begins: Callable[[Any], Any], ends: Callable[[], None]
) -> list[tuple[Any, str, Any]]:
    """What is to be replaced so that directories and modules are collected lean."""
    if relays is None:
        return [(session, "genitems", _genitems(session, None))]
    folders = files.Folders(session, relays)
    modules = files.Modules(session, relays, begins, ends)

    def of_folder(kind: Any) -> Any:
        real = kind.collect

        @internal
        def collect(self: Any) -> Any:
            __tracebackhide__ = True
            return folders.collect(self) if type(self) is kind else real(self)

        return collect

    @internal
    def of_module(self: Any) -> Any:
        __tracebackhide__ = True
        files.register_setup_functions(self)
        self.session._fixturemanager.parsefactories(self)
        return super(Module, self).collect()

    return [
        (Dir, "collect", of_folder(Dir)),
        (Package, "collect", of_folder(Package)),
        (Module, "collect", of_module),
        (session, "genitems", _genitems(session, modules)),
    ]


def order_ahead(session: Any, items: list[Any]) -> None:
    """Find out now in which order pytest will put *items*, in case it will be asked for just these."""
    order = session.stash.get(order_key, None)
    if order is not None:
        order.prepare(items)


class _Order:
    """``_pytest.fixtures.reorder_items``, which may have been asked ahead."""

    def __init__(self, reorder: Callable[[list[Any]], list[Any]]) -> None:
        self._reorder = reorder
        self._given: list[Any] = []
        self._found: list[Any] = []

    def prepare(self, items: list[Any]) -> None:
        # What the user's parameters raise when they are compared is to be raised where pytest compares them.
        with contextlib.suppress(*fixtures.TEST_OUTCOME):
            self._found = self._find(items)
            self._given = list(items)

    @internal
    def of(self, items: list[Any]) -> list[Any]:
        __tracebackhide__ = True
        given, found = self._given, self._found
        self._given = self._found = []
        if found and len(given) == len(items) and all(map(operator.is_, given, items)):
            return found
        return self._find(items)

    @internal
    def _find(self, items: list[Any]) -> list[Any]:
        __tracebackhide__ = True
        # Without parameters of a scope wider than a function's there is nothing to bring together.
        if set(map(type, items)) <= {Function} and all(map(_is_narrow, items)):
            return list(dict.fromkeys(items))
        return self._reorder(items)


def _is_marked(node: Any) -> bool:
    """Whether *node* or anything above it has marks."""
    while node is not None:
        if node.own_markers:
            return True
        node = node.parent
    return False


def _is_narrow(item: Any) -> bool:
    """Whether *item*, a test function, has no parameter of a scope wider than a function's."""
    callspec = item.__dict__.get("callspec")
    if callspec is None:
        return True
    for scope in callspec._arg2scope.values():
        if scope is not Scope.Function:
            return False
    return True


order_key = StashKey[_Order]()


@contextmanager
def _replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    """*owner* has *value* under *name* meanwhile."""
    missing = object()
    before = vars(owner).get(name, missing)
    setattr(owner, name, value)
    try:
        yield
    finally:
        if before is missing:
            delattr(owner, name)
        else:
            setattr(owner, name, before)


def _genitems(session: Any, modules: files.Modules | None) -> Callable[[Any], Iterator[Any]]:
    """``session.genitems``, without asking each item for hooks that nobody implements."""
    real = session.genitems
    collected = session.config.hook.pytest_itemcollected

    @internal
    def genitems(node: Any) -> Iterator[Any]:
        __tracebackhide__ = True
        if type(node) is Function and not collected.get_hookimpls():
            return iter((node,))
        if type(node) is Module and modules is not None and modules.are_quiet(node):
            return modules.generate(node)
        # Comes back for each node below.
        generated: Iterator[Any] = real(node)
        return generated

    return genitems


class _Names:
    """What the configuration says of names: the same for all collectors."""

    def __init__(self, config: Any) -> None:
        self.collect_imported_tests = bool(config.getini("collect_imported_tests"))
        self.functions = _prefixes(config.getini("python_functions"))
        self._classes = _prefixes(config.getini("python_classes"))

    def is_class(self, collector: Any, name: str) -> bool:
        """As ``PyCollector.classnamefilter``."""
        return name.startswith(self._classes) if self._classes is not None else collector.classnamefilter(name)


def _prefixes(patterns: list[str]) -> tuple[str, ...] | None:
    """*patterns*, if all are plain prefixes."""
    if any(set(pattern) & set("*?[") for pattern in patterns):
        return None
    return tuple(patterns)


class _FixtureInfos:
    """``FixtureManager.getfixtureinfo``: functions with the same arguments, side by side, see the same fixtures."""

    def __init__(self, manager: Any) -> None:
        self._real = manager.getfixtureinfo
        self._parent: Any = None
        self._known: dict[tuple[Any, ...], FuncFixtureInfo] = {}

    @internal
    def sharing_below(self, parent: Any, collect: Callable[[], list[Any]]) -> list[Any]:
        """*collect* functions of *parent*, about which nobody but pytest is asked."""
        __tracebackhide__ = True
        before = self._parent, self._known
        self._parent, self._known = parent, {}
        try:
            return collect()
        finally:
            self._parent, self._known = before

    @internal
    def of(self, node: Any, func: Any, cls: type | None) -> FuncFixtureInfo:
        __tracebackhide__ = True
        if (
            type(node) is not FunctionDefinition
            or node.parent is not self._parent
            or type(func) is not FunctionType
            or any(mark.name == "usefixtures" for mark in node.own_markers)
        ):
            return self._real(node, func, cls)
        # Looked up where pytest does: it may be replaced there.
        arguments = fixtures.getfuncargnames(func, name=node.name, cls=cls)
        key = (arguments, frozenset(fixtures._get_direct_parametrize_args(node)))
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = _copy_of(self._real(node, func, cls))
        return _copy_of(known)


def _copy_of(info: FuncFixtureInfo) -> FuncFixtureInfo:
    return FuncFixtureInfo(info.argnames, info.initialnames, info.names_closure.copy(), info.name2fixturedefs.copy())


class _Selection(NamedTuple):
    """Which functions become items without another look, for the native ``ItemMaker``."""

    function: type
    prefixes: tuple[str, ...]
    ignored: frozenset[str]
    not_plain: int
    closures: dict[tuple[str, ...], FuncFixtureInfo | None]
    other: Callable[[str, Any, list[Any]], None]


_NO_FIXTURES = FuncFixtureInfo((), (), [], {})
"""Copied for each item."""

_IGNORED = frozenset(python.IGNORED_ATTRIBUTES)


class _Collecting:
    """One call of ``PyCollector.collect``."""

    def __init__(self, collector: Any, names: _Names, relays: files.Relays | None) -> None:
        self._collector = collector
        self._obj = collector.obj
        self._names = names
        self._prefixes = names.functions
        folder = relays and folder_of(collector)
        if folder is not None:
            self._ihook = relays.of(folder)
            self._lean = relays.holds(guards.COLLECT, self._ihook)
        else:
            self._ihook = collector.ihook
            self._lean = not guards.why_off(guards.COLLECT, self._ihook)
        self._is_marked = _is_marked(collector)
        self.is_plain = self._lean and self._may_have_plain_functions()
        self._maker = items.maker(collector)
        self._class = self._obj if type(collector) is Class else None
        self._closures: dict[tuple[str, ...], FuncFixtureInfo | None] = {}
        if self.is_plain and not self._uses_fixtures():
            self._closures[()] = _NO_FIXTURES
        self._selection = None
        if self.is_plain and self._class is None and self._prefixes is not None:
            self._selection = _Selection(
                FunctionType, self._prefixes, _IGNORED, _NOT_PLAIN, self._closures, self._make
            )

    def _may_have_plain_functions(self) -> bool:
        """Whether nothing around the functions says how often, or with which fixtures, they run."""
        collector = self._collector
        for mark in collector.iter_markers() if self._is_marked else ():
            if mark.name == "parametrize" or (mark.name == "usefixtures" and not mark.args):
                return False
        module = self._obj if type(collector) is Module else collector.getparent(Module).obj
        return not hasattr(module, "pytest_generate_tests") and (
            self._obj is module or not hasattr(self._obj, "pytest_generate_tests")
        )

    def _uses_fixtures(self) -> bool:
        """Whether even functions without arguments have fixtures here."""
        collector = self._collector
        names = collector.session._fixturemanager._getautousenames(collector)
        return (self._is_marked and any(collector.iter_markers("usefixtures"))) or next(names, None) is not None

    @internal
    def collect(self) -> list[Any]:
        """What ``PyCollector.collect`` returns."""
        __tracebackhide__ = True
        obj = self._obj
        if not getattr(obj, "__test__", True):
            return []
        dicts = [getattr(obj, "__dict__", {})]
        if isinstance(obj, type):
            dicts.extend(base.__dict__ for base in obj.__mro__)
        seen: set[str] = set()
        found = []
        for names in dicts:
            values: list[Any] = []
            if self._selection is not None:
                self._maker.collect(names, seen, values, self._selection)
            else:
                for name, value in list(names.items()):
                    if name not in python.IGNORED_ATTRIBUTES and name not in seen:
                        seen.add(name)
                        self._make(name, value, values)
            found.append(values)
        return [node for values in reversed(found) for node in values]

    @internal
    def _make(self, name: str, value: Any, nodes: list[Any]) -> None:
        """Append the nodes of one name to *nodes*."""
        __tracebackhide__ = True
        if self._lean:
            kind = type(value)
            if kind is FunctionType:
                prefixes = self._prefixes
                if not (
                    name.startswith(prefixes) if prefixes is not None else self._collector.funcnamefilter(name)
                ):
                    if "__test__" not in value.__dict__:
                        return
                elif self.is_plain and (
                    self._is_plain(value) if value.__dict__ else not value.__code__.co_flags & _NOT_PLAIN
                ):
                    item = self._make_plain(name, value)
                    if item is not None:
                        nodes.append(item)
                        return
            elif kind in holders.INERT or kind is FixtureFunctionDefinition or self._is_no_test(name, value, kind):
                return
        made = self._ihook.pytest_pycollect_makeitem(collector=self._collector, name=name, obj=value)
        if isinstance(made, list):
            nodes.extend(made)
        elif made is not None:
            nodes.append(made)

    def _is_no_test(self, name: str, value: Any, kind: type) -> bool:
        if kind is ModuleType:
            return "__getattr__" not in value.__dict__
        if kind is not type or self._names.is_class(self._collector, name):
            return False
        unittest = sys.modules.get("unittest")
        return getattr(value, "__test__", False) is not True and not (
            unittest is not None and issubclass(value, unittest.TestCase)
        )

    @staticmethod
    def _is_plain(function: Any) -> bool:
        if function.__code__.co_flags & _NOT_PLAIN:
            return False
        attributes = function.__dict__
        if len(attributes) > 1 or "pytestmark" not in attributes:
            return False
        marks = attributes["pytestmark"]
        return type(marks) is list and not any(
            getattr(mark, "name", "parametrize") in _COLLECTING_MARKS for mark in marks
        )

    @internal
    def _make_plain(self, name: str, function: Any) -> Any:
        """The one item of a plain function; None if one of its fixtures has parameters."""
        __tracebackhide__ = True
        code = function.__code__
        if (
            self._class is None
            and function.__defaults__ is None
            and not (code.co_posonlyargcount or code.co_kwonlyargcount)
        ):
            arguments = code.co_varnames[: code.co_argcount]
        else:
            arguments = _argument_names(function, name, self._class)
        try:
            closure = self._closures[arguments]
        except KeyError:
            closure = self._closures[arguments] = self._closure(name, function)
        if closure is None:
            return None
        return self._maker.make(name, function, closure)

    @internal
    def _closure(self, name: str, function: Any) -> FuncFixtureInfo | None:
        __tracebackhide__ = True
        definition = items.make(FunctionDefinition, self._collector, name, function, bound=False)
        info: FuncFixtureInfo = definition._fixtureinfo
        for found in info.name2fixturedefs.values():
            if any(fixture.params is not None for fixture in found):
                return None
        return info


def _names_of_arguments(function: Any, name: str = "", cls: type | None = None) -> tuple[str, ...]:
    """``_pytest.compat.getfuncargnames``, without a signature for what is plainly a function of a module."""
    if cls is None and _is_itself(function):
        return _argument_names(function, name, None)
    return _all_argument_names(function, name=name, cls=cls)


def _names_with_defaults(function: Any) -> tuple[str, ...]:
    """``_pytest.compat.get_default_arg_names``, without a signature for what is plainly a function."""
    if not _is_itself(function) or function.__code__.co_posonlyargcount:
        return _all_names_with_defaults(function)
    code, defaults, more = function.__code__, function.__defaults__ or (), function.__kwdefaults__ or {}
    count = code.co_argcount
    keywords = code.co_varnames[count : count + code.co_kwonlyargcount]
    return (*code.co_varnames[count - len(defaults) : count], *[name for name in keywords if name in more])


def _is_itself(function: Any) -> bool:
    """Whether the signature of *function* is that of its own code: nothing says otherwise."""
    return type(function) is FunctionType and function.__dict__.keys() <= _MARKED


_MARKED = frozenset({"pytestmark"})


def _argument_names(function: Any, name: str, owner: type | None) -> tuple[str, ...]:
    """As ``_pytest.compat.getfuncargnames``, for plain functions."""
    code, defaults, more = function.__code__, function.__defaults__, function.__kwdefaults__
    if code.co_posonlyargcount or code.co_kwonlyargcount or more:
        return getfuncargnames(function, name=name, cls=owner)
    count = code.co_argcount - (len(defaults) if defaults else 0)
    return code.co_varnames[1 if owner is not None else 0 : count]
