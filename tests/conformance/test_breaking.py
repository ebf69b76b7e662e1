"""What breaks an assertion must break that assertion, and nothing else of the module."""

import ast
from random import Random

import pytest

from breaking import break_module, break_suite

MODULE = '''\
assert True, "at import: never broken"

def test_values():
    text = "é"; assert text == "é"
    assert (
        [1, 2] == [1, 2]  # with a comment
    ), "a message"
    assert (1) < (2)
    assert text is not None and 3 not in {4}
    assert ({"a": 1}) == {"a": 1}
    assert len(text) == 1

class TestOld:
    def test_unit(self):
        self.assertEqual(1, 1)
        self.assertRaises(ValueError, int, "x")
'''


@pytest.mark.parametrize("seed", range(20))
def test_every_assertion_within_a_function_is_broken_and_nothing_else(seed):
    content, broken = break_module(MODULE.encode(), Random(seed), 1)
    assert broken == 7
    lines = content.decode().splitlines()
    assert lines[0] == MODULE.splitlines()[0] and "# with a comment" in content.decode()
    assert "self.assertNotEqual(1, 1)" in content.decode() and "self.assertRaises(ValueError" in content.decode()
    for statement in ast.parse(content).body[1].body[1:]:
        with pytest.raises((AssertionError, NameError, TypeError, KeyError)):
            code = compile(ast.Module([statement], []), "broken", "exec")
            exec(code, {"text": "é"})


def test_a_seed_breaks_the_same_each_time_and_another_one_others():
    text = "".join(f"def test_{number}():\n    assert {number} == {number}\n" for number in range(200)).encode()
    first, count = break_module(text, Random("1:a"), 0.1)
    assert break_module(text, Random("1:a"), 0.1) == (first, count) and 5 <= count <= 40
    assert break_module(text, Random("2:a"), 0.1)[0] != first


def test_a_module_that_cannot_be_read_stays():
    for content in (b"def test(:\n", b"# coding: latin-1\ndef test(): assert '\xe9'\n"):
        assert break_module(content, Random(1), 1) == (content, 0)


def test_only_test_files_below_the_named_places_are_broken(tmp_path):
    text = "def test(): assert 1 == 1\n"
    for name in ("tests/test_a.py", "tests/deep/b_test.py", "tests/helper.py", "other/test_c.py", "named.py"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert break_suite(tmp_path, ["tests", "named.py"], 1, 1) == 3
    assert (tmp_path / "tests/helper.py").read_text() == (tmp_path / "other/test_c.py").read_text() == text
    assert (tmp_path / "named.py").read_text() != text
