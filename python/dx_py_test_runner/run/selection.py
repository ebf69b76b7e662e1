"""The rim of test selection: what a session's items are to :mod:`select`, and where their history is."""

from __future__ import annotations

import json
import math
import os
import random
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pytest

from dx_py_test_runner import __version__
from dx_py_test_runner.engine.assertion.codepack import folder
from dx_py_test_runner.engine.lean.fixtures import watch_wide
from dx_py_test_runner.engine.lean.items import node_ids
from dx_py_test_runner.history import store
from dx_py_test_runner.inputs.callers import is_installed, is_stdlib
from dx_py_test_runner.inputs.executed import Keepers
from dx_py_test_runner.inputs.record import COMMAND_LINE, Recorder
from dx_py_test_runner.run import options, settling
from dx_py_test_runner.run.settling import Settled
from dx_py_test_runner.run.git import changes_since
from dx_py_test_runner.run.modules import both, modules_of, own_plugins, roots, test_of, tests_of
from dx_py_test_runner.select import loaded, words
from dx_py_test_runner.select.affected import GOOD, Selector, failing_first
from dx_py_test_runner.select.assemble import Assembler, Outcomes, Part, Test, graph_of
from dx_py_test_runner.select.changed import Changes, ChangedSelector
from dx_py_test_runner.select.closure import Loaded
from dx_py_test_runner.select.keeping import keepers_of
from dx_py_test_runner.select.outline import Outline
from dx_py_test_runner.select.settled import NO_TEST
from dx_py_test_runner.select.texts import Texts
from dx_py_test_runner.select.world import World
from dx_py_test_runner.wire import journal

_SCHEMA = "14"
"""Of what claims say: memories of other ones tell nothing."""

_NEVER_MATTER = frozenset({"numprocesses", "maxprocesses", "no_daemon", "isolation", "affected", "changed", "audit", "why", "history"})
"""Options of ours that decide where and which tests run, whoever looks at them."""

_NO_MATTER = options.LATE | {
    *("lf", "failedfirst", "last_failed_no_failures", "stepwise", "stepwise_skip", *_NEVER_MATTER, "randomly_seed", "cacheclear"),
    *("basetemp", "doctor", "xmlpath", "htmlpath", "testrunuid"),
}
"""Options that decide which tests run, where, and what is said of them, but not how they end."""


_SURROUNDINGS, _SEEN, _OUTLINES = "dxaround", "dxseen", "dxoutline"
"""What is kept beside a history. All of it only saves time."""


def _search_path() -> list[str]:
    return [os.path.abspath(entry) for entry in sys.path if not is_stdlib(entry + os.sep) or is_installed(entry + os.sep)]


