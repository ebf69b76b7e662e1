"""What a run has collected, kept for ``dx-py list``: the ids of its tests, and everything that collecting depended on.

The launcher believes it only as long as all of that is as it was (``crates/index/src/correct.rs``). So a run writes nothing if
it does not know all: if nobody recorded what was read, if loading failed or started other processes, or if the run was asked
for tests by something that is not the files' own.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from dx_py_test_runner import _native
from dx_py_test_runner.engine.assertion.codepack import folder
from dx_py_test_runner.engine.lean.items import node_ids
from dx_py_test_runner.inputs.compare import ALL_NAMES, ALWAYS, NEVER, Inputs, Unfit
from dx_py_test_runner.inputs.record import COMMAND_LINE, is_below, is_installed, is_stdlib
from dx_py_test_runner.run import fit, options
from dx_py_test_runner.tower.job import Job

_OWN = ("_pytest.", "dx_py_test_runner.")

_ORDERED_BY_NOBODY = ("_hypothesis_pytestplugin.", "pytest_asyncio.", "anyio.", "pytest_cov.", "pytest_mock.", "pytest_timeout.")
"""Plugins that mark items, and leave them where they are."""

_CHOOSERS = ("pytest_collect_file", "pytest_collect_directory", "pytest_ignore_collect", "pytest_pycollect_makemodule")
"""Hooks that decide which files are collected."""

_CHOSEN_BY_HISTORY = ("lf", "failedfirst", "newfirst", "stepwise", "stepwise_skip", "pyargs", "affected", "why", "doctor")


_LATE_CHOOSERS = options.LATE - {"keyword", "markexpr", "file_or_dir"}
"""A level serves runs that differ in them; if the project looks at one, what they collect may differ, too."""

_WITHOUT_EFFECT = options.LATE - {"keyword", "markexpr", "file_or_dir", "deselect"} | {"capture", "xmlpath"}
"""Options with which a run is still one of the whole project."""


class Collection:
    """What is found out while a run loads."""

    def __init__(self) -> None:
        self.level = os.urandom(16)
        """The runs of one level have the same."""
        self.files: list[str] = []
        """Those that were collected, in order, with or without tests."""
        self.inputs: Inputs | None = None
        self.unknown = "nobody has recorded what was read"
        """Why there are no inputs."""
        self.texts: frozenset[str] = frozenset()
        self.temporary: tuple[str, ...] = ()
        """Made while it was loaded, under names of which the next run will have others."""

    def add(self, path: object) -> None:
        self.files.append(str(path))


@dataclass(frozen=True)
class Asked:
    """What a run was asked to collect."""

    whole: bool
    """Everything that is collected without arguments."""
    chosen: bool
    """By ``-k`` or ``-m``, besides what the settings say."""
    deselected: tuple[str, ...]

    @classmethod
    def of(cls, config: Any, job: Job) -> Asked:
        """Read *job*'s arguments beside those that the settings give."""
        plain = fit.parse_again(config, [], job.env)
        given = fit.parse_again(config, list(job.args), job.env)
        differing = {key for key in plain.keys() | given.keys() if plain.get(key) != given.get(key)}
        return cls(
            whole=differing <= _WITHOUT_EFFECT and config.invocation_params.dir == config.rootpath,
            chosen=not differing.isdisjoint({"keyword", "markexpr"}),
            deselected=tuple(config.option.deselect or ()),
        )

    def name(self, collection: Collection, job: Job | None) -> bytes:
        """16 bytes that no other collection has.

        :param job: whose arguments count; None if they do not.
        """
        words = (self.whole, self.deselected, None if job is None else tuple(job.args))
        return hashlib.blake2b(collection.level + repr(words).encode(), digest_size=16).digest()


def refusal(session: Any, collection: Collection, read: frozenset[str]) -> str:
    """Why a run's collection is not kept, or ''.

    :param read: options that code of the project has read.
    """
    why = _refusal_of_request(session.config, read)
    if why:
        return why
    if collection.inputs is None:
        return collection.unknown
    if session.testsfailed or session.shouldstop or session.shouldfail:
        return "collecting has failed"
    return ""


