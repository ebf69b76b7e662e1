"""How much of the matrix of edits a run of the tests tries: everything (`make soundness`), or what there is time for each time."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")

ALL_WAYS = bool(os.environ.get("DX_PY_ALL_WAYS"))

MIXED_EDITS = 200 if ALL_WAYS else 25


def slice_of(things: Sequence[T], part: int, of: int) -> list[T]:
    """Every *of*-th of *things*, from number *part* on; all of them where everything is tried."""
    return list(things) if ALL_WAYS else list(things[part::of])
