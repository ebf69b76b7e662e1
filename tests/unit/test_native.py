"""The native extension: what it gives back, what it refuses, and that others go on meanwhile."""

import contextlib
import ctypes
import errno
import mmap
import os
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from dx_py_test_runner import _native

# https://github.com/BLAKE3-team/BLAKE3/blob/master/test_vectors/test_vectors.json
KNOWN = {
    0: "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262",
    1: "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213",
    1024: "42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7",
    102400: "bc3e3d41a1146b069abffad3c0d44860cf664390afce4d9661f7902e7943e085",
}


def pattern(length):
    return bytes(i % 251 for i in range(length))


@pytest.mark.parametrize("length", KNOWN)
def test_hashes_are_blake3(tmp_path, length):
    file = tmp_path / "file"
    file.write_bytes(pattern(length))
    known = bytes.fromhex(KNOWN[length])
    assert _native.hash_bytes(pattern(length)) == known
    assert _native.content_hash(file) == known
    assert _native.content_hash(str(file)) == known


def test_any_file_name_will_do(tmp_path):
    name = os.fsdecode(os.fsencode(tmp_path) + b"/odd \xff\n")
    Path(name).write_bytes(b"")
    assert _native.content_hash(name).hex() == KNOWN[0]
    assert _native.content_hashes([name]) == [bytes.fromhex(KNOWN[0])]


def test_what_cannot_be_read_is_an_oserror_of_its_kind(tmp_path):
    with pytest.raises(FileNotFoundError) as missing:
        _native.content_hash(tmp_path / "missing")
    assert missing.value.filename == str(tmp_path / "missing")
    with pytest.raises(IsADirectoryError):
        _native.content_hash(tmp_path)
    with pytest.raises(OSError, match="NUL"):
        _native.content_hash("a\0b")


def test_what_has_no_content_is_refused_and_not_waited_for(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (pipe, Path("/dev/zero"), Path("/dev/null")):
        with pytest.raises(OSError) as refused:
            _native.content_hash(path)
        assert refused.value.errno == errno.EINVAL


@pytest.mark.parametrize("count", [0, 1, 63, 64, 65, 1000])
def test_many_are_hashed_in_order(tmp_path, count):
    paths = []
    for number in range(count):
        paths.append(str(tmp_path / str(number)))
        if number % 7:
            Path(paths[-1]).write_text(str(number))
    expected = [_native.hash_bytes(str(n).encode()) if n % 7 else None for n in range(count)]
    assert _native.content_hashes(paths) == expected


def test_hashing_many_leaves_no_thread(tmp_path):
    _native.content_hashes([str(tmp_path)] * 1000)
    # A thread that has been waited for can be listed for an instant longer.
    deadline = time.monotonic() + 5
    while len(os.listdir("/proc/self/task")) > threading.active_count():
        assert time.monotonic() < deadline


def test_hashing_leaves_the_interpreter_to_others(tmp_path):
    big = tmp_path / "big"
    with big.open("wb") as file:
        file.truncate(256 << 20)
    done = threading.Event()
    turns = 0

    def work():
        _native.content_hash(big)
        done.set()

    thread = threading.Thread(target=work)
    thread.start()
    while not done.wait(0.001):
        turns += 1
    thread.join()
    assert turns > 5


def test_a_function_without_trace():
    def fails(error):
        raise error

    namespace = {"fails": fails}
    exec(compile("def calls(error): return fails(error)", "<own>", "exec"), namespace)
    untraced = _native.Untraced(namespace["calls"], ["<own>"])
    with pytest.raises(KeyError) as raised:
        untraced(error=KeyError("x"))
    assert [entry.name for entry in raised.traceback] == ["test_a_function_without_trace", "fails"]
    assert _native.Untraced(len, [])([1, 2]) == 2


def test_many_paths_are_stamped_at_once(tmp_path):
    file, folder, link = tmp_path / "ä", tmp_path / "folder", tmp_path / "link"
    file.write_text("four")
    folder.mkdir()
    link.symlink_to(file)
    names = [file, folder, link, tmp_path / "missing", file / "below"]
    paths = _native.Paths([os.fsencode(name) for name in names])
    numbers = struct.iter_unpack("=4Q", paths.stamps())
    status = [name.stat() for name in names[:3]]
    expected = [(one.st_size, one.st_mtime_ns, one.st_ctime_ns, one.st_ino) for one in status]
    assert list(numbers) == [*expected, *[(2**64 - 1,) * 4] * 2]
    assert paths.kinds() == b"fdf--"
    os.utime(file, ns=(0, -1))
    assert paths.stamps()[8:16] == b"\xff" * 8
    with pytest.raises(ValueError, match="null"):
        _native.Paths([b"a\0b"])


def test_pages_that_a_fork_has_written_to(tmp_path):
    """They are its own afterwards, and in another fork when they have been copied there."""
    told = tmp_path / "told"
    page = mmap.PAGESIZE
    memory = mmap.mmap(-1, 64 * page, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    memory[:] = b"x" * len(memory)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))

    def own_in_a_fork(act):
        pid = os.fork()
        if pid == 0:
            with contextlib.suppress(BaseException):
                act()
                told.write_bytes(_native.own_pages(1 << 16, 1 << 16))
            os._exit(0)
        os.waitpid(pid, 0)
        ranges = struct.iter_unpack("=2Q", told.read_bytes())
        owned = {at for start, length in ranges for at in range(start, start + length, page)}
        return [number for number in range(64) if address + number * page in owned]

    assert own_in_a_fork(lambda: memory.__setitem__(5 * page, 1)) == [5]
    ranges = struct.pack("=4Q", address + 7 * page, 2 * page, 8 * page, page)  # the second is nobody's
    assert own_in_a_fork(lambda: _native.copy_pages(ranges)) == [7, 8]
    assert memory[7 * page : 8 * page] == b"x" * page
    assert _native.own_pages(1, 1) is None


