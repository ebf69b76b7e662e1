"""Which modules pytest's import hook takes for itself, and where it caches them: our steps and pytest's own agree."""

from __future__ import annotations

import os
import sys
from pathlib import Path, PurePosixPath
from types import SimpleNamespace
from typing import Any

import pytest
from _pytest.assertion import rewrite
from _pytest.assertion.rewrite import AssertionRewritingHook
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dx_py_test_runner.engine.assertion import finding

pytestmark = pytest.mark.skipif(
    pytest.version_tuple[:2] != finding.KNOWN, reason="another release of pytest: its own code runs"
)

FILES = (
    *("test_one.py", "one_test.py", "conftest.py", "helper.py", "check_two.py", "marked.py", "test_pack/__init__.py"),
    *("test_pack/test_in.py", "test_pack/plain.py", "test_pack/marked.py", "pack/__init__.py", "pack/test_deep.py"),
    *("test_space/inner.py", "test_byte.pyc", "sub/test_one.py", "sub/given.py"),
)
NAMES = (
    *("test_one", "one_test", "conftest", "helper", "check_two", "marked", "test_pack", "test_pack.test_in"),
    *("test_pack.plain", "test_pack.marked", "pack", "pack.test_deep", "test_space", "test_byte", "given", "missing"),
    *("test_missing", "test_pack.test_missing", "", "test_pack.", ".test_one", "a/test_one", "test one", "test_\0"),
    *("test_link", "test_dangling"),
)
PATTERNS = ("test_*.py", "*_test.py", "check_*.py", "*.py", "[!t]*.py", "sub/*.py", "pack", "TEST_*.py", "", "*")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("project")
    for name in FILES:
        path = root / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text("")
    (root / "test_link.py").symlink_to(root / "helper.py")
    (root / "test_dangling.py").symlink_to(root / "nowhere.py")
    return root


class Session:
    """What the hook asks a session for."""

    def __init__(self, initial: list[Path]) -> None:
        self._initialpaths = frozenset(initial)

    def isinitpath(self, path: Path) -> bool:
        return path in self._initialpaths


def hook_for(config: Any, root: Path, patterns: list[str], *, asked: list[str] | None, marked: tuple[str, ...]) -> Any:
    """A hook that knows *patterns*, and a session that was asked for the files *asked*, if that is no None."""
    hook = AssertionRewritingHook(config)
    hook.fnpats = patterns
    if asked is not None:
        hook.set_session(Session([root / name for name in asked]))  # type: ignore[arg-type]
    hook.mark_rewrite(*marked)
    return hook


def told(spec: Any, hook: Any) -> Any:
    """All that a spec says, with no name for the hook itself."""
    if spec is None:
        return None
    return spec.name, spec.origin, spec.loader is hook, spec.submodule_search_locations, spec.has_location, spec.cached


def found(find: Any, hook: Any, name: str, path: list[str] | None) -> Any:
    try:
        return told(find(hook, name, path), hook)
    except Exception as error:
        return type(error), str(error)


@given(
    patterns=st.lists(st.sampled_from(PATTERNS), max_size=3),
    asked=st.none() | st.lists(st.sampled_from(FILES), max_size=2),
    marked=st.sampled_from([(), ("marked",), ("test_pack",), ("pack.test_deep", "helper")]),
    inside=st.sampled_from(["", "test_pack", "sub", "pack"]),
    traced=st.booleans(),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_the_same_specs_are_found(
    project: Path,
    pytestconfig: pytest.Config,
    patterns: list[str],
    asked: list[str] | None,
    marked: tuple[str, ...],
    inside: str,
    traced: bool,
) -> None:
    lines: dict[str, list[str]] = {}
    outcomes = {}
    for way, find in (("own", finding._find_spec), ("lean", finding.find_spec)):
        trace = SimpleNamespace(_writer=print if traced else None, _tags2proc={})
        config = SimpleNamespace(
            stash={rewrite.assertstate_key: SimpleNamespace(trace=lines.setdefault(way, []).append)},
            trace=SimpleNamespace(root=trace),
            getini=pytestconfig.getini,
        )
        hook = hook_for(config, project, patterns, asked=asked, marked=marked)
        outcomes[way] = [found(find, hook, name, [str(project / inside)]) for name in NAMES]
    assert outcomes["lean"] == outcomes["own"]
    if traced:
        assert lines["lean"] == lines["own"]


def test_a_changed_hook_finds_by_itself(project: Path, pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch) -> None:
    hook = hook_for(pytestconfig, project, ["test_*.py"], asked=None, marked=())
    monkeypatch.setattr(hook, "_find_spec", lambda name, path: None)
    assert finding._matcher(hook) is None
    monkeypatch.undo()
    assert finding._matcher(hook) is not None
    monkeypatch.setattr(AssertionRewritingHook, "_early_rewrite_bailout", lambda *_: True)
    assert finding._matcher(hook) is None
    monkeypatch.undo()
    assert finding._matcher(type("Derived", (AssertionRewritingHook,), {})(pytestconfig)) is None


@pytest.mark.parametrize("name", ["/a/b/test_c.py", "/a/b/test_d.py", "/test_c.py", "test_c.py", "a/test_c.py", "/"])
@pytest.mark.parametrize("prefix", [None, "/cache"])
def test_caches_are_in_the_same_place(name: str, prefix: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "pycache_prefix", prefix)
    assert finding.get_cache_dir(Path(name)) == finding._get_cache_dir(Path(name))
    assert finding.get_cache_dir(PurePosixPath(name)) == finding._get_cache_dir(PurePosixPath(name))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["file", "file/below", "there", "there/below/it", "link"])
def test_folders_are_made_as_by_pytest(name: str, tmp_path: Path) -> None:
    outcomes = []
    for way, make in (("lean", finding.try_makedirs), ("own", finding._try_makedirs)):
        root = tmp_path / way
        (root / "there").mkdir(parents=True)
        (root / "file").write_text("")
        (root / "link").symlink_to("nowhere/else")
        made = [make(root / name), make(root / name)]
        outcomes.append((made, sorted(str(path.relative_to(root)) for path in root.rglob("*"))))
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize("name", ["makedirs", "mkdir"])
@pytest.mark.parametrize("make", [finding.try_makedirs, finding._try_makedirs])
def test_who_replaces_what_makes_folders_is_heard(name: str, make: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object, **_more: object) -> None:
        called.append(name)
        raise FileNotFoundError

    called: list[str] = []
    monkeypatch.setattr(os, name, refuse)
    assert make(tmp_path) is (name == "mkdir") and called == [name]
