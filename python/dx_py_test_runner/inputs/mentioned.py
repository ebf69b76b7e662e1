"""Which modules a code reaches that somebody executes: its text is in no file that could tell.

The code is one of ``exec`` or ``eval``: the interpreter tells of each (``sys.addaudithook``).
"""

from __future__ import annotations

import dis
from collections.abc import Iterator
from types import CodeType

ANY_MODULE = "*"
"""Stands for whatever module: it is reached by a name that is not in the code."""

_REACHING = frozenset(
    {"__import__", "import_module", "importorskip", "modules", "exec", "run_path", "run_module", "find_spec", "spec_from_file_location"}
    | {"entry_points", "load_module", "exec_module", "iter_modules", "walk_packages", "import_string", "import_from_string", "resolve_name"}
    | {"locate", "find_loader"}
)
"""As `mentions.rs` has them: by these, modules are reached that no import statement names. And the table of all modules."""

_IMPORT, _CONSTANT, _LONGER = (dis.opmap[name] for name in ("IMPORT_NAME", "LOAD_CONST", "EXTENDED_ARG"))
_SMALL = dis.opmap.get("LOAD_SMALL_INT")


def mentioned_in(code: CodeType) -> frozenset[str]:
    """The names in *code*, and in those within it, that may be modules; :data:`ANY_MODULE` among them if they do not tell.

    A code that is executed by this one is told of, too; what it asks by a name that it computes is not seen, as in a file.
    """
    found: set[str] = set()
    for one in _within(code):
        found.update(one.co_names)
        found.update(constant for constant in one.co_consts if type(constant) is str and all(map(str.isidentifier, constant.split("."))))
        if _IMPORT in one.co_code[::2] and _imports_relatively(one):
            found.add(ANY_MODULE)
    if not _REACHING.isdisjoint(found):
        found.add(ANY_MODULE)
    return frozenset(found)


def _within(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if type(constant) is CodeType:
            yield from _within(constant)


def _imports_relatively(code: CodeType) -> bool:
    """Whether an import starts from a package, which the code does not tell. The level is loaded first, then what is taken."""
    steps: list[tuple[int, int]] = []
    argument, words = 0, code.co_code
    for place in range(0, len(words), 2):
        operation, argument = words[place], argument << 8 | words[place + 1]
        if operation == _LONGER:
            continue
        if operation == _IMPORT:
            operation, level = steps[-2] if len(steps) > 1 else (-1, 0)
            known = code.co_consts[level] if operation == _CONSTANT else level if operation == _SMALL else None
            if known != 0:
                return True
        steps.append((operation, argument))
        argument = 0
    return False
