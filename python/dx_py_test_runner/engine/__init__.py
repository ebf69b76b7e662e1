"""pytest's objects, driven by us."""
