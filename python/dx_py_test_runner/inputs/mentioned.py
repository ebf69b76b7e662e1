"""Which modules a code reaches that somebody executes: its text is in no file that could tell.

The code is one of ``exec`` or ``eval``: the interpreter tells of each (``sys.addaudithook``).
"""

from __future__ import annotations

import dis
import re
from collections.abc import Iterable, Iterator
from types import CodeType

_REACHING = frozenset(
    {"__import__", "import_module", "importorskip", "modules", "exec", "run_path", "run_module", "find_spec", "spec_from_file_location"}
    | {"entry_points", "load_module", "exec_module", "iter_modules", "walk_packages", "import_string", "import_from_string", "resolve_name"}
    | {"locate", "find_loader", "__dict__", "__getattribute__", "attrgetter", "eval"}
)
"""As `mentions.rs` has them: by these, modules are reached that no import statement names. And the table of all modules."""

_ASKING = frozenset({"getattr", "vars", "dir", "getmembers"})
"""Functions that reach what is in a package, by names that may be computed. Methods of these names are something else."""

_IMPORT, _CONSTANT, _LONGER, _NAME, _GLOBAL = (dis.opmap[name] for name in ("IMPORT_NAME", "LOAD_CONST", "EXTENDED_ARG", "LOAD_NAME", "LOAD_GLOBAL"))
_LOCAL = dis.opmap["LOAD_FAST"]
_PASSED = frozenset(dis.opmap[name] for name in ("CACHE", "PUSH_NULL", "NOP", "RESUME") if name in dis.opmap)
_SMALL = dis.opmap.get("LOAD_SMALL_INT")


ANY_MODULE = "*"
"""In place of the name of a module: it is not known which."""

WORDS = "?"
"""In place of a name, before words with spaces between them: modules the last part of whose name is one of these."""

_WORD = re.compile(r"[^\W\d]\w*")


def mentioned_in(code: CodeType) -> set[str]:
    """What *code*, and the codes within it, may reach: names of modules and of what is taken from them, :data:`WORDS`, or :data:`ANY_MODULE` alone.

    A code that is executed by one of them is told of, too.
    """
    words: set[str] = set()
    imported: set[str] = set()
    for one in _within(code):
        words.update(word for name in one.co_names for word in name.split("."))
        words.update(word for text in _texts(one.co_consts) for word in _words(text))
        if (_IMPORT in one.co_code[::2] and not _take_imports(one, imported)) or (not _ASKING.isdisjoint(one.co_names) and _asks(one)):
            return {ANY_MODULE}
    if not _REACHING.isdisjoint(words):
        return {ANY_MODULE}
    return imported | {WORDS + " ".join(sorted(words))} if words else imported


def words_of(name: str) -> list[str]:
    """The words that a name stands for that begins with :data:`WORDS`; of any other, none."""
    return name[len(WORDS) :].split(" ") if name.startswith(WORDS) else []


def _texts(constants: Iterable[object]) -> Iterator[str]:
    for constant in constants:
        if type(constant) is str:
            yield constant
        elif type(constant) in (tuple, frozenset):
            yield from _texts(constant)  # type: ignore[arg-type]


def _words(text: str) -> list[str]:
    """Those of a dotted name, or of a text that may be a format's, which asks for attributes."""
    if all(map(str.isidentifier, text.split("."))):
        return text.split(".")
    return _WORD.findall(text) if "{" in text else []


def _within(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if type(constant) is CodeType:
            yield from _within(constant)


def _take_imports(code: CodeType, imported: set[str]) -> bool:
    """Take in what import statements name; whether all tell what that is, and start from no package, which the code does not tell."""
    steps = list(_steps(code))
    # The level is loaded first, then the names of what is taken.
    for (first, level), (second, names), (operation, name) in zip(steps, steps[1:], steps[2:]):
        if operation == _IMPORT:
            known = code.co_consts[level] if first == _CONSTANT else level if first == _SMALL else None
            taken = code.co_consts[names] if second == _CONSTANT else None
            if known != 0 or second != _CONSTANT or (taken and "*" in taken):
                return False
            imported.add(code.co_names[name])
            imported.update(f"{code.co_names[name]}.{one}" for one in taken or ())
    return True


def _asks(code: CodeType) -> bool:
    """Whether a function is called by its name that gives what is in a package, but for ``getattr`` of what has a name with a word that is there."""
    steps = [step for step in _steps(code) if step[0] not in _PASSED]
    for place, (operation, argument) in enumerate(steps):
        if operation not in (_NAME, _GLOBAL):
            continue
        name = code.co_names[argument if operation == _NAME else argument >> 1]
        if name in _ASKING and not (name == "getattr" and _is_plain(code, steps[place + 1 : place + 3])):
            return True
    return False


def _is_plain(code: CodeType, given: list[tuple[int, int]]) -> bool:
    """Whether these are steps by which something that has a name is loaded, and then a word."""
    return (
        len(given) == 2
        and given[0][0] in (_NAME, _GLOBAL, _LOCAL)
        and given[1][0] == _CONSTANT
        and type(code.co_consts[given[1][1]]) is str
    )


def _steps(code: CodeType) -> Iterator[tuple[int, int]]:
    """Operations with their arguments."""
    argument, words = 0, code.co_code
    for place in range(0, len(words), 2):
        argument = argument << 8 | words[place + 1]
        if words[place] != _LONGER:
            yield words[place], argument
            argument = 0
