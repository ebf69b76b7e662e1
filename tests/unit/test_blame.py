"""Which functions are taken to have left something, by their texts; end to end, from outlines."""

from __future__ import annotations

import pytest

from dx_py_test_runner.inputs.blame import Blame, may_have_left
from dx_py_test_runner.inputs.executed import MAKING
from dx_py_test_runner.inputs.left import EVERYTHING, Left
from dx_py_test_runner.select.keeping import keepers_of
from dx_py_test_runner.select.outline import outline

PLACES = {
    "a global": ("def f():\n    global x\n    x = 1\n", {".x", "x"}),
    "an attribute": ("def f(a):\n    a.b.c = 1\n", {".c"}),
    "an attribute of a module": ("import m\n\n\ndef f():\n    m.c = 1\n", {".c", "=m.c"}),
    "an item": ("def f(self):\n    self.x[1] = 2\n", {"x"}),
    "an item of an item": ("def f(self):\n    self.x[1][2] = 2\n", {"x[]"}),
    "an item of an item of an item of an item": ("def f(self):\n    self.x[1][2][3][4] = 2\n", {"x[][][]"}),
    "an item of what a method gives": ("def f(self):\n    self.x.setdefault(1, []).append(2)\n", {"x", "x[]", "*append"}),
    "another name of it": ("def f(self):\n    x = self.y\n    x.append(1)\n", {"y"}),
    "a part of it by another name": ("def f(self):\n    for x in self.y:\n        x.append(1)\n", {"y[]"}),
    "a list of all": ("def f():\n    KNOWN.append(1)\n", {"KNOWN", "#KNOWN"}),
    "what is given": ("def f(a):\n    a.append(1)\n", {"*append"}),
    "what somebody gives": ("def f():\n    a = g()\n    a[1] = 2\n", {"*[]"}),
    "its own object": ("class C:\n    def f(self):\n        self[1] = 2\n", {"~C"}),
    "an attribute of its own object": ("class C:\n    def f(self):\n        self.x = 2\n", {"~C.x"}),
    "an attribute of its own object, as a property": ("class C:\n    @property\n    def f(self):\n        self.x = 2\n", {"~C.x"}),
    "an attribute of an object under the same name": ("class C:\n    def f(self, a):\n        self = a\n        self.x = 2\n", {".x"}),
    "an attribute of an attribute": ("class C:\n    def f(self):\n        self.y.x = 2\n", {".x"}),
    "an attribute of its class": ("class C:\n    @classmethod\n    def f(cls):\n        cls.x = 2\n", {".x"}),
    "an item of its class": ("class C:\n    @classmethod\n    def f(cls):\n        cls[1] = 2\n", {"~"}),
    "an attribute of what it is perhaps called with": ("import m\n\n\nclass C:\n    @m.deco\n    def f(self):\n        self.x = 2\n", {".x", "@m.deco"}),
    "what a static method is given": ("class C:\n    @staticmethod\n    def f(a):\n        a[1] = 2\n", {"*[]"}),
    "something new": ("def f():\n    a = []\n    a.append(1)\n    return a\n", set()),
    "parts of a copy": ("def f():\n    for y in list(g.x):\n        y.append(1)\n", {"x[]"}),
    "parts that are values": ("def f():\n    for y in g.x.values():\n        y.append(1)\n", {"x[]", "*append"}),
    "parts that are items": ("def f():\n    for n, y in g.x.items():\n        y.append(1)\n", {"x[]", "*append"}),
    "parts that are counted": ("def f():\n    for n, y in enumerate(g.x):\n        y.append(1)\n", {"x[]"}),
    "parts of parts": ("def f():\n    for n, (y, z) in g.x:\n        z.append(1)\n", {"x[][][]"}),
    "the rest of a row": ("def f():\n    y, *z = g.x\n    z[0].append(1)\n", {"x[]"}),
    "one of a row": ("def f():\n    for y in (g.x, g.z):\n        y.append(1)\n", {"x", "z"}),
    "a row of two": ("def f():\n    y, z = g.x, g.z\n    z.append(1)\n", {"x", "z"}),
    "within a new row": ("def f():\n    y = [g.x]\n    y[0].append(1)\n", {"x"}),
    "a new row": ("def f():\n    y = [g.x]\n    y.append(1)\n    for z in y, [2]:\n        z.append(3)\n", set()),
    "any attribute": ("def f(a, b):\n    setattr(a, b, 1)\n", {".*"}),
    "an attribute that is named": ("def f(a):\n    setattr(a, 'b', 1)\n", {".b"}),
    "a namespace": ("def f(a):\n    a.__dict__['b'] = 1\n", {".*"}),
    "its own namespace": ("class C:\n    def f(self):\n        self.__dict__['b'] = 1\n", {"~C.*"}),
    "its own namespace, another way": ("class C:\n    def f(self):\n        vars(self).update(b=1)\n", {"~C.*"}),
    "any attribute of its own object": ("class C:\n    def f(self, b):\n        setattr(self, b, 1)\n", {"~C.*"}),
    "any attribute of its own object, in the way of all": ("class C:\n    def f(self, b):\n        object.__setattr__(self, b, 1)\n", {"~C.*"}),
    "any attribute of what it is given, in the way of all": ("class C:\n    def f(self, b):\n        object.__setattr__(b, b, 1)\n", {".*"}),
    "any attribute, by the object's own way": ("class C:\n    def f(self, b):\n        b.__setattr__(b, 1)\n", {".*"}),
    "a namespace of something new": ("def f(b):\n    a = C()\n    a.__dict__[b] = 1\n    setattr(a, b, 1)\n", set()),
    "a namespace of what is perhaps new": ("def f(b):\n    a = C()\n    a = a or b\n    a.__dict__[b] = 1\n", {".*"}),
    "a namespace of a part of something new": ("def f(b):\n    for a in [b]:\n        a.__dict__[b] = 1\n", {".*"}),
    "the module's namespace": ("def f():\n    globals()['b'] = 1\n", {".*"}),
    "a path of others": ("import sys\n\n\ndef f():\n    sys.path.append(1)\n", {"path", "#sys.path"}),
    "a path that is imported there": ("def f():\n    from sys import path\n    path.append(1)\n", {"path", "#!"}),
    "a name of a match": ("def f(a):\n    match a:\n        case [x]:\n            x.append(1)\n", {"*append"}),
    "a decorator": ("import m\n\n\n@m.deco(1)\ndef f():\n    pass\n", {"@m.deco"}),
    "what is handed to somebody": ("import m\n\n\ndef f():\n    pass\n\n\nm.keep(f)\n", {"@*"}),
}


