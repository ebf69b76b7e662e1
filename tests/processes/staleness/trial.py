"""Trying one edit: warm up, edit, compare, undo, compare."""

from __future__ import annotations

import random
import re
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from dxpy import DxPy
from staleness.edits import Edit
from staleness.outcome import Outcome, differences
from staleness.scene import Saved, Scene
from staleness.sides import Cold, Level, Warm


class StaleVerdict(AssertionError):
    """dx-py and a cold pytest disagree on the same files."""


class NotWarm(AssertionError):
    """A run on unchanged files was not served by a collected level: what was compared proves nothing."""


@dataclass
class Trial:
    """A scene with its two sides."""

    scene: Scene
    warm: Warm
    cold: Cold
    was_warm: bool = False

    @classmethod
    def create(cls, place: DxPy) -> Trial:
        warm = Warm(place)
        scene = Scene.create(warm.tree)
        scene.start, scene.finish = warm.start, warm.finish
        return cls(scene, warm, Cold(place))

    # ---- comparing

    def compare(self, what: str, *, in_place: bool = False) -> Outcome:
        """Run both sides on the scene as it is; raise unless they agree. Returns what they said."""
        warm, cold = self.run_both(in_place=in_place)
        found = differences(warm, cold)
        if found:
            raise StaleVerdict(
                "\n".join([f"{what}: dx-py and a cold pytest disagree", *found, *self._shown(warm, cold)])
            )
        return cold

    def run_both(self, *, in_place: bool = False) -> tuple[Outcome, Outcome]:
        """Both sides at the same time, on what the files are now."""
        pending = self.cold.begin(self.scene, in_place=in_place)
        warm = self.warm.run(self.scene)
        return warm, pending.outcome()

    def compare_twice(self, what: str, *, in_place: bool = False) -> Outcome:
        """The second run is served by what the first left behind."""
        self.compare(what, in_place=in_place)
        return self.compare(f"{what}, again", in_place=in_place)

    def _shown(self, warm: Outcome, cold: Outcome) -> Iterator[str]:
        yield f"--- dx-py {' '.join(self.scene.args)}\n{warm.shown}"
        yield f"--- pytest\n{cold.shown}"
        yield f"--- the daemon's log\n{self.warm.place.log()}"

    # ---- being warm

    def warm_up(self) -> Outcome:
        """Run until a collected level serves the runs, and check that it does. The first run leaves bytecode behind, so
        that levels are loaded from that, as they are most of the time."""
        if not self.was_warm:
            self.warm.run(self.scene, "--no-daemon")
            self.compare_twice("before any edit")
        self.was_warm = True
        with self.served_by_collected_level():
            return self.compare("unchanged")

    @contextmanager
    def served_by_collected_level(self) -> Iterator[set[Level]]:
        """Check that runs in this block are served by the collected levels that are there: one that was not would have
        left a level of its own, or a line in the log about why the others do not serve."""
        before, log = self.warm.levels(self.scene), self.warm.place.log()
        if not before:
            raise NotWarm(f"no collected level after the warm-up\n{log}")
        yield before
        after, more = self.warm.levels(self.scene), self.warm.place.log().removeprefix(log)
        # Levels that earlier edits have made stale are asked, too; what they say is no news unless all have said it.
        refused = Counter(re.findall(r" run (\d+): collected is ", more))
        if after != before or any(count >= len(before) for count in refused.values()):
            raise NotWarm(f"levels before {before}, after {after}\n--- logged since\n{more}--- logged before\n{log}")


def try_edit(edit: Edit, trial: Trial) -> None:
    """Check that runs after an edit, and after undoing it, say what a cold pytest says."""
    scene = trial.scene
    choice = zlib.crc32(edit.name.encode())
    scene.args = ("-n", str(1 + choice % 2))
    if edit.prepare is not None:
        edit.prepare(scene)
    at_first = trial.warm_up()
    saved = scene.save()

    told = edit.apply(scene, random.Random(choice))
    edited = trial.compare_twice(f"after {edit.name} ({told})", in_place=edit.in_place)
    if edit.same_verdict is not None:
        assert (edited.reports == at_first.reports) == edit.same_verdict, f"the edit proves nothing: {edited.shown}"

    undo(edit, scene, saved, times=bool(choice & 2))
    undone = trial.compare_twice(f"after undoing {edit.name}", in_place=edit.in_place)
    assert undone.reports == at_first.reports, "undoing did not undo"


def undo(edit: Edit, scene: Scene, saved: Saved, *, times: bool) -> None:
    """Put everything back as it was.

    :param times: the modification times, too.
    """
    if edit.undo is not None:
        edit.undo(scene)
    scene.restore(saved, times=times)
