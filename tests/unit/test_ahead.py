"""Compiling on a second core: the shared memory, the list of files, and when it begins."""

import marshal
import os
import subprocess
import sys
import threading

import pytest

from dx_py_test_runner import _native
from dx_py_test_runner.engine import ahead
from dx_py_test_runner.engine.ahead import Ahead, Board

TEXT = b"def test_one():\n    assert 1 + 1 == 2\n"


@pytest.fixture
def memory():
    descriptor = os.memfd_create("test")
    os.ftruncate(descriptor, ahead.SIZE)
    yield descriptor
    os.close(descriptor)


@pytest.fixture
def suite(tmp_path):
    for name in ("b/test_2.py", "a_test.py", "test_c.py", "b/other.py", "skipped/test_3.py", "venv/test_4.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(TEXT)
    (tmp_path / "venv/pyvenv.cfg").touch()
    os.mkfifo(tmp_path / "test_pipe.py")
    (tmp_path / "b/loop").symlink_to(tmp_path)
    return tmp_path


def request(*places):
    return ahead.request(list(map(str, places)), ["test_*.py", "deep/*_test.py"], ["skip*"], walrus=True)


def in_a_fork(act):
    """As the work is done: in a process that ends with it. Who the tests run in keeps its filters and its collector."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            act()
            code = 0
        finally:
            os._exit(code)
    assert os.waitpid(pid, 0)[1] == 0


@pytest.fixture
def worked(memory):
    def work(request):
        board = Board(memory)
        board.ask(request)
        in_a_fork(lambda: ahead.work(memory))
        return board

    return work


def test_files_are_listed_as_pytest_collects_them(suite, worked):
    names = worked(request(suite, suite / "b/other.py", suite / "missing")).listed()
    assert names == [str(suite / name) for name in ("a_test.py", "b/test_2.py", "test_c.py", "b/other.py")]
    collected = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--collect-only", "-qq", "-o", "python_files=test_*.py *_test.py",
         "-o", "norecursedirs=skip* loop venv", suite],
        cwd=suite, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert [str(suite / line.partition(":")[0]) for line in collected.stdout.split("\n") if line] == names[:3]


def test_code_is_found_by_file_and_text(suite, worked):
    board = worked(request(suite))
    names = board.listed()
    for number, name in enumerate(names):
        code = marshal.loads(board.get(number, _native.hash_bytes(TEXT)))
        assert code.co_filename == name and "@py_builtins" in code.co_names
        assert board.get(number, _native.hash_bytes(b"other")) is None
        board.take(number)
        assert board.get(number, _native.hash_bytes(TEXT)) is None


def test_what_warns_or_is_wrong_is_left_to_the_run(tmp_path, worked):
    for name, text in (("warns", "1 is 1"), ("wrong", "1 +"), ("tuple", "assert (1, 2)"), ("fine", "1")):
        (tmp_path / f"test_{name}.py").write_text(text)
    (tmp_path / "test_gone.py").symlink_to("nowhere")
    board = worked(request(tmp_path))
    ready = [
        os.path.basename(name)
        for number, name in enumerate(board.listed())
        if board.get(number, _native.hash_bytes(open(name, "rb").read() if os.path.exists(name) else b""))
    ]
    assert ready == ["test_fine.py"]


def test_another_interpreter_does_nothing(suite, worked):
    board = worked({**request(suite), "dialect": ("other",)})
    assert board.listed() is None


def test_it_stops_when_it_is_told_to(suite, memory):
    board = Board(memory)
    board.ask(request(suite))
    board.stop()
    in_a_fork(lambda: ahead.work(memory))
    assert board.listed() is None


def test_it_stops_when_its_parent_is_gone(suite, memory):
    board = Board(memory)
    board.ask(request(suite))
    parents = [1] * 4 + [2] * 9  # asked for in the beginning, in each of two folders, before each file

    def work():
        os.getppid = lambda: parents.pop(0)
        ahead.work(memory)

    in_a_fork(work)
    assert len(board.listed()) == 3
    assert [board.is_taken(number) for number in range(3)] == [False, False, True]


def test_files_that_the_run_has_come_to_are_passed_over(suite, memory, monkeypatch):
    board, done = Board(memory), []
    board.ask(request(suite))
    monkeypatch.setattr(ahead.warnings, "simplefilter", lambda _action: None)
    monkeypatch.setattr(ahead.gc, "disable", lambda: None)

    def compile_one(board, number, name, *, walrus):
        done.append(number)
        board.take(1)

    monkeypatch.setattr(ahead, "_compile", compile_one)
    ahead.work(memory)
    assert done == [2, 0]


def test_a_full_memory_ends_it(suite, memory, monkeypatch):
    monkeypatch.setattr(ahead, "SIZE", 4096)
    board = Board(memory)
    board.ask(request(suite))
    for name in (suite / "test_c.py", suite / "a_test.py"):
        name.write_bytes(b"text = '" + b"x" * 5000 + b"'\n")
    in_a_fork(lambda: ahead.work(memory))
    assert board.listed() and not any(board.is_taken(number) for number in range(3))


def test_what_the_run_does(suite, monkeypatch):
    """It asks when compiling has taken a while, says what it has done by then, and takes what is ready."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: {0, 1})
    started = []
    run = Ahead(lambda: request(suite), lambda descriptor: started.append(os.dup(descriptor)))
    first, *_, last = (str(suite / name) for name in ("a_test.py", "b/test_2.py", "test_c.py"))
    run.compiled(first, ahead.WORTH_IT / 2)
    assert not started and run.get(last, TEXT) is None
    run.compiled(str(suite / "b/other.py"), ahead.WORTH_IT)
    assert len(started) == 1 and run.get(last, TEXT) is None
    in_a_fork(lambda: ahead.work(started[0]))
    assert marshal.loads(run.get(last, TEXT)).co_filename == last
    assert run.get(first, TEXT) is None
    assert run.get(str(suite / "b/other.py"), TEXT) is None
    board = Board(started[0])
    assert board.listed() and [board.is_taken(number) for number in range(3)] == [True, True, True]
    assert not board.stopped
    run.end()
    assert board.stopped and run.get(last, TEXT) is None
    run.compiled(last, 10)
    assert len(started) == 1
    os.close(started[0])


@pytest.mark.parametrize("why", ["one core", "no memory", "little room"])
def test_a_run_that_gets_no_help_does_not_ask_again(why, monkeypatch):
    asked = []

    def refuse(*_args):
        asked.append(1)
        raise OSError

    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: {3} if why == "one core" else {0, 1})
    if why == "no memory":
        monkeypatch.setattr(os, "memfd_create", refuse)
    if why == "little room":
        monkeypatch.setattr(ahead.resource, "getrlimit", lambda _kind: (1 << 40, 1 << 40))
    run = Ahead(lambda: pytest.fail("asked"), lambda _descriptor: pytest.fail("asked"))
    for _ in range(3):
        run.compiled("name", 1)
    assert len(asked) <= 1


