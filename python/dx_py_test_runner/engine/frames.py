"""Frames of ours between pytest and a test are pytest's own to whoever prints a traceback or traces lines."""

from __future__ import annotations

import dis
import os
from collections.abc import Callable
from types import CodeType
from typing import TypeVar

F = TypeVar("F", bound=Callable[..., object])


def internal(function: F) -> F:
    """Have *function*'s frames left out where pytest leaves out its own.

    pytest knows its own frames by their folder, and any frame of generated code by the brackets around its name, as
    other tools do.
    """
    name = f"<{os.path.join(*function.__code__.co_filename.split(os.sep)[-4:])}>"
    function.__code__ = _renamed(function.__code__, name)
    return function


def standing_in_for(real: Callable[..., object], name: str) -> Callable[[F], F]:
    """Show a function's frames as those of *real*, whose work it does: in its file, at the line that uses *name*.

    For places where pytest prints its own frames, too.
    """

    def decorate(function: F) -> F:
        shift = _line_of(name, real.__code__) - _line_of(name, function.__code__)
        function.__code__ = function.__code__.replace(
            co_filename=real.__code__.co_filename,
            co_firstlineno=function.__code__.co_firstlineno + shift,
            co_name=real.__code__.co_name,
        )
        return function

    return decorate


def _line_of(name: str, code: CodeType) -> int:
    """The line at which *code* first uses the attribute or global *name*."""
    for instruction in dis.get_instructions(code):
        if instruction.argval == name and instruction.positions is not None and instruction.positions.lineno:
            return instruction.positions.lineno
    return code.co_firstlineno


def _renamed(code: CodeType, name: str) -> CodeType:
    constants = tuple(_renamed(value, name) if isinstance(value, CodeType) else value for value in code.co_consts)
    return code.replace(co_filename=name, co_consts=constants)
