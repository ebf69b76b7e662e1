"""Edits of pytest's configuration, of `sys.path`, and of installed distributions."""

from __future__ import annotations

import random

import pytest

from staleness.edits import edit
from staleness.edits.code import change_number
from staleness.edits.inputs import set_variable
from staleness.project import distribution
from staleness.scene import Scene

OTHER_SETTINGS = """\
pythonpath = src linked
testpaths = tests
python_functions = check_* test_level
"""


@edit(mixed=2)
def ini_addopts(scene: Scene, rng: random.Random) -> str:
    now = scene.read("pyproject.toml")
    choices = ["-ra", "-k 'not direct'", "--maxfail=1", "-k level", "--deselect tests/test_code.py"]
    addopts = rng.choice([value for value in choices if f'"{value}"' not in now])
    scene.change("pyproject.toml", "addopts = .*", f'addopts = "{addopts}"')
    return addopts


@edit()
def ini_python_functions(scene: Scene, rng: random.Random) -> str:
    pattern = '["check_*"]' if '["test_*"]' in scene.read("pyproject.toml") else '["test_*"]'
    scene.change("pyproject.toml", "python_functions = .*", f"python_functions = {pattern}")
    return pattern


@edit()
def ini_python_files(scene: Scene, rng: random.Random) -> str:
    pattern = rng.choice(["test_c*.py", "test_*t*.py", "test_in*.py"])
    if "python_files" in scene.read("pyproject.toml"):
        scene.change("pyproject.toml", "python_files = .*\n", "")
        return "none"
    scene.append("pyproject.toml", f'python_files = ["{pattern}"]\n')
    return pattern


@edit(mixed=2)
def ini_pythonpath(scene: Scene, rng: random.Random) -> str:
    folder = "other_src" if '"src"' in scene.read("pyproject.toml") else "src"
    scene.change("pyproject.toml", "pythonpath = .*", f'pythonpath = ["{folder}", "linked"]')
    return folder


@edit()
def ini_testpaths(scene: Scene, rng: random.Random) -> str:
    folder = "tests/deep" if '"tests*"' in scene.read("pyproject.toml") else "tests*"
    scene.change("pyproject.toml", "testpaths = .*", f'testpaths = ["{folder}"]')
    return folder


@edit()
def ini_file_that_wins_appears(scene: Scene, rng: random.Random) -> None:
    scene.write("pytest.ini", f"[pytest]\n{OTHER_SETTINGS}")


@edit()
def hidden_ini_file_that_wins_appears(scene: Scene, rng: random.Random) -> None:
    scene.write(".pytest.ini", f"[pytest]\n{OTHER_SETTINGS}")


@edit(same_verdict=not hasattr(pytest, "version_tuple") or pytest.version_tuple < (9,))
def toml_file_that_wins_appears(scene: Scene, rng: random.Random) -> None:
    scene.write(
        "pytest.toml",
        '[pytest]\npythonpath = ["src", "linked"]\ntestpaths = ["tests"]\npython_functions = ["check_*"]\n',
    )


def _only_root_conftest(scene: Scene) -> None:
    scene.remove("pyproject.toml")
    scene.write("setup.cfg", f"[tool:pytest]\n{OTHER_SETTINGS.replace('check_*', 'test_*')}")


@edit(prepare=_only_root_conftest)
def ini_file_replaced_by_another_kind(scene: Scene, rng: random.Random) -> None:
    scene.remove("setup.cfg")
    scene.write("tox.ini", f"[pytest]\n{OTHER_SETTINGS}")


@edit()
def addopts_variable(scene: Scene, rng: random.Random) -> str:
    choices = [
        value for value in (None, "-k deep", "--maxfail=1 -k direct") if value != scene.env.get("PYTEST_ADDOPTS")
    ]
    return set_variable(scene, "PYTEST_ADDOPTS", rng.choice(choices))


@edit()
def pytest_plugins_variable(scene: Scene, rng: random.Random) -> str:
    scene.write(
        "src/extra_plugin.py",
        "import pytest\n\n\n@pytest.fixture(autouse=True)\ndef extra(record_property):\n"
        '    record_property("extra plugin", 1)\n',
    )
    scene.env["PYTHONPATH"] = "{tree}/project/src:{tree}/site"
    return set_variable(scene, "PYTEST_PLUGINS", None if "PYTEST_PLUGINS" in scene.env else "extra_plugin")


@edit()
def plugin_autoload_variable(scene: Scene, rng: random.Random) -> str:
    off = "PYTEST_DISABLE_PLUGIN_AUTOLOAD" in scene.env
    return set_variable(scene, "PYTEST_DISABLE_PLUGIN_AUTOLOAD", None if off else "1")


@edit(mixed=2)
def pythonpath_variable(scene: Scene, rng: random.Random) -> str:
    now = scene.env["PYTHONPATH"]
    scene.env["PYTHONPATH"] = "{tree}/site" if "more_site" in now else "{tree}/more_site:{tree}/site"
    return scene.env["PYTHONPATH"]


def _bytecode_elsewhere(scene: Scene) -> None:
    scene.env["PYTHONPYCACHEPREFIX"] = "{tree}/bytecode"