@pytest.mark.parametrize(("text", "places"), PLACES.values(), ids=PLACES)
def test_places(text: str, places: set[str]) -> None:
    assert {place for name, found in outline(text.encode()).places for place in found if name.endswith("f")} == places


HANDING = {
    "given": ("def f(self):\n    g(self.x)\n", {"x", "x[]", "x[][]", "x[][][]"}),
    "returned": ("def f(self):\n    return self.x\n", {"x", "x[]", "x[][]", "x[][][]"}),
    "a part": ("def f(self):\n    return self.x[1]\n", {"x[]", "x[][]", "x[][][]"}),
    "parts of a part": ("def f(self):\n    return list(self.x[1])\n", {"x[][]", "x[][][]"}),
    "parts, by going through it": ("def f(self):\n    for y in self.x:\n        g(y)\n", {"x[]", "x[][]", "x[][][]"}),
    "what is only gone through": ("def f(self):\n    for y in self.x:\n        y.append(1)\n", set()),
    "parts of parts, by going through it": ("def f(self):\n    for y, z in self.x:\n        g(z)\n", {"x[][]", "x[][][]"}),
    "by a name of its own": ("def f(self):\n    y = self.x\n    y.append(1)\n    return y\n", {"x", "x[]", "x[][]", "x[][][]"}),
    "by names of its own": ("def f(self):\n    y = self.x\n    for z in y:\n        y = z\n        return y\n", {"x", "x[]", "x[][]", "x[][][]"}),
    "by a name that is only its own": ("def f(self):\n    y = self.x[0]\n    y.append(1)\n", set()),
    "by a name of the module": ("def f(self):\n    global y\n    y = self.x\n", {"x", "x[]", "x[][]", "x[][][]"}),
    "parts that are counted": ("def f(self):\n    for n, y in enumerate(self.x):\n        g(y)\n", {"x[]", "x[][]", "x[][][]"}),
    "parts that are values": ("def f(self):\n    for y in self.x.values():\n        g(y)\n", {"x[]", "x[][]", "x[][][]"}),
    "parts that are items": ("def f(self):\n    for n, y in self.x.items():\n        g(y)\n", {"x[]", "x[][]", "x[][][]"}),
    "itself, in a row": ("def f(self):\n    for y in (self.x, 1):\n        g(y)\n", {"x", "x[]", "x[][]", "x[][][]"}),
    "the rest of a row": ("def f(self):\n    y, *z = self.x\n    g(z)\n", {"x[]", "x[][]", "x[][][]"}),
    "a part, in a row": ("def f(self):\n    g([self.x[0], 1])\n", {"x[]", "x[][]", "x[][][]"}),
    "itself, in a set that is gone through": ("def f(self):\n    for y in {self.x}:\n        g(y)\n", {"x", "x[]", "x[][]", "x[][][]"}),
    "itself, as a value": ("def f(self):\n    y = {1: self.x}\n    g(y.get(1))\n", {"x", "x[]", "x[][]", "x[][][]"}),
    "itself, in pairs": ("def f(self):\n    for n, (y, z) in enumerate([(self.x, 1)]):\n        g(y)\n", {"x", "x[]", "x[][]", "x[][][]"}),
    "a deep copy": ("import copy\ndef f(self):\n    g(copy.deepcopy(self.x))\n", {"x[]", "x[][]", "x[][][]"}),
    "what a comprehension only goes through": ("def f(self):\n    return [y.a == 1 for y in self.x[0]]\n", set()),
    "what is asked by going through it": ("def f(self):\n    return any(y == 1 for y in self.x)\n", set()),
    "a comprehension's condition": ("def f(self):\n    return [1 for y in self.x if g(y)]\n", {"x[]", "x[][]", "x[][][]"}),
    "parts of parts, by a comprehension": ("def f(self):\n    return [z for y in self.x for z in y]\n", {"x[][]", "x[][][]"}),
    "what something is put into": ("def f(self):\n    self.x[1] = 2\n    self.x[1][2] += 3\n", set()),
    "what something is put into, by a function that others stand in": ("def f(self):\n    self.x[1] = lambda: 1\n", set()),
    "parts of a sum": ("def f(self):\n    y = self.x + [1]\n    g(y[0])\n", {"x[]", "x[][]", "x[][][]"}),
    "in rows around rows": ("def f(self):\n    y = self.x\n    while y:\n        y = (y, 1)\n", {"x", "x[]", "x[][]", "x[][][]"}),
    "by two names": ("def f(self):\n    y = z = self.x\n", {"x", "x[]", "x[][]", "x[][][]"}),
    "by an attribute in a row": ("def f(self):\n    y, self.z = self.x\n", {"x[]", "x[][]", "x[][][]"}),
    "by a name that a class stands in with": ("def f(self):\n    y = self.x\n    class C:\n        z = y\n    return C\n", {"x", "x[]", "x[][]", "x[][][]", "C", "C[]", "C[][]", "C[][][]", "y", "y[]", "y[][]", "y[][][]"}),
    "by all of its names": ("def f(self):\n    y = self.x\n    return locals()\n", {"x", "x[]", "x[][]", "x[][][]"}),
    "in a comprehension": ("def f(self):\n    y = self.x\n    return [z for z in y]\n", {"x[]", "x[][]", "x[][][]"}),
    "by an expression that names it": ("def f(self):\n    if (y := self.x):\n        pass\n", {"x", "x[]", "x[][]", "x[][][]"}),
    "what is only asked": ("def f(self):\n    if self.x and len(self.x) > 1 or 1 in self.x:\n        self.x.append(1)\n        del self.x[0]\n", set()),
    "its own": ("def f(x):\n    y = 1\n    g(x, y)\n", set()),
    "its own, that others stand in": ("def f(x):\n    def h():\n        pass\n    g(x)\n", {"x", "x[]", "x[][]", "x[][][]"}),
}


