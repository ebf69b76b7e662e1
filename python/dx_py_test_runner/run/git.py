"""What git says has changed."""

from __future__ import annotations

import os
import subprocess

import pytest

from dx_py_test_runner.select.changed import Was


def changes_since(revision: str, folder: str) -> dict[str, Was]:
    """What has changed in the working tree of *folder* since *revision*, by absolute path; files that git does not know are new.

    :raises pytest.UsageError: there is no such revision, or no repository.
    """
    top = _git(folder, "rev-parse", "--show-toplevel").decode().strip()
    changed = _git(top, "diff", "--name-only", "-z", "--no-renames", revision, "--")
    unknown = _git(top, "ls-files", "--others", "--exclude-standard", "-z")
    names = list(filter(None, [*changed.split(b"\0"), *unknown.split(b"\0")]))
    paths = [os.path.join(top, os.fsdecode(name)) for name in names]
    before = _contents(top, revision, names)
    return {path: Was(content, os.path.lexists(path)) for path, content in zip(paths, before, strict=True)}


def _contents(top: str, revision: str, names: list[bytes]) -> list[bytes | None]:
    """What was in files at a revision; None of one that was none. All are asked of one process."""
    if not names:
        return []
    entries = {}
    for entry in filter(None, _git(top, "ls-tree", "-r", "-z", "--full-tree", revision).split(b"\0")):
        about, _, name = entry.partition(b"\t")
        _mode, kind, number = about.split(b" ")
        if kind == b"blob":
            entries[name] = number
    # By their numbers: names may have line breaks in them.
    asked = [entries[name] for name in names if name in entries]
    answer = _git(top, "cat-file", "--batch", given=b"".join(number + b"\n" for number in asked))
    found: list[bytes | None] = []
    at = 0
    for _number in asked:
        head, _, _rest = answer[at : at + 200].partition(b"\n")
        start = at + len(head) + 1
        length = head.rsplit(b" ", 1)[1]
        if not length.isdigit():
            found.append(None)  # it is missing here
            at = start
            continue
        found.append(answer[start : start + int(length)])
        at = start + int(length) + 1
    rest = iter(found)
    return [next(rest) if name in entries else None for name in names]


def _git(folder: str, *args: str, given: bytes | None = None) -> bytes:
    try:
        done = subprocess.run(["git", *args], cwd=folder, capture_output=True, check=False, input=given)
    except OSError as error:
        raise pytest.UsageError(f"--changed needs git: {error}") from None
    if done.returncode:
        raise pytest.UsageError(f"--changed: git {args[0]} says: {done.stderr.decode('utf-8', 'replace').strip()}")
    return done.stdout
