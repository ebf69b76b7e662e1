"""``python -m dx_py_test_runner``: the same as the ``dx-py`` command, for the interpreter that runs it."""

if __name__ == "__main__":
    from dx_py_test_runner.cli.launch import run_as_module

    raise SystemExit(run_as_module())
