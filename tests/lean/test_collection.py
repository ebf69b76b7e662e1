"""Items that are made lean are as pytest would have made them, in everything that can be asked of them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from _pytest.fixtures import FixtureManager

from dx_py_test_runner.engine.lean import holders

COLLECT_BOTH = Path(__file__).with_name("collect_both.py")

PLAIN = """
def test_plain(): pass
def test_with_fixture(tmp_path, capsys): pass
def test_with_default(tmp_path, other=1): pass
def test_keyword_only(*, tmp_path): pass
def test_positional_only(a, /, tmp_path): pass
def test_unknown_fixture(nobody_has_it): pass
def not_a_test(): pass
"""

MARKS = """
import pytest
pytestmark = [pytest.mark.slow, pytest.mark.skipif(False, reason="never")]

@pytest.mark.skip(reason="why")
def test_skip(): pass
@pytest.mark.one
@pytest.mark.two(1, a=2)
def test_two(): pass
@pytest.mark.usefixtures("tmp_path")
def test_uses(): pass
@pytest.mark.parametrize("a", [1, pytest.param(2, marks=pytest.mark.xfail, id="two")])
@pytest.mark.parametrize("b", "xy")
def test_product(a, b, tmp_path): pass
@pytest.mark.parametrize("tmp_path", [1], indirect=True)
def test_indirect(tmp_path): pass
@pytest.mark.parametrize("a", [])
def test_empty(a): pass
"""

CLASSES = """
import functools
import pytest
import unittest
from unittest import mock

class Base:
    def test_inherited(self, tmp_path): pass
    def test_overridden(self): pass

class TestA(Base):
    pytestmark = pytest.mark.cls
    def test_overridden(self): pass
    def test_own(self): pass
    @staticmethod
    def test_static(tmp_path): pass
    @classmethod
    def test_class(cls, tmp_path): pass
    @pytest.mark.parametrize("n", [1, 2])
    def test_many(self, n): pass
    @property
    def test_property(self): raise RuntimeError
    class TestNested:
        def test_deep(self, request): pass

class TestWithInit:
    def __init__(self): pass
    def test_never(self): pass

@pytest.mark.usefixtures("capsys")
class TestUses:
    def test_uses(self): pass

@pytest.mark.parametrize("n", [1, 2])
class TestParametrized:
    def test_each(self, n): pass
    def test_other(self, n, tmp_path): pass

class Case(unittest.TestCase):
    def test_case(self): pass

class Other:
    def test_no(self): pass

class NotByName:
    __test__ = True
    def test_yes(self): pass

class TestNot:
    __test__ = False
    def test_no(self): pass
"""

ODD = """
import functools
import pytest
from unittest import mock

def wrap(f):
    @functools.wraps(f)
    def inner(*a, **k): return f(*a, **k)
    return inner

@wrap
def test_wrapped(tmp_path): pass
@mock.patch("os.getcwd")
def test_patched(getcwd, tmp_path): pass
test_partial = functools.partial(lambda tmp_path, x: None, x=1)
test_lambda = lambda tmp_path: None
test_value = 3
test_called = print
async def test_coroutine(): pass
def helper(): pass
helper.__test__ = True
def test_refused(): pass
test_refused.__test__ = False
def test_with_attribute(): pass
test_with_attribute.layer = "unit"
class Callable:
    def __call__(self): pass
    def __getattr__(self, name): raise AttributeError(name)
test_object = Callable()
"""

FIXTURES = """
import pytest

@pytest.fixture
def plain(): return 1
@pytest.fixture(params=[1, 2], ids=["one", "two"])
def many(request, plain): return request.param
@pytest.fixture(autouse=True)
def always(): pass
@pytest.fixture(scope="module")
def wide(): return 1
@pytest.fixture(name="renamed")
def original(wide): return 1
@pytest.fixture(scope="module", params="ab")
def wide_many(request): return request.param

def test_plain(plain, wide): pass
def test_many(many): pass
def test_renamed(renamed): pass
def test_through(many, renamed): pass
def test_order_1(wide_many): pass
def test_order_2(wide_many, many): pass
class TestIn:
    @pytest.fixture
    def plain(self, plain): return plain + 1
    @pytest.fixture(autouse=True)
    def own(self): pass
    def test_plain(self, plain): pass
    def test_many(self, many): pass
