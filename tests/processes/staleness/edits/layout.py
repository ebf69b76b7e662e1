"""Edits of which files there are, and where."""

from __future__ import annotations

import random

from staleness.edits import edit
from staleness.edits.code import other
from staleness.scene import Scene

IMPORTERS_OF_DEEP = ("app/transitive.py", "tests/test_waiting.py")


@edit(mixed=2)
def module_renamed_with_its_importers(scene: Scene, rng: random.Random) -> str:
    old = "deep" if scene.has("app/deep.py") else "deeper"
    new = "deeper" if old == "deep" else "deep"
    scene.rename(f"app/{old}.py", f"app/{new}.py")
    for name in IMPORTERS_OF_DEEP:
        scene.change(name, rf"app\.{old} ", f"app.{new} ")
    number = other(rng, scene.read(f"app/{new}.py"))
    scene.change(f"app/{new}.py", r"return \d+", f"return {number}")
    return f"{old} to {new}: {number}"


@edit()
def module_renamed_without_its_importers(scene: Scene, rng: random.Random) -> None:
    scene.rename("app/deep.py", "app/moved.py")


@edit(mixed=2)
def test_file_renamed(scene: Scene, rng: random.Random) -> str:
    old = rng.choice(scene.test_files())
    new = f"{old.rpartition('/')[0]}/test_renamed_{rng.randrange(1000)}.py"
    scene.rename(old, new)
    return f"{old} to {new}"


@edit()
def test_file_moved_to_other_folder(scene: Scene, rng: random.Random) -> str:
    old, new = ("tests/plain/test_plain.py", "tests/deep/test_plain.py")
    if not scene.has(old):
        old, new = new, old
    scene.rename(old, new)
    return f"{old} to {new}"


@edit(mixed=2)
def test_file_deleted(scene: Scene, rng: random.Random) -> str:
    name = rng.choice(scene.test_files())
    scene.remove(name)
    return name


@edit()
def test_deleted(scene: Scene, rng: random.Random) -> None:
    scene.change("tests/test_code.py", r"def test_direct\((.*\n)+?\n\n", "")


@edit(mixed=2)
def test_added(scene: Scene, rng: random.Random) -> str:
    name = rng.choice(scene.test_files())
    number = other(rng, scene.read(name))
    scene.append(name, f"\n\ndef test_added_{number}():\n    assert {rng.randrange(2)}\n")
    return f"{name}::test_added_{number}"


@edit(mixed=3)
def test_file_added(scene: Scene, rng: random.Random) -> str:
    folder = rng.choice(["tests", "tests/deep", "tests/plain", "tests/new"])
    name = f"{folder}/test_new_{rng.randrange(1000)}.py"
    scene.write(name, f"def test_new(root_value):\n    assert {rng.randrange(2)}\n")
    return name


@edit()
def tests_folder_matched_by_pattern_added(scene: Scene, rng: random.Random) -> None:
    scene.write("tests_more/test_more.py", "def test_more():\n    assert 0\n")


def _recurse_everywhere(scene: Scene) -> None:
    scene.append("pyproject.toml", 'norecursedirs = ["nothing"]\n')


@edit(prepare=_recurse_everywhere)
def hidden_tests_folder_added(scene: Scene, rng: random.Random) -> None:
    scene.write("tests/.hidden/test_hidden.py", "def test_hidden():\n    assert 0\n")


@edit()
def same_named_test_file_added(scene: Scene, rng: random.Random) -> None:
    """Two files of one name clash where their folders are no packages."""
    scene.write("tests/plain/test_code.py", "def test_clash():\n    pass\n")


@edit(mixed=2)
def init_added_to_tests_folder(scene: Scene, rng: random.Random) -> None:
    scene.write("tests/plain/__init__.py", "")


@edit()
def init_added_to_top_tests_folder(scene: Scene, rng: random.Random) -> None:
    scene.write("tests/__init__.py", "")


@edit(mixed=2)
def init_removed_from_tests_folder(scene: Scene, rng: random.Random) -> None:
    scene.remove("tests/deep/__init__.py")


@edit(mixed=2)
def conftest_added_to_sub_folder(scene: Scene, rng: random.Random) -> None:
    value = rng.choice(["plain", "wrong"])
    scene.write("tests/plain/conftest.py", f'import pytest\n\n\n@pytest.fixture\ndef level():\n    return "{value}"\n')


@edit()
def conftest_removed_from_sub_folder(scene: Scene, rng: random.Random) -> None:
    scene.remove("tests/deep/conftest.py")


@edit()
def conftest_that_ignores_a_file(scene: Scene, rng: random.Random) -> None:
    scene.write("tests/conftest.py", 'collect_ignore = ["test_code.py"]\n')


@edit()
def module_becomes_package(scene: Scene, rng: random.Random) -> str:
    number = other(rng, scene.read("app/constants.py"))
    text = scene.read("app/constants.py")
    scene.remove("app/constants.py")
    scene.write("app/constants/__init__.py", text.replace("LIMIT = ", f"LIMIT = {number} + "))
    return number


@edit(prepare=lambda scene: scene.path("app/constants").mkdir())
def package_appears_in_left_over_folder(scene: Scene, rng: random.Random) -> None:
    """A package wins over a module of its name. The folder alone (git leaves them, with bytecode) does not."""
    scene.write("app/constants/__init__.py", 'LIMIT = 55\nNAMES = ("six",)\n')


@edit()
def module_shadows_one_further_on(scene: Scene, rng: random.Random) -> str:
    """`src` stands before PYTHONPATH in `sys.path`, and the project's root before both."""
    place = rng.choice(["", "src/"])
    scene.write(f"{place}only_in_site.py", f'VALUE = "shadow in {place}"\n')
    return place


@edit()
def package_gains_submodule(scene: Scene, rng: random.Random) -> str:
    """`from app import submodule` looks for an attribute, then for a file."""
    number = str(rng.randrange(100, 1000))
    scene.write("app/submodule.py", f"VALUE = {number}\n")
    return number
