"""One numbered temporary folder for all workers of a run, made when the first of them needs one.

pytest numbers its base folders per run and keeps the last three; eight workers making one each would push out
everything that earlier runs left for the user to look at.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import mmap
import os
from pathlib import Path
from typing import Any

from _pytest import pathlib


class SharedBase:
    """Replaces ``getbasetemp`` of a ``TempPathFactory`` until the first call in each process."""

    def __init__(self, factory: Any, workers: int) -> None:
        self._factory = factory
        self._workers = workers
        self._lock = os.memfd_create("dx-py-basetemp", os.MFD_CLOEXEC)
        self._page = mmap.mmap(-1, mmap.PAGESIZE)
        self._run_pid = os.getpid()

    def install(self) -> None:
        """Put it in place; forks inherit it."""
        self._factory.getbasetemp = self._get

    def settle(self) -> None:
        """In the run, when the workers are gone: what they made is the run's, for pytest's retention policy."""
        vars(self._factory).pop("getbasetemp", None)
        if self._factory._basetemp is None:
            self._factory._basetemp = self._read()
            self._clean_up_at_the_end()
        os.close(self._lock)

    def _get(self) -> Path:
        factory = self._factory
        # The attribute shadows the method; from here on this process uses the real one.
        vars(factory).pop("getbasetemp", None)
        if factory._basetemp is not None:
            return factory._basetemp
        fcntl.lockf(self._lock, fcntl.LOCK_EX)
        try:
            shared = self._read()
            if shared is None:
                shared = self._make()
                self._write(shared)
        finally:
            fcntl.lockf(self._lock, fcntl.LOCK_UN)
        factory._basetemp = shared
        if os.getpid() != self._run_pid and self._workers > 1:
            own = shared / f"popen-{os.environ.get('PYTEST_XDIST_WORKER', 'gw0')}"
            own.mkdir(mode=0o700, exist_ok=True)
            factory._basetemp = own
        return factory._basetemp

    def _make(self) -> Path:
        """As pytest makes it. But what it does then when its process ends would come too early in a worker: the folder is the run's."""
        if os.getpid() == self._run_pid:
            return self._factory.getbasetemp()
        names = ("register_cleanup_lock_removal", "cleanup_numbered_dir")
        before = {name: getattr(pathlib, name) for name in names}
        vars(pathlib).update(dict.fromkeys(names, _nothing))
        try:
            return self._factory.getbasetemp()
        finally:
            vars(pathlib).update(before)

    def _clean_up_at_the_end(self) -> None:
        """What was left out when a worker made the folder."""
        factory = self._factory
        if factory._basetemp is None or factory._given_basetemp is not None:
            return
        keep = 0 if factory._retention_policy == "none" else factory._retention_count
        stack = getattr(factory, "_exit_stack", None)
        register = atexit.register if stack is None else stack.callback
        with contextlib.suppress(OSError):  # tests may have removed it
            made = factory._basetemp.stat().st_mtime
            if keep != 0:
                pathlib.register_cleanup_lock_removal(pathlib.get_lock_path(factory._basetemp), register)
            register(pathlib.cleanup_numbered_dir, factory._basetemp.parent, "pytest-", keep, made - pathlib.LOCK_TIMEOUT)

    def _read(self) -> Path | None:
        length = int.from_bytes(self._page[:4], "little")
        return Path(os.fsdecode(self._page[4 : 4 + length])) if length else None

    def _write(self, path: Path) -> None:
        data = os.fsencode(path)
        self._page[4 : 4 + len(data)] = data
        self._page[:4] = len(data).to_bytes(4, "little")


def _nothing(*_args: Any) -> None:
    """Done in the run, at its end."""