class Selection:
    """What a run knows of its tests' histories.

    :param environment: the client's.
    :param began_ns: when this run began to load what it had not.
    :param read: options that code of the project has read.
    """

    def __init__(self, config: Any, environment: dict[bytes, bytes], began_ns: int, read: frozenset[str]) -> None:
        self._config = config
        self._texts = _texts(config, read)
        place = folder(environment)
        root = config.rootpath
        self.path = None if place is None else store.place(place, root, f"{_SCHEMA}\0{__version__}\0{pytest.__version__}")
        self._environment, self._began_ns = environment, began_ns
        self._texts_of_files = Texts(self._kept(_SEEN), lambda: self._kept(_OUTLINES))
        self.world = self._world_with(_search_path())
        self.history = store.History() if self.path is None else store.read(self.path)
        self.left_out = 0
        """How many tests need not run."""
        self._audited: set[str] = set()
        self._changed = ""
        self._before: settling.Surroundings | None = None
        self._then: settling.Surroundings = {}
        self._settled: dict[str, list[str]] = {}
        """The ids of tests in files that were not collected."""
        self._files: dict[str, list[str]] = {}
        """Those in files that were collected whole."""
        self._selectors: list[Selector] = []
        """Those that have decided what is left out."""
        self._taken: tuple[list[Test], list[str], Outcomes, Sequence[Part]] | None = None

    def _world_with(self, search_path: list[str]) -> World:
        return World(
            root=str(self._config.rootpath),
            prefix=sys.prefix,
            environment=self._environment,
            config=self._texts,
            search_path=search_path,
            began_ns=self._began_ns,
            texts=self._texts_of_files,
        )

    def _kept(self, what: str) -> dict[str, Any]:
        return {} if self.path is None else store.remembered(self.path, what)

    def look_again(self, read: frozenset[str]) -> None:
        """When everything is collected: more may have been read, and ``sys.path`` has changed."""
        self._texts = _texts(self._config, read)
        self.world = self._world_with(_search_path())

    def settle(self) -> Settled | None:
        """Before anything is collected: what knows the files that need not be; None if none may be left out."""
        if self.path is None:
            return None
        self._before = settling.surroundings(self._config)
        self._then = store.remembered(self.path, _SURROUNDINGS)
        if not settling.may_settle(self._config, self._before, self._then):
            return None
        world = self._world_with(self._then["after"])
        known = settling.bringers(self._then["modules"], world)
        world.know(known.effects)
        return Settled(self._config, self.history, self._selecting(world), world, known)

    def know(self, session: Any, items: Sequence[Any], settled: Settled | None, *, whole: bool) -> None:
        """When everything is collected, and nobody has chosen yet.

        :param whole: whether all of each file was collected.
        """
        if settled is not None:
            self._settled = settled.files
        modules = modules_of(session)
        if self._settled:
            # What has not been loaded now was loaded before, and the same: so claims say the same.
            modules = both(self._then["modules"], modules)
        self.world.know(settling.bringers(modules, self.world).effects)
        if not whole:
            return
        if self._before is not None and not self._settled and self.path is not None:
            now = settling.complete(self._before, self._config, _search_path(), modules)
            if now != self._then:
                store.keep(self.path, _SURROUNDINGS, now)
        for item, nodeid in zip(items, node_ids(items), strict=True):
            self._files.setdefault(str(item.path), []).append(nodeid)

    def choose(self, session: Any) -> None:
        """Leave out the tests that need not run, as pytest leaves out others."""
        must_run = self._selector(session.config).must_run
        ids = node_ids(session.items)
        needless = [number for number, nodeid in enumerate(ids) if not must_run(nodeid)]
        audited = set(_sample(needless, session.config.option.audit))
        self._audited = {ids[number] for number in audited}
        skipped = set(needless) - audited
        chosen, left_out = [], []
        for number, item in enumerate(session.items):
            (left_out if number in skipped else chosen).append(item)
        if session.config.option.tell is not None:
            # Somebody waits for the bad news.
            failed = [self._failed(nodeid) for nodeid in node_ids(chosen)]
            chosen = [chosen[number] for number in failing_first([str(item.path) for item in chosen], failed)]
            session.items[:] = [*chosen, *left_out]
        self.left_out = len(left_out) + sum(map(len, self._settled.values()))
        if left_out:
            session.config.hook.pytest_deselected(items=left_out)
            session.items[:] = chosen

    def _failed(self, nodeid: str) -> bool:
        memories = self.history.tests.get(nodeid)
        return bool(memories) and memories[0].outcome not in GOOD

    def _selector(self, config: Any) -> Any:
        selector = self._selecting(self.world)
        if config.option.changed is None:
            return selector
        self._changed = config.option.changed
        paths = changes_since(config.option.changed, str(config.rootpath))
        return ChangedSelector(self.history, selector, Changes({self.world.short(path): was for path, was in paths.items()}, lambda name: self.world.outline(self.world.full(name))))

    def _selecting(self, world: World) -> Selector:
        selector = Selector(self.history, world)
        self._selectors.append(selector)
        return selector

    def explain(self, session: Any, asked: str) -> list[str]:
        """For each test that *asked* names, why it must run or not; no test is left to be run."""
        selector = Selector(self.history, self.world)
        graph = graph_of(self.world, loaded.look(roots(session)).modules)
        lines: list[str] = []
        for item, nodeid in zip(session.items, node_ids(session.items), strict=True):
            if asked == nodeid or nodeid.startswith((f"{asked}[", f"{asked}::")) or asked in nodeid.split("::"):
                own = test_of(item, nodeid, session.config).roots
                lines += words.explain(nodeid, selector.verdict(nodeid), self.history, graph, own, self.world.full)
        self.left_out = len(session.items) or 1
        session.config.hook.pytest_deselected(items=list(session.items))
        session.items.clear()
        return lines or [f"no test is called {asked}"]

    def line(self, session: Any) -> str:
        """What the user is told."""
        total = self.left_out + len(session.items)
        word = f"changed since {self._changed}" if self._changed else "affected"
        if not total:
            return f"{word}: there are no tests"
        if not session.items and self._changed:
            return f"{word}: nothing that any of {total} tests depends on"
        if not session.items:
            return f"{word}: none of {total} tests; all have passed, and nothing that they depend on has changed since"
        audit = f", {len(self._audited)} of them to be audited" if self._audited else ""
        if self._settled:
            audit += f" ({len(self._settled)} file{'s' * (len(self._settled) > 1)} not even loaded)"
        return f"{word}: {len(session.items)} of {total} tests{audit}"

    def told(self, journal_fd: int, session: Any) -> list[str]:
        """What the audit has found."""
        if not self._audited:
            return []
        ids = node_ids(session.items)
        bad = [ids[index] for index, (outcome, _) in sorted(outcomes_of(journal_fd).items()) if ids[index] in self._audited and outcome not in GOOD]
        if not bad:
            return [f"audit: {len(self._audited)} tests that need not have run have passed as before"]
        return ["audit: these would have been left out, and do not pass. Unless they are unsteady, that is a bug of dx-py:", *(f"  {test}" for test in bad)]

    def take(self, session: Any, journal_fd: int, parts: Sequence[Part]) -> None:
        """When the tests have ended: take down what the run has found out, for :meth:`remember`."""
        ids = node_ids(session.items)
        plugins = [loaded.name_of(plugin) for plugin in own_plugins(session.config)]
        tests = tests_of(session, ids)
        self._taken = (tests, plugins, outcomes_of(journal_fd), parts)
        folders = {folder for part in parts for module in part.modules for folder in module.folders}
        above = {folder for test in tests for folder in test.above}
        self.world.close(folders, above, tree=any(part.starts_processes() for part in parts))

    def remember(self) -> None:
        """Keep what the run has found out. Nobody need wait for that: without it, the tests run again."""
        if self.path is None:
            return
        latest = store.History()
        used = self.history.only({test: memory for selector in self._selectors for test, memory in selector.used.items()})
        if self._taken is not None:
            tests, plugins, outcomes, parts = self._taken
            assembler = Assembler(self.world, tests, plugins, self._texts, self._files)
            told: set[int] = set()
            for part in parts:
                assembler.add(part, outcomes)
                told.update(index for start, stop in part.reads["ran"] for index in range(start, stop))
            assembler.lose(outcomes.keys() - told)
            latest = assembler.history
            self._taken = None
        if latest.tests or used.tests:
            store.add(self.path, latest, used, _now())
        self._keep_texts()

    def _keep_texts(self) -> None:
        texts = self._texts_of_files
        if self.path is not None and texts.news:
            store.keep(self.path, _SEEN, texts.learned())
        if self.path is not None and texts.outline_news:
            store.keep(self.path, _OUTLINES, texts.outlined())


