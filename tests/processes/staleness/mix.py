"""A random mix of edits on one project with one daemon, each followed by a comparison. The same seed, the same mix."""

from __future__ import annotations

import random
import time
from collections import Counter
from dataclasses import dataclass, field

from dxpy import DxPy
from staleness.edits import EDITS, Edit
from staleness.outcome import Outcome, differences
from staleness.scene import Saved, Scene
from staleness.trial import NotWarm, Trial

WHOLE_SUITE = ("-n", "1")

_LONGEST_MOMENT = 0.5
"""Seconds after a run's start within which an edit is made while it is in progress."""


class Difference(AssertionError):
    """The two sides disagree; the text is all there is to say about it."""


@dataclass
class Mix:
    """One seed's sequence of edits."""

    place: DxPy
    seed: int
    step: int = 0
    differs: bool = False
    told: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        self.trial = Trial.create(self.place)
        self.scene.args = WHOLE_SUITE
        self.trial.warm_up()
        self.at_first = self.scene.save()
        self.last: Outcome | None = None

    @property
    def scene(self) -> Scene:
        return self.trial.scene

    def run(self, edits: int, *, until: float | None = None) -> None:
        """Make so many edits, or stop when the clock (`time.monotonic`) says *until*; raise on a difference."""
        while self.step < edits and (until is None or time.monotonic() < until):
            self.step += 1
            self.told.append(f"{self.step}: {self._act()}")
            self._choose_arguments()
            self.told[-1] += f" | {' '.join(self.scene.args)}"
            self._compare()

    # ---- acting

    def _act(self) -> str:
        broken = self.last is not None and self.last.broken
        chance = self.rng.random()
        if chance < (0.6 if broken else 0.06):
            return self._restore()
        if chance < 0.1:
            return self._nothing()
        if chance < 0.2:
            return self._edit_in_progress()
        if chance < 0.35:
            return f"{self._edit()} + {self._edit()}"
        return self._edit()

    def _restore(self) -> str:
        times = self.rng.random() < 0.3
        touched = self.scene.restore(self.at_first, times=times)
        self.counts["restore"] += 1
        return f"restored {len(touched)} paths{' with their times' if times else ''}"

    def _nothing(self) -> str:
        """Nothing changes, and a collected level must notice that."""
        self.scene.args = WHOLE_SUITE
        self._compare()
        self._compare()
        if self.last is not None and not self.last.broken:
            try:
                with self.trial.served_by_collected_level():
                    self._compare()
            except NotWarm as cold:
                raise Difference("\n".join([f"seed {self.seed}, step {self.step}: {cold}", *self.told])) from cold
            self.counts["checked to be warm"] += 1
        return "nothing"

    def _edit(self) -> str:
        """An edit that can be made as things are."""
        for _ in range(50):
            edit = self._draw()
            try:
                told = edit.apply(self.scene, self.rng)
            except (ValueError, OSError, IndexError, StopIteration):
                continue  # what it would edit is not there (any more)
            self.counts[edit.name] += 1
            return f"{edit.name} ({told})" if told is not None else edit.name
        return self._restore()

    def _draw(self) -> Edit:
        edits = list(EDITS.values())
        return self.rng.choices(edits, [edit.mixed for edit in edits])[0]

    def _edit_in_progress(self) -> str:
        """An edit at any moment of a run, whatever that run makes of it."""
        self.scene.args = WHOLE_SUITE
        before = self.scene.save()
        started = self.scene.start(self.scene)
        moment = self.rng.random() ** 2 * _LONGEST_MOMENT
        time.sleep(moment)
        told = self._edit()
        started.wait()
        self._discard_if_same(before)
        return f"{moment * 1000:.0f} ms after the start of a run: {told}"

    def _discard_if_same(self, before: Saved) -> None:
        self.counts["in progress" if self.scene.save() != before else "in progress, without effect"] += 1

    # ---- arguments

    def _choose_arguments(self) -> None:
        rng = self.rng
        args = ["-n", rng.choice("1112")]
        kind = rng.choices(["whole", "file", "files", "test", "keyword", "first", "failed"], [9, 2, 1, 2, 2, 2, 3])[0]
        files = self.scene.test_files() if self.scene.cwd == "project" else []
        tests = self.last.tests if self.last is not None and files else []
        if kind == "file" and files:
            args.append(rng.choice(files))
        elif kind == "files" and len(files) > 1:
            args += rng.sample(files, 2)
        elif kind == "test" and tests:
            args.append(rng.choice(tests))
        elif kind == "keyword":
            args += ["-k", rng.choice(["direct or level", "not optional", "row", "new or added", "room"])]
        elif kind == "first":
            args.append("-x")
        elif kind == "failed":
            args.append(rng.choice(["--lf", "--lf", "--ff", "--nf", "--sw"]))
        self.scene.args = tuple(args)

    # ---- comparing

    def _compare(self) -> None:
        warm, cold = self.trial.run_both()
        self.last = cold
        self.counts["runs"] += 1
        found = differences(warm, cold)
        if found:
            raise Difference(self._report(warm, cold, found))

    def _report(self, warm: Outcome, cold: Outcome, found: list[str]) -> str:
        circumstances = f"env {self.scene.env}, cwd {self.scene.cwd}, args {self.scene.args}"
        return "\n".join(
            [
                f"seed {self.seed}, step {self.step}: dx-py and a cold pytest disagree ({circumstances})",
                *found,
                *self._diagnosis(warm),
                "--- the edits so far",
                *self.told,
                f"--- dx-py's records, exit code {warm.code}",
                *warm.reports,
                f"--- pytest's records, exit code {cold.code}",
                *cold.reports,
                f"--- dx-py's output\n{warm.shown}",
                f"--- pytest's output\n{cold.shown}",
                f"--- the daemon's log\n{self.place.log()}",
                f"The files are kept in {self.place.root}",
            ]
        )

    def _diagnosis(self, warm: Outcome) -> list[str]:
        """What other runs on the same files say, to tell a stale level from stale bytecode and from other mistakes."""
        again = self.trial.warm.run(self.scene)
        fresh = self.trial.warm.run(self.scene, "--no-daemon")
        in_place = self.trial.cold.begin(self.scene, in_place=True).outcome()
        verdicts = {
            "dx-py, once more": again,
            "dx-py --no-daemon in the same place": fresh,
            "pytest on a copy with its bytecode": in_place,
        }
        return [
            f"{name}: {'something else' if differences(outcome, warm) else 'the same as dx-py said'}"
            for name, outcome in verdicts.items()
        ]
