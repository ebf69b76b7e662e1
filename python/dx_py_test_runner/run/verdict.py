"""What a run tells a program that has asked for it (``--tell FILE``), so that nobody has to read what is meant for people."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from dx_py_test_runner.engine.lean.items import node_ids
from dx_py_test_runner.history import store


def verdict_of(session: Any, exit_status: int, *, stopped: bool) -> dict[str, Any]:
    """A session's end as plain values.

    :param stopped: whether somebody has interrupted it.
    :returns: ``code``; ``failing``, the node ids that failed or had an error; ``ran``, those of all that were run;
        ``complete`` and ``whole``, whether it came to its end, and whether nothing was left out on the way there;
        ``root``, the project's folder.
    """
    failing = dict.fromkeys(report.nodeid for kind in ("failed", "error") for report in _reports(session, kind))
    whole = not (stopped or session.shouldstop or session.shouldfail or exit_status not in (0, 1, 5))
    if whole:
        ran = node_ids(session.items)
    else:
        kinds = ("passed", "failed", "error", "skipped", "xfailed", "xpassed")
        ran = list(dict.fromkeys(report.nodeid for kind in kinds for report in _reports(session, kind)))
    return {
        "code": int(exit_status),
        "failing": list(failing),
        "ran": ran,
        "complete": not stopped,
        "whole": whole,
        "root": str(session.config.rootpath),
    }


def _reports(session: Any, kind: str) -> list[Any]:
    reporter = session.config.pluginmanager.getplugin("terminalreporter")
    return [] if reporter is None else [report for report in reporter.stats.get(kind, ()) if hasattr(report, "nodeid")]


def write(path: str, verdict: dict[str, Any]) -> None:
    """Write it to a file, whole or not at all.

    :raises OSError: it cannot be written.
    """
    store.write(Path(path), json.dumps(verdict).encode())
