"""Edits of what only one test depends on, and of what a module means beyond the bodies of its functions."""

from __future__ import annotations

import random
from collections.abc import Callable

from staleness.edits import Prepare, edit
from staleness.edits.code import other
from staleness.edits.inputs import set_variable
from staleness.scene import Scene


def files(**texts: str) -> Prepare:
    """Write files; in their names `__` stands for a slash, `_DOT_` for a dot."""

    def prepare(scene: Scene) -> None:
        for name, text in texts.items():
            path = name.replace("__", "/").replace("_DOT_", ".").replace("INIT", "__init__")
            scene.write(path if "." in path else f"{path}.py", text)

    return prepare


def number_in(name: str, before: str) -> Callable[[Scene, random.Random], str]:
    """Give another value to the number behind *before*."""

    def apply(scene: Scene, rng: random.Random) -> str:
        number = other(rng, scene.read(name))
        scene.change(name, rf"({before})\d+", rf"\g<1>{number}")
        return f"{name}: {number}"

    return apply


def of_value(expression: str, imports: str = "") -> str:
    """Two tests, of which one reports what *expression* gives."""
    return (
        f"import os\nfrom pathlib import Path\n{imports}\n\nROOT = Path(__file__).parent.parent\n\n\n"
        f"def test_other():\n    pass\n\n\ndef test_value(record_property):\n    record_property('value', {expression})\n"
    )


def named(name: str, prepare: Prepare, apply: Callable[[Scene, random.Random], object]) -> None:
    """Register an edit that needs *prepare*."""
    apply.__name__ = name
    edit(prepare=prepare)(apply)


named(
    "data_file_read_by_one_test",
    files(tests__test_one=of_value("(ROOT / 'data' / 'own.txt').read_text()"), data__own_DOT_txt="1\n"),
    lambda scene, rng: scene.write("data/own.txt", f"{rng.randrange(100, 1000)}\n"),
)
named(
    "data_file_read_by_relative_path",
    files(tests__test_one=of_value("open('data/own.txt').read()"), data__own_DOT_txt="1\n"),
    lambda scene, rng: scene.write("data/own.txt", f"{rng.randrange(100, 1000)}\n"),
)
named(
    "file_in_folder_globbed_by_one_test",
    files(tests__test_one=of_value("sorted(path.name for path in (ROOT / 'data').glob('own_*'))"), data__own_1_DOT_txt="1\n"),
    lambda scene, rng: scene.write(f"data/own_{rng.randrange(100, 1000)}.txt", "\n"),
)
named(
    "file_missed_by_one_test_appears",
    files(tests__test_one=of_value("(ROOT / 'data' / 'absent.txt').exists()")),
    lambda scene, rng: scene.write("data/absent.txt", "\n"),
)
named(
    "size_asked_by_one_test",
    files(tests__test_one=of_value("os.path.getsize(ROOT / 'data' / 'own.txt')"), data__own_DOT_txt="1\n"),
    lambda scene, rng: scene.write("data/own.txt", "1" * rng.randrange(10, 100)),
)
named(
    "variable_of_one_test",
    files(tests__test_one=of_value("os.environ.get('STALENESS_ONE')")),
    lambda scene, rng: set_variable(scene, "STALENESS_ONE", str(rng.random())),
)
named(
    "data_file_of_database",
    files(
        tests__test_one=of_value("sqlite3.connect(ROOT / 'data' / 'own.db').execute('pragma user_version').fetchone()", "import sqlite3")
    ),
    lambda scene, rng: _set_version(scene, rng.randrange(100, 1000)),
)


def _set_version(scene: Scene, number: int) -> None:
    import sqlite3

    connection = sqlite3.connect(scene.path("data/own.db"))
    connection.execute(f"pragma user_version = {number}")
    connection.commit()
    connection.close()


# ---- other processes

SCRIPT = "import helper_of_script\nfrom pathlib import Path\nprint(helper_of_script.VALUE, Path('data/first.txt').read_text())\n"


def run(command: str) -> dict[str, str]:
    return {
        "tests__test_one": of_value(
            f"subprocess.run({command}, cwd=ROOT, capture_output=True, text=True, check=True).stdout", "import subprocess\nimport sys"
        ),
        "tools__script": SCRIPT,
        "tools__helper_of_script": "VALUE = 1\n",
        "helper_of_script": "VALUE = 2\n",
    }