class Watching:
    """Has the tests of a run followed, in this process or in workers.

    :param recorder: that of loading, which goes on.
    :param outline: of a file, if it can be read.
    """

    def __init__(self, recorder: Recorder, session: Any, outline: Callable[[str], Outline | None]) -> None:
        assert recorder.owners is not None
        self._recorder, self._owners, self._session = recorder, recorder.owners, session
        self._outline = outline
        if self._owners.executed is not None:
            self._owners.executed.keepers_of = self._keepers_of
        self._told: list[Any] = []
        self._keepers = Keepers({}, {}, frozenset())
        self.trouble = ""
        """What has gone wrong while it was found out what tests have read. They are not remembered, and run again."""
        self._alone = False

    def follow(self, page: Any, *, worker: bool = False) -> None:
        """Tests run in this process from now on; *page* says which."""
        self._alone = not worker
        if worker:
            self._owners.forget()
        watch_wide(self._owners.within)
        self._recorder.follow_tests(page)

    def _keepers_of(self, paths: Iterable[str]) -> Keepers:
        outlines = {path: known for path in paths if (known := self._outline(path)) is not None}
        if outlines.keys() != self._keepers.names.keys():
            self._keepers = keepers_of(outlines)
        return self._keepers

    def leave_to_workers(self) -> None:
        """This process runs no tests, and reads nothing for them from now on."""
        if self._owners.executed is not None:
            # Once, and not in each of them.
            self._keepers_of(self._owners.executed.paths)
        self._recorder.stop()

    def begins(self) -> None:
        """Items are about to be run, the first of them at once."""
        self._owners.begins()

    @property
    def between(self) -> Any:
        """To be called between two items; None if there is nothing to be done."""
        return None if self._owners.executed is None else self._owners.begins

    def ran(self, start: int, stop: int) -> None:
        """Items from *start* to before *stop* have been run here."""
        self._owners.ran.append((start, stop))

    def tell(self) -> Any:
        """In a worker, at its end: what the run shall know, as plain values; in words, what has gone wrong."""
        try:
            part = self._part()
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        return (part.reads, part.needs, [tuple(module) for module in part.modules], list(part.installed))

    def hear(self, value: Any) -> None:
        """In the run: take in what a worker tells."""
        if isinstance(value, str):
            self.trouble = value
        else:
            self._told.append(value)

    def parts(self) -> list[Part]:
        """What the processes have to tell that have run the tests."""
        own = self._part()
        return [own] if self._alone else [_behind(own, value) for value in self._told]

    def _part(self) -> Part:
        """What this process has to tell; nothing is recorded any more."""
        self._recorder.stop()
        needs = {}
        for start, stop in self._owners.ran:
            for index in range(start, stop):
                if found := self._needs_of(self._session.items[index]):
                    needs[index] = found
        process = loaded.look(roots(self._session))
        modules = [module for module in process.modules if not self._owners.has_made(module.path)]
        return Part(self._owners.plain(), needs, modules, process.installed)

    def _needs_of(self, item: Any) -> list[int]:
        """The numbers of the wider fixtures that *item* is known to use."""
        info = getattr(item, "_fixtureinfo", None)
        if info is None:
            return []
        numbers = (self._owners.known(one) for known in info.name2fixturedefs.values() for one in known)
        return [number for number in numbers if number is not None]


