"""Runs every behaviour case of spec/ under pytest and under dx-py, and compares the two."""
