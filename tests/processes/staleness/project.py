"""The generated project: small, but with every kind of thing that a run's verdict may hang on.

Tests put the values they look at into their reports (`record_property`), so that a stale value shows even where the
test passes. `project/` is the project; `site/` and `more_site/` are folders for PYTHONPATH.
"""

from __future__ import annotations

from staleness.tree import Tree

PYPROJECT = """\
[project]
name = "generated"

[tool.pytest.ini_options]
pythonpath = ["src", "linked"]
testpaths = ["tests*"]
python_functions = ["test_*"]
addopts = "-ra"
"""

CONFTEST = """\
import pytest

from app import settings

pytest_plugins = ["app.provided"]

ROOT_VALUE = 1


@pytest.fixture
def root_value():
    return ROOT_VALUE


@pytest.fixture
def level():
    return "root"


@pytest.fixture(scope="session")
def mode():
    return settings.MODE
"""

APPLICATION = {
    "__init__.py": "",
    "direct.py": """\
from app import transitive


def answer():
    return 42


def scaled(number):
    return transitive.scale(number)
""",
    "transitive.py": """\
from app.deep import factor


def scale(number):
    return number * factor()
""",
    "deep.py": """\
def factor():
    return 3
""",
    "constants.py": """\
LIMIT = 10
NAMES = ("one", "two")
""",
    "shapes.py": """\
class Shape:
    sides = 0


class Square(Shape):
    sides = 4
""",
    "room.py": """\
from app.shapes import Square


class Room(Square):
    doors = 1
""",
    "provided.py": """\
import pytest


@pytest.fixture
def provided():
    return 1
""",
    "checks.py": """\
class Checks:
    expected = 4

    def test_sides(self, record_property):
        record_property("sides", self.room.sides)
        assert self.room.sides == self.expected
""",
    "table.py": """\
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "data"
ROWS = (FOLDER / "table.txt").read_text().split()
PARTS = sorted(path.name for path in FOLDER.glob("part_*.txt"))
LINKED = (FOLDER / "current.txt").read_text().strip()
""",
    "settings.py": """\
import os

MODE = os.environ.get("STALENESS_MODE", "plain")
""",
    "backend.py": """\
import importlib
from pathlib import Path

NAME = (Path(__file__).parent.parent / "data" / "backend.txt").read_text().strip()
backend = importlib.import_module(NAME)
""",
    "backend_red.py": 'COLOUR = "red"\n',
    "backend_blue.py": 'COLOUR = "blue"\n',
    "extras.py": """\
try:
    import optional_thing
except ImportError:
    VALUE = None
else:
    VALUE = optional_thing.VALUE

try:
    from app import submodule
except ImportError:
    SUBMODULE = None
else:
    SUBMODULE = submodule.VALUE
""",
    "afterwards.py": "VALUE = 1\n",
    "waiting.py": """\
import fcntl
from pathlib import Path

FOLDER = Path(__file__).parent.parent.parent / "gates"


def wait(name):
    with open(FOLDER / name) as file:
        fcntl.flock(file, fcntl.LOCK_SH)


wait("load")
""",
}

