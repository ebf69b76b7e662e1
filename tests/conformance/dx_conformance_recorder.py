"""The pytest plugin that writes down what a run reported: loaded with -p, on pytest's side and on dx-py's.

One JSON object per line, appended to the file named by $DX_CONFORMANCE_RECORD:

    {"test": NODE ID, "phases": [[WHEN, OUTCOME]...], "subtests": {OUTCOME: COUNT}, "message": TEXT, "texts": [TEXT...]}
    {"collect": NODE ID, "outcome": "failed" or "skipped", "message": TEXT, "text": TEXT}
    {"deselected": [NODE ID...]}
    {"finished": EXIT STATUS}        the last line: without it the run broke off

Nothing is read from the environment and nothing opened before the first report, since the process that configures
and collects may be another one than its fork that reports; only what they saw is carried over, in memory.
"""

import json
import os

import pytest

VARIABLE = "DX_CONFORMANCE_RECORD"
MESSAGE_LENGTH = 400


class Recorder:
    def __init__(self, config):
        self._config = config
        self._lines = []  # not yet written
        self._open_tests = {}  # node id -> the line of a test whose teardown has not been reported
        self._process = None  # the one that reports, once that is known
        self._file = None

    def pytest_collectreport(self, report):
        if report.outcome != "passed":
            line = {"collect": report.nodeid, "outcome": report.outcome}
            self._lines.append(line | {"message": message(report), "text": text(report)})

    def pytest_deselected(self, items):
        self._lines.append({"deselected": [item.nodeid for item in items]})

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report):
        self._process = self._process or os.getpid()
        if report.nodeid not in self._open_tests:
            line = {"test": report.nodeid, "phases": [], "subtests": {}, "message": "", "texts": []}
            self._open_tests[report.nodeid] = line
        line = self._open_tests[report.nodeid]
        line["message"] = line["message"] or message(report)
        if outcome(report) != "passed":
            line["texts"].append(f"{report.when} {outcome(report)}\n{text(report)}")
        if is_subtest(report):
            count = line["subtests"].get(outcome(report), 0)
            line["subtests"][outcome(report)] = count + 1
            return
        line["phases"].append([report.when, outcome(report)])
        if report.when == "teardown":
            self._lines.append(self._open_tests.pop(report.nodeid))
            self._write()

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, exitstatus):
        self._lines += [*self._open_tests.values(), {"finished": int(exitstatus)}]
        self._open_tests.clear()
        self._write()

    def _write(self):
        """Write the lines, if this is the process that reports: not a worker, and not a fork made by a test."""
        if hasattr(self._config, "workerinput") or self._process not in (None, os.getpid()):
            return
        if self._file is None and VARIABLE not in os.environ:
            return
        if self._file is None:
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
            self._file = os.open(os.environ[VARIABLE], flags, 0o644)
        text = "".join(json.dumps(line) + "\n" for line in self._lines)
        self._lines.clear()
        os.write(self._file, text.encode())  # no buffer: a fork could flush it a second time


def is_subtest(report):
    return type(report).__name__ in ("SubtestReport", "SubTestReport")  # pytest's own, and pytest-subtests'


def outcome(report):
    if hasattr(report, "wasxfail"):
        return {"skipped": "xfailed", "passed": "xpassed"}.get(report.outcome, report.outcome)
    return report.outcome


def message(report):
    """One short line or two of why a report is not a plain pass: enough to recognise the reason."""
    if hasattr(report, "wasxfail"):
        return f"xfail: {report.wasxfail}"[:MESSAGE_LENGTH]
    reason = report.longrepr
    if reason is None or report.outcome == "passed":
        return ""
    if isinstance(reason, tuple):  # a skip: path, line, reason
        return str(reason[2])[:MESSAGE_LENGTH]
    crash = getattr(reason, "reprcrash", None)
    if crash is not None:
        return str(crash.message)[:MESSAGE_LENGTH]
    return str(reason)[-MESSAGE_LENGTH:]


def text(report):
    """All that a user can be shown of a report that is no plain pass: the explanation whole, then what was captured."""
    sections = (f"--- {name} ---\n{content}" for name, content in report.sections)
    return "\n".join([report.longreprtext, *sections])


def pytest_configure(config):
    config.pluginmanager.register(Recorder(config), "dx-conformance-recorder")
