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
import sys
import warnings
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any, NamedTuple

from _pytest.assertion import rewrite


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


def explain(test: str, class_name: str | None = None) -> str:
    """The text of the ``AssertionError`` for an assert statement without a message in the calling frame.

    :param test: the statement's condition, as it stands in the file.
    :param class_name: the class around it, if private names may occur in it.
    """
    __tracebackhide__ = True
    frame = sys._getframe(1)
    explanation = _explanation(test, class_name, False)
    _evaluate(explanation.parts, frame)
    return _whole(explanation, "", frame)


def explain_with(test: str, class_name: str | None = None) -> Callable[[object], str]:
    """As :func:`explain`, for a statement with a message: a function of the message, which is computed in between."""
    __tracebackhide__ = True
    frame = sys._getframe(1)
    explanation = _explanation(test, class_name, True)
    _evaluate(explanation.parts, frame)

    def with_message(message: object) -> str:
        __tracebackhide__ = True
        return _whole(explanation, rewrite._format_assertmsg(message), frame)

    return with_message


def _whole(explanation: Explanation, message: str, frame: FrameType) -> str:
    __tracebackhide__ = True
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


def _statement(test: str) -> ast.Assert:
    # In brackets, for line ends inside.
    text = f"assert (\n{test}\n)"
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


def _mangle(root: ast.AST, class_name: str) -> None:
    """Private names as the compiler would have them in that class."""
    prefix = "_" + class_name.lstrip("_")
    for node in ast.walk(root):
        if isinstance(node, ast.Name) and node.id.startswith("__") and not node.id.endswith("__") and prefix != "_":
            node.id = prefix + node.id


def _evaluate(code: CodeType, frame: FrameType) -> Any:
    """Run *code* over the variables of a frame. What it raises comes without a trace of it."""
    __tracebackhide__ = True
    try:
        return eval(code, _names(frame), _variables(frame))
    except BaseException as error:
        below = error.__traceback__
        raise error.with_traceback(below and below.tb_next and below.tb_next.tb_next)


def _variables(frame: FrameType) -> Any:
    """The frame's variables, to read and to write."""
    # CPython 3.12 gives a copy of them where comprehensions have become part of a module's code.
    return frame.f_globals if frame.f_code.co_name == "<module>" else frame.f_locals


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
