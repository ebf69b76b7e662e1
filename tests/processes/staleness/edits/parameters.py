"""Edits of how a function is called: names of its parameters, and constants that they have by default."""

from __future__ import annotations

from staleness.edits import Prepare
from staleness.edits.kept import given_twice
from staleness.edits.single import files, named

_HEAD = "import inspect\n\n\ndef tried(call):\n    try:\n        return call()\n    except TypeError:\n        return 'refused'\n\n\n"


def _one_value(module: str, value: str, **more: str) -> Prepare:
    """A test that reports *value*, which is made of what is in `app.called`, and one that only needs the module."""
    test = f"import functools\nimport inspect\n\nimport app.called\nfrom app.called import *\n\n\ndef test_value(record_property):\n    record_property('value', {value})\n"
    other = "import app.called\n\n\ndef test_other():\n    assert app.called\n"
    return files(**{"app__called": _HEAD + module, "tests__test_one": test, "tests__test_two": other, **more})


def _change(before: str, after: str, name: str = "app/called.py"):  # type: ignore[no-untyped-def]
    def apply(scene, rng) -> str:  # type: ignore[no-untyped-def]
        scene.change(name, before, after)
        return f"{name}: {after}"

    return apply


for _name, _value in (
    ("called", "tried(lambda: f(a=2))"),
    ("called_through_a_dictionary", "tried(lambda: f(**{'a': 2}))"),
    ("called_by_a_partial", "tried(functools.partial(f, a=2))"),
    ("looked_at", "str(inspect.signature(f))"),
    ("looked_at_without_inspect", "f.__code__.co_varnames"),
    ("looked_at_by_other_means", "inspect.getfullargspec(f).args"),
    ("copied", "type(f)(f.__code__, {})(3)"),
):
    _after = "f(a): return a + 1" if _name == "copied" else "f(b): return b"
    named(f"parameter_of_what_is_{_name}", _one_value("def f(a): return a\n", _value), _change(r"f\(a\): return a", _after))

for _name, _module, _value in (
    ("a_function", "def f(b): return b\n", "tried(lambda: f(a=2))"),
    ("a_class", "class C:\n    def __init__(self, b): self.b = b\n", "str(type(tried(lambda: C(a=2))))"),
    ("a_method", "class C:\n    def f(self, b): return b\n", "tried(lambda: C().f(a=2))"),
    ("a_function_through_map", "def f(b): return b\n", "tried(lambda: list(map(functools.partial(f, a=1), [])) or list(map(lambda x: f(a=x), [1])))"),
    ("a_function_in_a_thread", "def f(b): return b\n", "__import__('concurrent.futures').futures.ThreadPoolExecutor(1).submit(lambda: tried(lambda: f(a=2))).result()"),
    ("a_generator", "def f(b): yield b\n", "str(type(tried(lambda: f(a=2))))"),
    ("a_coroutine", "async def f(b): return b\n", "str(type(tried(lambda: [f(a=2).close()])))"),
):
    named(f"parameter_of_{_name}_called_in_vain", _one_value(_module, _value), _change(r"(f|__init__)\((self, )?b\)", r"\1(\2a)"))

for _name, _value in (
    ("called", "f()"),
    ("looked_at", "f.__defaults__"),
    ("looked_at_by_inspect", "str(inspect.signature(f))"),
    ("of_a_generator", "next(f())"),
):
    _kind = "yield" if "generator" in _name else "return"
    named(f"constant_by_default_{_name}", _one_value(f"def f(a=1): {_kind} a\n", _value), _change(r"\(a=1\)", "(a=2)"))
named(
    "constant_by_default_of_a_keyword_looked_at",
    _one_value("def f(*, a=1): return a\n", "f.__kwdefaults__"),
    _change(r"\(\*, a=1\)", "(*, a=2)"),
)
named(
    "parameter_looked_at_by_a_decorator",
    _one_value("NAMES = []\n\n\ndef noted(function):\n    NAMES.extend(inspect.signature(function).parameters)\n    return function\n\n\n@noted\ndef f(a): return a\n", "NAMES"),
    _change(r"f\(a\): return a", "f(b): return b"),
)
named(
    "parameter_looked_at_by_another_module",
    _one_value("def f(a): return a\n", "NAMES", app__looking="import inspect\nfrom app.called import f\n\nNAMES = list(inspect.signature(f).parameters)\n", tests__test_one="from app.looking import NAMES\n\n\ndef test_value(record_property):\n    record_property('value', NAMES)\n"),
    _change(r"f\(a\): return a", "f(b): return b"),
)
named(
    "parameter_looked_at_and_kept",
    given_twice("import inspect\nfrom app.called import f\n\n\n@functools.cache\ndef get():\n    return list(inspect.signature(f).parameters)\n", app__called="def f(a): return a\n"),
    _change(r"f\(a\): return a", "f(b): return b"),
)
named(
    "call_in_vain_that_is_kept",
    given_twice("from app.called import f, tried\n\n\n@functools.cache\ndef get():\n    return tried(lambda: f(a=2))\n", app__called=f"{_HEAD}def f(b): return b\n"),
    _change(r"f\(b\): return b", "f(a): return a"),
)

_FIXTURES = "import pytest\n\n\n@pytest.fixture\ndef one():\n    return 1\n\n\n@pytest.fixture\ndef two():\n    return 2\n\n\n"
_TEST = "def test_value(value, record_property):\n    record_property('value', value)\n"
named(
    "parameter_of_a_fixture",
    files(tests__asked__conftest=f"{_FIXTURES}@pytest.fixture\ndef value(request, one=None):\n    return sorted(request.fixturenames)\n", tests__asked__test_one=_TEST),
    _change(r"value\(request, one=None\)", "value(request, one)", "tests/asked/conftest.py"),
)
named(
    "parameter_of_a_fixture_that_is_imported",
    files(app__fixtures=f"{_FIXTURES}@pytest.fixture\ndef value(one):\n    return 1\n", tests__asked__conftest="from app.fixtures import *\n", tests__asked__test_one="def test_value(value, request, record_property):\n    record_property('value', sorted(request.fixturenames))\n"),
    _change(r"value\(one\)", "value(two)", "app/fixtures.py"),
)
named(
    "parameter_of_a_fixture_of_the_session_that_is_imported",
    files(app__fixtures=f"{_FIXTURES.replace('fixture', 'fixture(scope=`session`)').replace('`', chr(39)).replace('import pytest', 'import pytest', 1)}@pytest.fixture(scope='session')\ndef value(one):\n    return 1\n", tests__asked__conftest="from app.fixtures import *\n", tests__asked__test_one="def test_value(value, request, record_property):\n    record_property('value', sorted(request.fixturenames))\n"),
    _change(r"value\(one\)", "value(two)", "app/fixtures.py"),
)
named(
    "parameter_of_a_test_that_is_inherited",
    files(app__based=f"{_FIXTURES}class Based:\n    def test_value(self, one, request, record_property):\n        record_property('value', sorted(request.fixturenames))\n", tests__asked__conftest="from app.based import one, two\n", tests__asked__test_one="from app.based import Based\n\n\nclass TestIt(Based):\n    pass\n"),
    _change(r"self, one, ", "self, two, ", "app/based.py"),
)
named(
    "parameter_of_a_test",
    files(tests__asked__conftest=_FIXTURES, tests__asked__test_one="def test_value(one, request, record_property):\n    record_property('value', sorted(request.fixturenames))\n"),
    _change(r"\(one, ", "(two, ", "tests/asked/test_one.py"),
)
