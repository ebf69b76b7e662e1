"""Random suites under real pytest and under dx-py, lean: the same order of setup and teardown, outcomes and texts.

Every fixture and test writes down when it runs, fails in a random phase, prints, or asks for others; scopes, parameters,
autouse and overrides are random, too. `DX_PY_RANDOM_SUITES=500` asks for more of them than a usual run does.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spec.bench import Bench
from spec.compare import differences
from spec.modes import DX_MODES, Mode
from spec.parser import parse

SUITES = int(os.environ.get("DX_PY_RANDOM_SUITES", "12"))
SCOPES = ("function", "class", "module", "package", "session")
MODES = [
    *(mode for mode in DX_MODES if mode.name in ("cold", "lean")),
    # One worker for all files: what is set up is shared as in one process.
    Mode("worker", ("--no-daemon", "-n", "1", "--isolation=process"), serial=False, recorded=False, side="side-f"),
]
SHOWN_AT_ONCE = ("-s", "--capture=sys")

HELPER = """
import os, sys

def log(*words):
    with open("order.log", "a") as file:
        file.write(" ".join(map(str, words)) + "\\n")

def act(name, phase, how):
    log(phase, name)
    if how == "print": print(phase, name)
    if how == "error": print(phase, name, file=sys.stderr)
    if how == "warn":
        import warnings
        warnings.warn(f"{phase} of {name}")
    if how == "log":
        import logging
        logging.getLogger(name).warning("%s of %s", phase, name)
    if how == "fail": raise RuntimeError(f"{phase} of {name}")
    if how == "assert": assert name == phase
    if how == "skip":
        import pytest
        pytest.skip(f"in {phase} of {name}")
    if how == "raw": os.write(1, f"{phase} {name} raw\\n".encode())
