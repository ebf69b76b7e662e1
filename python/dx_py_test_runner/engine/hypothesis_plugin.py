"""hypothesis at the end of a session that has not used it: it would import all of itself, and look into every report."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from dx_py_test_runner.engine.lean.passes import PassedReports

_PLUGIN = "_hypothesis_pytestplugin"
_LOOKED_INTO = "hypothesis.internal.observability"


def spare_unused_import(config: Any) -> None:
    """Have the plugin's summary find that set without the import, in sessions in which nothing has imported hypothesis.

    Its plugin is written so that hypothesis may be absent until somebody uses it; in the summary alone it is not.
    """
    for implementation in config.hook.pytest_terminal_summary.get_hookimpls():
        if getattr(implementation.plugin, "__name__", "") == _PLUGIN:
            implementation.function = _sparing(implementation.function, implementation.plugin)


def _sparing(summary: Callable[[Any], None], plugin: Any) -> Callable[[Any], None]:
    def pytest_terminal_summary(terminalreporter: Any) -> None:
        if "hypothesis" in sys.modules or _has_examples(terminalreporter, plugin):
            summary(terminalreporter)
        else:
            with _nothing_observed(), _told_alone(terminalreporter):
                summary(terminalreporter)

    return pytest_terminal_summary


def _has_examples(terminalreporter: Any, plugin: Any) -> bool:
    """Whether a report, maybe of another process, holds examples that hypothesis itself must put into a patch."""
    key = getattr(plugin, "FAILING_EXAMPLES_KEY", None)
    return key is None or any(
        key in report.__dict__ for reports in _told(terminalreporter).values() for report in reports
    )


def _told(terminalreporter: Any) -> dict[str, list[Any]]:
    """The reporter's reports without silent passes: no plugin has ever written anything into those."""
    stats = terminalreporter.stats
    return {
        name: reports.told() if type(reports) is PassedReports else reports for name, reports in stats.items()
    }


@contextmanager
def _told_alone(terminalreporter: Any) -> Iterator[None]:
    stats, terminalreporter.stats = terminalreporter.stats, _told(terminalreporter)
    try:
        yield
    finally:
        terminalreporter.stats = stats


@contextmanager
def _nothing_observed() -> Iterator[None]:
    """Modules as the summary looks for them, as they are as long as no property was tested."""
    observability = types.ModuleType(_LOOKED_INTO)
    observability._WROTE_TO = set()  # type: ignore[attr-defined]
    stand_ins = {_LOOKED_INTO: observability}
    stand_ins |= {name: types.ModuleType(name) for name in ("hypothesis", "hypothesis.internal")}
    sys.modules.update(stand_ins)
    try:
        yield
    finally:
        for name in stand_ins:
            del sys.modules[name]
