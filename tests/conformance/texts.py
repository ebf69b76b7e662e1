"""The words of failures, without what two runs of the same tests cannot have in common: times, addresses, random names."""

import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

# The behaviour cases know what else may differ: places within the runners, the length of separators.
sys.path.append(str(Path(__file__).resolve().parents[1]))

from spec.normalise import normalise  # noqa: E402

RULES = (
    (re.compile(r"\b\d{4}-\d\d-\d\d([ T])\d\d:\d\d:\d\d(?:[.,]\d+)?"), r"<DATE>\1<TIME>"),
    (re.compile(r"\b[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT"), "<DATE> <TIME>"),
    (re.compile(r"\[\d\d/[A-Z][a-z]{2}/\d{4} \d\d:\d\d:\d\d\]"), "[<DATE> <TIME>]"),
    (re.compile(r"\b(?:7f[0-9a-f]{10}|1[34]\d{13})\b"), "<ADDRESS>"),  # as of `id()`, too
    (re.compile(r"\b\d+(?:\.\d+)?(?:e-\d+)? ?(?:s|ms|us|seconds)\b"), "<DURATION>"),
    (re.compile(r"/tmp[a-z0-9_]{8}\b"), "/tmp<RANDOM>"),
    # The runs of one mode may share a temporary folder: pytest numbers them.
    (re.compile(r"(/pytest-of-[^/\s]+/pytest-)\d+"), r"\1<NUMBER>"),
    (re.compile(r"(?<=started )(?:daemon )?\d{10,}"), "<THREAD>"),
)
CONTEXT = 8


def comparable(text: str, folders: Mapping[str, str] = {}) -> list[str]:
    """The lines of `text` to compare; `folders` maps paths of its run to the words that stand for them."""
    lines = normalise(text, dict(folders))
    for pattern, replacement in RULES:
        lines = [pattern.sub(replacement, line) for line in lines]
    return lines


def where_they_part(theirs: Sequence[str], ours: Sequence[str]) -> tuple[str, str]:
    """Of two texts that differ, each one's lines from the first that does."""
    pairs = zip(theirs, ours, strict=False)
    first = next((number for number, (one, other) in enumerate(pairs) if one != other), min(len(theirs), len(ours)))
    return excerpt(theirs, first), excerpt(ours, first)


def excerpt(lines: Sequence[str], first: int) -> str:
    shown = lines[max(first - 1, 0) : first + CONTEXT]
    return f"line {first + 1} of {len(lines)}:\n" + "\n".join(f"      | {line}" for line in shown)
