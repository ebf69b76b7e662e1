"""Ways in which code under test ends its process, or ruins it. Copied into the projects that the matrix runs.

:func:`strike` is called at the place a project is made for. It does what `$DEATHS_CAUSE` names, or nothing. The
variable is read then and no earlier, so that a daemon's levels do not depend on it unless the place is an import.
"""

import faulthandler
import mmap
import os
import resource
import signal
import subprocess
import sys
import threading
import time

LONGER_THAN_ANY_PATIENCE = 900
"""Seconds for what must not be waited for."""


def strike():
    cause = os.environ.get("DEATHS_CAUSE", "")
    if cause:
        CAUSES[cause]()


def exit_0_at_once():
    os._exit(0)


def exit_1_at_once():
    os._exit(1)


def sys_exit():
    sys.exit()


def sys_exit_0():
    sys.exit(0)


def kill_by(number):
    # SIGABRT and SIGSEGV would leave a core dump where those are on.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.kill(os.getpid(), number)
    time.sleep(LONGER_THAN_ANY_PATIENCE)


def sigkill():
    kill_by(signal.SIGKILL)


def sigsegv():
    kill_by(signal.SIGSEGV)


def sigabrt():
    kill_by(signal.SIGABRT)


def deep_recursion():
    deep_recursion()


def c_stack_overflow():
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    faulthandler._stack_overflow()


def close_fd_1():
    os.close(1)


def close_stdout():
    sys.stdout.close()


def close_inherited_fds():
    os.closerange(3, 256)


def leave_program():
    note_child(subprocess.Popen(["sleep", str(LONGER_THAN_ANY_PATIENCE)]).pid)


def leave_fork():
    pid = os.fork()
    if pid == 0:
        time.sleep(LONGER_THAN_ANY_PATIENCE)
        os._exit(0)
    note_child(pid)


def note_child(pid):
    """Children of a test are its own: nobody has to end them. Only the test that looks for left-overs must know."""
    with open(os.environ["DEATHS_CHILDREN"], "a") as file:
        file.write(f"{pid}\n")


def leave_thread():
    threading.Thread(target=threading.Event().wait, name="never-ending").start()


def use_up_memory():
    with open("/proc/self/statm") as file:
        current = int(file.read().split()[0]) * mmap.PAGESIZE
    _soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (current + (4 << 20), hard))
    bytearray(256 << 20)


CAUSES = {
    function.__name__: function
    for function in (
        exit_0_at_once,
        exit_1_at_once,
        sys_exit,
        sys_exit_0,
        sigkill,
        sigsegv,
        sigabrt,
        deep_recursion,
        c_stack_overflow,
        close_fd_1,
        close_stdout,
        close_inherited_fds,
        leave_program,
        leave_fork,
        leave_thread,
        use_up_memory,
    )
}
