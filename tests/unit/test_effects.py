"""What modules leave in one another while they are loaded."""

from __future__ import annotations

import pytest

from dx_py_test_runner.select.closure import Graph, Loaded
from dx_py_test_runner.select.effects import Bringers, Effects, mentions, to_load
from dx_py_test_runner.select.outline import as_plain, from_plain, outline

REGISTRY = """
FOUND = {}

def register(value):
    FOUND[value] = value

def named(name):
    def inner(function):
        FOUND[name] = function
        return function
    return inner

def plain(function):
    return function

class Base:
    def __init_subclass__(cls):
        FOUND[cls.__name__] = cls
"""


def effects(collected: tuple[str, ...] = ("test",), **texts: str) -> Effects:
    """Of modules by name, `__` for a dot; a package is one that others are in."""
    names = {name.replace("__", "."): text for name, text in {"app": "", "app__registry": REGISTRY, **texts}.items()}
    loaded = []
    for name in names:
        is_package = any(other.startswith(f"{name}.") for other in names)
        loaded.append(Loaded(name, f"/{name}", name if is_package else name.rpartition(".")[0], (f"/{name}/",) if is_package else ()))
    return Effects(Graph(loaded, {f"/{name}": outline(text.encode()) for name, text in names.items()}), collected, [])


LEAVE = {
    "an item": "from app.registry import FOUND\nFOUND['a'] = 1",
    "by a method": "from .registry import FOUND\nFOUND.update(a=1)",
    "an attribute": "import app.registry\napp.registry.LIMIT = 1",
    "by setattr": "from app import registry as r\nsetattr(r, 'LIMIT', 1)",
    "by deleting": "from app import registry\ndel registry.FOUND",
    "by adding": "from app import registry\nregistry.FOUND += [1]",
    "by a call": "from app.registry import register\nregister(1)",
    "by a call for a value": "from app.registry import register\nx = register(1)",
    "by a call within another": "from app import registry\nx = [registry.register(1)]",
    "below a metaclass": "from app.meta import Base\nclass Below(Base):\n    pass",
    "by a decorator": "from app.registry import named\n@named('a')\ndef f():\n    pass",
    "by a decorator that is a method": "from app.registry import FOUND\n@FOUND.add\ndef f():\n    pass",
    "by a class": "from app.registry import Base\nclass Below(Base):\n    pass",
    "on a condition": "from app.registry import register\nif True:\n    for i in range(3):\n        register(i)",
    "in a class": "from app.registry import FOUND\nclass C:\n    FOUND['a'] = 1",
    "by a function of its own": "from app.registry import FOUND\ndef f():\n    FOUND['a'] = 1\nf()",
    "by a function of its own through another": "from app.registry import FOUND\ndef g():\n    FOUND['a'] = 1\ndef f():\n    g()\nx = f()",
    "by another name": "from app.registry import FOUND\nf = FOUND\nf['a'] = 1",
    "in what a function gave": "from app.registry import table\nt = table()\nt.add(1)",
    "through another module": "from app.offers import FOUND\nFOUND['a'] = 1",
    "through a star": "from app.stars import FOUND\nFOUND['a'] = 1",
}

LEAVE_NOTHING = {
    "a new value": "from app.registry import Thing\nt = Thing()\nt.x = 1",
    "in a function": "from app.registry import FOUND\ndef f():\n    FOUND['a'] = 1",
    "for who runs it": "from app.registry import register\nif __name__ == '__main__':\n    register(1)",
    "a decorator that keeps nothing": "from app.registry import plain\n@plain\ndef f():\n    pass",
    "in a local of that name": "from app.registry import FOUND\ndef f(FOUND):\n    FOUND['a'] = 1\nf({})",
    "a call for a value": "from app.registry import plain\nx = plain(1)",
    "looking": "from app.registry import FOUND\nx = FOUND.get('a')",
}

META = "from app.registry import register\nclass Meta(type):\n    def __init__(cls, *args):\n        register(cls)\nclass Base(metaclass=Meta):\n    pass"
MORE = {"app__meta": META, "app__offers": "from app.registry import FOUND", "app__stars": "from .registry import *"}


@pytest.mark.parametrize("text", LEAVE.values(), ids=list(LEAVE))
def test_leaves_something(text: str) -> None:
    found = effects(app__plugin=text, **MORE)
    assert "app.plugin" in found.touched("/app.registry") + found.touched("/app.meta")
    _names, makers = found.spread(found.graph.closure(["app.registry", "app.meta"]), found.graph)
    assert makers == ["app.plugin"]
    assert found.effect("/app.plugin")


