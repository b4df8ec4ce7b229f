"""Moments in the two forms that leave Python: unix milliseconds, of which arrays, the log and chunks are made, and ISO 8601 in UTC.

And lengths of time in the words that people read.
"""

from datetime import UTC, datetime
from typing import Final, overload

STEPS: Final = ((60, 1, "s"), (3600, 60, "min"), (2 * 86400, 3600, "h"), (60 * 86400, 86400, "d"), (730 * 86400, 30 * 86400, "mo"))


@overload
def unix_ms(at: datetime) -> int: ...
@overload
def unix_ms(at: datetime | None) -> int | None: ...
def unix_ms(at: datetime | None) -> int | None:
    """Unix milliseconds of an aware time, rounded as PostgreSQL rounds when the log is read; None for none."""
    return None if at is None else round(at.timestamp() * 1000)


@overload
def from_unix_ms(at_ms: int) -> datetime: ...
@overload
def from_unix_ms(at_ms: int | None) -> datetime | None: ...
def from_unix_ms(at_ms: int | None) -> datetime | None:
    """The moment, in UTC; None for none."""
    return None if at_ms is None else datetime.fromtimestamp(at_ms / 1000, UTC)


def iso_millis(at: datetime) -> str:
    """`2026-05-15T17:22:08.123Z`: UTC, microseconds cut (not rounded) to milliseconds. Raises ValueError for a naive time."""
    return _iso(at, "milliseconds")


def iso_exact(at: datetime) -> str:
    """`2026-05-15T17:22:08.123456Z`, or `2026-05-15T17:22:08Z` where there is no more to say. Raises ValueError for a naive time."""
    return _iso(at, "auto")


def _iso(at: datetime, timespec: str) -> str:
    if at.tzinfo is None:
        raise ValueError("A time without a zone has no UTC.")
    return f"{at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec=timespec)}Z"


def span_words(seconds: float) -> str:
    """A length of time in one unit: "45 s", "4 min", "31 h", "3 d"."""
    for below, unit, name in STEPS:
        if abs(seconds) < below:
            return f"{int(abs(seconds) // unit)} {name}"
    return f"{int(abs(seconds) // (365 * 86400))} y"
