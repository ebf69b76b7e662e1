"""What tests leave behind in a project's modules: seen, under which names, and where; and what is not theirs."""

from __future__ import annotations

import collections
import contextvars
import functools
import gc
import sys
import threading
import types
import unittest.mock
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dx_py_test_runner.inputs.left import EVERYTHING, UNKNOWN, Left
from dx_py_test_runner.inputs.traces import Traces

FOLDER = "/own"
PATH = f"{FOLDER}/kept.py"


class World:
    """A module of a project, and who looks at it."""

    def __init__(self, text: str) -> None:
        self.module = types.ModuleType("own_kept")
        self.module.__file__ = PATH
        self.module.__dict__.update(functools=functools, collections=collections, weakref=weakref, threading=threading, contextvars=contextvars, unittest=unittest)
        sys.modules["own_kept"] = self.module
        self.run(text)
        self.traces = Traces(lambda path: path.startswith(FOLDER))
        assert self.traces.look([]) == [UNKNOWN]
        assert self.traces.look([], is_set_up=True) == []

    def run(self, text: str) -> None:
        exec(compile(text, PATH, "exec"), self.module.__dict__)

    def left(self, text: str) -> list[Left]:
        self.run(text)
        return self.traces.look([])

    def names(self, text: str) -> set[str]:
        found = self.left(text)
        assert self.traces.look([]) == [], "what has been told is told again"
        return {name for one in found for name in one.names}


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    yield
    sys.modules.pop("own_kept", None)


SEEN = {
    "variable": ("x = 1", "x = 2", ".x"),
    "variable that is new": ("", "x = 2", ".x"),
    "number that is what another was": ("x = 1000", "x += 1; x -= 1; x = x + 5", ".x"),
    "list": ("x = []", "x.append(1)", "x"),
    "list within a list": ("x = [[]]", "x[0].append(1)", "x[]"),
    "list within a dictionary": ("x = {'a': []}", "x['a'].append(1)", "x[]"),
    "dictionary": ("x = {}", "x[1] = 2", "x"),
    "order of a dictionary": ("x = {1: 0, 2: 0}", "x[1] = x.pop(1)", "x"),
    "set": ("x = set()", "x.add(1)", "x"),
    "deque": ("x = collections.deque()", "x.append(1)", "x"),
    "array of bytes": ("x = [bytearray(1)]", "x[0].append(1); x[0].append(2)", "x"),
    "attribute": ("class C: pass\nx = C()", "x.y = 1", ".y"),
    "attribute of an object in a list": ("class C: pass\nx = [C()]", "x[0].y = 1", ".y"),
    "list of an object": ("class C: pass\nx = C(); x.y = []", "x.y.append(1)", "y"),
    "slot": ("class C: __slots__ = ('y',)\nx = C(); x.y = 1", "x.y = 2", ".y"),
    "list in a slot": ("class C: __slots__ = ('y',)\nx = C(); x.y = []", "x.y.append(2)", "y"),
    "attribute of a class": ("class C: y = 1", "C.y = 2", ".y"),
    "items of an object": ("class C(dict): pass\nx = C()", "x[1] = 2", "~"),
    "attribute of a function": ("def f(): pass", "f.y = 1", ".y"),
    "attribute of a function that has an empty dictionary": ("def f(): pass\nf.__dict__", "f.y = 1", ".y"),
    "default": ("def f(x=[]): x.append(1)", "f()", "*"),
    "variable around": ("def g():\n  x = []\n  return lambda: x.append(1)\nf = g()", "f()", "x"),
    "variable around that is bound anew": ("def g():\n  x = 0\n  def f():\n    nonlocal x\n    x += 1\n  return f\nf = g()", "f()", "x"),
    "cache": ("@functools.cache\ndef f(): return [1]", "f()", "@f"),
    "cache with more": ("@functools.lru_cache(9)\ndef f(n): return [n]\nf(1)\nf(2)", "f(3)", "@f"),
    "cache that forgets": ("@functools.lru_cache(2)\ndef f(n): return [n]\nf(1)\nf(2)", "f(3)", "@f"),
    "list in a cache": ("@functools.lru_cache(2)\ndef f(n): return [n]\nf(1)", "f(1).append(2)", "*"),
    "cached property": ("class C:\n  @functools.cached_property\n  def y(self): return 1\nx = C()", "x.y", ".y"),
    "object of others": ("x = collections.UserDict()", "x[1] = 2", "x"),
    "weak set": ("class C: pass\ny = C(); x = weakref.WeakSet()", "x.add(y)", "x"),
    "object that is known weakly": ("class C: pass\ny = C(); y.me = y; x = weakref.WeakValueDictionary({1: y}); del y", "x[1].z = 2", ".z"),
    "thread's own": ("x = threading.local()", "x.y = 1", ".y"),
    "what is in something new": ("class C: pass\nx = []", "y = C(); y.z = [C()]; y.z[0].a = 1; x.append(y); del y", ".a"),
    "object that nobody can ask": ("class C:\n  @property\n  def __dict__(self): raise RuntimeError\n  __class__ = __dict__\nx = C(); x.y = []", "x.y.append(1)", "*"),
    "class that is new": ("x = []", "class C:\n  y = 1\nx.append(C); del C", "x"),
}


