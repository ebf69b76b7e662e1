"""What a run has found out, as memories of its tests. Pure, but for the world that it asks."""

from __future__ import annotations

import os
import types
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from dx_py_test_runner.history.store import Claim, History, Memory
from dx_py_test_runner.inputs import owners
from dx_py_test_runner.inputs.compare import NEVER
from dx_py_test_runner.inputs.executed import Keepers
from dx_py_test_runner.inputs.mentioned import words_of
from dx_py_test_runner.select import settled
from dx_py_test_runner.select.closure import ALL, Graph, Loaded, Reached, absolute
from dx_py_test_runner.select.keeping import keepers_of, keeps
from dx_py_test_runner.select.outline import Outline
from dx_py_test_runner.select.world import BODY, CIRCUMSTANCES, CODE, CONFIG, CONFTEST_NAMES, DOUBT, EFFECT, EVERYWHERE, FIND, LEVEL, MENTIONS, SIGNATURE, SIGNATURES, TOUCHED, TREE, World


class Test(NamedTuple):
    """What is known of an item without running it."""

    id: str
    roots: tuple[str, ...]
    """The modules that it consists of: its own and the conftests above it."""
    path: str
    """The file that it was collected from."""
    above: tuple[str, ...]
    """The folders in which a conftest would count for it."""


class Part(NamedTuple):
    """What one process that ran tests has to tell."""

    reads: Mapping[str, Any]
    """``Owners.plain()``"""
    needs: Mapping[int, Sequence[int]]
    """The numbers of the fixtures that an item is known to use, by its index."""
    modules: Sequence[Loaded]
    installed: Sequence[str]


    def starts_processes(self) -> bool:
        """Whether anything that it tells of was read by another process."""
        kinds = ("modules", "fixtures", "items", "beneath", "left_beneath")
        groups = [self.reads["everybody"], *(reads for kind in kinds for reads in self.reads[kind].values())]
        return any(kind == owners.PROCESS for reads in groups for kind, _name in reads)


Outcomes = Mapping[int, tuple[str, float]]
"""Of each item that has one: outcome and seconds."""


def graph_of(world: World, modules: Sequence[Loaded]) -> Graph:
    """The needs of *modules*, by their present texts."""
    outlines = {}
    for module in modules:
        if module.path.endswith(".py") and module.path not in outlines:
            found = world.outline(module.path)
            if found is not None:
                outlines[module.path] = found
    return Graph(modules, outlines)


