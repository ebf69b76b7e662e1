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

_MAKERS = frozenset({"dict", "list", "set", "bytearray", "defaultdict", "deque", "sorted", "open", "copy", "deepcopy", "__new__"})
"""Functions that give something new; as does what begins with a capital letter."""

_STARTING = frozenset({"__init__", "__post_init__", "setUp", "asyncSetUp", "setup_method"})
"""Methods whose first argument is new, or is one test's."""

_NEW = (ast.Constant, ast.JoinedStr, ast.Dict, ast.List, ast.Set, ast.Tuple, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.BinOp)


_NOWHERE, _IN_OBJECT, _ANYWHERE = range(3)

_Parts = dict[ast.AST, set[str]]


def keepers(tree: ast.Module) -> tuple[list[str], list[str]]:
    """The qualified names of the functions of a file that may keep something, and of those that keep it in their object alone."""
    wrapped = {argument.id for call in _calls_outside(tree) for argument in call.args if isinstance(argument, ast.Name)}
    found: dict[str, int] = {}
    for name, kept in _within(tree, "", wrapped, _own_parts(tree)):
        found[name] = max(kept, found.get(name, _NOWHERE))
    return sorted(name for name in found if found[name]), sorted(name for name in found if found[name] == _IN_OBJECT)


def handed(tree: ast.Module) -> Iterator[str]:
    """The names, without those of modules and classes, of what a file hands, outside of functions, to others that may keep what
    it gives: ``functools.cache(other.load)``."""
    names = {alias.asname: alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names if alias.asname}
    for call in _calls_outside(tree):
        for argument in (*call.args, *(keyword.value for keyword in call.keywords)):
            name = _last_name(argument)
            if name:
                yield names.get(name, name)



def _within(node: ast.AST, prefix: str, wrapped: set[str], parts: _Parts) -> Iterator[tuple[str, int]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, _Function):
            kept = _ANYWHERE if child.name in wrapped or _is_decorated(child) else _puts(child, "<locals>" in prefix, parts.get(child))
            yield prefix + child.name, kept
            yield from _within(child, f"{prefix}{child.name}.<locals>.", wrapped, parts)
        elif isinstance(child, ast.ClassDef):
            yield from _within(child, f"{prefix}{child.name}.", wrapped, parts)
        else:
            yield from _within(child, prefix, wrapped, parts)


def _own_parts(tree: ast.Module) -> _Parts:
    """For each method, the attributes that its object alone has."""
    classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    new = {id(target) for node in ast.walk(tree) for target in _new_targets(node)}
    stored = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)]
    shared = {node.attr for node in stored if id(node) not in new}
    for node in (part for one in classes for part in _own_of_class(one)):
        if isinstance(node, (*_Function.__args__, ast.ClassDef)):
            shared.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            shared.add(node.id)
    if "__dict__" in shared or any(node.attr == "__dict__" for node in stored):
        return {}
    found: _Parts = {}
    for one in classes:
        methods = [child for child in one.body if isinstance(child, _Function)]
        parts = {
            node.attr
            for maker in methods
            if maker.name == "__init__"
            for node in own_nodes(maker)
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and _is_name(node.value, _first(maker))
        }
        found.update(dict.fromkeys(methods, parts - shared))
    return found


def _own_of_class(one: ast.ClassDef) -> Iterator[ast.AST]:
    for child in one.body:
        yield child
        if not isinstance(child, (*_Function.__args__, ast.Lambda, ast.ClassDef)):
            yield from own_nodes(child)


def _new_targets(node: ast.AST) -> list[ast.expr]:
    """What a statement binds to something new."""
    if isinstance(node, ast.Assign):
        return node.targets if _is_new(node.value) else []
    if isinstance(node, ast.AnnAssign):
        return [node.target] if node.value is None or _is_new(node.value) else []
    return [node.target] if isinstance(node, ast.AugAssign) else []


def _first(function: _Function) -> str | None:
    return next((one.arg for one in (*function.args.posonlyargs, *function.args.args)), None)


def _is_name(node: ast.AST, name: str | None) -> bool:
    return isinstance(node, ast.Name) and node.id == name


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


