"""Our own options, and which of pytest's a run may change without a new configuration.

Options are parsed by pytest's parser, so they may also stand in ``addopts``. The options of pytest-xdist are understood
in its place, since it cannot be loaded beside us: both would own ``-n``.
"""

from __future__ import annotations

import argparse
import os
from typing import Any

BLOCKED_PLUGINS = ("xdist", "xdist.plugin", "xdist.looponfail")

AUTO = -1
"""The value of ``-n auto``: as many workers as cores, unless something is known to need one process."""


def workers(text: str) -> int:
    """The type of ``-n``: ``auto``, ``logical`` or a number (0 means one process, as in pytest-xdist)."""
    if text in ("auto", "logical"):
        return AUTO
    try:
        count = int(text)
    except ValueError:
        raise ValueError(f"{text!r} is neither a number nor 'auto'") from None
    if count < 0:
        raise ValueError(f"{text!r} is negative")
    return count


def percent(text: str) -> float:
    """The type of ``--audit``: a number from 0 to 100, with a percent sign or without."""
    try:
        share = float(text.removesuffix("%"))
    except ValueError:
        share = -1.0
    if not 0 <= share <= 100:
        raise ValueError(f"{text!r} is no percentage")
    return share


def add_options(parser: Any) -> None:
    """Add ours to pytest's parser."""
    group = parser.getgroup("dx-py", "dx-py: processes")
    group._addoption(
        "-n",
        "--numprocesses",
        dest="numprocesses",
        metavar="N",
        type=workers,
        default=None,
        help="Number of worker processes, or 'auto' (default): the number of cores.",
    )
    group.addoption("--no-daemon", action="store_true", default=False, help="Run in a process tree of its own.")
    group.addoption(
        "--isolation",
        choices=("process", "test"),
        default=None,
        help="What tests share: a worker process, even where the run's own would do, or nothing (a fork for each test).",
    )
    group.addoption(
        "--engine",
        choices=("lean", "pytest"),
        default=None,
        help="'pytest' turns every shortcut off and runs each step through pytest's own code.",
    )
    group.addoption(
        "--affected",
        action="store_true",
        default=False,
        help="Run only the tests of which anything has changed since they passed: code, data, environment, configuration.",
    )
    group.addoption("--tell", default=None, help=argparse.SUPPRESS)
    group.addoption(
        "--changed",
        nargs="?",
        const="HEAD",
        default=None,
        metavar="REV",
        help="Run only the tests that depend on what git says has changed since REV (default: the last commit).",
    )
    group.addoption(
        "--audit",
        type=percent,
        default=0.0,
        metavar="PCT",
        help="Run this share of the tests, too, that --affected or --changed would leave out, and say if one does not pass.",
    )
    group.addoption("--history", nargs=2, default=None, help=argparse.SUPPRESS)
    group.addoption("--why", default=None, help=argparse.SUPPRESS)
    group.addoption("--doctor", action="store_true", default=False, help=argparse.SUPPRESS)
    _add_xdist_options(parser)


def _add_xdist_options(parser: Any) -> None:
    """Accept what a project's ``addopts`` may hold for pytest-xdist; only ``-n`` has a meaning here."""
    group = parser.getgroup("dx-py")
    hidden = argparse.SUPPRESS
    group.addoption("--maxprocesses", dest="maxprocesses", type=int, default=None, help=hidden)
    group.addoption("--max-worker-restart", dest="maxworkerrestart", default=None, help=hidden)
    group.addoption("--dist", dest="dist", default="no", help=hidden)
    group.addoption("--testrunuid", dest="testrunuid", default=None, help=hidden)
    group.addoption("--maxschedchunk", dest="maxschedchunk", type=int, default=None, help=hidden)
    group.addoption("--loadscope-reorder", dest="loadscopereorder", action="store_true", default=True, help=hidden)
    group.addoption("--no-loadscope-reorder", dest="loadscopereorder", action="store_false", help=hidden)


def core_count() -> int:
    """Cores this process may use; ``PYTEST_XDIST_AUTO_NUM_WORKERS`` overrides it, as users of pytest-xdist know."""
    override = os.environ.get("PYTEST_XDIST_AUTO_NUM_WORKERS", "")
    if override.isdigit() and int(override) > 0:
        return int(override)
    return len(os.sched_getaffinity(0))


LATE = frozenset(
    {
        "file_or_dir",
        "keyword",
        "markexpr",
        "deselect",
        "maxfail",
        "verbose",
        "quiet",
        "tbstyle",
        "xfail_tb",
        "showlocals",
        "showcapture",
        "reportchars",
        "durations",
        "durations_min",
        "no_header",
        "no_summary",
        "fold_skipped",
        "disable_warnings",
        "fulltrace",
        "color",
        "code_highlight",
        "collectonly",
        "newfirst",
        "continue_on_collection_errors",
        "numprocesses",
        "maxprocesses",
        "no_daemon",
        "isolation",
        "affected",
        "tell",
        "changed",
        "audit",
    }
)
"""Options that pytest reads when it needs them, or whose readers :mod:`refresh` makes anew. Any other option that
differs makes another level."""

LATE_BEFORE_COLLECTION = LATE | {"lf", "failedfirst", "last_failed_no_failures"}
"""Those that may still change in a configured level, before anything is collected."""
