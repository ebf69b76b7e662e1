"""Outlines beside those that walking `ast` gives: of real files, of edits of them, and of what is rare."""

from __future__ import annotations

import io
import itertools
import os
import random
import sysconfig
import tokenize
from collections.abc import Iterator
from pathlib import Path

import outline_agreement
import pytest
from outline_agreement import Agreement

import dx_py_test_runner
from dx_py_test_runner.select.outline import NO_PYTHON, as_plain, from_plain, outline
from dx_py_test_runner.select.touching import ANY

EVERY = 1 if os.environ.get("DX_PY_ALL_FILES") else 60
"""One file of so many is compared."""

FOLDERS = {
    "library": sysconfig.get_path("stdlib"),
    "product": str(Path(dx_py_test_runner.__file__).parent),
    "tests": str(Path(__file__).parent.parent),
}


def files(folder: str, every: int) -> list[Path]:
    """One Python file of so many, in an order that has nothing to do with what is in them."""
    found = sorted(path for path in Path(folder).rglob("*.py") if path.is_file())
    return random.Random(folder).sample(found, len(found))[::every]


@pytest.mark.parametrize("folder", FOLDERS)
def test_real_files(folder: str) -> None:
    agreement = Agreement()
    differing = {str(path): found for path in files(FOLDERS[folder], min(EVERY, 10) if folder != "library" else EVERY) if (found := agreement.differences(path.read_bytes()))}
    assert differing == {}
    assert agreement.compared > 5


# ---- edits

WORDS = ["self", "yield", "global x", "import os", "not ", "1", "0x1F", "'a'", "u'a'", "b'a'", "f'{x}'", "\\\n", "# c\n", "(", ")", ".append", "@", "await "]


def edited(text: str, chance: random.Random) -> Iterator[str]:
    """The text with a token left out, doubled, exchanged, renamed, or written otherwise."""
    starts = list(itertools.accumulate((len(line) for line in text.splitlines(keepends=True)), initial=0))
    tokens = [token for token in tokenize.generate_tokens(io.StringIO(text).readline) if token.string.strip()]

    def put(token: tokenize.TokenInfo, words: str) -> str:
        start, end = (starts[line - 1] + column for line, column in (token.start, token.end))
        return text[:start] + words + text[end:]

    while True:
        token = chance.choice(tokens)
        other = chance.choice(tokens)
        yield put(token, chance.choice(["", f"{token.string} {token.string}", other.string, f"({token.string})", chance.choice(WORDS), f"{token.string} "]))
        if token.type == tokenize.STRING:
            yield put(token, chance.choice([f"'' {token.string}", token.string.replace("'", '"'), f"f{token.string}", f"{token.string} 'more'"]))
        if token.type == tokenize.NUMBER and token.string.isdecimal():
            number = int(token.string)
            yield put(token, chance.choice([hex(number), f"{number:#X}", f"{number}.0", f"{number:_}", str(number + 1), f"{number}j"]))