@pytest.mark.parametrize(("text", "names"), HANDING.values(), ids=HANDING)
def test_handing(text: str, names: set[str]) -> None:
    assert set(dict(outline(text.encode()).handing).get("f", ())) - {"g"} == names


@pytest.mark.parametrize(
    ("places", "left", "handed", "expected"),
    [
        (None, Left(frozenset({".x"}), frozenset()), (), True),
        ({".x"}, Left(frozenset({".x"}), frozenset()), (), True),
        ({".y"}, Left(frozenset({".x"}), frozenset()), (), False),
        ({".*"}, Left(frozenset({".x"}), frozenset()), (), True),
        ({".*"}, Left(frozenset({"x"}), frozenset()), (), False),
        ({"*append"}, Left(frozenset({"x"}), frozenset()), (), False),
        ({"*append"}, Left(frozenset({"x"}), frozenset()), ("x",), True),
        ({"*add"}, Left(frozenset({"x"}), frozenset(), frozenset({"append"})), ("x",), False),
        ({"@f", ".f"}, Left(frozenset({"@f"}), frozenset()), (), True),
        ({"@?"}, Left(frozenset({"@wrapper"}), frozenset()), (), True),
        ({"@?"}, Left(frozenset({"@own"}), frozenset()), (), False),
        ({".y"}, Left(EVERYTHING, frozenset()), (), True),
        (frozenset(), Left(EVERYTHING, frozenset()), (), True),
        ({"x"}, Left(frozenset({"*"}), frozenset()), (), True),
        ({".x"}, Left(frozenset({"*"}), frozenset()), (), False),
        ({"~C.x"}, Left(frozenset({".x"}), frozenset()), (), True),
        ({"~C.x"}, Left(frozenset({".x"}), frozenset(), None, frozenset({"C", "object"})), (), True),
        ({"~C.x"}, Left(frozenset({".x", "~"}), frozenset(), None, frozenset({"D", "object"})), (), False),
        ({"~C.x"}, Left(frozenset({".*"}), frozenset()), (), True),
        ({"~C.*"}, Left(frozenset({".x"}), frozenset(), None, frozenset({"C"})), (), True),
        ({"~C.*"}, Left(frozenset({".x"}), frozenset(), None, frozenset({"D"})), (), False),
        ({"own"}, Left(frozenset({"x"}), frozenset()), ("x",), True),
        ({"own"}, Left(frozenset({"x"}), frozenset()), (), False),
        ({"other"}, Left(frozenset({"x"}), frozenset()), ("x",), False),
        ({"~C.x"}, Left(frozenset({"~"}), frozenset()), (), False),
        ({"~C"}, Left(frozenset({"~"}), frozenset(), None, frozenset({"C"})), (), True),
        ({"~C"}, Left(frozenset({".x", "~"}), frozenset(), None, frozenset({"D"})), (), False),
        ({"~", ".y"}, Left(frozenset({".x", "~"}), frozenset(), None, frozenset({"D"})), (), True),
        ({"~C.x", ".x"}, Left(frozenset({".x"}), frozenset(), None, frozenset({"D"})), (), True),
    ],
)
def test_may_have_left(places: set[str] | None, left: Left, handed: tuple[str, ...], expected: bool) -> None:
    assert may_have_left(places, left, handed, {"own"}) is expected


