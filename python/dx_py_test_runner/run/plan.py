"""Grouping and counting: which items go together, and how many workers pay. Pure."""

from __future__ import annotations

from typing import NamedTuple


class Group(NamedTuple):
    """Items ``[start, stop)`` of the collected order that stay in one process, one after the other."""

    start: int
    stop: int


def groups_of(nodeids: list[str], *, alone: bool = False) -> list[Group]:
    """Consecutive items of one file form a group: they share module, class and package fixtures.

    :param alone: every item is a group of its own (``--isolation=test``).
    """
    if alone:
        return [Group(index, index + 1) for index in range(len(nodeids))]
    groups: list[Group] = []
    start, current = 0, "\0"
    for index, nodeid in enumerate(nodeids):
        if not nodeid.startswith(current):
            before, current = current, nodeid.partition("::")[0] + "::"
            if current != before:
                if index > start:
                    groups.append(Group(start, index))
                start = index
    if len(nodeids) > start:
        groups.append(Group(start, len(nodeids)))
    return groups


def join(groups: list[Group], labels: list[str | None]) -> list[Group]:
    """Join groups, with all between them, so that items of one label (None: of none) are in one group.

    :param labels: one for each item.
    """
    last = {label: index for index, label in enumerate(labels) if label is not None}
    joined: list[Group] = []
    reach = -1
    for group in groups:
        if group.start <= reach:
            joined[-1] = Group(joined[-1].start, group.stop)
        else:
            joined.append(group)
        reach = max([reach, *(last[label] for label in labels[group.start : group.stop] if label is not None)])
    return joined


SHORT = 0.2
"""Seconds that a run of several processes takes at most for one of one process to be tried."""

FORKING = 0.04
"""Seconds that several processes take before they are of use: to be forked, and to write first to pages that they share."""


def several_pay(alone: float | None, several: float | None, available: int) -> bool:
    """Whether several processes are worth starting, if *available* can run at the same time.

    :param alone: seconds that one process has taken for the same items (None: never tried).
    :param several: the same of several.
    """
    if several is None:
        return True
    if alone is None:
        return several >= SHORT
    # What several have taken may have been more than it would be now: in a level's first runs nothing is at hand.
    return min(several, FORKING + alone / available) < alone


def worker_count(available: int, groups: list[Group]) -> int:
    """Workers worth starting: never more than groups."""
    return max(1, min(available, len(groups)))
