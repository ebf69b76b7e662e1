"""Whether the native outline of a text is the reference's: equal but for the values of hashes, which must differ where the reference's do."""

from __future__ import annotations

import warnings
from typing import Any

import reference_outline

from dx_py_test_runner._native import outline_of
from dx_py_test_runner.select.outline import NO_PYTHON, Outline, outline

FIELDS = tuple(field for field in Outline._fields if field not in ("names", "level", "bodies", "gives", "places", "handing", "taken", "touches", "dynamic_in"))
"""What is equal. What functions give has no reference: `test_keeping.py` has each case."""


def reference(text: bytes) -> Outline | None:
    """The outline that the reference gives; None if it gives up on a text that is too deep, or on a number that is too long to be shown."""
    with warnings.catch_warnings(action="ignore"):
        try:
            return reference_outline.outline(text)
        except (RecursionError, ValueError):
            return None


class Agreement:
    """Compares outlines, and remembers which hashes have stood for which."""

    def __init__(self) -> None:
        self._ours: dict[tuple[str, str], str] = {}
        self._theirs: dict[tuple[str, str], str] = {}
        self.compared = 0
        """How many texts had outlines."""

    def differences(self, text: bytes) -> list[str]:
        """How the native outline of *text* differs, in words."""
        expected = reference(text)
        if expected is None:
            return []
        found = outline(text)
        if expected == NO_PYTHON:
            # What is told of a text that cannot be loaded does not matter; that it is, is a lack.
            return []
        self.compared += 1
        if outline_of(text) is None:
            return ["refused"]
        differing = [field for field in FIELDS if getattr(found, field) != getattr(expected, field)]
        differing += _names(found.names, expected.names)
        differing += self._hashes("level", [found.level], [expected.level])
        differing += [] if _firsts(found.bodies) == _firsts(expected.bodies) else ["names of functions"]
        for number, kind in enumerate(("body", "signature"), 1):
            differing += self._hashes(kind, [one[number] for one in found.bodies], [one[number] for one in expected.bodies])
        ours, theirs = found.touches, expected.touches
        differing += [] if ours[1:] == theirs[1:] else ["what registers"]
        plain = [[(one.touched, one.needs) for one in touches.statements] for touches in (ours, theirs)]
        differing += [] if plain[0] == plain[1] else ["what is touched"]
        return differing + self._hashes("effect", [one.effect for one in ours.statements], [one.effect for one in theirs.statements])

    def _hashes(self, kind: str, ours: list[str], theirs: list[str]) -> list[str]:
        """One hash of ours for each of the reference's, and the other way round, in all texts that were compared."""
        for our, their in zip(ours, theirs, strict=False):
            if self._theirs.setdefault((kind, our), their) != their:
                return [f"{kind}: equal where the reference's differ"]
            if self._ours.setdefault((kind, their), our) != our:
                return [f"{kind}: differing where the reference's are equal"]
        return []


def _names(ours: tuple[str, ...], theirs: tuple[str, ...]) -> list[str]:
    """Names with other letters than ASCII's may be missing if no module can have them, and there may be more of them."""
    missing = {name for name in set(theirs) - set(ours) if name.isascii() or all(part.isidentifier() for part in name.split("."))}
    more = {name for name in set(ours) - set(theirs) if name.isascii()}
    return ["names"] if missing or more or list(ours) != sorted(ours) else []


def _firsts(pairs: Any) -> list[str]:
    return [first for first, *_ in pairs]
