"""What ``dx-py doctor`` says: what keeps a project from warm and from parallel runs, and who is to blame."""

from __future__ import annotations

import os
import platform
from typing import Any

import pytest

from dx_py_test_runner.engine.lean import guards
from dx_py_test_runner.run import distribute, options
from dx_py_test_runner.run.plan import groups_of, worker_count


def report(session: Any, recorder: Any, hazard: str | None) -> None:
    """Print the report of a session that has collected its items and will not run them."""
    config = session.config
    writer = config.pluginmanager.get_plugin("terminalreporter")
    for line in lines(session, recorder, hazard):
        writer.write_line(line)


def lines(session: Any, recorder: Any, hazard: str | None) -> list[str]:
    """The report's lines."""
    config = session.config
    groups = groups_of([item.nodeid for item in session.items])
    automatic = config.option.numprocesses in (None, options.AUTO)
    one = distribute.why_one_process(config, session.items, hazard, automatic=automatic)
    cores = options.core_count()
    counts = recorder.snapshot().counts()
    found = [
        "",
        f"python {platform.python_version()}, pytest {pytest.__version__}, {config.rootpath}",
        f"{len(session.items)} tests in {len(groups)} files; loading them read {counts['files']} files, "
        f"{counts['listings']} folders and {counts['environment']} environment variables",
        f"warm runs: {'no, every run loads again: ' + hazard if hazard else 'yes'}",
        f"parallel runs: {'no: ' + one if one else f'{worker_count(cores, groups)} workers on {cores} cores'}",
    ]
    for name, reason in guards.verdicts(config).items():
        found.append(f"lean {name}: {'no: ' + reason if reason else 'yes'}")
    if recorder.effects:
        found.append("while loading, this changed something outside the process:")
        found += [f"  {effect.what}\n    at {_relative(effect.culprit, config)}" for effect in recorder.effects]
    if recorder.starts:
        found.append("while loading, threads or sockets were started (harmless if they have ended):")
        found += [f"  {start.what}\n    at {_relative(start.culprit, config)}" for start in recorder.starts]
    if hazard:
        found.append("move it into a fixture, or into pytest_sessionstart of a plugin that undoes it, to get warm runs")
    return found


def _relative(culprit: str, config: Any) -> str:
    path, _, line = culprit.rpartition(":")
    near = os.path.relpath(path, config.invocation_params.dir)
    return culprit if near.startswith("..") else f"{near}:{line}"