named("script_run_in_subprocess", files(**run("[sys.executable, 'tools/script.py']")), lambda scene, rng: scene.append("tools/script.py", "print(1)\n"))
named(
    "module_of_script_run_in_subprocess",
    files(**run("[sys.executable, 'tools/script.py']")),
    number_in("tools/helper_of_script.py", "VALUE = "),
)
named("module_run_in_subprocess", files(**run("[sys.executable, '-m', 'tools.script']")), number_in("helper_of_script.py", "VALUE = "))
named(
    "data_file_of_subprocess",
    files(**run("['cat', 'data/first.txt']")),
    lambda scene, rng: scene.write("data/first.txt", f"{rng.random()}\n"),
)
named(
    "variable_of_subprocess",
    files(**run("'echo $STALENESS_SHELL', shell=True")),
    lambda scene, rng: set_variable(scene, "STALENESS_SHELL", str(rng.random())),
)
named(
    "data_file_read_in_forked_child",
    files(tests__test_one=of_value("multiprocessing.get_context('fork').Pool(1).apply(Path.read_text, (ROOT / 'data' / 'first.txt',))", "import multiprocessing")),
    lambda scene, rng: scene.write("data/first.txt", f"{rng.random()}\n"),
)
named(
    "data_file_read_in_spawned_child",
    files(tests__test_one=of_value("multiprocessing.get_context('spawn').Pool(1).apply(Path.read_text, (ROOT / 'data' / 'first.txt',))", "import multiprocessing")),
    lambda scene, rng: scene.write("data/first.txt", f"{rng.random()}\n"),
)

# ---- what a module means

DECORATED = """\
def twice(function):
    def inner(*args):
        return function(*args) * 2
    return inner


def plain(function):
    return function


@plain
def decorated(value=3, *, more=4):
    return value + more


PUBLIC, HIDDEN = 1, 2
__all__ = ["PUBLIC", "decorated"]
"""

