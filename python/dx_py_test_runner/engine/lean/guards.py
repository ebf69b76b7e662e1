"""Which steps of pytest may be fused: decided once per run or collector, from who implements each hook.

``docs/guards.md`` is made from this table (``make docs``), ``dx-py doctor`` shows what it decides for a project.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import pytest
from _pytest.config import Config
from _pytest.terminal import TerminalReporter
from pluggy import PluginManager

from dx_py_test_runner.engine.lean import observers

KNOWN_PYTEST = ("8.4.", "9.0.", "9.1.", "9.2.")
"""Versions whose own steps are the ones that are fused here. Any other runs through its own code."""

KNOWN_PYTHON = ((3, 11), (3, 14))
"""From the first up to (and without) the second: 3.14 keeps warnings in a context of its own."""


_multicall = getattr(PluginManager("guards"), "_inner_hookexec", None)
"""How pluggy calls hooks that nobody monitors."""


@dataclass(frozen=True, slots=True)
class Guard:
    """One decision.

    :param hooks: those that must be pytest's own for the lean path.
    :param plugins: modules that may implement them besides: parts of pytest (``_pytest.`` left out), and plugins whose
        implementation does nothing for the items that are fused.
    :param conditions: what else must hold.
    :param lean: what is left out.
    :param real: what happens when the guard does not hold.
    :param tests: what shows that both ways come to the same.
    """

    name: str
    hooks: tuple[str, ...]
    plugins: frozenset[str]
    conditions: tuple[str, ...]
    lean: str
    real: str
    tests: str


_OURS = "dx_py_test_runner."
_KNOWN = "--engine=lean, and a known version of pytest"

COLLECT = Guard(
    "collect",
    ("pytest_pycollect_makeitem", "pytest_generate_tests"),
    # The last two look for coroutine functions.
    frozenset(["python", "fixtures", "unittest", "anyio.pytest_plugin", "pytest_asyncio.plugin"]),
    (_KNOWN, "no -p no:python", "no --debug, nobody monitors hook calls", "collect_imported_tests is true", "Function's constructors are pytest's"),
    "Test functions that are plain (no coroutine, nothing wrapped, no parameters) become items without asking these hooks; "
    "what is empty in an item is made when it is looked at.",
    "These hooks are asked for every name, everything in an item is made at once. Decided per module and class.",
    "tests/lean/test_collection.py, tests/lean/test_random_suites.py, spec/",
)

FILES = Guard(
    "files",
    ("pytest_ignore_collect", "pytest_collect_file", "pytest_pycollect_makemodule"),
    frozenset(["main", "doctest", "python"]),
    (
        "as for collect",
        "pytest 9.2",
        "no --ignore, --ignore-glob, --doctest-modules, collect_ignore or collect_ignore_glob",
        "python_files are names, not paths",
        "the file is not named on the command line",
    ),
    "Files of a directory that end in .py become modules, or are passed over, by their names alone.",
    "These hooks are asked for every file. Decided per directory.",
    "tests/lean/test_collection.py, spec/collection.md in mode lean",
)

MODULES = Guard(
    "modules",
    ("pytest_collectstart", "pytest_make_collect_report", "pytest_collectreport"),
    frozenset(["main", "runner", "capture", "fixtures", "terminal", "cacheprovider", "junitxml"]),
    ("as for collect", "pytest 9.2", "no --lf or --ff"),
    "Modules are collected without these hooks: what pytest's plugins do in them is done directly.",
    "These hooks are called. Decided per module.",
    "tests/lean/test_collection.py, spec/collection.md in mode lean",
)

COLLECTING = (COLLECT, FILES, MODULES)

PROTOCOL = Guard(
    "protocol",
    ("pytest_runtest_protocol", "pytest_runtest_setup", "pytest_runtest_call", "pytest_runtest_teardown"),
    frozenset(
        # Of the items that are fused, hypothesis looks at none: they are not its tests.
        "runner warnings assertion faulthandler unittest capture logging skipping threadexception unraisableexception "
        "_hypothesis_pytestplugin".split()
    ),
    (
        _KNOWN,
        "a known version of Python",
        "no --debug, nobody monitors hook calls",
        "none of --pdb --trace --setup-only --setup-show --setup-plan --full-trace",
        "--capture is fd, sys or no",
        "no faulthandler_timeout",
        "twisted is not loaded",
        "nobody implements pytest_assertion_pass",
        "capture, logging, warnings, skipping and exception plugins are there; logging has no level and shows nothing live",
    ),
    "The phases of plain test functions without marks that matter run without entering and leaving every plugin's part.",
    "pytest_runtest_protocol is called.",
    "spec/ in mode lean, tests/lean/test_random_suites.py, make conformance",
)

CALL = Guard(
    "call",
    ("pytest_pyfunc_call",),
    # The last two take coroutine functions alone.
    frozenset(["python", "anyio.pytest_plugin", "pytest_asyncio.plugin"]),
    ("as for protocol",),
    "The test function is called.",
    "pytest_runtest_protocol is called.",
    "spec/ in mode lean, tests/lean/test_random_suites.py, make conformance",
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
    (
        "pytest's own terminal reporter, which writes to standard output",
        "no -v, no console_output_style but progress, classic and none",
        "no -s",
    ),
    "Three phases that pass in silence are a few numbers and a dot; reports of them are made for those who look at them.",
    "A report of every phase goes through these hooks.",
    "spec/ in mode lean, tests/lean/test_random_suites.py",
)

RUNNING = (PROTOCOL, CALL, REPORT)
"""What concerns the items' run: watched while it lasts, as fixtures and tests may register plugins."""