TESTS = {
    "test_code.py": """\
import pytest

from app import direct
from app.checks import Checks
from app.constants import LIMIT, NAMES
from app.room import Room


def test_direct(record_property):
    record_property("answer", direct.answer())
    assert direct.answer() == 42


def test_transitive(record_property):
    record_property("scaled", direct.scaled(10))
    assert direct.scaled(10) == 30


def test_constant(record_property):
    record_property("limit", LIMIT)
    assert LIMIT < 100


def test_names(record_property):
    record_property("module", __name__)
    assert __name__ == "test_code"


class TestRoom(Checks):
    room = Room

    def test_doors(self, record_property):
        record_property("doors", self.room.doors)


@pytest.mark.parametrize("name", NAMES)
def test_each_name(name):
    assert len(name) == 3
""",
    "test_fixtures.py": """\
def test_root_value(root_value, record_property):
    record_property("root", root_value)
    assert root_value < 100


def test_mode(mode, record_property):
    record_property("mode", mode)
    assert mode in ("plain", "fancy")


def test_plugins(from_distribution, provided, record_property):
    record_property("distribution", from_distribution)
    record_property("provided", provided)
""",
    "test_inputs.py": """\
import importlib.metadata
import os

import distribution
import library
import linked_module
import only_in_site
import pytest
from app import backend, extras, table

AT_IMPORT = importlib.metadata.version("distribution")


@pytest.mark.parametrize("row", table.ROWS)
def test_row(row):
    assert row.isalpha()


def test_folder(record_property):
    record_property("parts", table.PARTS)
    record_property("linked", table.LINKED)


def test_backend(record_property):
    record_property("colour", backend.backend.COLOUR)
    assert backend.backend.COLOUR in ("red", "blue")


def test_optional(record_property):
    record_property("optional", extras.VALUE)
    record_property("submodule", extras.SUBMODULE)


def test_environment(record_property):
    value = os.environ.get("STALENESS_IN_TEST")
    record_property("variable", value)
    assert value != "fail"


def test_distribution(record_property):
    record_property("code", distribution.VERSION)
    record_property("at import", AT_IMPORT)
    record_property("now", importlib.metadata.version("distribution"))
    assert distribution.VERSION == AT_IMPORT


def test_search_path(record_property):
    record_property("library", library.VALUE)
    record_property("linked", linked_module.VALUE)
    record_property("site", only_in_site.VALUE)


def test_late_import(record_property):
    import late

    record_property("late", late.VALUE)
""",
    "test_waiting.py": """\
from app import direct, waiting
from app.afterwards import VALUE
from app.deep import factor


def test_waiting(record_property):
    record_property("loaded", (direct.answer(), factor(), VALUE))
    waiting.wait("test")
""",
    "deep/__init__.py": "",
    "deep/conftest.py": """\
import pytest

DEEP_VALUE = 5


@pytest.fixture
def level():
    return f"deep {DEEP_VALUE}"
""",
    "deep/test_deep.py": """\
def test_level(level, record_property):
    record_property("level", level)
    record_property("module", __name__)
    assert level != "wrong"
""",
    "plain/test_plain.py": """\
def test_level(level, record_property):
    record_property("level", level)
    record_property("module", __name__)
    assert level != "wrong"


def check_by_another_name(record_property):
    record_property("collected", "by pattern")
""",
}

DATA = {
    "table.txt": "alpha beta gamma\n",
    "part_one.txt": "1\n",
    "first.txt": "first\n",
    "second.txt": "second\n",
    "backend.txt": "app.backend_red\n",
}

SEARCH_PATH = {
    "project/src/library.py": 'VALUE = "src"\n',
    "project/src/late.py": 'VALUE = "late"\n',
    "project/other_src/library.py": 'VALUE = "other src"\n',
    "project/linked_one/linked_module.py": 'VALUE = "one"\n',
    "project/linked_two/linked_module.py": 'VALUE = "two"\n',
    "site/only_in_site.py": 'VALUE = "site"\n',
    "more_site/only_in_site.py": 'VALUE = "more site"\n',
}


def distribution(version: str) -> dict[str, str]:
    """The files of an installed distribution, which brings a pytest plugin."""
    return {
        "site/distribution/__init__.py": f'VERSION = "{version}"\n',
        "site/distribution/plugin.py": f"""\
import pytest


@pytest.fixture
def from_distribution():
    return "plugin {version}"
""",
        f"site/distribution-{version}.dist-info/METADATA": f"""\
Metadata-Version: 2.1
Name: distribution
Version: {version}
""",
        f"site/distribution-{version}.dist-info/entry_points.txt": """\
[pytest11]
generated = distribution.plugin
""",
    }


def generate(tree: Tree) -> None:
    """Write the whole project."""
    files = {
        "project/pyproject.toml": PYPROJECT,
        "project/conftest.py": CONFTEST,
        **{f"project/app/{name}": text for name, text in APPLICATION.items()},
        **{f"project/tests/{name}": text for name, text in TESTS.items()},
        **{f"project/data/{name}": text for name, text in DATA.items()},
        **SEARCH_PATH,
        **distribution("1.0"),
        "gates/load": "",
        "gates/test": "",
    }
    for name, text in files.items():
        tree.write(name, text)
    tree.link("project/data/current.txt", "first.txt")
    tree.link("project/linked", "linked_one")
