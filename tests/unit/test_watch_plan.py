"""What a watch does when files are saved, runs end and keys are pressed."""

from __future__ import annotations

import os
import select

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dx_py_test_runner._native import Changes
from dx_py_test_runner.watch.files import folders, is_watched
from dx_py_test_runner.watch.plan import ALL, Ask, Leave, Say, Start, Stop, Verdict, Watch

A, B = "tests/test_a.py::test_a", "tests/test_b.py::test_b"
GREEN = Verdict(0, ran=frozenset({A, B}))
RED = Verdict(1, failing=(A,), ran=frozenset({A, B}))


def watch(*args: str) -> Watch:
    """One that has begun and seen everything pass."""
    made = Watch(args, root="/p")
    assert made.begin() == [Start((*args, "--affected"))]
    made.ended(GREEN)
    return made


def said(actions: list) -> str:
    return "\n".join(action.text for action in actions if isinstance(action, Say))


def test_a_save_runs_what_it_affects():
    assert watch("-q").saved(["/p/m.py"], "10:00:00") == [Start(("-q", "--affected"))]


def test_the_save_that_broke_a_test_is_named_and_stays_so():
    it = watch()
    it.saved(["/p/src/m.py"], "10:00:01")
    text = said(it.ended(RED))
    assert f"broken by src/m.py, saved 10:00:01: {A}" in text
    assert "1 failing" in text
    it.saved(["/p/other.py"], "10:00:02")
    assert "broken by" not in said(it.ended(RED))
    assert it.failing[A].paths == ("/p/src/m.py",)


def test_what_fails_from_the_beginning_was_broken_by_no_save():
    it = Watch((), root="/p")
    it.begin()
    assert "broken by" not in said(it.ended(RED))
    assert it.failing == {A: None}


def test_a_save_during_a_run_stops_it_and_both_saves_count():
    it = watch()
    it.saved(["/p/m.py"], "10:00:01")
    assert it.saved(["/p/n.py"], "10:00:02") == [Stop(), Say("n.py saved: the run stops and begins again")]
    assert it.saved(["/p/o.py"], "10:00:03") == []
    assert it.ended(Verdict(2, complete=False, whole=False)) == [Start(("--affected",))]
    assert "broken by m.py, n.py, o.py, saved 10:00:03" in said(it.ended(RED))


def test_a_run_that_was_faster_than_its_stop_counts():
    it = watch()
    it.saved(["/p/m.py"], "10:00:01")
    it.saved(["/p/n.py"], "10:00:02")
    actions = it.ended(RED)
    assert f"broken by m.py, saved 10:00:02: {A}" in said(actions)
    assert actions[-1] == Start(("--affected",))


def test_a_test_that_is_left_out_because_it_is_known_to_pass_fails_no_longer():
    it = watch()
    it.saved(["/p/m.py"], "10:00:01")
    it.ended(RED)
    it.saved(["/p/m.py"], "10:00:02")
    assert f"fails no longer: {A}" in said(it.ended(Verdict(0)))
    assert it.failing == {}


@pytest.mark.parametrize("verdict", [Verdict(1, failing=(B,), ran=frozenset({B}), whole=False), Verdict(4, whole=False)])
def test_a_run_that_did_not_get_to_a_failing_test_says_nothing_of_it(verdict):
    it = watch()
    it.saved(["/p/m.py"], "10:00:01")
    it.ended(RED)
    it.key("\n")
    it.ended(verdict)
    assert A in it.failing


def test_failing_tests_are_run_by_name_with_the_users_options():
    it = watch("-q", "-k", "test", "tests")
    assert said(it.key("f")) == "no test fails"
    it.saved(["/p/m.py"], "10:00:01")
    it.ended(RED)
    assert it.key("f") == [Start(("-q", "-k", "test", A))]
    # A run of nothing else cannot tell that they are gone.
    it.ended(Verdict(5))
    assert A in it.failing


