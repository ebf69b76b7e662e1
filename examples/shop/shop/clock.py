"""The one place the shop asks for the time, so that tests can replace it."""

from datetime import UTC, datetime


def now() -> datetime:
    return datetime.now(UTC)
