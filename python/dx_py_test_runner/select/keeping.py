"""Which functions of a file may keep what they find for whoever calls them next. Pure.

A test that is given what another has read or computed depends on it, though it has not read it itself. So what happens beneath such
a function counts for all who depend on its module. In doubt a function keeps. (Which do is told by their texts: `crates/source/src/outline/keeping.rs`.)
"""

from __future__ import annotations

from dx_py_test_runner.inputs.executed import owner_of


def keeps(name: str, known: frozenset[str], given: frozenset[str] = frozenset()) -> bool:
    """Whether the code of this qualified name may keep something.

    :param known: ``Outline.keepers`` of its file.
    :param given: ``Outline.handed`` of all files.
    """
    name = owner_of(name)
    if name.rpartition(".")[2].startswith("<"):
        return name.endswith("<lambda>")  # bound to whatever, by whomever
    return name in known or name.rpartition(".")[2] in given
