"""Which modules a code that somebody executes may reach."""

from __future__ import annotations

import pytest

import reference_outline
from dx_py_test_runner.inputs import mentioned
from dx_py_test_runner.inputs.mentioned import ANY_MODULE, mentioned_in, words_of
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
        ("match x:\n    case y(a=z):\n        pass\n", {"a", "x", "y", "z"}),
        ("x = f(a=1)\n", {"a", "f", "x"}),
        ("x = '{0.a.b} {1[c]}'\n", {"a", "b", "c", "x"}),
    ],
)
def test_words(text: str, words: set[str]) -> None:
    found = mentioned_in(compile(text, "<text>", "exec"))
    assert {word for name in found for word in words_of(name) if not word.startswith("__")} == words


def test_imports() -> None:
    found = mentioned_in(compile(f"import a, b.c\nfrom d import e, f\n{LONG}\ndef g():\n    from h.i import j as k\n", "<text>", "exec"))
    assert {name for name in found if not words_of(name)} == {"a", "b.c", "d", "d.e", "d.f", "h.i", "h.i.j"}


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
        "attrgetter(x)\n",
        "x.__getattribute__(y)\n",
        "eval(x)\n",
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
    assert mentioned_in(compile(text, "<text>", "exec")) == {ANY_MODULE}


def test_what_reaches_modules_in_a_file_does_in_a_text() -> None:
    assert mentioned._REACHING >= reference_outline._LOOKERS | set(reference_outline._IMPORTERS)


TOLD = "importlib.import_module"

DYNAMIC = {
    "nothing": ("import a\n", False, ()),
    "in a function": ("from importlib import import_module\ndef f(x):\n    import_module(x)\n", True, (("f", (TOLD,)),)),
    "in a method, in a lambda": ("import importlib\nclass C:\n    def f(self):\n        return lambda x: importlib.import_module(x)\n", True, (("C.f", (TOLD,)),)),
    "in a function within": ("import importlib as i\ndef f():\n    def g(x):\n        i.import_module(x)\n", True, (("f.<locals>.g", (TOLD,)),)),
    "in a class within": ("def f(x):\n    class C:\n        y = find_spec(x)\n", True, (("f", ("find_spec",)),)),
    "by default": ("def f(x=import_string(y)):\n    pass\n", True, (("", ("import_string",)),)),
    "in a decorator": ("@import_string(x).y\ndef f():\n    pass\n", True, (("", ("import_string",)),)),
    "in a module": ("from importlib import import_module\nimport_module(x)\n", True, (("", (TOLD,)),)),
    "in a class": ("class C:\n    x = import_string(y)\n", True, (("", ("import_string",)),)),
    "in a lambda of the module": ("f = lambda x: __import__(x)\n", True, (("", ("__import__",)),)),
    "by what another calls so": ("from .compat import importlib\ndef f(x):\n    importlib.import_module(x)\n", True, (("f", ("",)),)),
    "by nobody knows what": ("from compat import *\ndef f(x):\n    importlib.import_module(x)\n", True, (("f", ("",)),)),
    "a function of that name": ("def f(x):\n    import_module(x)\n", True, (("f", ("import_module",)),)),
    "a method of that name": ("def f(x, y):\n    y.import_module(x)\n", True, (("f", ("",)),)),
    "if it is there": ("import pytest\ndef f(x):\n    pytest.importorskip(x)\n    importorskip(x)\n", True, (("f", ("", "importorskip")),)),
    "by a builtin": ("def f(x):\n    __import__(x, None, None, ['a'])\n", True, (("f", ("__import__",)),)),
    "by a builtin with a level": ("def f(x):\n    __import__(x, None, None, ['a'], 1)\n", True, (("f", ("",)),)),
    "by a builtin with names": ("def f(x):\n    __import__(x, level=1)\n", True, (("f", ("",)),)),
    "by a builtin with more": ("def f(x):\n    __import__(*x)\n", True, (("f", ("",)),)),
    "by a builtin of another": ("import importlib\ndef f(x):\n    importlib.__import__(x)\n", True, (("f", ("",)),)),
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
    "in two ways": ("def f(x):\n    import_string(x)\n    find_spec(x)\n", True, (("f", ("find_spec", "import_string")),)),
    "a method": ("def f(x):\n    x.import_string(x)\n", True, (("f", ("",)),)),
}


@pytest.mark.parametrize(("text", "is_dynamic", "where"), DYNAMIC.values(), ids=DYNAMIC)
def test_where_modules_are_reached(text: str, is_dynamic: bool, where: tuple[tuple[str, tuple[str, ...]], ...]) -> None:
    found = outline(text.encode())
    assert (found.dynamic, found.dynamic_in) == (is_dynamic, where)


def test_what_was_executed_in_a_function_that_reaches_modules() -> None:
    found = outline(b"class C:\n    def f(self):\n        __import__(x)\n        return lambda x: find_spec(x)\n    def g(self):\n        pass\n")
    names = ["C.f", "C.f.<locals>.<lambda>", "C.f.<locals>.D", "C.g", "C", "<lambda>"]
    assert [found.dynamic_by(name) for name in names] == [("find_spec",), ("find_spec",), ("find_spec",), (), (), ()]


EVERYTHING = ["a", "b", "c", "c.f", "d", "e", "g"]


def test_who_tells_what_it_is_called_with_is_no_unknown_way() -> None:
    found = outline(b"from importlib import import_module\ndef f(x):\n    import_module(x)\n")
    assert found.dynamic and found.dynamic_by("f") == ()


def test_needs_of_modules_that_may_reach_others() -> None:
    texts = {"a": "def f(x):\n    find_spec(x)\n", "b": "import a\n", "c": "", "d": "find_spec(x)\n", "e": "__import__(x)\n", "c.f": "", "g": ""}
    modules = [Loaded(name, f"/{name}", "", ()) for name in texts]
    graph = Graph(modules, {f"/{name}": outline(text.encode()) for name, text in texts.items() if name != "g"})
    listened = frozenset(module.path for module in modules)

    def needed(reached: Reached) -> list[str]:
        return sorted(graph.knowing(reached).closure(["b"]))

    assert sorted(graph.closure(["b"])) == needed(Reached()) == EVERYTHING
    assert needed(Reached(listened)) == list("ab")
    assert needed(Reached(listened - {"/a"})) == EVERYTHING
    assert needed(Reached(listened, frozenset({"/a"}))) == EVERYTHING
    assert needed(Reached(listened, mentioned={"/a": frozenset({"c"})})) == ["a", "b", "c", "c.f"]
    assert needed(Reached(listened, mentioned={"/b": frozenset({"*"})})) == EVERYTHING
    assert sorted(graph.knowing(Reached(listened)).closure(["d"])) == EVERYTHING
    assert sorted(graph.knowing(Reached(listened)).closure(["e"])) == ["e"]
    assert sorted(graph.knowing(Reached(listened - {"/e"})).closure(["e"])) == EVERYTHING
    assert sorted(graph.knowing(Reached(listened, mentioned={"/g": frozenset({"c"})})).closure(["g"])) == ["c", "c.f", "g"]
    assert sorted(graph.knowing(Reached(listened, mentioned={"/g": frozenset({"*"})})).closure(["g"])) == EVERYTHING
