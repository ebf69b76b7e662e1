"""Captured modules do what modules do that pytest has rewritten."""

from __future__ import annotations

import textwrap

import pytest
import twins

SETUP = """\
import contextlib
def note(value, *more, **named):
    log.append(("note", value, more, sorted(named)))
    return value
class Thing:
    size = 3
    inner = None
    __private = 1
    def __init__(self, name="thing"):
        self.name = name
    def __repr__(self):
        log.append("repr " + self.name)
        return f"Thing({self.name})"
    def method(self, *args, **named):
        log.append(("method", args, sorted(named)))
        return self.size
    def __bool__(self):
        log.append("bool " + self.name)
        return False
class Text:
    def __repr__(self): return "100% %s {x} \\n{y\\n}"
class Raises:
    def __eq__(self, other): raise ValueError("eq")
    def __bool__(self): raise ValueError("bool")
thing = Thing()
thing.inner = Thing("inner")
numbers = [1, 2, 3]
named = {"key": 1}
one, two, three, zero, none = 1, 2, 3, 0, None
count = 0
def bump():
    global count
    count += 1
    return count
"""

STATEMENTS = r"""
assert one
assert zero
assert not one
assert not zero
assert not not zero
assert one == two
assert one == one
assert one != one, "message"
assert one < two < three
assert one < three < two
assert one < three < two < note(5)
assert one < note(three) < note(two) < note(5), note("m")
assert (one < two) == (two > three)
assert (one < two < three) == (two > three)
assert (one < two < zero) == (two > three) == one
assert note(one) == note(two)
assert note(note(one)) == note(two, note(3), *numbers, key=note(4), **named)
assert note(one) and note(zero) and note(two)
assert note(one) or note(zero) or note(two)
assert note(zero) or note("") or note([])
assert note(zero) or note("") and note([]) or zero and one
assert (note(one) or note(two)) and (note(three) and note(zero))
assert one and two and zero
assert zero or none
assert one and (two == three or note(zero))
assert not (one and two)
assert (zero or one) == two
assert (zero or one) + (one and two) == two
assert thing.size == 4
assert thing.inner.size == 4
assert thing.inner.method(1, *[2], key=3) == 4
assert thing
assert not thing.name
assert thing or thing.inner or thing.inner.inner
assert thing and note(1)
assert Thing("made").inner
assert Thing("made") is None
assert numbers[0] == numbers[-1]
assert numbers[1:] == [9]
assert numbers == [1, 2, 4]
assert [numbers] == [4] == [5]
assert -one == ~two
assert +note(-1) == +1
assert -(-one) == - - 2
assert one + two == two * three - one
assert one + (two) == (two) * (three) - (one)
assert (one) + two < (one) - two
assert 2 ** 3 == 9
assert 2 ** -one == 9
assert 7 % 3 == 2 @ 3 if zero else 7 % 3 == 2
assert 7 % 3 == 2 // 1 << 1 >> 1 & 1 | 2 ^ 3
assert "%s" % one == "2%"
assert "%d%%" == "%"
assert note("%s") == "%%"
assert Text() == 1
assert Text(), "100% %s %d {x}"
assert "\n" == "\\n", "line\nline \\n % %%"
assert zero, None
assert zero, ""
assert zero, Text()
assert zero, ValueError("%s\n")
assert zero, note("message")
assert one, note("message")
assert note(zero), note("message")
assert thing == Thing("other"), note(Thing("message"))
assert thing == Thing("other") and note(1), note(Thing("message"))
assert zero, f"{one + 1} apples {thing!r}"
assert zero, (lambda: "called")()
assert zero, [n for n in numbers]
assert zero, 1 if zero else 2
assert zero, (message := "bound")
assert zero, undefined
assert zero, Raises() == 1
assert undefined
assert undefined.attribute
assert thing.undefined
assert thing.undefined.other(one)
assert note(undefined)
assert one == undefined
assert undefined == one
assert undefined + note(one)
assert note(one) + undefined
assert one + "text"
assert -"text"
assert one < "text"
assert one < two < "text"
assert one()
assert note(one)()
assert thing.method(one)(two)
assert numbers[7]
assert note(*one)
assert note(**one)
assert note(one, **{"value": 1})
assert note(key=one)
assert Raises() == 1
assert one == Raises() != 2
assert Raises()
assert not Raises()
assert Raises() and one
assert one and Raises()
assert one and Raises() and two
assert zero or Raises() or two
assert (one and Raises()) == 2
assert one in Raises()
assert Raises().undefined
assert (1 if zero else 0)
assert 1 if one else 0
assert [n * 2 for n in numbers] == [2, 4]
assert {n for n in numbers} == {n: n for n in numbers}
assert all(n < 3 for n in numbers)
assert any(n > note(3) for n in numbers if n)
assert all(  n / 0   for n in numbers )
assert all((n < 3 for n in numbers))
assert note((n for n in numbers), 1) == 2
assert list(n for n in numbers) == [4]
assert list(n / zero for n in numbers) == [4]
assert (lambda x: x > 5)(3)
assert (lambda x, y=two: x / zero)(3)
assert (lambda: zero)()
assert f"{thing.size}!" == "4!"
assert f"{thing.undefined}!" == "4!"
assert f"a {one} {one / zero:>{two}} b" == "4!"
assert f"{one=}" f'{two!r:>5}' "x" == "4!"
assert [*numbers, 4] == {*numbers}
assert {**named, "x": one} == {}
assert thing is not thing
assert thing not in numbers
assert 5 in numbers
assert 1 not in numbers
assert "b" "c" in "a" "d"
assert 0.1 + 0.2 == 0.3
assert 1j == -1j
assert False
assert True
assert None
assert ...
assert ""
assert []
assert ()
assert {}
assert 0
assert 1 is 1
assert "text"
assert b"%s" == b"%d"
assert __debug__
assert not __debug__
assert __name__ == "other"
assert max(1, 2) == min(3, 4)
assert isinstance(thing, int)
assert isinstance(Thing, (int, str))
assert Thing == thing
assert Thing
assert note is bump
assert callable(5)
assert print is None
assert numbers.append(4)
assert numbers.append
assert note(numbers.copy)() == []
assert numbers.copy().count(1) == numbers.index
assert numbers.__class__.__name__.upper() == "LISTE"
assert count == bump()
assert bump() == count
assert count + bump() == 2 * count
assert note(count, bump()) == count
assert note(count, key=bump(), *[bump()]) == count
assert note(key=bump(), *[count], **{"x": bump()}) == count == bump()
assert note(*numbers, one, *numbers, two) == 2
assert note(one, ) == 2
assert note (one) == 2
assert note(numbers)[0] == 2
assert note(numbers) [ note(0) ] .real == 2
assert((one == two))
assert(one)==(two)
assert (one)is(two)
assert not(one)
assert (  one   ==  two  )  ,  ( "message" )
assert one == two;
assert one == one; assert one == two; assert zero
assert note(one) == one; log.append(locals().get("x")); assert note(two) == one
if one: assert note(one) == two
if zero: assert note(one) == two
if one: assert note(one) == one; assert one == two
while True: assert note(one) == two; break
for n in numbers: assert note(n) < 3, n
with contextlib.suppress(AssertionError): assert note(one) == two
with contextlib.suppress(AssertionError): assert note(one) == two, note("m")
try: assert one == two
except AssertionError as error: log.append(str(error)); log.append(sorted(k for k in locals() if "@" in k))
try: assert one == two
finally: assert note(one) == two
try: 1 / 0
except ZeroDivisionError: assert note(one) == two
class Body: assert one == one; assert note(one) == two
class Body: size = 3; assert size == 4
class Body: size = 3; assert size == 3; assert zero or size
class Body(Thing): assert Thing.size == 3; assert note(1)
assert Q0_1 == two
assert Q0_ == 1
assert note.__name__ == "x"
assert x_
assert (yield_ if zero else one) == two
assert len("é" * 3) == 4
assert "é" == "ü"; assert one
"é"; assert thing.undefined == "ü", "ö"
x = "éü"; assert note(x)[7]; assert one
"""

