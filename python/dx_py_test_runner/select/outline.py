"""What the text of a Python file tells of what it needs, and of what it means.

What it means as a whole is told by its tokens, natively, in a few milliseconds; the outline takes a hundred for a long file."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from dx_py_test_runner._native import hash_bytes
from dx_py_test_runner.inputs.facts import Facts
from dx_py_test_runner.select.keeping import handed, keepers
from dx_py_test_runner.select.touching import Statement, Touches, touches


class Outline(NamedTuple):
    """What is known of one file. Made of plain values, so that it can be kept."""

    imports: tuple[tuple[int, str, tuple[str, ...]], ...]
    """Every import at any depth: its level, the module's name, and the names taken from it (``*`` for all; none for a plain import)."""
    names: tuple[str, ...]
    """Dotted names in strings and expressions that may be modules, or be within them."""
    dynamic: bool
    """Whether it may import, or look up, modules whose names are not in its text."""
    level: str = ""
    """A hash of the text without comments, layout and the bodies of functions; with their docstrings, and with what kinds of functions
    they are. Empty if it is no Python."""
    bodies: tuple[tuple[str, str], ...] = ()
    """A hash of each function's body, without those of functions within it, by its qualified name."""
    keepers: tuple[str, ...] = ()
    """Qualified names of functions that may keep what they find (:mod:`select.keeping`)."""
    handed: tuple[str, ...] = ()
    """Names of what it hands to others that may keep what it gives."""
    loads: tuple[tuple[int, str, tuple[str, ...]], ...] = ()
    """The imports that are done whenever the module is loaded."""
    touches: Touches = Touches()
    """What loading the module does to others."""

    def body(self, name: str) -> str:
        """The hash of the function whose code has this qualified name: of that around it, if it has no body of its own (a lambda,
        a comprehension, a class); '' if there is none."""
        bodies = dict(self.bodies)
        while name and name not in bodies:
            name = name.rpartition(".")[0].removesuffix(".<locals>")
        return bodies.get(name, "")


def meaning(text: bytes) -> str:
    """A hash of a file's text without comments and layout. One that is no Python means what it says."""
    facts = Facts(text)
    return hash_bytes(text).hex()[:32] if facts.problems else facts.whole.hex()


def outline(text: bytes) -> Outline:
    """The outline of a file with this text. One that is no Python needs nothing."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return Outline((), (), True)
    finder = _Finder()
    finder.visit(tree)
    imports, names = tuple(dict.fromkeys(finder.imports)), tuple(sorted(finder.names))
    kept, given = tuple(sorted(set(keepers(tree)))), tuple(sorted(set(handed(tree))))
    loads, touched = tuple(_certain_imports(tree)), touches(tree)
    bodies: dict[str, str] = {}
    _take_bodies(tree, "", bodies)
    return Outline(imports, names, finder.dynamic, _hash(tree), tuple(sorted(bodies.items())), kept, given, loads, touched)


def from_plain(value: tuple[Any, ...]) -> Outline:
    """The outline of which this is what is left when it was kept."""
    found = Outline(*value)
    statements, *rest = found.touches
    return found._replace(touches=Touches(tuple(Statement(*one) for one in statements), *rest))


def as_plain(known: Outline) -> tuple[Any, ...]:
    """An outline as values that :mod:`marshal` takes."""
    return (*known[:-1], (tuple(map(tuple, known.touches.statements)), *known.touches[1:]))


def _certain_imports(node: ast.AST) -> Iterator[tuple[int, str, tuple[str, ...]]]:
    """Import statements that are neither in a function nor on a condition."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from ((0, alias.name, ()) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            yield (child.level, child.module or "", tuple(alias.name for alias in child.names))
        elif isinstance(child, (ast.ClassDef, ast.With, ast.Try)):
            yield from _certain_imports(child)


def _hash(*nodes: ast.AST) -> str:
    return hash_bytes("".join(map(ast.dump, nodes)).encode("utf-8", "surrogatepass")).hex()[:32]


