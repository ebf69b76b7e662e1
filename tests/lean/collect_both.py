"""Collects the project in the current directory twice, by pytest's own code and lean, and prints what differs."""

from __future__ import annotations

import os
import sys
from typing import Any

import pytest
from dx_py_test_runner.engine.lean import items as lean_items
from dx_py_test_runner.engine.lean.collection import lean_collection

ATTRIBUTES = (
    "name nodeid originalname own_markers extra_keyword_matches _report_sections user_properties fixturenames funcargs "
    "path location"
).split()


class Collected:
    """A plugin that writes down what was collected."""

    def __init__(self, engine: str) -> None:
        self.engine = engine
        self.items: list[dict[str, Any]] = []
        self.warnings: list[str] = []
        self.lean = 0

    @pytest.hookimpl(wrapper=True)
    def pytest_collection(self, session: Any) -> Any:
        session.config.option.engine = self.engine
        with lean_collection(session):
            return (yield)

    def pytest_warning_recorded(self, warning_message: Any) -> None:
        self.warnings.append(str(warning_message))

    def pytest_collection_finish(self, session: Any) -> None:
        self.lean = sum("keywords" not in item.__dict__ for item in session.items)
        self.items = [describe(item) for item in session.items]


def describe(item: Any) -> dict[str, Any]:
    """Everything that a plugin could ask of *item*, as data that can be compared between two collections."""
    if not isinstance(item, pytest.Function):
        return {"nodeid": item.nodeid}
    info, request, spec = item._fixtureinfo, item._request, getattr(item, "callspec", None)
    facts: dict[str, Any] = {name: repr(getattr(item, name)) for name in ATTRIBUTES}
    facts |= {
        "type": type(item).__name__,
        "chain": [repr(node) for node in item.listchain()],
        "keywords": {key: repr(item.keywords[key])[:60] for key in sorted(item.keywords)},
        "own keywords": sorted(item.keywords._markers),
        "stash": (type(item.stash).__name__, len(item.stash), item.stash is item._store),
        "function": item.function.__qualname__,
        "instance": type(item.instance).__name__,
        "obj": type(item.obj).__name__,
        "obj of instance": getattr(item.obj, "__self__", None) is item.instance,
        "fixture info": (info.argnames, info.initialnames, info.names_closure),
        "fixtures": {name: [repr(fixture) for fixture in found] for name, found in info.name2fixturedefs.items()},
        "collectors": [describe_collector(node) for node in item.listchain()[1:-1]],
        "shared names": info.names_closure is item.fixturenames,
        "request": (type(request).__name__, request.node is item, sorted(request._arg2fixturedefs), request.scope),
        "markers": [repr(mark) for mark in item.iter_markers()],
        "attributes": sorted({*vars(item), *(name for name in lean_items.LATE if hasattr(item, name))} - {"_store"}),
        "others": [hasattr(item, name) for name in ("callspec", "no_such_attribute", "_nodeid", "_id")],
    }
    if spec is not None:
        facts["callspec"] = (spec.id, repr(spec.params), repr(spec.indices), repr(spec.marks))
    return facts


def describe_collector(node: Any) -> dict[str, Any]:
    """The same of a directory, module or class."""
    names = "name nodeid path fspath own_markers extra_keyword_matches config session".split()
    facts: dict[str, Any] = {name: without_addresses(getattr(node, name)) for name in names}
    return facts | {
        "keywords": sorted(node.keywords),
        "own keywords": sorted(node.keywords._markers),
        "stash": (type(node.stash).__name__, len(node.stash), node.stash is node._store),
        "id": repr(getattr(node, "id", None)),
        "attributes": list(vars(node)),
    }


def main() -> int:
    found: dict[str, list[dict[str, Any]]] = {}
    warnings: dict[str, list[str]] = {}
    for engine in ("pytest", "lean"):
        for name, module in list(sys.modules.items()):
            if str(getattr(module, "__file__", None)).startswith(os.getcwd()):
                del sys.modules[name]
        plugin = Collected(engine)
        pytest.main(["--collect-only", "-q", "-p", "no:cacheprovider", *sys.argv[1:]], plugins=[plugin])
        found[engine] = plugin.items
        warnings[engine] = plugin.warnings
        print(f"{engine}: {len(plugin.items)} items, {plugin.lean} of them lean")
    differing = 0
    if len(found["pytest"]) != len(found["lean"]):
        differing += 1
    if warnings["pytest"] != warnings["lean"]:
        differing += 1
        print(f"pytest warns of {warnings['pytest']}, lean of {warnings['lean']}")
    for real, lean in zip(found["pytest"], found["lean"], strict=False):
        for key in sorted(real.keys() | lean.keys()):
            if without_addresses(real.get(key)) != without_addresses(lean.get(key)):
                differing += 1
                print(f"{real['nodeid']}: {key}: pytest has {real.get(key)!r}, lean {lean.get(key)!r}")
    print(f"{differing} differences")
    return differing > 0


def without_addresses(value: Any) -> str:
    """*value* as text without what differs between two imports of one module."""
    import re

    return re.sub(r"0x[0-9a-f]+", "0x", repr(value))


if __name__ == "__main__":
    sys.exit(main())
