"""How many processes run the items, and which kind of loop drives them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from dx_py_test_runner.engine.lean import observers
from dx_py_test_runner.engine.lean.guards import origin_of
from dx_py_test_runner.engine.lean.items import node_ids
from dx_py_test_runner.run import options
from dx_py_test_runner.run.plan import Group, groups_of, join, several_pay, worker_count
from dx_py_test_runner.tower.pace import Pace
from dx_py_test_runner.tower.tower import Tower


def run_items(
    session: Any, tower: Tower, hazard: str | None, after_fork: Callable[[], None], watching: Any = None
) -> None:
    """Run ``session.items``; raises what pytest's own loop raises when the session must stop.

    :param after_fork: called in each worker before it runs anything.
    :param watching: follows the tests, if anybody wants to know what they read.
    """
    option = session.config.option
    ids = node_ids(session.items)
    groups = groups_of(ids, alone=option.isolation == "test")
    if option.dist == "loadgroup":
        groups = join(groups, [_xdist_group(item) for item in session.items])
    count = _workers(session, hazard, groups, tower.pace)
    tower.alone = count == 1 and not (option.isolation and _may_fork(session, hazard))
    began = time.perf_counter()
    if tower.alone:
        from dx_py_test_runner.run.inline import InlineLoop

        if watching is not None:
            watching.follow(tower.page)
        InlineLoop(session, tower, ids, watching).run()
    else:
        from dx_py_test_runner.run.coordinate import Coordinator

        if watching is not None:
            watching.leave_to_workers()
        Coordinator(session, tower, ids, groups, count, after_fork, watching).run()
    tower.pace.tell(len(ids), time.perf_counter() - began, alone=tower.alone)


def look_ahead(items: list[Any]) -> None:
    """While nobody waits: what every run of *items* in forks of this process would load and find out by itself."""
    import dx_py_test_runner.run.coordinate
    import dx_py_test_runner.run.inline  # noqa: F401

    node_ids(items)


def _may_fork(session: Any, hazard: str | None) -> bool:
    """Whether tests may have processes of their own if that is asked for, and be it only one."""
    return bool(session.items) and not why_one_process(session.config, session.items, hazard, automatic=False)


def _xdist_group(item: Any) -> str | None:
    """The name that pytest-xdist's mark gives an item."""
    mark = item.get_closest_marker("xdist_group")
    if mark is None:
        return None
    return str(mark.args[0] if mark.args else mark.kwargs.get("name", "default"))


def _workers(session: Any, hazard: str | None, groups: list[Group], pace: Pace) -> int:
    option = session.config.option
    asked = option.numprocesses
    automatic = asked is None or asked == options.AUTO
    available = options.core_count() if automatic else max(1, asked)
    if option.maxprocesses:
        available = min(available, option.maxprocesses)
    if automatic:
        items = len(session.items)
        if not several_pay(pace.expected(items, alone=True), pace.expected(items, alone=False), available):
            return 1
    reason = why_one_process(session.config, session.items, hazard, automatic=automatic)
    return 1 if reason else worker_count(available, groups)


def why_one_process(config: Any, items: list[Any], hazard: str | None, *, automatic: bool) -> str:
    """Why the tests must run in the process that collected them, or ''.

    :param automatic: the user did not ask for a number of workers.
    """
    option = config.option
    if hazard:
        return hazard
    if getattr(option, "usepdb", False) or getattr(option, "trace", False):
        return "a debugger was asked for"
    for name in ("setupshow", "setupplan", "setuponly"):
        if getattr(option, name, False):
            return "fixtures are shown as they are set up"
    if automatic and getattr(option, "capture", "no") in ("no", "tee-sys"):
        return "output is not captured"
    return (_shared_state(config, items) if automatic else "") or _suite_wide_xml(config, items)


def _suite_wide_xml(config: Any, items: list[Any]) -> str:
    """These fixtures write into the report's document itself, which lives in the run."""
    if not getattr(config.option, "xmlpath", None):
        return ""
    for name in ("record_testsuite_property", "record_xml_attribute"):
        if any(name in getattr(item, "fixturenames", ()) for item in items):
            return f"{name} writes into the one junit report"
    return ""


_END_HOOKS = ("pytest_sessionfinish", "pytest_terminal_summary", "pytest_unconfigure")
_ITEM_HOOKS = (
    "pytest_runtest_protocol",
    "pytest_runtest_setup",
    "pytest_runtest_call",
    "pytest_runtest_teardown",
    "pytest_runtest_makereport",
    "pytest_fixture_setup",
    "pytest_fixture_post_finalizer",
    "pytest_pyfunc_call",
)

_NEEDS_NO_SHARED_STATE = frozenset(
    "pytest_cov pytest_html pytest_metadata hypothesis _hypothesis_pytestplugin anyio pytest_asyncio".split()
)
"""Plugins known to collect what they report from reports alone, or to keep no state between items and the end."""


def _shared_state(config: Any, items: list[Any]) -> str:
    """A plugin whose end-of-session hook may report what its per-item hooks gathered: both must see one process.

    A conftest counts as soon as it has an end hook, because its fixtures, too, may have gathered something.
    """
    hook = config.hook
    with_end = _implementers(hook, _END_HOOKS)
    with_items = _implementers(hook, _ITEM_HOOKS)
    for key, (plugin, name) in with_end.items():
        origin = origin_of(plugin)
        if origin.startswith(("_pytest.", "dx_py_test_runner.")) or origin.partition(".")[0] in _NEEDS_NO_SHARED_STATE:
            continue
        if not observers.is_used(origin, items):
            continue
        is_conftest = str(getattr(plugin, "__file__", "")).endswith("conftest.py")
        if is_conftest or key in with_items:
            return f"{origin} implements {name}"
    return ""


def _implementers(hook: Any, names: tuple[str, ...]) -> dict[int, tuple[Any, str]]:
    """Plugins that implement one of *names*, by identity (plugins need not be hashable)."""
    found: dict[int, tuple[Any, str]] = {}
    for name in names:
        for implementation in getattr(hook, name).get_hookimpls():
            found.setdefault(id(implementation.plugin), (implementation.plugin, name))
    return found
