"""Facts as Python sees them: beside what the compiler and pytest say of the same text."""

import ast
import inspect
import textwrap
import types

import pytest

from dx_py_test_runner.inputs import facts


def read(text):
    return facts.Facts(textwrap.dedent(text).encode())


@pytest.mark.parametrize("module", [ast, inspect, textwrap, types, inspect.getmodule(pytest.Module)])
def test_asserts_are_those_of_the_syntax_tree(module):
    text = inspect.getsource(module)
    found = facts.Facts(text.encode())
    assert found.problems == []
    assert found.asserts == sum(isinstance(node, ast.Assert) for node in ast.walk(ast.parse(text)))


def test_imports_are_those_of_the_syntax_tree():
    text = inspect.getsource(inspect.getmodule(pytest.Function))
    expected = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            expected += [(0, alias.name, None) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            expected += [(node.level, node.module or "", alias.name) for alias in node.names]
    found = [tuple(one[:3]) for one in facts.Facts(text.encode()).imports]
    assert sorted(found, key=str) == sorted(expected, key=str)


def test_everything_is_plain():
    found = read("""
        import a, pytest
        pytest_plugins = "b"
        pytestmark = pytest.mark.c
        @pytest.fixture
        def f(): assert a.__doc__
        class A(B):
            @pytest.mark.parametrize("x", [1, 2])
            def test(self, x, y): pass
        def pytest_configure(): a.import_module(x)
    """)
    assert found.plugins == (["b"], False)
    assert found.marks == [("c", [], None)]
    assert found.hooks == ["pytest_configure"]
    assert found.mentions == facts.DOCS
    assert [one.callee for one in found.dynamic_imports] == ["import_module"]
    by_name = {one.name: one for one in found.bindings}
    assert {name: one.kind for name, one in by_name.items() if one.kind not in ("import", "value", "marks")} == {
        "f": "fixture",
        "A": "class",
        "test": "function",
        "pytest_configure": "function",
    }
    assert found.bindings[by_name["test"].scope] is by_name["A"]
    assert (by_name["A"].names, by_name["test"].names) == (["B"], ["self", "x", "y"])
    assert by_name["test"].marks == [("parametrize", ["x"], ["1", "2"])]
    assert len(found.whole) == 16


def test_what_is_no_text_has_problems():
    assert facts.Facts(b"\xff").problems[0][0] == "encoding"
    assert facts.Facts(b"def").problems[0][:2] == ("syntax", 1)


IDS = """
import pytest
VALUES = [1.0, 1e16, 1e-5, 123456789.125, 5e-324, 1.7976931348623157e308, 0.0001, 100000000000000.0]

@pytest.mark.parametrize("a", VALUES)
@pytest.mark.parametrize("b, c", [("x", b"y\\x00"), pytest.param(None, True, id="own"), (-5, -0.5)])
def test_numbers(a, b, c): pass

@pytest.mark.parametrize("d", ["é", "\\t\\\\", "\\x7f", "", "€\\U0001f600", "a", "a", "b c", "[x]"])
def test_texts(d): pass

class TestIt:
    @pytest.mark.parametrize(("e", "f"), [([], {}), (..., int), (lambda: 0, {1})], ids=[None, "given", "two"])
    def test_objects(self, e, f): pass
"""


def test_ids_are_those_that_pytest_makes(pytester_ids):
    own = []
    for one in facts.Facts(IDS.encode()).bindings:
        if one.kind == "function":
            ids = [""]
            for _, _, known in one.marks:
                assert known is not None, one
                ids = [f"{before}-{id}" if before else id for before in ids for id in known]
            own += [f"{one.name}[{id}]" for id in ids]
    assert own == pytester_ids


@pytest.fixture
def pytester_ids(tmp_path):
    (tmp_path / "test_ids.py").write_text(IDS)
    names = []

    class Collect:
        def pytest_collection_finish(self, session):
            names.extend(item.name for item in session.items)

    options = ["-p", "no:terminal", "-p", "no:cacheprovider", "-p", "no:randomly", "--collect-only", f"--rootdir={tmp_path}"]
    pytest.main([*options, str(tmp_path)], plugins=[Collect()])
    return names
