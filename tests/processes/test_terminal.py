"""What a user at a terminal sees and types: the same as with pytest, cold and warm."""

from __future__ import annotations

import termios
from collections.abc import Iterator
from typing import Any

import pytest

from dxpy import MODES, SERIAL_MODES, DxPy, Mode, real_pytest
from gates import Gates
from terminal import Terminal, check_same, layout, without_colours

WIDE, NARROW = 100, 60

LOOKS = {
    "test_looks.py": """
        import warnings

        import pytest

        @pytest.fixture
        def broken():
            raise RuntimeError("no fixture today")

        def test_pass():
            print("seen by nobody")

        @pytest.mark.parametrize("number", range(60))
        def test_many(number):
            if number == 50:
                warnings.warn("the number is fifty")

        def test_fails_with_a_rather_long_name_that_does_not_fit_into_sixty_columns():
            print("printed before the failure")
            assert ["a", "b" * 40] == ["a", "c" * 40]

        def test_error(broken):
            pass

        def test_skipped():
            pytest.skip("for a reason that is longer than what a narrow terminal has room for")

        @pytest.mark.xfail(reason="known")
        def test_xfail():
            assert 0

        @pytest.mark.xfail
        def test_xpass():
            pass
    """,
    "deep/folder/test_other.py": """
        import unittest

        class TestOther(unittest.TestCase):
            def test_one(self):
                pass

            def test_two(self):
                self.assertEqual(1, 2)
    """,
}


class Looks:
    """A project with every outcome, and what real pytest shows of it."""

    def __init__(self, place: DxPy) -> None:
        self.place = place
        self._real: dict[Any, tuple[int, list[str]]] = {}
        for name, text in LOOKS.items():
            place.write(name, text)

    def real(self, *args: str, env: dict[str, str | None] | None = None, columns: int = 80) -> tuple[int, list[str]]:
        """Exit code and screen of real pytest; each kind of run is made once."""
        key = (args, tuple(sorted((env or {}).items())), columns)
        if key not in self._real:
            with Terminal.program(self.place, real_pytest(), *args, env=env, columns=columns) as terminal:
                ended = terminal.wait()
            self._real[key] = ended.code, layout(ended.out)
        return self._real[key]

    def ours(
        self, mode: Mode, *args: str, env: dict[str, str | None] | None = None, columns: int = 80
    ) -> tuple[int, list[str]]:
        with Terminal.dx_py(self.place, *mode.args, *args, env=env, columns=columns) as terminal:
            ended = terminal.wait()
            terminal.wait_until_released()
        return ended.code, layout(ended.out)


@pytest.fixture(scope="module")
def looks() -> Iterator[Looks]:
    place = DxPy.create()
    yield Looks(place)
    place.remove()


@pytest.fixture(params=MODES, ids=str)
def mode(request: pytest.FixtureRequest) -> Mode:
    return request.param


# ---- layout and colours


@pytest.mark.parametrize("columns", [WIDE, NARROW])
@pytest.mark.parametrize("args", [(), ("-v", "-rA")], ids=" ".join)
def test_the_screen_is_pytests(looks: Looks, mode: Mode, columns: int, args: tuple[str, ...]) -> None:
    """Also where the daemon has seen a terminal of the other width before."""
    check_same(looks.ours(mode, *args, columns=columns), looks.real(*args, columns=columns))


def test_a_window_resized_between_two_runs(looks: Looks) -> None:
    warm = Mode(warm=True, workers=1)
    for columns in (WIDE, NARROW, WIDE):
        check_same(looks.ours(warm, columns=columns), looks.real(columns=columns))


@pytest.mark.parametrize("mode", SERIAL_MODES, ids=str, indirect=True)
@pytest.mark.parametrize("columns", ["60", "100"])
def test_the_variable_counts_for_more_than_the_window(looks: Looks, mode: Mode, columns: str) -> None:
    env = {"COLUMNS": columns}
    check_same(looks.ours(mode, env=env), looks.real(env=env))


