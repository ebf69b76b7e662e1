"""Hooks that are asked around every fixture, while items run lean: without those who do nothing there."""

from __future__ import annotations

from typing import Any

_AROUND_FIXTURES = ("pytest_fixture_setup", "pytest_fixture_post_finalizer")

_IDLE = frozenset({"_pytest.setuponly", "_pytest.setupplan"})
"""Plugins that do nothing without their options, with which no item runs lean."""


class QuickHooks:
    """Between :meth:`begin` and :meth:`end`, hooks around fixtures and hooks of paths take less time."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self._callers = [getattr(session.config.hook, name) for name in _AROUND_FIXTURES]
        self._idle: list[tuple[Any, Any, int]] = []
        self._proxies: dict[int, tuple[Any, int, Any]] = {}
        self._conftests = session.config.pluginmanager._conftest_plugins

    def begin(self) -> None:
        """Leave out the idle ones."""
        for caller in self._callers:
            implementations = caller._hookimpls
            for position in range(len(implementations) - 1, -1, -1):
                implementation = implementations[position]
                if getattr(implementation.plugin, "__name__", None) in _IDLE:
                    del implementations[position]
                    self._idle.append((caller, implementation, position))
        if "gethookproxy" not in self._session.__dict__:
            self._session.gethookproxy = self._gethookproxy

    def end(self) -> None:
        """Have everything as it was."""
        while self._idle:
            caller, implementation, position = self._idle.pop()
            caller._hookimpls.insert(position, implementation)
        if self._session.__dict__.get("gethookproxy") == self._gethookproxy:
            del self._session.gethookproxy

    def _gethookproxy(self, fspath: Any) -> Any:
        """As ``Session.gethookproxy``, which looks up each time which conftests are above a path."""
        known = self._proxies.get(id(fspath))
        if known is not None and known[0] is fspath and known[1] == len(self._conftests):
            return known[2]
        proxy = type(self._session).gethookproxy(self._session, fspath)
        self._proxies[id(fspath)] = (fspath, len(self._conftests), proxy)
        return proxy
