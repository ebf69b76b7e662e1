"""Options to run a part of the tests: a share of them for each of several processes, or cases in some modes only."""

from __future__ import annotations

import zlib

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("parts")
    group.addoption("--shard", metavar="I/N", type=shard, help="run the I-th of N parts; cases stay together")
    group.addoption("--modes", metavar="NAMES", type=names, help="run the behaviour cases in these modes alone; of A|B each case in one")


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
    kept = [item for item in items if in_part(item, part) and in_modes(item, modes)]
    if len(kept) < len(items):
        config.hook.pytest_deselected(items=[item for item in items if item not in set(kept)])
        items[:] = kept


def in_part(item: pytest.Item, part: tuple[int, int] | None) -> bool:
    """Whether *item* belongs to the part; the modes of one case share what real pytest said about it."""
    if part is None:
        return True
    number, parts = part
    if item.get_closest_marker("conformance"):
        # They share what they download and build.
        return number == 1
    key = item.nodeid.rpartition("/")[0] if "[" in item.nodeid and "/" in item.nodeid.partition("[")[2] else item.nodeid
    return zlib.crc32(key.encode()) % parts == number - 1


def in_modes(item: pytest.Item, modes: list[list[str]] | None) -> bool:
    """Whether *item* runs in one of the modes, or in none, or as real pytest's own side."""
    mode = getattr(getattr(item, "callspec", None), "params", {}).get("mode")
    name = getattr(mode, "name", None)
    if modes is None or name is None or name == "pytest":
        return True
    case = zlib.crc32(item.nodeid.rpartition("/")[0].encode())
    return any(name == alternatives[case // 2 % len(alternatives)] for alternatives in modes)