class Codes:
    """The functions of one file, as they are known when all have been executed."""

    def __init__(self, text: str) -> None:
        found = outline(text.encode())
        known = keepers_of({"file": found})
        self.names = [name for name, _body, _signature in found.bodies]
        self.begun = set(range(len(self.names)))
        self.places = {number: known.places["file"].get(name, frozenset()) for number, name in enumerate(self.names) if name in known.names["file"]}
        self.handing = {number: known.handing["file"][name] for number, name in enumerate(self.names) if name in known.handing["file"]}
        self.handing_anyway = known.handing["file"].get("", frozenset())
        self.numbers_by_name: dict[str, list[int]] = {}
        for number, name in enumerate(self.names):
            last = name.rpartition(".")[2]
            self.numbers_by_name.setdefault("" if last in MAKING else last, []).append(number)
        self._gives = {number: known.givers["file"].get(name, frozenset()) for number, name in enumerate(self.names)}

    def given_by(self, number: int, /) -> set[int]:
        found = {other for name in self._gives[number] for other in self.numbers_by_name.get(name, ())}
        return found | ({*self.numbers_by_name.get("", ())} if self._gives[number] - self.numbers_by_name.keys() else set())

    def blamed(self, *names: str) -> set[str]:
        return {self.names[number] for number in Blame(self, ()).of(self.places, Left(frozenset(names), frozenset()))}


