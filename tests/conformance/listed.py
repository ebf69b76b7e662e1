"""What `dx-py list` says beside what pytest collects, and the page that tells it: plain values."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass
class Compared:
    exact: int = 0
    provisional: int = 0
    """Collected, and something provisional speaks of it."""
    wrong: list[str] = field(default_factory=list)
    """Listed as exact, but not collected, or not as often."""
    missed: list[str] = field(default_factory=list)
    """Collected, and nothing provisional says so."""
    ordered: bool = False
    """The ids that are listed are those that are collected, in their order, and nothing is left open."""


@dataclass
class Found:
    """One project."""

    name: str
    version: str
    collected: int
    before: Compared
    seconds: float
    """How long the list took without an index."""
    after: Compared | None = None
    """After one run; None if none was asked for."""
    whole_run: bool = True
    """False if the run was one with `--collect-only`."""
    kept: str = ""
    """What the run says of why it has kept nothing."""

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Found":
        values = json.loads(text)
        after = values["after"] and Compared(**values["after"])
        return cls(**values | {"before": Compared(**values["before"]), "after": after})

    @property
    def is_sound(self) -> bool:
        return bool(self.collected) and not (self.before.wrong or self.before.missed)

    @property
    def is_exact_after(self) -> bool:
        return self.after is not None and self.after.ordered and self.after.exact == self.collected

    def lines(self, show: int) -> list[str]:
        before = self.before
        found = [
            f"{self.name}: pytest collects {self.collected}; exact {before.exact}, provisional {before.provisional},"
            f" wrong {len(before.wrong)}, missed {len(before.missed)}; {self.seconds * 1000:.0f} ms"
        ]
        found += [f"    {kind}: {id}" for kind in ("wrong", "missed") for id in getattr(before, kind)[:show]]
        if self.after is not None:
            found += self.after_lines(self.after, show)
        return found

    def after_lines(self, after: Compared, show: int) -> list[str]:
        if self.is_exact_after:
            return ["    after one run: all exact and in order"]
        others = self.collected - after.exact
        how = f"exact {after.exact}, wrong {len(after.wrong)}, missed {len(after.missed)}" if others else "another order, or others may be there"
        ids = [f"        {kind}: {id}" for kind in ("wrong", "missed") for id in getattr(after, kind)[:show]]
        return [f"    after one run: {how}" + (f" ({self.kept})" if self.kept else ""), *ids]


def compare(collected: list[str], listed: list[dict]) -> Compared:
    """*listed*: the objects that `dx-py list --json` prints."""
    found = Compared(ordered=[one["id"] for one in listed] == collected)
    rest = Counter(collected)
    open_files, open_ids = set(), set()
    for one in listed:
        if one["id"] is None:
            open_files.add(one["file"])
        elif not one["exact"]:
            open_ids.add(one["id"].split("[")[0])
        elif rest[one["id"]]:
            rest[one["id"]] -= 1
            found.exact += 1
        else:
            found.wrong.append(one["id"])
    for id in rest.elements():
        if is_open(id.split("::")[0], open_files) or id.split("[")[0] in open_ids:
            found.provisional += 1
        else:
            found.missed.append(id)
    return found


def is_open(file: str, open_files: set[str | None]) -> bool:
    """Whether the file, a conftest above it, or anything anywhere may hold tests that are not listed."""
    conftests = {str(folder / "conftest.py") for folder in Path(file).parents}
    return not open_files.isdisjoint({None, file, *conftests})


def latest(lines: Sequence[str], order: Sequence[str]) -> list[Found]:
    """The last result of each project among the lines of a file of results, in that order of names."""
    found = {one.name: one for one in map(Found.from_json, lines) if one.after is not None}
    return [found[name] for name in order if name in found]


def page(found: Sequence[Found], projects: int, python: str) -> str:
    """What was found, for people."""
    lines = [
        "# Ids that are known without running",
        "",
        f"Made by `make ids`: what `dx-py list` prints of real projects ({len(found)} of {projects}), beside what `pytest --collect-only -q` collects of them",
        f"with the same arguments (Python {python}, the versions in `tests/conformance/pins/`).",
        "",
        "- *exact*: listed as exact, and collected. *Provisional*: collected, and listed as something that may be or may be otherwise.",
        "- *Wrong*: listed as exact, and not collected. *Missed*: collected, and nothing in the list says that it may be there.",
        "- *After one run*: `dx-py test` with the same arguments; then every id is to be exact and in pytest's order. Where a whole run takes",
        "  long it was one with `--collect-only`, which keeps the same (marked *).",
        "",
        "| project | collected | exact | provisional | wrong | missed | exact after one run | wrong | missed | in order |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    lines += [row(one) for one in found]
    lines += [row(total(found))]
    return "\n".join(lines) + "\n"


def row(one: Found) -> str:
    after = one.after or Compared()
    name = f"{one.name} {one.version}".strip() + ("" if one.whole_run else " *")
    counts = [one.collected, one.before.exact, one.before.provisional, len(one.before.wrong), len(one.before.missed)]
    counts += [after.exact, len(after.wrong), len(after.missed)]
    return " | ".join([f"| {name}", *map(str, counts), ("yes" if after.ordered else "no") + " |"])


def total(found: Sequence[Found]) -> Found:
    return Found(
        "all",
        "",
        sum(one.collected for one in found),
        total_of([one.before for one in found]),
        sum(one.seconds for one in found),
        total_of([one.after or Compared() for one in found]),
    )


def total_of(found: Sequence[Compared]) -> Compared:
    return Compared(
        sum(one.exact for one in found),
        sum(one.provisional for one in found),
        [id for one in found for id in one.wrong],
        [id for one in found for id in one.missed],
        all(one.ordered for one in found),
    )