@pytest.mark.parametrize(("before", "does", "name"), SEEN.values(), ids=SEEN)
def test_what_is_left_is_seen(before: str, does: str, name: str) -> None:
    assert name in World(before).names(does)


UNSEEN = {
    "nothing": ("x = [1]", ""),
    "what is taken back": ("x = [1]; y = 1", "x.append(2); x.pop(); y = 2; y = 1"),
    "the same again": ("x = 'a' * 3", "x = 'a' * 3"),
    "annotations that are asked for": ("def f(x: int) -> int: pass", "f.__annotations__"),
    "the dictionary of a function that is asked for": ("def f(): pass", "f.__dict__"),
    "an empty list": ("class C: pass\nx = C()", "z = []"),
    "what is known of a class": ("class C: pass", "C.__slotnames__ = []"),
    "what is kept for a key that nobody has": ("class C: pass\nx = weakref.WeakKeyDictionary()", "y = C(); y.me = y; x[y] = 1; del y"),
    "a cache that gives what it has": ("@functools.lru_cache(9)\ndef f(n): return [n]\nf(1)\nf(2)", "f(1)"),
    "the cache of a function of others": ("import urllib.parse\nfrom urllib.parse import urlsplit", "urlsplit('a://own')"),
    "an object of a class that is not kept": ("class C: pass", "C().x = 1"),
}


@pytest.mark.parametrize(("before", "does"), UNSEEN.values(), ids=UNSEEN)
def test_what_is_not_left(before: str, does: str) -> None:
    assert World(before).left(does) == []


EXACTLY = {
    "two within one": ("x = {'a': [[], []]}", "x['a'][0].append(1); x['a'][1].append(1)", {"x[][]"}),
    "a tuple in a list": ("x = []", "x.append((1, (2, 3)))", {"x"}),
    "a list in a tuple": ("x = []", "x.append(([1],))", {"x", "x[][]"}),
    "a named tuple in a list": ("T = collections.namedtuple('T', 'a')\nT.__module__ = 'own_kept'\nx = []", "x.append(T((1, 2)))", {"x"}),
    "a list in a named tuple": ("T = collections.namedtuple('T', 'a')\nT.__module__ = 'own_kept'\nx = []", "x.append(T([1]))", {"x", "a", "x[][]"}),
    "a pattern": ("import re\nx = {}", "x['a'] = [re.compile('own')]", {"x", "x[]"}),
    "a frozen set by default": ("def f(x=None): pass", "f.__defaults__ = (frozenset({(1,)}),)", {".__code__", ".__defaults__", ".__kwdefaults__"}),
}


@pytest.mark.parametrize(("before", "does", "names"), EXACTLY.values(), ids=EXACTLY)
def test_what_is_made_as_it_is_has_the_names_of_what_holds_it(before: str, does: str, names: set[str]) -> None:
    assert World(before).names(does) == names


def test_bases_of_a_class() -> None:
    assert World("class A: pass\nclass B: pass\nclass C(A): pass").names("C.__bases__ = (B,)")


OF_CLASSES = {
    "an attribute": ("x = C()", "x.y = 1", {"C", "B", "A", "object"}),
    "an attribute that has a slot": ("class D(A): __slots__ = ('y',)\nx = D(); x.y = 1", "x.y = 2", {"D", "A", "object"}),
    "items": ("class D(dict): pass\nx = D()", "x[1] = 2", {"D", "dict", "object"}),
    "of a method of another class": ("class D: f = C.f\nx = D()", "x.y = 1", {"C", "D", "object"}),
    "of a property of another class": ("class D: g = C.g\nx = D()", "x.y = 1", {"C", "D", "object"}),
    "of a class that has something that answers anything": ("class D:\n  f = C.f\n  g = unittest.mock.Mock()\nx = D()", "x.y = 1", {"C", "D", "object"}),
    "an attribute of a class": ("x = C()", "C.y = 1", None),
    "an attribute of a function": ("def f(): pass", "f.y = 1", None),
    "a variable": ("x = 1", "x = 2", None),
}


