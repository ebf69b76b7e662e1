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
    found = {}
    for name in filter(None, [*changed.split(b"\0"), *unknown.split(b"\0")]):
        path = os.path.join(top, os.fsdecode(name))
        before = subprocess.run(["git", "show", f"{revision}:{os.fsdecode(name)}"], cwd=top, capture_output=True, check=False)
        found[path] = Was(before.stdout if before.returncode == 0 else None, os.path.lexists(path))
    return found


def _git(folder: str, *args: str) -> bytes:
    try:
        done = subprocess.run(["git", *args], cwd=folder, capture_output=True, check=False)
    except OSError as error:
        raise pytest.UsageError(f"--changed needs git: {error}") from None
    if done.returncode:
        raise pytest.UsageError(f"--changed: git {args[0]} says: {done.stderr.decode('utf-8', 'replace').strip()}")
    return done.stdout
