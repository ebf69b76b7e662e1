"""Which classes have objects that outlive a test; and that nothing is collected to find out."""

from __future__ import annotations

import gc
import sys
import types
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dx_py_test_runner._native import kinds, living
from dx_py_test_runner.wire import frozen
from dx_py_test_runner.inputs.lasting import Lasting

MODULE = """
class C:
    def fill(self):
        self.v = 1

    @property
    def found(self):
        self.v = 1
        return self.v

class D(C):
    pass

class Slots:
    __slots__ = ("v", "__weakref__")

    def fill(self):
        self.v = 1
"""


class Place:
    """A module with classes, and what is known of them."""

    def __init__(self, path: str) -> None:
        self.module: Any = types.ModuleType("lasting_example")
        self.module.__file__ = path
        exec(compile(MODULE, path, "exec"), self.module.__dict__)
        self.lasting = Lasting()
        self._numbers: dict[types.CodeType, int] = {}
        gc.collect()

    def is_fleeting(self, cls: str = "C", method: str = "fill") -> bool:
        """Whether, after a test, the class's method keeps nothing."""
        own = vars(vars(self.module)[cls])[method]
        code = (own.fget if isinstance(own, property) else own).__code__
        number = self._numbers.setdefault(code, len(self._numbers))
        self.lasting.look([(number, code)])
        return self.lasting.fleeting[number]


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    found = Place("/nowhere/example.py")
    monkeypatch.setitem(sys.modules, "lasting_example", found.module)
    gc.freeze()
    gc.disable()
    yield found
    gc.enable()
    gc.unfreeze()


def in_a_cycle(one: Any) -> Any:
    one.me = one
    return one


def in_a_closure(one: Any) -> Any:
    def function() -> Any:
        return one, function

    one.function = function
    return one


def in_a_generator(one: Any) -> Any:
    def generator() -> Iterator[Any]:
        yield one

    one.generator = generator()
    next(one.generator)
    return one


def weakly_its_own(one: Any) -> Any:
    one.me, one.weak = one, weakref.ref(one)
    return one


GARBAGE = {one.__name__: one for one in (in_a_cycle, in_a_closure, in_a_generator, weakly_its_own)}


def test_what_is_gone(place: Place) -> None:
    for _ in range(3):
        place.module.C().fill()
        assert place.is_fleeting()


@pytest.mark.parametrize("make", GARBAGE.values(), ids=list(GARBAGE))
def test_garbage_is_gone(place: Place, make: Callable[[Any], Any]) -> None:
    collected = []
    gc.callbacks.append(lambda phase, info: collected.append(phase))
    try:
        for _ in range(3):
            make(place.module.C())
            assert place.is_fleeting()
    finally:
        gc.callbacks.pop()
    assert not collected


@pytest.mark.parametrize("cls", ["C", "D", "Slots"])
def test_what_is_kept_later_is_not(place: Place, cls: str) -> None:
    owner = "Slots" if cls == "Slots" else "C"
    vars(place.module)[cls]()
    assert place.is_fleeting(owner)
    kept = [vars(place.module)[cls]()]
    assert not place.is_fleeting(owner)
    kept.clear()
    assert not place.is_fleeting(owner), "it was there"


def test_what_has_grown_old_is_found(place: Place) -> None:
    """An object that was made in a test in which nothing was put into it, and is not young any more when something is."""
    kept = place.module.C()
    with frozen.staying_frozen():
        gc.collect(1)
    assert place.is_fleeting("Slots")
    assert not place.is_fleeting("C")
    assert kept


def test_what_has_grown_old_since_is_found(place: Place) -> None:
    assert place.is_fleeting()
    kept = place.module.C()
    with frozen.staying_frozen():
        gc.collect(1)
    assert not place.is_fleeting()
    assert kept


def test_what_was_there_before(place: Place) -> None:
    kept = place.module.C()
    assert not place.is_fleeting()
    assert kept


def test_what_was_there_when_all_was_frozen(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frozen, "notes_kinds", True)
    # Nobody is to watch, for the rest of this process, who asks the collector for what.
    monkeypatch.setattr(frozen, "_watching", True)
    kept = place.module.D()
    frozen.keep()
    assert not place.is_fleeting()
    assert kept


@pytest.mark.parametrize("make", [in_a_cycle, weakly_its_own])
def test_garbage_that_somebody_can_find_is_not_gone(place: Place, make: Callable[[Any], Any]) -> None:
    known = weakref.WeakValueDictionary({1: make(place.module.C())})
    assert not place.is_fleeting()
    assert known[1]


def test_classes_made_in_a_test_count_too(place: Place) -> None:
    for _ in range(3):
        class E(place.module.C):
            pass

        in_a_cycle(E())
        assert place.is_fleeting()
    kept = E()
    assert not place.is_fleeting()
    assert kept


def test_a_class_is_not_kept_by_being_known(place: Place) -> None:
    class E(place.module.C):
        pass

    E().fill()
    assert place.is_fleeting()
    gone = weakref.ref(E)
    del E
    gc.collect()
    assert gone() is None


def test_a_property(place: Place) -> None:
    assert place.module.C().found
    assert place.is_fleeting(method="found")


def codes_in(code: types.CodeType) -> Iterator[types.CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield constant
            yield from codes_in(constant)


@pytest.mark.parametrize("path", ["/nowhere/other.py", "/nowhere/example.py"])
def test_a_method_of_no_known_class(place: Place, path: str) -> None:
    """Its file is none of a module's, or the class has another method of that name by now."""
    place.module.C.fill = lambda self: None
    method = next(code for code in codes_in(compile(MODULE, path, "exec")) if code.co_qualname == "C.fill")
    place.lasting.look([(2, method)])
    assert not place.lasting.fleeting[2]


def test_too_much_to_look_at(place: Place) -> None:
    one = in_a_cycle(place.module.C())
    one.more = [[] for _ in range(100)]
    del one
    assert frozen.look_at_new(lambda objects: living(objects, [place.module.C], 50)) == [True]
    assert frozen.look_at_new(lambda objects: living(objects, [place.module.C], 5000)) == [False]


def test_kinds() -> None:
    assert kinds([1, "a", 2, "b", None]) == [int, str, type(None)]


class A: ...


class B: ...


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.sampled_from("ABL"), min_size=1, max_size=8),
    st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7))),
    st.sets(st.integers(0, 7)),
)
def test_it_is_what_a_collection_would_leave(made: list[str], edges: list[tuple[int, int]], kept: set[int]) -> None:
    gc.freeze()
    gc.disable()
    try:
        objects: Any = [{"A": A, "B": B, "L": list}[kind]() for kind in made]
        for start, end in edges:
            one, other = objects[start % len(made)], objects[end % len(made)]
            if isinstance(one, list):
                one.append(other)
            else:
                one.__dict__.setdefault("others", []).append(other)
        roots = [objects[number % len(made)] for number in kept]
        del objects
        one = other = None
        told = frozen.look_at_new(lambda new: living(new, [A, B], 10_000))
        with frozen.staying_frozen():
            gc.collect()
        left = frozen.look_at_new(lambda new: [any(type(one) is kind for one in new) for kind in (A, B)])
        assert told == left
        assert roots is not None
    finally:
        gc.enable()
        gc.unfreeze()
