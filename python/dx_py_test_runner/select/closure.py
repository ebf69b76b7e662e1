"""Which modules a module needs, by what their texts say and by what is loaded. Pure."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable, Mapping, Set
from typing import NamedTuple

from dx_py_test_runner.select.outline import Outline

ALL = "*"
"""Stands for all names in what a module has importlib look for."""


class Loaded(NamedTuple):
    """A module of the project that is loaded."""

    name: str
    path: str
    """Its file; '' for a package without one."""
    package: str
    """What relative imports in it start from."""
    folders: tuple[str, ...]
    """Where its submodules are looked for, if it is a package."""


class Reached(NamedTuple):
    """What was seen of how modules are reached whose names are not in the text. Made of paths."""

    listened: frozenset[str] = frozenset()
    """Files of which it would have been seen."""
    dynamic: frozenset[str] = frozenset()
    """Those among them of modules that have reached others so."""
    mentioned: Mapping[str, frozenset[str]] = types.MappingProxyType({})
    """The modules that a code has reached that one of this file has had executed; ``*``: any."""


class Graph:
    """Needs of the loaded modules.

    :param outlines: by path.
    :param reached: without it, a text that may reach others does so.
    """

    def __init__(self, modules: Iterable[Loaded], outlines: Mapping[str, Outline], reached: Reached = Reached()) -> None:
        self.modules = {module.name: module for module in modules}
        self._outlines = outlines
        self._reached = reached
        self._children: dict[str, list[str]] = {}
        self._by_path: dict[str, list[Loaded]] = {}
        for module in self.modules.values():
            self._children.setdefault(module.name.rpartition(".")[0], []).append(module.name)
            self._by_path.setdefault(module.path, []).append(module)
        self._by_last_name: dict[str, list[str]] = {}
        self._needs: dict[str, frozenset[str]] = {}

    def modules_of(self, path: str) -> list[Loaded]:
        """Those loaded from the file at *path*."""
        return self._by_path.get(path, [])

    def outline_of(self, module: Loaded) -> Outline | None:
        """What is known of the text of a module, if it has one."""
        return self._outlines.get(module.path)

    def knowing(self, reached: Reached) -> Graph:
        """The same modules, when this is known."""
        return Graph(self.modules.values(), self._outlines, reached)

    def _mentioned(self, module: Loaded) -> frozenset[str]:
        """What a code has reached that the module has had executed."""
        return self._reached.mentioned.get(module.path, frozenset())

    def _is_dynamic(self, module: Loaded) -> bool:
        """Whether a module may have reached others by names that are not in its text."""
        if ALL in self._mentioned(module):
            return True
        outline = self.outline_of(module)
        if outline is None:
            return False
        if module.path not in self._reached.listened:
            return outline.dynamic
        return outline.is_dynamic() or module.path in self._reached.dynamic

    def needs(self, name: str) -> frozenset[str]:
        """The names of the loaded modules that the module *name* mentions, its packages included."""
        if name not in self._needs:
            self._needs[name] = frozenset(self._find_needs(self.modules[name]))
        return self._needs[name]

    def _find_needs(self, module: Loaded) -> set[str]:
        found: set[str] = set()
        self.add(module.name.rpartition(".")[0], found)
        if self._is_dynamic(module):
            return set(self.modules) - {module.name}
        for name in self._mentioned(module):
            self.add(name, found)
        found |= self.within(self._mentioned(module))
        outline = self.outline_of(module)
        for level, target, names in () if outline is None else outline.imports:
            target = absolute(level, target, module.package)
            self.add(target, found)
            for name in names:
                if name == "*":
                    found.update(self._children.get(target, ()))
                else:
                    self.add(f"{target}.{name}", found)
        for name in () if outline is None else outline.names:
            self.add(name, found)
        found.discard(module.name)
        return found

    def loads(self, names: Iterable[str]) -> set[str]:
        """*names* with all that is certain to be loaded with them."""
        return self._followed(names, self._loaded_by)

    def _loaded_by(self, name: str) -> set[str]:
        """What is certain to be loaded by the module *name* itself."""
        module = self.modules[name]
        found: set[str] = set()
        self.add(name.rpartition(".")[0], found)
        outline = self.outline_of(module)
        for level, target, taken in () if outline is None else outline.loads:
            target = absolute(level, target, module.package)
            self.add(target, found)
            for one in taken:
                self.add(f"{target}.{one}", found)
        return found

    def _followed(self, names: Iterable[str], follow: Callable[[str], Set[str]]) -> set[str]:
        """*names*, as far as they are loaded, with all that *follow* leads to from there, step by step."""
        seen: set[str] = set()
        waiting = [name for name in names if name in self.modules]
        while waiting:
            name = waiting.pop()
            if name not in seen:
                seen.add(name)
                waiting += follow(name) - seen
        return seen

    def add(self, name: str, found: set[str]) -> None:
        """Add the modules to *found* that a dotted name leads through."""
        while name:
            if name in self.modules:
                found.add(name)
            name = name.rpartition(".")[0]

    def called(self, words: Iterable[str]) -> set[str]:
        """The modules the last part of whose name is one of *words*."""
        if not self._by_last_name:
            for name in self.modules:
                self._by_last_name.setdefault(name.rpartition(".")[2], []).append(name)
        return {name for word in words for name in self._by_last_name.get(word, ())}

    def within(self, names: Iterable[str]) -> set[str]:
        """*names*, as far as they are loaded, and all that is loaded in these packages: whoever has one may ask it for any of them."""
        return self._followed(names, lambda name: set(self._children.get(name, ())))

    def closure(self, names: Iterable[str]) -> frozenset[str]:
        """*names* with all that they need, directly or not."""
        return frozenset(self._followed(names, self.needs))

    def chain(self, names: Iterable[str], path: str) -> list[str]:
        """The shortest way from one of *names* to a module loaded from *path*: names, each of which needs the next."""
        came_from: dict[str, str | None] = {name: None for name in names if name in self.modules}
        waiting = list(came_from)
        while waiting:
            name = waiting.pop(0)
            if self.modules[name].path == path:
                found = [name]
                while (before := came_from[found[-1]]) is not None:
                    found.append(before)
                return found[::-1]
            for needed in sorted(self.needs(name)):
                if needed not in came_from:
                    came_from[needed] = name
                    waiting.append(needed)
        return []

    def lookups(self, name: str) -> set[tuple[str, str]]:
        """What the module *name* has importlib look for: pairs of a folder (of a package; '' for the search path) and a name."""
        module = self.modules[name]
        found = {("", name.partition(".")[0])}
        targets = {name}
        if self._is_dynamic(module):
            found.add(("", ALL))
        outline = self.outline_of(module)
        for level, target, names in () if outline is None else outline.imports:
            target = absolute(level, target, module.package)
            targets.add(target)
            targets.update(f"{target}.{name}" for name in names if name != "*")
        targets.update(self._mentioned(module) - {ALL})
        return found | self.lookups_of(targets)

    def lookups_of(self, targets: Iterable[str]) -> set[tuple[str, str]]:
        """What importlib looks for to load these modules, as pairs like those."""
        found = set()
        for target in targets:
            found.add(("", target.partition(".")[0]))
            parent, _, rest = target.rpartition(".")
            while parent:
                if parent in self.modules:
                    found.update((folder, rest) for folder in self.modules[parent].folders)
                parent, _, rest = parent.rpartition(".")
        found.discard(("", ""))
        return found


def absolute(level: int, target: str, package: str) -> str:
    """The full name of what a relative import names."""
    if not level:
        return target
    base = package.split(".")[: len(package.split(".")) - (level - 1)] if package else []
    return ".".join([*base, *([target] if target else [])])
