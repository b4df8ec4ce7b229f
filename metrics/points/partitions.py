"""Partitions made when they are needed and dropped whole: days of the logs, and spans of the chunks per retention class.

A partition is made beside its parent and then attached, which does not stop readers or writers. Its comment says when it was made:
retention counts from the later of its points' time and that day, so that history imported today is not dropped tonight.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from django.db import connection, transaction
from django.utils import timezone
from psycopg import sql

from metrics.points.families import DAY_MS, FAMILIES, Family

KEEP_DAYS: Final = (30, 90, 400)
# Days of points per partition of the day chunks. About an eighth of the class: few partitions to plan over, little kept too long.
_SPAN_DAYS: Final = {30: 5, 90: 15, 400: 50}
# Hour chunks live for a day or two, so their partitions are days: empty ones are dropped instead of vacuumed.
_HOUR_SPAN_DAYS: Final = 1
_LOCK: Final = 0x706C622D  # an advisory lock of this module: two processes that need one partition make it once

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

# A day of a series packs to 2 or 3 kB: beside its row it costs a page and an index entry less than out of line.
_INLINE: Final = sql.SQL("toast_tuple_target = 8160")

_known: set[str] = set()


@dataclass(frozen=True)
class Partition:
    """One partition that exists: its table, when it was made, and what it holds (a half-open span of days)."""

    table: str
    first_day: int
    days: int
    made: datetime


def ensure_log(family: Family, received_at: datetime) -> None:
    """Makes the log's partition for the day of `received_at`, unless it is there."""
    day = (received_at - _EPOCH).days
    table = f"{family.log}_{day}_1"
    if table not in _known:
        _make(table, family.log, (_EPOCH + timedelta(days=day), _EPOCH + timedelta(days=day + 1)))


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
    today = int(now.timestamp() * 1000) // DAY_MS
    for family in FAMILIES:
        ensure_log(family, now)
        ensure_log(family, now + timedelta(days=1))
        for keep in KEEP_DAYS:
            ensure_days(family, keep, (today, today + 1))


def drop_expired(*, now: datetime) -> list[str]:
    """Drops the chunk partitions that their class no longer keeps, and empty old hour partitions. The names of the dropped tables."""
    dropped = []
    for family in FAMILIES:
        for keep in KEEP_DAYS:
            limit = now - timedelta(days=keep)
            dropped += [p.table for p in partitions_of(f"{family.day}_k{keep}") if _ended(p) < limit and p.made < limit and drop(p.table)]
            hours = partitions_of(f"{family.hour}_k{keep}")
            old = [p for p in hours if _ended(p) < now - timedelta(days=2)]
            dropped += [p.table for p in old if _drop_hours(p, is_expired=_ended(p) < limit and p.made < limit)]
    return dropped


def partitions_of(parent: str) -> list[Partition]:
    """The partitions of a table, oldest first."""
    statement = """
        SELECT c.relname, obj_description(c.oid, 'pg_class') FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = %s::regclass
    """
    with connection.cursor() as cursor:
        cursor.execute(statement, [parent])
        found = [_described(table, note) for table, note in cursor.fetchall()]
    return sorted(found, key=lambda partition: partition.first_day)


def drop(table: str, *, unless: Callable[[], bool] = lambda: False) -> bool:
    """Drops one partition. False when `unless` holds, asked when nobody else can write to it any longer.

    Raises OperationalError when others hold it for 2 s.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = '2s'")
        # The parent first, as writers do: the other way round the two would wait for each other.
        for name in (table.rsplit("_", 2)[0], table):
            cursor.execute(sql.SQL("LOCK TABLE ONLY {} IN ACCESS EXCLUSIVE MODE").format(sql.Identifier(name)))
        if unless():
            return False
        cursor.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(table)))
    _known.discard(table)
    return True


def _drop_hours(partition: Partition, *, is_expired: bool) -> bool:
    return drop(partition.table, unless=lambda: not is_expired and _holds_rows(partition.table))


def _holds_rows(table: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL("SELECT EXISTS (SELECT FROM {})").format(sql.Identifier(table)))
        return bool(cursor.fetchone()[0])


def _ensure_span(parent: str, keep: int, first_day: int, days: int) -> None:
    table = f"{parent}_k{keep}_{first_day}_{days}"
    if table not in _known:
        _make(table, f"{parent}_k{keep}", (first_day * DAY_MS, (first_day + days) * DAY_MS))


def _make(table: str, parent: str, bounds: tuple[datetime, datetime] | tuple[int, int]) -> None:
    # Asked before the lock, which a fold would hold until it ends.
    if not _exists(table):
        _make_locked(table, parent, bounds)
    if not connection.in_atomic_block:
        _known.add(table)


def _exists(table: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [table])
        return bool(cursor.fetchone()[0])


def _make_locked(table: str, parent: str, bounds: tuple[datetime, datetime] | tuple[int, int]) -> None:
    names = {"table": sql.Identifier(table), "parent": sql.Identifier(parent), "note": sql.Literal(timezone.now().isoformat())}
    names["inline"] = _INLINE
    span = sql.SQL("FROM ({}) TO ({})").format(*bounds)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        if not _exists(table):
            cursor.execute(
                sql.SQL("CREATE TABLE {table} (LIKE {parent} INCLUDING DEFAULTS INCLUDING STORAGE) WITH ({inline})").format(**names)
            )
            cursor.execute(sql.SQL("ALTER TABLE {parent} ATTACH PARTITION {table} FOR VALUES {span}").format(**names, span=span))
            cursor.execute(sql.SQL("COMMENT ON TABLE {table} IS {note}").format(**names))


def _described(table: str, note: str) -> Partition:
    first_day, days = table.rsplit("_", 2)[1:]
    return Partition(table, int(first_day), int(days), datetime.fromisoformat(note))


def _ended(partition: Partition) -> datetime:
    return _EPOCH + timedelta(days=partition.first_day + partition.days)