def _behind(before: Part, value: Any) -> Part:
    """A worker's part, with what had been read *before* it was forked."""
    reads, needs, modules, installed = value
    both = {kind: _merged(before.reads[kind], reads[kind]) for kind in ("modules", "beneath", "left_beneath")}
    everybody = {**before.reads["everybody"], **reads["everybody"]}
    return Part({**reads, **both, "everybody": everybody}, needs, [Loaded(*module) for module in modules], installed)


def _merged(before: Any, after: Any) -> dict[Any, dict[Any, Any]]:
    both = {name: dict(known) for name, known in before.items()}
    for name, known in after.items():
        both.setdefault(name, {}).update(known)
    return both


def move(config: Any, environment: dict[bytes, bytes], verb: str, name: str) -> int:
    """``dx-py history export|import FILE``; returns the exit code."""
    selection = Selection(config, environment, 0, frozenset())
    if selection.path is None:
        sys.stderr.write("dx-py: there is no folder for a history: neither DX_PY_CACHE_DIR nor XDG_CACHE_HOME nor HOME is set\n")
        return 3
    try:
        if verb == "export":
            with open(name, "w", encoding="utf-8") as file:
                json.dump(store.exported(selection.history), file)
            print(f"{_count(selection.history)} tests exported to {name}")
        else:
            with open(name, encoding="utf-8") as file:
                found = store.imported(json.load(file))
            store.add(selection.path, found, store.History(), _now())
            print(f"{_count(found)} tests imported from {name}")
    except (OSError, ValueError) as error:
        sys.stderr.write(f"dx-py: {name} cannot be {verb}ed: {error}\n")
        return 4
    return 0


