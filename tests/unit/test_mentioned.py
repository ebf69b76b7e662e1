"""Which modules a code that somebody executes may reach."""

from __future__ import annotations

import pytest

from dx_py_test_runner.inputs.mentioned import mentioned_in
from dx_py_test_runner.select.closure import Graph, Loaded, Reached
from dx_py_test_runner.select.outline import outline


LONG = "\n".join(f"x = {number + 1000}.5" for number in range(300))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("import a.b\n", {"a", "b"}),
        ("from a import b as c\n", {"a", "b", "c"}),
        ("def f():\n    import a\n", {"a", "f"}),
        ("f = lambda: a.b\n", {"a", "b", "f"}),
        ("x = 'a.b'\n", {"a", "b", "x"}),
        ("x = 'no name'\n", {"x"}),
        ("x.getattr(y)\n", {"x", "getattr", "y"}),
        ("getattr(x, 'a')\n", {"x", "getattr", "a"}),
        ("def f(x):\n    return getattr(x, 'a', y)\n", {"f", "getattr", "a", "y"}),
        (f"{LONG}\nfrom a import b, c\n", {"a", "b", "c", "x"}),
    ],
)
def test_words(text: str, words: set[str]) -> None:
    found = mentioned_in(compile(text, "<text>", "exec"))
    assert {word for word in found.words if not word.startswith("<")} == words and not found.is_any


def test_imports() -> None:
    found = mentioned_in(compile(f"import a, b.c\nfrom d import e, f\n{LONG}\ndef g():\n    from h.i import j as k\n", "<text>", "exec"))
    assert found.imported == {"a", "b.c", "d", "d.e", "d.f", "h.i", "h.i.j"}


@pytest.mark.parametrize(
    "text",
    [
        "from . import a\n",
        "def f():\n    from .a import b\n",
        "from .. import a\n",
        "__import__(x)\n",
        "import importlib\nimportlib.import_module(x)\n",
        "import sys\nsys.modules[x]\n",
        "getattr(f, 'import_module')(x)\n",
        "exec(x)\n",
        "from a import *\n",
        "getattr(x, y)\n",
        "getattr(x(), 'a')\n",
        "f(getattr)\n",
        "dir(x)\n",
        "def f():\n    return vars(x)\n",
        "x.__dict__[y]\n",
        f"{LONG}\nfrom . import b, c\n",
    ],
)
def test_any(text: str) -> None:
    assert mentioned_in(compile(text, "<text>", "exec")).is_any


