"""pytest's last collections of garbage, without those that cannot find any."""

from __future__ import annotations

import gc

from dx_py_test_runner.wire import frozen


def collect_until_clean(iterations: int) -> None:
    """Collect at most *iterations* times, as ``_pytest.unraisableexception.gc_collect_harder`` does it.

    Several are needed because what one collection frees may leave garbage for the next. One that finds nothing frees
    nothing, so all after it would find nothing either.
    """
    with frozen.staying_frozen():
        for _ in range(iterations):
            if gc.collect() == 0:
                return


def install() -> None:
    """Let pytest collect this way."""
    from _pytest import unraisableexception

    if hasattr(unraisableexception, "gc_collect_harder"):
        unraisableexception.gc_collect_harder = collect_until_clean