MULTILINE = r'''
assert (one
        == two)
---
assert (
    one
    ==
    two  # comment
)
---
assert one == \
    two
---
assert \
    note(one) \
    == \
    note(two) \
    , \
    "message"
---
assert note(
    1
) == note(
    2
), (
    "over "
    "lines"
)
---
assert (
    # comment first
    thing
    .inner
    .method(
        1,
        # comment, with comma
        *[2],
        key=3,
    )
    .real
    # then
    == 4  # last
)  # end
---
assert (thing
    .undefined
    .other)
---
assert (thing
    .inner
    .undefined)
---
assert (thing
    .inner
    .undefined(
        1))
---
assert (thing
    .method(one,
            two)
    (three))
---
assert note(thing
    ).undefined
---
assert note(
    1)  .undefined
---
assert (
    one
    and note(two)
    and (
        three
        or zero
    )
    and note(
        zero
    )
), """message
over
lines"""
---
assert note(one) == """text
over lines""" + "x"; assert (
   zero
   ); log.append("never")
---
assert note(one), """text
over lines"""; assert note(
   zero
   ), "m"; log.append("never")
---
x = 'é'; assert one, thing.method(*[(
    one)
    ]); log.append(1); assert zero
---
assert [
    n / zero
    for n in numbers
] == [
    1
]
---
assert (
    lambda x: (
        x /
        zero
    )
)(
    1
)
---
assert f"""{one}
 {two}
 {three / zero}""" == 1
---
assert f"""{
   one}  {
   three / zero
}""" == 1
---
assert (one if
        zero else
        zero)
---
assert "a" \
  "b" == ("a"
  "c")
---
assert (
    note(one) == two if one else three
), note(
    "m"
)
---
assert (one <
        note(two) <
        three <
        note(
            zero)
        < 5)
---
assert one == (
    two), (
    note("m"))
---
assert count == (
    bump(
    )
)
---
assert note(count,
     bump(
     ), count,
) == (count
) + \
 4
---
assert not (
    one
)
---
assert -(
    one
) == -(one
    + two)
---
assert (
    one
    # é ü
    + note(two) == note("é")); assert one
---
if one:
    assert (zero or
            note(zero))
else:
    assert one
---
assert ((one)
        == (two)) == (
        (three))
---
assert note((yield_
    for yield_ in numbers)) == 1
---
assert all(yield_
    for yield_ in numbers
    if yield_ / zero
    )
---
with contextlib.suppress(AssertionError):
    assert note(one) == two
    log.append("never")
log.append(1)
assert zero
---
for n in (1, 2):
    assert note(
        n) < 2
else:
    log.append("else")
---
match one:
    case 1 if two:
        assert note(one) == two
---
try:
    try:
        assert one == two
    except AssertionError:
        assert two == three
finally:
    log.append("finally")
---
try:
    assert note(one) == two
except* AssertionError as group:
    log.append(repr(group))
---
def inner():
    size = 1
    def inmost():
        nonlocal size
        size += 1
        assert size == note(3), size
    return inmost
inner()()
---
def inner():
    size = 1
    class Body:
        assert size == note(1)
        class Body:
            other = 2
            assert size + other == note(one)
inner()
---
class Body:
    __private = 1
    def method(self):
        __local = 2
        assert self.__private == __local - 1
        assert self.__private == __local, __local
Body().method()
---
class __Body:
    def method(self, __arg=1):
        class _:
            __other = 3
            assert __other == 3
            assert __arg and __other == 4
__Body().method()
---
class Child(Thing):
    def method(self):
        assert super().method() == 4
Child().method()
---
def generator():
    got = yield 1
    assert got == (yield 2), (yield 3)
g = generator(); next(g); log.append(g.send(5)); log.append(g.send(6)); g.send("m")
---
def generator():
    assert (yield)
    assert (yield from [1, 2]) == 3, "m"
g = generator(); next(g); log.append(g.send(5)); log.append(g.send(None)); g.send(None)
---
import asyncio
async def value(): return 1
async def main():
    assert await value() == 1
    assert [n async for n in items()] == [1]
    async with contextlib.nullcontext(): assert await value() == 2, await value()
async def items():
    yield 1
asyncio.run(main())
---
AssertionError = KeyError
assert one == two
---
def shadow(AssertionError):
    assert one == two
shadow(ValueError)
---
import weakref
class Held: pass
def function():
    ref = weakref.ref(held())
    assert ref() is None
    assert held() is not None
    log.append(len(everything))
    return locals()
everything = weakref.WeakSet()
def held():
    made = Held(); everything.add(made); return made
log.append(function())
assert note(held()).missing
---
def caught():
    try:
        assert note(one) == two, "m"
    except AssertionError as error:
        return sorted(locals())
log.append(caught())
---
@contextlib.contextmanager
def managed():
    assert note(one)
    yield
    assert note(zero)
with managed(): pass
---
def decorated():
    @note
    @note
    def inner():
        assert one == two
    return inner
decorated()()
---
def one_line(): assert note(one) == two, note("m")
one_line()
---
def one_line(x): x; assert note(one) == x; return locals()
log.append(one_line(1)); one_line(2)
---
log.append((lambda: [n for n in numbers])()); assert (lambda: [
  n / zero for n in numbers])()
---
def unbound():
    assert local
    local = 1
unbound()
---
def deleted():
    local = 1
    assert local
    del local
    assert not note(one) or local
deleted()
---
def declared():
    global made
    made = 1
    assert made == note(1)
    assert made == note(2)
declared()
---
assert (
	note(one) ==	two)
'''

