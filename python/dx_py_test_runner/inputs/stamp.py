"""Stamps and content hashes: whether a file is still the file that was read."""

from __future__ import annotations

import os
import stat
from typing import NamedTuple

try:
    from dx_py_test_runner._native import content_hash as _content_hash
except ImportError:  # a source tree whose extension is not built: same answers, slower

    import hashlib

    def _content_hash(path: str) -> bytes:
        with open(path, "rb") as file:
            return hashlib.blake2b(file.read(), digest_size=32).digest()


class Stamp(NamedTuple):
    """What the file system says of a file; any edit changes at least one field, mtime put back or not."""

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int


_real_stat = os.stat
_real_readlink = os.readlink


def stamp(path: str) -> Stamp | None:
    """The stamp of *path*, or None if there is no such file."""
    try:
        status = _real_stat(path)
    except (OSError, ValueError):
        return None
    return Stamp(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)


def what_is(path: str) -> str:
    """What is at *path*: '' for nothing, 'folder', or 'file' for anything else. Links are followed."""
    try:
        mode = _real_stat(path).st_mode
    except (OSError, ValueError):
        return ""
    return "folder" if stat.S_ISDIR(mode) else "file"


def link_target(path: str) -> str | None:
    """Where the symbolic link *path* leads, or None if it is none."""
    try:
        return _real_readlink(path)
    except (OSError, ValueError):
        return None


def is_folder(path: str) -> bool:
    """Whether *path* is a folder, asked without being recorded."""
    return what_is(path) == "folder"


def content_hash(path: str) -> bytes | None:
    """The hash of a file's content, or None if it cannot be read."""
    try:
        return _content_hash(path)
    except OSError:
        return None
