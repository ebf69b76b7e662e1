"""What one Python file's text says without running it, as plain records. The reading itself is native (``crates/source``)."""

from __future__ import annotations

from typing import NamedTuple

from dx_py_test_runner import _native

VERSION: int = _native.facts_version()
"""Another number means that the same text may give other facts and hashes than those kept from before."""

DOCS, SOURCE, CODE = 1, 2, 4
"""Bits of *mentions*: docstrings are read; source is; code objects or line numbers are looked at."""


class Import(NamedTuple):
    """One name of an import statement: ``import module`` or ``from module import name``."""

    level: int
    """Leading dots; 0 if absolute."""
    module: str
    name: str | None
    """None in ``import module``; ``*`` for all."""
    line: int
    in_function: bool
    conditional: bool
    type_checking: bool
    in_try: bool


class DynamicImport(NamedTuple):
    """A call of ``import_module``, ``__import__``, ``importorskip``, ``run_path`` or the like, found by that name."""

    callee: str
    module: str | None
    """None if it is computed; with leading dots if relative."""
    line: int


class Bound(NamedTuple):
    """What a name of the module, or of a class in it, is bound to."""

    name: str
    scope: int | None
    """The class, as a place in ``Facts.bindings``; None is the module."""
    line: int
    conditional: bool
    kind: str
    """``function``, ``fixture``, ``class``, ``import``, ``marks``, ``value`` or ``deleted``."""
    marks: list[tuple[str, list[str], list[str] | None]]
    """Name; of ``parametrize`` also argument names and ids (None: not to be told from the text). An empty name: others are computed."""
    names: list[str]
    """A function's parameters without defaults; a class's bases, empty for computed ones."""


class Facts:
    """The facts of one file. Never fails to be made: a broken file has :attr:`problems`."""

    __slots__ = ("_found", "bindings", "dynamic_imports", "imports")

    def __init__(self, content: bytes) -> None:
        self._found = found = _native.facts_of(content)
        self.imports = [Import(*row) for row in found["imports"]]
        self.dynamic_imports = [DynamicImport(*row) for row in found["dynamic_imports"]]
        self.bindings = [Bound(*row) for row in found["bindings"]]

    @property
    def whole(self) -> bytes:
        """Hash of everything that is no comment and no layout."""
        return self._found["whole"]

    @property
    def mentions(self) -> int:
        """Of the whole file."""
        return self._found["mentions"]

    @property
    def plugins(self) -> tuple[list[str], bool] | None:
        """``pytest_plugins``, and whether there may be others than those."""
        return self._found["plugins"]

    @property
    def hooks(self) -> list[str]:
        """The ``pytest_*`` names that the module binds."""
        return self._found["hooks"]

    @property
    def marks(self) -> list[tuple[str, list[str], list[str] | None]]:
        """``pytestmark`` of the module, as :attr:`Bound.marks`."""
        return self._found["marks"]

    @property
    def asserts(self) -> int:
        return self._found["asserts"]

    @property
    def problems(self) -> list[tuple[str, int, str]]:
        """Kind (``syntax``, ``excessive``, ``encoding``), line (0: the file as a whole), words. With any, the hash says nothing reliable."""
        return self._found["problems"]
