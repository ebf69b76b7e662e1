"""Plugins of others that do nothing for most items: installed in many projects, used by few of their tests.

Their own items are known by a mark or a fixture (``marks.py``) and go through pytest's own protocol; so do all items
while an option has such a plugin do something for each of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple


class Observer(NamedTuple):
    """What is known of a plugin."""

    hooks: tuple[str, ...]
    """Those in which it does nothing for items that are not its own."""
    is_idle: Callable[[Any, Any], bool]
    """Whether that is so now: asked with the plugin's module and the configuration."""
    unless: str = ""
    """What it is otherwise told by."""
    mark: str = ""
    """The mark of items that are its own."""
    fixture: str = ""
    """The fixture of items that are its own."""


def _has_no_timeout(module: Any, config: Any) -> bool:
    return not getattr(config, "_env_timeout", True) and not config.stash.get(module.SESSION_EXPIRE_KEY, True)


def _writes_no_page(_module: Any, config: Any) -> bool:
    return not config.pluginmanager.hasplugin("html")


def _always(_module: Any, _config: Any) -> bool:
    return True


OBSERVERS = {
    "pytest_timeout": Observer(
        ("pytest_runtest_protocol", "pytest_runtest_call"),
        _has_no_timeout,
        "there is a time limit for every test",
        mark="timeout",
    ),
    "pytest_benchmark.plugin": Observer(
        ("pytest_runtest_setup", "pytest_runtest_makereport"), _always, mark="benchmark", fixture="benchmark"
    ),
    "pytest_html.plugin": Observer(("pytest_runtest_makereport",), _writes_no_page, "--html"),
}


def is_idle(origin: str, hook: str, module: Any, config: Any) -> bool:
    """Whether the plugin *module*, known as *origin*, does nothing in *hook* for items that are not its own."""
    observer = OBSERVERS.get(origin)
    return observer is not None and hook in observer.hooks and observer.is_idle(module, config)


def is_used(origin: str, items: Iterable[Any]) -> bool:
    """Whether some of *items* ask for the fixture of the plugin *origin*; True if it is not known by one."""
    observer = OBSERVERS.get(origin)
    if observer is None or not observer.fixture:
        return True
    return any(observer.fixture in getattr(item, "fixturenames", ()) for item in items)


def described(hooks: tuple[str, ...]) -> list[str]:
    """Each plugin that may implement some of *hooks*, in words."""
    return [
        f"`{origin}`{f' (unless {observer.unless})' if observer.unless else ''}"
        for origin, observer in sorted(OBSERVERS.items())
        if set(hooks) & set(observer.hooks)
    ]
