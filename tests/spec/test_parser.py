"""The spec parser: what it reads, and what it refuses with the place of the mistake."""

from __future__ import annotations

import textwrap

import pytest

from .modes import DX_MODES, modes_named
from .parser import ChangeFolder, Command, Options, RemoveFile, SpecError, WriteFile, parse, read_cases, slug

WHOLE = """\
# Title

Prose that is for people.

## First case, with a comma

```toml
modes = ["cold"]
order = false
env = { NAME = "value" }
min-pytest = "9.0"
```

Some words.

```python test_a.py
def test_a(): pass
```

```console
$ pytest -v
exit 0: 1 passed
test_a.py::test_a PASSED
! FAILED
```

```python test_a.py
def test_a(): assert 0
```

```console
$ NAME=other pytest -k "a b"
exit 1: 1 failed, 2 warnings
$ rm test_a.py extra
$ cd below
$ pytest
exit 5
```

## Second case

```python pkg/__init__.py pkg/more/__init__.py
```

```console
$ pytest
exit 5
```
"""


def one(text: str):
    [case] = parse(textwrap.dedent(text), "file.md")
    return case


def refused(text: str) -> str:
    with pytest.raises(SpecError) as caught:
        parse(textwrap.dedent(text), "file.md")
    return str(caught.value)


def with_console(lines: str) -> str:
    return f"## Case\n\n```console\n{lines}\n```\n"


def test_cases_have_ids_from_file_and_heading():
    cases = parse(WHOLE, "fixtures.md")
    assert [case.id for case in cases] == ["fixtures/first-case-with-a-comma", "fixtures/second-case"]
    assert [case.line for case in cases] == [5, WHOLE.splitlines().index("## Second case") + 1]
    assert cases[0].title == "First case, with a comma"


def test_steps_stay_in_order():
    first = parse(WHOLE, "fixtures.md")[0]
    kinds = [type(step) for step in first.steps]
    assert kinds == [WriteFile, Command, WriteFile, Command, RemoveFile, RemoveFile, ChangeFolder, Command]
    assert first.steps[0] == WriteFile("test_a.py", "def test_a(): pass\n")
    assert first.steps[2] == WriteFile("test_a.py", "def test_a(): assert 0\n")
    assert [step.path for step in first.steps[4:7]] == ["test_a.py", "extra", "below"]


def test_a_command_has_arguments_environment_and_expectations():
    first, second, third = parse(WHOLE, "fixtures.md")[0].commands
    assert (first.arguments, first.env, first.exit_code) == (("-v",), (), 0)
    assert first.counts == {"passed": 1}
    assert (first.expected, first.unexpected) == (("test_a.py::test_a PASSED",), ("FAILED",))
    assert (second.arguments, second.env) == (("-k", "a b"), (("NAME", "other"),))
    assert second.counts == {"failed": 1, "warning": 2}
    assert (third.exit_code, third.counts) == (5, {})


def test_options():
    options = parse(WHOLE, "fixtures.md")[0].options
    assert (options.modes, options.order, options.env) == (("cold",), False, {"NAME": "value"})
    assert options.min_pytest == "9.0"
    assert options.compare_output is True
    assert parse(WHOLE, "fixtures.md")[1].options.modes == ()


def test_options_that_are_not_given():
    assert one(with_console("$ pytest\nexit 5")).options == Options(
        modes=(),
        order=True,
        compare_output=True,
        shown_at_once=False,
        compare_longrepr=True,
        compare_sections=True,
        compare_files=(),
        tally=True,
        env={},
        stdin=None,
        requires=(),
        optional=False,
        min_pytest=None,
        max_pytest=None,
        min_python=None,
    )


@pytest.mark.parametrize("value", ["true", "false", '"summary"'])
def test_values_of_compare_output(value):
    case = one(f"## Case\n```toml\ncompare-output = {value}\n```\n```console\n$ pytest\nexit 5\n```\n")
    assert case.options.compare_output == {"true": True, "false": False}.get(value, "summary")


@pytest.mark.parametrize(
    "option",
    [
        "modes = 1",
        "modes = [1]",
        "modes = { cold = 1 }",
        "order = 1",
        'compare-output = "some"',
        "compare-output = 1",
        "env = { A = 1 }",
        'env = "A=1"',
        "env = ['A']",
        "stdin = 5",
        "min-python = 3.11",
        'optional = "yes"',
    ],
)
def test_values_that_options_cannot_have(option):
    name = option.partition(" ")[0]
    assert refused(f"## Case\n```toml\n{option}\n```\n").startswith(f"file.md:2: option {name!r} cannot be")


def test_a_block_may_name_several_files():
    second = parse(WHOLE, "fixtures.md")[1]
    assert second.steps[:2] == (WriteFile("pkg/__init__.py", ""), WriteFile("pkg/more/__init__.py", ""))


