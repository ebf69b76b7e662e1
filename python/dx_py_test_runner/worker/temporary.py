"""One numbered temporary folder for all workers of a run, made when the first of them needs one.

pytest numbers its base folders per run and keeps the last three; eight workers making one each would push out
everything that earlier runs left for the user to look at.
"""

from __future__ import annotations

import fcntl
import mmap
import os
from pathlib import Path
from typing import Any


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
                shared = factory.getbasetemp()
                self._write(shared)
        finally:
            fcntl.lockf(self._lock, fcntl.LOCK_UN)
        factory._basetemp = shared
        if os.getpid() != self._run_pid and self._workers > 1:
            own = shared / f"popen-{os.environ.get('PYTEST_XDIST_WORKER', 'gw0')}"
            own.mkdir(mode=0o700, exist_ok=True)
            factory._basetemp = own
        return factory._basetemp

    def _read(self) -> Path | None:
        length = int.from_bytes(self._page[:4], "little")
        return Path(os.fsdecode(self._page[4 : 4 + length])) if length else None

    def _write(self, path: Path) -> None:
        data = os.fsencode(path)
        self._page[4 : 4 + len(data)] = data
        self._page[:4] = len(data).to_bytes(4, "little")
