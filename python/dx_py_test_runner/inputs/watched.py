"""Stand-ins that tell when somebody looks into them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dx_py_test_runner.inputs.compare import ALL_NAMES


def watched_variables(plain: dict[bytes, bytes], note: Callable[[bytes], None], wrote: Callable[[bytes], None]) -> dict[bytes, bytes]:
    """``os.environ``'s own dictionary, which tells what is looked up in it, and what is written.

    :param note: is given each name, and :data:`compare.ALL_NAMES` when somebody goes through all.
    """

    class Watched(dict):
        def __setitem__(self, name: bytes, value: bytes) -> None:
            wrote(name)
            dict.__setitem__(self, name, value)

        def __delitem__(self, name: bytes) -> None:
            wrote(name)
            dict.__delitem__(self, name)

        def __getitem__(self, name: bytes) -> bytes:
            note(name)
            return dict.__getitem__(self, name)

        def __contains__(self, name: object) -> bool:
            if isinstance(name, bytes):
                note(name)
            return dict.__contains__(self, name)

        def get(self, name: bytes, default: Any = None) -> Any:
            note(name)
            return dict.get(self, name, default)

        def __iter__(self) -> Any:
            note(ALL_NAMES)
            return dict.__iter__(self)

        def keys(self) -> Any:
            note(ALL_NAMES)
            return dict.keys(self)

        def items(self) -> Any:
            note(ALL_NAMES)
            return dict.items(self)

    return Watched(plain)


def watched_items(kind: type, items: Any, note: Any) -> Any:
    """A list or tuple that calls *note* when somebody looks into it."""

    class Watched(kind):  # type: ignore[misc, valid-type]
        def __getitem__(self, index: Any) -> Any:
            note()
            return kind.__getitem__(self, index)

        def __iter__(self) -> Any:
            note()
            return kind.__iter__(self)

        def __contains__(self, item: object) -> bool:
            note()
            return kind.__contains__(self, item)

        def __eq__(self, other: object) -> bool:
            note()
            return bool(kind.__eq__(self, other))

        __hash__ = kind.__hash__

    return Watched(items)
