"""``dx-py test --watch [pytest's arguments]``."""

from __future__ import annotations

import sys

from dx_py_test_runner.cli.launch import find_launcher, own_options


def watch_command(args: list[str]) -> int:
    """Run what each save affects, until the user leaves.

    :param args: what stands behind ``dx-py test``.
    """
    options = own_options(args)
    if "--no-daemon" in options:
        sys.stderr.write("dx-py: --watch and --no-daemon exclude each other: a watch lives from what the daemon keeps loaded\n")
        return 4
    launcher = find_launcher()
    if launcher is None:
        return 3
    from dx_py_test_runner.watch.loop import Loop

    behind = args[len(options) :]
    options = [option for option in options if option != "--watch"]
    tell = None
    if "--tell" in options[:-1]:
        at = options.index("--tell")
        tell = options[at + 1]
        del options[at : at + 2]
    return Loop(launcher, (*options, *behind), tell).run()
