"""What a captured module finds in its namespace."""

from __future__ import annotations

import builtins
from types import CodeType
from typing import Any

from _pytest.assertion import rewrite

from dx_py_test_runner.engine.assertion.explain import explain, explain_with
from dx_py_test_runner.engine.capture import MARK


def prepare(code: CodeType, namespace: dict[str, Any]) -> None:
    """Put into a module's namespace what *code* from :func:`compile_captured` expects: the names that pytest's rewriting imports."""
    if MARK in code.co_names:
        namespace["@py_builtins"] = builtins
        namespace["@pytest_ar"] = rewrite
        # Where the code reaches them without a name of its own in the module.
        setattr(rewrite, "@dx_explain", explain)
        setattr(rewrite, "@dx_explain_with", explain_with)