"""

FIXTURES_OF_CLASSES = """
import functools
import pytest

def wrap(f):
    @functools.wraps(f)
    def inner(*a, **k): return f(*a, **k)
    return inner

class Base:
    @pytest.fixture
    def inherited(self): return 1
    @pytest.fixture
    def hidden(self): return 1
    @pytest.fixture(name="renamed")
    def original(self): return 1
    @pytest.fixture(scope="class", autouse=True)
    def each(self): pass

class TestBelow(Base):
    hidden = None
    @pytest.fixture
    def inherited(self, inherited): return 2
    def test_below(self, inherited, renamed, hidden): pass

class TestHelped:
    @staticmethod
    def helper(): pass
    @classmethod
    def maker(cls): pass
    @property
    def shown(self): raise RuntimeError
    @pytest.fixture
    def own(self): pass
    class Inner: pass
    def test_helped(self, own): pass

class TestStatic:
    @staticmethod
    @pytest.fixture
    def above(): pass
    @pytest.fixture
    @staticmethod
    def beneath(): pass
    def test_static(self, above, beneath): pass

class TestClass:
    @classmethod
    @pytest.fixture
    def above(cls): pass
    @pytest.fixture
    @classmethod
    def beneath(cls): pass
    def test_class(self, above, beneath): pass

class TestWrapped:
    @wrap
    @pytest.fixture
    def wrapped(self): pass
    @pytest.fixture
    @wrap
    def wrapping(self): pass
    def test_wrapped(self, wrapped, wrapping): pass

class TestSaysItself:
    def __dir__(self): return ["seen", "test_says"]
    @pytest.fixture
    def seen(self): pass
    @pytest.fixture(autouse=True)
    def unseen(self): pass
    def test_says(self, seen): pass

class TestAnswers:
    def __getattr__(self, name): raise AttributeError(name)
    @pytest.fixture
    def own(self): pass
    def test_answers(self, own): pass

class Descriptor:
    def __get__(self, instance, owner): return pytest.fixture(lambda: 1)

class TestDescribed:
    made = Descriptor()
    def test_described(self, made): pass

class Meta(type):
    def __getattribute__(cls, name): return super().__getattribute__(name)

class TestOfMeta(metaclass=Meta):
    @pytest.fixture
    def own(self): pass
    def test_of_meta(self, own): pass

class Calls:
    __name__ = "calls"
    def __call__(self): pass

class TestOfObjects:
    partial = pytest.fixture(functools.update_wrapper(functools.partial(len, ""), len), name="partial")
    called = pytest.fixture(Calls(), name="called")
    def test_of_objects(self, partial, called): pass

class TestReads:
    @classmethod
    @property
    def data(cls):
        import warnings
        warnings.warn("data is read")
    def test_reads(self): pass

class TestSlots:
    __slots__ = ("place",)
    @pytest.fixture
    def own(self): pass
    def test_slots(self, own): pass
"""

ODD_MODULES = """
import pytest
import warning, wrapped

class Wrapper:
    class D:
        def __get__(self, instance, owner): raise ValueError("boom")
    __wrapped__ = D()

def scope(fixture_name, config):
    globals()["second"] = 3
    return "function"

@pytest.fixture(scope=scope)
def first(): pass

@pytest.fixture
def second(): pass

class Meta(type):
    def __eq__(self, other): raise ValueError
    __hash__ = type.__hash__

class TestMeta(metaclass=Meta):
    @pytest.fixture
    def own(self): pass
    def test_meta(self, own): pass

def test_first(first): pass
"""

WARNING = "import warnings\ndef __getattr__(name):\n    warnings.warn(name)\n    raise AttributeError(name)\n"
WRAPPED = "import pytest\n@pytest.fixture\ndef __wrapped__(): pass\n"

CONFTEST = """
import pytest

@pytest.fixture(autouse=True)
def from_above(tmp_path): pass

@pytest.fixture
def plain(): return 0
"""

GENERATING = """
def pytest_generate_tests(metafunc):
    if "number" in metafunc.fixturenames:
        metafunc.parametrize("number", [1, 2])