class Assembler:
    """Makes memories of the tests of one run.

    :param plugins: names of modules of the project that every test depends on.
    :param config: the names of the world's texts about the configuration.
    :param files: the ids of all that was collected from each file that was collected whole.
    """

    def __init__(
        self,
        world: World,
        tests: Sequence[Test],
        plugins: Sequence[str],
        config: Iterable[str],
        files: Mapping[str, Sequence[str]] = types.MappingProxyType({}),
    ) -> None:
        self._world = world
        self._tests = tests
        self._plugins = plugins
        self._config = tuple(config)
        self._files = files
        self.history = History()
        self._module_claims: dict[str, list[Claim]] = {}
        self._dynamic_codes: dict[int, bool] = {}
        self._keepers = Keepers({}, {}, frozenset())

    def add(self, part: Part, outcomes: Outcomes) -> None:
        """Remember the tests that one process has run."""
        graph = graph_of(self._world, part.modules)
        self._module_claims, self._dynamic_codes = {}, {}
        self._codes, self._listened = part.reads["codes"], frozenset(part.reads["listened"])
        self._graph = graph
        self._dynamic: set[str] = set()
        self._set_of_all: int | None = None
        self._take_loading(part)
        outlines = self._outlines_of(part)
        if outlines.keys() != self._keepers.names.keys():
            self._keepers = keepers_of(outlines)
        self._fleeting = _fleeting(part.reads)
        self._take_kept(part)
        mentioned = {path: names for path, reads in self._module_reads.items() if (names := self._mentioned(reads))}
        self._graph = graph = graph.knowing(Reached(self._listened, frozenset(self._dynamic), mentioned))
        ground = self._ground(part, graph)
        fixtures = self._fixtures(part)
        of_roots: dict[Any, int] = {}
        shared: dict[int, tuple[int, ...]] = {}
        needs, items, item_codes = part.needs, part.reads["items"], part.reads["item_codes"]
        remember = self.history.remember
        asked: dict[int, set[int]] = {}
        for kind, user, number in part.reads["uses"]:
            if kind == "item":
                asked.setdefault(user, set()).add(number)
        for start, stop in part.reads["ran"]:
            for index in range(start, stop):
                if index not in outcomes:
                    continue
                test, (outcome, seconds) = self._tests[index], outcomes[index]
                key = (test.roots, test.path, test.above)
                if key not in of_roots:
                    of_roots[key] = self.history.set_of(self._root_claims(test, graph))
                own = of_roots[key]
                if not (index in items or index in item_codes or index in needs or index in asked):
                    # Nothing but what all tests of its file depend on.
                    if own not in shared:
                        shared[own] = tuple(sorted({*ground, own}))
                    remember(test.id, Memory(outcome, seconds, shared[own]))
                    continue
                sets = {*ground, own}
                for number in {*needs.get(index, ()), *asked.get(index, ())}:
                    sets |= fixtures[number]
                sets |= self._sets_of([items.get(index, {})], item_codes.get(index, ()))
                remember(test.id, Memory(outcome, seconds, tuple(sorted(sets))))

        for (_roots, path, _above), number in of_roots.items():
            if path in self._files:
                self.history.remember(settled.key(self._world.short(path)), settled.memory_of(self._files[path], {*ground, number}))

    def _sets_of(self, reads: Sequence[Mapping[tuple[str, str], Any]], codes: Sequence[int]) -> set[int]:
        """Of what was read and executed."""
        found = set()
        if any(reads):
            found.add(self.history.set_of(claim for some in reads for claim in self._claims(some)))
        if names := frozenset[str]().union(*map(self._mentioned, reads)):
            found.add(self._of_mentioned(names))
        if codes:
            found.add(self.history.set_of(self._of_codes(codes)))
        if any(map(self._is_dynamic, codes)):
            found.add(self._of_mentioned({ALL}))
        return found

    def _mentioned(self, reads: Mapping[tuple[str, str], Any]) -> frozenset[str]:
        """The modules that a code may have reached that was executed."""
        found: set[str] = set()
        for kind, name in reads:
            if kind == owners.MENTION:
                words = words_of(name)
                found.update(self._graph.called(words) if words else (name,))
        return frozenset(found)

    def _of_mentioned(self, names: Collection[str]) -> int:
        """The set of the modules of these names, with what they need."""
        if ALL not in names:
            needed = self._needed(self._graph.closure(self._graph.within(names)), self._graph)
            return self.history.set_of([*needed, *self._findings(self._graph.lookups_of(names))])
        if self._set_of_all is None:
            claims = self._needed(frozenset(self._graph.modules), self._graph)
            self._set_of_all = self.history.set_of([*claims, *self._findings([("", ALL)])])
        return self._set_of_all

    def _is_dynamic(self, number: int) -> bool:
        """Whether a code, which was executed, may have reached modules by names that are not in its text."""
        if number < 0:
            return False
        path, function = self._codes[number]
        outline = self._world.outline(path) if number not in self._dynamic_codes else None
        if outline is not None:
            self._dynamic_codes[number] = not all(self._is_own_function(path, outline, name) for name in outline.dynamic_by(function))
        return self._dynamic_codes.get(number, True)

    def _is_own_function(self, path: str, outline: Outline, name: str) -> bool:
        """Whether what the file at *path* calls so is a function of the project's: whether it reaches modules is seen when it is executed."""
        if not name:
            return False
        found = {path} if outline.has_function(name) else set()
        for module in self._graph.modules_of(path):
            for level, target, names in outline.imports:
                if name in names:
                    source = self._graph.modules.get(absolute(level, target, module.package))
                    found.add("" if source is None else source.path)
        texts = [self._world.outline(one) if one in self._listened else None for one in found]
        return bool(texts) and all(text is not None and text.has_function(name) for text in texts)

    def _take_loading(self, part: Part) -> None:
        """What was executed while a module was being loaded counts for all who depend on that one; if it is not known which, or it is forgotten
        again, for all who depend on the modules that it is a part of."""
        self._while_loading: dict[str, list[int]] = {}
        self._lasting: dict[str, list[tuple[str, str]]] = {}
        for path, numbers in part.reads["loading"].items():
            if path and self._graph.modules_of(path):
                self._while_loading[path] = numbers
                self._take_dynamic(path, numbers)
            else:
                for number in numbers:
                    self._add_lasting(number)

    def _take_kept(self, part: Part) -> None:
        """What was read or executed beneath a function that may keep it is given to others too: to all who depend on the module."""
        self._module_reads: dict[str, dict[Any, Any]] = {path: dict(reads) for path, reads in part.reads["modules"].items()}
        beneath = [(path, path, function, reads) for (path, function), reads in part.reads["beneath"].items()]
        beneath += [(*place, reads) for place, reads in part.reads["left_beneath"].items()]
        for module, path, function, reads in beneath:
            if function == owners.ANY or self._keeps(path, function):
                known = self._module_reads.setdefault(module, {})
                for read, state in reads.items():
                    known.setdefault(read, state)
        of_tests = {test.path for test in self._tests}
        self._lasting_in: dict[str, list[int]] = {}
        for path, pairs in part.reads["callers"].items():
            kept = sorted({number for number, caller in pairs if self._keeps(*self._codes[caller])})
            if path and self._graph.modules_of(path):
                self._lasting_in[path] = kept
                self._take_dynamic(path, kept)
            else:
                for number in kept:
                    self._add_lasting(number)
        for path, pairs in part.reads["callers_in"].items():
            for number, caller in pairs:
                if not self._keeps(*self._codes[caller]):
                    continue
                # What a test file does to others while it is loaded, its text tells: these depend on what it executes then.
                if path not in of_tests:
                    self._add_lasting(number)
                self._take_dynamic(self._codes[caller][0], [number])

    def _take_dynamic(self, path: str, numbers: Iterable[int]) -> None:
        """What these codes, which were executed for the module of the file at *path*, may have reached, it has reached."""
        if any(map(self._is_dynamic, numbers)):
            self._dynamic.add(path)

    def _add_lasting(self, number: int) -> None:
        kind, path, function = self._meant(number)
        self._take_dynamic(path, [number])
        self._lasting.setdefault(path, []).append((kind, function))

    def _meant(self, number: int) -> tuple[str, str, str]:
        """What the number of a code stands for: a kind of claim, a file and a function's name."""
        return (BODY, *self._codes[number]) if number >= 0 else (SIGNATURE, *self._codes[~number])

    def _keeps(self, path: str, function: str) -> bool:
        """Whether a function may keep something. One whose text is not known may."""
        known = self._keepers.names.get(path)
        if known is None:
            return True
        if function in self._keepers.in_object[path] and (path, function) in self._fleeting:
            known -= {function}
        return keeps(function, known, self._keepers.handed)

    def _outlines_of(self, part: Part) -> dict[str, Outline]:
        """Of all files whose functions may have been executed."""
        paths = {module.path for module in part.modules if module.path.endswith(".py")}
        paths.update(path for path, _name in self._codes)
        paths.update(path for path, _function in part.reads["beneath"])
        paths.update(path for _module, path, _function in part.reads["left_beneath"])
        found = {path: self._world.outline(path) for path in paths}
        return {path: outline for path, outline in found.items() if outline is not None and outline.level}

    def lose(self, indexes: Iterable[int]) -> None:
        """Remember that nothing is known of these tests' latest runs: their processes have ended with what they had read."""
        for index in indexes:
            self.history.remember(self._tests[index].id, Memory("lost", 0.0, ()))

    # ---- what every test of a process depends on

    def _ground(self, part: Part, graph: Graph) -> list[int]:
        world, claims = self._world, self.history.set_of
        everywhere = [(CONFIG, name, world.value(CONFIG, name)) for name in self._config]
        everywhere.append((CIRCUMSTANCES, "", world.value(CIRCUMSTANCES, "")))
        installed = [self._file(path) for path in part.installed]
        known = {path for path in self._module_reads if not graph.modules_of(path)}
        lost = [claim for path in known for claim in self._claims(self._module_reads[path])]
        mentioned = [self._mentioned(reads) for reads in (part.reads["everybody"], *(self._module_reads[path] for path in known))]
        reads = [*self._claims(part.reads["everybody"]), *lost]
        roots = {name for test in self._tests for name in test.roots}
        unexplained = graph.modules.keys() - graph.closure([*roots, *self._plugins])
        modules = self._needed(graph.closure([*self._plugins, *unexplained]), graph)
        modules += self._left_everywhere(graph)
        modules += self._parameters_of(self._plugins, graph)
        return [claims(everywhere), claims(installed), claims(reads), claims(modules), *(self._of_mentioned(names) for names in mentioned if names)]

    # ---- fixtures that outlive a test

    def _fixtures(self, part: Part) -> dict[int, set[int]]:
        """The sets of each fixture, by its number: with those that it uses itself."""
        uses: dict[int, set[int]] = {}
        for kind, user, number in part.reads["uses"]:
            if kind == "fixture":
                uses.setdefault(user, set()).add(number)
        numbers = {number for _kind, _user, number in part.reads["uses"]} | uses.keys() | part.reads["fixtures"].keys()
        numbers.update(number for needed in part.needs.values() for number in needed)
        found = {}
        for number in numbers:
            seen, waiting = set(), [number]
            while waiting:
                one = waiting.pop()
                if one not in seen:
                    seen.add(one)
                    waiting += uses.get(one, ())
            codes = [code for one in seen for code in part.reads["fixture_codes"].get(one, ())]
            found[number] = self._sets_of([part.reads["fixtures"].get(one, {}) for one in seen], codes)
        return found

    # ---- modules

    def _root_claims(self, test: Test, graph: Graph) -> list[Claim]:
        world = self._world
        claims: list[Claim] = []
        roots = [name for name in test.roots if name in graph.modules]
        own = [module.name for module in graph.modules_of(test.path)]
        if not own:
            claims.append(self._file(test.path))
        if not own and test.path.endswith(".py"):
            roots = list(graph.modules)  # collected by somebody in a way of his own
        roots += own
        for folder in test.above:
            for name in CONFTEST_NAMES:
                path = world.short(os.path.join(folder, name))
                claims.append((owners.KIND, path, world.value(owners.KIND, path)))
        return [*claims, *self._parameters_of(roots, graph), *self._needed(graph.closure(roots), graph)]

    def _parameters_of(self, names: Iterable[str], graph: Graph) -> Iterable[Claim]:
        """Of modules in which pytest looks at the parameters of all functions, to find out what they ask for."""
        for path in {graph.modules[name].path for name in names if name in graph.modules}:
            if path in self._listened:
                short = self._world.short(path)
                yield (SIGNATURES, short, self._world.value(SIGNATURES, short))

    def _needed(self, names: frozenset[str], graph: Graph) -> list[Claim]:
        """Of modules, with what others have left in them."""
        effects, world = self._world.effects, self._world
        makers: list[str] = []
        if effects is not None:
            names, makers = effects.spread(names, graph)
        claims = [claim for name in names for claim in self._claims_of_module(name, graph)]
        for path in {graph.modules[name].path for name in names}:
            if path:
                short = world.short(path)
                claims.append((TOUCHED, short, world.value(TOUCHED, short)))
        for maker in makers:
            claims += self._left_by(maker)
        return claims

    def _left_everywhere(self, graph: Graph) -> list[Claim]:
        """What every test may see of modules that it does not mention."""
        effects, world = self._world.effects, self._world
        claims: list[Claim] = [(TOUCHED, EVERYWHERE, world.value(TOUCHED, EVERYWHERE))]
        if effects is not None:
            for maker in effects.wide:
                claims += self._left_by(maker)
                claims += self._needed(graph.closure(effects.needs(maker)), graph)
        return claims

    def _left_by(self, maker: str) -> Iterable[Claim]:
        """What the module *maker* leaves in others, and that somebody loads it."""
        effects, world = self._world.effects, self._world
        assert effects is not None
        path = effects.graph.modules[maker].path
        short = world.short(path)
        yield (EFFECT, short, None if world.changed_lately(path) else world.value(EFFECT, short))
        yield from self._of_codes(self._while_loading.get(path, ()))
        chain = effects.chain(maker)
        for name, needed in zip(chain, chain[1:], strict=False):
            if not name.startswith(f"{needed}."):
                module = effects.graph.modules[name]
                key = "\0".join([world.short(module.path), module.package, needed])
                yield (MENTIONS, key, None if world.changed_lately(module.path) else world.value(MENTIONS, key))

    def _claims_of_module(self, name: str, graph: Graph) -> list[Claim]:
        known = self._module_claims.get(name)
        if known is None:
            known = self._module_claims[name] = list(self._find_claims(name, graph))
        return known

    def _find_claims(self, name: str, graph: Graph) -> Iterable[Claim]:
        world, module = self._world, graph.modules[name]
        if module.path and world.changed_lately(module.path):
            yield (DOUBT, f"{world.short(module.path)} was written to while it was being used", None)
        elif module.path in self._listened:
            short = world.short(module.path)
            yield (LEVEL, short, world.value(LEVEL, short))
            for kind, function in self._lasting.get(module.path, ()):
                yield (kind, f"{short}::{function}", world.value(kind, f"{short}::{function}"))
            yield from self._of_codes([*self._while_loading.get(module.path, ()), *self._lasting_in.get(module.path, ())])
        elif module.path.endswith(".py"):
            short = world.short(module.path)
            yield (CODE, short, world.value(CODE, short))
        elif module.path:
            yield self._file(module.path)
        yield from self._findings(graph.lookups(name))
        yield from self._claims(self._module_reads.get(module.path, {}))

    def _findings(self, lookups: Iterable[tuple[str, str]]) -> Iterable[Claim]:
        """What importlib finds in folders for names."""
        for folder, stem in lookups:
            key = f"{self._world.short(folder) if folder else ''}\0{stem}"
            yield (FIND, key, self._world.value(FIND, key))

    # ---- functions

    def _of_codes(self, codes: Sequence[int]) -> Iterable[Claim]:
        """Functions that were executed, and the modules that they are part of, however they were reached."""
        world = self._world
        for number in codes:
            kind, path, function = self._meant(number)
            short = world.short(path)
            yield (LEVEL, short, world.value(LEVEL, short))
            yield (kind, f"{short}::{function}", world.value(kind, f"{short}::{function}"))

    # ---- reads

    def _file(self, path: str) -> Claim:
        short = self._world.short(path)
        return (owners.FILE, short, self._world.value(owners.FILE, short))

    def _claims(self, reads: Mapping[tuple[str, str], Any]) -> Iterable[Claim]:
        world = self._world
        for (kind, name), state in reads.items():
            if kind == owners.FILE:
                value = world.content_when(name, state)
                if value is None:
                    yield (DOUBT, f"{world.short(name)} was written to while the tests ran", None)
                else:
                    yield (kind, world.short(name), value)
            elif kind == owners.MENTION:
                continue  # known to the graph, or a set of its own
            elif kind == owners.LOAD:
                if not self._graph.modules_of(name):
                    yield from self._of_file_loaded(name)
            elif kind == owners.PROCESS:
                yield from self._of_process(name)
            elif kind == owners.ENV and os.fsencode(name) in NEVER and (owners.ENV, "*") in reads:
                continue  # looked at with all others
            elif kind == owners.ENV:
                yield (kind, name, world.value(kind, name))
            else:
                yield (kind, world.short(name), world.as_value(kind, state))

    def _of_file_loaded(self, path: str) -> Iterable[Claim]:
        """A module that was loaded and is forgotten again."""
        short = self._world.short(path)
        if self._world.changed_lately(path):
            yield (DOUBT, f"{short} was written to while it was being used", None)
        else:
            yield (CODE, short, self._world.value(CODE, short))

    def _of_process(self, command: str) -> Iterable[Claim]:
        """Nobody sees what another process reads: any file of the project, and any variable, for all we know."""
        program = os.path.basename(command.split(" ", 1)[0])
        if program in _UNKNOWABLE:
            yield (DOUBT, f"it starts {program}, which looks at more than files", None)
        yield (TREE, "", self._world.value(TREE, ""))
        yield (owners.ENV, "*", self._world.value(owners.ENV, "*"))


def _fleeting(reads: Mapping[str, Any]) -> frozenset[tuple[str, str]]:
    """Files and names of methods whose objects are gone with the test that they were called in."""
    codes, known = reads["codes"], frozenset(reads["fleeting"])
    names = {codes[number] for number in known}
    executed = [*reads["loading"].values(), *reads["item_codes"].values(), *reads["fixture_codes"].values()]
    return frozenset(names - {codes[number] for numbers in executed for number in numbers if number >= 0 and number not in known})


_UNKNOWABLE = frozenset({"git", "hg", "svn"})
"""Programs whose answers hang on folders that are no part of the project's files."""
