"""One module under pytest's rewriting and captured: everything about it that can be observed, as plain data."""

from __future__ import annotations

import ast
import builtins
import dis
import re
import sys
import types
import warnings
from collections.abc import Callable
from typing import Any

import pytest
from _pytest.assertion import rewrite, util

from dx_py_test_runner.engine.assertion.prepare import prepare
from dx_py_test_runner.engine.capture import compile_captured
from dx_py_test_runner.engine.assertion.install import WALRUS_IN_PLACE

FILE = "/nowhere/test_twins.py"
WALRUS = pytest.version_tuple[:2] >= WALRUS_IN_PLACE


def rewritten(source: bytes) -> types.CodeType:
    tree = ast.parse(source, filename=FILE)
    rewrite.rewrite_asserts(tree, source, FILE)
    return compile(tree, FILE, "exec", dont_inherit=True)


def captured(source: bytes) -> types.CodeType | None:
    return compile_captured(source, FILE, walrus=WALRUS)


def observe(code: types.CodeType, calls: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    """Run a module and then *calls* with its namespace."""
    log: list[Any] = []
    namespace: dict[str, Any] = {"__name__": "test_twins", "__file__": FILE, "__builtins__": builtins, "log": log}
    prepare(code, namespace)
    lines: list[tuple[str, str, int]] = []

    def tracer(frame: types.FrameType, event: str, arg: object) -> Any:
        if frame.f_code.co_filename != FILE:
            return None
        lines.append((event, frame.f_code.co_name, frame.f_lineno))
        return tracer

    seen: dict[str, Any] = {"lines": lines, "log": log}
    before = sys.gettrace()
    sys.settrace(tracer)
    try:
        exec(code, namespace)
        seen["result"] = words(calls(namespace))
    except BaseException as error:
        seen["error"] = failure(error)
    finally:
        sys.settrace(before)
    seen["log"] = words(log)
    seen["globals"] = {name: words(value) for name, value in namespace.items() if name not in ("__builtins__", "log")}
    return seen


def failure(error: BaseException) -> Any:
    """What is raised, from where, and the variables there."""
    trace = []
    entry = error.__traceback__
    while entry is not None:
        code = entry.tb_frame.f_code
        if code.co_filename == FILE:
            positions = list(code.co_positions())[entry.tb_lasti // 2]
            trace.append((code.co_name, entry.tb_lineno, positions, words(sorted(entry.tb_frame.f_locals.items(), key=str)) if code.co_name != "<module>" else None))
        entry = entry.tb_next
    context = error.__context__
    return type(error).__name__, words(str(error)), trace, failure(context) if context is not None else None


def words(value: object) -> str:
    return re.sub(r"0x[0-9a-f]+", "0x", repr(value))


def shape(code: types.CodeType) -> Any:
    """What can be seen of code without running it. Constants of ours and the order of variables are not that."""
    # Which constants of unreachable code are kept is the compiler's affair.
    used = [step.argval for step in dis.get_instructions(code) if step.opcode in dis.hasconst]
    inner = [shape(constant) for constant in used if isinstance(constant, types.CodeType)]
    mine = {"@py_assert", "@py_format"}
    variables = sorted(name for name in code.co_varnames if name[:10] not in mine)
    temporaries = {name for name in (*code.co_varnames, *code.co_names) if name.startswith("@py_assert")}
    return (
        code.co_name, code.co_qualname, code.co_firstlineno, code.co_flags, code.co_argcount, code.co_freevars,
        sorted(code.co_cellvars), variables, temporaries, code.co_filename, inner,
    )  # fmt: skip


def warned(compiling: Callable[[bytes], Any], source: bytes) -> tuple[Any, Any]:
    """The result, and what was warned of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = compiling(source)
        except SyntaxError as error:
            result = error
    return result, [(str(w.message), w.filename, w.lineno) for w in caught]


def compare(source: str | bytes, calls: Callable[[dict[str, Any]], Any] = lambda names: None, *, compared: bool = True, may_decline: bool = False) -> None:
    """Assert that both ways of compiling *source* give the same.

    :param compared: whether to install what pytest installs around tests for comparisons.
    :param may_decline: whether it is right to leave it to pytest.
    """
    if isinstance(source, str):
        source = source.encode()
    first, first_warnings = warned(rewritten, source)
    second, second_warnings = warned(captured, source)
    if isinstance(first, Exception):
        if second is not None:
            pytest.fail(f"compiled, though wrong: {first}")
        return
    if second is None:
        if may_decline:
            return
        pytest.fail("declined")
    note(shape(first) == shape(second), "shape", shape(first), shape(second), source)
    note(first_warnings == second_warnings, "warnings", first_warnings, second_warnings, source)
    previous = util._reprcompare
    util._reprcompare = _reprcompare if compared else None
    try:
        one, other = observe(first, calls), observe(second, calls)
    finally:
        util._reprcompare = previous
    one["lines"], other["lines"] = _events(one["lines"], other["lines"])
    for key in one.keys() | other.keys():
        note(one.get(key) == other.get(key), key, one.get(key), other.get(key), source)


def _events(one: list[Any], other: list[Any]) -> tuple[Any, Any]:
    """Calls and returns in order, and which lines were visited.

    Instructions for the first and other lines of a statement alternate; how often an interpreter sees that depends on which it merges.
    """
    if any(event == "exception" for event, _, _ in one):
        # Explaining visits the last line of the statement when pytest does it.
        return _calls(one), _calls(other)
    return (_calls(one), sorted(set(one))), (_calls(other), sorted(set(other)))


def _calls(events: list[Any]) -> list[Any]:
    return [event for event in events if event[0] != "line"]


def _reprcompare(op: str, left: object, right: object) -> str | None:
    return f"compared {op}\n~{left!r}\n~{right!r}".replace("%", "%%") if isinstance(left, list) else None


def note(same: bool, what: str, first: object, second: object, source: bytes) -> None:
    if not same:
        pytest.fail(f"{what} differ\npytest   {first!r}\ncaptured {second!r}\nof\n{source.decode(errors='replace')[-500:]}", pytrace=False)
