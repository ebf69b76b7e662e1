"""Frames of ours between pytest and a test are pytest's own to whoever prints a traceback or traces lines."""

from __future__ import annotations

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


def _renamed(code: CodeType, name: str) -> CodeType:
    constants = tuple(_renamed(value, name) if isinstance(value, CodeType) else value for value in code.co_consts)
    return code.replace(co_filename=name, co_consts=constants)
