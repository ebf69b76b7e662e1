"""Outlines, closures, histories and verdicts: the pure parts of test selection."""

from __future__ import annotations

import ast
import io
import random
import time
import tokenize
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dx_py_test_runner._native import hash_bytes
from dx_py_test_runner.history import store
from dx_py_test_runner.history.store import GENERATIONS, History, Memory
from dx_py_test_runner.select.affected import Selector, failing_first
from dx_py_test_runner.select.changed import Changes, Was
from dx_py_test_runner.select.closure import Graph, Loaded, absolute
from dx_py_test_runner.select.outline import meaning, outline
from dx_py_test_runner.select.world import World

# ---- outlines

TEXT = b'''
"""Module."""
import os
LIMIT = 1


def first(value=1):
    """First."""
    def inner():
        return 2
    return inner() + value


class A:
    x = 1

    @property
    def p(self):
        return 1

    @p.setter
    def p(self, value):
        self.v = value

    key = lambda self: 3
'''


@pytest.mark.parametrize(
    ("before", "after", "level", "bodies"),
    [
        (b"LIMIT = 1", b"LIMIT = 2", True, set()),
        (b"LIMIT = 1", b"LIMIT  =  1  # one", False, set()),
        (b"value=1", b"value=2", False, {"first"}),
        (b"value=1", b"worth=1", False, {"first"}),
        (b"value=1", b"value=LIMIT", True, {"first"}),
        (b"value=1", b"value: int = 1", True, {"first"}),
        (b"(self, value)", b"(self, worth)", False, {"A.p"}),
        (b"return 2", b"return 3", False, {"first.<locals>.inner"}),
        (b"inner() + value", b"inner() - value", False, {"first"}),
        (b"def inner():", b"def inner(a=1):", False, {"first", "first.<locals>.inner"}),
        (b"        return 1\n", b"        return 9\n", False, {"A.p"}),
        (b"self.v = value", b"self.w = value", False, {"A.p"}),
        (b"lambda self: 3", b"lambda self: 4", True, set()),
        (b"x = 1", b"x = 2", True, set()),
        (b"@property", b"@cached", True, set()),
        (b'"""First."""', b'"""Second."""', True, {"first"}),
        (b"return 2", b"yield 2", False, {"first", "first.<locals>.inner"}),
        (b"import os", b"import sys", True, set()),
    ],
)
def test_what_an_edit_changes(before: bytes, after: bytes, level: bool, bodies: set[str]) -> None:
    one, other = outline(TEXT), outline(TEXT.replace(before, after, 1))
    assert (one.level != other.level) == level
    assert {name for name, body, _ in one.bodies if other.body(name) != body} == bodies
    assert (meaning(TEXT) != meaning(TEXT.replace(before, after, 1))) == (level or bool(bodies))


@pytest.mark.parametrize(
    ("code", "function"),
    [
        ("first.<locals>.inner", "first.<locals>.inner"),
        ("first.<locals>.<lambda>", "first"),
        ("first.<locals>.inner.<locals>.<genexpr>", "first.<locals>.inner"),
        ("A.p", "A.p"),
    ],
)
def test_codes_without_a_body_of_their_own_belong_to_the_function_around_them(code: str, function: str) -> None:
    found = outline(TEXT)
    assert (function, found.body(code), found.signature(code)) in found.bodies


@pytest.mark.parametrize("code", ["A.<lambda>", "<genexpr>", "A", "no.such"])
def test_codes_outside_of_functions_belong_to_the_module(code: str) -> None:
    assert outline(TEXT).body(code) == ""


def test_text_that_is_no_python_means_what_it_says() -> None:
    assert meaning(b"def f(:\n") != meaning(b"def f(:\n\n")


def _mutants(text: str) -> Iterator[str]:
    """The text without one of its tokens, with one twice, and with two exchanged."""
    starts = [0]
    for line in text.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    spans = [(starts[t.start[0] - 1] + t.start[1], starts[t.end[0] - 1] + t.end[1]) for t in tokenize.generate_tokens(io.StringIO(text).readline) if t.string]
    for number, (start, end) in enumerate(spans):
        yield text[:start] + text[end:]
        yield f"{text[:end]} {text[start:]}"
        if number:
            first, last = spans[number - 1]
            if last <= start:
                yield text[:first] + text[start:end] + text[last:start] + text[first:last] + text[end:]


DOCSTRINGS = '''
class A:
    """One."""
    x = 1

class B:
    x = f"{x = }" f"{x  =}"

@a
async def f(x, *, y: int = 1) -> None:
    """One."""
    async with x as y: yield y
    return; x[1:2, ...] @ (lambda: 0)
'''


