"""Break a seeded sample of a suite's assertions, on the text: each in one of several ways that fail in other words."""

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

Function = ast.FunctionDef | ast.AsyncFunctionDef
UNITTEST = (
    ("assertEqual", "assertNotEqual"),
    ("assertTrue", "assertFalse"),
    ("assertIs", "assertIsNot"),
    ("assertIn", "assertNotIn"),
    ("assertIsNone", "assertIsNotNone"),
    ("assertIsInstance", "assertNotIsInstance"),
)
OPPOSITES = {one: other for pair in UNITTEST for one, other in (pair, pair[::-1])}
OPERATORS = {
    "==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">", "is not": "is", "not in": "in", "is": "is not", "in": "not in"
}  # fmt: skip
OPERATOR = re.compile(r"[=!]=|[<>]=?|\bis\s+not\b|\bnot\s+in\b|\bis\b|\bin\b")


@dataclass(frozen=True)
class Edit:
    start: int  # in bytes of the file
    end: int
    replacement: str


class Text:
    """A module's text, with the places of its nodes."""

    def __init__(self, content: bytes):
        self.content = content
        self._lines = [0, *(found.end() for found in re.finditer(rb"\n", content))]

    def start(self, node: ast.AST) -> int:
        return self._lines[node.lineno - 1] + node.col_offset

    def end(self, node: ast.AST) -> int:
        return self._lines[node.end_lineno - 1] + node.end_col_offset

    def between(self, start: int, end: int) -> str:
        return self.content[start:end].decode()

    def of(self, node: ast.AST) -> str:
        return self.between(self.start(node), self.end(node))

    def replace(self, node: ast.AST, replacement: str) -> Edit:
        return Edit(self.start(node), self.end(node), replacement)


def break_suite(source: Path, where: Iterable[str], seed: int, rate: float) -> int:
    """Rewrite the test files below `where` (paths in `source`) in place; how many assertions are broken now."""
    count = 0
    for path in test_files(source, where):
        content, broken = break_module(path.read_bytes(), Random(f"{seed}:{path.relative_to(source)}"), rate)
        if broken:
            path.write_bytes(content)
        count += broken
    return count


def test_files(source: Path, where: Iterable[str]) -> list[Path]:
    found = set()
    for place in where:
        path = source / place
        names = [path] if path.is_file() else [*path.rglob("test_*.py"), *path.rglob("*_test.py")]
        found.update(names)
    return sorted(path for path in found if path.is_file())


test_files.__test__ = False


def break_module(content: bytes, random: Random, rate: float) -> tuple[bytes, int]:
    """The module with about `rate` of its assertions broken, and how many they are. One that cannot be read stays."""
    try:
        tree = ast.parse(content)
        content.decode()
    except (SyntaxError, ValueError):
        return content, 0
    text = Text(content)
    chosen = [node for node in assertions(tree) if random.random() < rate]
    edits = [edit for node in chosen if (edit := break_one(text, node, random))]
    return applied(content, edits)


def assertions(tree: ast.Module) -> Iterator[ast.Assert | ast.Call]:
    """Those within functions: a module that cannot be imported would take all its tests with it."""
    functions = [node for node in ast.walk(tree) if isinstance(node, Function)]
    found = {node for function in functions for node in ast.walk(function) if is_assertion(node)}
    return iter(sorted(found, key=lambda node: (node.lineno, node.col_offset)))


def is_assertion(node: ast.AST) -> bool:
    if isinstance(node, ast.Assert):
        return True
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in OPPOSITES


def break_one(text: Text, node: ast.Assert | ast.Call, random: Random) -> Edit | None:
    if isinstance(node, ast.Call):
        name_end = text.end(node.func)
        return Edit(name_end - len(node.func.attr), name_end, OPPOSITES[node.func.attr])
    ways = [negated, negated_in_words, nameless, raising]
    if isinstance(node.test, ast.Compare) and len(node.test.ops) == 1:
        ways += 2 * [opposite]
        ways += 4 * [other_value] * isinstance(node.test.ops[0], ast.Eq)  # what most assertions and explanations are
    return random.choice(ways)(text, node)


def negated(text: Text, node: ast.Assert) -> Edit:
    return text.replace(node.test, f"not ({text.of(node.test)})")


def negated_in_words(text: Text, node: ast.Assert) -> Edit:
    """With a message of two lines, unless there is one."""
    if node.msg is not None or text.between(text.end(node.test), text.end(node)).strip():
        return negated(text, node)  # a message that stood behind a closing parenthesis would be outside of it
    return text.replace(node.test, f"not ({text.of(node.test)}), 'broken\\n' + 'on purpose'")


def nameless(text: Text, node: ast.Assert) -> Edit:
    return text.replace(node.test, f"({text.of(node.test)}) and no_such_name")


def raising(text: Text, node: ast.Assert) -> Edit:
    return text.replace(node.test, f"[{{'broken': 1}}, ({text.of(node.test)})][0]['on purpose']")


def opposite(text: Text, node: ast.Assert) -> Edit | None:
    """`a == b` as `a != b`."""
    start, end = text.end(node.test.left), text.start(node.test.comparators[0])
    found = OPERATOR.search(text.between(start, end))
    if found is None:
        return None
    replaced = text.between(start, end)
    replaced = replaced[: found.start()] + OPERATORS[" ".join(found[0].split())] + replaced[found.end() :]
    return Edit(start, end, replaced)


def other_value(text: Text, node: ast.Assert) -> Edit:
    """`a == b` with another value for b, of the same type where its text tells that: explained with a diff."""
    right = node.test.comparators[0]
    return text.replace(right, another(right, text.of(right)))


def another(node: ast.expr, text: str) -> str:
    match node:
        case ast.Constant(value=str()):
            return f"({text} ' and\\nmore')"
        case ast.Constant(value=bytes()):
            return f"({text} b'more')"
        case ast.Constant(value=int() | float()):
            return f"({text} + 1)"
        case ast.List():
            return f"[*{text}, 'more']"
        case ast.Tuple():
            return f"(*{text}, 'more')" if text.startswith("(") else f"({text})"
        case ast.Set():
            return f"{{*{text}, 'more'}}"
        case ast.Dict():
            return f"{{**{text}, 'more': 1}}"
        case _:
            return f"[{text}, 'more']"


def applied(content: bytes, edits: Iterable[Edit]) -> tuple[bytes, int]:
    """Each edit by itself must leave a module that can be compiled; one that does not is left out."""
    count = 0
    after = len(content)
    for edit in sorted(edits, key=lambda edit: -edit.start):
        changed = content[: edit.start] + edit.replacement.encode() + content[edit.end :]
        if edit.end <= after and compiles(changed):
            content, after, count = changed, edit.start, count + 1
    return content, count


def compiles(content: bytes) -> bool:
    try:
        compile(content, "<broken>", "exec", dont_inherit=True)
    except (SyntaxError, ValueError):
        return False
    return True
