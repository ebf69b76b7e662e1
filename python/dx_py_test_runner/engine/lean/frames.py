"""Frames of ours between pytest and a test are pytest's own to whoever prints a traceback."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TypeVar

F = TypeVar("F", bound=Callable[..., object])


def internal(function: F) -> F:
    """Have *function*'s frames left out where pytest leaves out its own.

    pytest knows its own frames by their folder, and any frame of generated code by the brackets around its name.
    """
    code = function.__code__
    name = f"<{os.path.join(*code.co_filename.split(os.sep)[-4:])}>"
    function.__code__ = code.replace(co_filename=name)
    return function
