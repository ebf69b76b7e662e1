"""What one run starts from: files, environment, directory, arguments, interpreter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from dxpy import Started
from staleness.outcome import Outcome
from staleness.project import generate
from staleness.tree import State, Tree

PROJECT = "project"


@dataclass(frozen=True)
class Saved:
    """A scene at one moment."""

    files: State
    env: dict[str, str]
    cwd: str
    args: tuple[str, ...]


def _no_side(*_args: object) -> NoReturn:
    raise RuntimeError("this scene has no warm side")


@dataclass
class Scene:
    """Files and circumstances, to be edited. In *env*, `{tree}` stands for the folder of the files: the two sides that
    are compared have one each.

    *python* names another interpreter, relative to the tree. *start* and *finish* are those of the warm side, for edits
    that need a run in progress or one that has just ended.
    """

    tree: Tree
    env: dict[str, str] = field(default_factory=dict)
    cwd: str = PROJECT
    args: tuple[str, ...] = ()
    python: str | None = None
    start: Callable[[Scene], Started] = field(default=_no_side, repr=False)
    finish: Callable[[Started, Scene], Outcome] = field(default=_no_side, repr=False)

    @classmethod
    def create(cls, folder: Path) -> Scene:
        """A freshly generated project in *folder*."""
        tree = Tree(folder)
        generate(tree)
        return cls(tree, {"PYTHONPATH": "{tree}/site"})

    def variables(self, tree: Path) -> dict[str, str]:
        """The environment of a run on the files in *tree*."""
        return {name: value.replace("{tree}", str(tree)) for name, value in self.env.items()}

    # ---- files of the project

    def write(self, name: str, text: str) -> None:
        self.tree.write(f"{PROJECT}/{name}", text)

    def change(self, name: str, pattern: str, replacement: str) -> None:
        self.tree.change(f"{PROJECT}/{name}", pattern, replacement)

    def append(self, name: str, text: str) -> None:
        self.tree.append(f"{PROJECT}/{name}", text)

    def read(self, name: str) -> str:
        return self.tree.read(f"{PROJECT}/{name}")

    def has(self, name: str) -> bool:
        return self.tree.has(f"{PROJECT}/{name}")

    def remove(self, name: str) -> None:
        self.tree.remove(f"{PROJECT}/{name}")

    def rename(self, old: str, new: str) -> None:
        self.tree.rename(f"{PROJECT}/{old}", f"{PROJECT}/{new}")

    def link(self, name: str, target: str) -> None:
        self.tree.link(f"{PROJECT}/{name}", target)

    def path(self, name: str) -> Path:
        return self.tree.path(f"{PROJECT}/{name}")

    def test_files(self) -> list[str]:
        """Names of the test files, relative to the project."""
        return [name.removeprefix(f"{PROJECT}/") for name in self.tree.files(f"{PROJECT}/tests*/**/test_*.py")]

    # ---- states

    def save(self) -> Saved:
        return Saved(self.tree.state(), dict(self.env), self.cwd, self.args)

    def restore(self, saved: Saved, *, times: bool) -> list[str]:
        """Bring everything back; returns the names of the files touched."""
        self.env, self.cwd, self.args = dict(saved.env), saved.cwd, saved.args
        return self.tree.restore(saved.files, times=times)