@pytest.mark.parametrize("text", LEAVE_NOTHING.values(), ids=list(LEAVE_NOTHING))
def test_leaves_nothing(text: str) -> None:
    found = effects(app__plugin=text, **MORE)
    assert not found.touched("/app.registry") and not found.wide


@pytest.mark.parametrize(
    ("text", "wide"),
    [
        ("import os\nos.environ['A'] = '1'", True),
        ("from os import environ\nenviron.setdefault('A', '1')", True),
        ("import sys\nsys.path.insert(0, 'lib')", True),
        ("import json\njson.loads = None", True),
        ("import matplotlib\nmatplotlib.use('Agg')", True),
        ("import pytest\npytest.importorskip('a')", False),
        ("import os\nx = os.path.join('a', 'b')", False),
        ("import other\n@other.mark.thing\ndef f():\n    pass", False),
        ("from other import Base\nclass C(Base):\n    pass", False),
    ],
)
def test_what_is_left_where_everybody_sees_it(text: str, wide: bool) -> None:
    assert effects(app__plugin=text).wide == ({"app.plugin"} if wide else set())


def test_a_class_of_a_test_file_leaves_nothing() -> None:
    assert not effects(test="from app.registry import Base\nclass Below(Base):\n    pass").touched("/app.registry")


def test_what_it_is_made_of_is_part_of_it() -> None:
    text = "from app.registry import register\nfrom app.values import one\nVALUE = 1\nOTHER = 1\ndef make():\n    return VALUE + one()\nregister(make())\n"
    found = effects(app__plugin=text, app__values="")
    assert "app.values" in found.spread(["app", "app.registry"], found.graph)[0]
    effect = found.effect("/app.plugin")
    for before, after in (("VALUE = 1", "VALUE = 2"), ("VALUE + one", "VALUE - one"), ("app.values", "app.value")):
        assert effects(app__plugin=text.replace(before, after, 1), app__values="").effect("/app.plugin") != effect
    assert effects(app__plugin=text.replace("OTHER = 1", "OTHER = 2"), app__values="").effect("/app.plugin") == effect


def test_tests_of_a_file_that_leaves_something_are_no_part_of_it() -> None:
    text = "import pytest\nfrom app import registry\nfrom app.registry import plain\nregistry.LIMIT = 1\n\n\n@pytest.fixture\ndef f():\n    return 1\n\n\n@plain\ndef test_it():\n    assert 1\n"
    effect = effects(test=text).effect("/test")
    assert effect
    assert effects(test=text.replace("return 1", "return 2").replace("assert 1", "assert 2")).effect("/test") == effect
    assert effects(test=text.replace("LIMIT = 1", "LIMIT = 2")).effect("/test") != effect


def test_who_has_loaded_it() -> None:
    found = effects(test="import app.between", app__between="from . import plugin", app__plugin=LEAVE["by a call"])
    assert found.chain("app.plugin") == ["test", "app.between", "app.plugin"]


def test_files_that_must_be_loaded() -> None:
    found = effects(
        ("test_a", "test_b", "test_c", "test_d"),
        test_a="import app.plugin",
        test_b="from app import registry",
        test_c="import json",
        test_d="import app.plugin",
        app__plugin=LEAVE["by a call"],
    )
    known = Bringers(found, {f"/{name}": [name] for name in ("test_a", "test_b", "test_c", "test_d")}, [])
    assert to_load(known, ["/test_a", "/test_c"], ["/test_b"]) == {"/test_a"}
    assert to_load(known, ["/test_a", "/test_b"], ["/test_c"]) == set(), "nobody looks"
    assert to_load(known, ["/test_a", "/test_c"], ["/test_b", "/test_d"]) == set(), "another loads it"


def test_one_that_may_not_be_loaded_by_another_must_be() -> None:
    found = effects(
        ("test_a", "test_b"),
        test_a="import app.plugin",
        test_b="from app import registry\ndef test():\n    import app.plugin",
        app__plugin=LEAVE["by a call"],
    )
    assert to_load(Bringers(found, {"/test_a": ["test_a"], "/test_b": ["test_b"]}, []), ["/test_a"], ["/test_b"]) == {"/test_a"}


@pytest.mark.parametrize(
    ("text", "there"),
    [("import app.plugin", True), ("from . import plugin", True), ("from app import *", True), ("import app", False), ("x = 'app.plugin.f'", True)],
)
def test_mentions(text: str, there: bool) -> None:
    assert mentions(outline(text.encode()), "app", "app.plugin") == there


def test_an_outline_can_be_kept() -> None:
    known = outline(LEAVE["by a call"].encode())
    assert from_plain(as_plain(known)) == known