def test_a_mapping_is_shared_and_bounded(memory):
    one, two = _native.Mapping(memory, 4096), _native.Mapping(memory, 4096)
    one.write(4090, b"abcdef")
    one.store(3, 2**64 - 1)
    assert (two.read(4090, 6), two.load(3), two.load(4), two.read(4096, 0)) == (b"abcdef", 2**64 - 1, 0, b"")
    for act in (
        lambda: one.read(4091, 6),
        lambda: one.read(2**64 - 1, 2),
        lambda: one.write(4091, b"abcdef"),
        lambda: one.load(512),
        lambda: one.load(2**61),
        lambda: one.store(512, 1),
    ):
        with pytest.raises(IndexError):
            act()


def test_a_mapping_needs_no_descriptor_and_keeps_none(tmp_path):
    with open(tmp_path / "file", "w+b") as file:
        file.truncate(4096)
        before = os.listdir("/proc/self/fd")
        mapping = _native.Mapping(file.fileno(), 4096)
        assert os.listdir("/proc/self/fd") == before
        for wrong, size, error in ((file.fileno(), 4097, ValueError), (-1, 1, ValueError), (1 << 20, 1, OSError)):
            with pytest.raises(error):
                _native.Mapping(wrong, size)
    mapping.store(0, 7)
    assert mapping.load(0) == 7


def test_numbers_and_what_was_written_before_them_arrive_together(memory):
    one, two = _native.Mapping(memory, 1 << 20), _native.Mapping(memory, 1 << 20)

    def write():
        for number in range(1, 2001):
            one.write(64 + 16 * number, number.to_bytes(16, "little"))
            one.store(0, number)

    writer = threading.Thread(target=write)
    writer.start()
    seen = 0
    while seen < 2000:
        seen = two.load(0)
        assert seen == 0 or two.read(64 + 16 * seen, 16) == seen.to_bytes(16, "little")
    writer.join()
