"""Our own forks, and those that a test makes: a child of a test must never speak for the run.

Such a child has copies of everything: the journal, the way to the launcher, the claims still open. If it goes on where
its parent does (a test that forks and returns in both), it would report tests twice and send its own exit code first.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

_detach: list[Callable[[], None]] = []
_own = False


def fork() -> int:
    """``os.fork`` for processes of ours."""
    global _own
    _own = True
    try:
        pid = os.fork()
    finally:
        _own = False
    if pid == 0:
        _renew_threads()
    return pid


def _renew_threads() -> None:
    """Have threads that nobody has started be startable: CPython 3.13.0 to 3.13.3 take them for ended in a fork.

    https://github.com/python/cpython/issues/134381
    """
    threading = sys.modules.get("threading")
    for thread in list(getattr(threading, "_dangling", ())):
        handle = getattr(thread, "_handle", None)
        if handle is not None and handle.is_done() and not thread._started.is_set():
            thread._handle = type(handle)()


def in_strangers(action: Callable[[], None]) -> None:
    """Have *action* called in every child that is forked by somebody else from now on."""
    if not _detach:
        os.register_at_fork(after_in_child=_after_fork)
    _detach.append(action)


def _after_fork() -> None:
    if not _own:
        for action in _detach:
            action()
