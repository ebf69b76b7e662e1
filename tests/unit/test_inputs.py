"""Recorded inputs hold as long as nothing they say has changed, and not a moment longer."""

import os
import pathlib
import subprocess
import sys

import pytest

from dx_py_test_runner.inputs.compare import ALL_NAMES, Inputs, Stale, Unfit, importable_names, visible_names
from dx_py_test_runner.inputs.stamp import stamp


def inputs(**parts):
    empty = {"files": {}, "exists": {}, "listings": {}, "environment": {}, "initial_environment": {}}
    return Inputs(**{**empty, **parts})


def recorded(path):
    return inputs(files={str(path): stamp(str(path))})


def test_an_unchanged_file_holds(tmp_path):
    path = tmp_path / "a.py"
    path.write_text("x = 1\n")
    recorded(path).check({})


def test_a_same_size_edit_with_the_time_put_back_is_seen(tmp_path):
    path = tmp_path / "a.py"
    path.write_text("x = 1\n")
    before = recorded(path)
    was = path.stat()
    path.write_text("x = 2\n")
    os.utime(path, ns=(was.st_atime_ns, was.st_mtime_ns))
    with pytest.raises(Stale, match="a.py has changed"):
        before.check({})


def test_a_removed_file_is_seen(tmp_path):
    path = tmp_path / "a.py"
    path.write_text("")
    before = recorded(path)
    path.unlink()
    with pytest.raises(Stale):
        before.check({})


def test_a_missing_path_that_appears_is_seen(tmp_path):
    missing = tmp_path / "optional.py"
    before = inputs(exists={str(missing): ""})
    before.check({})
    missing.write_text("")
    with pytest.raises(Stale, match="was missing and is file"):
        before.check({})


def test_a_folder_in_place_of_a_file_is_seen(tmp_path):
    path = tmp_path / "thing"
    before = inputs(exists={str(path): "file"})
    path.mkdir()
    with pytest.raises(Stale, match="was file and is folder"):
        before.check({})


def test_a_link_that_leads_elsewhere_is_seen(tmp_path):
    link = tmp_path / "link"
    link.symlink_to("here")
    before = inputs(links={str(link): "here"})
    before.check({})
    link.unlink()
    link.symlink_to("there")
    with pytest.raises(Stale, match="leads elsewhere"):
        before.check({})


def test_a_touch_counts_when_somebody_asked_for_the_times(tmp_path):
    path = tmp_path / "a.py"
    path.write_text("x = 1\n")
    before = inputs(files={str(path): stamp(str(path))}, exact=frozenset({str(path)}))
    before.remember_contents()
    os.utime(path)
    with pytest.raises(Stale):
        before.check({})


def test_a_mere_touch_is_forgiven_once_the_content_is_known(tmp_path):
    path = tmp_path / "a.py"
    path.write_text("x = 1\n")
    before = recorded(path)
    before.remember_contents()
    os.utime(path)
    before.check({})
    path.write_text("x = 2\n")
    with pytest.raises(Stale):
        before.check({})


@pytest.mark.parametrize(
    ("kind", "reader", "name", "seen"),
    [
        ("import", importable_names, "new.py", True),
        ("import", importable_names, "package", True),
        ("import", importable_names, "notes.txt", False),
        ("visible", visible_names, "notes.txt", True),
        ("visible", visible_names, ".coverage", False),
        ("visible", visible_names, "__pycache__", False),
    ],
)
def test_which_new_names_change_a_listing(tmp_path, kind, reader, name, seen):
    folder = str(tmp_path)
    before = inputs(listings={(kind, folder): reader(folder)})
    before.check({})
    (tmp_path / name).mkdir() if "." not in name else (tmp_path / name).write_text("")
    if seen:
        with pytest.raises(Stale):
            before.check({})
    else:
        before.check({})


def test_a_settled_folder_is_not_read_again_until_its_stamp_moves(tmp_path):
    os.utime(tmp_path, (1, 1))
    before = inputs(listings={("visible", str(tmp_path)): visible_names(str(tmp_path))})
    before.check({})
    (tmp_path / "new").write_text("")
    with pytest.raises(Stale):
        before.check({})


def test_only_variables_that_were_read_matter():
    before = inputs(environment={b"READ": b"1"}, initial_environment={b"READ": b"1", b"OTHER": b"1"})
    before.check({b"READ": b"1", b"OTHER": b"2", b"NEW": b"3"})
    with pytest.raises(Unfit, match="READ"):
        before.check({b"READ": b"2"})
    with pytest.raises(Unfit, match="READ"):
        before.check({})


def test_reading_the_whole_environment_makes_every_variable_matter_but_the_terminals_own():
    before = inputs(environment={ALL_NAMES: b""}, initial_environment={b"A": b"1", b"SHLVL": b"1"})
    before.check({b"A": b"1", b"SHLVL": b"2"})
    with pytest.raises(Unfit):
        before.check({b"A": b"1", b"B": b""})


READS_WHILE_ANOTHER_READ_IS_NOTED = """
import os, sys, threading
from dx_py_test_runner.inputs.record import Recorder

first, second = sys.argv[1:]

class Owners:
    noted = []
    follows = False
    executed = None

    def note(self, kind, name):
        self.noted.append(name)
        if name == first:
            other = threading.Thread(target=os.stat, args=(second,))
            other.start()
            other.join()

    def has(self, kind, name):
        return False

recorder = Recorder(enabled=True, environment={})
recorder.owners = Owners()
os.stat(first)
recorder.stop()
sys.exit(0 if second in Owners.noted else f"heard of {Owners.noted} alone")
"""


def test_what_a_thread_reads_while_another_read_is_noted_is_heard(tmp_path):
    paths = [str(tmp_path / name) for name in ("first", "second")]
    for path in paths:
        pathlib.Path(path).write_text("")
    ended = subprocess.run([sys.executable, "-c", READS_WHILE_ANOTHER_READ_IS_NOTED, *paths], capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, ended.stderr
