"""Running items without what nobody listens to: pytest's own steps, fused where only pytest's own code would see them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from dx_py_test_runner.engine.frames import internal
from dx_py_test_runner.engine.lean.guards import why_no_lean_protocol
from dx_py_test_runner.engine.lean.plain import PlainItems, Shared, behind
from dx_py_test_runner.engine.lean.protocol import LeanProtocol


def _are_not_plain(_items: list[Any], _start: int, _stop: int, _following: Any) -> tuple[int, bool]:
    return 0, False


@contextmanager
def runner_for(session: Any, reporter: Any, shared: Shared) -> Iterator[Callable[[list[Any], int, int, Any], tuple[int, bool]]]:
    """A function ``run(items, start, stop, following)`` that runs some of *items*, at least that at *start* and none from *stop* on, each
    as ``pytest_runtest_protocol`` does, and reports them. *following* is the item behind these, or None.

    It returns how many it has run, and whether the last of them has passed in silence, having left everything as it was: then nothing
    asks for the session to stop, and the descriptors of *shared* are the files that they were. None were run if they are to stop.

    :param reporter: one of those of ``reporting.py``.
    """
    config = session.config
    hook = config.hook

    if why_no_lean_protocol(config):

        @internal
        def run_real(items: list[Any], start: int, stop: int, following: Any) -> tuple[int, bool]:
            hook.pytest_runtest_protocol(item=items[start], nextitem=behind(items, start, stop, following))
            return 1, False

        yield run_real
        return
    with LeanProtocol(session, reporter, shared.page.set_silent, shared.kept) as lean:

        run_plain = PlainItems(lean, shared).run if reporter.spares_reports else _are_not_plain

        @internal
        def run(items: list[Any], start: int, stop: int, following: Any) -> tuple[int, bool]:
            count, silent = run_plain(items, start, stop, following)
            if count or silent:
                return count, silent
            item = items[start]
            nextitem = behind(items, start, stop, following)
            if lean.can_run(item):
                lean.run(item, nextitem)
            else:
                lean.pause()
                lean.hypothesis_is_told()
                hook.pytest_runtest_protocol(item=item, nextitem=nextitem)
            return 1, False

        yield run