@edit(prepare=_bytecode_elsewhere)
def module_with_bytecode_elsewhere(scene: Scene, rng: random.Random) -> str:
    return change_number(scene, rng, "app/deep.py", "return ")


@edit(prepare=_bytecode_elsewhere)
def test_file_with_bytecode_elsewhere(scene: Scene, rng: random.Random) -> None:
    scene.change("tests/deep/test_deep.py", "!= ", "== ")


def _no_bytecode(scene: Scene) -> None:
    scene.env["PYTHONDONTWRITEBYTECODE"] = "1"


@edit(prepare=_no_bytecode)
def module_without_bytecode(scene: Scene, rng: random.Random) -> str:
    return change_number(scene, rng, "app/deep.py", "return ")


@edit(prepare=_no_bytecode)
def test_file_without_bytecode(scene: Scene, rng: random.Random) -> None:
    scene.change("tests/deep/test_deep.py", "!= ", "== ")


@edit(same_verdict=True, mixed=2)
def bytecode_written_or_not(scene: Scene, rng: random.Random) -> str:
    off = "PYTHONDONTWRITEBYTECODE" in scene.env
    return set_variable(scene, "PYTHONDONTWRITEBYTECODE", None if off else "1")


# ---- distributions


def installed_version(scene: Scene) -> str:
    folder = next(scene.tree.root.glob("site/distribution-*.dist-info"))
    return folder.name.split("-")[1].removesuffix(".dist")


def replace_distribution(scene: Scene, version: str) -> None:
    """What an installer does: the old files go, then the new ones come."""
    scene.tree.remove(f"site/distribution-{installed_version(scene)}.dist-info")
    scene.tree.remove("site/distribution")
    for name, text in distribution(version).items():
        scene.tree.write(name, text)


@edit(mixed=2)
def distribution_upgraded(scene: Scene, rng: random.Random) -> str:
    version = f"{rng.randrange(2, 100)}.{rng.randrange(100)}"
    replace_distribution(scene, version)
    return version


@edit()
def distribution_of_same_version_replaced(scene: Scene, rng: random.Random) -> None:
    scene.tree.change("site/distribution/__init__.py", "VERSION = .*", f'VERSION = "{rng.randrange(2, 100)} dev"')


@edit()
def metadata_alone_changed(scene: Scene, rng: random.Random) -> str:
    version = f"{rng.randrange(2, 100)}"
    scene.tree.change(
        f"site/distribution-{installed_version(scene)}.dist-info/METADATA", "^Version: .*", f"Version: {version}"
    )
    return version


@edit()
def plugin_of_distribution_changed(scene: Scene, rng: random.Random) -> str:
    value = f"plugin {rng.randrange(100, 1000)}"
    scene.tree.change("site/distribution/plugin.py", "return .*", f'return "{value}"')
    return value


@edit()
def distribution_with_plugin_installed(scene: Scene, rng: random.Random) -> None:
    folder = "site/another-1.dist-info"
    scene.tree.write(f"{folder}/METADATA", "Metadata-Version: 2.1\nName: another\nVersion: 1\n")
    scene.tree.write(f"{folder}/entry_points.txt", "[pytest11]\nanother = another_plugin\n")
    scene.tree.write(
        "site/another_plugin.py",
        "import pytest\n\n\n@pytest.fixture(autouse=True)\ndef another(record_property):\n"
        '    record_property("another", 1)\n',
    )


@edit()
def distribution_with_plugin_uninstalled(scene: Scene, rng: random.Random) -> None:
    scene.tree.remove(f"site/distribution-{installed_version(scene)}.dist-info")
    scene.tree.remove("site/distribution")


# ---- options that the project looks at


def _configure_looks_at_option(scene: Scene) -> None:
    scene.append(
        "conftest.py",
        "\n\nSEEN = []\n\n\ndef pytest_configure(config):\n    SEEN.append(config.getoption('keyword'))\n\n\n"
        "@pytest.fixture(autouse=True)\ndef seen(record_property):\n    record_property('seen', SEEN)\n",
    )


@edit(prepare=_configure_looks_at_option)
def option_read_by_configure_hook(scene: Scene, rng: random.Random) -> None:
    scene.args = (*scene.args, "-k", "direct")


def _collection_looks_at_option(scene: Scene) -> None:
    scene.append(
        "conftest.py",
        "\n\ndef pytest_generate_tests(metafunc):\n    if 'number' in metafunc.fixturenames:\n"
        "        metafunc.parametrize('number', range(1 + (metafunc.config.option.maxfail or 0)))\n",
    )
    scene.append("tests/test_code.py", "\n\ndef test_number(number):\n    pass\n")


@edit(prepare=_collection_looks_at_option)
def option_read_by_collection_hook(scene: Scene, rng: random.Random) -> None:
    scene.args = (*scene.args, "--maxfail=3")


def _conftest_ignores_by_arguments(scene: Scene) -> None:
    scene.append(
        "conftest.py",
        "\n\ndef pytest_ignore_collect(collection_path, config):\n"
        "    if collection_path.name == 'test_inputs.py' and '-v' in config.invocation_params.args:\n"
        "        return True\n",
    )


@edit(prepare=_conftest_ignores_by_arguments)
def arguments_read_by_collection_hook(scene: Scene, rng: random.Random) -> None:
    scene.args = (*scene.args, "-v")
