"""Names that pytest-xdist gives to projects where it is installed: its hooks and its fixtures.

The plugin itself is kept out (it would own ``-n``), but conftests may implement its hooks and tests may ask for
``worker_id``.
"""

from __future__ import annotations

import importlib.util
from typing import Any

from dx_py_test_runner.run import xdist_fixtures


def make_known(config: Any) -> None:
    """Declare the hooks and fixtures, if pytest-xdist is installed."""
    if importlib.util.find_spec("xdist") is None:
        return
    try:
        from xdist import newhooks
    except ImportError:
        return
    config.pluginmanager.add_hookspecs(newhooks)
    config.pluginmanager.register(xdist_fixtures, "dx-py-xdist-fixtures")
