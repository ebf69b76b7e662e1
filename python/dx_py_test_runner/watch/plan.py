"""What to do when a file is saved, a run ends or a key is pressed. No processes, no files, no clock."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple


class Start(NamedTuple):
    """Run the tests that these arguments of ``dx-py test`` choose."""

    args: tuple[str, ...]


class Stop(NamedTuple):
    """Have the run that is going on end at the next test."""


class Say(NamedTuple):
    """Show the user a line."""

    text: str


class Ask(NamedTuple):
    """Let the user type a line, and hand it on."""

    question: str
    answer: Callable[[str], list[Action]]


class Leave(NamedTuple):
    """End the watch with this exit code."""

    code: int


Action = Start | Stop | Say | Ask | Leave


@dataclass(frozen=True)
class Verdict:
    """What a run has said of itself when it ended.

    *failing* are the node ids that failed or had an error, in order; *ran* are all that were run. *complete* is False
    of a run that was stopped by hand, *whole* of one that left out tests which it had chosen, for whatever reason.
    """

    code: int
    failing: tuple[str, ...] = ()
    ran: frozenset[str] = frozenset()
    complete: bool = True
    whole: bool = True


@dataclass(frozen=True)
class Save:
    """Files that were written since the last verdict."""

    paths: tuple[str, ...]
    clock: str
    """The time of day, as the user is told it."""


AFFECTED, ALL, FAILING = "affected", "all", "failing"

HELP = """\
a      run all tests
f      run only the tests that fail
p      choose by path: run only tests in these files or folders from now on
t      choose by name: an expression as for -k
u      undo p and t
s      stop the run at the next test
enter  run again what was run last
q      quit (with the exit code of the last run)
h      this list
A saved file runs the tests that it affects. Tests cannot read from the keyboard here: use 'dx-py test' to debug one."""


@dataclass
class Watch:
    """The state of a watch.

    :param args: the user's arguments, without ``--watch``.
    :param root: the folder that paths are shown relative to.
    """

    args: tuple[str, ...]
    root: str
    failing: dict[str, Save | None] = field(default_factory=dict)
    """Tests that failed when they were last run, each with the save that broke it, if one did."""
    code: int = 0
    _kind: str | None = None
    """What the run that is going on was asked for."""
    _last: str = AFFECTED
    _paths: tuple[str, ...] = ()
    _name: str = ""
    _covered: list[str] = field(default_factory=list)
    """Files saved before the run that is going on began, and since the last verdict."""
    _waiting: list[str] = field(default_factory=list)
    """Files saved since then."""
    _clock: str = ""
    _stopping: bool = False
    _wanted: str | None = None
    """What to run as soon as the run that is going on has ended."""
    _first: bool = True

    # ---- events

    def begin(self) -> list[Action]:
        """The watch begins: everything that is not known to pass."""
        return self._run(AFFECTED)

    def saved(self, paths: Iterable[str], clock: str) -> list[Action]:
        """Files were written, made or removed.

        :param clock: the time of day, for the user.
        """
        fresh = [path for path in paths if path not in self._waiting]
        if not fresh and self._waiting:
            return []
        self._waiting += fresh
        self._clock = clock
        # What was asked for by key stays asked for: its tests are not all affected.
        kind = self._kind if self._kind in (ALL, FAILING) else AFFECTED
        stops = self._kind is not None and not self._stopping
        actions = self._run(kind)
        return [*actions, Say(f"{self._named(fresh)} saved: the run stops and begins again")] if stops else actions

    def ended(self, verdict: Verdict) -> list[Action]:
        """The run that was going on has ended."""
        kind, self._kind = self._kind, None
        said: list[Action] = []
        if verdict.complete:
            said = self._judge(verdict, kind)
            self.code = verdict.code
            self._covered.clear()
            self._first = False
        elif self._stopping and self._wanted is None:
            said = [Say("stopped; enter runs the rest")]
        self._stopping = False
        if self._wanted is not None:
            wanted, self._wanted = self._wanted, None
            return [*said, *self._run(wanted)]
        return [*said, Say(self._waits())]

    def key(self, key: str) -> list[Action]:
        """A key was pressed."""
        if key in ("\r", "\n"):
            return self._run(self._last)
        if key == "a":
            return self._run(ALL)
        if key == "f":
            return self._run(FAILING) if self.failing else [Say("no test fails")]
        if key == "p":
            return [Ask("paths (nothing: all)", self._choose_paths)]
        if key == "t":
            return [Ask("names, as for -k (nothing: all)", self._choose_names)]
        if key == "u":
            self._paths, self._name = (), ""
            return [Say("all paths and names again"), *self._run(AFFECTED)]
        if key == "s":
            return self._stop() if self._kind else [Say("nothing is running")]
        if key == "q":
            return [Leave(self.code)]
        if key in ("h", "?"):
            return [Say(HELP)]
        return []

    def interrupted(self) -> list[Action]:
        """Ctrl-C: ends the run first, and the watch if there is none."""
        if self._kind and not self._stopping:
            self._wanted = None
            return self._stop()
        return [Leave(2)]

    # ---- decisions

    def _run(self, kind: str) -> list[Action]:
        if self._kind is not None:
            # What has passed so far stays known; the rest begins again with what is there now.
            self._wanted = kind
            return [] if self._stopping else self._stop()
        self._kind = self._last = kind
        self._covered += [path for path in self._waiting if path not in self._covered]
        self._waiting.clear()
        return [Start(self._arguments(kind))]

    def _stop(self) -> list[Action]:
        self._stopping = True
        return [Stop()]

    def _arguments(self, kind: str) -> tuple[str, ...]:
        args = self.args
        if kind == FAILING:
            args = (*_options_only(args), *self.failing)
        elif self._paths:
            args = (*_options_only(args), *self._paths)
        if self._name:
            args = (*args, "-k", self._name)
        return args if kind != AFFECTED else (*args, "--affected")

    def _choose_paths(self, typed: str) -> list[Action]:
        try:
            self._paths = tuple(shlex.split(typed))
        except ValueError as error:
            return [Say(f"{typed!r} cannot be read: {error}")]
        return self._run(AFFECTED)

    def _choose_names(self, typed: str) -> list[Action]:
        self._name = typed.strip()
        return self._run(AFFECTED)

    def _judge(self, verdict: Verdict, kind: str | None) -> list[Action]:
        """Compare with what failed before; say which save broke what."""
        save = Save(tuple(self._covered), self._clock) if self._covered and not self._first else None
        before = self.failing
        now = {test: before.get(test, save) for test in verdict.failing}
        # A run that chooses among all leaves out only what is known to pass as it is now: what it has not run does not
        # fail, or does not exist any more.
        sees_all = verdict.whole and kind != FAILING and not self._paths and not self._name
        elsewhere = {} if sees_all else {test: why for test, why in before.items() if test not in verdict.ran}
        self.failing = {**elsewhere, **now}
        mended = [test for test in before if test not in self.failing]
        said: list[Action] = []
        broken = [test for test in now if test not in before]
        if broken and save is not None:
            said += [Say(f"broken by {self._named(save.paths)}, saved {save.clock}: {test}") for test in broken[:10]]
            if len(broken) > 10:
                said.append(Say(f"... and {len(broken) - 10} more"))
        return [*said, *(Say(f"fails no longer: {test}") for test in mended[:10])]

    def _named(self, paths: Sequence[str]) -> str:
        names = ", ".join(os.path.relpath(path, self.root) for path in paths[:3])
        return names + (f" and {len(paths) - 3} more" if len(paths) > 3 else "")

    def _waits(self) -> str:
        failing = f"{len(self.failing)} failing; " if self.failing else ""
        chosen = " ".join([*self._paths, *(["-k", shlex.quote(self._name)] if self._name else [])])
        return f"{failing}waiting for a save{' (only ' + chosen + ')' if chosen else ''}; h lists the keys"


_WITH_VALUE = frozenset({"-k", "-m", "-n", "-p", "-c", "-o", "-W", "-r", "--rootdir", "--maxfail", "--tb", "--durations", "--ignore", "--deselect"})


def _options_only(args: tuple[str, ...]) -> tuple[str, ...]:
    """The arguments without paths and node ids, as far as one can tell without pytest's parser: options that are not known
    here keep their value only when it is joined to them by ``=``."""
    kept: list[str] = []
    takes = False
    for arg in args:
        if takes or arg.startswith("-"):
            kept.append(arg)
        takes = not takes and arg in _WITH_VALUE
    return tuple(kept)
