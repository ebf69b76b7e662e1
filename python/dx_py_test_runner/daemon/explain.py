"""What a run's death means: which file or test was to blame, and whether the run can be resumed."""

from __future__ import annotations

import collections
import os
from dataclasses import dataclass
from typing import Any

from dx_py_test_runner.wire import journal, status
from dx_py_test_runner.wire.deaths import how

INTERNAL_ERROR = 3

_MOST_DEATHS_WITHOUT_PROGRESS = 2


@dataclass(frozen=True, slots=True)
class Verdict:
    """Either *carry*, what the resuming process must know, or *text*, what the user is told at the end, or neither:
    the launcher ended the run and knows."""

    carry: dict[str, Any] | None
    text: str = ""


def decide(wait_status: int | None, state_fds: list[int], carry: dict[str, Any]) -> Verdict:
    """Judge a death from the status page and the journal that the run left behind."""
    manner = how(wait_status)
    if len(state_fds) < 2:
        return Verdict(None, f"the run's process {manner} before it began")
    page = status.StatusPage(os.dup(state_fds[0]))
    try:
        phase, item, doing, abandoned, silent = page.phase, page.item, page.doing, page.abandoned, page.silent
    finally:
        page.close()
    if abandoned:
        return Verdict(None)
    if phase in (status.BOOT, status.LOAD):
        return _while_loading(manner, doing, carry)
    return _while_running(manner, phase, (item, silent), doing, state_fds[1], carry)


def _while_loading(manner: str, doing: str, carry: dict[str, Any]) -> Verdict:
    kind, _, path = doing.partition(":")
    crashed = dict(carry.get("crashed_files", {}))
    if kind == "collect" and path not in crashed:
        crashed[path] = manner
        return Verdict({**carry, "crashed_files": crashed})
    where = f" while loading {path}" if path else " while pytest was starting"
    return Verdict(None, f"the run's process {manner}{where}; no test was run")


def _while_running(
    manner: str, phase: int, at: tuple[int | None, int], doing: str, journal_fd: int, carry: dict[str, Any]
) -> Verdict:
    item, silent = at
    ids, outcomes, phases = journal.states(journal_fd)
    progress = (len(outcomes), len(phases), item)
    stuck = carry.get("stuck", 0) + 1 if carry.get("progress") == progress else 0
    if phase == status.TESTS and stuck < _MOST_DEATHS_WITHOUT_PROGRESS:
        crashed = dict(carry.get("crashed_items", {}))
        if item is not None and item < len(ids):
            crashed[ids[item]] = (manner, silent)
        return Verdict({**carry, "crashed_items": crashed, "resume": True, "progress": progress, "stuck": stuck})
    return Verdict(None, _account(manner, doing, ids, outcomes))


def _account(manner: str, doing: str, ids: list[str], outcomes: dict[int, str]) -> str:
    """Name every test's state, worst first, for a run that cannot report any more."""
    where = doing.partition(":")[2] or "the end of the session"
    counts = collections.Counter(outcomes.values())
    unrun = [name for index, name in enumerate(ids) if index not in outcomes]
    tally = ", ".join(f"{counts[name]} {name}" for name in ("failed", "passed", "skipped") if counts[name])
    lines = [f"the run's process {manner} in {where}; until then: {tally or 'no results'}"]
    lines += [f"FAILED {ids[index]}" for index, outcome in outcomes.items() if outcome == "failed"]
    lines += [f"NOT RUN {name}" for name in unrun]
    return "\n".join(lines)
