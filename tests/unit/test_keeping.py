"""Functions that may keep what they find for others than who called them."""

from __future__ import annotations

import pytest

from dx_py_test_runner.select.keeping import keeps
from dx_py_test_runner.select.outline import outline

KEEP = {
    "a global": "def f():\n    global v\n    v = g()\n",
    "of an outer function": "def o():\n    v = 0\n    def f():\n        nonlocal v\n        v = g()\n",
    "in a global's place": "def f():\n    V[1] = g()\n",
    "in a global's attribute": "def f():\n    C.v = g()\n",
    "by a method": "def f():\n    V.append(g())\n",
    "by a method of a part": "def f(self):\n    self.found.setdefault(1, g())\n",
    "in its object": "class C:\n    def f(self):\n        self.v = g()\n",
    "in its class": "class C:\n    def f(cls):\n        cls.v = g()\n",
    "in an argument": "def f(x, known={}):\n    known[x] = g()\n",
    "in what somebody gave": "def f():\n    state = current()\n    state.v = g()\n",
    "in another name": "def f():\n    d = V\n    d[1] = g()\n",
    "in each": "def f():\n    for one in V:\n        one.v = g()\n",
    "by setattr": "def f(x):\n    setattr(x, 'v', g())\n",
    "decorated": "@functools.lru_cache(maxsize=None)\ndef f():\n    return g()\n",
    "decorated by an own function": "@once\ndef f():\n    return g()\n",
    "wrapped later": "def f():\n    return g()\n\n\ncached = functools.cache(f)\n",
}

KEEP_NOTHING = {
    "plain": "def f():\n    x = g()\n    return x\n",
    "in a new dictionary": "def f():\n    d = {}\n    d[1] = g()\n    d.update(a=1)\n    return d\n",
    "in a new object": "def f():\n    c = Thing()\n    c.v = g()\n    return c\n",
    "when an object is made": "class C:\n    def f(self):\n        pass\n\n    def __init__(self):\n        self.v = g()\n",
    "of a test": "def test_f(thing):\n    thing.v = g()\n    x = h()\n    x.append(1)\n",
    "a fixture": "@pytest.fixture(scope='function')\ndef f():\n    yield g()\n",
    "a property": "class C:\n    @property\n    def f(self):\n        return g()\n",
    "in a function within": "def f():\n    d = {}\n    return d\n",
}


@pytest.mark.parametrize("text", KEEP.values(), ids=list(KEEP))
def test_may_keep(text: str) -> None:
    assert any(name.rpartition(".")[2] == "f" for name in outline(text.encode()).keepers)


@pytest.mark.parametrize("text", KEEP_NOTHING.values(), ids=list(KEEP_NOTHING))
def test_keeps_nothing(text: str) -> None:
    assert not outline(text.encode()).keepers


def test_what_is_within_a_function_is_part_of_it() -> None:
    known = frozenset({"f", "C.m"})
    assert keeps("f.<locals>.<listcomp>", known) and keeps("C.m.<locals>.<genexpr>", known) and keeps("f.<locals>.<lambda>.<locals>.<lambda>", known)
    assert keeps("<lambda>", known) and not keeps("g.<locals>.<lambda>", known) and not keeps("f.<locals>.inner", known)


@pytest.mark.parametrize(
    "text",
    [
        "get = functools.cache(raw.load)",
        "from raw import load\nget = functools.cache(load)",
        "from raw import load as found\nget = once(function=found)",
        "class C:\n    get = staticmethod(cache(pack.raw.load))",
    ],
)
def test_a_function_may_be_kept_by_another_file(text):
    given = frozenset(outline(text.encode()).handed)
    assert keeps("load", frozenset(), given)
    assert keeps("load.<locals>.<listcomp>", frozenset(), given)
    assert not keeps("other", frozenset(), given)


def test_what_is_called_within_a_function_is_not_handed_for_good():
    assert "load" not in outline(b"def f():\n    return cache(raw.load)()").handed