def _refusal_of_request(config: Any, read: frozenset[str]) -> str:
    """Why the collection of such a request is never kept, or ''. Known before the items are changed: then nobody need record that."""
    option = config.option
    if any(getattr(option, name, None) for name in _CHOSEN_BY_HISTORY) or option.changed is not None:
        return "the run has chosen by more than files and names"
    if any("::" in argument for argument in config.args):
        return "parts of files were asked for"
    if read & {"collectonly"}:
        return "the project wants to know whether tests are only listed"
    return ""


def keep(session: Any, job: Job, collection: Collection, read: frozenset[str]) -> str:
    """Write what the run has collected; returns why not, or ''.

    Nothing that goes wrong here matters to the run.
    """
    config = session.config
    why = refusal(session, collection, read)
    if why or folder(job.env) is None:
        return why
    asked = Asked.of(config, job)
    if asked.chosen:
        return "-k or -m"
    options_matter = _options_matter(read)
    if _is_written(config, job, collection, asked, options_matter):
        return ""
    root = str(config.rootpath)
    modules = list(dict.fromkeys(collection.files))
    tests = _tests(session.items, modules, root)
    if tests is None:
        return "ids that do not begin with their files' paths"
    made_up = [os.path.basename(path) for path in collection.temporary]
    if any(word in name for word in made_up for _module, name, _words in tests):
        return "ids with names of temporary files"
    assert collection.inputs is not None
    hooks = list(_foreign(config, "pytest_collection_modifyitems"))
    answers = (
        options_matter,
        not read & {"keyword", "markexpr"} and _come_first(config),
        not hooks,
        not any(True for name in _CHOOSERS for _ in _foreign(config, name)),
    )
    folder_now = str(config.invocation_params.dir)
    places = [os.path.normpath(os.path.join(folder_now, argument)) for argument in config.args]
    how = (root, folder_now, os.path.abspath(sys.executable), list(job.args), places, list(asked.deselected))
    place = _place(config, job, asked.whole)
    name = asked.name(collection, job if options_matter else None)
    try:
        _native.write_collection(place, list(name), (how, answers), _variables(collection.inputs), _inputs(collection), (modules, tests))
    except (OSError, ValueError, UnicodeError) as error:
        return str(error)
    return ""


def is_kept(config: Any, job: Job, collection: Collection, read: frozenset[str]) -> bool:
    """Whether a run from the same level has written the same; also where nothing can be kept."""
    if folder(job.env) is None or _refusal_of_request(config, read):
        return True
    try:
        asked = Asked.of(config, job)
    except Unfit:
        return True
    return asked.chosen or _is_written(config, job, collection, asked, _options_matter(read))


def _options_matter(read: frozenset[str]) -> bool:
    return bool(read & _LATE_CHOOSERS or COMMAND_LINE in read)


def _is_written(config: Any, job: Job, collection: Collection, asked: Asked, options_matter: bool) -> bool:
    """A hook may look at options after this was asked first: what was written then says that they matter."""
    known = _native.collection_name(_place(config, job, asked.whole))
    if known is None:
        return False
    return bytes(known) in {asked.name(collection, job), asked.name(collection, job if options_matter else None)}


def _place(config: Any, job: Job, whole: bool) -> Any:
    return _native.collection_place(folder(job.env) / "index", config.rootpath, whole=whole)


def hooks_matter(config: Any) -> bool:
    """Whether somebody else decides about the items when they have been collected."""
    return any(True for _ in _foreign(config, "pytest_collection_modifyitems"))


def _foreign(config: Any, hook: str) -> Iterable[Any]:
    """Those who implement a hook besides pytest and plugins that change nothing in it."""
    known = _OWN + (_ORDERED_BY_NOBODY if hook == "pytest_collection_modifyitems" else ())
    for one in getattr(config.pluginmanager.hook, hook).get_hookimpls():
        if not _module_of(one.plugin).startswith(known):
            yield one


def _come_first(config: Any) -> bool:
    """Whether all who may change items do so before pytest chooses by ``-k`` and ``-m``."""
    last_first = list(config.pluginmanager.hook.pytest_collection_modifyitems.get_hookimpls())
    names = [_module_of(one.plugin) for one in last_first]
    if "_pytest.mark." not in names:
        return False
    behind = last_first[: names.index("_pytest.mark.")]
    return all(_module_of(one.plugin).startswith(_OWN) and not _wraps(one) or one.plugin.__class__.__name__ == "RunPlugin" for one in behind) and not any(
        _wraps(one) and not _module_of(one.plugin).startswith(_OWN) for one in last_first
    )