def _puts(function: _Function, inner: bool, parts: set[str] | None) -> int:
    """Where the function binds, or puts into, something that may be there after it has ended."""
    own = list(own_nodes(function))
    if any(isinstance(node, (ast.Global, ast.Nonlocal)) for node in own):
        return _ANYWHERE
    new, holding = _new_names(function, own)
    kept = _NOWHERE
    for node in own:
        if isinstance(node, (ast.Attribute, ast.Subscript)) and isinstance(node.ctx, ast.Store):
            place, whole = node, node.value
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in PUTTING:
            place = whole = node.func.value
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "setattr" and node.args:
            place = whole = node.args[0]
        else:
            continue
        while isinstance(place, (ast.Attribute, ast.Subscript)):
            place = place.value
        if isinstance(place, ast.Constant) or (isinstance(place, ast.Name) and place.id in new and (place is whole or place.id not in holding)):
            continue
        if inner or parts is None or not _is_of_object(whole, function, own, parts):
            return _ANYWHERE
        kept = _IN_OBJECT
    return kept


def _is_of_object(whole: ast.AST, function: _Function, own: list[ast.AST], parts: set[str]) -> bool:
    """Whether what is put into *whole* is gone with the object that the method is called on."""
    first = _first(function)
    stores = [node.id for node in own if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]
    decorators = {_last_name(part) for decorator in function.decorator_list for part in ast.walk(decorator)}
    if first is None or first in stores or decorators & {"staticmethod", "classmethod"}:
        return False
    if function.name in ("__new__", "__init_subclass__", "__class_getitem__"):
        return False

    def is_part(node: ast.AST) -> bool:
        return isinstance(node, ast.Attribute) and _is_name(node.value, first) and (node.attr == "__dict__" or node.attr in parts)

    if isinstance(whole, ast.Name):
        assigned = [node for node in own if isinstance(node, ast.Assign) and is_part(node.value)]
        names = {target.id for node in assigned for target in node.targets if isinstance(target, ast.Name)}
        return whole.id == first or (whole.id in names and stores.count(whole.id) == 1)
    return is_part(whole)


def _new_names(function: _Function, own: list[ast.AST]) -> tuple[set[str], set[str]]:
    """Local names of what was made here, and is nobody else's unless it is handed out; and of what may hold something of others."""
    of_test = function.name.startswith("test")
    given = function.args
    arguments = [one.arg for one in (*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg) if one is not None]
    new, shared, holding = {one.arg for one in (given.vararg, given.kwarg) if one is not None}, set(), set()
    if of_test:
        new.update(arguments)
    elif function.name in _STARTING:
        new.update(arguments[:1])
    for node in own:
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            new.add(node.id)
        for target, source, is_loop, loaded in _bindings(node) if not of_test else ():
            is_part = is_loop or isinstance(target, (ast.Tuple, ast.List))
            names = {part.id for part in ast.walk(target) if isinstance(part, ast.Name) and (loaded or isinstance(part.ctx, ast.Store))}
            if not _is_new(source) or (is_part and not _is_new_within(source)):
                shared |= names
            elif not _is_new_within(source):
                holding |= names
    return new - shared, holding


def _bindings(node: ast.AST) -> Iterator[tuple[ast.expr, ast.expr, bool, bool]]:
    """Targets and sources; whether in a loop, and whether names count that are only read in the target."""
    if isinstance(node, ast.Assign):
        yield from ((target, node.value, False, False) for target in node.targets)
    elif isinstance(node, (ast.AnnAssign, ast.NamedExpr)) and node.value is not None:
        yield node.target, node.value, False, False
    elif isinstance(node, (ast.For, ast.AsyncFor)):
        yield node.target, node.iter, True, True
    elif isinstance(node, ast.withitem) and node.optional_vars is not None:
        yield node.optional_vars, node.context_expr, False, True


_COPYING = frozenset({"dict", "list", "set", "defaultdict", "deque", "sorted", "copy"})


def _is_new_within(value: ast.AST) -> bool:
    """Whether nothing of what it is made of was there before, either."""
    if isinstance(value, ast.Await):
        return _is_new_within(value.value)
    if isinstance(value, (ast.List, ast.Tuple, ast.Set)):
        return all(map(_is_new_within, value.elts))
    if isinstance(value, ast.Dict):
        return all(map(_is_new_within, value.values))
    if isinstance(value, (ast.ListComp, ast.SetComp, ast.GeneratorExp)):
        return _is_new_within(value.elt)
    if isinstance(value, ast.DictComp):
        return _is_new_within(value.value)
    if isinstance(value, ast.BinOp):
        return _is_new_within(value.left) and _is_new_within(value.right)
    if isinstance(value, ast.Call):
        return _is_new(value) and (_last_name(value.func) not in _COPYING or all(map(_is_new_within, value.args)))
    return isinstance(value, (ast.Constant, ast.JoinedStr))


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