def test_a_longer_fence_holds_a_shorter_one():
    case = one("## Case\n````text notes.md\n```python\n1\n```\n````\n```console\n$ pytest\nexit 5\n```\n")
    assert case.steps[0] == WriteFile("notes.md", "```python\n1\n```\n")


def test_deeper_headings_are_prose():
    case = one("## Case\n### Detail\n```console\n$ pytest\nexit 5\n```\n")
    assert case.id == "file/case"


def test_a_heading_in_a_block_is_no_case():
    case = one("## Case\n```text notes.txt\n## Not a case\n```\n```console\n$ pytest\nexit 5\n```\n")
    assert case.steps[0] == WriteFile("notes.txt", "## Not a case\n")


def test_one_word_lists_may_be_plain_text():
    case = one('## Case\n```toml\nrequires = "thing"\n```\n```console\n$ pytest\nexit 5\n```\n')
    assert case.options.requires == ("thing",)


@pytest.mark.parametrize(
    ("title", "expected"),
    [("A simple one", "a-simple-one"), ("--lf, then -x", "lf-then-x"), ("`code` & more!", "code-more")],
)
def test_slug(title, expected):
    assert slug(title) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("# Only a title\n", "file.md:1: no case"),
        ("## Case\n\nNothing.\n", "file.md:1: case 'Case' runs nothing"),
        (with_console("$ pytest\nexit 5") * 2, "file.md:7: a second case named 'file/case', the first is on line 1"),
        ("```python a.py\n```\n", "file.md:1: a block before the first '##' heading"),
        ("## Case\n```python a.py\nx = 1\n", "file.md:2: a block that is never closed"),
        ("## Case\n```python\nx = 1\n```\n", "file.md:2: a block needs a file name"),
        ("## Case\n```\nx = 1\n```\n", "file.md:2: a block needs a file name"),
        ("## Case\n```python ../a.py\n```\n", "file.md:2: file '../a.py' is outside the project"),
        ("## Case\n```python /a.py\n```\n", "file.md:2: file '/a.py' is outside the project"),
        ("## Case\n```toml\nno-such = 1\n```\n", "file.md:2: unknown option 'no-such'"),
        ("## Case\n```toml\norder = 'no'\n```\n", "file.md:2: option 'order' cannot be 'no'"),
        ("## Case\n```toml\nmin-pytest = 'new'\n```\n", "file.md:2: option 'min-pytest' cannot be 'new'"),
        ("## Case\n```toml\norder = \n```\n", "file.md:2: options are not toml"),
        ("## Case\n```python a.py\n```\n```toml\norder = false\n```\n", "file.md:4: the options must come first"),
        (with_console(""), "file.md:3: a console block starts with a line '$ pytest ...'"),
        (with_console("exit 0"), "file.md:3: a console block starts with"),
        (with_console("$ pytest"), "file.md:4: a pytest command is followed by 'exit CODE'"),
        (with_console("$ pytest\n1 passed"), "file.md:4: a pytest command is followed by 'exit CODE'"),
        (with_console("$ pytest\nexit 0: many"), "file.md:5: cannot read the count 'many'"),
        (with_console("$ python -m pytest\nexit 0"), "file.md:4: cannot run 'python -m pytest'"),
        (with_console("$ cd a b"), "file.md:4: cannot run 'cd a b'"),
        (with_console("$ ls a"), "file.md:4: cannot run 'ls a'"),
        (with_console("$ rm"), "file.md:4: cannot run 'rm'"),
        (with_console("$ rm a\nexit 0"), "file.md:4: cannot run 'rm a'"),
    ],
)
def test_mistakes_are_told_with_their_place(text, message):
    assert refused(text).startswith(message)


def test_readme_is_no_spec(tmp_path):
    (tmp_path / "README.md").write_text("# Not a spec\n")
    (tmp_path / "b.md").write_text(with_console("$ pytest\nexit 5"))
    (tmp_path / "a.md").write_text(with_console("$ pytest\nexit 5"))
    assert [case.id for case in read_cases(tmp_path)] == ["a/case", "b/case"]


def test_modes_by_name_and_by_group():
    assert modes_named(()) == DX_MODES
    assert [mode.name for mode in modes_named(("warm", "cold"))] == ["cold", "warm"]
    assert [mode.name for mode in modes_named(("serial",))] == ["cold", "warm", "lean"]
    assert [mode.name for mode in modes_named(("fresh",))] == ["cold", "parallel", "lean", "workers"]
    assert [mode.name for mode in modes_named(("parallel",))] == ["parallel"]
    assert modes_named(("none",)) == ()
    with pytest.raises(ValueError, match="no mode 'fast'"):
        modes_named(("fast",))
