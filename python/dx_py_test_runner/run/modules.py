"""What a session's items are made of: their modules, conftests and plugins, as plain data for :mod:`select`."""

from __future__ import annotations

import os
from typing import Any

from dx_py_test_runner.select import loaded
from dx_py_test_runner.select.assemble import Test

Modules = dict[str, Any]
"""Plain values: ``loaded``, each module of the project as :class:`select.closure.Loaded`; ``files``, the names of those that were
collected, by their paths; ``always``, the names of conftests and plugins."""


def modules_of(session: Any) -> Modules:
    """The modules of a session in which everything has been collected."""
    manager = session.config.pluginmanager
    files: dict[str, list[str]] = {}
    for module in _collected(session):
        path = os.path.abspath(str(getattr(module, "__file__", "") or ""))
        files.setdefault(path, []).append(loaded.name_of(module))
    always = [loaded.name_of(plugin) for plugin in (*manager._conftest_plugins, *own_plugins(session.config))]
    known = sorted(tuple(module) for module in loaded.look(roots(session)).modules)
    return {"loaded": known, "files": {path: sorted(names) for path, names in sorted(files.items())}, "always": sorted(always)}


def both(before: Modules, now: Modules) -> Modules:
    """What is loaded now, with what was loaded before and has been left out."""
    names = {module[0] for module in now["loaded"]}
    more = [module for module in before["loaded"] if module[0] not in names]
    return {
        "loaded": sorted([*now["loaded"], *more]),
        "files": {**before["files"], **now["files"]},
        "always": sorted({*before["always"], *now["always"]}),
    }


def own_plugins(config: Any) -> list[Any]:
    """Plugins that are modules, but for conftests, which count for what is below them."""
    manager = config.pluginmanager
    return [plugin for plugin in manager.get_plugins() if hasattr(plugin, "__file__") and plugin not in manager._conftest_plugins]


def roots(session: Any) -> list[Any]:
    """Modules of the session that importlib may not know."""
    return [*_collected(session), *session.config.pluginmanager._conftest_plugins, *own_plugins(session.config)]


def _collected(session: Any) -> list[Any]:
    found: dict[int, Any] = {}
    parent: Any = None
    for item in session.items:
        if item.parent is not parent:
            parent = item.parent
            module = getattr(item, "module", None)
            if module is not None:
                found[id(module)] = module
    return list(found.values())


def tests_of(session: Any, ids: list[str]) -> list[Test]:
    """What is known of all items. Those of one parent differ in their names."""
    found: list[Test] = []
    parent: Any = None
    for item, nodeid in zip(session.items, ids, strict=True):
        if found and item.parent is parent:
            found.append(Test(nodeid, *found[-1][1:]))
        else:
            found.append(test_of(item, nodeid, session.config))
        parent = item.parent
    return found


def test_of(item: Any, nodeid: str, config: Any) -> Test:
    """What is known of one item."""
    path = str(item.path)
    module = getattr(item, "module", None)
    names = [] if module is None else [loaded.name_of(module)]
    names += [loaded.name_of(conftest) for conftest in config.pluginmanager._getconftestmodules(item.path)]
    return Test(nodeid, tuple(names), path, _above(os.path.dirname(path), str(config.rootpath)))


_known_above: dict[tuple[str, str], tuple[str, ...]] = {}


def _above(folder: str, root: str) -> tuple[str, ...]:
    """*folder* and those above it, up to *root*."""
    key = (folder, root)
    if key not in _known_above:
        parent = os.path.dirname(folder)
        rest = _above(parent, root) if folder != root and parent != folder else ()
        _known_above[key] = (folder, *rest)
    return _known_above[key]
