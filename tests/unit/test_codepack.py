"""The code pack's folder, its binding, and what it does not keep."""

import marshal
import multiprocessing
import os
import stat
import threading
import warnings
from pathlib import Path

import pytest

from dx_py_test_runner import _native
from dx_py_test_runner.engine.assertion import codepack
from dx_py_test_runner.engine.assertion.codepack import CodePack, folder

KEY = bytes(32)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({b"DX_PY_CACHE_DIR": b"/one", b"XDG_CACHE_HOME": b"/two", b"HOME": b"/three"}, "/one"),
        ({b"DX_PY_CACHE_DIR": b"", b"XDG_CACHE_HOME": b"/two", b"HOME": b"/three"}, "/two/dx-py"),
        ({b"XDG_CACHE_HOME": b"relative", b"HOME": b"/"}, "/.cache/dx-py"),
        ({b"HOME": b"/proc/none\xff"}, None),
        ({b"HOME": b"relative"}, None),
        ({}, None),
    ],
)
def test_folder(environment, expected):
    assert folder(environment) == (expected and Path(expected))


def compiled(text, name="one.py"):
    return lambda: compile(text, name, "exec", dont_inherit=True)


@pytest.fixture
def pack(tmp_path):
    return lambda build="build", root="/root": CodePack(tmp_path / "cache", Path(root), build)


def test_code_is_found_by_its_text_alone(pack):
    first = pack()
    first.compile(b"text", compiled("def f(): return 1\n"))
    assert first.get(b"text", "one.py") is None  # as it was when it was opened
    first.save()
    code = pack().get(b"text", "/elsewhere/two.py")
    assert [code.co_filename, code.co_consts[0].co_filename] == ["/elsewhere/two.py"] * 2
    assert pack().get(b"other", "one.py") is None
    assert pack(build="other").get(b"text", "one.py") is None
    assert pack(root="/other").get(b"text", "one.py") is None


def test_what_is_not_code_is_not_given(pack):
    first = pack()
    for blob in (b"", b"not marshalled", marshal.dumps("text")):
        _native.add_to_pack(first.path, [(first._key(b"text", codepack.CAPTURED), blob)], used=set(), limit=1000)
        assert pack().get(b"text", "one.py") is None


def test_the_file_is_the_users_alone(pack):
    first = pack()
    first.compile(b"text", compiled("1"))
    first.save()
    assert stat.S_IMODE(os.stat(first.path).st_mode) == 0o600
    os.chmod(first.path, 0o622)
    assert pack().get(b"text", "one.py") is None


def test_a_module_with_warnings_is_compiled_as_ever_and_not_kept(pack):
    first = pack()
    before = warnings.filters
    with pytest.warns(SyntaxWarning):
        assert first.compile(b"text", compiled("1 is 1"))
    assert warnings.filters is not codepack._ERRORS and warnings.filters == before
    first.save()
    assert not first.path.exists()


def test_while_other_threads_run_filters_stay_and_nothing_is_kept(pack):
    first, seen, go = pack(), [], threading.Event()
    thread = threading.Thread(target=go.wait)
    thread.start()
    try:
        first.compile(b"text", lambda: seen.append(warnings.filters is codepack._ERRORS) or compiled("1")())
    finally:
        go.set()
        thread.join()
    first.save()
    assert seen == [False] and not first.path.exists()


def test_after_saving_nothing_is_kept(pack):
    first = pack()
    first.save()
    first.compile(b"text", compiled("1"))
    first.save()
    assert not first.path.exists()


def test_kinds_are_told_apart(pack):
    first = pack()
    first.compile(b"text", compiled("x = 'captured'"))
    first.compile(b"text", compiled("x = 'plain'"), codepack.PLAIN)
    first.save()
    found = [pack().get(b"text", "one.py", kind).co_consts[0] for kind in (codepack.CAPTURED, codepack.PLAIN)]
    assert found == ["captured", "plain"]


def test_what_cannot_be_written_is_an_oserror_of_its_kind(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises((NotADirectoryError, FileExistsError)) as refused:
        _native.add_to_pack(tmp_path / "file" / "pack", [(KEY, b"")], used=set(), limit=1000)
    assert refused.value.filename == str(tmp_path / "file" / "pack")


def _write(path, number):
    for _ in range(30):
        _native.add_to_pack(path, [(bytes([number]) * 32, bytes([number]) * 5000)], used=set(), limit=1 << 20)
        pack = _native.Pack.open(path)
        assert all(pack.get(bytes([other]) * 32) in (None, bytes([other]) * 5000) for other in range(4))


def test_processes_that_write_at_once_leave_a_whole_pack(tmp_path):
    path = tmp_path / "pack"
    writers = [multiprocessing.get_context("fork").Process(target=_write, args=(path, number)) for number in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert [writer.exitcode for writer in writers] == [0] * 4
    assert len(_native.Pack.open(path)) >= 1 and os.listdir(tmp_path) == ["pack"]