def test_all_are_run_again_when_a_save_stops_a_run_of_all():
    it = watch()
    assert it.key("a") == [Start(())]
    it.saved(["/p/m.py"], "10:00:01")
    assert it.ended(Verdict(2, complete=False)) == [Start(())]
    assert it._kind == ALL


def test_paths_and_names_are_asked_for_kept_and_forgotten():
    it = watch("-v", "tests")
    (ask,) = it.key("p")
    assert isinstance(ask, Ask)
    assert ask.answer("'a b.py' c") == [Start(("-v", "a b.py", "c", "--affected"))]
    assert "only a b.py c" in said(it.ended(GREEN))
    (ask,) = it.key("t")
    assert ask.answer("one or two") == [Start(("-v", "a b.py", "c", "-k", "one or two", "--affected"))]
    it.ended(GREEN)
    assert it.key("u")[-1] == Start(("-v", "tests", "--affected"))
    it.ended(GREEN)
    (ask,) = it.key("p")
    assert "cannot be read" in said(ask.answer("'"))


def test_interrupts_end_the_run_then_the_watch():
    it = watch()
    it.saved(["/p/m.py"], "10:00:01")
    assert it.interrupted() == [Stop()]
    actions = it.ended(Verdict(2, complete=False))
    assert not any(isinstance(action, Start) for action in actions)
    assert it.interrupted() == [Leave(2)]


def test_the_last_verdict_is_the_exit_code():
    it = watch()
    it.saved(["/p/m.py"], "10:00:01")
    it.ended(RED)
    assert it.key("q") == [Leave(1)]


_EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("saved"), st.sampled_from(["/p/a.py", "/p/b.py"])),
        st.tuples(st.just("key"), st.sampled_from("afsu\nhx")),
        st.tuples(st.just("ended"), st.sampled_from([GREEN, RED, Verdict(2, complete=False, whole=False), Verdict(4, whole=False)])),
    ),
    max_size=30,
)


@given(_EVENTS)
def test_one_run_at_a_time_and_no_save_is_forgotten(events):
    it = Watch((), root="/p")
    running = bool(it.begin())
    owed = False
    for kind, value in events:
        if kind == "ended" and not running:
            continue
        if kind == "ended":
            running = False
        actions = {"saved": lambda: it.saved([value], "10"), "key": lambda: it.key(value), "ended": lambda: it.ended(value)}[kind]()
        owed = owed or kind == "saved"
        for action in actions:
            if isinstance(action, Start):
                assert not running
                running, owed = True, False
        # What was saved is being run, or will be as soon as the run that goes on has ended.
        assert running or not owed


def test_what_nobody_reads_is_not_looked_at(tmp_path):
    for path in ("a/b", ".git/x", "env/lib", "a/__pycache__"):
        (tmp_path / path).mkdir(parents=True)
    (tmp_path / "env/pyvenv.cfg").touch()
    (tmp_path / "a/loop").symlink_to(tmp_path)
    assert sorted(folders(str(tmp_path))) == [str(tmp_path), str(tmp_path / "a"), str(tmp_path / "a/b")]
    assert is_watched("a.py", folder=False)
    assert is_watched("data.json", folder=False)
    for name in ("a.pyc", "a.py~", ".a.py.swp", ".#a.py", "4913"):
        assert not is_watched(name, folder=False), name


def test_changes_are_told_with_their_paths(tmp_path):
    changes = Changes()
    changes.add(str(tmp_path))
    (tmp_path / "made").mkdir()
    (tmp_path / "file.py").write_text("1")
    os.replace(tmp_path / "file.py", tmp_path / "renamed.py")
    assert select.select([changes], [], [], 10)[0]
    found, lost = changes.read()
    assert not lost
    assert (str(tmp_path / "made"), True) in found
    assert (str(tmp_path / "renamed.py"), False) in found
    assert changes.read() == ([], False)
    with pytest.raises(FileNotFoundError):
        changes.add(str(tmp_path / "nowhere"))