@pytest.mark.parametrize("text", [TEXT.decode(), DOCSTRINGS, Path(__file__).read_text()[:6000].rpartition("\n\n")[0]], ids=["text", "docstrings", "this file"])
def test_what_parses_otherwise_means_something_else(text: str) -> None:
    tree, before = ast.dump(ast.parse(text)), meaning(text.encode())
    seen = 0
    for mutant in _mutants(text):
        try:
            other = ast.dump(ast.parse(mutant))
        except SyntaxError:
            continue
        if other != tree:
            seen += 1
            assert meaning(mutant.encode()) != before, mutant
    assert seen > 10


def test_comments_and_layout_mean_nothing_and_places_of_docstrings_do() -> None:
    before = meaning(DOCSTRINGS.encode())
    assert meaning(DOCSTRINGS.replace("    x = 1\n", "    # why\n\n    x  =  1  # so\n").encode()) == before
    moved = DOCSTRINGS.replace('    """One."""\n    x = 1', "    x = 1", 1).replace("class B:\n", 'class B:\n    """One."""\n', 1)
    assert meaning(moved.encode()) != before
    assert meaning(b"# coding: latin-1\nx = '\xc3\xa9'") != meaning(b"# coding: utf-8\nx = '\xc3\xa9'")


@pytest.mark.parametrize(
    ("text", "dynamic"),
    [
        ("import importlib\nimportlib.import_module('a.b')", False),
        ("import importlib\nimportlib.import_module(name)", True),
        ("__import__('a' + 'b')", True),
        ("import sys\nsys.modules['a']", True),
        ("exec(text)", True),
        ("import pytest\npytest.importorskip('a')", False),
        ("import a", False),
    ],
)
def test_which_modules_may_reach_others_by_computed_names(text: str, dynamic: bool) -> None:
    assert outline(text.encode()).dynamic == dynamic


# ---- closures


def graph(**texts: str) -> Graph:
    """Modules by name, `__` for a dot; a package is one that others are in."""
    names = {name.replace("__", "."): text for name, text in texts.items()}
    loaded = []
    for name in names:
        is_package = any(other.startswith(f"{name}.") for other in names)
        loaded.append(Loaded(name, f"/{name}", name if is_package else name.rpartition(".")[0], (f"/{name}/",) if is_package else ()))
    return Graph(loaded, {f"/{name}": outline(text.encode()) for name, text in names.items()})


@pytest.mark.parametrize(
    "text",
    [
        "import app.one",
        "from app import one",
        "from app.one import value",
        "from app import *",
        "def f():\n    import app.one",
        "if TYPE_CHECKING:\n    from app.one import T",
        "import importlib\nimportlib.import_module('app.one')",
        "import importlib\nimportlib.import_module(name)",
        "import app\napp.one.value",
        "import app as other\nother.one.value",
        "monkeypatch.setattr('app.one.value', 1)",
        "pytest_plugins = ['app.one']",
        "patch(f'app.one.{name}')",
        "try:\n    from app.one import value\nexcept ImportError:\n    pass",
    ],
)
def test_every_way_to_mention_a_module_needs_it(text: str) -> None:
    assert "app.one" in graph(test=text, app="", app__one="", app__two="").closure(["test"])


@pytest.mark.parametrize(("text", "needed"), [("from . import one", True), ("from .one import x", True), ("from .. import one", False)])
def test_relative_imports(text: str, needed: bool) -> None:
    found = graph(app="", app__one="", app__two=text).closure(["app.two"])
    assert ("app.one" in found) == needed
    assert "app" in found


def test_cycles_end() -> None:
    assert graph(a="import b", b="import c", c="import a").closure(["a"]) == {"a", "b", "c"}


def test_a_chain_is_the_shortest_way() -> None:
    assert graph(a="import b\nimport c", b="import d", c="import b", d="").chain(["a"], "/d") == ["a", "b", "d"]
    assert graph(a="", b="").chain(["a"], "/b") == []


@pytest.mark.parametrize(
    ("level", "target", "package", "full"),
    [(0, "a.b", "p", "a.b"), (1, "a", "p.q", "p.q.a"), (2, "a", "p.q", "p.a"), (1, "", "p", "p")],
)
def test_absolute_names(level: int, target: str, package: str, full: str) -> None:
    assert absolute(level, target, package) == full


