"""A pytest plugin (`-p state_recorder`) that writes every report of a test to the file named by $DEATHS_RECORD.

One JSON object per line: the process that reported, and what. The environment is read and the file opened for each
report, and closed again: nothing is held that a test could close, and a level of a daemon has read nothing yet.
"""

import json
import os


def pytest_runtest_logreport(report):
    line = {"pid": os.getpid(), "test": report.nodeid, "when": report.when, "outcome": report.outcome}
    line["text"] = "" if report.outcome == "passed" else str(report.longrepr)[-400:]
    file = os.open(os.environ["DEATHS_RECORD"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.write(file, json.dumps(line).encode() + b"\n")
    os.close(file)