named(
    "decorator_changed",
    files(app__meaning=DECORATED, tests__test_one=of_value("decorated()", "from app.meaning import decorated")),
    lambda scene, rng: scene.change("app/meaning.py", "@plain", "@twice"),
)
named(
    "body_of_decorator_changed",
    files(app__meaning=DECORATED.replace("@plain", "@twice"), tests__test_one=of_value("decorated()", "from app.meaning import decorated")),
    number_in("app/meaning.py", r"[*] "),
)
named(
    "default_argument_changed",
    files(app__meaning=DECORATED, tests__test_one=of_value("decorated()", "from app.meaning import decorated")),
    number_in("app/meaning.py", "value="),
)
named(
    "keyword_default_changed",
    files(app__meaning=DECORATED, tests__test_one=of_value("decorated()", "from app.meaning import decorated")),
    number_in("app/meaning.py", "more="),
)
named(
    "all_changed",
    files(app__meaning=DECORATED, tests__test_one=of_value("sorted(name for name in globals() if name in ('PUBLIC', 'HIDDEN'))", "from app.meaning import *")),
    lambda scene, rng: scene.change("app/meaning.py", r'"PUBLIC"', '"PUBLIC", "HIDDEN"'),
)
named(
    "annotation_changed",
    files(app__meaning="def f(value: int) -> int:\n    return value\n", tests__test_one=of_value("str(f.__annotations__)", "from app.meaning import f")),
    lambda scene, rng: scene.change("app/meaning.py", "-> int", "-> float"),
)
named(
    "docstring_read_by_a_test",
    files(app__meaning='def f():\n    """One."""\n', tests__test_one=of_value("f.__doc__", "from app.meaning import f")),
    lambda scene, rng: scene.change("app/meaning.py", "One", "Another"),
)
named(
    "source_read_by_a_test",
    files(app__meaning="def f():\n    return 1  # one\n", tests__test_one=of_value("inspect.getsource(f)", "import inspect\nfrom app.meaning import f")),
    lambda scene, rng: scene.change("app/meaning.py", "# one", "# another one"),
)
named(
    "metaclass_and_slots_changed",
    files(app__meaning="class Base:\n    __slots__ = ('a',)\n\n\nclass Below(Base):\n    pass\n", tests__test_one=of_value("Below.__mro__[1].__slots__", "from app.meaning import Below")),
    lambda scene, rng: scene.change("app/meaning.py", "'a',", "'a', 'b'"),
)
named(
    "lambda_and_comprehension_changed",
    files(app__meaning="F = [lambda n=n: n + 1 for n in range(3)]\n", tests__test_one=of_value("[f() for f in F]", "from app.meaning import F")),
    number_in("app/meaning.py", r"n [+] "),
)
named(
    "nested_function_changed",
    files(
        app__meaning="def outer():\n    def inner():\n        return 1\n    return inner\n\n\nINNER = outer()\n",
        tests__test_one=of_value("INNER()", "from app.meaning import INNER"),
    ),
    number_in("app/meaning.py", "        return "),
)
named(
    "property_and_method_changed",
    files(
        app__meaning="class A:\n    @property\n    def p(self):\n        return 1\n\n    @p.setter\n    def p(self, value):\n        self.v = value + 2\n",
        tests__test_one=of_value("A().p", "from app.meaning import A"),
    ),
    number_in("app/meaning.py", "        return "),
)
named(
    "setter_of_the_same_name_changed",
    files(
        app__meaning="class A:\n    @property\n    def p(self):\n        return 1\n\n    @p.setter\n    def p(self, value):\n        self.v = value + 2\n",
        tests__test_one=of_value("[setattr(a := A(), 'p', 1), a.v]", "from app.meaning import A"),
    ),
    number_in("app/meaning.py", "value [+] "),
)
named(
    "generator_resumed_in_another_test_changed",
    files(
        app__meaning="def numbers():\n    yield 1\n    yield 2\n",
        tests__test_one="from app.meaning import numbers\nRUNNING = numbers()\n\n\n"
        "def test_first(record_property):\n    record_property('value', next(RUNNING))\n\n\n"
        "def test_second(record_property):\n    record_property('value', next(RUNNING))\n",
    ),
    number_in("app/meaning.py", "yield 1\n    yield "),
)
named(
    "inherited_method_appears_in_between",
    files(
        app__meaning="class Base:\n    def f(self):\n        return 1\n\n\nclass Middle(Base):\n    pass\n\n\nclass Below(Middle):\n    pass\n",
        tests__test_one=of_value("Below().f()", "from app.meaning import Below"),
    ),
    lambda scene, rng: scene.change("app/meaning.py", r"\(Base\):\n    pass", "(Base):\n    def f(self):\n        return 2"),
)

# ---- how modules are reached

TARGET = "LIMIT = 1\n\n\ndef answer():\n    return LIMIT\n"

named(
    "attribute_replaced_by_name",
    files(
        app__target=TARGET,
        tests__test_one="def test_other():\n    pass\n\n\n"
        "def test_value(monkeypatch, record_property):\n    monkeypatch.setattr('app.target.answer', lambda: 5)\n",
        tests__test_two="from app import target\n\n\ndef test_target(record_property):\n    record_property('value', target.answer())\n",
    ),
    lambda scene, rng: scene.change("app/target.py", r"def answer", "def question"),
)
named(
    "module_reached_as_attribute_of_its_package",
    files(
        app__target=TARGET,
        tests__test_one="import app\nfrom app import target as _\n\n\ndef test_value(record_property):\n    record_property('value', app.target.answer())\n",
    ),
    number_in("app/target.py", "LIMIT = "),
)
named(
    "module_imported_lazily_by_two_tests",
    files(
        app__target=TARGET,
        app__lazily="import importlib\n\n\ndef load(*parts):\n    return importlib.import_module('.'.join(parts))\n",
        tests__test_one="from app.lazily import load\n\n\ndef test_first(record_property):\n    record_property('value', load('app', 'target').LIMIT)\n\n\n"
        "def test_second(record_property):\n    record_property('value', load('app', 'target').LIMIT)\n",
    ),
    number_in("app/target.py", "LIMIT = "),
)
named(
    "module_reached_through_a_package_that_imports_all",
    files(
        app__all__INIT="from app.all.inner import *\n",
        app__all__inner="VALUE = 1\n",
        tests__test_one=of_value("VALUE", "from app.all import VALUE"),
    ),
    number_in("app/all/inner.py", "VALUE = "),
)
named(
    "module_of_namespace_package",
    files(spaced__inner__deep="VALUE = 1\n", tests__test_one=of_value("deep.VALUE", "from spaced.inner import deep")),
    number_in("spaced/inner/deep.py", "VALUE = "),
)
# ---- fixtures

