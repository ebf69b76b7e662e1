"""A pytest plugin that captures asserts, as early as a run does it; told by DX_CAPTURE=0 not to."""

import os

from dx_py_test_runner.engine.assertion import install


def pytest_addoption(pluginmanager):
    if os.environ.get("DX_CAPTURE") != "0":
        assert install(pluginmanager.get_plugin("pytestconfig"))