SAVING = "KNOWN = []\nOTHER = []\n\n\ndef save(x):\n    KNOWN.append(x)\n\n\ndef other(x):\n    OTHER.append(x)\n\n\n"


@pytest.mark.parametrize(
    ("text", "names", "blamed"),
    [
        (SAVING, {"KNOWN"}, {"save"}),
        (f"{SAVING}def f():\n    save(g())\n", {"KNOWN"}, {"save", "f"}),
        (f"{SAVING}def f():\n    save(g())\n", {"OTHER"}, {"other"}),
        (f"{SAVING}def more(x):\n    save(x)\n\n\ndef f():\n    more(g())\n", {"KNOWN"}, {"save", "more", "f"}),
        ("KNOWN = []\n\n\ndef fill(a):\n    a.append(g())\n\n\ndef f():\n    fill(KNOWN)\n", {"KNOWN"}, {"fill"}),
        ("KNOWN = []\n\n\ndef fill(a):\n    a.append(g())\n\n\ndef f():\n    return len(KNOWN)\n", {"KNOWN"}, set()),
        ("KNOWN = []\n\n\nclass C:\n    def __init__(self, x):\n        KNOWN.append(x)\n\n\nclass D(C):\n    pass\n\n\ndef f():\n    D(g())\n", {"KNOWN"}, {"C.__init__", "f"}),
    ],
)
def test_who_is_blamed(text: str, names: set[str], blamed: set[str]) -> None:
    assert Codes(text).blamed(*names) == blamed


def test_who_gives_it_to_one_that_cannot_be_seen() -> None:
    codes = Codes(f"{SAVING}def f():\n    save(g())\n\n\ndef h():\n    other(g())\n")
    save = codes.names.index("save")
    assert {codes.names[number] for number in Blame(codes, {save}).unseen(codes.begun)} == {"save", "f"}


FILLING = "class C:\n    def f(self):\n        self.x = 1\n\n\n"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", "~C.x"),
        ("class D:\n    f = C.f\n", ".x"),
        ("class D(C):\n    pass\n\n\nclass E:\n    f = D.f\n", ".x"),
        ("class D(C[int]):\n    pass\n\n\nclass E:\n    f = D.f\n", ".x"),
        ("class D(make(C)):\n    pass\n\n\nclass E:\n    f = D.f\n", ".x"),
        ("D = C\n\n\nclass E:\n    f = D.f\n", ".x"),
        ("from m import D as Same\n\n\nclass D:\n    pass\n\n\nclass E:\n    f = Same.f\n", ".x"),
        ("class D:\n    pass\n\n\ntry:\n    D = C\nexcept E:\n    pass\n\n\nclass E:\n    f = D.f\n", ".x"),
        ("class D:\n    pass\n\n\ndef g(D):\n    E.f = D.f\n", ".x"),
        ("class D:\n    def f(self):\n        pass\n\n\nclass E:\n    f = D.f\n", "~C.x"),
        ("class D(C):\n    def g(self):\n        C.f(self)\n", "~C.x"),
        ("class D(C):\n    def g(self, other):\n        C.f(other)\n", ".x"),
    ],
)
def test_methods_that_are_taken_from_their_classes(text: str, place: str) -> None:
    known = keepers_of({"file": outline((FILLING + text).encode())})
    assert known.places["file"]["C.f"] == {place}
