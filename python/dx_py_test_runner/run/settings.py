"""``[tool.dx-py]`` in the project's ``pyproject.toml``: defaults for our own options."""

from __future__ import annotations

from typing import Any

import pytest

from dx_py_test_runner.run import options

KEYS = {
    "numprocesses": "number of workers, or \"auto\"",
    "isolation": "\"process\" or \"test\"",
    "engine": "\"lean\" or \"pytest\"",
    "record": "true or false: whether every run remembers what its tests have read",
}
"""Known keys and what they take."""


def read(path: Any) -> dict[str, Any]:
    """The table in the file at *path*, or nothing.

    :raises pytest.UsageError: the table holds keys or values that are not ours.
    """
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except (OSError, UnicodeDecodeError):
        return {}  # a file that cannot be read is pytest's to complain about
    if "dx-py" not in text:
        return {}
    import tomllib

    try:
        table = tomllib.loads(text).get("tool", {}).get("dx-py", {})
    except tomllib.TOMLDecodeError:
        return {}
    unknown = sorted(set(table) - set(KEYS))
    if unknown:
        known = ", ".join(KEYS)
        raise pytest.UsageError(f"{path}: [tool.dx-py] has no setting {', '.join(unknown)} (there are: {known})")
    return table


def engine(config: Any) -> str:
    """Which engine is asked for, before pytest is configured. What is wrong is said by :func:`apply`."""
    asked = getattr(config.known_args_namespace, "engine", None)
    try:
        return asked or read(config.rootpath / "pyproject.toml").get("engine") or "lean"
    except pytest.UsageError:
        return "pytest"


def selects(config: Any) -> bool:
    """Whether what tests read must be recorded, before pytest is configured."""
    known = config.known_args_namespace
    return bool(getattr(known, "affected", False)) or getattr(known, "changed", None) is not None or records(config)


def records(config: Any) -> bool:
    """Whether the project wants every run to remember what its tests have read."""
    try:
        return read(config.rootpath / "pyproject.toml").get("record") is True
    except pytest.UsageError:
        return False


def apply(config: Any) -> None:
    """Fill in what the command line left open."""
    path = config.rootpath / "pyproject.toml"
    table = read(path)
    option = config.option
    try:
        if "numprocesses" in table and option.numprocesses is None:
            option.numprocesses = options.workers(str(table["numprocesses"]))
    except ValueError as error:
        raise pytest.UsageError(f"{path}: [tool.dx-py] numprocesses: {error}") from None
    for name, allowed in (("isolation", ("process", "test")), ("engine", ("lean", "pytest"))):
        if name not in table:
            continue
        if table[name] not in allowed:
            raise pytest.UsageError(f"{path}: [tool.dx-py] {name} is {table[name]!r}; it must be {' or '.join(allowed)}")
        if getattr(option, name) is None:
            setattr(option, name, table[name])
    option.engine = option.engine or "lean"
