"""One run from its first line to its exit code: pytest's own ``main``, with our plugin in it."""

from __future__ import annotations

import _thread
import atexit
import functools
import os
import signal
import sys
import threading
import time
from typing import NoReturn

from dx_py_test_runner.run.plugin import RunPlugin, TeardownFailed
from dx_py_test_runner.tower import adopt
from dx_py_test_runner.tower.job import Job
from dx_py_test_runner.tower.tower import Tower
from dx_py_test_runner.wire import frames
from dx_py_test_runner.wire.status import FINISH
from dx_py_test_runner.worker.ending import exit_grace, lasting_threads

_INTERRUPTED = 130
_INTERNAL_ERROR = 3


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
    except TeardownFailed as error:
        sys.stderr.write(str(error))
        code = 1
    except BaseException as error:
        # What pytest lets through ends its interpreter, with the interpreter's own status.
        import traceback

        traceback.print_exc()
        code = _INTERRUPTED if isinstance(error, KeyboardInterrupt) else 1
    while True:
        try:
            leave(tower, code)
        except KeyboardInterrupt:
            continue  # the session is over and its verdict stands


def _not_green(tower: Tower) -> int:
    """pytest would end with 0 when a conftest calls ``sys.exit()``, as if tests had passed. Nothing was run."""
    where = tower.page.doing.partition(":")[2]
    sys.stderr.write(f"dx-py: sys.exit() was called while loading {where}; no test was run\n")
    return _INTERNAL_ERROR


def _pytest_main(plugin: RunPlugin) -> int:
    """Call pytest as its console script would, with our plugin registered before anything is parsed."""
    from _pytest import config

    main = getattr(config, "_main", None)
    more = {"prog": "pytest"} if main else {}
    namespace = vars(sys.modules["__main__"])
    # Called from where pytest's command calls its own: who looks up the stack finds that command.
    call = compile("code = console_main()", namespace.get("__file__") or "<pytest>", "exec")
    args = list(plugin.tower.job.args)
    namespace.update(sys=sys, console_main=functools.partial(main or config.main, args=args, plugins=[plugin], **more))
    try:
        exec(call, namespace)
        code = namespace.pop("code")
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
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    tower.page.phase = FINISH
    tower.page.doing = "finish:the interpreter's exit handlers"
    if tower.lasting:
        sys.stderr.write(_LASTING.format(grace=exit_grace(), names=", ".join(tower.lasting)))
        code = code or 1
    try:
        # Not ``threading``'s: nobody has to wait until it has begun, or finds it when he counts threads.
        _thread.start_new_thread(_give_up_waiting, (tower, code))
    except (RuntimeError, MemoryError):
        # No memory for a thread's stack, or no more threads allowed: tests have set a limit.
        signal.signal(signal.SIGALRM, lambda *_: _give_up(tower, code))
        signal.setitimer(signal.ITIMER_REAL, exit_grace())
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
    time.sleep(exit_grace())
    _give_up(tower, code)


_LASTING = (
    "dx-py: the process could not end within {grace:g} s after the session: {names} still runs. "
    "pytest would wait for it without end; make such threads daemon threads, or end them.\n"
)


def _give_up(tower: Tower, code: int) -> NoReturn:
    waiting_for = ", ".join(thread.name for thread in lasting_threads()) or "an exit handler"
    sys.stderr.write(_LASTING.format(grace=exit_grace(), names=waiting_for))
    _say_goodbye(tower, code or 1)


def _say_goodbye(tower: Tower, code: int) -> NoReturn:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, OSError, ValueError):
            pass
    _let_go()
    tower.tell({"op": "done", "run": tower.job.number})
    if tower.job.control is not None:
        try:
            frames.send_frame(tower.job.control, frames.EXIT, bytes([code & 0xFF]))
        except OSError:
            pass
    tower.learn()
    os._exit(code & 0xFF)


def _let_go() -> None:
    """Hold the client's terminal or pipes no longer. Who reads them to their end need not wait until the memory of this process is taken down."""
    try:
        null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        for target in range(3):
            os.dup2(null, target)
    except OSError:
        pass  # no descriptor left: they end with the process