def test_generated(number): pass
def test_plain(): pass

class TestGenerates:
    def pytest_generate_tests(self, metafunc):
        if "letter" in metafunc.fixturenames:
            metafunc.parametrize("letter", "ab")
    def test_letter(self, letter): pass
    def test_none(self): pass
"""

MARKED_WITHOUT_ARGUMENTS = """
import pytest
pytestmark = pytest.mark.usefixtures()
def test_warned(): pass
"""

MAKING = """
import pytest

class Special(pytest.Function):
    pass

def pytest_pycollect_makeitem(collector, name, obj):
    if name.startswith("test_special"):
        return Special.from_parent(collector, name=name)
"""

PROJECTS = {
    "plain": {"test_plain.py": PLAIN},
    "marks": {"test_marks.py": MARKS},
    "classes": {"test_classes.py": CLASSES},
    "odd": {"test_odd.py": ODD},
    "fixtures": {"test_fixtures.py": FIXTURES},
    "fixtures of classes": {"test_fixtures.py": FIXTURES_OF_CLASSES},
    "odd modules": {"test_odd.py": ODD_MODULES, "warning.py": WARNING, "wrapped.py": WRAPPED, "test_plain.py": PLAIN},
    "fixtures wrapped in a module": {
        "test_wrapped.py": FIXTURES_OF_CLASSES.partition("class Base")[0]
        + "@wrap\n@pytest.fixture\ndef wrapped(): pass\ndef test_wrapped(wrapped): pass",
    },
    "conftest": {"conftest.py": CONFTEST, "sub/test_fixtures.py": FIXTURES, "test_plain.py": PLAIN},
    "folders": {
        "test_top.py": PLAIN,
        "package/__init__.py": "def test_not_a_module(): pass",
        "package/test_in_package.py": MARKS,
        "package/notes.txt": "",
        "folder/test_in_folder.py": CLASSES,
        "folder/no_test.py": "raise RuntimeError('not imported')",
    },
    "generating": {"test_generating.py": GENERATING},
    "usefixtures without arguments": {"test_none.py": MARKED_WITHOUT_ARGUMENTS},
    "a hook that makes items": {
        "sub/conftest.py": MAKING,
        "sub/test_sub.py": "def test_special(): pass\ndef test_x(): pass",
        "test_top.py": PLAIN,
    },
    "a hook that generates": {
        "conftest.py": "def pytest_generate_tests(metafunc): metafunc.fixturenames.append('tmp_path')",
        "test_all.py": PLAIN + FIXTURES,
    },
    "patterns": {
        "pytest.ini": "[pytest]\npython_functions = check_* *_spec\npython_classes = *Suite",
        "test_patterns.py": "def check_a(): pass\ndef a_spec(): pass\nclass ASuite:\n  def check_b(self): pass",
    },
    "no imported tests": {
        "pytest.ini": "[pytest]\ncollect_imported_tests = false",
        "lib.py": "def test_not_here(): pass",
        "test_importing.py": "from lib import test_not_here\ndef test_here(): pass",
    },
}


@pytest.mark.parametrize("name", PROJECTS)
def test_lean_items_are_as_pytest_makes_them(name: str, tmp_path: Path) -> None:
    for path, text in PROJECTS[name].items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)
    (tmp_path / "pytest.ini").touch()
    environment = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    run = subprocess.run(
        [sys.executable, str(COLLECT_BOTH)], cwd=tmp_path, capture_output=True, text=True, env=environment, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert re.search(r"^pytest: \d+ items, 0 of them lean$", run.stdout, re.M), run.stdout
    # A hook that makes items anywhere above is asked for everything; elsewhere most items are lean.
    assert re.search(r"^lean: \d+ items, [1-9]\d* of them lean$", run.stdout, re.M), run.stdout


@pytest.mark.parametrize("name", ["parsefactories", "_check_for_wrapped_fixture"])
def test_who_looks_for_fixtures_otherwise_is_asked(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if not hasattr(FixtureManager, name):
        pytest.skip("this pytest does not have it")
    assert holders.is_unchanged()
    monkeypatch.setattr(FixtureManager, name, lambda *_args, **_more: None)
    assert not holders.is_unchanged()
