"""A view of the file system of its own: with something read-only or full that is not so for anybody else."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from pathlib import Path

from dxpy import PATIENCE, DxPy, Ended, Started, command


_UNSHARE = ("unshare", "--user", "--map-root-user", "--mount") if os.getuid() else ("unshare", "--mount")


@functools.cache
def possible() -> bool:
    """Whether this user may have mounts of his own here."""
    if not (shutil.which("unshare") and shutil.which("nsenter")):
        return False
    return subprocess.run([*_UNSHARE, "true"], capture_output=True, check=False).returncode == 0


class Mounts:
    """A mount namespace of a place, kept alive by a process that only waits."""

    def __init__(self, place: DxPy, *preparations: str) -> None:
        """:param preparations: shell commands run inside first."""
        self.place = place
        script = " && ".join(["set -e", *preparations, "echo ready", "exec cat"])
        self._keeper = subprocess.Popen(
            [*_UNSHARE, "sh", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={"PATH": os.defpath}
        )
        assert self._keeper.stdout is not None
        assert self._keeper.stdout.readline() == b"ready\n", "the mounts could not be made"

    @classmethod
    def read_only(cls, place: DxPy, folder: Path) -> Mounts:
        """*folder* can be read and not written."""
        return cls(place, f"mount --bind {folder} {folder}", f"mount -o remount,bind,ro {folder}")

    @classmethod
    def small(cls, place: DxPy, folder: Path) -> Mounts:
        """*folder* is an empty disk of 64 KiB."""
        return cls(place, f"mount -t tmpfs -o size=64k,mode=700 none {folder}")

    def __enter__(self) -> Mounts:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._keeper.kill()
        self._keeper.communicate()

    def start(self, *args: str, program: str | None = None, **options: object) -> Started:
        """Like `DxPy.start`, inside."""
        enter = ("--target", str(self._keeper.pid), "--mount", f"--wd={self.place.project}")
        if "--user" in _UNSHARE:
            enter = ("--user", "--preserve-credentials", *enter)
        return self.place.start(*enter, program or command(), *args, program=shutil.which("nsenter"), **options)  # type: ignore[arg-type]

    def run(self, *args: str, patience: float = PATIENCE, **options: object) -> Ended:
        """Like `DxPy.run`, inside."""
        return self.start(*args, **options).wait(patience)  # type: ignore[arg-type]

    def shell(self, text: str) -> None:
        """A shell command inside that has to succeed."""
        ended = self.run("-c", text, program="/bin/sh")
        assert ended.code == 0, str(ended)
