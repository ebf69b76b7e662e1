"""What git says has changed, with what was there before."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from dx_py_test_runner.run.git import changes_since
from dx_py_test_runner.select.changed import Was


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    for args in (("init", "-q"), ("config", "user.name", "a"), ("config", "user.email", "a@example.org")):
        subprocess.run(["git", *args], cwd=tmp_path, check=True)
    return tmp_path


def commit(repository: Path) -> None:
    subprocess.run(["git", "add", "-A"], cwd=repository, check=True)
    subprocess.run(["git", "commit", "-q", "--allow-empty", "-m", "all"], cwd=repository, check=True)


def test_contents_of_all_kinds_of_changes(repository: Path) -> None:
    texts = {"same.py": b"1\n", "edited.py": b"blob 7\n\0\n", "gone.py": b"", "below/a b.txt": b"no line break", "line\nbreak.py": b"2\n"}
    for name, text in texts.items():
        (repository / name).parent.mkdir(exist_ok=True)
        (repository / name).write_bytes(text)
    commit(repository)
    for name in ("edited.py", "below/a b.txt", "line\nbreak.py"):
        (repository / name).write_bytes(b"other\n")
    (repository / "gone.py").unlink()
    (repository / "new.py").write_bytes(b"new\n")
    found = {str(Path(path).relative_to(repository)): was for path, was in changes_since("HEAD", str(repository)).items()}
    assert found == {
        "edited.py": Was(texts["edited.py"], True),
        "below/a b.txt": Was(texts["below/a b.txt"], True),
        "line\nbreak.py": Was(texts["line\nbreak.py"], True),
        "gone.py": Was(b"", False),
        "new.py": Was(None, True),
    }


def test_nothing_has_changed(repository: Path) -> None:
    commit(repository)
    assert changes_since("HEAD", str(repository)) == {}


def test_no_such_revision(repository: Path) -> None:
    commit(repository)
    with pytest.raises(pytest.UsageError, match="git diff says"):
        changes_since("nowhere", str(repository))


def test_processes_do_not_grow_with_the_number_of_files(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit(repository)
    for number in range(20):
        (repository / f"m{number}.py").write_bytes(b"1\n")
    started = []
    run = subprocess.run
    monkeypatch.setattr(subprocess, "run", lambda *args, **more: started.append(args) or run(*args, **more))
    assert len(changes_since("HEAD", str(repository))) == 20
    assert len(started) <= 5
