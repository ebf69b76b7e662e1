"""Fixtures of the process tests."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# These modules are imported by their plain names, whatever import mode the tests are run with.
sys.path.insert(0, str(Path(__file__).parent))

from dxpy import DxPy  # noqa: E402


@pytest.fixture
def place() -> Iterator[DxPy]:
    """A project in a place of its own, empty; nothing of it outlives the test."""
    place = DxPy.create()
    yield place
    place.remove()
