"""The named edits. Each changes a scene's files or circumstances in a way that a cold run notices."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from staleness.scene import Scene

Apply = Callable[[Scene, random.Random], object]
Prepare = Callable[[Scene], None]


@dataclass(frozen=True)
class Edit:
    """A named operation.

    *prepare* is done before the scene is warmed up, and *undo* afterwards, in place of putting the files back.
    *same_verdict*: nothing is to change in what the run reports (None: it may). *mixed*: the weight with which it is
    drawn for a random mix. *in_place*: pytest's verdict in the same place, with its bytecode, is the right one.
    """

    name: str
    apply: Apply
    prepare: Prepare | None = None
    undo: Prepare | None = None
    same_verdict: bool | None = False
    mixed: int = 1
    in_place: bool = False

    def __str__(self) -> str:
        return self.name


EDITS: dict[str, Edit] = {}


def edit(
    *,
    prepare: Prepare | None = None,
    undo: Prepare | None = None,
    same_verdict: bool | None = False,
    mixed: int | None = None,
    in_place: bool = False,
) -> Callable[[Apply], Apply]:
    """Register a function as the edit of its name. One that needs preparation is not mixed unless it says so."""
    weight = mixed if mixed is not None else int(prepare is None)

    def register(apply: Apply) -> Apply:
        name = apply.__name__
        EDITS[name] = Edit(name, apply, prepare, undo, same_verdict, weight, in_place)
        return apply

    return register


# Importing the groups fills the table.
from staleness.edits import code, foreign, inputs, layout, moments, parameters, settings  # noqa: E402, F401

OF_LOADING = frozenset(EDITS)
"""Edits of what loading reads. The others are of what single tests read: the levels of a tower do not depend on that."""

from staleness.edits import kept, left, meanwhile, single  # noqa: E402, F401
