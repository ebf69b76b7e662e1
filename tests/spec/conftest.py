"""Options and folders of the spec runs."""

from __future__ import annotations

import pytest

from .bench import Bench
from .modes import ORACLE


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("spec")
    group.addoption(
        "--spec-oracle-only",
        action="store_true",
        help="run the behaviour cases under real pytest alone, not under dx-py",
    )
    group.addoption(
        "--spec-keep",
        metavar="FOLDER",
        help="run the behaviour cases in FOLDER (new or empty, its path short) and leave everything there",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--spec-oracle-only", default=False):
        return
    dropped = [item for item in items if needs_dx_py(item)]
    config.hook.pytest_deselected(items=dropped)
    items[:] = [item for item in items if not needs_dx_py(item)]


def needs_dx_py(item: pytest.Item) -> bool:
    """A case in a mode that is not pytest's own."""
    if getattr(item, "originalname", None) != "test_case":
        return False
    return item.callspec.params["mode"] != ORACLE


@pytest.fixture(scope="session")
def bench(request: pytest.FixtureRequest):
    folder = request.config.getoption("--spec-keep", default=None)
    bench = Bench(folder)
    yield bench
    bench.close()
