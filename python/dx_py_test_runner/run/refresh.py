"""Bringing a level's pytest session up to the client it now serves.

Whatever pytest's own plugins derived from late options or from the clock when they were configured is made anew, in
place, so that references other plugins hold stay good.
"""

from __future__ import annotations

import contextlib
import random
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from dx_py_test_runner.run import fit, known_tests, settings
from dx_py_test_runner.run.inline import silence
from dx_py_test_runner.run.printed import Printed
from dx_py_test_runner.tower.job import Job


def prepare(job: Job, session: Any, profile: fit.Profile) -> dict[str, Any]:
    """Give *session*, inherited from a level, the options of *job*, and what pytest's own plugins derive from them. Does nothing
    that could be seen from outside.

    :returns: what pytest's parser makes of the arguments.
    :raises Unfit: they cannot be parsed.
    """
    config = session.config
    parsed = fit.parse_again(config, job.args, job.env)
    changed = {key: value for key, value in parsed.items() if value != profile.parsed.get(key)}
    vars(config.option).update(changed)
    if not changed.keys().isdisjoint(settings.KEYS):
        # What this request leaves open is the project's to say, not the first request's.
        settings.apply(config)
    _set_arguments(config, job, parsed)
    _renew_cache_plugins(session)
    _renew_terminal(config)
    return parsed


def for_job(name: str, job: Job, session: Any, profile: fit.Profile, printed: Printed, parsed: dict[str, Any]) -> None:
    """Make *session*, which has been prepared, the session of *job*, and print what comes before its tests."""
    if not job.carry:
        printed.again()
    config = session.config
    _renew_stepwise(session)
    _renew_known_plugins(config, parsed)
    _start_terminal(name, session, job)
    if name == "collected":
        positional = tuple(parsed["file_or_dir"])
        if positional != profile.args:
            session.items[:] = fit.select(positional, profile.args, session)


def _set_arguments(config: Any, job: Job, parsed: dict[str, Any]) -> None:
    old = config.invocation_params
    config.invocation_params = type(old)(args=list(job.args), plugins=old.plugins, dir=old.dir)
    config.args, config.args_source = config._decide_args(
        args=list(parsed["file_or_dir"]),
        pyargs=bool(parsed.get("pyargs")),
        testpaths=config.getini("testpaths"),
        invocation_dir=old.dir,
        rootpath=config.rootpath,
        warn=False,
    )


def _renew_cache_plugins(session: Any) -> None:
    """``--lf`` and its kin read the cache when they are configured; earlier runs have written it since."""
    from _pytest import cacheprovider

    config = session.config
    manager = config.pluginmanager
    for name in ("lfplugin-collwrapper", "lfplugin-collskip"):
        if manager.has_plugin(name):
            manager.unregister(name=name)
    for name, kind in (("lfplugin", cacheprovider.LFPlugin), ("nfplugin", cacheprovider.NFPlugin)):
        old = manager.get_plugin(name)
        if type(old) is kind:
            for wrapper in ("lfplugin-collwrapper", "lfplugin-collskip"):
                if name == "lfplugin" and manager.has_plugin(wrapper):
                    manager.unregister(name=wrapper)
            # In place: the hook call that we are in the middle of has its list of plugins already.
            if name == "nfplugin":
                known_tests.renew(old, config)
            else:
                kind.__init__(old, config)


def _renew_stepwise(session: Any) -> None:
    """Asks the cache, too, and may say something about it."""
    config = session.config
    manager = config.pluginmanager
    stepwise = manager.get_plugin("stepwiseplugin")
    if stepwise is not None:
        manager.unregister(stepwise)
    if getattr(config.option, "stepwise", False):
        from _pytest.stepwise import StepwisePlugin

        plugin = StepwisePlugin(config)
        plugin.pytest_sessionstart(session)  # which has been called already, for the others
        manager.register(plugin, "stepwiseplugin")


def _renew_known_plugins(config: Any, parsed: dict[str, Any]) -> None:
    """Plugins that fix a clock or a random value when they are loaded."""
    from _pytest import junitxml

    log = config.stash.get(junitxml.xml_key, None)
    if log is not None:
        log.pytest_sessionstart()
    randomly = sys.modules.get("pytest_randomly")
    if randomly is not None and parsed.get("randomly_seed") in ("default", "last"):
        _renew_seed(config, randomly.make_seed(), last=parsed["randomly_seed"] == "last")
    elif randomly is not None and getattr(config.option, "randomly_seed", None) == getattr(
        randomly, "default_seed", object()
    ):
        randomly.default_seed = random.Random().getrandbits(32)
        config.option.randomly_seed = randomly.default_seed


def _renew_seed(config: Any, seed: int, *, last: bool) -> None:
    """As pytest-randomly does it since 5.0 when it is configured: a new seed, or that of the last run."""
    cache = getattr(config, "cache", None)
    if cache is not None:
        seed = cache.get("randomly_seed", seed) if last else seed
        cache.set("randomly_seed", seed)
    config.option.randomly_seed = seed


def _renew_terminal(config: Any) -> None:
    """Make the terminal reporter that of the new client, keeping what loading had to report."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    from _pytest.terminal import TerminalReporter

    if type(reporter) is TerminalReporter:
        kept = {key: getattr(reporter, key) for key in ("stats", "_numcollected", "_main_color", "_known_types")}
        TerminalReporter.__init__(reporter, config, sys.stdout)
        for key, value in kept.items():
            setattr(reporter, key, value)


def note_initial_conftests(config: Any) -> None:
    """Nothing has been collected yet: conftests that are loaded from here on have no part in the header."""
    config.stash[_INITIAL] = frozenset(map(id, config.pluginmanager._conftest_plugins))


@contextlib.contextmanager
def _header_of_initial_conftests(config: Any) -> Iterator[None]:
    """Here, the others are not asked for lines of the header."""
    manager, hooks = config.pluginmanager, config.hook
    late = [plugin for plugin in manager._conftest_plugins if id(plugin) not in config.stash.get(_INITIAL, ())]
    if not late:
        yield
        return
    whole = hooks.pytest_report_header
    hooks.pytest_report_header = manager.subset_hook_caller("pytest_report_header", remove_plugins=late)
    try:
        yield
    finally:
        hooks.pytest_report_header = whole


_INITIAL = pytest.StashKey[frozenset[int]]()


def _start_terminal(name: str, session: Any, job: Job) -> None:
    config = session.config
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None:
        return
    with silence(config) if job.carry else contextlib.nullcontext():
        with _header_of_initial_conftests(config):
            reporter.pytest_sessionstart(session=session)
        if name == "collected":
            reporter.pytest_collection()

