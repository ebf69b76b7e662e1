"""For `reference_outline.py`: what a module does to others while it is loaded, by walking its `ast`."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from reference_keeping import PUTTING, own_nodes, short_hash

from dx_py_test_runner.select.touching import CALLS, DERIVES, GIVEN, PUTS, WRAPS, Statement, Touches

_Function = (ast.FunctionDef, ast.AsyncFunctionDef)

_HARMLESS = frozenset({"pytest", "_pytest", "unittest"})
"""Nothing that is left in these is seen by other tests."""

_TALKERS = frozenset({"log", "logger", "_log", "_logger", "LOG", "LOGGER", "logging", "warnings", "warn"})
"""What is called for the sake of people."""

_HOOKS = frozenset({"__init_subclass__", "__set_name__", "__new__", "__init__", "__prepare__"})
"""Functions that are called when a class is defined: the last three of a metaclass."""


def touches(tree: ast.Module) -> Touches:
    """What loading the module with this text does elsewhere."""
    reader = _Reader(tree)
    found = []
    for statement in tree.body:
        touched = tuple(dict.fromkeys(reader.of_level(statement)))
        if any(name.partition(".")[0] not in _HARMLESS for _how, _level, name in touched):
            found.append(Statement(touched, *reader.slice_of([statement])))
    registers = tuple(sorted({node.name for node in ast.walk(tree) if isinstance(node, _Function) and reader.registers(node)}))
    return Touches(tuple(found), registers, reader.registers_classes(tree))


class _Reader:
    def __init__(self, tree: ast.Module) -> None:
        self._imported: dict[str, tuple[int, str]] = {}
        self._bound: dict[str, list[ast.stmt]] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    self._imported[alias.asname or alias.name.partition(".")[0]] = (0, alias.name if alias.asname else alias.name.partition(".")[0])
            elif isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    self._imported[alias.asname or alias.name] = (node.level, f"{node.module}.{alias.name}" if node.module else alias.name)
        for statement in tree.body:
            for name in _bound_by(statement):
                self._bound.setdefault(name, []).append(statement)
        self._inner: dict[str, tuple[tuple[str, int, str], ...]] = {}
        self._other_names: dict[str, tuple[str, int, str]] = {}
        for statement in tree.body:
            if isinstance(statement, ast.Assign) and len(statement.targets) == 1 and isinstance(statement.targets[0], ast.Name):
                calls = [_last(node.func) for node in _chain(statement.value) if isinstance(node, ast.Call)]
                if not any(name[:1].isupper() for name in calls):
                    for _how, level, name in self._told(PUTS, statement.value):
                        self._other_names[statement.targets[0].id] = (GIVEN if calls else PUTS, level, name)

    # ---- what is touched

    def of_level(self, statement: ast.AST) -> Iterator[tuple[str, int, str]]:
        """What running a statement of the module, or of a class in it, touches."""
        if isinstance(statement, ast.If) and _is_never_loaded(statement.test):
            for other in statement.orelse:
                yield from self.of_level(other)
            return
        for node in _level_nodes(statement):
            if isinstance(node, (*_Function, ast.ClassDef)):
                for decorator in node.decorator_list:
                    yield from self._told(WRAPS, decorator.func if isinstance(decorator, ast.Call) else decorator)
                    yield from self._by_own(decorator)
                if isinstance(node, ast.ClassDef):
                    for base in (*node.bases, *(keyword.value for keyword in node.keywords)):
                        yield from self._told(DERIVES, base)
            elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
                yield from self._told(PUTS, node.value.func)
            elif isinstance(node, ast.Call):
                yield from self._by_own(node.func)
                yield from self._told(CALLS, node.func)
            yield from self._changes(node, ())

    def _changes(self, node: ast.AST, local: Iterable[str]) -> Iterator[tuple[str, int, str]]:
        for place in _places(node):
            if not (isinstance(root := _root(place), ast.Name) and root.id in local):
                yield from self._told(PUTS, place)

    def _told(self, how: str, node: ast.AST) -> Iterator[tuple[str, int, str]]:
        """If an expression begins with an imported name: what it names, as far as that can be read."""
        parts: list[str] = []
        while isinstance(node, (ast.Attribute, ast.Subscript, ast.Call)):
            if isinstance(node, ast.Attribute):
                parts.insert(0, node.attr)
                node = node.value
            else:
                parts.clear()
                parts.append("*")
                node = node.func if isinstance(node, ast.Call) else node.value
        if isinstance(node, ast.Name) and node.id in self._imported:
            level, name = self._imported[node.id]
            yield (how, level, ".".join([name, *parts]))
        elif isinstance(node, ast.Name) and node.id in self._other_names:
            given, level, name = self._other_names[node.id]
            yield (how if given == PUTS else given, level, ".".join([name, *parts]))

    def _by_own(self, function: ast.AST) -> Iterator[tuple[str, int, str]]:
        """What calling a function or class of this file touches."""
        root = _root(function)
        if isinstance(root, ast.Name) and root.id not in self._imported:
            yield from self._within(root.id)

    def _within(self, name: str) -> tuple[tuple[str, int, str], ...]:
        if name not in self._inner:
            self._inner[name] = ()
            found: dict[tuple[str, int, str], None] = {}
            for statement in self._bound.get(name, ()):
                if isinstance(statement, (*_Function, ast.ClassDef)):
                    for function in [node for node in ast.walk(statement) if isinstance(node, _Function)]:
                        local = _local_names(function)
                        for node in own_nodes(function):
                            found.update(dict.fromkeys(self._changes(node, local)))
                            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id not in local:
                                found.update(dict.fromkeys(self._within(node.func.id)))
            self._inner[name] = tuple(found)
        return self._inner[name]

    # ---- what decides about it

    def slice_of(self, statements: list[ast.stmt]) -> tuple[str, tuple[tuple[int, str], ...]]:
        """A hash of some statements and of those that bind what they mention; and the imports that they mention."""
        needs: set[tuple[int, str]] = set()
        seen: dict[int, ast.stmt] = {}
        waiting = list(statements)
        names: set[str] = set()
        while waiting:
            statement = waiting.pop()
            if id(statement) in seen:
                continue
            seen[id(statement)] = statement
            for node in ast.walk(statement):
                if isinstance(node, ast.Name) and node.id not in names:
                    names.add(node.id)
                    waiting += self._bound.get(node.id, ())
        for name in names & self._imported.keys():
            needs.add(self._imported[name])
        ordered = sorted(seen.values(), key=lambda statement: (statement.lineno, statement.col_offset))
        text = "\n".join([*map(ast.dump, ordered), repr(sorted(needs))])
        return short_hash(text), tuple(sorted(needs))

    # ---- who keeps what is handed in

    def registers(self, function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
        """Whether a function puts something into what is neither its own nor an argument, or calls others for their effect."""
        if function.name.startswith("test"):
            return False
        local = _local_names(function)
        for node in ast.walk(function):
            if isinstance(node, (ast.Global, ast.Nonlocal)):
                return True
            for place in _places(node):
                if isinstance(root := _root(place), ast.Name) and root.id not in local:
                    return True
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and node.value.args:
                root = _root(node.value.func)
                if isinstance(root, ast.Name) and root.id not in (*local, *_TALKERS) and (root.id in self._imported or root.id in self._bound):
                    return True
        return False

    def registers_classes(self, tree: ast.Module) -> bool:
        """Whether a class of the file, or its metaclass, remembers the classes that are derived from it."""
        for one in ast.walk(tree):
            if isinstance(one, ast.ClassDef):
                meta = any(_last(base) == "type" or _last(base).endswith("Meta") for base in one.bases) or one.name.endswith("Meta")
                for function in one.body:
                    if isinstance(function, _Function) and function.name in _HOOKS:
                        always = function.name in ("__init_subclass__", "__set_name__")
                        if (always or meta) and (self.registers(function) or _fills_an_attribute(function)):
                            return True
        return False


def _fills_an_attribute(function: ast.AST) -> bool:
    """Whether something is put into what hangs on an argument: `cls.known[name] = cls`."""
    for node in ast.walk(function):
        for place in _places(node):
            container = place.value if isinstance(place, ast.Subscript) else place
            if (isinstance(place, ast.Subscript) or not isinstance(getattr(place, "ctx", None), ast.Store)) and isinstance(container, ast.Attribute):
                return True
    return False


def _places(node: ast.AST) -> Iterator[ast.expr]:
    """What one node changes, if it is no name."""
    if isinstance(node, (ast.Attribute, ast.Subscript)) and not isinstance(node.ctx, ast.Load):
        yield node
    elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
        yield node.target
    elif isinstance(node, ast.Call):
        if isinstance(node.func, ast.Attribute) and node.func.attr in PUTTING:
            yield node.func.value
        elif isinstance(node.func, ast.Name) and node.func.id in ("setattr", "delattr") and node.args:
            yield node.args[0]


def _chain(node: ast.AST) -> list[ast.AST]:
    """An expression, what it is an attribute, a part or a result of, and so on."""
    found = [node]
    while isinstance(node, (ast.Attribute, ast.Subscript, ast.Call)):
        node = node.func if isinstance(node, ast.Call) else node.value
        found.append(node)
    return found


def _root(node: ast.AST) -> ast.AST:
    return _chain(node)[-1]


def _last(node: ast.AST) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _level_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a statement that run when the module is loaded."""
    yield node
    if isinstance(node, (*_Function, ast.Lambda)):
        children: list[ast.AST] = [*getattr(node, "decorator_list", ()), node.args]
    else:
        children = list(ast.iter_child_nodes(node))
    for child in children:
        yield from _level_nodes(child)


def _is_never_loaded(test: ast.AST) -> bool:
    """Whether a condition holds only for who runs the file as a program, or checks types."""
    if isinstance(test, ast.Compare) and isinstance(test.left, ast.Name) and test.left.id == "__name__":
        return True
    return _last(test) == "TYPE_CHECKING"


def _bound_by(statement: ast.AST) -> Iterator[str]:
    """The names that a statement of the module binds in it; imports are known otherwise."""
    if isinstance(statement, (*_Function, ast.ClassDef)):
        yield statement.name
        return
    for node in _level_nodes(statement):
        if isinstance(node, (*_Function, ast.ClassDef)):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id


def _local_names(function: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
    """Arguments and local names of a function and of those within it."""
    found: set[str] = set()
    freed: set[str] = set()
    for node in ast.walk(function):
        if isinstance(node, ast.arg):
            found.add(node.arg)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, (*_Function, ast.ClassDef)) and node is not function:
            found.add(node.name)
        elif isinstance(node, (ast.Global, ast.Nonlocal)):
            freed.update(node.names)
        elif isinstance(node, ast.ExceptHandler) and node.name:
            found.add(node.name)
    return found - freed
