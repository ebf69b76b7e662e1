"""For `reference_outline.py`: which functions of a file may keep what they find, by walking its `ast`."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator

_Function = ast.FunctionDef | ast.AsyncFunctionDef

_PLAIN = frozenset(
    {"property", "staticmethod", "classmethod", "abstractmethod", "setter", "getter", "deleter", "override", "overload", "final"}
    | {"contextmanager", "asynccontextmanager", "wraps", "fixture", "yield_fixture", "hookimpl", "hookspec", "mark", "given", "patch"}
)
"""Parts of the names of decorators that keep nothing."""

PUTTING = frozenset(
    {"append", "appendleft", "add", "update", "setdefault", "extend", "insert", "put", "set", "get_or_set", "push", "register", "store"}
    | {"__setitem__", "__setattr__"}
)
"""Methods that put something into what they are called on."""

_MAKERS = frozenset({"dict", "list", "set", "bytearray", "defaultdict", "deque", "sorted", "open", "copy", "deepcopy"})
"""Functions that give something new; as does what begins with a capital letter."""

_STARTING = frozenset({"__init__", "__new__", "__post_init__", "setUp", "asyncSetUp", "setup_method"})
"""Methods whose first argument is new, or is one test's."""

_NEW = (ast.Constant, ast.JoinedStr, ast.Dict, ast.List, ast.Set, ast.Tuple, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.BinOp)


def keepers(tree: ast.Module) -> Iterator[str]:
    """The qualified names of the functions of a file that may keep something."""
    wrapped = {argument.id for call in _calls_outside(tree) for argument in call.args if isinstance(argument, ast.Name)}
    yield from _within(tree, "", wrapped)


def handed(tree: ast.Module) -> Iterator[str]:
    """The names, without those of modules and classes, of what a file hands, outside of functions, to others that may keep what
    it gives: ``functools.cache(other.load)``."""
    names = {alias.asname: alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names if alias.asname}
    for call in _calls_outside(tree):
        for argument in (*call.args, *(keyword.value for keyword in call.keywords)):
            name = _last_name(argument)
            if name:
                yield names.get(name, name)



def _within(node: ast.AST, prefix: str, wrapped: set[str]) -> Iterator[str]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, _Function):
            if child.name in wrapped or _is_decorated(child) or _puts(child):
                yield prefix + child.name
            yield from _within(child, f"{prefix}{child.name}.<locals>.", wrapped)
        elif isinstance(child, ast.ClassDef):
            yield from _within(child, f"{prefix}{child.name}.", wrapped)
        else:
            yield from _within(child, prefix, wrapped)


def _calls_outside(node: ast.AST) -> Iterator[ast.Call]:
    """Calls outside of functions."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Call):
            yield child
        if not isinstance(child, (*_Function.__args__, ast.Lambda)):
            yield from _calls_outside(child)


def _is_decorated(function: _Function) -> bool:
    """Whether something unknown stands between the function and its callers."""
    return not function.name.startswith("test") and any(
        not any(isinstance(part, (ast.Name, ast.Attribute)) and _last_name(part) in _PLAIN for part in ast.walk(decorator))
        for decorator in function.decorator_list
    )


def _last_name(node: ast.AST) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _puts(function: _Function) -> bool:
    """Whether the function binds, or puts into, something that may be there after it has ended."""
    own = list(own_nodes(function))
    if any(isinstance(node, (ast.Global, ast.Nonlocal)) for node in own):
        return True
    new = _new_names(function, own)
    for node in own:
        if isinstance(node, (ast.Attribute, ast.Subscript)) and isinstance(node.ctx, ast.Store):
            place: ast.AST = node
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in PUTTING:
            place = node.func.value
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "setattr" and node.args:
            place = node.args[0]
        else:
            continue
        while isinstance(place, (ast.Attribute, ast.Subscript)):
            place = place.value
        if isinstance(place, ast.Constant):
            continue
        if not (isinstance(place, ast.Name) and place.id in new):
            return True
    return False


def _new_names(function: _Function, own: list[ast.AST]) -> set[str]:
    """Local names of what was made here, and is nobody else's unless it is handed out."""
    of_test = function.name.startswith("test")
    given = function.args
    arguments = [one.arg for one in (*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg) if one is not None]
    new, shared = {one.arg for one in (given.vararg, given.kwarg) if one is not None}, set()
    if of_test:
        new.update(arguments)
    elif function.name in _STARTING:
        new.update(arguments[:1])
    for node in own:
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            new.add(node.id)
        elif isinstance(node, (ast.Assign, ast.AnnAssign, ast.NamedExpr)) and not of_test:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if node.value is not None and not _is_new(node.value):
                shared.update(part.id for target in targets for part in ast.walk(target) if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store))
        elif isinstance(node, (ast.For, ast.AsyncFor, ast.withitem)) and not of_test:
            target = node.optional_vars if isinstance(node, ast.withitem) else node.target
            source = node.context_expr if isinstance(node, ast.withitem) else node.iter
            if target is not None and not _is_new(source):
                shared.update(part.id for part in ast.walk(target) if isinstance(part, ast.Name))
    return new - shared


def _is_new(value: ast.AST) -> bool:
    if isinstance(value, ast.Await):
        value = value.value
    if isinstance(value, ast.Call):
        name = _last_name(value.func)
        return name in _MAKERS or name.lstrip("_")[:1].isupper()
    return isinstance(value, _NEW)


def own_nodes(function: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a function's body without those of functions within it."""
    for child in function.body if isinstance(function, _Function) else ast.iter_child_nodes(function):
        yield child
        if not isinstance(child, (*_Function.__args__, ast.Lambda, ast.ClassDef)):
            yield from own_nodes(child)


def short_hash(text: str) -> str:
    """A hash of a text."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
