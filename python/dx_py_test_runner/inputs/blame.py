"""Which functions can have left behind what is otherwise after a test. Pure.

By names: into what a function puts something (`crates/source/src/outline/places.rs`), and under which names something is otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Protocol

from dx_py_test_runner.inputs.left import ANY_ATTRIBUTE, ANY_DECORATOR, ANYTHING, EVERYTHING, ITS_OBJECT, OTHERS, Left


class Known(Protocol):
    """What is known of codes, by their numbers (:class:`~dx_py_test_runner.inputs.executed.Executed`)."""

    places: dict[int, frozenset[str] | None]
    begun: set[int]
    handing: dict[int, frozenset[str]]
    handing_anyway: frozenset[str]
    numbers_by_name: dict[str, list[int]]

    def given_by(self, number: int, /) -> Iterable[int]: ...


class Blame:
    """Of one test.

    :param unseen: numbers of codes of which it would not be seen if they left something.
    """

    def __init__(self, known: Known, unseen: Collection[int]) -> None:
        self._known = known
        self._unseen = unseen
        self._handed: frozenset[str] | None = None
        self._begun: frozenset[str] = frozenset()
        """The names of the project's functions that were begun."""

    def unseen(self, numbers: Iterable[int]) -> set[int]:
        """Those that may have left something, whatever is otherwise: by themselves, or by giving it to one of them."""
        found: dict[int, bool] = {}
        return {number for number in numbers if self._reaches(number, self._unseen.__contains__, found)} if self._unseen else set()

    def of(self, numbers: Iterable[int], left: Left) -> set[int]:
        """Those that can have left something."""
        if self._handed is None:
            known = self._known
            self._handed = known.handing_anyway.union(*(known.handing.get(number, ()) for number in known.begun))
            self._begun = frozenset(name for name, numbers in known.numbers_by_name.items() if not known.begun.isdisjoint(numbers))
        handed, places, own = self._handed, self._known.places, self._begun
        itself: dict[int, bool] = {}

        def may_itself(number: int) -> bool:
            if number not in itself:
                itself[number] = number in places and may_have_left(places[number], left, handed, own)
            return itself[number]

        found: dict[int, bool] = {}
        return {number for number in numbers if self._reaches(number, may_itself, found)}

    def _reaches(self, number: int, is_one: Callable[[int], bool], found: dict[int, bool]) -> bool:
        """Whether a code is one, or has given something to one that keeps it."""
        seen, waiting = {number}, [number]
        while waiting:
            one = waiting.pop()
            if found.get(one) or is_one(one):
                found[number] = True
                return True
            if one not in found:
                further = set(self._known.given_by(one)) - seen
                seen |= further
                waiting += further
        # None of those that it leads to is one.
        found.update(dict.fromkeys(seen, False))
        return False


def may_have_left(places: Collection[str] | None, left: Left, handed: Collection[str], own: Collection[str]) -> bool:
    """Whether something can have been *left* by a function.

    :param places: into what it puts something; None: anywhere.
    :param handed: the names of what somebody has handed on meanwhile: who puts something into what it was given has no name for it.
    :param own: the names of the project's functions that were begun meanwhile.
    """
    names = left.names
    if places is None or names >= EVERYTHING:
        return bool(names)
    if left.owners is not None or any(place[0] == ITS_OBJECT for place in places):
        places = {found for place in places if (found := as_of_any(place, left.owners))}
    puts_anything = any(place[0] == ANYTHING and (left.how is None or place[1:] in left.how) for place in places)
    # What a method or a property of the project's gives may be anything that somebody hands on.
    puts_anything = puts_anything or any(place[0] not in ".=#@!~*" and place.partition("[")[0] in own for place in places)
    for name in names:
        if name in places:
            return True
        if name[0] == ".":
            if ANY_ATTRIBUTE in places or (name == ANY_ATTRIBUTE and any(place[0] == "." for place in places)):
                return True
        elif name[0] == "@":
            if ANY_DECORATOR in places or (OTHERS in places and name[1:] not in own):
                return True
        elif name == ANYTHING:
            if puts_anything or (left.how is None and any(place[0] not in ".=#@!" for place in places)):
                return True
        elif puts_anything and name in handed:
            return True
    return False


def as_of_any(place: str, owners: Collection[str] | None = None) -> str:
    """What a place of a method's own object is called if it is one of any object; empty if that object is of none of the classes that are *owners*."""
    if place[0] != ITS_OBJECT:
        return place
    owner, dot, name = place[1:].partition(".")
    if owner and owners is not None and owner not in owners:
        return ""
    return dot + name if dot else ITS_OBJECT
