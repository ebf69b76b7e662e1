"""Functions that may keep what they find for others than who called them."""

from __future__ import annotations

import pytest

from dx_py_test_runner.select.keeping import keepers_of, keeps
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
    "in its class, when an object is made": "class C:\n    def __new__(f):\n        f.one = g()\n        return f.one\n",
    "decorated": "@functools.lru_cache(maxsize=None)\ndef f():\n    return g()\n",
    "decorated by an own function": "@once\ndef f():\n    return g()\n",
    "wrapped later": "def f():\n    return g()\n\n\ncached = functools.cache(f)\n",
}

KEEP_NOTHING = {
    "plain": "def f():\n    x = g()\n    return x\n",
    "in a new dictionary": "def f():\n    d = {}\n    d[1] = g()\n    d.update(a=1)\n    return d\n",
    "in an object that is made by hand": "class C:\n    def __new__(cls):\n        self = object.__new__(cls)\n        self.v = g()\n        return self\n",
    "in a new object": "def f():\n    c = Thing()\n    c.v = g()\n    return c\n",
    "when an object is made": "class C:\n    def f(self):\n        pass\n\n    def __init__(self):\n        self.v = g()\n",
    "of a test": "def test_f(thing):\n    thing.v = g()\n    x = h()\n    x.append(1)\n",
    "a fixture": "@pytest.fixture(scope='function')\ndef f():\n    yield g()\n",
    "a property": "class C:\n    @property\n    def f(self):\n        return g()\n",
    "in a function within": "def f():\n    d = {}\n    return d\n",
}


@pytest.mark.parametrize("text", KEEP.values(), ids=list(KEEP))
def test_may_keep(text: str) -> None:
    assert any(name.rpartition(".")[2] in ("f", "__new__") for name in outline(text.encode()).keepers)


@pytest.mark.parametrize("text", KEEP_NOTHING.values(), ids=list(KEEP_NOTHING))
def test_keeps_nothing(text: str) -> None:
    assert not outline(text.encode()).keepers


_MAKER = "    def __init__(self, given):\n        self.found = []\n        self.given = given\n"

IN_OBJECT = {
    "an attribute": "class C:\n    def f(self):\n        self.v = g()\n",
    "one that is there": "class C:\n    def f(self):\n        self.v += g()\n",
    "by setattr": "class C:\n    def f(this):\n        setattr(this, 'v', g())\n",
    "an item of its own": "class C(dict):\n    def f(self, k):\n        self[k] = g()\n        self.update(h())\n",
    "in its dictionary": "class C:\n    def f(self):\n        self.__dict__['v'] = g()\n",
    "in a list that it alone has": f"class C:\n{_MAKER}    def f(self):\n        self.found.append(g())\n",
    "in its list by another name": f"class C:\n{_MAKER}    def f(self):\n        found = self.found\n        found.append(g())\n",
    "in a class within a class": "class C:\n    class D:\n        def f(self):\n            self.v = g()\n",
    "a property": "class C:\n    @property\n    def f(self):\n        self.v = g()\n        return self.v\n",
}

ELSEWHERE = {
    "no method": "def f(self):\n    self.v = g()\n",
    "in its class": "class C:\n    @classmethod\n    def f(cls):\n        cls.v = g()\n",
    "in an argument": "class C:\n    @staticmethod\n    def f(one):\n        one.v = g()\n",
    "in another object": "class C:\n    def f(self, other):\n        self.v = 1\n        other.v = g()\n",
    "in an object of its own": "class C:\n    def f(self):\n        self.other.v = g()\n",
    "in a list that it was given": f"class C:\n{_MAKER}    def f(self):\n        self.given.append(g())\n",
    "in a list of its class": f"class C:\n    found = []\n{_MAKER}    def f(self):\n        self.found.append(g())\n",
    "in a list that others set": f"class C:\n{_MAKER}    def f(self):\n        self.found.append(g())\n\ndef h(c):\n    c.found = ALL\n",
    "in a list that is another, too": f"class C:\n{_MAKER}    def f(self):\n        self.found, x = ALL, 1\n        self.found.append(g())\n",
    "in a list by a name of others": f"class C:\n{_MAKER}    def f(self, x):\n        found = self.found\n        found = x\n        found.append(g())\n",
    "in a dictionary that all share": "class C:\n    def __init__(self):\n        self.__dict__ = ALL\n\n    def f(self):\n        self.v = g()\n",
    "another self": "class C:\n    def f(self):\n        self = current()\n        self.v = g()\n",
    "decorated": "class C:\n    @cached\n    def f(self):\n        self.v = g()\n",
    "of a class within a function": "def o():\n    class C:\n        def f(self):\n            self.v = g()\n",
    "where another of its name keeps": "class C:\n    def f(self):\n        self.v = g()\n\n    def f(self):\n        V.append(g())\n",
    "when a class is made": "class C:\n    def __init_subclass__(f):\n        f.v = g()\n",
}


@pytest.mark.parametrize("text", IN_OBJECT.values(), ids=list(IN_OBJECT))
def test_keeps_it_in_its_object(text: str) -> None:
    found = outline(text.encode())
    assert found.in_object and [name for name in found.keepers if name.endswith(".f")] == list(found.in_object)


@pytest.mark.parametrize("text", ELSEWHERE.values(), ids=list(ELSEWHERE))
def test_keeps_it_elsewhere(text: str) -> None:
    found = outline(text.encode())
    assert found.keepers and not found.in_object


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


# ---- by giving it to others