def test_lookups_are_names_on_the_search_path_and_in_packages() -> None:
    found = graph(test="import missing\nfrom app import maybe", app="", app__one="").lookups("test")
    assert {("", "missing"), ("", "app"), ("/app/", "maybe"), ("", "test")} <= found


# ---- histories

CLAIMS = st.tuples(st.sampled_from(["file", "env"]), st.text(max_size=3), st.none() | st.text(max_size=3))
MEMORIES = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["passed", "failed"]), st.lists(st.lists(CLAIMS, max_size=4), max_size=3)))


def history_of(memories: list) -> History:
    history = History()
    for test, outcome, sets in memories:
        history.remember(test, Memory(outcome, 0.5, tuple(sorted({history.set_of(claims) for claims in sets}))))
    return history


def spelled(history: History) -> dict:
    """A history without numbers."""
    return {
        test: [(m.outcome, m.seconds, sorted(sorted(map(repr, history.claims_of(number))) for number in m.sets)) for m in memories]
        for test, memories in history.tests.items()
    }


@given(MEMORIES)
def test_a_history_survives_every_form(memories: list) -> None:
    history = history_of(memories)
    for other in (History.loads(history.dumps()), store.imported(store.exported(history)), history.cleaned()):
        assert other is not None
        assert spelled(other) == spelled(history)


@given(MEMORIES, st.data())
def test_damage_is_noticed(memories: list, data: st.DataObject) -> None:
    written = bytearray(history_of(memories).dumps())
    written[data.draw(st.integers(0, len(written) - 1))] ^= data.draw(st.integers(1, 255))
    assert History.loads(bytes(written)) is None


def test_the_latest_memories_are_kept() -> None:
    history = History()
    for number in range(GENERATIONS + 3):
        history.remember("a", Memory("passed", 0.0, (history.set_of([("file", "x", str(number))]),)))
    kept = [next(history.claims_of(memory.sets[0]))[2] for memory in history.tests["a"]]
    assert kept == [str(number) for number in range(GENERATIONS + 2, 2, -1)]


def numbered(numbers: Iterable[int], when: int = 0) -> History:
    """Memories of a test, each with a claim of its own."""
    history = History()
    for number in numbers:
        history.remember("a", Memory("passed", 0.0, (history.set_of([("file", "x", str(number))]),), when))
    return history


def numbers_of(history: History) -> list[int]:
    return [int(next(history.claims_of(memory.sets[0]))[2] or 0) for memory in history.tests["a"]]


def test_what_no_memory_needs_is_not_taken_along() -> None:
    history = numbered(range(GENERATIONS + 3))
    assert (len(history.sets), len(history.cleaned().sets)) == (GENERATIONS + 3, GENERATIONS)
    other = History()
    other.take_in(history.only({"a": history.tests["a"][1]}))
    assert (numbers_of(other), len(other.sets), len(other.claims)) == ([GENERATIONS + 1], 1, 1)


def test_what_is_of_use_is_kept_and_nothing_passes_for_later_than_it_is() -> None:
    history = numbered(range(GENERATIONS))
    history.use(numbered([1, 99]), 1)
    history.take_in(numbered(range(10, 10 + GENERATIONS - 2)), 2)
    assert numbers_of(history) == [13, 12, 11, 10, 5, 1]
    history.take_in(numbered([20]), 3)
    assert numbers_of(history) == [20, 13, 12, 11, 10, 1]
    history.take_in(numbered([1]), 4)
    assert numbers_of(history) == [1, 20, 13, 12, 11, 10]


def test_a_use_is_written_down_only_where_something_would_be_forgotten() -> None:
    history = numbered(range(GENERATIONS))

    def uses(number: int) -> list[int]:
        selector = Selector(history, Now(x=str(number)))  # type: ignore[arg-type]
        assert not selector.must_run("a")
        used = history.only(selector.used)
        return numbers_of(used) if used.tests else []

    assert uses(0) == [0]
    history.use(numbered([0]), 7)
    assert uses(0) == []
    history.take_in(numbered([10]), 8)
    assert uses(10) == []
    assert uses(0) == []
    assert uses(3) == [3]


# ---- verdicts


class Now:
    """A world of which everything is known."""

    def __init__(self, **values: str) -> None:
        self.values = values

    def value(self, _kind: str, name: str) -> str | None:
        return self.values.get(name)


