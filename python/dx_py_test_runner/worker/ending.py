"""What keeps a process alive after its last test, and for how long it may."""

from __future__ import annotations

import os
import threading


def exit_grace() -> float:
    """Seconds that threads and exit handlers which keep a process alive get after its last test."""
    try:
        return float(os.environ.get("DX_PY_EXIT_GRACE", "10"))
    except ValueError:
        return 10.0


def lasting_threads() -> list[threading.Thread]:
    """The threads that an interpreter would wait for."""
    me = threading.current_thread()
    return [t for t in threading.enumerate() if t is not me and not t.daemon and t is not threading.main_thread()]


def tell_pools() -> None:
    """Ask thread pools to end their threads, as an interpreter does before it waits for them."""
    for action in reversed(getattr(threading, "_threading_atexits", [])):
        action()