"""


@dataclass(frozen=True)
class Fixture:
    """A fixture of a random suite. *needs* are numbers of fixtures defined before it."""

    number: int
    scope: str
    autouse: bool
    params: int
    needs: tuple[int, ...]
    dynamic: bool
    setup: str
    teardown: str

    def text(self, indent: str = "") -> str:
        arguments = [f"f{need}" for need in self.needs[: 1 if self.dynamic else None]]
        options = [f"scope={self.scope!r}"]
        if self.autouse:
            options.append("autouse=True")
        if self.params:
            options.append(f"params={list(range(self.params))}")
        name = f"f{self.number}"
        lines = [
            f"@pytest.fixture({', '.join(options)})",
            f"def {name}({', '.join((['self'] if indent else []) + ['request', *arguments])}):",
            f"    act('{name}', 'setup', {self.setup!r})",
        ]
        if self.dynamic and len(self.needs) > 1:
            lines.append(f"    request.getfixturevalue('f{self.needs[1]}')")
        value = f"({self.number}, getattr(request, 'param', None))"
        if self.teardown == "none":
            lines.append(f"    return {value}")
        elif self.teardown == "finalizer":
            lines.append(f"    request.addfinalizer(lambda: act('{name}', 'finalizer', 'print'))")
            lines.append(f"    return {value}")
        else:
            lines.append(f"    yield {value}")
            lines.append(f"    act('{name}', 'teardown', {self.teardown!r})")
        return "".join(f"{indent}{line}\n" for line in lines)


@dataclass(frozen=True)
class Function:
    """A test of a random suite."""

    number: int
    needs: tuple[int, ...]
    marks: tuple[str, ...]
    call: str
    inside: bool

    def text(self) -> str:
        indent = "    " if self.inside else ""
        arguments = [f"f{need}" for need in self.needs]
        if any("parametrize" in mark for mark in self.marks):
            arguments.append("x")
        if self.call in ("aloud", "read"):
            arguments.append("capsys")
        lines = [f"@pytest.mark.{mark}" for mark in self.marks]
        lines.append(f"def test_{self.number}({', '.join((['self'] if self.inside else []) + arguments)}):")
        if arguments:
            lines.append(f"    log('values', {', '.join(arguments)})")
        if self.call == "aloud":
            lines.append(f"    with capsys.disabled(): print('aloud {self.number}')")
        lines.append(f"    act('test_{self.number}', 'call', {self.call!r})")
        if self.call == "read":
            lines.append("    print('read', capsys.readouterr())")
        return "".join(f"{indent}{line}\n" for line in lines)


actions = st.sampled_from(["no"] * 12 + ["print", "print", "error", "warn", "log", "fail", "assert", "skip"])
endings = st.sampled_from(["none", "none", "no", "no", "print", "finalizer", "log", "fail"])
marks = st.lists(
    st.sampled_from(
        [
            "skip(reason='why')",
            "skipif(True, reason='so')",
            "xfail(reason='yet')",
            "xfail(strict=True, reason='yet')",
            "xfail(raises=KeyError)",
            "parametrize('x', [1, 2])",
            "parametrize('x', ['a', 'b', 'a'], ids=str)",
            "filterwarnings('error')",
            "usefixtures('tmp_path')",
            "other",
        ]
    ),
    max_size=2,
    unique_by=lambda mark: mark.partition("(")[0],
).map(tuple)


@st.composite
def fixture(draw: st.DrawFn, number: int) -> Fixture:
    earlier = list(range(number))
    return Fixture(
        number,
        scope=draw(st.sampled_from(SCOPES + ("function",) * 3)),
        autouse=draw(st.sampled_from([False, False, False, True])),
        params=draw(st.sampled_from([0, 0, 0, 0, 0, 2])),
        needs=tuple(draw(st.lists(st.sampled_from(earlier), max_size=2, unique=True))) if earlier else (),
        dynamic=draw(st.sampled_from([False, False, True])),
        setup=draw(actions),
        teardown=draw(endings),
    )


@st.composite
def function(draw: st.DrawFn, number: int, fixtures: int) -> Function:
    needs = st.lists(st.sampled_from(range(fixtures)), max_size=3, unique=True) if fixtures else st.just([])
    plain = draw(st.booleans())
    return Function(
        number,
        needs=() if plain else tuple(draw(needs)),
        marks=draw(st.just(()) | marks),
        call=draw(actions | st.sampled_from(["raw", "aloud", "read"])),
        inside=draw(st.booleans()),
    )


@st.composite
def suites(draw: st.DrawFn) -> str:
    """A suite as the text of a case of ``spec/``."""
    count = draw(st.integers(0, 7))
    all_fixtures = [draw(fixture(number)) for number in range(count)]
    split = draw(st.integers(0, count))
    head = "import pytest\nfrom helper import act, log\n\n"
    parts = [block("helper.py", HELPER), block("conftest.py", head + "".join(f.text() for f in all_fixtures[:split]))]
    number = 0
    for module in range(draw(st.integers(1, 3))):
        tests = []
        for _ in range(draw(st.integers(1, 5))):
            tests.append(draw(function(number, count)))
            number += 1
        text = head + "".join(f.text() for f in all_fixtures[split:])
        text += "".join(test.text() for test in tests if not test.inside)
        inside = [test.text() for test in tests if test.inside]
        if inside:
            if count and draw(st.booleans()):
                inside.insert(0, all_fixtures[draw(st.integers(0, count - 1))].text("    "))
            text += f"class Test{module}:\n" + "".join(inside)
        folder = draw(st.sampled_from(["", "", "sub/"]))
        parts.append(block(f"{folder}test_{module}.py", text))
    if draw(st.booleans()):
        parts.append(block("sub/__init__.py", ""))
    options = draw(st.sampled_from(["", "-rA", "-x", "--maxfail=2", "-s", "--capture=sys", "-p no:logging", "-q"]))
    at_once = str(options in SHOWN_AT_ONCE or any("capsys.disabled" in part for part in parts)).lower()
    config = "[pytest]\npythonpath = .\nmarkers = other: nothing\naddopts = -p no:cacheprovider\n"
    return "\n".join(
        [
            "## A random suite",
            "",
            f'```toml\ncompare-files = ["order.log"]\ntally = false\nshown-at-once = {at_once}\n```',
            block("pytest.ini", config),
            *parts,
            f"```console\n$ pytest {options}".rstrip() + "\nexit 0: 0 passed\n```\n",
        ]
    )


def block(name: str, text: str) -> str:
    return f"```{name.rpartition('.')[2].replace('py', 'python')} {name}\n{text}```\n"


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.close()


def test_a_random_suite_runs_as_under_pytest(bench: Bench) -> None:
    @settings(
        max_examples=SUITES,
        deadline=None,
        database=None,
        derandomize="DX_PY_RANDOM_SUITES" not in os.environ,
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
    )
    @given(suites())
    def check(text: str) -> None:
        [case] = parse(text, "random")
        bench.oracle.clear()
        oracle = bench.pytest_outcomes(case)
        for mode in MODES:
            problems = differences(case, mode, oracle, bench.run(case, mode))
            assert not problems, "\n".join([text, *problems])

    check()
