"""Items of test functions, made without what nobody has asked them for yet.

pytest gives each item a dozen containers, most of which stay empty: keywords, stash, report sections, a request. Here they
are made when they are first looked at. Whoever looks sees what ``_pytest.python.Function.__init__`` would have made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FunctionType
from typing import Any, NamedTuple

from _pytest import nodes
from _pytest.fixtures import FuncFixtureInfo, TopRequest
from _pytest.mark.structures import NodeKeywords, get_unpacked_marks
from _pytest.python import Class, Function, FunctionDefinition, Module
from _pytest.stash import Stash

from dx_py_test_runner._native import ItemMaker
from dx_py_test_runner.engine.frames import internal

try:
    from _pytest.nodeid import NodeId
except ImportError:  # before pytest 9.1
    NodeId = None

_new = object.__new__

# Frozen: its own constructor sets each value by name.
if NodeId is not None:
    _set_path, _set_names, _set_params, _set_text = (NodeId.__dict__[name].__set__ for name in ("path", "names", "params", "_str_cache"))


def node_id(path: str, names: tuple[str, ...], params: str | None = None) -> Any:
    """As ``NodeId`` made of these."""
    made = _new(NodeId)
    _set_path(made, path)
    _set_names(made, names)
    _set_params(made, params)
    _set_text(made, None)
    return made


def node_ids(items: list[Any]) -> list[str]:
    """The node ids of *items* as text."""
    if NodeId is None:
        return [item.nodeid for item in items]
    return [item._id._str_cache or item.nodeid for item in items]


@internal
def make(
    kind: type[Function],
    parent: Any,
    name: str,
    function: Any,
    *,
    bound: bool,
    callspec: Any = None,
    fixtureinfo: Any = None,
    originalname: str | None = None,
) -> Any:
    """An item of *kind* for the plain function *function* of *parent*.

    :param bound: give it an instance of its class, if *parent* is one, as items have it and definitions do not.
    """
    __tracebackhide__ = True
    item = maker(parent).start(kind, name, originalname or name, function, callspec, bound)
    if fixtureinfo is None:
        fixtureinfo = item.session._fixturemanager.getfixtureinfo(item, item._obj, item.cls)
    item._fixtureinfo = fixtureinfo
    item.fixturenames = fixtureinfo.names_closure
    return item


class Common(NamedTuple):
    """What the items of one collector have in common, for the native :class:`ItemMaker`."""

    item: type
    info: type
    node_id: type | None
    parent: Any
    config: Any
    session: Any
    path: Any
    id_path: Any
    """Path and names of the parent's id; of an older pytest, its id as text and None."""
    id_names: tuple[str, ...] | None
    bind: bool
    """Whether each item has an instance of its class."""
    marks_of: Callable[[Any, Any], list[Any]]


class _Latest:
    """The maker of the collector that was asked for last."""

    parent: Any = None
    maker: Any = None


def maker(parent: Any) -> ItemMaker:
    """What makes the items of plain functions of *parent*: as :func:`make`, from a name, the function and its fixtures.

    The fixtures are a ``FuncFixtureInfo``; the item's shares no list or dictionary with it.
    """
    if _Latest.parent is parent:
        return _Latest.maker
    id_path, id_names = (parent.nodeid, None) if NodeId is None else (parent._id.path, tuple(parent._id.names))
    made = ItemMaker(
        Common(
            Function,
            FuncFixtureInfo,
            NodeId,
            parent,
            parent.config,
            parent.session,
            parent.path,
            id_path,
            id_names,
            type(parent) is Class,
            _marks_of,
        )
    )
    _Latest.parent, _Latest.maker = parent, made
    return made


def _marks_of(function: Any, callspec: Any) -> list[Any]:
    """The marks of a function and of its parameters (None: it has none)."""
    marks = list(get_unpacked_marks(function))
    if callspec is not None:
        marks.extend(callspec.marks)
    return marks


# ---- what is made when it is looked at


def _make_keywords(item: Any) -> NodeKeywords:
    keywords = NodeKeywords(item)
    markers = keywords._markers
    for mark in item.own_markers:
        markers[mark.name] = mark
    markers.update(item.obj.__dict__)
    callspec = item.__dict__.get("callspec")
    if callspec is not None:
        markers[callspec.id] = True
    return keywords


def _make_stash(item: Any) -> Stash:
    item._store = item.__dict__["stash"] = stash = Stash()
    return stash


def _make_request(item: Any) -> TopRequest:
    return TopRequest(item, _ispytest=True)


LATE: dict[str, Callable[[Any], Any]] = {
    "keywords": _make_keywords,
    "stash": _make_stash,
    "_store": _make_stash,
    "own_markers": lambda _item: [],
    "extra_keyword_matches": lambda _item: set(),
    "_report_sections": lambda _item: [],
    "user_properties": lambda _item: [],
    "funcargs": lambda _item: {},
    "_request": _make_request,
}


@internal
def _make_late(self: Any, name: str) -> Any:
    """``__getattr__`` of items: called for what an item does not have."""
    __tracebackhide__ = True
    maker = LATE.get(name)
    if maker is None:
        # Fails as if nobody had caught it.
        return object.__getattribute__(self, name)
    value = maker(self)
    setattr(self, name, value)
    return value


# ---- in pytest's constructors

_from_parent = Function.__dict__["from_parent"]
_init = Function.__init__
_node_init = nodes.Node.__init__
_definition_init = FunctionDefinition.__init__


def are_unchanged() -> bool:
    """Whether items are still made as pytest makes them: no plugin has replaced a constructor."""
    return (
        Function.__init__ is _init
        and nodes.Node.__init__ is _node_init
        and FunctionDefinition.__init__ is _definition_init
        and Function.__dict__["from_parent"] is _from_parent
    )


@contextmanager
def made_lean() -> Iterator[None]:
    """Have ``Function.from_parent`` make lean items, too."""
    Function.__getattr__ = _make_late  # type: ignore[attr-defined]
    Function.from_parent = classmethod(_from_parent_lean)  # type: ignore[assignment,arg-type]
    try:
        yield
    finally:
        Function.from_parent = _from_parent
        _Latest.parent = _Latest.maker = None


@internal
def _from_parent_lean(kind: type[Function], parent: Any, **more: Any) -> Any:
    """``Function.from_parent``, as pytest calls it when it collects."""
    __tracebackhide__ = True
    if (kind is Function or kind is FunctionDefinition) and type(parent) in (Module, Class) and more.keys() <= _KNOWN and "name" in more:
        name, keywords, callspec = more["name"], more.get("keywords"), more.get("callspec")
        if keywords is None or (callspec is not None and keywords == {callspec.id: True}):
            given = more.get("callobj")
            base = more.get("originalname") or name
            function = given if given is not None else parent.obj.__dict__.get(base)
            if type(function) is FunctionType and "__wrapped__" not in function.__dict__:
                return make(
                    kind,
                    parent,
                    name,
                    function,
                    bound=given is None,
                    callspec=callspec,
                    fixtureinfo=more.get("fixtureinfo"),
                    originalname=base,
                )
    return _from_parent.__get__(None, kind)(parent, **more)


_KNOWN = frozenset({"name", "callspec", "callobj", "keywords", "fixtureinfo", "originalname"})
