"""What loading printed to the user's terminal, past pytest's reporter: configure hooks, session starts, plugins.

A warm run has not executed those prints; it repeats them, before its own header. What was printed behind the header
cannot be told apart from pytest's progress, so no level is kept behind it.
"""

from __future__ import annotations

import os
from typing import Any

from dx_py_test_runner.tower import adopt

_HEADER = b" test session starts "

_PROGRESS = (b"", b"collecting ... ")
"""What the reporter itself may have printed by a checkpoint, when stdout is no terminal."""


class Printed:
    """Divides what was printed into the part before the header, the header and the rest."""

    def __init__(self) -> None:
        self._before = (b"", b"")
        self._header_end = 0

    def header_ends(self) -> None:
        """Called when the session has been started and the reporter has printed its header, if any."""
        out, err = adopt.printed_while_loading()
        begin = out.find(_HEADER)
        if begin >= 0:
            before = out[: out.rfind(b"\n", 0, begin) + 1]
        else:
            before = out
        self._before = (before, err)
        self._header_end = len(out)

    def refusal(self, option: Any) -> str:
        """Why no level may be kept after what was printed, or ''."""
        out, err = adopt.printed_while_loading()
        rest = out[self._header_end :]
        if err != self._before[1]:
            return "something was printed to stderr while collecting"
        if rest not in _PROGRESS and not _is_rewriting(rest):
            return "something was printed while collecting"
        return ""

    def again(self) -> None:
        """Print for another client what loading had printed before the header."""
        for fd, text in zip((1, 2), self._before):
            while text:
                text = text[os.write(fd, text) :]


def _is_rewriting(rest: bytes) -> bool:
    """Whether this is only the reporter's counter, which on a terminal writes over itself."""
    plain = rest.replace(b"\x1b[1m", b"").replace(b"\x1b[0m", b"")
    return all(piece.startswith(b"collecting ") or not piece for piece in plain.split(b"\r"))