def runs(*memories: tuple[str, dict[str, str | None]], **now: str) -> bool:
    """Whether a test must run whose memories, earliest first, are outcomes with values of files."""
    history = History()
    for outcome, values in memories:
        claims = [("file", name, value) for name, value in values.items()]
        history.remember("test", Memory(outcome, 0.0, (history.set_of(claims),)))
    selector = Selector(history, Now(**now))  # type: ignore[arg-type]
    assert selector.verdict("test").runs == selector.must_run("test")
    return selector.must_run("test")


def test_verdicts() -> None:
    assert runs(x="1"), "it is new"
    assert not runs(("passed", {"x": "1"}), x="1")
    assert not runs(("skipped", {"x": "1"}), x="1")
    assert runs(("passed", {"x": "1"}), x="2")
    assert runs(("failed", {"x": "1"}), x="1")
    assert runs(("expected", {"x": "1"}), x="1")
    assert runs(("passed", {"x": "1", "doubt": None}), x="1")
    assert not runs(("passed", {"x": "1"}), ("passed", {"x": "2"}), x="1"), "a branch that is switched back to"
    assert not runs(("passed", {"x": "1"}), ("failed", {"x": "2"}), x="1"), "it failed on another branch"
    assert runs(("passed", {"x": "1"}), ("failed", {"x": "1", "y": "1"}), x="1", y="1"), "what it said last counts"
    assert runs(("passed", {"x": "1"}), ("lost", {}), x="1"), "nobody knows what it would have said"
    assert runs(("passed", {"x": "1"}), ("failed", {"x": "1", "doubt": None}), x="1"), "doubt is no excuse for what failed"


def test_more_changes_never_select_less() -> None:
    rng = random.Random(1)
    for _ in range(300):
        names = "abcd"
        memories = [(rng.choice(["passed", "failed"]), {n: rng.choice("12") for n in names if rng.random() < 0.7}) for _ in range(3)]
        good = [memory for memory in memories if memory[0] == "passed"]
        now = {n: rng.choice("12") for n in names}
        if not runs(*good, **now):
            assert any(all(now[n] == value for n, value in values.items()) for _outcome, values in good)


# ---- changes since a revision


@pytest.mark.parametrize(
    ("claim", "touched"),
    [
        (("file", "a.txt", "other"), True),
        (("file", "b.txt", "other"), False),
        (("list", "folder", "x"), True),
        (("list", "elsewhere", "x"), False),
        (("find", "\0new", ""), True),
        (("find", "\0other", ""), False),
        (("kind", "folder/new.py", ""), True),
        (("tree", "", "x"), True),
        (("env", "A", "x"), False),
        (("status", "a.txt", "x"), True),
        (("level", "m.py", outline(b"def f():\n    return 2\n").level), False),
        (("body", "m.py::f", outline(b"def f():\n    return 2\n").body("f")), True),
        (("level", "m.py", "other"), True),
    ],
)
def test_which_claims_are_about_changes(claim: tuple[str, str, str], touched: bool) -> None:
    changes = Changes(
        {"a.txt": Was(b"before", True), "folder/new.py": Was(None, True), "m.py": Was(b"def f():\n    return 1\n", True)}
    )
    assert changes.touch(claim) == touched


def test_files_with_failing_tests_come_first_and_stay_whole():
    files = ["a", "a", "b", "b", "c", "b"]
    assert failing_first(files, [False] * 6) == [0, 1, 2, 3, 4, 5]
    assert failing_first(files, [False, False, False, True, False, False]) == [2, 3, 5, 0, 1, 4]
    assert failing_first([], []) == []


# ---- the present, when tests have ended


def test_what_changes_behind_the_verdict_is_not_what_the_tests_have_seen(tmp_path: Path) -> None:
    for name in ("seen", "later"):
        (tmp_path / name).mkdir()
    (tmp_path / "data.txt").write_text("one")
    (tmp_path / "other.txt").write_text("one")
    world = World(root=str(tmp_path), prefix="/nowhere", environment={}, config={}, search_path=[str(tmp_path / "seen")])
    time.sleep(0.05)
    world.close([], [str(tmp_path)], tree=False)
    (tmp_path / "seen/module.py").touch()
    (tmp_path / "conftest.py").touch()
    (tmp_path / "data.txt").write_text("two")
    assert world.value("find", "\0module") == "", "as it was"
    assert world.value("kind", "{root}/conftest.py") == "", "as it was"
    assert world.value("file", "{root}/data.txt") is None
    assert world.value("file", "{root}/other.txt") == hash_bytes(b"one").hex()[:32]
    assert world.value("find", "{root}/later\0module") is None, "nobody has looked"
    assert world.value("kind", "{root}/later") is None
    assert world.value("tree", "") is None