SAVE = "def save(key, value):\n    KNOWN[key] = value\n"
STORE = "class Store:\n    def __init__(self):\n        self.all = {}\n\n    def keep_it(self, key, value):\n        self.all[key] = value\n"
FILL = "def fill(known, key, value):\n    known[key] = value\n"
SHOP = "class Shop:\n    def __init__(self, thing):\n        ALL.append(thing)\n"

HAS_KEPT = {
    "by a function": SAVE + "def f(x):\n    v = g(x)\n    save(x, v)\n    return v\n",
    "by a function of another module": SAVE + "def f(x):\n    v = other.g(x)\n    other.save(x, value=v)\n",
    "by one that gives it on": SAVE + "def more(*all):\n    save(*all)\n\n\ndef f(x):\n    more(x, g(x))\n",
    "by one that binds a global": "def save(value):\n    global known\n    known = value\n\n\ndef f():\n    save(g())\n",
    "by one that puts something made of it": "def save(value):\n    pair = (1, value)\n    for one in pair:\n        new = [one]\n    KNOWN.append(new)\n\n\ndef f():\n    save(g())\n",
    "as a key": "def save(key):\n    KNOWN[key] = 1\n\n\ndef f():\n    save(g())\n",
    "by a function within": "def save(value):\n    def inner():\n        KNOWN.append(value)\n    return inner\n\n\ndef f():\n    save(g())()\n",
    "by a function within, that calls nothing": "def save(value):\n    def inner():\n        KNOWN[1] = value\n    return inner\n\n\ndef f():\n    save(g())()\n",
    "by a method of a global": STORE + "STORE = Store()\n\n\ndef f(x):\n    STORE.keep_it(x, g(x))\n",
    "by a method of its own part": STORE + "class C:\n    def __init__(self, store):\n        self.store = store\n\n    def f(self, x):\n        self.store.keep_it(x, g(x))\n",
    "by a method that lets itself be kept": "class Thing:\n    def __init__(self, v):\n        self.v = v\n\n    def enlist(self):\n        ALL.append(self)\n\n\ndef f():\n    thing = Thing(g())\n    thing.enlist()\n",
    "in a global that it gives": FILL + "def f(x):\n    fill(KNOWN, x, g(x))\n",
    "in what it was given": FILL + "def f(known, x):\n    fill(key=x, value=g(x), known=known)\n",
    "in a default": "def fill(value, known=[]):\n    known.append(value)\n\n\ndef f(x):\n    fill(g(x))\n",
    "in one of these": FILL + "def f(*x):\n    fill(*x)\n",
    "when an object is made": SHOP + "def f(x):\n    return Shop(g(x))\n",
    "when an object of a class below is made": SHOP + "class Small(Shop):\n    pass\n\n\ndef f(x):\n    return Small(g(x))\n",
    "when one of another module is made": SHOP + "class Small(shops.Shop):\n    pass\n\n\nclass Tiny(Small):\n    pass\n\n\ndef f(x):\n    return other.Tiny(g(x))\n",
    "in a new object's beginning": SHOP + "class Small(Shop):\n    def __init__(self):\n        super().__init__(g())\n\n\ndef f(x):\n    return Small(g(x))\n",
}

HAS_NOTHING_KEPT = {
    "given to nobody who keeps": "def g(x):\n    return x\n\n\ndef f(x):\n    return g(h(x))\n",
    "what was there before": "def save():\n    global known\n    known = g()\n\n\ndef f(x):\n    return h(x)\n",
    "in a new dictionary": FILL + "def f(x):\n    d = {}\n    fill(d, x, g(x))\n    return d\n",
    "in a new object": STORE + "def f(x):\n    store = Store()\n    store.keep_it(x, g(x))\n    return store\n",
    "in an object that it makes": FILL + "def f(x):\n    return fill(dict(), x, g(x))\n",
    "by a test": SAVE + "def test_f(x):\n    save(x, g(x))\n\n\n@pytest.fixture\ndef f():\n    save(1, g())\n",
    "by a namesake that only looks": "class C:\n    def save(self, key, value):\n        print(key, value)\n\n\ndef f(x):\n    C().save(x, g(x))\n",
}


def _kept(text: str) -> tuple[set[str], set[str]]:
    """The last names of the functions that keep something, and of those that keep it in their object."""
    found = keepers_of({"file": outline(text.encode())})
    return tuple({name.rpartition(".")[2] for name in names["file"]} for names in (found.names, found.in_object))  # type: ignore[return-value]


@pytest.mark.parametrize("text", HAS_KEPT.values(), ids=list(HAS_KEPT))
def test_has_it_kept(text: str) -> None:
    kept, in_object = _kept(text)
    assert "f" in kept and "f" not in in_object


@pytest.mark.parametrize("text", HAS_NOTHING_KEPT.values(), ids=list(HAS_NOTHING_KEPT))
def test_has_nothing_kept(text: str) -> None:
    assert "f" not in _kept(text)[0]


def test_has_it_kept_in_its_object() -> None:
    kept, in_object = _kept("class C:\n    def save(self, v):\n        self.v = v\n\n    def f(self):\n        self.save(g())\n")
    assert "f" in kept and "f" in in_object


def test_it_is_kept_by_another_file() -> None:
    found = keepers_of({"one": outline(SAVE.encode()), "two": outline(b"import one\n\n\ndef f(x):\n    one.save(x, g(x))\n")})
    assert found.names == {"one": {"save"}, "two": {"f"}}
    assert keepers_of({"two": outline(b"import one\n\n\ndef f(x):\n    one.save(x, g(x))\n")}).names == {"two": set()}