@pytest.mark.parametrize("mode", SERIAL_MODES, ids=str, indirect=True)
@pytest.mark.parametrize(
    ("args", "env"),
    [(("--color=no",), {}), ((), {"NO_COLOR": "1"}), ((), {"PY_COLORS": "0"}), ((), {"TERM": "dumb"})],
    ids=["--color=no", "NO_COLOR", "PY_COLORS=0", "dumb"],
)
def test_a_terminal_without_colours(looks: Looks, mode: Mode, args: tuple[str, ...], env: dict[str, str]) -> None:
    found = looks.ours(mode, *args, env=dict(env))
    check_same(found, looks.real(*args, env=dict(env)))
    assert "\x1b[" not in "\n".join(found[1])


@pytest.mark.parametrize(
    ("args", "env", "coloured"),
    [((), {}, False), (("--color=yes",), {}, True), ((), {"FORCE_COLOR": "1"}, True), ((), {"PY_COLORS": "1"}, True)],
    ids=["plain", "--color=yes", "FORCE_COLOR", "PY_COLORS=1"],
)
def test_colours_in_a_pipe(looks: Looks, args: tuple[str, ...], env: dict[str, str], coloured: bool) -> None:
    """All modes in one test, and at a time."""
    real = looks.place.start(*args, program=real_pytest(), env=dict(env))
    ours = [looks.place.start(*mode.args, *args, env=dict(env)) for mode in MODES]
    wanted = real.wait()
    for run in ours:
        found = run.wait()
        check_same((found.code, layout(found.out)), (wanted.code, layout(wanted.out)))
        assert ("\x1b[" in found.out) is coloured


def test_progress_is_shown_as_it_is_made(place: DxPy, mode: Mode) -> None:
    gates = Gates.create(place)
    if mode.warm:
        with Terminal.dx_py(place, *mode.args) as terminal:
            assert terminal.wait().code == 0
    gates.close("test_b")
    with Terminal.dx_py(place, *mode.args) as terminal:
        terminal.read_until(r"test_one\.py \S*\.")
        assert "test_two.py" not in terminal.shown
        gates.open("test_b")
        ended = terminal.wait()
    assert without_colours(ended.out).count("test_one.py ...") == 1, ended.out


@pytest.mark.parametrize("mode", SERIAL_MODES, ids=str, indirect=True)
def test_a_file_is_named_while_its_first_test_runs(place: DxPy, mode: Mode) -> None:
    gates = Gates.create(place)
    if mode.warm:
        with Terminal.dx_py(place, *mode.args) as terminal:
            assert terminal.wait().code == 0
    gates.close("test_a")
    with Terminal.dx_py(place, *mode.args) as terminal:
        terminal.read_until(r"test_one\.py ")
        gates.open("test_a")
        assert terminal.wait().code == 0


# ---- the keyboard

TYPING = {
    "test_asks.py": """
        import sys

        def test_asks():
            name = input("Your name? ")
            assert name == "Ada"
            assert sys.stdin.isatty() and sys.stdout.isatty()
            print(f"Hello {name}")
    """,
    "test_breaks.py": """
        def test_breaks():
            number = 40
            breakpoint()
            assert number == 42

        def test_after():
            pass
    """,
    "test_fails.py": """
        def test_fails():
            number = 40
            assert number == 42

        def test_after():
            pass
    """,
}

PROMPT = r"\(Pdb\) "

