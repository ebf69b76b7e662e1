"""Marks that change what happens to an item: such items go through pytest's own protocol."""

TELLING_MARKS = frozenset({"skip", "skipif", "xfail", "filterwarnings"})