@pytest.mark.parametrize(("before", "does", "classes"), OF_CLASSES.values(), ids=OF_CLASSES)
def test_whose_methods_can_have_left_it(before: str, does: str, classes: set[str] | None) -> None:
    world = World("class A: __slots__ = ()\nclass B: pass\nclass C(B, A):\n    def f(self): pass\n    g = property(f)\n" + before)
    assert (left := world.left(does))
    for one in left:
        assert (one.owners and one.owners - {""}) == classes


def test_where_it_is_left() -> None:
    world = World("x = []")
    (one,) = world.left("x.append(1)")
    assert one.where == {PATH} and one.how is not None and "append" in one.how and "add" not in one.how


def test_what_a_fixture_gives() -> None:
    world, given_by = World(""), [1]
    assert world.traces.look([given_by], is_set_up=True) == []
    given_by.append(2)
    assert [one.where for one in world.traces.look([given_by])] == [{""}]
    assert world.traces.look([given_by]) == []
    assert world.traces.look([given_by, [3]]) != [], "one that was never seen"


def test_a_module_that_is_loaded() -> None:
    world = World("")
    other = types.ModuleType("own_other")
    other.__file__ = f"{FOLDER}/other.py"
    other.x, other.y = [1], 2
    sys.modules["own_other"] = other
    try:
        left = world.traces.look([])
        assert {path for one in left for path in one.where} == {f"{FOLDER}/other.py"}
        names = {name for one in left for name in one.names}
        assert {".x", ".y", "x"} <= names and not names & EVERYTHING
    finally:
        del sys.modules["own_other"]


def test_a_module_of_a_package_that_is_loaded() -> None:
    world = World("")
    world.module.__name__ = "own_kept"
    other = types.ModuleType("own_kept.other")
    other.__file__ = f"{FOLDER}/other.py"
    other.x = 1
    sys.modules["own_kept.other"] = world.module.other = other
    try:
        left = world.traces.look([])
        assert {name for one in left for name in one.names if ".__" not in name} == {".x"}
        assert world.names("other = 1") == {".other"}
    finally:
        del sys.modules["own_kept.other"]


def test_a_class_that_is_registered() -> None:
    names = World("x = {}\nclass A: pass").names("class B(A): y = 1\nx['B'] = [B]\ndel B")
    assert {".__bases__", ".y", "x", "x[]"} <= names and not names & EVERYTHING


def test_a_variable_of_the_context() -> None:
    world = World("x = contextvars.ContextVar('x')")
    token = world.module.x.set([1])
    try:
        (one, *_rest) = world.traces.look([])
        assert "x" in one.names and one.how == {"set"}
    finally:
        world.module.x.reset(token)


@pytest.mark.parametrize(
    ("place", "does", "name"),
    [
        ("#sys.path", "sys.path.append('own')", "path"),
        ("=sys.own_name", "sys.own_name = 1", ".own_name"),
        ("#os.environ", "os.environ['OWN_NAME'] = '1'", "environ"),
        ("#sys.modules", "sys.modules['own_odd'] = 1", "modules"),
    ],
)
def test_what_is_not_the_project_s(monkeypatch: pytest.MonkeyPatch, place: str, does: str, name: str) -> None:
    monkeypatch.setattr(sys, "path", sys.path[:])
    monkeypatch.setattr(sys, "own_name", 0, raising=False)
    monkeypatch.setenv("OWN_NAME", "0")
    monkeypatch.setitem(sys.modules, "own_odd", types.ModuleType("own_odd"))
    world = World("import os, sys")
    assert world.left(does.replace("1", "2") if place == "=sys.own_name" else "") == [], "nobody has asked"
    assert world.traces.watch(PATH, [place])
    world.traces.look([], is_set_up=True)
    assert {name} <= {name for one in world.left(does) for name in one.names}