SHARED = """\
import pytest
from pathlib import Path

FILE = Path(__file__).parent.parent / "data" / "own.txt"


@pytest.fixture(scope="session")
def content():
    return FILE.read_text()


@pytest.fixture(scope="session")
def through(content):
    return content


@pytest.fixture
def late(request):
    return request.getfixturevalue("through")
"""
USERS = {
    "tests__wide__conftest": SHARED,
    "tests__wide__test_one": "def test_first(content, record_property):\n    record_property('value', content)\n\n\n"
    "def test_none():\n    pass\n\n\ndef test_second(through, record_property):\n    record_property('value', through)\n",
    "tests__wide__test_two": "def test_third(late, record_property):\n    record_property('value', late)\n\n\ndef test_none():\n    pass\n",
}
named(
    "data_file_of_session_fixture",
    files(**{**{name.replace("tests__wide__", "tests__deep__wide__"): text.replace("parent.parent", "parent.parent.parent.parent", 1) for name, text in USERS.items()}, "data__own_DOT_txt": "1\n"}),
    lambda scene, rng: scene.write("data/own.txt", f"{rng.randrange(100, 1000)}\n"),
)
named(
    "fixture_overridden",
    files(
        tests__over__conftest="import pytest\n\n\n@pytest.fixture\ndef one():\n    return 1\n",
        tests__over__test_one="def test_value(one, record_property):\n    record_property('value', one)\n",
    ),
    lambda scene, rng: scene.write("tests/over/test_one.py", "import pytest\n\n\n@pytest.fixture\ndef one():\n    return 2\n\n\n" + scene.read("tests/over/test_one.py")),
)
named(
    "fixture_overridden_by_new_conftest",
    files(
        tests__over__conftest="import pytest\n\n\n@pytest.fixture\ndef one():\n    return 1\n",
        tests__over__below__test_below="def test_value(one, record_property):\n    record_property('value', one)\n",
    ),
    lambda scene, rng: scene.write("tests/over/below/conftest.py", "import pytest\n\n\n@pytest.fixture\ndef one():\n    return 2\n"),
)
named(
    "conftest_in_parent_folder",
    files(tests__over__below__test_below="def test_value(record_property):\n    pass\n"),
    lambda scene, rng: scene.write("tests/over/conftest.py", "import pytest\n\n\n@pytest.fixture(autouse=True)\ndef one(record_property):\n    record_property('one', 1)\n"),
)
named(
    "setup_of_module_reads_a_file",
    files(
        tests__test_one="import pathlib\nVALUE = None\n\n\ndef setup_module():\n    global VALUE\n    VALUE = pathlib.Path('data/own.txt').read_text()\n\n\n"
        "def test_first(record_property):\n    record_property('value', VALUE)\n\n\ndef test_second(record_property):\n    record_property('value', VALUE)\n",
        data__own_DOT_txt="1\n",
    ),
    lambda scene, rng: scene.write("data/own.txt", f"{rng.randrange(100, 1000)}\n"),
)
named(
    "setup_of_class_reads_a_file",
    files(
        tests__test_one="import pathlib, unittest\n\n\nclass TestIt(unittest.TestCase):\n    @classmethod\n    def setUpClass(cls):\n        cls.value = pathlib.Path('data/own.txt').read_text()\n\n"
        "    def test_first(self):\n        self.assertEqual(self.value, '1\\n')\n\n    def test_second(self):\n        self.assertEqual(self.value, '1\\n')\n",
        data__own_DOT_txt="1\n",
    ),
    lambda scene, rng: scene.write("data/own.txt", f"{rng.randrange(100, 1000)}\n"),
)
