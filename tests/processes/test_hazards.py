"""What a fork would share or lose: threads, sockets, children, handles made while a project is loaded.

Each suite below passes only if its tests run in the process that loaded them, and only once from each loading. So it
tells, in cold and warm runs, that the hazard was seen; `dx-py doctor` must name it and the line to blame.
"""

from __future__ import annotations

import os

import pytest

from dxpy import DxPy, Mode
from staleness.slices import slice_of

HAZARDS = {
    "thread": (
        """
        import queue, threading
        asked, answered = queue.Queue(), queue.Queue()
        def answer():  # blamed
            while True: answered.put(asked.get())
        threading.Thread(target=answer, name="answerer", daemon=True).start()
        """,
        """
        made.asked.put(1)
        assert made.answered.get(timeout=10) == 1
        """,
        "1 thread(s) started while loading: answerer",
    ),
    "thread pool": (
        """
        from concurrent.futures import ThreadPoolExecutor
        pool = ThreadPoolExecutor(1)
        pool.submit(int).result()
        """,
        "assert made.pool.submit(abs, -1).result(timeout=10) == 1",
        "1 thread(s) started while loading: ThreadPoolExecutor",
    ),
    "socket pair": (
        """
        import os, socket
        ours, theirs = socket.socketpair()  # blamed
        made_in = os.getpid()
        """,
        """
        made.ours.send(b"x")
        assert made.theirs.recv(10) == b"x" and os.getpid() == made.made_in
        """,
        "a socket open since loading",
    ),
    "server": (
        """
        import os, socket
        server = socket.socket()
        server.bind(("127.0.0.1", 0))  # blamed
        server.listen()
        made_in = os.getpid()
        """,
        """
        socket.create_connection(made.server.getsockname()).close()
        assert os.getpid() == made.made_in
        """,
        "socket.bind",
    ),
    "child": (
        """
        import subprocess
        child = subprocess.Popen(["sleep", "60"])  # blamed
        """,
        """
        assert made.child.poll() is None
        made.child.kill()
        assert made.child.wait() == -9
        """,
        "subprocess.Popen",
    ),
    "fork": (
        """
        import os
        child = os.fork()  # blamed
        if not child: os._exit(7)
        """,
        "assert os.waitstatus_to_exitcode(os.waitpid(made.child, 0)[1]) == 7",
        "os.fork",
    ),
    "process pool": (
        """
        import multiprocessing
        pool = multiprocessing.get_context("fork").Pool(1)  # blamed
        """,
        """
        assert made.pool.apply(abs, (-1,)) == 1
        made.pool.terminate()
        """,
        "os.fork",
    ),
    "database": (
        """
        import sqlite3
        base = sqlite3.connect("shop.db")  # blamed
        base.execute("drop table if exists orders")
        base.execute("create table orders (id)")
        base.commit()
        """,
        """
        made.base.execute("insert into orders values (1)")
        made.base.commit()
        assert made.base.execute("select count(*) from orders").fetchone() == (1,)
        """,
        "sqlite3.connect",
    ),
    "database in memory": (
        """
        import os, sqlite3
        base = sqlite3.connect(":memory:")
        base.execute("create table orders (id)")
        """,
        """
        made.base.execute("insert into orders values (1)")
        assert made.base.execute("select count(*) from orders").fetchone() == (1,)
        """,
        None,
    ),
    "file": (
        """
        log = open("log.txt", "w")  # blamed
        """,
        """
        made.log.write("x")
        made.log.flush()
        assert open("log.txt").read() == "x"
        """,
        "log.txt",
    ),
    "event loop": (
        """
        import asyncio, os
        loop = asyncio.new_event_loop()
        made_in = os.getpid()
        """,
        """
        assert made.loop.run_until_complete(asyncio.sleep(0, 3)) == 3 and os.getpid() == made.made_in
        """,
        "loading",
    ),
    "thread that has ended": (
        """
        import threading
        thread = threading.Thread(target=int)
        thread.start()
        thread.join()
        """,
        "assert not made.thread.is_alive()",
        None,
    ),
}
"""What loading makes; the test's body; what the doctor must say (None: it is harmless)."""

