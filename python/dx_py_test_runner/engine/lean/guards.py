"""Which steps of pytest's protocol may be fused: decided once per run, from who implements each hook."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import pytest

KNOWN_PYTEST = ("8.4.", "9.0.", "9.1.", "9.2.")
"""Versions whose own steps are the ones that are fused here. Any other runs through its own code."""

KNOWN_PYTHON = ((3, 11), (3, 14))
"""From the first up to (and without) the second: 3.14 keeps warnings in a context of its own."""


@dataclass(frozen=True, slots=True)
class Guard:
    """One decision: *hooks* that must be pytest's own, and *plugins* that may implement them besides.

    *plugins* are modules of pytest (``_pytest.`` left out), and of plugins whose implementation does nothing for the
    items that are fused.
    """

    name: str
    hooks: tuple[str, ...]
    plugins: frozenset[str]
    test: str


_OURS = "dx_py_test_runner."

PROTOCOL = Guard(
    "protocol",
    ("pytest_runtest_protocol", "pytest_runtest_setup", "pytest_runtest_call", "pytest_runtest_teardown"),
    frozenset(
        # Of the items that are fused, hypothesis looks at none: they are not its tests, and it is not loaded.
        "runner warnings assertion faulthandler unittest capture logging skipping threadexception unraisableexception "
        "_hypothesis_pytestplugin".split()
    ),
    "spec/",
)

CALL = Guard(
    "call",
    ("pytest_pyfunc_call",),
    # The last two take coroutine functions alone.
    frozenset(["python", "anyio.pytest_plugin", "pytest_asyncio.plugin"]),
    "spec/",
)

REPORT = Guard(
    "report",
    (
        "pytest_runtest_logstart",
        "pytest_runtest_makereport",
        "pytest_runtest_logreport",
        "pytest_runtest_logfinish",
        "pytest_report_teststatus",
    ),
    frozenset(
        "runner skipping tmpdir unittest terminal logging main cacheprovider subtests anyio.pytest_plugin "
        "pytest_asyncio.plugin _hypothesis_pytestplugin".split()
    ),
    "spec/",
)

COLLECT = Guard(
    "collect",
    ("pytest_pycollect_makeitem", "pytest_generate_tests"),
    # The last two look for coroutine functions.
    frozenset(["python", "fixtures", "unittest", "anyio.pytest_plugin", "pytest_asyncio.plugin"]),
    "tests/lean/test_collection.py",
)

RUNNING = (PROTOCOL, CALL, REPORT)
"""What concerns the items' run: watched while it lasts, as fixtures and tests may register plugins."""

GUARDS = (*RUNNING, COLLECT)


def why_off(guard: Guard, relay: Any) -> str:
    """Why *guard* does not hold for the hooks of *relay* (``config.hook``, or that of a path), or ''."""
    for hook in guard.hooks:
        for implementation in getattr(relay, hook).get_hookimpls():
            origin = origin_of(implementation.plugin)
            short = origin.removeprefix("_pytest.")
            if short not in guard.plugins and not origin.startswith(_OURS):
                return f"{origin} implements {hook}"
    return ""


def origin_of(plugin: Any) -> str:
    """The module that a plugin is, or whose class it is an instance of."""
    name = getattr(plugin, "__name__", None)
    return name if isinstance(name, str) else type(plugin).__module__


def _why_unknown(config: Any) -> str:
    if config.option.engine != "lean":
        return "--engine=pytest"
    if not pytest.__version__.startswith(KNOWN_PYTEST):
        return f"pytest {pytest.__version__} is not known"
    return ""


def why_no_lean_collection(config: Any) -> str:
    """Why everything must be collected by pytest's own code, or ''. Hooks are asked about per collector."""
    for name in ("python", "funcmanage"):
        if not config.pluginmanager.hasplugin(name):
            return f"-p no:{name}"
    return "--debug" if config.option.debug else _why_unknown(config)


def why_no_lean_protocol(config: Any) -> str:
    """Why items must go through pytest's own protocol, or ''."""
    option = config.option
    if unknown := _why_unknown(config):
        return unknown
    if not KNOWN_PYTHON[0] <= sys.version_info[:2] < KNOWN_PYTHON[1]:
        return "this version of Python is not known"
    for name in ("usepdb", "trace", "setuponly", "setupshow", "setupplan", "fulltrace"):
        if getattr(option, name, False):
            return f"--{name}"
    if option.capture not in ("fd", "sys", "no"):
        return f"--capture={option.capture}"
    if config.pluginmanager.hasplugin("faulthandler") and float(config.getini("faulthandler_timeout") or 0) > 0:
        return "faulthandler_timeout is set"
    if "twisted" in sys.modules:
        return "twisted is loaded"
    if config.hook.pytest_assertion_pass.get_hookimpls():
        return "somebody implements pytest_assertion_pass"
    return _why_plugins_differ(config) or why_off(PROTOCOL, config.hook) or why_off(CALL, config.hook)


def _why_plugins_differ(config: Any) -> str:
    """The plugins whose steps are fused must be there, and as simple as they are by default."""
    manager = config.pluginmanager
    for name in ("capturemanager", "logging-plugin", "warnings", "skipping", "threadexception", "unraisableexception"):
        if not manager.hasplugin(name):
            return f"-p no:{name}"
    logs = manager.getplugin("logging-plugin")
    if logs._log_cli_enabled() or logs.log_level is not None:
        return "logging has a level or shows live"
    return ""
