"""Everything about its process that a test could see and might depend on, as plain values.

This file is copied into a project, where a test calls `record()`. It imports only the standard library, and what it
imports in addition to pytest it imports last.
"""

import os
import sys


def record(config, tmp_path, path):
    """Write the circumstances of the running test to *path*."""
    modules = sorted(sys.modules)
    found = {
        **_process(),
        **_descriptors(),
        **_interpreter(),
        **_leftovers(config),
        **_libraries(),
        "modules": modules,
        # The folders below are numbered.
        "temporary folders": str(tmp_path).partition("pytest-of-")[0],
    }
    import json

    with open(path, "w", encoding="ascii") as file:
        json.dump(found, file, default=repr)


def _process():
    import resource
    import signal

    mask = os.umask(0)
    os.umask(mask)
    status = dict(line.split(":\t", 1) for line in open("/proc/self/status").read().splitlines() if ":\t" in line)
    limits = {name: resource.getrlimit(getattr(resource, name)) for name in dir(resource) if name.startswith("RLIMIT_")}
    return {
        "cwd": os.getcwd(),
        "umask": oct(mask),
        "rlimits": limits,
        "nice": os.nice(0),
        "cores": sorted(os.sched_getaffinity(0)),
        "user": os.getresuid() + os.getresgid(),
        "groups": sorted(os.getgroups()),
        "leads its process group": os.getpgrp() == os.getpid(),
        "signal handlers": {int(number): _name(signal.getsignal(number)) for number in signal.valid_signals()},
        "signal masks": {name: _signals(status[name]) for name in ("SigBlk", "SigIgn", "SigCgt")},
        "environment": {name.decode("latin-1"): value.decode("latin-1") for name, value in os.environb.items()},
        "environment of children": _of_a_child(["/usr/bin/env", "-0"]),
        "open in children": _of_a_child(["/bin/ls", "/proc/self/fd"], close_fds=False),
    }


def _signals(mask):
    """The numbers in a mask, without the two that belong to the C library (`posix_spawn` leaves them ignored)."""
    return [number for number in range(1, 65) if int(mask, 16) >> (number - 1) & 1 and number not in (32, 33)]


def _of_a_child(command, **options):
    import subprocess

    output = subprocess.run(command, stdout=subprocess.PIPE, check=False, **options).stdout.decode("latin-1")
    separator = "\0" if "\0" in output else "\n"
    return sorted(output.strip(separator).split(separator))


def _descriptors():
    found = {}
    for fd in range(3):
        try:
            link = os.readlink(f"/proc/self/fd/{fd}")
            flags = open(f"/proc/self/fdinfo/{fd}").read().split("flags:\t")[1].split()[0]
        except OSError:
            found[fd] = "closed"
        else:
            # A captured stream is a temporary file of any name, and so is what the caller's output goes to.
            kind = "a file" if link.startswith(("/tmp/", "/var/")) else link.partition(":")[0]
            found[fd] = (kind, flags, os.isatty(fd))
    return {"descriptors": found, "streams": {name: _stream(name) for name in ("stdin", "stdout", "stderr")}}


def _stream(name):
    import re

    real = getattr(sys, f"__{name}__")
    kinds = []
    for stream in (getattr(sys, name), real):
        if stream is None:
            kinds.append(None)
            continue
        facts = {"type": type(stream).__qualname__}
        for attribute in ("encoding", "errors", "line_buffering", "write_through", "mode", "name", "newlines", "closed"):
            # The number of a descriptor that pytest opened is nobody's concern.
            facts[attribute] = re.sub(r"name=\d+", "name=N", repr(_attribute(stream, attribute)))
        facts["tty"] = stream.isatty()
        kinds.append(facts)
    return kinds


def _attribute(stream, name):
    try:
        return getattr(stream, name, "-")
    except AssertionError:
        # pytest's stand-in for stdin asks the real one, which is None where the descriptor is closed.
        return "-"


def _interpreter():
    import site

    return {
        "argv": list(sys.argv),
        "path": list(sys.path),
        "flags": str(sys.flags),
        "warnoptions": list(sys.warnoptions),
        "xoptions": dict(sys._xoptions),
        "prefixes": [sys.prefix, sys.exec_prefix, sys.base_prefix],
        "pycache prefix": sys.pycache_prefix,
        "writes no bytecode": sys.dont_write_bytecode,
        "site": [site.ENABLE_USER_SITE, site.getusersitepackages()],
        "recursion limit": sys.getrecursionlimit(),
        "switch interval": sys.getswitchinterval(),
        "digits limit": sys.get_int_max_str_digits(),
        "encodings": [sys.getfilesystemencoding(), sys.getfilesystemencodeerrors(), sys.getdefaultencoding()],
        "hash of a text": hash("a text"),
        "main module": [sys.modules["__main__"].__name__, sys.modules["__main__"].__dict__.get("__package__")],
        "hooks": {
            name: _name(getattr(sys, name))
            for name in ("excepthook", "displayhook", "unraisablehook", "breakpointhook")
        },
        "tracing": [repr(sys.gettrace()), repr(sys.getprofile())],
        "finders": [_name(finder if isinstance(finder, type) else type(finder)) for finder in sys.meta_path],
        "path hooks": len(sys.path_hooks),
        "builtins": sorted(dir(__builtins__) if not isinstance(__builtins__, dict) else __builtins__),
    }


def _leftovers(config):
    """What the runner wraps while it records what is being loaded."""
    return {
        "os.environ": [type(os.environ).__name__, type(os.environ._data).__name__],
        "os functions": {name: type(getattr(os, name)).__name__ for name in ("stat", "lstat", "access", "open", "fork")},
        "os.supports": [os.stat in os.supports_fd, os.stat in os.supports_dir_fd, os.stat in os.supports_follow_symlinks],
        "types": {
            "options": type(config.option).__qualname__,
            "sys.argv": type(sys.argv).__qualname__,
            "arguments": type(config.invocation_params.args).__qualname__,
            "sys.path": type(sys.path).__qualname__,
            "sys.modules": type(sys.modules).__qualname__,
        },
        "invocation": [str(config.invocation_params.dir), list(config.invocation_params.args)],
        "rootdir": str(config.rootpath),
    }


def _libraries():
    import atexit
    import decimal
    import gc
    import locale
    import logging
    import multiprocessing
    import tempfile
    import threading
    import time
    import warnings

    return {
        "threads": [threading.active_count(), threading.current_thread() is threading.main_thread()],
        "thread hook": _name(threading.excepthook),
        "collector": [gc.isenabled(), gc.get_threshold(), gc.get_debug()],
        "exit handlers": atexit._ncallbacks(),
        "warnings filters": [str(entry) for entry in warnings.filters],
        "showwarning": _name(warnings.showwarning),
        "logging": [logging.root.level, [_name(type(handler)) for handler in logging.root.handlers], logging.root.disabled],
        "locale": [locale.setlocale(locale.LC_ALL), locale.getpreferredencoding(), locale.getlocale()],
        "time zone": [time.tzname, time.timezone],
        "temporary files": tempfile.gettempdir(),
        "home": os.path.expanduser("~"),
        "decimal": repr(decimal.getcontext()),
        "process": [multiprocessing.current_process().name, multiprocessing.parent_process()],
    }


def _name(thing):
    thing = getattr(thing, "func", thing)
    return f"{getattr(thing, '__module__', '')}.{getattr(thing, '__qualname__', thing)}"
