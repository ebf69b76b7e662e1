"""Which loaded modules have left something in which others, and who has loaded them. Pure.

Beside needing what it mentions (:mod:`select.closure`), whoever needs a module depends on what others have left in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from dx_py_test_runner.select.closure import Graph, Loaded, absolute
from dx_py_test_runner.select.outline import Outline
from dx_py_test_runner.select.touching import ANY, CALLS, DERIVES, PUTS, WRAPS, Statement

_HARMLESS = frozenset(
    {"pytest", "_pytest", "unittest", "warnings", "atexit", "collections", "numbers", "abc", "typing", "logging", "faulthandler", "hypothesis", "random"}
)
"""Modules of others in which nothing is left that a test sees: their own ways undo it, it is about what was handed in alone, or by chance."""

_LINKS = 8
"""How often an imported name is followed to where it comes from."""


class Effects:
    """What the loaded modules leave in one another.

    :param graph: of all that is loaded when everything has been collected.
    :param collected: the names of test files.
    :param always: those of conftests and plugins.
    """

    def __init__(self, graph: Graph, collected: Iterable[str], always: Iterable[str]) -> None:
        self.graph = graph
        self._test_files = frozenset(collected)
        self._roots = [name for name in (*sorted(self._test_files), *always) if name in graph.modules]
        self._by: dict[str, set[str]] = {}
        self.wide: set[str] = set()
        """The modules that leave something where everybody may see it."""
        self._guilty: dict[str, list[Statement]] = {}
        self._derived: dict[str, bool] = {}
        self._brought: dict[str, list[str]] = {}
        for module in graph.modules.values():
            outline = graph.outline_of(module)
            for statement in () if outline is None else outline.touches.statements:
                if self._take(module, statement):
                    self._guilty.setdefault(module.name, []).append(statement)
        self._paths: dict[str, set[str]] = {}
        for touched, others in self._by.items():
            self._paths.setdefault(graph.modules[touched].path, set()).update(others)

    def _take(self, module: Loaded, statement: Statement) -> bool:
        """Take in a statement of a module, if it leaves something somewhere; says whether."""
        leaves = False
        for how, level, name in statement.touched:
            if how == DERIVES and module.name in self._test_files:
                continue
            full = absolute(level, name, module.package)
            found = self._follow(full)
            if not found:
                if how == PUTS and not level and full.partition(".")[0] not in _HARMLESS and not self._is_ours(full):
                    self.wide.add(module.name)
                    leaves = True
                continue
            for target, rest in found:
                if target != module.name and self._is_left(how, target, rest):
                    self._by.setdefault(target, set()).add(module.name)
                    leaves = True
        return leaves

    def _is_left(self, how: str, target: str, rest: str) -> bool:
        """Whether something is left in the module *target*, of which *rest* is touched."""
        if how == DERIVES:
            return self._remembers_classes(target)
        if how == CALLS and "." in rest:
            return False
        if how in (CALLS, WRAPS) and "." not in rest.removesuffix(".*"):
            outline = self.graph.outline_of(self.graph.modules[target])
            return outline is not None and not {rest.removesuffix(".*"), ANY}.isdisjoint(outline.touches.registers)
        return True

    def _remembers_classes(self, target: str) -> bool:
        if target not in self._derived:
            outlines = (self.graph.outline_of(self.graph.modules[name]) for name in self.graph.closure([target]))
            self._derived[target] = any(outline is not None and outline.touches.derived for outline in outlines)
        return self._derived[target]

    def _is_ours(self, name: str) -> bool:
        """Whether a name begins with that of a package or module of the project."""
        return name.partition(".")[0] in self.graph.modules

    def _follow(self, name: str) -> list[tuple[str, str]]:
        """The modules that a dotted name leads to, by imports from one another, each with the rest of the name."""
        found: dict[tuple[str, str], None] = {}
        waiting = [(name, 0)]
        while waiting:
            full, steps = waiting.pop()
            target = full
            while target and target not in self.graph.modules:
                target = target.rpartition(".")[0]
            rest = full[len(target) + 1 :]
            if not target or (target, rest) in found:
                continue
            found[(target, rest)] = None
            module = self.graph.modules[target]
            outline = self.graph.outline_of(module)
            first, _, more = rest.partition(".")
            if outline is None or not first or steps == _LINKS:
                continue
            for level, source, names in outline.imports:
                if first in names or "*" in names:
                    waiting.append((".".join(filter(None, (absolute(level, source, module.package), first, more))), steps + 1))
        return list(found)

    def touched(self, path: str) -> str:
        """The modules that have left something in that of the file at *path*, in words that can be compared."""
        return "\n".join(sorted(self._paths.get(path, ())))

    def spread(self, names: Iterable[str], graph: Graph) -> tuple[frozenset[str], list[str]]:
        """What is needed besides *names*, which are closed: all that is needed, and the modules that have left something in it.

        :param graph: that in which *names* are.
        """
        seen = frozenset(names)
        makers: dict[str, None] = {}
        waiting = list(seen)
        while waiting:
            for maker in sorted(self._by.get(waiting.pop(), ())):
                if maker in makers or maker in seen:
                    continue
                makers[maker] = None
                more = graph.closure(self.needs(maker)) - seen
                seen |= more
                waiting += more
        return seen, [maker for maker in makers if maker not in seen]

    def makers_in(self, names: Iterable[str]) -> set[str]:
        """The modules that have left something in one of *names*."""
        return set().union(*(self._by.get(name, ()) for name in names))

    def needs(self, maker: str) -> list[str]:
        """The modules that what the module *maker* leaves behind is made of."""
        module = self.graph.modules[maker]
        found: set[str] = set()
        for statement in self._guilty.get(maker, ()):
            for level, name in statement.needs:
                self.graph.add(absolute(level, name, module.package), found)
        return sorted(found - {maker})

    def effect(self, path: str) -> str:
        """What the file at *path* leaves in others, as a text that can be compared."""
        modules = self.graph.modules_of(path)
        return "\n".join(sorted(statement.effect for module in modules for statement in self._guilty.get(module.name, ())))

    def chain(self, maker: str) -> list[str]:
        """The modules through which *maker* is loaded, from one that is loaded for its own sake."""
        if maker not in self._brought:
            self._brought[maker] = self.graph.chain(self._roots, self.graph.modules[maker].path)
        return self._brought[maker]


class Bringers(NamedTuple):
    """For :func:`to_load`."""

    effects: Effects
    files: Mapping[str, Sequence[str]]
    """The names of the modules that each test file is, by its path."""
    always: Sequence[str]
    """The names of those that are loaded whatever is left out."""


def to_load(known: Bringers, left_out: Iterable[str], loaded: Iterable[str]) -> set[str]:
    """The test files that must be loaded though nothing in them need run, because others may see what they leave behind.

    :param left_out: the paths of test files with nothing to run.
    :param loaded: those of the others.
    """
    effects, graph = known.effects, known.effects.graph
    brings = {path: graph.closure(known.files.get(path, ())) for path in left_out}
    there = graph.loads([*known.always, *(name for path in loaded for name in known.files.get(path, ()))])
    needed = graph.closure([*known.always, *(name for path in loaded for name in known.files.get(path, ()))])
    seen, _makers = effects.spread(needed, graph)
    wanted = (effects.makers_in(seen) | effects.wide) - there
    return {path for path, names in brings.items() if names & wanted}


def mentions(outline: Outline | None, package: str, target: str) -> bool:
    """Whether a file mentions the module *target*, or something in it.

    :param package: what relative imports in it start from.
    """
    if outline is None:
        return False
    if outline.dynamic:
        return True
    for level, source, names in outline.imports:
        source = absolute(level, source, package)
        if _leads(source, target) or any(_leads(f"{source}.{name}", target) or (name == "*" and target.startswith(f"{source}.")) for name in names):
            return True
    return any(_leads(name, target) for name in outline.names)


def _leads(name: str, target: str) -> bool:
    return name == target or name.startswith(f"{target}.")