GUARDS = (*COLLECTING, *RUNNING)


def verdicts(config: Any) -> dict[str, str]:
    """Why each guard does not hold under *config*, by its name; '' for those that do."""
    running, collecting = why_no_lean_protocol(config), why_no_lean_collection(config)
    return {
        **{guard.name: collecting or why_off(guard, config.hook) for guard in COLLECTING},
        PROTOCOL.name: running,
        CALL.name: running,
        REPORT.name: running or why_reports_are_made(config),
    }


def why_off(guard: Guard, relay: Any, config: Any = None) -> str:
    """Why *guard* does not hold for the hooks of *relay* (``config.hook``, or that of a path), or ''.

    :param config: what plugins are asked about that do nothing for most items; without it they count as any other.
    """
    for hook in guard.hooks:
        for implementation in getattr(relay, hook).get_hookimpls():
            origin = origin_of(implementation.plugin)
            short = origin.removeprefix("_pytest.")
            if short in guard.plugins or origin.startswith(_OURS):
                continue
            if config is None or not observers.is_idle(origin, hook, implementation.plugin, config):
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
    return "hook calls are monitored" if is_monitored(config) else _why_unknown(config)


def is_monitored(config: Any) -> bool:
    """Whether somebody is told of every call of every hook (``add_hookcall_monitoring``, ``--debug``)."""
    return getattr(config.pluginmanager, "_inner_hookexec", _multicall) is not _multicall


def why_no_lean_protocol(config: Any) -> str:
    """Why items must go through pytest's own protocol, or ''."""
    option = config.option
    if unknown := _why_unknown(config):
        return unknown
    if is_monitored(config):
        return "hook calls are monitored"
    if not KNOWN_PYTHON[0] <= sys.version_info[:2] < KNOWN_PYTHON[1]:
        return "this version of Python is not known"
    for name in ("usepdb", "trace", "setuponly", "setupshow", "setupplan", "fulltrace"):
        if getattr(option, name, False):
            return f"--{name}"
    # Plugins that are switched off have no options.
    capture = getattr(option, "capture", "")
    if capture not in ("fd", "sys", "no"):
        return f"--capture={capture}" if capture else "-p no:capture"
    if config.pluginmanager.hasplugin("faulthandler") and float(config.getini("faulthandler_timeout") or 0) > 0:
        return "faulthandler_timeout is set"
    if "twisted" in sys.modules:
        return "twisted is loaded"
    if config.hook.pytest_assertion_pass.get_hookimpls():
        return "somebody implements pytest_assertion_pass"
    return _why_plugins_differ(config) or why_off(PROTOCOL, config.hook, config) or why_off(CALL, config.hook, config)


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


def why_reports_are_made(config: Any) -> str:
    """Why the hooks must be told of every phase, or ''."""
    reporter = config.pluginmanager.getplugin("terminalreporter")
    if type(reporter) is not TerminalReporter:
        return "there is another terminal reporter, or none"
    if config.get_verbosity(Config.VERBOSITY_TEST_CASES) > 0:
        return "-v"
    if reporter._show_progress_info not in (False, "progress"):
        return "console_output_style"
    if getattr(config.option, "capture", "no") == "no":
        return "output is not captured: it may wait in the same buffer as the reports"
    file = reporter._tw._file
    if file is not sys.__stdout__ or file is None:
        return "the terminal reporter writes elsewhere"
    return why_off(REPORT, config.hook, config)


def page() -> str:
    """The table as a page."""
    lines = [
        "# Guards of the lean engine",
        "",
        "Made from `engine/lean/guards.py` by `make docs`. A guard decides whether steps of pytest's may be fused, because then nobody could see a",
        "difference. `dx-py doctor` shows which of them hold in a project, and why the others do not. `--engine=pytest` switches all of them off.",
        "",
        f"Known versions of pytest: {', '.join(version + 'x' for version in KNOWN_PYTEST)}. Known versions of Python: from "
        f"{'.'.join(map(str, KNOWN_PYTHON[0]))} up to, and without, {'.'.join(map(str, KNOWN_PYTHON[1]))}.",
    ]
    for guard in GUARDS:
        lines += [
            "",
            f"## {guard.name}",
            "",
            guard.lean,
            "",
            f"- Otherwise: {guard.real}",
            f"- Hooks that must be pytest's own: {', '.join(f'`{hook}`' for hook in guard.hooks)}",
            f"- Who may implement them: {', '.join([*(f'`{name}`' for name in sorted(guard.plugins)), *observers.described(guard.hooks)])}",
            f"- And: {'; '.join(guard.conditions)}",
            f"- Shown by: {guard.tests}",
        ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(page(), end="")