CONVERSATIONS = {
    "input": (("-s", "test_asks.py"), [(r"Your name\? ", "Ada")]),
    "pdb-continue": (("--pdb", "test_fails.py"), [(PROMPT, "number + 2"), (PROMPT, "c")]),
    "pdb-quit": (("--pdb", "test_fails.py"), [(PROMPT, "p number"), (PROMPT, "q")]),
    "breakpoint-continue": (("test_breaks.py",), [(PROMPT, "number + 2"), (PROMPT, "c")]),
    "breakpoint-change": (("test_breaks.py",), [(PROMPT, "number = 42"), (PROMPT, "c")]),
    "breakpoint-quit": (("test_breaks.py",), [(PROMPT, "number + 2"), (PROMPT, "q")]),
    "breakpoint-s": (("-s", "test_breaks.py"), [(PROMPT, "number + 2"), (PROMPT, "c")]),
    "trace": (("--trace", "test_fails.py::test_after"), [(PROMPT, "1 + 1"), (PROMPT, "c")]),
}


def converse(terminal: Terminal, typed: list[tuple[str, str]]) -> tuple[int, list[str]]:
    """Type each answer when its question is shown; the exit code and the screen."""
    with terminal:
        before = termios.tcgetattr(terminal.master)
        for question, answer in typed:
            terminal.read_until(question)
            terminal.type(answer + "\n")
        ended = terminal.wait()
        assert termios.tcgetattr(terminal.master) == before, "the terminal's settings are left as they were"
    return ended.code, layout(ended.out)


@pytest.mark.parametrize(
    ("name", "mode"),
    [(name, mode) for name in CONVERSATIONS for mode in (MODES if name == "pdb-continue" else SERIAL_MODES)],
    ids=str,
    indirect=["mode"],
)
def test_a_conversation(place: DxPy, mode: Mode, name: str) -> None:
    """A debugger that is asked for works with any number of processes."""
    args, typed = CONVERSATIONS[name]
    for file, text in TYPING.items():
        place.write(file, text)
    if mode.warm:
        with Terminal.dx_py(place, *mode.args, "--collect-only", *args) as terminal:
            assert terminal.wait().code == 0
    ours = converse(Terminal.dx_py(place, *mode.args, *args), typed)
    wanted = converse(Terminal.program(place, real_pytest(), *args), typed)
    check_same(ours, wanted)


@pytest.mark.parametrize("warm", [False, True], ids=["cold", "warm"])
def test_a_breakpoint_in_a_run_that_chooses_its_processes(place: DxPy, warm: bool) -> None:
    """Without `-n`, where several files would go to several processes."""
    for file in ("test_breaks.py", "test_fails.py"):
        place.write(file, TYPING[file])
    args = () if warm else ("--no-daemon",)
    with Terminal.dx_py(place, "test", *args) as terminal:
        terminal.read_until(PROMPT)
        terminal.type("number + 2\n")
        terminal.read_until("42")
        terminal.read_until(PROMPT)
        terminal.type("c\n")
        ended = terminal.wait()
    assert ended.code == 1
    assert "2 failed, 2 passed" in without_colours(ended.out), ended.out


def test_output_without_capture_goes_to_the_terminal(place: DxPy, mode: Mode) -> None:
    for name in ("a", "b"):
        place.write(f"test_{name}.py", f"""
            import os, subprocess, sys
            def test_prints():
                print("print of {name}")
                print("error of {name}", file=sys.stderr)
                os.write(1, b"write of {name}\\n")
                subprocess.run(["echo", "child of {name}"])
                assert os.isatty(0) and os.isatty(1) and os.isatty(2)
                assert os.get_terminal_size(1).columns == {NARROW}
        """)
    if mode.warm:
        with Terminal.dx_py(place, *mode.args, "-s", "--collect-only") as terminal:
            assert terminal.wait().code == 0
    with Terminal.dx_py(place, *mode.args, "-s", columns=NARROW) as terminal:
        ended = terminal.wait()
    assert ended.code == 0, ended.out
    for name in ("a", "b"):
        for what in ("print", "error", "write", "child"):
            assert ended.out.count(f"{what} of {name}") == 1, f"{what} of {name}:\n{ended.out}"
    assert ended.out.count("test session starts") == 1, ended.out
