"""Laws over generated modules: captured they do what they do rewritten, and what is wrong stays wrong."""

from __future__ import annotations

import ast
import warnings

import pytest
import twins
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from test_twins import SETUP, TABLE

MANY = settings(max_examples=200, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck), database=None)

ATOMS = [
    "one", "two", "zero", "none", "n", "thing", "thing.size", "thing.inner.name", "count", "bump()", "note(one)", "note(zero)", "numbers",
    "numbers[0]", "0", "1", "'%s'", "'é\\n'", "[]", "[n for n in numbers]", "(lambda: zero)()", "f'{one}%'", "undefined", "Raises()", "Text()",
    "Thing('new')", "numbers\n.count", "'''a\nb'''", "None", "(1, 2)", "...", "{**named}", "(\n zero # comment\n)", "len(list(n for n in numbers))",
    "note(*numbers, key=one, **named)", "one if zero else two",
]  # fmt: skip
BINARY = ["==", "!=", "<", ">=", "is", "is not", "in", "not in", "and", "or", "+", "*", "%", "-", "@", "if n else", "\n==", "and\n", "< \\\n"]
PREFIX = ["not ", "-", "~", "+", "not\\\n "]


def compounds(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.tuples(inner, st.sampled_from(BINARY), inner).map(lambda parts: f"{parts[0]} {parts[1]} {parts[2]}"),
        st.tuples(inner, st.sampled_from(BINARY), inner, st.sampled_from(BINARY), inner).map(" ".join),
        st.tuples(st.sampled_from(PREFIX), inner).map("".join),
        inner.map(lambda part: f"({part})"),
        inner.map(lambda part: f"(\n  {part}\n )"),
        inner.map(lambda part: f"({part}).real"),
        st.tuples(inner, inner).map(lambda parts: f"note(({parts[0]}), key=({parts[1]}))"),
        inner.map(lambda part: f"thing.method(*[{part}])"),
        *([inner.map(lambda part: f"(n := {part})")] if twins.WALRUS else []),
    )


EXPRESSIONS = st.recursive(st.sampled_from(ATOMS), compounds, max_leaves=7)
PLACES = ["{}", "if one: {}", "x = 'é'; {}; log.append(1)", "for n in numbers: {}", "{}; {}", "try: {}\nfinally: log.append(2)"]


@st.composite
def statements(draw: st.DrawFn) -> str:
    message = draw(st.none() | EXPRESSIONS)
    # In brackets, so that all is valid that may be.
    words = f"assert ({draw(EXPRESSIONS)})" + (f", ({message})" if message is not None else "")
    return draw(st.sampled_from(PLACES)).replace("{}", words)


def has_tuple(tree: ast.AST) -> bool:
    """Whether an assert statement is about a tuple: those are left to pytest, which warns of them."""
    asserts = (node for node in ast.walk(tree) if isinstance(node, ast.Assert))
    return any(isinstance(node.test, ast.Tuple) and node.test.elts for node in asserts)


def has_long_walrus(source: str) -> bool:
    """Whether an assignment expression goes over lines: it may have to stand below those behind it."""
    walruses = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.NamedExpr))
    return any(node.lineno != node.end_lineno for node in walruses)


def is_valid(source: str) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            compile(source, "valid", "exec")
        except (SyntaxError, ValueError):
            return False
    return True


@MANY
@given(st.lists(statements(), min_size=1, max_size=3))
@example(["assert (one < two < three) and (two < one < three) or zero"])
@example(["x = 'é'; assert (one), (thing.method(*[(\n  (one)\n )])); log.append(1)"])
@example(["assert zero, [n for n in numbers]"])
def test_generated_statements(found):
    lines = "\n".join(found).replace("\n", "\n    ")
    source = f"{SETUP}def case(n):\n    {lines}\n    return locals()\n"
    if is_valid(source) and not has_tuple(ast.parse(source)):
        twins.compare(source, lambda names: names["case"](1), may_decline=has_long_walrus(source))


@MANY
@given(statements())
def test_generated_statements_in_a_module(statement):
    source = f"{SETUP}n = 1\n{statement}\n"
    if is_valid(source) and not has_tuple(ast.parse(source)):
        twins.compare(source, may_decline=has_long_walrus(source))


TOKENS = ["(", ")", ",", ":=", "==", "and ", "not ", "*", "**", "=", "yield ", "await ", "lambda: ", "for n in n", " if 1 else 2", ".", "x", "1", "\n", ";", ":", "\\\n", "\"", "@", "assert ", "#", "[", "]", "{", "}"]  # fmt: skip


@MANY
@given(st.sampled_from(TABLE), st.lists(st.tuples(st.integers(0, 200), st.integers(0, 3), st.sampled_from(TOKENS)), min_size=1, max_size=3))
def test_what_is_wrong_stays_wrong(statement, edits):
    """A text with something cut out or put in: captured if and only if it compiles, but for what is declined."""
    for at, length, token in edits:
        at %= len(statement) + 1
        statement = statement[:at] + token + statement[at + length :]
    source = statement.encode()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        captured = twins.captured(source)
        try:
            tree = ast.parse(source)
            compile(source, "f", "exec", dont_inherit=True)
        except (SyntaxError, ValueError):
            assert captured is None, f"compiled, though wrong: {statement}"
            return
    if has_tuple(tree):
        assert captured is None
    elif not any(isinstance(node, ast.NamedExpr) for node in ast.walk(tree)):
        assert captured is not None, f"declined: {statement}"


@pytest.mark.parametrize(
    "text",
    [
        "assert x := 1", "assert f(a=1, a=2)", "assert f(**a, *b)", "assert f(a=1, 2)", "assert f(x for x in y, 1)", "assert f(x for x in y,)",
        "assert *x", "assert f(*x for x in y)", "assert yield", "assert (yield)", "assert await x", "assert not", "assert x == lambda: 1", "assert x,",
        "assert x, y, z", "assert (x, y", "assert x; )", "  assert x", "assert x\n  assert y", "return 1\nassert x", "assert f(None=1)",
        "assert (None := 1)", "assert (x.y := 1)", "def f():\n nonlocal x\n assert x", "assert __debug__ == (__debug__ := 1)", "assert f(__debug__=1)",
        "class A:\n assert [x := 1 for y in z]", "assert 'a' b'c'", "assert f'{'", "assert 1 if 2", "assert x == y == ", "assert 0777", "assert é$", "assert x!",
        "async def f():\n assert (yield from x)", "break\nassert x", "assert f(a.b=1)", "assert -", "assert {**x for x in y}", "assert x <> y", "del f()\nassert 1",
    ],
)  # fmt: skip
def test_wrong_text(text):
    assert not is_valid(text)
    assert twins.captured(text.encode()) is None
