"""The native extension: what it gives back, what it refuses, and that others go on meanwhile."""

import errno
import os
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