WHEN = {
    "import": ({"test_it.py": "import made\n", "made.py": "{making}"}, "made.py"),
    "conftest": ({"test_it.py": "import made\n", "made.py": "{making}", "conftest.py": "import made\n"}, "made.py"),
    "configure": (
        {
            "test_it.py": "import made\n",
            "made.py": "",
            "conftest.py": "import made\ndef pytest_configure():\n    exec(compile(making, 'made.py', 'exec'), vars(made))\n",
        },
        "conftest.py",
    ),
}

MODES = (Mode(False, 1), Mode(True, 1), Mode(True, 2))


def write(place: DxPy, hazard: str, when: str) -> str:
    """Write the project; return the file to blame."""
    making, body, _said = HAZARDS[hazard]
    files, culprit = WHEN[when]
    for name, text in files.items():
        if name == "conftest.py" and when == "configure":
            text = f"making = {strip(making)!r}\n{text}"
        place.write(name, strip(making) if text == "{making}" else text)
    test = "".join(f"    {line}\n" for line in strip(body).splitlines())
    imports = "import asyncio, os, socket\nimport made\n"
    # Two files, so that two workers are worth having.
    place.write("test_it.py", f"{imports}def test_made():\n{test}")
    place.write("test_other.py", "def test_other(): pass\n")
    return culprit


def strip(text: str) -> str:
    import textwrap

    return textwrap.dedent(text).strip("\n")


def line_to_blame(hazard: str) -> int | None:
    for number, line in enumerate(strip(HAZARDS[hazard][0]).splitlines(), 1):
        if line.endswith("# blamed"):
            return number
    return None


@pytest.mark.parametrize(
    ("hazard", "when"),
    # Each hazard at one time, in turn; at all of them by `make test-all`.
    [(hazard, when) for number, hazard in enumerate(HAZARDS) for when in slice_of(list(WHEN), number % len(WHEN), len(WHEN))],
)
def test_every_run_is_like_the_first(place: DxPy, hazard: str, when: str) -> None:
    write(place, hazard, when)
    wanted = place.pytest()
    assert wanted.counts == {"passed": 2}, str(wanted)
    for mode in MODES:
        for _again in range(3 if mode.warm else 1):
            found = place.run(*mode.args)
            assert (found.code, found.counts) == (0, {"passed": 2}), f"{mode}: {found}\n{place.log()}"
    place.leave_nothing()


@pytest.mark.parametrize("hazard", HAZARDS)
def test_the_doctor_names_it(place: DxPy, hazard: str) -> None:
    culprit = write(place, hazard, "import")
    report = place.run("doctor")
    _making, _body, said = HAZARDS[hazard]
    [warm] = [line for line in report.out.splitlines() if line.startswith("warm runs: ")]
    if said is None:
        assert warm == "warm runs: yes"
    else:
        assert warm.startswith("warm runs: no") and said in report.out, str(report)
        if line := line_to_blame(hazard):
            assert f"{culprit}:{line}" in report.out, str(report)


def test_what_the_caller_has_open_is_no_hazard(place: DxPy) -> None:
    """Such as the jobserver of make."""
    place.write("test_a.py", "def test_a(): pass\n")
    place.write("test_b.py", "def test_b(): pass\n")
    read, write_end = os.pipe()
    try:
        report = place.run("doctor", pass_fds=(read, write_end))
    finally:
        os.close(read)
        os.close(write_end)
    assert "warm runs: yes" in report.out, str(report)
    assert "parallel runs: no" not in report.out, str(report)


def test_a_plugin_without_state_keeps_no_run_in_one_process(place: DxPy) -> None:
    place.write("test_a.py", "def test_a(): pass\n")
    place.write("test_b.py", "def test_b(): pass\n")
    report = place.run("doctor", "-p", "_hypothesis_pytestplugin")
    assert "parallel runs: no" not in report.out, str(report)
