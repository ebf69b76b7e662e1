"""Names that pytest-xdist gives to projects where it is installed: its hooks and its fixtures.

The plugin itself is kept out (it would own ``-n``), but conftests may implement its hooks and tests may ask for
``worker_id``.
"""

from __future__ import annotations

import importlib.util
from typing import Any

import pytest


def make_known(config: Any) -> None:
    """Declare the hooks and fixtures, if pytest-xdist is installed."""
    if importlib.util.find_spec("xdist") is None:
        return
    try:
        from xdist import newhooks
    except ImportError:
        return
    config.pluginmanager.add_hookspecs(newhooks)
    config.pluginmanager.register(XdistFixtures(), "dx-py-xdist-fixtures")


class XdistFixtures:
    """The fixtures of pytest-xdist."""

    @pytest.fixture(scope="session")
    def worker_id(self, request: Any) -> str:
        """The name of the worker process, or 'master' when there is only one process."""
        workerinput = getattr(request.config, "workerinput", None)
        return workerinput["workerid"] if workerinput else "master"

    @pytest.fixture(scope="session")
    def testrun_uid(self, request: Any) -> str:
        """An id that all workers of one run share."""
        workerinput = getattr(request.config, "workerinput", None)
        if workerinput:
            return workerinput["testrunuid"]
        import uuid

        return uuid.uuid4().hex
