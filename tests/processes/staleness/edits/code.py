"""Edits of Python text."""

from __future__ import annotations

import os
import random

from staleness.edits import edit
from staleness.scene import Scene


def other(rng: random.Random, text: str) -> str:
    """A number that does not stand in *text*."""
    return next(number for number in iter(lambda: str(rng.randrange(50, 5000)), "") if number not in text)


def change_number(scene: Scene, rng: random.Random, name: str, before: str) -> str:
    """Give another value to the number behind *before* in a file."""
    number = other(rng, scene.read(name))
    scene.change(name, rf"({before})\d+", rf"\g<1>{number}")
    return f"{name}: {before}{number}"


@edit(mixed=3)
def body_of_direct_dependency(scene: Scene, rng: random.Random) -> str:
    return change_number(scene, rng, "app/direct.py", "return ")


@edit(mixed=3)
def body_of_transitive_dependency(scene: Scene, rng: random.Random) -> str:
    return change_number(scene, rng, "app/deep.py", "return ")


@edit(mixed=2)
def module_constant(scene: Scene, rng: random.Random) -> str:
    return change_number(scene, rng, "app/constants.py", "LIMIT = ")


@edit()
def constant_that_parametrizes(scene: Scene, rng: random.Random) -> str:
    names = rng.sample(["two", "ten", "six", "seven", "eight"], rng.randrange(1, 5))
    scene.change("app/constants.py", r"NAMES = .*", f"NAMES = ({', '.join(map(repr, names))},)")
    return f"NAMES = {names}"


@edit(mixed=2)
def inherited_class_attribute(scene: Scene, rng: random.Random) -> str:
    return change_number(scene, rng, "app/shapes.py", r"Shape\):\n    sides = ")


@edit()
def inherited_test(scene: Scene, rng: random.Random) -> str:
    number = other(rng, scene.read("app/checks.py"))
    scene.append("app/checks.py", f"\n    def test_more_{number}(self):\n        assert {rng.randrange(2)}\n")
    return f"test_more_{number}"


@edit(mixed=2)
def conftest_fixture_value(scene: Scene, rng: random.Random) -> str:
    return change_number(scene, rng, "conftest.py", "ROOT_VALUE = ")


@edit()
def sub_conftest_fixture_value(scene: Scene, rng: random.Random) -> str:
    return change_number(scene, rng, "tests/deep/conftest.py", "DEEP_VALUE = ")


@edit()
def plugin_named_in_conftest(scene: Scene, rng: random.Random) -> str:
    return change_number(scene, rng, "app/provided.py", "return ")


def _collect_doctests(scene: Scene) -> None:
    scene.change("pyproject.toml", "addopts = .*", 'addopts = "--doctest-modules --doctest-glob=*.txt"')
    scene.append("tests/test_code.py", '\n\ndef documented():\n    """\n    >>> 6 * 7\n    42\n    """\n')
    scene.write("tests/story.txt", ">>> 6 * 7\n42\n")


@edit(prepare=_collect_doctests)
def doctest_in_module(scene: Scene, rng: random.Random) -> None:
    scene.change("tests/test_code.py", "6 [*] 7", "6 * 8")


@edit(prepare=_collect_doctests)
def doctest_in_text_file(scene: Scene, rng: random.Random) -> None:
    scene.change("tests/story.txt", "6 [*] 7", "6 * 8")


@edit()
def test_body(scene: Scene, rng: random.Random) -> str:
    return change_number(scene, rng, "tests/test_code.py", r"assert direct.answer\(\) == ")


def _replace_at_same_size(scene: Scene, number: str) -> str:
    path = scene.path("app/deep.py")
    status = path.stat()
    text = path.read_text()
    digits = text.partition("return ")[2].splitlines()[0].rstrip("#")
    number = number[: len(digits)].ljust(len(digits), "7")
    if number == digits:
        number = str(int(digits) ^ 1).rjust(len(digits), "0")
    path.write_text(text.replace(f"return {digits}", f"return {number}"))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    return f"app/deep.py: {digits} became {number}; size and mtime as before"


@edit()
def same_size_and_mtime_put_back(scene: Scene, rng: random.Random) -> str:
    """Without the bytecode that such an edit leaves wrong for every Python."""
    told = _replace_at_same_size(scene, other(rng, scene.read("app/deep.py")))
    scene.tree.forget_bytecode("project/app/deep.py")
    return told


@edit(in_place=True, same_verdict=True, mixed=0)
def same_size_and_mtime_put_back_with_bytecode(scene: Scene, rng: random.Random) -> str:
    """Python itself runs the old bytecode then; what pytest says in the same place is right."""
    # An edit before may have taken it away, and runs from waiting levels import nothing.
    scene.tree.make_bytecode("project/app/deep.py")
    # No edit before has made this of it: a level that has loaded that text, without bytecode, would be true again.
    return _replace_at_same_size(scene, "9")


@edit()
def saved_by_rename_with_older_time(scene: Scene, rng: random.Random) -> str:
    number = other(rng, scene.read("app/direct.py"))
    text = scene.read("app/direct.py").replace("return ", f"return {number} + ", 1)
    earlier = scene.path("app/direct.py").stat().st_mtime_ns - rng.randrange(10**9, 10**12)
    scene.tree.save_over("project/app/direct.py", text, modified_ns=earlier)
    return f"app/direct.py: {number} added, mtime {earlier}"


@edit(same_verdict=True)
def touched(scene: Scene, rng: random.Random) -> str:
    name = rng.choice(["app/deep.py", "app/direct.py", "conftest.py", "tests/test_code.py", "pyproject.toml"])
    os.utime(scene.path(name))
    return name


@edit(same_verdict=True)
def rewritten_unchanged(scene: Scene, rng: random.Random) -> str:
    name = rng.choice(["app/deep.py", "app/direct.py", "conftest.py", "tests/test_code.py", "data/table.txt"])
    content = scene.path(name).read_bytes()
    scene.path(name).unlink()
    scene.path(name).write_bytes(content)
    return name


@edit()
def syntax_error_in_dependency(scene: Scene, rng: random.Random) -> str:
    name = rng.choice(["app/deep.py", "app/constants.py", "app/table.py", "app/extras.py"])
    scene.append(name, "\ndef broken(:\n")
    return name


@edit()
def syntax_error_in_test_file(scene: Scene, rng: random.Random) -> str:
    name = rng.choice(scene.test_files())
    scene.append(name, "\ndef broken(:\n")
    return name


@edit(mixed=0)
def syntax_error_in_conftest(scene: Scene, rng: random.Random) -> None:
    scene.append("conftest.py", "\ndef broken(:\n")
