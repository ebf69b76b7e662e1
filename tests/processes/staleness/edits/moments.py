"""Edits at particular moments, edits of many files at once, and runs from other places."""

from __future__ import annotations

import os
import random
import subprocess
import time
from collections.abc import Callable

from staleness.edits import edit
from staleness.edits.code import change_number, other
from staleness.gate import closed
from staleness.scene import Scene

BRANCH = {
    "app/direct.py": "from app import transitive\n\n\ndef answer():\n    return 42\n\n\n"
    "def scaled(number):\n    return transitive.scale(number) + {0}\n",
    "app/constants.py": 'LIMIT = {0}\nNAMES = ("one", "six", "seven")\n',
    "conftest.py": None,
    "data/table.txt": "alpha branch\n",
    "tests/plain/test_branch.py": "def test_branch(level):\n    assert level == {0}\n",
}
"""What another branch has in place of the project's files; None: the same with another value."""


def _branch_files(scene: Scene, number: str) -> dict[str, str]:
    changed = scene.read("conftest.py").replace("ROOT_VALUE = ", f"ROOT_VALUE = {number} + ")
    return {name: changed if text is None else text.format(number) for name, text in BRANCH.items()}


@edit(mixed=2)
def branch_with_older_times(scene: Scene, rng: random.Random) -> str:
    """Several files replaced at once, all of them older than what they replace."""
    number = other(rng, scene.read("conftest.py"))
    before = time.time_ns() - rng.randrange(10**12, 10**14)
    for name, text in _branch_files(scene, number).items():
        scene.tree.save_over(f"project/{name}", text, modified_ns=before)
    if scene.has("tests/test_fixtures.py"):
        scene.remove("tests/test_fixtures.py")
    return number


def git(scene: Scene, *args: str) -> None:
    quiet = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    identity = ["-c", "user.name=nobody", "-c", "user.email=nobody@example.invalid"]
    subprocess.run(
        ["git", *identity, *args], cwd=scene.path("."), env={**os.environ, **quiet}, check=True, capture_output=True
    )


def _two_branches(scene: Scene) -> None:
    scene.write(".gitignore", "__pycache__/\n.pytest_cache/\n")
    git(scene, "init", "--initial-branch=main")
    git(scene, "add", ".")
    git(scene, "commit", "--message=main")
    git(scene, "checkout", "-b", "other")
    for name, text in _branch_files(scene, "77").items():
        scene.write(name, text)
    scene.remove("tests/test_fixtures.py")
    git(scene, "add", "--all")
    git(scene, "commit", "--message=other")
    git(scene, "checkout", "main")


@edit(prepare=_two_branches, undo=lambda scene: git(scene, "checkout", "main"))
def branch_checked_out_with_git(scene: Scene, rng: random.Random) -> None:
    git(scene, "checkout", "other")


@edit(same_verdict=None)
def run_from_other_directory(scene: Scene, rng: random.Random) -> str:
    folders = [name for name in ("project", "project/tests", "project/tests/deep") if name != scene.cwd]
    scene.cwd = rng.choice([name for name in folders if scene.tree.has(name)])
    return scene.cwd


@edit(mixed=0)
def run_and_edit_from_other_directory(scene: Scene, rng: random.Random) -> str:
    scene.cwd = "project/tests"
    return change_number(scene, rng, "app/deep.py", "return ")


def edit_at(scene: Scene, gate: str, change: Callable[[], object]) -> str:
    """Start a run of all tests, stop it at a gate, change something there, and let it end. After other edits it may end
    without coming there."""
    args, scene.args = scene.args, ()
    with closed(scene.tree.path(f"gates/{gate}")) as stopped:
        started = scene.start(scene)
        arrived = stopped.wait_for_arrival(started)
        try:
            change()
        finally:
            stopped.open()
            started.wait()
            scene.args = args
    return f"at the gate {gate!r}" if arrived else f"the gate {gate!r} was not reached"


@edit()
def edited_while_tests_run(scene: Scene, rng: random.Random) -> str:
    return edit_at(scene, "test", lambda: change_number(scene, rng, "app/deep.py", "return "))


def _make_reload_necessary(scene: Scene, rng: random.Random) -> None:
    change_number(scene, rng, "app/constants.py", "LIMIT = ")


@edit()
def edited_while_loading_after_it_was_read(scene: Scene, rng: random.Random) -> str:
    """app.deep was imported for tests/test_code.py before the gate; the level this run leaves must not be trusted."""
    _make_reload_necessary(scene, rng)
    return edit_at(scene, "load", lambda: change_number(scene, rng, "app/deep.py", "return "))


@edit()
def edited_while_loading_before_it_was_read(scene: Scene, rng: random.Random) -> str:
    _make_reload_necessary(scene, rng)
    return edit_at(scene, "load", lambda: change_number(scene, rng, "app/afterwards.py", "VALUE = "))


@edit()
def edited_while_loading_on_both_sides(scene: Scene, rng: random.Random) -> str:
    """Two files that belong together, one read before and one after."""
    _make_reload_necessary(scene, rng)

    def change() -> None:
        change_number(scene, rng, "app/deep.py", "return ")
        scene.write("tests/plain/conftest.py", "import pytest\n\n\n@pytest.fixture\ndef level():\n    return 'new'\n")

    return edit_at(scene, "load", change)


@edit()
def test_file_added_while_loading(scene: Scene, rng: random.Random) -> str:
    _make_reload_necessary(scene, rng)
    return edit_at(scene, "load", lambda: scene.write("tests/test_added.py", "def test_added():\n    assert 0\n"))


@edit()
def optional_module_appears_while_loading(scene: Scene, rng: random.Random) -> str:
    _make_reload_necessary(scene, rng)
    return edit_at(scene, "load", lambda: scene.write("optional_thing.py", "VALUE = 8\n"))


@edit(mixed=0)
def edited_at_once_after_each_of_many_runs(scene: Scene, rng: random.Random) -> None:
    """Each edit follows the end of a run immediately; the caller compares after the last."""
    for _ in range(8):
        change_number(scene, rng, "app/deep.py", "return ")
        scene.finish(scene.start(scene), scene)
    change_number(scene, rng, "app/deep.py", "return ")


@edit(mixed=0)
def edited_twice_at_once(scene: Scene, rng: random.Random) -> None:
    """The second edit comes while the first is hardly a tick of the file system's clock old."""
    for _ in range(8):
        change_number(scene, rng, "app/deep.py", "return ")
        started = scene.start(scene)
        change_number(scene, rng, "app/deep.py", "return ")
        scene.finish(started, scene)