# ---- the stack, and events


def below(walk):
    return walk(sys._getframe())


def around(walk):
    return below(walk)


def test_a_walk_up_the_stack_passes_each_code_once():
    asked = []

    def classify(code):
        asked.append(code.co_name)
        return {"below": 7, "around": 3, "<lambda>": _native.Stack.OTHER}.get(code.co_name, -5)

    stack = _native.Stack(classify)
    for _ in range(2):
        numbers, (end, code) = (lambda: around(lambda frame: stack.walk(frame)))()
        assert (numbers, end, code) == ([7, 3], -5, sys._getframe().f_code)
    assert asked == ["below", "around", "<lambda>", "test_a_walk_up_the_stack_passes_each_code_once"], "each code is classified once"
    stack.set(around.__code__, -9)
    assert around(stack.walk) == ([7], (-9, around.__code__))
    assert stack.place_of(below.__code__) == 7


def test_a_walk_up_the_stack_ends_where_the_stack_does():
    stack = _native.Stack(lambda code: _native.Stack.OTHER)
    assert stack.walk(sys._getframe()) == ([], None)
    assert stack.walk(None) == ([], None)
    stack = _native.Stack(lambda code: _native.Stack.ABOVE)
    assert stack.walk(sys._getframe()) == ([], None)
    first = sys._getframe().f_code
    stack = _native.Stack(lambda code: 1 if code is first else _native.Stack.ABOVE)
    assert stack.walk(sys._getframe())[0] == [1] and stack.walk(sys._getframe())[1][0] == _native.Stack.ABOVE


def test_what_classifies_a_code_may_fail_and_what_is_walked_up_is_a_frame():
    stack = _native.Stack(lambda code: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        stack.walk(sys._getframe())
    for wrong in (1, "frame", below.__code__):
        with pytest.raises(TypeError, match="not a frame"):
            stack.walk(wrong)
        with pytest.raises(TypeError, match="not a frame"):
            _native.code_of(wrong)


AUDITED = """
import os, sys, threading
from dx_py_test_runner import _native

def f(): pass

told = []
_native.listen(lambda event, args: told.append((event, args)), {"own.event", "open"}, {"__code__"})
sys.audit("own.event", 1, "a")
sys.audit("own.other", 1)
f.__code__, f.__defaults__, _native.code_of(sys._getframe())
open(os.devnull).close()
thread = threading.Thread(target=sys.audit, args=("own.event", 2))
thread.start()
thread.join()
print([(event, args[:2] if event != "object.__getattr__" else args[1]) for event, args in told])

def refuse(event, args):
    raise LookupError(event)

_native.listen(refuse, {"own.refused"})
try:
    sys.audit("own.refused")
except LookupError as error:
    print(error)
sys.audit("own.event")
traced = []
sys.settrace(lambda frame, *_: traced.append(frame.f_code.co_name))
sys.audit("own.event")
sys.settrace(None)
print(traced)
pid = os.fork()
if not pid:
    told.clear()
    sys.audit("own.event", 3)
    os._exit(len(told))
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


def test_events_that_are_wanted_are_told_and_no_others():
    done = subprocess.run([sys.executable, "-c", AUDITED], capture_output=True, text=True)
    assert (done.stderr, done.returncode) == ("", 0)
    told, refused, traced, in_fork = done.stdout.splitlines()
    assert told == repr([("own.event", (1, "a")), ("object.__getattr__", "__code__"), ("open", ("/dev/null", "r")), ("own.event", (2,))])
    assert (refused, traced, in_fork) == ("own.refused", "[]", "1")
