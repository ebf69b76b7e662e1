"""hypothesis imports all of itself at the end of every session, used or not, to look into one set. Not with us."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

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
            with _nothing_observed():
                summary(terminalreporter)

    return pytest_terminal_summary


def _has_examples(terminalreporter: Any, plugin: Any) -> bool:
    """Whether a report, maybe of another process, holds examples that hypothesis itself must put into a patch."""
    key = getattr(plugin, "FAILING_EXAMPLES_KEY", None)
    return key is None or any(
        key in report.__dict__ for reports in terminalreporter.stats.values() for report in reports
    )


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
