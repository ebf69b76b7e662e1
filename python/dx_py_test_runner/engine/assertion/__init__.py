"""Assertions captured on the text, where pytest rewrites syntax trees: the same results, variables and words, sooner.

:func:`install` puts it under pytest's own import hook, which goes on deciding *which* modules are rewritten.
"""

from dx_py_test_runner.engine.assertion.compile import compile_captured, prepare
from dx_py_test_runner.engine.assertion.install import forget_compiled, install, save_pack, use_pack

__all__ = ["compile_captured", "prepare", "install", "use_pack", "save_pack", "forget_compiled"]
