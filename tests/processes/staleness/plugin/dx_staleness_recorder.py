"""A pytest plugin (`-p dx_staleness_recorder`) that writes what a run reports to the file named by $STALENESS_RECORD.

One JSON object per line. Lines wait in memory until something is reported about a test, or the session ends: only then
is it certain that this process reports, and not another one that continues from it; only then is the environment read
and the file opened, each time anew: what this keeps is no business of the tests.
"""

import json
import os

import pytest

VARIABLE = "STALENESS_RECORD"
MESSAGE_LENGTH = 300

lines = []
configuration = None


def pytest_configure(config):
    global configuration
    configuration = config


def pytest_collectreport(report):
    if report.outcome != "passed":
        lines.append({"collect": report.nodeid, "outcome": report.outcome, "message": message(report)})


def pytest_deselected(items):
    lines.append({"deselected": [item.nodeid for item in items]})


@pytest.hookimpl(trylast=True)
def pytest_runtest_logreport(report):
    lines.append(
        {
            "test": report.nodeid,
            "when": report.when,
            "outcome": report.outcome,
            "message": message(report),
            "properties": [list(pair) for pair in report.user_properties],
        }
    )
    write()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(exitstatus):
    lines.append({"finish": int(exitstatus)})
    write()


def write():
    """Write the lines, unless this is a worker: what it reports, the run reports."""
    if hasattr(configuration, "workerinput") or VARIABLE not in os.environ:
        return
    text = "".join(json.dumps(line, default=str) + "\n" for line in lines)
    lines.clear()
    file = os.open(os.environ[VARIABLE], os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    try:
        os.write(file, text.encode())
    finally:
        os.close(file)


def message(report):
    """Why a report is not a pass, in short."""
    reason = report.longrepr
    if reason is None or report.outcome == "passed":
        return ""
    if isinstance(reason, tuple):
        return str(reason[2])[:MESSAGE_LENGTH]
    crash = getattr(reason, "reprcrash", None)
    if crash is not None:
        return str(crash.message)[:MESSAGE_LENGTH]
    # dx-py offers the fixtures of pytest-xdist as well.
    lines = [line for line in str(reason).splitlines() if "available fixtures:" not in line]
    return "\n".join(lines)[-MESSAGE_LENGTH:]
