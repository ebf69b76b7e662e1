"""The collectors around an item: entered and left without a call where that would do nothing."""

from __future__ import annotations

import os
from typing import Any

from _pytest import nodes
from _pytest.main import Dir
from _pytest.python import Module, Package


class Collectors:
    """Those that are set up: pytest's own stack of them.

    :param stack: that of the session's ``SetupState``.
    """

    def __init__(self, stack: dict[Any, Any]) -> None:
        self._stack = stack
        self._inert: dict[type, bool] = {}

    def enter(self, item: Any) -> bool:
        """Set up the collectors above *item*, if that does nothing; whether they are set up."""
        stack, parent = self._stack, item.parent
        top = next(reversed(stack), None)
        if top is parent:
            return stack[top][1] is None
        entered = []
        node = parent
        while node is not None and node not in stack:
            if not self._is_inert(node):
                return False
            entered.append(node)
            node = node.parent
        if node is None or node is not top or stack[top][1] is not None:
            return False
        for node in reversed(entered):
            stack[node] = ([node.teardown], None)
        return True

    def may_leave(self, parent: Any, nextitem: Any) -> bool:
        """Whether tearing down what *nextitem* (None: there is none) does not share with an item of *parent* does nothing."""
        if nextitem is not None and nextitem.parent is parent:
            return True
        for node in reversed(list(self._stack)[:-1]):
            if _is_above(node, nextitem):
                return True
            if not self._is_inert(node) or len(self._stack[node][0]) != 1:
                return False
        return nextitem is None

    def leave(self, nextitem: Any) -> None:
        """Tear down the item on top and what *nextitem* does not share, as :meth:`may_leave` has allowed it."""
        stack = self._stack
        stack.popitem()
        if nextitem is None:
            stack.clear()
            return
        parent = nextitem.parent
        while (top := next(reversed(stack))) is not parent and not _is_above(top, nextitem):
            stack.popitem()

    def _is_inert(self, node: Any) -> bool:
        """Whether a collector does nothing when it is set up and torn down."""
        kind = type(node)
        inert = self._inert.get(kind)
        if inert is None:
            inert = self._inert[kind] = (
                kind.setup is nodes.Node.setup
                and kind.teardown is nodes.Node.teardown
                and kind.__module__.startswith("_pytest.")
            )
        return inert and "setup" not in node.__dict__ and "teardown" not in node.__dict__


def folder_of(collector: Any) -> Any:
    """The directory of a module or class, if its node is above it: a path whose hash is known; else None."""
    module = collector if type(collector) is Module else collector.parent
    above = module.parent
    if type(module) is not Module or type(above) not in (Dir, Package):
        return None
    return above.path if str(module.path) == f"{above.path}{os.sep}{module.name}" else None


def _is_above(node: Any, item: Any) -> bool:
    above = None if item is None else item.parent
    while above is not None:
        if above is node:
            return True
        above = above.parent
    return False
