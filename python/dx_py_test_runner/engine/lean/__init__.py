"""Running items without what nobody listens to: pytest's own steps, fused where only pytest's own code would see them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from dx_py_test_runner.engine.frames import internal
from dx_py_test_runner.engine.lean.guards import why_no_lean_protocol
from dx_py_test_runner.engine.lean.plain import PlainItems
from dx_py_test_runner.engine.lean.protocol import LeanProtocol


def _is_not_plain(_item: Any, _nextitem: Any) -> None:
    return None


@contextmanager
def runner_for(
    session: Any, reporter: Any, mark: Callable[[int], None], kept: Sequence[int] = ()
) -> Iterator[Callable[[Any, Any], bool]]:
    """A function ``run(item, nextitem)`` that runs an item as ``pytest_runtest_protocol`` does and reports it.

    It returns whether the item has passed in silence, having left everything as it was: then nothing asks for the session to
    stop, and *kept* are the files that they were.

    :param reporter: one of those of ``reporting.py``.
    :param mark: told how many phases of the item have passed that are not reported yet, in case the process dies.
    :param kept: descriptors that no test may close or replace unnoticed.
    """
    config = session.config
    hook = config.hook

    if why_no_lean_protocol(config):

        @internal
        def run_real(item: Any, nextitem: Any) -> bool:
            hook.pytest_runtest_protocol(item=item, nextitem=nextitem)
            return False

        yield run_real
        return
    with LeanProtocol(session, reporter, mark, kept) as lean:

        run_plain = PlainItems(lean).run if reporter.spares_reports else _is_not_plain

        @internal
        def run(item: Any, nextitem: Any) -> bool:
            silent = run_plain(item, nextitem)
            if silent is not None:
                return silent
            if lean.can_run(item):
                lean.run(item, nextitem)
            else:
                lean.pause()
                hook.pytest_runtest_protocol(item=item, nextitem=nextitem)
            return False

        yield run
