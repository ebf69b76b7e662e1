"""Paths of files that are made from their directory's are those that pytest makes of their text."""

import os
from pathlib import Path, PosixPath

from dx_py_test_runner.engine.lean import files


def test_a_path_made_from_its_directory_is_the_one_of_its_text(tmp_path: Path) -> None:
    names = ["test_a.py", "test_ü.py", "a b.py", "test_\udce4.py", "..py"]
    for name in names:
        (tmp_path / name).touch()
    made = {entry.name: files._path_of(entry, tmp_path) for entry in os.scandir(tmp_path)}
    assert sorted(made) == sorted(names)
    for name, path in made.items():
        text = PosixPath(f"{tmp_path}/{name}")
        assert (path, str(path), hash(path), path.parts, path.stem, path.parent) == (
            text, str(text), hash(text), text.parts, text.stem, text.parent,
        )
        assert type(path) is PosixPath
