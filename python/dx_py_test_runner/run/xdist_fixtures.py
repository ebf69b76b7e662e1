"""The fixtures of pytest-xdist, registered as a plugin where that is installed."""

from __future__ import annotations

import os
from typing import Any

import pytest


@pytest.fixture(scope="session")
def worker_id(request: Any) -> str:
    """The name of the worker process, or 'master' when there is only one process."""
    workerinput = getattr(request.config, "workerinput", None)
    return workerinput["workerid"] if workerinput else "master"


@pytest.fixture(scope="session")
def testrun_uid(request: Any) -> str:
    """An id that all workers of one run share."""
    workerinput = getattr(request.config, "workerinput", None)
    return workerinput["testrunuid"] if workerinput else os.urandom(16).hex()
