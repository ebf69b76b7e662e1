"""What an outline is (`select/outline.py`), made by walking the nodes of `ast`: many times slower than what is made natively, and what that must agree with."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from reference_keeping import handed, keepers, short_hash
from reference_touching import touches

from dx_py_test_runner.select.outline import NO_PYTHON, Outline


def outline(text: bytes) -> Outline:
    """The outline of a file with this text. One that is no Python needs nothing."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return NO_PYTHON
    finder = _Finder()
    finder.visit(tree)
    imports, names = tuple(dict.fromkeys(finder.imports)), tuple(sorted(finder.names))
    (kept, in_object), given = keepers(tree), tuple(sorted(set(handed(tree))))
    loads, touched = tuple(_certain_imports(tree)), touches(tree)
    derived = tuple(sorted(_derived(tree)))
    bodies: dict[str, tuple[str, str]] = {}
    _take_bodies(tree, "", bodies)
    return Outline(imports, names, finder.dynamic, _hash(tree), tuple((name, *bodies[name]) for name in sorted(bodies)), tuple(kept), tuple(in_object), given, (), derived, (), (), (), loads, touched)


def _derived(tree: ast.Module) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Classes with the last names of their bases."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            bases = [base.value if isinstance(base, ast.Subscript) else base for base in node.bases]
            if bases:
                yield node.name, tuple(getattr(base, "id", getattr(base, "attr", "?")) if isinstance(base, (ast.Name, ast.Attribute)) else "?" for base in bases)


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
    return short_hash("".join(map(ast.dump, nodes)))


def _take_bodies(node: ast.AST, prefix: str, bodies: dict[str, tuple[str, str]]) -> None:
    """Take the bodies of all functions out of a tree, the innermost first."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
            name = prefix + child.name
            _take_bodies(child, f"{name}.<locals>.", bodies)
            own = _hash(child.args, *child.body), _hash(child.args)
            # Functions of one name, as those of a property, are one to whoever only knows their names.
            known = bodies.get(name)
            bodies[name] = own if known is None else (short_hash(known[0] + own[0]), short_hash(known[1] + own[1]))
            seen = child.body[:1] if ast.get_docstring(child, clean=False) is not None else []
            yields = any(isinstance(part, (ast.Yield, ast.YieldFrom)) for part in _own_nodes(child))
            child.body = [*seen, ast.Expr(ast.Constant(yields))]
            if isinstance(child, ast.FunctionDef) and not yields and "<locals>" not in prefix:
                _take_names(child.args)
        elif isinstance(child, ast.ClassDef):
            _take_bodies(child, f"{prefix}{child.name}.", bodies)
        else:
            _take_bodies(child, prefix, bodies)


def _take_names(given: ast.arguments) -> None:
    """Take away what only those can tell who use the function: names without annotations, and constants."""
    for some in (given.posonlyargs, given.args, given.kwonlyargs):
        some[:] = [one for one in some if one.annotation is not None]
    given.vararg = given.vararg if given.vararg is not None and given.vararg.annotation is not None else None
    given.kwarg = given.kwarg if given.kwarg is not None and given.kwarg.annotation is not None else None
    for defaults in (given.defaults, given.kw_defaults):
        defaults[:] = [one for one in defaults if one is not None and not isinstance(one, ast.Constant)]


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

    def visit_Subscript(self, node: ast.Subscript) -> None:
        table, key = node.value, node.slice
        is_table = isinstance(table, ast.Attribute) and table.attr == "modules" and isinstance(table.value, ast.Name) and self._aliases.get(table.value.id, table.value.id) == "sys"
        is_standing = isinstance(key, ast.Constant) and key.value == "__main__"
        if is_table and is_standing and isinstance(node.ctx, ast.Load):
            self.names.add("sys.modules")
            self.visit(key)
        else:
            self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if node.attr in _IMPORTERS:
            self.dynamic = True
        elif node.attr in ("__dict__", "__getattribute__"):
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
