"""What a failed assertion says, built by pytest's own rewriter at the moment of the failure.

The rewriter makes statements that build the explanation from the temporaries of the captured assert statement, which are named and
numbered as the rewriter would have done it. They are run over the variables of the frame that failed, so the partial texts
become variables there, as they do when pytest has rewritten the module.
"""

from __future__ import annotations

import ast
import builtins
import functools
import inspect
from sys import _getframe  # bound at once: a test may take it away
import warnings
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any, NamedTuple

from _pytest.assertion import rewrite

from dx_py_test_runner import _native
from dx_py_test_runner.engine.frames import internal


class Explanation(NamedTuple):
    """How to explain one assert statement."""

    parts: CodeType
    """Statements that compute partial texts."""
    template: str
    """The whole, with places for what :attr:`values` gives; a message goes before it."""
    values: CodeType
    """An expression: a dictionary."""
    variable: str
    """What the filled template is assigned to."""


@internal
def _explain(test: str, class_name: str | None = None) -> str:
    """The text of the ``AssertionError`` for an assert statement without a message in the calling frame.

    :param test: the statement's condition, as it stands in the file.
    :param class_name: the class around it, if private names may occur in it.
    """
    frame = _getframe(1)
    explanation = _explanation(test, class_name, False)
    _evaluate(explanation.parts, frame)
    return _whole(explanation, "", frame)


@internal
def _explain_with(test: str, class_name: str | None = None) -> Callable[[object], str]:
    """As :func:`_explain`, for a statement with a message: a function of the message, which is computed in between."""
    frame = _getframe(1)
    explanation = _explanation(test, class_name, True)
    _evaluate(explanation.parts, frame)

    def with_message(message: object) -> str:
        return _whole(explanation, rewrite._format_assertmsg(message), frame)

    return _native.Untraced(with_message, OWN)


# What hooks and representations raise is traced from the assert statement to them, as if the explanation were made there.
OWN = [_explain.__code__.co_filename, "<explanation>"]
explain = _native.Untraced(_explain, OWN)
explain_with = _native.Untraced(_explain_with, OWN)


@internal
def _whole(explanation: Explanation, message: str, frame: FrameType) -> str:
    values = _evaluate(explanation.values, frame)
    variables = _variables(frame)
    variables[explanation.variable] = (message + explanation.template) % values
    text = rewrite._format_explanation(variables[explanation.variable])
    # pytest's code looks the name up; an assert statement does not.
    error = variables.get("AssertionError") or frame.f_globals.get("AssertionError", AssertionError)
    if error is not AssertionError:
        raise error(text)
    return text


@functools.lru_cache(maxsize=1000)
@internal
def _explanation(test: str, class_name: str | None, has_message: bool) -> Explanation:
    statement = _statement(test)
    if has_message:
        statement.msg = ast.copy_location(ast.Constant(""), statement.test)
    rewriter = rewrite.AssertionRewriter(None, None, b"")
    failure = next(
        made for made in reversed(rewriter.visit(statement)) if isinstance(made, ast.If) and isinstance(made.body[-1], ast.Raise)
    )
    *parts, whole, _ = failure.body
    match whole:
        case ast.Assign(
            targets=[ast.Name(variable)],
            value=ast.BinOp(ast.BinOp(_, ast.Add(), ast.Constant(str(template))), ast.Mod(), ast.Dict() as values),
        ):
            pass
        case _:
            raise NotImplementedError(f"pytest {rewrite.version} builds explanations in another way")
    if class_name is not None:
        for node in (*parts, values):
            _mangle(node, class_name)
    return Explanation(
        compile(ast.Module(parts, []), "<explanation>", "exec", dont_inherit=True),
        template,
        compile(ast.Expression(values), "<explanation>", "eval", dont_inherit=True),
        variable,
    )


@internal
def _statement(test: str) -> ast.Assert:
    text = f"assert (\n{test}\n)" if "\n" in test or ":=" in test else f"assert {test}"
    if "\\" in test:
        # Of unknown escapes the compiler has warned already.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            module = ast.parse(text)
    else:
        module = ast.parse(text)
    statement = module.body[0]
    assert isinstance(statement, ast.Assert)
    return statement


@internal
def _mangle(root: ast.AST, class_name: str) -> None:
    """Private names as the compiler would have them in that class."""
    prefix = "_" + class_name.lstrip("_")
    for node in ast.walk(root):
        if isinstance(node, ast.Name) and node.id.startswith("__") and not node.id.endswith("__") and prefix != "_":
            node.id = prefix + node.id


@internal
def _evaluate(code: CodeType, frame: FrameType) -> Any:
    """Run *code* over the variables of a frame."""
    return eval(code, _names(frame), _variables(frame))


@internal
def _variables(frame: FrameType) -> Any:
    """The frame's variables, to read and to write."""
    # CPython 3.12 gives a copy of them where comprehensions have become part of a module's code.
    return frame.f_globals if frame.f_code.co_name == "<module>" else frame.f_locals


@internal
def _names(frame: FrameType) -> dict[str, Any]:
    """The names that are known besides a frame's variables."""
    code = frame.f_code
    if code.co_flags & inspect.CO_OPTIMIZED or not code.co_freevars:
        return frame.f_globals
    # A class body sees variables of the functions around it that are not among its own.
    names = {**builtins.__dict__, **frame.f_globals}
    missing = set(code.co_freevars)
    outer = frame.f_back
    while outer is not None and missing:
        if outer.f_code.co_flags & inspect.CO_OPTIMIZED:
            variables = outer.f_locals
            found = missing.intersection(variables)
            names |= {name: variables[name] for name in found}
            missing -= found
        outer = outer.f_back
    return names
