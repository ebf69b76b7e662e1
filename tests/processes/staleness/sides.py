"""The two sides of a comparison: dx-py with a daemon on the edited files, and real pytest on a fresh copy of them."""

from __future__ import annotations

import hashlib
import re
import shutil
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from dxpy import PATIENCE, DxPy, Ended, Started, real_pytest
from staleness.outcome import Outcome, read_outcome
from staleness.scene import Scene

PLUGIN = ("-p", "dx_staleness_recorder")
PLUGIN_FOLDER = Path(__file__).parent / "plugin"

_KEPT_FAILURES = "project/.pytest_cache/v/cache/lastfailed"
_CACHE_OPTIONS = {"--lf", "--ff", "--nf", "--sw"}


@dataclass(frozen=True)
class Level:
    """A process that a daemon keeps."""

    name: str
    pid: int


def reads_cache(args: tuple[str, ...]) -> bool:
    """Whether the verdict hangs on what earlier runs left in pytest's cache."""
    return not _CACHE_OPTIONS.isdisjoint(args)


def environment(scene: Scene, tree: Path, record: Path) -> dict[str, str | None]:
    """What a run needs beyond the place's own environment."""
    env: dict[str, str | None] = {**scene.variables(tree), "STALENESS_RECORD": str(record)}
    env.setdefault("PYTEST_DISABLE_PLUGIN_AUTOLOAD")
    env["PYTHONPATH"] = f"{env['PYTHONPATH']}:{PLUGIN_FOLDER}"
    # Plugins are loaded, as some of them belong to the project; this one, if installed, gives each side an order of its own.
    env["PYTEST_ADDOPTS"] = f"-p no:randomly {env.get('PYTEST_ADDOPTS') or ''}".strip()
    if scene.python is not None:
        env["DX_PY_PYTHON"] = str(tree / scene.python)
    return env


def end_of(started: Started) -> Ended:
    """Wait for a command's end, and return the moment it comes: waiting with a time limit looks at intervals."""
    watchdog = threading.Timer(PATIENCE, started.process.kill)
    watchdog.daemon = True
    watchdog.start()
    started.process.wait()
    watchdog.cancel()
    return started.wait()


class Warm:
    """dx-py, run again and again on the same files."""

    def __init__(self, place: DxPy) -> None:
        self.place = place
        self.tree = place.root / "warm"
        self._record = place.root / "warm-record.jsonl"

    def start(self, scene: Scene, *extra: str) -> Started:
        """Start a run and return at once."""
        self._record.unlink(missing_ok=True)
        env = environment(scene, self.tree, self._record)
        return self.place.start("test", *PLUGIN, *extra, *scene.args, cwd=self.tree / scene.cwd, env=env)

    def finish(self, started: Started, scene: Scene) -> Outcome:
        return self._outcome(end_of(started), scene)

    def run(self, scene: Scene, *extra: str) -> Outcome:
        return self.finish(self.start(scene, *extra), scene)

    def _outcome(self, ended: Ended, scene: Scene) -> Outcome:
        kept = self.tree / _KEPT_FAILURES if reads_cache(scene.args) else None
        return read_outcome(ended.code, self._record, ended.out + ended.err, kept, {str(self.tree): "{tree}"})

    def levels(self, scene: Scene, name: str = "collected") -> set[Level]:
        """The daemon's levels of one kind."""
        env = environment(scene, self.tree, self._record)
        status = self.place.daemon("status", cwd=self.tree / scene.cwd, env=env)
        return {Level(name, int(pid)) for pid in re.findall(rf"^\s+{name}\s+pid (\d+),", status.out, re.MULTILINE)}


class Cold:
    """Real pytest, each time on a copy that no run has seen.

    What it says about a state is remembered: edits are undone and must then give what was said before them.
    """

    _known: ClassVar[dict[str, Outcome]] = {}

    def __init__(self, place: DxPy) -> None:
        self.place = place
        self.tree = place.root / "cold"
        self._record = place.root / "cold-record.jsonl"

    def run(self, scene: Scene) -> Outcome:
        return self.begin(scene).outcome()

    def begin(self, scene: Scene, *, in_place: bool = False) -> Pending:
        """Copy the files as they are now and start pytest on the copy.

        :param in_place: copy the bytecode, too: pytest as it would behave in the place of the edited files.
        """
        # The order that --nf gives hangs on times, which are no part of the key.
        key = "" if in_place or "--nf" in scene.args else self._key(scene)
        if key and key in self._known:
            return Pending(self, scene, key, None)
        shutil.rmtree(self.tree, ignore_errors=True)
        scene.tree.copy_to(self.tree, bytecode=in_place, cache=reads_cache(scene.args))
        self._record.unlink(missing_ok=True)
        env = environment(scene, self.tree, self._record)
        interpreter = [] if scene.python is None else [str(self.tree / scene.python)]
        program, *args = [*interpreter, real_pytest(), *PLUGIN, *without_workers(scene.args)]
        started = self.place.start(*args, program=program, cwd=self.tree / scene.cwd, env=env)
        return Pending(self, scene, key, started)

    def _key(self, scene: Scene) -> str:
        circumstances = [scene.tree.digest(), sorted(scene.env.items()), scene.cwd, scene.args]
        if reads_cache(scene.args):
            kept = scene.tree.path(_KEPT_FAILURES).parent
            circumstances += [(path.name, path.read_text()) for path in sorted(kept.glob("*"))]
        return hashlib.sha256(repr(circumstances).encode()).hexdigest()

    def outcome(self, scene: Scene, key: str, started: Started | None) -> Outcome:
        if started is not None:
            ended = end_of(started)
            kept = self.tree / _KEPT_FAILURES if reads_cache(scene.args) else None
            roots = {str(self.tree): "{tree}"}
            self._known[key] = read_outcome(ended.code, self._record, ended.out + ended.err, kept, roots)
        return self._known[key]


@dataclass
class Pending:
    """A cold run in progress."""

    cold: Cold
    scene: Scene
    key: str
    started: Started | None

    def outcome(self) -> Outcome:
        return self.cold.outcome(self.scene, self.key, self.started)


def without_workers(args: tuple[str, ...]) -> list[str]:
    """The arguments without `-n N`, which pytest alone does not know."""
    kept: list[str] = []
    words = iter(args)
    for word in words:
        if word == "-n":
            next(words)
        elif word != "--affected":
            kept.append(word)
    return kept
