"""Options to run a part of the tests: a share of them for each of several processes, cases in some modes only, or a third of the many that start processes."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import settings

# How long an example takes is up to the machine, and to what runs beside it.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")


TURNS = 4
"""In one of so many turns each case is run."""


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("parts")
    group.addoption("--shard", metavar="I/N", type=shard, help="run the I-th of N parts; cases stay together")
    group.addoption("--modes", metavar="NAMES", type=names, help="run the behaviour cases in these modes alone; of A|B each case in one")
    group.addoption(
        "--turn",
        metavar="N",
        type=int,
        help="of the behaviour cases, and of the tests of processes that have parameters, run one third, with N + 1 another, and with N + 2 the last; "
        "N decides, too, which of several modes a case runs in",
    )


def shard(text: str) -> tuple[int, int]:
    """``I/N`` with 1 <= I <= N."""
    part, _, parts = text.partition("/")
    if not (part.isdigit() and parts.isdigit() and 1 <= int(part) <= int(parts)):
        raise ValueError(text)
    return int(part), int(parts)


def names(text: str) -> list[list[str]]:
    """Names between commas; of some, parted by bars, one is taken."""
    return [alternatives.split("|") for alternatives in text.split(",")]


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    part, modes = config.getoption("--shard"), config.getoption("--modes")
    turn = config.getoption("--turn")
    asked = None if modes is None else chosen(items, modes, turn or 0)
    kept = [
        item
        for item in items
        if in_part(item, part) and in_turn(item, turn) and (asked is None or item in asked or mode_of(item) in (None, "pytest"))
    ]
    if len(kept) < len(items):
        staying = set(kept)
        config.hook.pytest_deselected(items=[item for item in items if item not in staying])
        items[:] = kept


def in_part(item: pytest.Item, part: tuple[int, int] | None) -> bool:
    """Whether *item* belongs to the part; the modes of one case share what real pytest said about it."""
    if part is None:
        return True
    number, parts = part
    if item.get_closest_marker("conformance"):
        # They share what they download and build.
        return number == 1
    return key_of(item) % parts == number - 1


def key_of(item: pytest.Item) -> int:
    """A number that stays the same, of an item or of all modes of a case."""
    key = item.nodeid.rpartition("/")[0] if "[" in item.nodeid and "/" in item.nodeid.partition("[")[2] else item.nodeid
    return zlib.crc32(key.encode())


def in_turn(item: pytest.Item, turn: int | None) -> bool:
    """Whether *item* is always run, or in this turn."""
    if turn is None or not hasattr(item, "callspec") or not item.nodeid.startswith(("tests/processes/", "tests/spec/test_spec.py")):
        return True
    return (key_of(item) // 4 + turn) % TURNS == 0


def mode_of(item: pytest.Item) -> str | None:
    """The mode in which *item* runs a behaviour case, if it does."""
    mode = getattr(getattr(item, "callspec", None), "params", {}).get("mode")
    return getattr(mode, "name", None)


def chosen(items: list[pytest.Item], modes: list[list[str]], turn: int) -> set[pytest.Item]:
    """Of each behaviour case one item for each of *modes*: where there are alternatives, one of those that the case has, told by its name and the turn."""
    cases: dict[str, dict[str, pytest.Item]] = {}
    for item in items:
        if name := mode_of(item):
            cases.setdefault(item.nodeid.rpartition("/")[0], {})[name] = item
    kept = set()
    for case, its in cases.items():
        for alternatives in modes:
            possible = [name for name in alternatives if name in its]
            if possible:
                kept.add(its[possible[(zlib.crc32(case.encode()) + turn // TURNS) % len(possible)]])
    return kept
