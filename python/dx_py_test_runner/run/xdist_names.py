"""Names that pytest-xdist gives to projects where it is installed: its hooks and its fixtures.

The plugin itself is kept out (it would own ``-n``), but conftests may implement its hooks and tests may ask for
``worker_id``.
"""

from __future__ import annotations

import importlib.util
import os
from typing import Any

from dx_py_test_runner.run.options import BLOCKED_PLUGINS


def keep_out(pluginmanager: Any) -> None:
    """Have pytest-xdist loaded by nobody: not by its entry point, nor by ``-p``, which unblocks what it names."""
    for name in BLOCKED_PLUGINS:
        pluginmanager.set_blocked(name)
    unblock = pluginmanager.unblock
    pluginmanager.unblock = lambda name: name not in BLOCKED_PLUGINS and unblock(name)


def be_listed(pluginmanager: Any) -> None:
    """Let pytest find an installed pytest-xdist among its plugins, as ``required_plugins`` and the header want it."""
    if os.environ.get("PYTEST_DISABLE_PLUGIN_AUTOLOAD") or importlib.util.find_spec("xdist") is None:
        return
    from importlib import metadata

    from pluggy._manager import DistFacade

    from dx_py_test_runner.run import xdist_fixtures

    try:
        distribution = metadata.distribution("pytest-xdist")
    except metadata.PackageNotFoundError:
        return
    pluginmanager._plugin_distinfo.append((xdist_fixtures, DistFacade(distribution)))


def make_known(config: Any) -> None:
    """Declare the hooks and fixtures, if pytest-xdist is installed."""
    asked_for = any(name.startswith("xdist") for name in config.option.plugins or ())
    autoloaded = not os.environ.get("PYTEST_DISABLE_PLUGIN_AUTOLOAD") and not getattr(
        config.option, "disable_plugin_autoload", False
    )
    if not (asked_for or autoloaded) or importlib.util.find_spec("xdist") is None:
        return
    try:
        from xdist import newhooks
    except ImportError:
        return
    from dx_py_test_runner.run import xdist_fixtures

    config.pluginmanager.add_hookspecs(newhooks)
    config.pluginmanager.register(xdist_fixtures, "dx-py-xdist-fixtures")
    config.addinivalue_line("markers", "xdist_group(name): with --dist loadgroup, run these tests in one worker.")
