"""Assertions captured on the text, where pytest rewrites syntax trees: the same results, variables and words, sooner.

:func:`install` puts it under pytest's own import hook, which goes on deciding *which* modules are rewritten.
"""

from dx_py_test_runner.engine.assertion.install import (
    begin_ahead,
    end_ahead,
    forget_compiled,
    install,
    save_pack,
    use_pack,
)
from dx_py_test_runner.engine.assertion.prepare import prepare
from dx_py_test_runner.engine.capture import compile_captured

__all__ = ["compile_captured", "prepare", "install", "begin_ahead", "end_ahead", "use_pack", "save_pack", "forget_compiled"]
