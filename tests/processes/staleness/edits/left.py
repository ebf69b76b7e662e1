"""Edits of what modules leave in others while they are loaded, for tests that do not mention them: registries, patches, variables;
and edits after which the files that load such modules need not be loaded for their own sake."""

from __future__ import annotations

import random

from staleness.edits import Prepare
from staleness.edits.single import files, named, number_in
from staleness.scene import Scene

REGISTRY = """\
FOUND = []
BY_NAME = {}


def register(value):
    FOUND.append(value)
    return value


def called(name):
    def inner(function):
        BY_NAME[name] = function
        return function

    return inner


class Base:
    def __init_subclass__(cls):
        FOUND.append(cls.value)


class Table:
    def __init__(self):
        self.rows = []

    def add_row(self, function):
        self.rows.append(function())
        return function


TABLE = Table()
LIMIT = 0
"""


def left(plugin: str, value: str = "registry.FOUND", loads: str = "import app.plugin\n", **more: str) -> Prepare:
    """The module `app.plugin` is mentioned by one file, and what it leaves behind, *value*, is looked at by the test of another."""
    return files(
        app__registry=REGISTRY,
        app__plugin=plugin,
        tests__test_first=f"{loads}\n\ndef test_first():\n    pass\n",
        tests__test_second=f"import os\nimport sys\nfrom app import registry\n\n\ndef test_value(record_property):\n    record_property('value', {value})\n",
        **more,
    )


for _name, _plugin, _value in (
    ("appended", "from app.registry import FOUND\n\nVALUE = 1\nFOUND.append(VALUE)\n", "registry.FOUND"),
    ("set_by_key", "from app import registry\n\nVALUE = 1\nregistry.BY_NAME['a'] = VALUE\n", "registry.BY_NAME"),
    ("set_as_attribute", "import app.registry as other\n\nVALUE = 1\nother.LIMIT = VALUE\n", "registry.LIMIT"),
    ("set_by_setattr", "from . import registry\n\nVALUE = 1\nsetattr(registry, 'LIMIT', VALUE)\n", "registry.LIMIT"),
    ("registered_by_a_call", "from app.registry import register\n\nVALUE = 1\nregister(VALUE)\n", "registry.FOUND"),
    ("registered_by_a_decorator", "from app.registry import called\n\n\n@called('a')\ndef a(VALUE = 1):\n    return VALUE\n", "registry.BY_NAME['a']()"),
    ("registered_by_a_method", "from app.registry import TABLE\n\n\n@TABLE.add_row\ndef a(VALUE = 1):\n    return VALUE\n", "registry.TABLE.rows"),
    ("registered_by_its_base", "from app.registry import Base\n\n\nclass Below(Base):\n    value = VALUE = 1\n", "registry.FOUND"),
    ("left_in_the_environment", "import os\n\nVALUE = 1\nos.environ['STALENESS_LEFT'] = str(VALUE)\n", "os.environ.get('STALENESS_LEFT')"),
    ("left_in_the_table_of_modules", "import sys\nimport types\n\nVALUE = 1\nsys.modules['left'] = types.SimpleNamespace(value=VALUE)\n", "getattr(sys.modules.get('left'), 'value', None)"),
    ("left_in_a_standard_module", "import json\n\nVALUE = 1\njson.left = VALUE\n", "getattr(__import__('json'), 'left', None)"),
    ("left_by_a_function_of_its_own", "from app import registry\n\n\ndef install(VALUE = 1):\n    registry.LIMIT = VALUE\n\n\ninstall()\n", "registry.LIMIT"),
    ("left_in_a_loop", "from app import registry\n\nif registry:\n    for VALUE in (1,):\n        VALUE = 1\n        registry.FOUND += [VALUE]\n", "registry.FOUND"),
):
    named(f"value_{_name}", left(_plugin, _value), number_in("app/plugin.py", "VALUE = "))

named(
    "value_registered_through_another_module",
    left("from app.offers import register\n\nVALUE = 1\nregister(VALUE)\n", app__offers="from app.registry import register\n"),
    number_in("app/plugin.py", "VALUE = "),
)
named(
    "value_registered_that_another_module_computes",
    left("from app import registry\nfrom app.computing import compute\n\nregistry.register(compute())\n", app__computing="def compute():\n    return 1\n"),
    number_in("app/computing.py", "return "),
)
named(
    "value_left_by_a_test_file",
    files(
        app__registry=REGISTRY,
        tests__test_first="from app import registry\n\nVALUE = 1\nregistry.LIMIT = VALUE\n\n\ndef test_first():\n    pass\n",
        tests__test_second="from app import registry\n\n\ndef test_value(record_property):\n    record_property('value', registry.LIMIT)\n",
    ),
    number_in("tests/test_first.py", "VALUE = "),
)
named(
    "value_left_by_a_conftest_of_another_folder",
    files(
        app__registry=REGISTRY,
        tests__a__conftest="from app import registry\n\nregistry.LIMIT = 1\n",
        tests__a__test_a="def test_a():\n    pass\n",
        tests__test_second="from app import registry\n\n\ndef test_value(record_property):\n    record_property('value', registry.LIMIT)\n",
    ),
    number_in("tests/a/conftest.py", "LIMIT = "),
)

PLUGIN = "from app import registry\n\nregistry.FOUND.append(1)\n"


def _look_elsewhere(scene: Scene, rng: random.Random) -> str:
    """Another text of the test that looks, and of no other."""
    scene.change("tests/test_second.py", "def test_value", f"OTHER = {rng.randrange(100, 1000)}\n\n\ndef test_value")
    scene.change("tests/test_second.py", "'value', ", "'values', ")
    return "tests/test_second.py"


named("registration_no_longer_loaded", left(PLUGIN), lambda scene, rng: scene.change("tests/test_first.py", "import app.plugin", "import app"))
named(
    "registration_no_longer_loaded_by_a_module_between",
    left(PLUGIN, loads="import app.between\n", app__between="import app.plugin\n"),
    lambda scene, rng: scene.change("app/between.py", "import app.plugin", "import app"),
)
named("registration_appears", left("VALUE = 1\n"), lambda scene, rng: scene.write("app/plugin.py", PLUGIN))
named(
    "registration_appears_in_a_new_module",
    left("VALUE = 1\n"),
    lambda scene, rng: (scene.write("app/another.py", PLUGIN), scene.append("app/plugin.py", "import app.another\n")),
)
named("registration_goes", left(PLUGIN), lambda scene, rng: scene.write("app/plugin.py", "VALUE = 1\n"))
named("registration_of_a_file_that_goes", left(PLUGIN), lambda scene, rng: scene.remove("tests/test_first.py"))

# Here the file that loads the plugin has nothing to run, but what it leaves behind is looked at.
named("registration_by_a_file_with_nothing_to_run", left(PLUGIN), _look_elsewhere)
named(
    "registration_by_a_file_with_nothing_to_run_through_a_module_between",
    left(PLUGIN, loads="import app.between\n", app__between="from . import plugin\n"),
    _look_elsewhere,
)
named("variable_left_by_a_file_with_nothing_to_run", left("", "os.environ.get('STALENESS_LEFT')", "import os\n\nos.environ.setdefault('STALENESS_LEFT', '1')\n"), _look_elsewhere)
named(
    "search_path_left_by_a_file_with_nothing_to_run",
    left("", "__import__('only_left').VALUE", "import sys\n\nsys.path.append('left_over')\n", left_over__only_left="VALUE = 1\n"),
    _look_elsewhere,
)
