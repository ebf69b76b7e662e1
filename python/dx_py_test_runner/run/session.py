"""One run from its first line to its exit code: pytest's own ``main``, with our plugin in it."""

from __future__ import annotations

import atexit
import os
import sys
import threading
import time
from typing import NoReturn

from dx_py_test_runner.run.plugin import RunPlugin
from dx_py_test_runner.tower import adopt
from dx_py_test_runner.tower.job import Job
from dx_py_test_runner.tower.tower import Tower
from dx_py_test_runner.wire import frames
from dx_py_test_runner.wire.status import FINISH

_INTERRUPTED = 130
_INTERNAL_ERROR = 3

_EXIT_GRACE = float(os.environ.get("DX_PY_EXIT_GRACE", "10"))
"""Seconds that threads and exit handlers which keep the process alive get after the session's end."""


def run_job(job: Job) -> NoReturn:
    """Serve *job* in this process (a child of the base) and end the process."""
    tower = Tower(job)
    adopt.enter(job)
    # From here on the process may have become another one, with another job: always ask the tower.
    plugin = RunPlugin(tower)
    try:
        code = _pytest_main(plugin)
    except SystemExit as exit_request:
        code = _exit_code(exit_request)
        if code == 0 and not plugin.loaded:
            code = _not_green(tower)
    except BaseException as error:
        # What pytest lets through ends its interpreter, with the interpreter's own status.
        import traceback

        traceback.print_exc()
        code = _INTERRUPTED if isinstance(error, KeyboardInterrupt) else 1
    leave(tower, code)


def _not_green(tower: Tower) -> int:
    """pytest would end with 0 when a conftest calls ``sys.exit()``, as if tests had passed. Nothing was run."""
    where = tower.page.doing.partition(":")[2]
    sys.stderr.write(f"dx-py: sys.exit() was called while loading {where}; no test was run\n")
    return _INTERNAL_ERROR


def _pytest_main(plugin: RunPlugin) -> int:
    """Call pytest as its console script would, with our plugin registered before anything is parsed."""
    from _pytest import config

    args = list(plugin.tower.job.args)
    try:
        if hasattr(config, "_main"):
            code = config._main(args=args, plugins=[plugin], prog="pytest")
        else:
            code = config.main(args=args, plugins=[plugin])
        sys.stdout.flush()
        return int(code)
    except BrokenPipeError:
        # As in pytest: what could not be written must not raise again when the streams are closed.
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        return 1


def _exit_code(request: SystemExit) -> int:
    """The status that the interpreter would give for an uncaught ``SystemExit``."""
    if request.code is None:
        return 0
    if isinstance(request.code, int):
        return request.code & 0xFF
    sys.stderr.write(f"{request.code}\n")
    return 1


def leave(tower: Tower, code: int) -> NoReturn:
    """End as an interpreter ends (threads, ``atexit``, streams), but within a bounded time, and say the exit code."""
    tower.page.phase = FINISH
    tower.page.doing = "finish:the interpreter's exit handlers"
    watchdog = threading.Thread(target=_give_up_waiting, args=(tower, code), daemon=True)
    try:
        watchdog.start()
    except (RuntimeError, MemoryError):
        pass  # a test has used up what a thread needs; then nobody watches
    try:
        # What the interpreter does at its end: wait for threads, then call the exit handlers.
        threading._shutdown()
        atexit._run_exitfuncs()
    except BaseException:
        import traceback

        traceback.print_exc()
    _say_goodbye(tower, code)


def _give_up_waiting(tower: Tower, code: int) -> None:
    """pytest's process would wait without end; ours waits for a while, then says who is to blame."""
    time.sleep(_EXIT_GRACE)
    waiting_for = ", ".join(thread.name for thread in _lasting_threads()) or "an exit handler"
    sys.stderr.write(
        f"dx-py: the process could not end within {_EXIT_GRACE:g} s after the session: {waiting_for} still runs. "
        "pytest would wait for it without end; make such threads daemon threads, or end them.\n"
    )
    _say_goodbye(tower, code or 1)


def _say_goodbye(tower: Tower, code: int) -> NoReturn:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, OSError, ValueError):
            pass
    tower.tell({"op": "done", "run": tower.job.number})
    if tower.job.control is not None:
        try:
            frames.send_frame(tower.job.control, frames.EXIT, bytes([code & 0xFF]))
        except OSError:
            pass
    os._exit(code & 0xFF)


def _lasting_threads() -> list[threading.Thread]:
    me = threading.current_thread()
    return [t for t in threading.enumerate() if t is not me and not t.daemon and t is not threading.main_thread()]