def _sample(numbers: list[int], share: float) -> list[int]:
    """A share (in percent) of *numbers*, at random; at least one if any share is wanted. The project's random state is left alone."""
    count = min(len(numbers), math.ceil(len(numbers) * share / 100))
    return random.Random(int.from_bytes(os.urandom(8), "little")).sample(numbers, count)


def outcomes_of(fd: int) -> Outcomes:
    """Outcome and seconds of each item in a journal; ``lost`` for those that never ended."""
    found: dict[int, tuple[str, float]] = {}
    worst: dict[int, tuple[str, float]] = {}
    for kind, index, value in journal.read(fd):
        if index is None:
            continue
        if kind == journal.PASSED:
            found[index] = ("passed", value[4] - value[1])
        elif kind == journal.START:
            worst[index], found[index] = ("passed", 0.0), ("lost", 0.0)
        elif kind == journal.REPORT:
            outcome = "expected" if value.get("wasxfail") is not None else value.get("outcome", "failed")
            before, seconds = worst.get(index, ("passed", 0.0))
            worst[index] = (max(before, outcome, key=_RANK.__getitem__), seconds + value.get("duration", 0.0))
        elif kind == journal.FINISH:
            found[index] = worst.get(index, ("lost", 0.0))
    return found


_RANK = {"passed": 0, "skipped": 1, "expected": 2, "failed": 3, "lost": 4, "rerun": 2}


def _texts(config: Any, read: frozenset[str]) -> dict[str, str]:
    """How pytest is configured, in words that can be compared."""
    values = {name: _plain(value) for name, value in vars(config.option).items() if name not in _NO_MATTER or name in (read & options.LATE) - _NEVER_MATTER}
    if COMMAND_LINE in read:
        values[COMMAND_LINE] = _plain(_arguments(config))
    ini = {name: _plain(getattr(value, "value", value)) for name, value in dict(config._inicfg if hasattr(config, "_inicfg") else config.inicfg).items()}
    plugins = sorted(f"{dist.project_name} {dist.version}" for _plugin, dist in config.pluginmanager.list_plugin_distinfo())
    return {
        "options": repr(sorted(values.items())),
        "settings": repr(sorted(ini.items())),
        "settings file": "" if config.inipath is None else os.path.relpath(config.inipath, config.rootpath),
        "folder": os.path.relpath(config.invocation_params.dir, config.rootpath),
        "interpreter": repr((sys.version, tuple(sys.flags), sorted(sys._xoptions.items()), sys.warnoptions)),
        "plugins": repr(plugins),
    }


def _arguments(config: Any) -> list[str]:
    """The command line without what is only ours."""
    words = iter(config.invocation_params.args)
    kept = []
    for word in words:
        if word in ("-n", "--why", "--audit", "--tell"):
            next(words, None)
        elif not word.startswith(("-n", "--numprocesses", "--affected", "--changed", "--audit=", "--no-daemon")):
            kept.append(word)
    return kept


def _plain(value: Any) -> str:
    if value is None or isinstance(value, (str, int, float, bool)):
        return repr(value)
    if isinstance(value, (list, tuple, set, frozenset)):
        return repr([_plain(one) for one in value])
    if isinstance(value, dict):
        return repr(sorted((str(key), _plain(one)) for key, one in value.items()))
    return str(value) if isinstance(value, os.PathLike) else type(value).__qualname__


def _now() -> int:
    return time.time_ns() // 1_000_000


def _count(history: store.History) -> int:
    return sum(not test.startswith(NO_TEST) for test in history.tests)