def _take_bodies(node: ast.AST, prefix: str, bodies: dict[str, str]) -> None:
    """Take the bodies of all functions out of a tree, the innermost first."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
            name = prefix + child.name
            _take_bodies(child, f"{name}.<locals>.", bodies)
            own = _hash(*child.body)
            # Functions of one name, as those of a property, are one to whoever only knows their names.
            bodies[name] = own if name not in bodies else hash_bytes(f"{bodies[name]}{own}".encode()).hex()[:32]
            seen = child.body[:1] if ast.get_docstring(child, clean=False) is not None else []
            yields = any(isinstance(part, (ast.Yield, ast.YieldFrom)) for part in _own_nodes(child))
            child.body = [*seen, ast.Expr(ast.Constant(yields))]
        elif isinstance(child, ast.ClassDef):
            _take_bodies(child, f"{prefix}{child.name}.", bodies)
        else:
            _take_bodies(child, prefix, bodies)


def _own_nodes(function: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a function without those of functions within it."""
    for child in ast.iter_child_nodes(function):
        yield child
        if not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)):
            yield from _own_nodes(child)


_DOTTED = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*\.?")

_IMPORTERS = {"import_module": 0, "__import__": 0, "importorskip": 0}
"""Functions that import what their first argument names."""

_LOOKERS = frozenset(
    {"exec", "run_path", "run_module", "find_spec", "spec_from_file_location", "entry_points", "load_module", "exec_module"}
    | {"iter_modules", "walk_packages", "import_string", "import_from_string", "resolve_name", "locate", "find_loader"}
)
"""Functions by which modules are reached that no import statement names."""

_NAMESPACES = frozenset({"getattr", "vars", "dir", "getmembers"})
"""Functions that reach what is in their first argument, be it a package, by names that may be computed."""


class _Finder(ast.NodeVisitor):
    def __init__(self) -> None:
        self.imports: list[tuple[int, str, tuple[str, ...]]] = []
        self.names: set[str] = set()
        self.dynamic = False
        self._aliases: dict[str, str] = {}
        self._bound: dict[str, tuple[int, str]] = {}
        """What names stand for that may be packages: the level and the name of an import."""

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self.imports.append((0, alias.name, ()))
            if alias.asname:
                self._aliases[alias.asname] = alias.name
            name = alias.asname or alias.name.partition(".")[0]
            self._bound[name] = (0, alias.name if alias.asname else name)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        self.imports.append((node.level, node.module or "", tuple(alias.name for alias in node.names)))
        for alias in node.names:
            self._bound[alias.asname or alias.name] = (node.level, f"{node.module}.{alias.name}" if node.module else alias.name)
            renamed = alias.asname not in (None, alias.name)
            if (node.module, alias.name) == ("sys", "modules") or (renamed and (alias.name in _IMPORTERS or alias.name in _LOOKERS)):
                self.dynamic = True
            if not node.level:
                self._aliases[alias.asname or alias.name] = f"{node.module}.{alias.name}"

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str) and len(node.value) < 200 and _DOTTED.fullmatch(node.value):
            self.names.add(node.value.rstrip("."))

    def visit_Name(self, node: ast.Name) -> None:
        if node.id in _IMPORTERS and isinstance(node.ctx, ast.Load):
            self.dynamic = True  # not called here, but wherever it is handed to

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if node.attr in _IMPORTERS:
            self.dynamic = True
        elif node.attr == "__dict__":
            self._take_all(node.value)
        parts, value = [node.attr], node.value
        while isinstance(value, ast.Attribute):
            parts.append(value.attr)
            value = value.value
        if isinstance(value, ast.Name):
            first = self._aliases.get(value.id, value.id)
            if (first, parts[-1]) == ("sys", "modules"):
                self.dynamic = True
            self.names.add(".".join([first, *reversed(parts)]))
        else:
            self.visit(value)

    def visit_Call(self, node: ast.Call) -> None:
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name in _LOOKERS:
            self.dynamic = True
        elif name in _IMPORTERS:
            first = node.args[0] if node.args else None
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                level = len(first.value) - len(first.value.lstrip("."))
                self.imports.append((level, first.value[level:], ()))
            else:
                self.dynamic = True
            for child in (*([node.func.value] if isinstance(node.func, ast.Attribute) else []), *node.args, *node.keywords):
                self.visit(child)
            return
        elif name in _NAMESPACES and node.args and not (name == "getattr" and isinstance(node.args[1:2] and node.args[1], ast.Constant)):
            self._take_all(node.args[0])
        self.generic_visit(node)

    def _take_all(self, node: ast.AST) -> None:
        """All that is in what an expression stands for, if that may be a package."""
        below: list[str] = []
        while isinstance(node, ast.Attribute):
            below.insert(0, node.attr)
            node = node.value
        if isinstance(node, ast.Name) and node.id in self._bound:
            level, target = self._bound[node.id]
            self.imports.append((level, ".".join([target, *below]), ("*",)))
