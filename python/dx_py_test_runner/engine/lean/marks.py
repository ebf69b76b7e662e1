"""Marks that change what happens to an item: such items go through pytest's own protocol."""

TELLING_MARKS = frozenset({"skip", "skipif", "xfail", "filterwarnings", "timeout", "benchmark"})
"""Those of pytest, and those by which plugins know their items that do nothing for others (``observers.py``)."""

TELLING_FIXTURES = frozenset({"benchmark"})
"""Names of fixtures by which such plugins know their items."""
