"""What a run printed, in pieces that can be compared by themselves: each failure, each line of the short summary."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from compare import Difference
from texts import comparable, where_they_part

SECTION = re.compile(r"^=== (.+) ===$")
HEADING = re.compile(r"^___ (.+) ___$")
PROGRESS = "progress"
SHORT_SUMMARY = "short test summary info"
LAST_LINE = "last line"

Pieces = dict[str, list[str]]


def pieces(printed: str, folders: Mapping[str, str]) -> Pieces:
    """The normalised lines by where they stand: `FAILURES test_a`, and `FAILURES test_a (2)` if that is there twice."""
    found: Pieces = {PROGRESS: []}
    section = name = PROGRESS
    lines = comparable(printed, folders)
    for line in lines:
        if match := SECTION.match(line):
            section = match[1]
            name = new_name(found, section)
        elif match := HEADING.match(line):
            name = new_name(found, f"{section} {match[1]}")
        elif section == SHORT_SUMMARY and line != lines[-1]:
            name = new_name(found, f"{section}: {line.partition(' - ')[0]}")
        found[name].append(line)
    return with_last_line_apart(found, name)


def new_name(found: Pieces, name: str) -> str:
    number = 1
    unique = name
    while unique in found:
        number += 1
        unique = f"{name} ({number})"
    found[unique] = []
    return unique


def with_last_line_apart(found: Pieces, last: str) -> Pieces:
    """The counts and the warnings' documentation are no part of what stands above them."""
    if found[last]:
        found[LAST_LINE] = [found[last].pop()]
    return found


def unsteady(theirs: Sequence[Pieces]) -> set[str]:
    """What pytest itself does not print the same each time."""
    names = {name for found in theirs for name in found}
    return {name for name in names if any(found.get(name) != theirs[0].get(name) for found in theirs)}


def differences(theirs: Sequence[Pieces], ours: Pieces) -> list[Difference]:
    """What one run prints unlike pytest's runs, of which there may be several: see `fits`."""
    absent = ["(nothing)"]
    return [
        Difference("text", name, *where_they_part(theirs[0].get(name, absent), ours.get(name, absent)))
        for name in {**theirs[0], **ours}
        if not fits(ours.get(name), [found.get(name) for found in theirs])
    ]


def fits(ours: list[str] | None, theirs: Sequence[list[str] | None]) -> bool:
    """Whether ours has each line on which pytest's runs agree. If they do not even have as many, nothing can be said."""
    if ours in theirs:
        return True
    present = [lines for lines in theirs if lines is not None]
    if len(present) < len(theirs) or len({len(lines) for lines in present}) > 1:
        return any(one != theirs[0] for one in theirs)
    if ours is None or len(ours) != len(present[0]):
        return False
    return all(line == first or set(others) - {first} for line, first, *others in zip(ours, *present, strict=True))


def failures(found: Pieces) -> Counter[str]:
    """How many pieces of each kind tell of a test: a comparison of nothing would be no comparison."""
    kinds = ("FAILURES", "ERRORS", "XFAILURES")
    return Counter(kind for kind in kinds for name in found if name.startswith(f"{kind} "))
