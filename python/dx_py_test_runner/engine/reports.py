"""Reports as data and back, and the reports we write ourselves about processes that died."""

from __future__ import annotations

from typing import Any

import pytest
from _pytest._code.code import TerminalRepr
from _pytest.capture import FDCapture

try:
    from _pytest.subtests import SubtestReport, failed_subtests_key
except ImportError:  # before pytest 9
    SubtestReport = failed_subtests_key = None

PHASES = ("setup", "call", "teardown")


def to_data(config: Any, report: Any) -> dict[str, Any]:
    """A report as plain values, by the hook that plugins with reports of their own implement."""
    data = config.hook.pytest_report_to_serializable(config=config, report=report)
    if data is None:
        return {**report.__dict__, "$report_type": "TestReport"}
    longrepr = getattr(report, "longrepr", None)
    if isinstance(data.get("longrepr"), str) and not isinstance(longrepr, str):
        data[_DRAWN] = True
    if _CONTEXT in data and failed_subtests_key is not None:
        data[_FAILED] = config.stash[failed_subtests_key].get(getattr(report, "id", report.nodeid), 0)
        if _is_captured(config):
            data[CAPTURED] = True
    return data


def _is_captured(config: Any) -> bool:
    """Whether what the terminal reporter writes now is captured as the test's own: so it is for subtests of unittest."""
    capturing = getattr(config.pluginmanager.getplugin("capturemanager"), "_global_capturing", None)
    return capturing is not None and type(capturing.out) is FDCapture and capturing.out._state == "started"


_DRAWN = "$drawn"
_CONTEXT = "_subtest.context"
_FAILED = "$failed_subtests"

CAPTURED = "$captured"
"""In the data of a report: what is written to the terminal about it is lost under pytest."""


def phase_of(data: dict[str, Any]) -> str:
    """The phase that has ended with the report of which *data* is made; '' if none has, as with a subtest's."""
    return "" if _CONTEXT in data else data.get("when") or ""


class _Drawn(TerminalRepr):
    """What is left of an explanation that draws itself: its text. Unlike a plain string it has no short form."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __str__(self) -> str:
        return self._text

    def toterminal(self, tw: Any) -> None:
        for line in self._text.splitlines():
            tw.line(line)


def from_data(config: Any, data: dict[str, Any]) -> Any:
    """The report that :func:`to_data` was given, in the process that reports it.

    Subtests that have failed are counted where they run, which fails their test where that is reported: the number comes along.
    """
    data = dict(data)
    drawn = data.pop(_DRAWN, False)
    data.pop(CAPTURED, None)
    failed = data.pop(_FAILED, 0)
    context = data.get(_CONTEXT)
    report = config.hook.pytest_report_from_serializable(config=config, data=data)
    if context is not None and SubtestReport is not None and isinstance(report, SubtestReport):
        # Made anew, it has the representations of the values' representations.
        object.__setattr__(report.context, "kwargs", context["kwargs"])
        if failed:
            config.stash[failed_subtests_key][getattr(report, "id", report.nodeid)] = failed
    if drawn:
        report.longrepr = _Drawn(report.longrepr)
    return report


def crash_reports(
    item: Any, last_phase: str | None, manner: str, output: str = "", *, silent: int = 0
) -> list[Any]:
    """What to report for an item whose process died.

    :param last_phase: the last phase that was reported (``setup``, ``call``), or None if none was.
    :param manner: how the process ended, in words.
    :param output: what the test had written, if it could be saved.
    :param silent: how many phases had passed, if none was reported.
    """
    if not last_phase and silent:
        passed = [_report(item, phase, "passed", None, "") for phase in PHASES[:silent]]
        return passed + crash_reports(item, PHASES[silent - 1], manner, output)
    phase = PHASES[0] if last_phase not in PHASES else PHASES[min(PHASES.index(last_phase) + 1, 2)]
    where = {"setup": "while setting up", "call": "while running", "teardown": "while tearing down"}[phase]
    text = f"the process {manner} {where} {item.nodeid}"
    reports = [_report(item, phase, "failed", text, output)]
    if phase != "teardown":
        reports.append(_report(item, "teardown", "passed", None, ""))
    return reports


def _report(item: Any, when: str, outcome: str, text: str | None, output: str) -> Any:
    return pytest.TestReport(
        nodeid=item.nodeid,
        location=item.location,
        keywords={name: 1 for name in item.keywords},
        outcome=outcome,
        longrepr=text,
        when=when,
        sections=[("Captured output", output)] if output else [],
        duration=0.0,
        start=0.0,
        stop=0.0,
    )