DYNAMIC = {
    "nothing": ("import a\n", False, ()),
    "in a function": ("def f(x):\n    import_module(x)\n", True, (("f", ("import_module",)),)),
    "in a method, in a lambda": ("class C:\n    def f(self):\n        return lambda x: import_module(x)\n", True, (("C.f", ("import_module",)),)),
    "in a function within": ("def f():\n    def g(x):\n        import_module(x)\n", True, (("f.<locals>.g", ("import_module",)),)),
    "in a class within": ("def f(x):\n    class C:\n        y = import_module(x)\n", True, (("f", ("import_module",)),)),
    "by default": ("def f(x=import_module(y)):\n    pass\n", True, (("", ("import_module",)),)),
    "in a decorator": ("@import_module(x).y\ndef f():\n    pass\n", True, (("", ("import_module",)),)),
    "in a module": ("import_module(x)\n", True, (("", ("import_module",)),)),
    "in a class": ("class C:\n    x = import_module(y)\n", True, (("", ("import_module",)),)),
    "in a lambda of the module": ("f = lambda x: import_module(x)\n", True, (("", ("import_module",)),)),
    "handed out": ("def f():\n    return import_module\n", True, (("", ("",)),)),
    "an attribute that is handed out": ("import importlib\ndef f():\n    return importlib.import_module\n", True, (("", ("",)),)),
    "under another name": ("def f(x):\n    from importlib import import_module as load\n    load(x)\n", True, (("", ("",)),)),
    "the table under another name": ("def f(x):\n    from sys import modules\n    modules[x]\n", True, (("", ("",)),)),
    "the table, handed out": ("import sys\ndef f():\n    return sys.modules\n", True, (("", ("",)),)),
    "the table, named": ("import sys\ndef f(x):\n    table = sys.modules\n    return table[x]\n", True, (("", ("",)),)),
    "the table, given": ("import sys\ndef f(x):\n    return x(sys.modules)\n", True, (("", ("",)),)),
    "all of the table": ("import sys\ndef f():\n    return sys.modules.values()\n", True, (("", ("",)),)),
    "a way of the table": ("import sys\ndef f():\n    return sys.modules.get\n", True, (("", ("",)),)),
    "one of the table": ("import sys\ndef f(x):\n    return sys.modules[x]\n", True, (("f", ("",)),)),
    "one of the table, perhaps": ("import sys\ndef f(x):\n    return sys.modules.get(x)\n", True, (("f", ("",)),)),
    "whether one is in the table": ("import sys\ndef f(x):\n    return x in sys.modules\n", True, (("f", ("",)),)),
    "one is put into the table": ("import sys\ndef f(m, x):\n    m.setitem(sys.modules, x, 1)\n    sys.modules[x] = 1\n", True, ()),
    "one is taken out of the table": ("import sys\ndef f(x):\n    del sys.modules[x]\n    sys.modules.pop(x, None)\n", True, ()),
    "one is taken out of the table, and used": ("import sys\ndef f(x):\n    return sys.modules.pop(x, None)\n", True, (("f", ("",)),)),
    "one is taken out of the table, later": ("import sys\ndef f(x):\n    return weakref.ref(x, lambda _: sys.modules.pop(x))\n", True, ()),
    "one is taken out of the table, later, and used": ("import sys\ndef f(x):\n    return map(lambda _: sys.modules.pop(x), x)\n", True, (("f", ("",)),)),
    "the main one": ("import sys\ndef f():\n    return sys.modules['__main__']\n", False, ()),
    "itself": ("import sys\nx = sys.modules[__name__]\n", True, (("", ("",)),)),
    "itself is put there": ("import sys\nsys.modules[__name__] = x\n", True, ()),
    "itself, handed out": ("import sys as s\nx = s.modules[__name__]\ny = s.modules\n", True, (("", ("",)),)),
    "a text": ("def f(x):\n    exec(x)\n", True, ()),
    "a text and a name": ("def f(x):\n    exec(x)\n    find_spec(x)\n", True, (("f", ("find_spec",)),)),
    "in two ways": ("def f(x):\n    import_string(x)\n    import_module(x)\n", True, (("f", ("import_module", "import_string")),)),
    "a method": ("def f(x):\n    x.import_string(x)\n", True, (("f", ("",)),)),
}


@pytest.mark.parametrize(("text", "is_dynamic", "where"), DYNAMIC.values(), ids=DYNAMIC)
def test_where_modules_are_reached(text: str, is_dynamic: bool, where: tuple[tuple[str, tuple[str, ...]], ...]) -> None:
    found = outline(text.encode())
    assert (found.dynamic, found.dynamic_in) == (is_dynamic, where)


def test_what_was_executed_in_a_function_that_reaches_modules() -> None:
    found = outline(b"class C:\n    def f(self):\n        import_module(x)\n        return lambda x: find_spec(x)\n    def g(self):\n        pass\n")
    names = ["C.f", "C.f.<locals>.<lambda>", "C.f.<locals>.D", "C.g", "C", "<lambda>"]
    assert [found.dynamic_by(name) for name in names] == [("find_spec",), ("find_spec",), ("find_spec",), (), (), ()]


def test_needs_of_modules_that_may_reach_others() -> None:
    texts = {"a": "def f(x):\n    find_spec(x)\n", "b": "import a\n", "c": "", "d": "find_spec(x)\n", "e": "import_module(x)\n"}
    modules = [Loaded(name, f"/{name}", "", ()) for name in texts]
    graph = Graph(modules, {f"/{name}": outline(text.encode()) for name, text in texts.items()})
    listened = frozenset(module.path for module in modules)

    def needed(reached: Reached) -> list[str]:
        return sorted(graph.knowing(reached).closure(["b"]))

    assert sorted(graph.closure(["b"])) == needed(Reached()) == list("abcde")
    assert needed(Reached(listened)) == list("ab")
    assert needed(Reached(listened - {"/a"})) == list("abcde")
    assert needed(Reached(listened, frozenset({"/a"}))) == list("abcde")
    assert needed(Reached(listened, mentioned={"/a": frozenset({"c"})})) == list("abc")
    assert needed(Reached(listened, mentioned={"/b": frozenset({"*"})})) == list("abcde")
    assert sorted(graph.knowing(Reached(listened)).closure(["d"])) == list("abcde")
    assert sorted(graph.knowing(Reached(listened)).closure(["e"])) == ["e"]
    assert sorted(graph.knowing(Reached(listened - {"/e"})).closure(["e"])) == list("abcde")
