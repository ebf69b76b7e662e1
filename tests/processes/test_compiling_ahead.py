"""A second process compiles while the run imports: what it hands over, and that nobody else sees it."""

from __future__ import annotations

import os

import pytest

from dxpy import Process, wait_until

FILES = 20

HEAVY = "def test_sums():\n    a = 1\n" + "".join(f"    assert a + {n} == {n + 1}, 'no'\n" for n in range(400))

WATCHING = """
import os
import time
from dx_py_test_runner import _native
from dx_py_test_runner.engine import ahead
from dx_py_test_runner.engine.assertion.install import ahead_key

capture = _native.capture_asserts
captured, asked = [], []

def children_of(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return set(map(int, file.read().split()))

def others():
    # What the supervisor, who leads the session, has started besides the processes that this one descends from.
    supervisor, ancestors, pid = os.getsid(0), set(), os.getpid()
    while pid != supervisor:
        ancestors.add(pid)
        with open(f"/proc/{pid}/stat") as file:
            pid = int(file.read().rpartition(")")[2].split()[1])
    return children_of(supervisor) - ancestors

def pytest_collection(session):
    begun = session.config.stash[ahead_key]

    def wait_for_help(text, **options):
        # Once help is asked for, go on when all others are compiled.
        captured.append(text)
        if begun._board is not None and "asked" not in asked:
            asked.append("asked")
        if begun._board is not None and "WAIT" in os.environ:
            deadline = time.monotonic() + 60
            while not (begun._numbers or begun._look()) or not begun._board.is_taken(len(captured)):
                assert time.monotonic() < deadline
        return capture(text, **options)

    _native.capture_asserts = wait_for_help

def pytest_collection_finish():
    _native.capture_asserts = capture

def pytest_terminal_summary(terminalreporter):
    terminalreporter.write_line(f"captured {len(captured)} modules {*asked,}")
"""

RUN = ("test", "--no-daemon", "-p", "no:cacheprovider", "-p", "watching")


@pytest.fixture
def suite(place):
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("there is only one core")
    place.write("watching.py", WATCHING)
    place.env |= {"PYTHONPATH": str(place.project), "PYTHONDONTWRITEBYTECODE": "1", "WAIT": "1"}
    for number in range(FILES):
        place.write(f"test_{number:02}.py", HEAVY)
    return place


def captured(ended):
    [line] = [line for line in ended.out.splitlines() if line.startswith("captured")]
    return int(line.split()[1])


def outcome(ended):
    lines = [line for line in ended.out.splitlines() if not line.startswith("captured")]
    return ended.code, "\n".join(lines).rpartition(" in ")[0], ended.err


@pytest.mark.parametrize("daemon", [False, True], ids=["no-daemon", "daemon"])
@pytest.mark.parametrize("bytecode", [False, True], ids=["pack", "bytecode"])
def test_the_run_compiles_what_is_not_ready(suite, daemon, bytecode):
    suite.write("test_07.py", HEAVY.replace("a + 3 ==", "a + 3 !="))
    if bytecode:
        del suite.env["PYTHONDONTWRITEBYTECODE"]
    args = [argument for argument in RUN if argument != "--no-daemon" or not daemon]
    first = suite.run(*args)
    assert first.counts == {"failed": 1, "passed": FILES - 1}, str(first)
    assert "test_07.py:6: AssertionError" in first.out and "assert (1 + 3) != 4" in first.out
    # The one during which help is asked for has begun by then, perhaps one more.
    assert captured(first) < FILES // 2
    if daemon:
        suite.leave_nothing()
    # All of it was kept, whoever has compiled it.
    again = suite.run(*RUN)
    assert captured(again) == 0
    assert outcome(again) == outcome(first)


def test_on_one_core_nobody_is_asked(suite):
    suite.write("conftest.py", "import os\nos.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n")
    assert captured(suite.run(*RUN)) == FILES


def test_small_suites_are_compiled_by_the_run_alone(suite):
    for number in range(FILES):
        suite.write(f"test_{number:02}.py", "def test_one(): assert 1\n")
    for name in ("test_heavy.py", "test_more.py"):
        suite.write(name, HEAVY + HEAVY)
    few = suite.run(*RUN, *[f"test_{number:02}.py" for number in range(5)])
    assert captured(few) == 5 and "asked" not in few.out
    assert "asked" in suite.run(*RUN, "test_01.py", "test_heavy.py", "test_more.py", env={"WAIT": None}).out


SEES = """
import os
import watching

def look():
    try:
        return os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return "none"

SEEN = look(), watching.children_of(os.getpid()), watching.others()
DESCRIPTORS = [f"/proc/self/fd/{fd}" for fd in os.listdir("/proc/self/fd")]
OPEN = [os.readlink(path) for path in DESCRIPTORS if os.path.lexists(path)]

def test_seen():
    own, children, siblings = SEEN
    assert own == "none" and children == set()
    assert len(siblings) == 1
    assert not [name for name in OPEN if "ahead" in name]
"""


def test_no_test_can_see_or_reap_it(suite):
    suite.write("test_10.py", SEES + HEAVY)
    seen = suite.run(*RUN)
    assert seen.counts == {"passed": FILES + 1}


KILLS = """
import os
import signal
import watching

[pid] = watching.others()
os.kill(pid, signal.{signal})
with open("seen", "w") as file:
    file.write(str(pid))
"""


@pytest.fixture
def busy(suite):
    """The process has a large file to compile, which nobody needs."""
    del suite.env["WAIT"]
    suite.write("test_zz.py", "x = [1, 2, 3]\nassert x\n" * 200_000)
    suite.write("conftest.py", "collect_ignore = ['test_zz.py']\n")
    return suite


def test_the_run_goes_on_when_it_is_killed(busy):
    busy.write("test_05.py", KILLS.format(signal="SIGKILL") + HEAVY)
    killed = busy.run(*RUN)
    assert killed.counts == {"passed": FILES}, str(killed)
    assert captured(killed) == FILES


@pytest.mark.parametrize("daemon", [False, True], ids=["no-daemon", "daemon"])
def test_it_ends_with_the_run_whatever_it_does(busy, daemon):
    busy.write("test_05.py", KILLS.format(signal="SIGSTOP") + HEAVY)
    args = [argument for argument in RUN if argument != "--no-daemon" or not daemon]
    ended = busy.run(*args)
    assert ended.counts == {"passed": FILES}, str(ended)
    pid = int((busy.project / "seen").read_text())
    wait_until(lambda: Process.read(pid) is None, "the process that compiles ends", 10)
    busy.leave_nothing()
