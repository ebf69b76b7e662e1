"""Marks and fixtures that change what happens to an item: such items go through pytest's own protocol."""

from dx_py_test_runner.engine.lean.observers import OBSERVERS

TELLING_MARKS = frozenset({"skip", "skipif", "xfail", "filterwarnings"}) | {
    observer.mark for observer in OBSERVERS.values() if observer.mark
}
"""Those of pytest, and those by which plugins know their items that do nothing for others."""

TELLING_FIXTURES = frozenset(observer.fixture for observer in OBSERVERS.values() if observer.fixture)
"""Names of fixtures by which such plugins know their items."""
