"""``python -m dx_py_test_runner``: the same as the ``dx-py`` command, for the interpreter that runs it.

This file is also what ``__main__.__file__`` names inside a run, so that ``multiprocessing``'s spawn method
finds a main module that it can import without side effects.
"""

if __name__ == "__main__":
    from dx_py_test_runner.cli.main import run_as_module

    raise SystemExit(run_as_module())
