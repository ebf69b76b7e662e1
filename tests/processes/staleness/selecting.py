"""`--affected` on a scene: what it leaves out must be what a full pytest would say again."""

from __future__ import annotations

import json
import random
import zlib
from dataclasses import dataclass, field

from dxpy import DxPy
from staleness.edits import Edit
from staleness.outcome import Outcome
from staleness.scene import Scene
from staleness.sides import Cold, Warm
from staleness.trial import undo

AFFECTED = "--affected"


class Missed(AssertionError):
    """A test was left out, or reported otherwise than by a full pytest."""


@dataclass
class Selecting:
    """A scene, dx-py with `--affected` on it, and real pytest on copies of it.

    *args* stand for one way of running: with or without a daemon, in one process or several.
    """

    scene: Scene
    affected: Warm
    full: Cold
    args: tuple[str, ...]
    said: dict[str, list[list[str]]] = field(default_factory=dict)
    """All that pytest has reported of each test so far: what is left out may say any of it again, as edits may be undone."""

    @classmethod
    def create(cls, place: DxPy, *args: str) -> Selecting:
        affected = Warm(place)
        scene = Scene.create(affected.tree)
        scene.start, scene.finish = affected.start, affected.finish
        return cls(scene, affected, Cold(place), args)

    def compare(self, when: str, *, in_place: bool = False) -> Outcome:
        """Run both; raise unless what was run says what pytest says, and what was left out says what it said before.
        Returns what pytest says."""
        pending = self.full.begin(self.scene, in_place=in_place)
        selected = self.affected.run(self.scene, AFFECTED, *self.args)
        full = pending.outcome()
        found = misses(selected, full, self.said)
        if found:
            raise Missed("\n".join([when, *found, selected.shown, full.shown]))
        for test, lines in reports_by_test(full).items():
            self.said.setdefault(test, []).append(lines)
        self.selected = selected
        return full

    selected: Outcome = Outcome(0, ())
    """What dx-py has said last."""

    def settle(self) -> Outcome:
        """Run until nothing is new. Returns what pytest says."""
        self.compare("at first")
        self.compare("with bytecode")
        return self.compare("unchanged")


def misses(selected: Outcome, full: Outcome, before: dict[str, list[list[str]]]) -> list[str]:
    """What is wrong with a run of some tests, beside one of all and what was said before."""
    run, every = reports_by_test(selected), reports_by_test(full)
    found = []
    for test, lines in every.items():
        if test in run and run[test] != lines:
            found.append(f"{test} is reported otherwise: {run[test]}, by pytest {lines}")
        if test not in run and lines not in before.get(test, ()):
            found.append(f"{test} was left out, and says {lines}")
    found += [f"{test} does not exist for pytest" for test in run if test not in every]
    if selected.code != full.code and not (full.code == 0 and selected.code == 0):
        found.append(f"exit code {selected.code}, by pytest {full.code}")
    return found


def reports_by_test(outcome: Outcome) -> dict[str, list[str]]:
    """The reports of each test, and the errors of each collector."""
    found: dict[str, list[str]] = {}
    for line in outcome.reports:
        entry = json.loads(line)
        name = entry.get("test") or entry.get("collect")
        if name is not None:
            found.setdefault(name, []).append(line)
    return found


def try_edit(edit: Edit, selecting: Selecting) -> None:
    """Check that runs after an edit, and after undoing it, miss nothing; and that nothing is run without need."""
    scene = selecting.scene
    choice = zlib.crc32(edit.name.encode())
    if edit.prepare is not None:
        edit.prepare(scene)
        selecting.said.clear()
    at_first = selecting.settle() if not selecting.said else selecting.compare("before any edit")
    saved = scene.save()
    told = edit.apply(scene, random.Random(choice))
    edited = selecting.compare(f"after {edit.name} ({told})", in_place=edit.in_place)
    if edit.same_verdict is not None:
        assert (edited.reports == at_first.reports) == edit.same_verdict, f"the edit proves nothing: {edited.shown}"
    selecting.compare(f"after {edit.name} ({told}), again", in_place=edit.in_place)
    undo(edit, scene, saved, times=bool(choice & 2))
    selecting.compare(f"after undoing {edit.name}", in_place=edit.in_place)