@pytest.mark.parametrize("place", ["!functools.wraps", "#sys.modules.x", "#weakref.own", "=!", "#!"])
def test_what_cannot_be_seen_is_said(place: str) -> None:
    world = World("import sys, weakref\nweakref.own = __import__('logging').root")
    try:
        assert world.traces.watch(PATH, [place]) is (place == "#sys.modules.x")
    finally:
        del weakref.own  # type: ignore[attr-defined]


# ---- a law: nothing is told exactly if everything is as it was

class Node:
    """Something that others are put into."""


Node.__module__ = "own_kept"

LEAVES = st.one_of(st.integers(-3, 3), st.sampled_from(["a", "b", 1.5, None, True, b"x"]))
STEPS = st.lists(st.tuples(st.integers(0, 9), st.sampled_from(["append", "pop", "key", "attribute", "list", "dict", "node"]), LEAVES), max_size=8)


def apply(root: list[Any], steps: list[tuple[int, str, Any]]) -> None:
    for number, what, leaf in steps:
        places = [one for one in reachable(root) if isinstance(one, (list, dict, Node))]
        one = places[number % len(places)]
        value: Any = {"list": [0], "dict": {"k": 0}, "node": Node()}.get(what, leaf)
        if isinstance(one, list):
            if what == "pop":
                if one:
                    one.pop()
            else:
                one.append(value)
        elif isinstance(one, dict):
            one[f"k{number}"] = value
        else:
            setattr(one, f"a{number}", value)


def reachable(root: Any) -> list[Any]:
    seen: dict[int, Any] = {}
    waiting = [root]
    while waiting:
        one = waiting.pop(0)
        if id(one) not in seen:
            seen[id(one)] = one
            waiting += one if isinstance(one, list) else one.values() if isinstance(one, dict) else vars(one).values() if isinstance(one, Node) else ()
    return list(seen.values())


def snapshot(root: Any) -> Any:
    if isinstance(root, list):
        return ["list", id(root), *map(snapshot, root)]
    if isinstance(root, (dict, Node)):
        values = root if isinstance(root, dict) else vars(root)
        return [type(root).__name__, id(root), *((key, snapshot(value)) for key, value in values.items())]
    return (type(root).__name__, root)


# A new collection with nothing in it tells no more than that somebody was there: there are none here.
@given(STEPS, STEPS)
def test_told_exactly_if_it_is_otherwise(before: list[tuple[int, str, Any]], then: list[tuple[int, str, Any]]) -> None:
    world = World("class Root: pass")
    root: list[Any] = []
    world.module.Node, world.module.root = Node, root
    apply(root, before)
    world.traces.look([], is_set_up=True)
    held = reachable(root)  # so that no address is given twice
    was = snapshot(root)
    apply(root, then)
    found = world.traces.look([])
    assert bool(found) == (snapshot(root) != was), held


MORE = st.lists(st.lists(st.tuples(st.integers(0, 9), st.sampled_from(["append", "pop", "key", "attribute", "list", "dict", "node", "again", "weak", "forget"]), LEAVES), max_size=6), max_size=6)


def apply_more(module: Any, steps: list[tuple[int, str, Any]]) -> None:
    """The same, with objects that are in two places, are gone, or are held by weak references."""
    for number, what, leaf in steps:
        all = reachable(module.root)
        one = all[number % len(all)]
        if what == "again":
            module.root.append(one)
        elif what == "forget":
            module.root[number % (len(module.root) + 1):] = []
        elif what == "weak" and isinstance(one, Node):
            module.weak[one] = [leaf]
        else:
            apply(module.root, [(number, what, leaf)])


@given(MORE, st.integers(0, 1))
def test_what_is_otherwise_is_found_as_if_all_was_looked_at_anew(rounds: list[list[tuple[int, str, Any]]], roots: int) -> None:
    world = World("class Root: pass")
    world.module.Node, world.module.root, world.module.weak = Node, [], weakref.WeakKeyDictionary()
    again = Traces(lambda path: path.startswith(FOLDER))
    again.look([])
    for number, steps in enumerate([[], *rounds]):
        apply_more(world.module, steps)
        context = [world.module.root[-1:]] if roots and number % 2 else []
        gc.disable()
        try:
            # Whoever is told of modules forgets what it was reached by.
            again._native.know(sys.modules, {"own_kept"})
            found = [
                {(id(one), tuple(sorted(keys or ())), len(parts or ()), is_root) for one, keys, parts, is_root in traces._native.look([*traces._namespaces, *context])}
                for traces in (world.traces, again)
            ]
        finally:
            gc.enable()
        assert number == 0 or found[0] == found[1]