WALRUS = r"""
assert (Q0_1 := one) == two
assert (n := note(3)) == 4
assert one < (n := 5) < n
assert note(n := 2) == n + 1
assert n == (n := 5)
assert (n := n + 1) == 2 and n == 3
assert note(n, n := 2, n) == 1
assert note(n, key=(n := 2)) == n
assert n + (n := 2) == 1
assert n and (n := 0)
assert (n := 0) or n
assert (n := 1) and (n := 2) and (n := 0)
assert (n := 5) and n == 4
assert n and (n := 0) or n
assert not (n := 5)
assert (n := thing).inner.missing
assert (n := thing).inner.size == 4
assert (n := note)(3) == 4
assert (n := [])
assert [n := 1, n] == [n]
assert note((lambda: (n := 5))(), n) == 1
assert note(*(n := numbers)) == n
assert (n, n := 2)[0] == n == 3
assert (yield_ := n) == (n := yield_ + 1) == yield_ and (n := 7) == n
"""


def single_lines(block: str) -> list[str]:
    """The statements of a table; those that begin with except or finally go with the line before."""
    lines: list[str] = []
    for line in block.strip("\n").split("\n"):
        if line.startswith(("except", "finally")):
            lines[-1] += "\n" + line
        else:
            lines.append(line)
    return lines


BLOCKS = [block.strip("\n") for block in MULTILINE.split("---\n")]
TABLE = single_lines(STATEMENTS) + BLOCKS + (single_lines(WALRUS) if twins.WALRUS else [])


@pytest.mark.filterwarnings("ignore::SyntaxWarning")
@pytest.mark.parametrize("statement", TABLE)
def test_in_a_function(statement):
    source = SETUP + "def case(n):\n" + indented(statement) + "\n    return locals()\n"
    twins.compare(source, lambda names: names["case"](1))


@pytest.mark.filterwarnings("ignore::SyntaxWarning")
@pytest.mark.parametrize("statement", TABLE)
def test_in_a_module(statement):
    twins.compare(f"{SETUP}n = 1\n{statement}\n")


@pytest.mark.filterwarnings("ignore::SyntaxWarning")
@pytest.mark.parametrize("statement", TABLE)
def test_in_a_class_with_tabs(statement):
    twins.compare(f"{SETUP}class Case:\n\tn = 1\n" + indented(statement, "\t") + "\n")


def indented(statement: str, by: str = "    ") -> str:
    """Indented, but for the lines inside of literals: what they hold would change, too. It does so in both."""
    return textwrap.indent(statement, by)
