"""Partitions made when they are needed and dropped whole: days of the logs, and spans of the chunks per retention class.

Functions of the database with the owner's rights make and drop them (migration 0004), since the product's own role owns no table. A
partition's comment says when it was made: retention counts from the later of its points' time and that day, so that history imported
today is not dropped tonight.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from django.db import connection, transaction
from django.utils import timezone

from metrics.arrays import DAY_MS
from metrics.points.families import FAMILIES, Family
from orgs.moments import unix_ms

KEEP_DAYS: Final = (30, 90, 400)
# Days of points per partition of the day chunks. About an eighth of the class: few partitions to plan over, little kept too long.
_SPAN_DAYS: Final = {30: 5, 90: 15, 400: 50}
# Hour chunks live for a day or two, so their partitions are days: empty ones are dropped instead of vacuumed.
_HOUR_SPAN_DAYS: Final = 1
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

_known: set[str] = set()


@dataclass(frozen=True)
class Partition:
    """One partition that exists: its table, and the first of the days that it holds."""

    table: str
    first_day: int


def ensure_log(family: Family, received_at: datetime) -> None:
    """Makes the log's partition for the day of `received_at`, unless it is there."""
    _ensure(family.log, (received_at - _EPOCH).days, 1)


def ensure_hours(family: Family, keep: int, days: Iterable[int]) -> None:
    """Makes the hour chunks' partitions for these days (days since 1970), unless they are there."""
    for day in set(days):
        _ensure_span(family.hour, keep, day, _HOUR_SPAN_DAYS)


def ensure_days(family: Family, keep: int, days: Iterable[int]) -> None:
    """Makes the day chunks' partitions for these days (days since 1970), unless they are there."""
    for day in {day - day % _SPAN_DAYS[keep] for day in days}:
        _ensure_span(family.day, keep, day, _SPAN_DAYS[keep])


def forget() -> None:
    """After a partition was found missing: what this process remembers is no longer so."""
    _known.clear()


def make_ahead() -> None:
    """Partitions for today and tomorrow, so that the first request of a day does not wait for them."""
    now = timezone.now()
    today = unix_ms(now) // DAY_MS
    for family in FAMILIES:
        ensure_log(family, now)
        ensure_log(family, now + timedelta(days=1))
        for keep in KEEP_DAYS:
            ensure_days(family, keep, (today, today + 1))


def drop_expired() -> list[str]:
    """Drops the chunk partitions that their class no longer keeps, and empty old hour partitions. The names of the dropped tables."""
    parents = [f"{table}_k{keep}" for family in FAMILIES for table in (family.day, family.hour) for keep in KEEP_DAYS]
    return [part.table for parent in parents for part in partitions_of(parent) if _drop("SELECT metrics_drop_chunks(%s)", part.table)]


def drop_log(table: str, mark: int | None) -> bool:
    """Drops a past day of a log, unless a fold of any org, or a reader at `mark`, has still to read it.

    Raises OperationalError when others hold it for 2 s.
    """
    return _drop("SELECT metrics_drop_log(%s, %s)", table, mark)


def partitions_of(parent: str) -> list[Partition]:
    """The partitions of a table, oldest first."""
    statement = "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = %s::regclass"
    with connection.cursor() as cursor:
        cursor.execute(statement, [parent])
        found = [Partition(table, int(table.rsplit("_", 2)[1])) for (table,) in cursor.fetchall()]
    return sorted(found, key=lambda partition: partition.first_day)


def _drop(statement: str, table: str, *values: int | None) -> bool:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement, [table, *values])
        is_gone = bool(cursor.fetchone()[0])
    if is_gone:
        _known.discard(table)
    return is_gone


def _ensure_span(parent: str, keep: int, first_day: int, days: int) -> None:
    _ensure(f"{parent}_k{keep}", first_day, days)


def _ensure(parent: str, first_day: int, days: int) -> None:
    table = f"{parent}_{first_day}_{days}"
    if table in _known:
        return
    # Asked before the function's lock, which a fold would hold until it ends.
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [table])
        if not cursor.fetchone()[0]:
            cursor.execute("SELECT metrics_make_partition(%s, %s, %s)", [parent, first_day, days])
    if not connection.in_atomic_block:
        _known.add(table)
