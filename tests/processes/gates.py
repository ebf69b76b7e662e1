"""A project whose tests wait at gates: the tests of the runner decide when each of them may go on.

A test that arrives at its gate says so in a file of events; it waits only where the gate is closed (a FIFO that nobody
has opened for writing). Waiting ends at once when the gate opens, and costs no time otherwise.
"""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass, field
from pathlib import Path

from dxpy import DxPy, wait_until

CONFTEST = """
    import os
    from pathlib import Path

    import pytest

    # Not in the project: new files there could be new tests, and no warm level would be true any more.
    FOLDER = Path(__file__).parent.parent / "gates"

    def note(*words):
        with open(FOLDER / "events", "a") as file:
            file.write(" ".join(map(str, words)) + "\\n")

    class Gate:
        def __init__(self, name):
            self.name = name

        def wait(self):
            note("at", self.name, os.getpid())
            path = FOLDER / f"gate-{self.name}"
            if path.exists():
                open(path).close()

        def wait_stubbornly(self):
            try:
                self.wait()
            except KeyboardInterrupt:
                note("ignored", self.name)
                self.wait_stubbornly()

    @pytest.fixture(scope="module")
    def module_fixture(request):
        yield
        note("end", request.module.__name__)

    @pytest.fixture
    def gate(request, module_fixture):
        yield Gate(request.node.name)
        note("teardown", request.node.name, os.getpid())
"""

TESTS = """
    import os

    from conftest import note

    LOADED_BY = os.getpid()

    def test_{0}(gate):
        note("loaded", LOADED_BY)
        gate.wait()

    def test_{1}(gate):
        gate.wait()

    def test_{2}(gate):
        gate.wait()
"""


@dataclass
class Gates:
    """The gates of a place's project."""

    place: DxPy
    loaded_before: set[int] = field(default_factory=set)

    @property
    def folder(self) -> Path:
        return self.place.root / "gates"

    @classmethod
    def create(cls, place: DxPy, *, stubborn: bool = False) -> Gates:
        """A project with the tests a, b, c in one file and d, e, f in another.

        :param stubborn: the tests ignore KeyboardInterrupt.
        """
        tests = TESTS.replace("wait()", "wait_stubbornly()") if stubborn else TESTS
        place.write("conftest.py", CONFTEST)
        place.write("test_one.py", tests.format(*"abc"))
        place.write("test_two.py", tests.format(*"def"))
        gates = cls(place)
        gates.folder.mkdir()
        return gates

    @property
    def events(self) -> list[list[str]]:
        """What the tests have said, each as a list of words."""
        path = self.folder / "events"
        return [line.split() for line in path.read_text().splitlines()] if path.exists() else []

    def forget(self) -> None:
        """Forget the events so far."""
        (self.folder / "events").unlink(missing_ok=True)

    def names(self, event: str) -> set[str]:
        """Which tests said *event*."""
        return {words[1] for words in self.events if words[0] == event}

    def pids(self) -> set[int]:
        """The processes in which tests have arrived at their gates."""
        return {int(words[2]) for words in self.events if words[0] == "at"}

    def loaders(self) -> set[int]:
        """The processes that imported the tests which ran: not those which ran them, in a warm run."""
        return {int(words[1]) for words in self.events if words[0] == "loaded"}

    def close(self, *names: str) -> None:
        for name in names:
            os.mkfifo(self.folder / f"gate-{name}")

    def wait_for(self, event: str, *names: str) -> None:
        """Wait until each of the tests has said *event*."""
        wait_until(lambda: set(names) <= self.names(event), f"{event} of {', '.join(names)} (so far: {self.events})")

    def open(self, *names: str) -> None:
        """Let tests that wait go on."""
        for name in names:
            path = self.folder / f"gate-{name}"
            os.close(wait_until(lambda: _open_if_waited_for(path), f"a test waits at {path.name}"))

    def remove(self) -> None:
        """From now on no test waits."""
        for path in self.folder.glob("gate-*"):
            path.unlink()


def _open_if_waited_for(path: os.PathLike[str]) -> int | None:
    try:
        return os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    except OSError as error:
        if error.errno != errno.ENXIO:
            raise
        return None
