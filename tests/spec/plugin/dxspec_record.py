"""Writes what pytest's reporting hooks say, one JSON line each, to the file that $DXSPEC_RECORD names.

It is loaded with `-p dxspec_record` into both sides. The variable is read at each line, because a process that
loaded this plugin for one run may serve another. A worker stays silent: its reports are the reporting process's.
"""

import os

# By name: a test that is being reported may have replaced what the modules hold.
from json import dumps
from os import O_APPEND, O_CREAT, O_WRONLY
from os import close as close_descriptor
from os import open as open_descriptor
from os import write as write_bytes

import pytest

VARIABLE = "DXSPEC_RECORD"
silent = False
last_path = None


def pytest_configure(config):
    global silent
    silent = hasattr(config, "workerinput")


def write(**line):
    global last_path
    # A test that empties the environment must not lose its own report.
    last_path = os.environ.get(VARIABLE, last_path)
    if silent or last_path is None:
        return
    text = dumps(line, default=str) + "\n"
    descriptor = open_descriptor(last_path, O_WRONLY | O_APPEND | O_CREAT, 0o600)
    try:
        write_bytes(descriptor, text.encode("utf-8", "backslashreplace"))
    finally:
        close_descriptor(descriptor)


@pytest.hookimpl(trylast=True)
def pytest_collectreport(report):
    write(
        kind="collect",
        nodeid=str(report.nodeid),
        outcome=report.outcome,
        found=[str(node.nodeid) for node in report.result or ()],
        sections=[list(section) for section in report.sections],
        text=report.longreprtext,
    )


@pytest.hookimpl(trylast=True)
def pytest_deselected(items):
    write(kind="deselected", nodeids=[str(item.nodeid) for item in items])


@pytest.hookimpl(trylast=True)
def pytest_runtest_logreport(report):
    crash = getattr(report.longrepr, "reprcrash", None)
    context = getattr(report, "context", None)
    write(
        kind="test",
        type=type(report).__name__,
        nodeid=str(report.nodeid),
        when=report.when,
        outcome=report.outcome,
        wasxfail=getattr(report, "wasxfail", None),
        subtest=None if context is None else [context.msg, dict(context.kwargs)],
        location=list(report.location),
        keywords=sorted(str(keyword) for keyword in report.keywords),
        properties=[list(pair) for pair in report.user_properties],
        sections=[list(section) for section in report.sections],
        message=getattr(crash, "message", None),
        text=report.longreprtext,
    )


@pytest.hookimpl(trylast=True)
def pytest_warning_recorded(warning_message, when, nodeid):
    write(
        kind="warning",
        nodeid=str(nodeid),
        when=when,
        category=warning_message.category.__name__,
        message=str(warning_message.message),
    )


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session, exitstatus):
    write(kind="finish", exitstatus=int(exitstatus), collected=session.testscollected, failed=session.testsfailed)