def _wraps(implementation: Any) -> bool:
    return bool(implementation.hookwrapper or implementation.wrapper)


def _module_of(plugin: Any) -> str:
    return str(getattr(plugin, "__name__", "") if isinstance(plugin, type(sys)) else type(plugin).__module__) + "."


# ---- tests


def _tests(items: list[Any], modules: list[str], root: str) -> list[tuple[int, str, str]] | None:
    """For each item its file's place, its id behind the file's path, and its words; None if an id is otherwise."""
    places = {path: (number, _shown(path, root)) for number, path in enumerate(modules)}
    found = []
    words = _Words()
    path: Any = None
    number, start = 0, ""
    for item, nodeid in zip(items, node_ids(items), strict=True):
        if item.path is not path:
            path = item.path
            known = places.get(str(path))
            if known is None:
                return None
            number, start = known
        if not nodeid.startswith(start):
            return None
        name = nodeid[len(start) :]
        if not name.startswith("::") or "\n" in name:
            return None
        of_item = words.of(item)
        if of_item is None:
            return None
        found.append((number, name, of_item))
    return found


def _shown(path: str, root: str) -> str:
    return path[len(root) + 1 :] if path.startswith(root + os.sep) else path


class _Words:
    """Marks of items, and what else ``-k`` finds them by besides the names in their ids."""

    def __init__(self) -> None:
        self._above: dict[int, tuple[Any, list[str], list[str]]] = {}

    def of(self, item: Any) -> str | None:
        """None if a word cannot be told from two."""
        above = self._above.get(id(item.parent))
        if above is None:
            above = self._above[id(item.parent)] = (item.parent, *_of_parents(item.parent))
        _parent, marks, more = above
        values = vars(item)
        own = values.get("own_markers")
        function = values.get("_obj")
        names = getattr(function, "__dict__", None) if function is not None else _names_of(item)
        extra = values.get("extra_keyword_matches")
        if not own and not names and not extra and not more:
            return " ".join(marks)
        mine = [mark.name for mark in own or ()] + marks
        others = [*(names or ()), *(extra or ()), *more]
        text = " ".join(dict.fromkeys(mine)) + ("\n" + " ".join(map(str, others)) if others else "")
        words = len(dict.fromkeys(mine)) + len(others)
        return text if len(text.split()) == words else None


def _names_of(item: Any) -> Iterable[str]:
    return getattr(getattr(item, "function", None), "__dict__", ())


def _of_parents(parent: Any) -> tuple[list[str], list[str]]:
    marks: list[str] = []
    more: list[str] = []
    for node in reversed(parent.listchain()):
        marks += [mark.name for mark in node.own_markers]
        more += node.extra_keyword_matches
    return marks, more


# ---- what collecting depended on


def _variables(inputs: Inputs) -> tuple[list[str], list[str], list[str] | None, list[tuple[bytes, bytes]]]:
    names = [os.fsdecode(name) for name in inputs.environment if name != ALL_NAMES]
    but = [os.fsdecode(name) for name in NEVER] if ALL_NAMES in inputs.environment else None
    return sorted(names), [os.fsdecode(name) for name in ALWAYS], but, list(inputs.initial_environment.items())


def _inputs(collection: Collection) -> tuple[list[Any], list[str], list[Any], list[Any], list[Any]]:
    """The interpreter's own files are as they are: one of them stands for all."""
    inputs = collection.inputs
    assert inputs is not None
    places = collection.temporary

    def counts(path: str) -> bool:
        return not is_stdlib(path) or is_installed(path)

    def stays(path: str) -> bool:
        return not places or not is_below(path, places)

    files = [
        (path, None if was is None else tuple(number & (1 << 64) - 1 for number in was))
        for path, was in inputs.files.items()
        if counts(path) and stays(path)
    ]
    exists, links = ([pair for pair in found.items() if stays(pair[0])] for found in (inputs.exists, inputs.links))
    listings = [
        (reader, path, None if names is None else list(names))
        for (reader, path), names in inputs.listings.items()
        if counts(path) and stays(path)
    ]
    return files, sorted(collection.texts), exists, links, listings
