"""The page of guards is made from their table."""

from pathlib import Path

from dx_py_test_runner.engine.lean import guards

PAGE = Path(__file__).parents[2] / "docs" / "guards.md"


def test_the_page_is_up_to_date():
    assert PAGE.read_text("utf-8") == guards.page(), "make docs"