@pytest.mark.parametrize("folder", FOLDERS)
def test_edits_change_the_same_hashes(folder: str) -> None:
    agreement, chance = Agreement(), random.Random(4)
    short = [path for path in files(FOLDERS[folder], 1) if 500 < path.stat().st_size < 8000]
    for path in short[:: 1 if EVERY == 1 else len(short) // 8]:
        text = path.read_bytes()
        if not text.isascii() or outline(text) == NO_PYTHON or agreement.differences(text):
            continue
        for number, edit in enumerate(edited(text.decode(), chance)):
            assert agreement.differences(edit.encode()) == [], (path, edit)
            if number == 20:
                break
    assert agreement.compared > 20


# ---- what is rare

EXPRESSIONS = [
    *("1", "1.0", "True", "1j", "'1'", "b'1'", "u'1'", "U'1'", "-1", "None", "...", "0x1", "0b1", "1_0", "10", "1e1", "10.0", "1e999", "2e999", "1e999j"),
    *("18446744073709551615", "18446744073709551616", "0x1_0000_0000_0000_0000", "0o2000000000000000000000", "0b" + "1" * 65, "36893488147419103231"),
    *(r"'\ud800'", r"'\ud801'", r"'\ud800\udc00'", r"'\U00010000'", r"'\ufffd'", "'\ufffd'", r"'\x41'", "'A'", r"'\N{DIGIT ONE}'", r"'\N{LF}'", r"'\n'", r"r'\n'", r"'\\n'"),
    *(r"b'\xff'", r"b'\377'", r"b'\777'", "b'a' b'b'", "b'ab'", "rb'a' b'b'", "'a' 'b'", "'ab'", "'a' \"\"\"b\"\"\"", "u'a' 'b'", "'a' u'b'", r"'\e'", r"'\\e'"),
    *("f''", "f'' ''", "f'a'", "f'a' 'b'", "'a' f'b'", "f'{a}'", "f'{a}' 'b'", "'b' f'{a}'", "f'b{a}'", "f'{{a}}'", "f'{a!r}'", "f'{a!s}'", "f'{a:}'", "f'{a:b}'"),
    *("f'{a:{b}}'", "f'{a!r:{b}c}'", "f'{a=}'", "f'{a =}'", "f'{a=!r}'", "f'{a=!s}'", "f'{a=:b}'", "f'{a}{b}'", "f'{a}' f'{b}'", "u'a' f'{b}'", "f'{(lambda: 1)}'"),
    *(r"f'\n{a}'", r"rf'\n{a}'", r"f'{a:\n}'", r"f'\N{DIGIT ONE}{a}'", "f'{a,}'", "f'{a, b}'", "f'{*a,}'", "f'{yield}'", "f'''{\na}'''", "f'{a!r:>{b}}' 'c' f'd'", "f'os.path'"),
    *("a.b", "a. b", "(a).b", "a[b]", "a[b,]", "a[(b,)]", "a[b:c]", "a[b:c:d]", "a[:]", "a[::]", "a[b, c:d]", "a[*b]", "a[*b,]", "a()", "a(b)", "a(*b)", "a(**b)", "a(b=c)"),
    *("a(b, *c, d=e, **f)", "a(d=e, *c)", "a(x for x in y)", "a((x for x in y))", "[*a]", "(*a,)", "{*a}", "{**a}", "{a: b}", "{**a, b: c}", "{b: c, **a}", "{}", "()", "[]"),
    *("lambda: a", "lambda x: a", "lambda x, /: a", "lambda *x: a", "lambda *, x: a", "lambda *, x=1, y: a", "lambda *, x, y=1: a", "lambda x, y=1: a", "lambda x=1, y=1: a"),
    *("lambda **x: a", "lambda x, /, y, *z, u, v=1, **w: a", "a if b else c", "a and b", "a or b", "a and b and c", "(a and b) and c", "not a", "a < b < c", "(a < b) < c"),
    *("a is not b", "not a is b", "a not in b", "not a in b", "a + b", "a - b", "a @ b", "a ** -b", "-a ** b", "(-a) ** b", "a // b", "a % b", "~a", "+a", "a << b", "a >> b"),
    *("[a for b in c]", "[a for b in c if d]", "[a for b in c if d if e]", "[a for b in c for d in e]", "{a for b in c}", "{a: b for c in d}", "(a for b in c)", "(a := b)"),
    *("yield", "yield a", "yield from a", "(yield)", "yield a, b", "await a", "[a async for b in c]", "[await a for b in c]", "ﬁ", "fi", "a.ﬁ", "ª", "a", "(a)", "((a),)"),
    *("import_module('..a.b')", "x.import_module(b, 'c')", "importlib.import_module(f'{a}')", "getattr(os, b)", "getattr(os, 'b')", "vars(os.path)", "os.__dict__", "sys.modules", "exec(a)"),
    *("a.b.c.d", "a().b.c", "'a.b'", "'a.b.'", "'.a'", "'é.b'", "'a' * 300", f"'{'a' * 199}'", f"'{'a' * 200}'", "'١٢'", "'²'", "'a b'"),
]

STATEMENTS = [
    *("pass", "break", "continue", "return", "return a", "del a, b.c, d[e]", "del (a, b)", "a = b", "a = b = c", "a, b = c", "(a, b) = c", "[a, b] = c", "*a, b = c", "a.b = c", "a[b] = c"),
    *("a += b", "a.b += c", "a[b] @= c", "a: b", "a: b = c", "(a): b", "a.b: c", "a[b]: c = d", "assert a", "assert a, b", "raise", "raise a", "raise a from b", "global a, b", "nonlocal a"),
    *("import a", "import a.b", "import a . b", "import a as b", "import a.b as c, d", "from a import b", "from a import b as c", "from a import *", "from . import a", "from .a import b"),
    *("from ... import a", "from ....a import b as b", "from a import (b,)", "from sys import modules", "from importlib import import_module as load"),
    *("if a: b", "if a: b\nelse: c", "if a: b\nelif c: d", "if a: b\nelse:\n if c: d", "if a: b\nelif c: d\nelse: e", "while a: b", "while a: b\nelse: c", "for a in b: c", "for a, b in c: d\nelse: e"),
    *("for a in b, *c: d", "with a: b", "with a as b: c", "with a, b as c: d", "with (a, b): c", "with (a as b, c): d", "with (a): b", "with (a, b) as c: d", "with (yield): a"),
    *("try: a\nexcept: b", "try: a\nexcept b: c", "try: a\nexcept b as c: d", "try: a\nexcept (b, c): d\nelse: e\nfinally: f", "try: a\nfinally: b", "try: import a\nfinally: import b\n"),
    *("try: import a\nexcept: import b", "try: a\nexcept* b: c", "try: a\nexcept* b as c: import d", "async def f():\n async for a in b: c\n async with d as e: f", "if __name__ == '__main__': import a"),
    *("match a:\n case 1: b", "match a:\n case -1 | 1+2j: b", "match a:\n case None | True | False: b", "match a:\n case 'a' 'b': c", "match a:\n case b.c: d", "match a:\n case [b, *c]: d"),
    *("match a:\n case (b, _, *_): c", "match a:\n case {'a': b, **c}: d", "match a:\n case {1: _}: d", "match a:\n case B(c, d=e, f=1): g", "match a:\n case B(): g", "match a:\n case (b) as c if d: e"),
    *("match a:\n case _: b", "match a, b:\n case _: c", "match = 1; case = match", "match(a)", "match[a]", "print(a) ; type = b", "type X = int", "type X[T: int, *U, **V] = T", "type(a)"),
    *("class A: pass", "class A(): pass", "class A(B): pass", "class A(B, m=C, *D, **E): pass", "@a\n@b.c(d)\nclass A(B):\n 'doc'\n x: int = 1", "class A[T](B): pass", "class A:\n def f(self): self.x = 1"),
    *("def f(): pass", "async def f(): pass", "def f(): yield", "def f(): 'doc'", "def f(): b'doc'", "def f(): f'doc'", "def f(): 'a' 'b'", "def f(a=(yield)): pass", "def f[T: int = str](a: T) -> T: pass"),
    *("def f(a, /, b, *c, d, e=1, **g) -> h: pass", "def f(*a: *b): pass", "def f(a: int = 1, *, b: str): pass", "@(yield)\ndef f(): pass", "def f():\n lambda: (yield)", "def f():\n class A: x = yield"),
    *("def f():\n def g(): yield\n return g", "def f():\n global a\n a = 1", "def f():\n [a.append(b) for b in c]", "def f():\n 'doc'\n def g():\n  'doc'\n  yield", "def f(): pass\ndef f(): return"),
    *("def f(): return\ndef f(): pass", "if a:\n def f(): 1\nelse:\n def f(): 2", "class A:\n @property\n def f(self): 1\n @f.setter\n def f(self, v): 2", "def f(x):\n x.a = 1", "def test_f(x):\n x.a = 1"),
    *("\x0cdef f():\n\x0c  pass", "def f():\n\tif a:\n\t\tb", "a = 1\\\n  + 2", "a = (1 # c\n  + 2)", "a; b;", "\n\n\n", "# only", "'doc'", "x = '''\r\n'''", "x = '''\n'''", "x = 'a\\\nb'", "x = 'ab'"),
    *("from app.registry import FOUND, register\nFOUND['a'] = x = y\nregister(x)\n", "from a import b\nx = b\nx.y = 1\nz = b()\nz.y = 1\nB = b.C()\nB.y = 1", "from a import b\ndel b.c\nb += 1\nsetattr(b, 'c', d)"),
    *("from a import b\ndef f():\n b.c = 1\n g()\ndef g():\n b.d = 1\n f()\nx = f()\ny = g()", "from a import b\nclass C(b.D, metaclass=b.E):\n b.f(1)\n @b.g\n def h(self, i=b.j()): b.k()"),
    *("import a.b\na.b.c()\n", "import a.b as c\nif TYPE_CHECKING:\n c.d()\nelse:\n c.e()", "from a import b\nwith b() as c:\n c.d = 1\nfor e in b:\n e.f = b[1].g().h", "class M(type):\n def __new__(cls): cls.a[1] = 2"),
    *("class A:\n known = {}\n def __init_subclass__(cls): cls.known[1] = cls", "class A:\n def __set_name__(self, o, n): o.register(self)", "def r(x):\n known.append(x)\nknown = []", "def r(x): log.info(x)"),
]


def test_what_is_rare() -> None:
    agreement = Agreement()
    texts = [text for one in EXPRESSIONS for text in (one, f"def f():\n    return ({one})", f"x = [{one}]", f"from a import b\nb.c({one})")]
    for text in [*texts, *STATEMENTS, *(f"def f():\n{''.join(f' {line}' for line in one.splitlines(keepends=True))}" for one in STATEMENTS)]:
        assert agreement.differences(text.encode()) == [], text
    assert agreement.compared > 800


BYTES = [
    *(b"# \xff\nx = 1\n", b"# \xff\r\n# \xfe\rx = 1\n", b"x = '\xff'\n", b"x = f'\xff'\n", b"\xff = 1\n", b"# a\r# coding: latin-1\rx = '\xff'\r", b"# \xed\xa0\x80\n"),
    *(b"# encoding is coding: latin-1\nx = '\xff'\n", b"\xef\xbb\xbf# coding: latin-1\nx = 1\n", b"\xef\xbb\xbf# coding: utf-8\nx = 'a'\n", b"\xef\xbb\xbfx = 'a'\n", b"\xef\xbb\xbf"),
    *(b"# coding: utf-8-sig\nx = '\xc3\xa9'\n", b"# coding: utf_8\n# \xff\nx = 1\n", b"# coding: ascii\n# \xc3\xa9\nx = 1\n", b"# coding: nowhere\nx = 1\n", "# coding: utf-16\nx = 1\n".encode("utf-16")),
    *(b"\x0c# coding: latin-1\nx = '\xff'\n", b"#\n#\n# coding: latin-1\nx = '\xff'\n", b"x = 1\n# coding: latin-1\ny = '\xff'\n", b"\n# coding: latin-1\nx = '\xff'\n", b"x = 1\0\n", b"\x1a"),
    *(b"# coding: rot13\nk = 1\n", b"# coding: koi8-r\nx = '\xc1'\n", b"# coding: cp1252\nx = '\x80'\n", b"# coding: euc-jp\nx = '\xa4\xa2'\n", b"# coding: utf-7\nx = '+AGE-'\n", b"# coding: koi8-r\nx =\n"),
    *(b"# vim: set fileencoding=iso-8859-15 :\nx = '\xa4'\n", b"# coding: shift_jis\nx = '\x82\xa0'\n", b"# coding: utf8\n# \xff\n", b"x = 1\r", b"x = 1\ry = 2\r\nz = 3\n", b"", b"\\\n", b"x = 1 \\\n"),
]


@pytest.mark.parametrize("content", BYTES, ids=ascii)
def test_what_is_encoded(content: bytes) -> None:
    assert Agreement().differences(content) == []
    expected = outline_agreement.reference(content)
    assert (expected == NO_PYTHON) == (outline(content) == NO_PYTHON)


@pytest.mark.parametrize("text", ["def f(:\n", "x = (\n", "x = 'a\n", "a b\n", "if a:\nb\n", "f(a=1, b)\n", "1 = a\n", "f'{'\n", "f'{a b}'\n", "  x\n", "x\n  y\n", "(" * 300 + ")" * 300, "b'é'", "'a' b'b'", r"'\x1'"])
def test_what_is_no_python(text: str) -> None:
    assert outline_agreement.reference(text.encode()) == NO_PYTHON
    assert outline(text.encode()) == NO_PYTHON


def test_a_text_that_only_the_interpreter_reads_may_do_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dx_py_test_runner.select.outline.outline_of", lambda *_, **__: None)
    found = outline(b"x = 1\n")
    assert found.dynamic and not found.level and found.touches.derived
    assert found.touches.registers == (ANY,)
    assert found.touches.statements[0].effect != outline(b"x = 2\n").touches.statements[0].effect
    assert outline(b"x =\n") == NO_PYTHON


def test_deep_and_long_texts() -> None:
    found = outline(b"x = " + b"1 + " * 3000 + b"1\n")
    assert found.level
    assert outline(b"if a: pass\n" + b"elif a: pass\n" * 3000).level != outline(b"if a: pass\n" + b"elif a: pass\n" * 3001).level


def test_an_outline_can_be_kept() -> None:
    found = outline(Path(outline_agreement.__file__).read_bytes())
    assert from_plain(as_plain(found)) == found
