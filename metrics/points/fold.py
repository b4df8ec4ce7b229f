"""The fold: rows of the log become chunks, and the org's mark moves, in one transaction. A crash repeats it or not at all.

Points of today (and later) go into hour chunks, merged with what is there. Points of a past day go straight into day chunks, unless that
day's hour chunks of their block still wait for the nightly fold: so a point is never in two places.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import numpy as np
from django.db import IntegrityError, transaction
from django.utils import timezone
from psycopg import sql
from psycopg.rows import TupleRow

from metrics.arrays import DAY_MS, HOUR_MS, Bools, Ints
from metrics.points import chunks, partitions
from metrics.points.chunks import DayChunk, HourChunk
from metrics.points.codec import unpack_floats
from metrics.points.families import BLOCK_BITS, VERDICTS, Family
from metrics.points.log import LogRows, next_mark, read_rows
from metrics.points.merge import Run, merge
from metrics.points.sql import IS_OUR_MARK, BinaryCursor, binary_cursor, rows
from orgs.models import Org
from orgs.moments import unix_ms
from orgs.tenancy import Reason, across

# Points per transaction: some 0.3 s of work and 50 MB. A longer transaction would hold back every reader of the log.
FOLD_LIMIT: Final = 500_000
_DAY_BLOCKS: Final = 8
_Done = TypeVar("_Done")
# Verdicts are drawn as a band behind recent points; older ones are not worth four columns.
_VERDICT_KEEP: Final = 30


@dataclass(frozen=True)
class Folded:
    """What one fold did: points moved into chunks, and whether rows are left that could be folded now."""

    points: int
    more: bool


@dataclass(frozen=True)
class _Work:
    """One fold's place: the org's rows of one family, written for one retention class, on one day."""

    cursor: BinaryCursor
    family: Family
    org_id: int
    keep: int
    today: int

    @property
    def columns(self) -> int:
        return len(self.family.columns)


def due_orgs(family: Family) -> list[int]:
    """Orgs whose log holds rows that no fold has taken."""
    statement = sql.SQL(
        "SELECT o.id FROM orgs_org o LEFT JOIN metrics_fold f ON f.org_id = o.id AND f.family = %s AND {is_ours}"
        " WHERE EXISTS (SELECT FROM {log} b WHERE b.org_id = o.id AND b.xid >= coalesce(f.mark, 0)) ORDER BY o.id"
    ).format(log=sql.Identifier(family.log), is_ours=IS_OUR_MARK)
    with across(Reason.UPKEEP), binary_cursor() as cursor:
        return [row[0] for row in cursor.execute(statement, (family.id,), binary=True)]


def due_days(family: Family) -> list[int]:
    """Orgs with hour chunks of a day that has ended."""
    statement = sql.SQL(
        "SELECT o.id FROM orgs_org o WHERE EXISTS (SELECT FROM {hour} h WHERE h.org_id = o.id AND h.t0 < %s) ORDER BY o.id"
    ).format(hour=sql.Identifier(family.hour))
    with across(Reason.UPKEEP), binary_cursor() as cursor:
        return [row[0] for row in cursor.execute(statement, (_today() * DAY_MS,), binary=True)]


def fold(org_id: int, family: Family, *, limit: int = FOLD_LIMIT, wait: bool = True) -> Folded:
    """Moves about `limit` points of the org's log into chunks, in log order. Waits for another fold of the org, or leaves it the work."""
    return _with_partitions(lambda: _fold(org_id, family, limit=limit, wait=wait))


def _with_partitions(step: Callable[[], _Done]) -> _Done:
    """What the transaction `step` returns, done again when another process has dropped a partition that this one remembers."""
    try:
        return step()
    except IntegrityError:
        partitions.forget()
        return step()


@transaction.atomic
def _fold(org_id: int, family: Family, *, limit: int, wait: bool) -> Folded:
    with binary_cursor() as cursor:
        mark = _locked_mark(cursor, org_id, family, wait=wait)
        if mark is None:
            return Folded(0, more=False)
        following, more = next_mark(cursor, family, mark=mark, org_id=org_id, limit=limit)
        read = read_rows(cursor, family, mark=mark, until=following, org_id=org_id)
        if read.series.size == 0:
            return Folded(0, more=False)
        _store(_work(cursor, family, org_id), read)
        cursor.execute("UPDATE metrics_fold SET mark = %s WHERE org_id = %s AND family = %s", (following, org_id, family.id))
    return Folded(int(read.series.size), more)


def fold_all(org_id: int, family: Family, *, wait: bool = True) -> int:
    """Folds until nothing is left that can be or, without `wait`, until another fold of the org is met. The number of points."""
    total, folded = 0, Folded(0, more=True)
    while folded.more:
        folded = fold(org_id, family, wait=wait)
        total += folded.points
    return total


def fold_days(org_id: int, family: Family) -> int:
    """Moves the org's hour chunks of ended days into day chunks, a few blocks per transaction. The number of hour chunks moved."""
    moved = 0
    while step := _with_partitions(lambda: _fold_some_days(org_id, family)):
        moved += step
    return moved


@transaction.atomic
def _fold_some_days(org_id: int, family: Family) -> int:
    with binary_cursor() as cursor:
        _locked_mark(cursor, org_id, family)
        work = _work(cursor, family, org_id)
        found = _ended_hours(work)
        if not found:
            return 0
        run = chunks.joined([chunks.unpack_hour(HourChunk(*row), work.columns) for row in found], work.columns)
        _into_days(work, run, np.zeros(run.series.size, np.bool_))
        statement = sql.SQL("DELETE FROM {hour} WHERE org_id = %s AND (block, t0) IN (SELECT * FROM unnest(%s::bigint[], %s::bigint[]))")
        keys = [row[0] for row in found], [row[1] for row in found]
        cursor.execute(statement.format(hour=sql.Identifier(family.hour)), (org_id, *keys))
    return len(found)


def _ended_hours(work: _Work) -> list[TupleRow]:
    """The hour chunks of the oldest ended day, for the first few blocks."""
    statement = sql.SQL("""
        WITH oldest AS (SELECT min(t0) / %(day_ms)s * %(day_ms)s AS start FROM {hour} WHERE org_id = %(org)s AND t0 < %(today)s),
             head AS (SELECT DISTINCT block FROM {hour}, oldest WHERE org_id = %(org)s AND t0 >= start AND t0 < start + %(day_ms)s
                      ORDER BY block LIMIT %(blocks)s)
        SELECT block, t0, n, members, timestamps, data FROM {hour}, oldest
         WHERE org_id = %(org)s AND t0 >= start AND t0 < start + %(day_ms)s AND block IN (SELECT block FROM head) ORDER BY block, t0
    """).format(hour=sql.Identifier(work.family.hour))
    values = {"org": work.org_id, "today": work.today * DAY_MS, "day_ms": DAY_MS, "blocks": _DAY_BLOCKS}
    return work.cursor.execute(statement, values, binary=True).fetchall()


def _today() -> int:
    return unix_ms(timezone.now()) // DAY_MS


def _work(cursor: BinaryCursor, family: Family, org_id: int) -> _Work:
    keep = _VERDICT_KEEP if family is VERDICTS else Org.objects.values_list("retention_days", flat=True).get(pk=org_id)
    return _Work(cursor, family, org_id, int(keep), _today())


def _locked_mark(cursor: BinaryCursor, org_id: int, family: Family, *, wait: bool = True) -> int | None:
    """The org's mark, locked until the transaction ends: one fold of an org at a time.

    A mark of another cluster is set back to 0. None when another fold has it and this one is not to wait.
    """
    key = (org_id, family.id)
    cursor.execute("INSERT INTO metrics_fold VALUES (%s, %s, 0) ON CONFLICT DO NOTHING", key)
    if not cursor.execute(_LOCK if wait else _LOCK_OR_SKIP, key).rowcount:
        return None
    # Only now: the snapshot of a statement that waited for the lock is older than the mark that it waited for.
    cursor.execute(_RESET, key)
    return int(rows(cursor, "SELECT mark FROM metrics_fold WHERE org_id = %s AND family = %s", *key)[0][0])


_LOCK: Final = sql.SQL("SELECT FROM metrics_fold WHERE org_id = %s AND family = %s FOR UPDATE")
_LOCK_OR_SKIP: Final = _LOCK + sql.SQL(" SKIP LOCKED")
_RESET: Final = sql.SQL("UPDATE metrics_fold SET mark = 0 WHERE org_id = %s AND family = %s AND NOT ({})").format(IS_OUR_MARK)


def _store(work: _Work, read: LogRows) -> None:
    is_sum = np.repeat(read.sum, read.lengths)
    run = Run(read.series, read.timestamps_ms, read.data)
    is_past = run.timestamps_ms < work.today * DAY_MS
    if is_past.any():
        is_past &= ~_still_in_hours(work, run, is_past)
    for is_mine, write in ((is_past, _into_days), (~is_past, _into_hours)):
        if is_mine.any():
            write(work, Run(run.series[is_mine], run.timestamps_ms[is_mine], run.data[:, is_mine]), is_sum[is_mine])


def _still_in_hours(work: _Work, run: Run, is_past: Bools) -> Bools:
    """Which points lie in a past day whose hour chunks of the same block are not folded yet."""
    statement = sql.SQL("SELECT DISTINCT block, t0 / %s FROM {hour} WHERE org_id = %s AND t0 < %s").format(
        hour=sql.Identifier(work.family.hour)
    )
    waiting = work.cursor.execute(statement, (DAY_MS, work.org_id, work.today * DAY_MS), binary=True).fetchall()
    if not waiting:
        return np.zeros(is_past.size, np.bool_)
    return np.isin(_key(run.series >> BLOCK_BITS, run.timestamps_ms // DAY_MS), [_key_of(*pair) for pair in waiting])


def _key(high: Ints, low: Ints) -> Ints:
    """Two numbers as one. Days and hours since 1970 stay below 2^21 until the year 2209; ids below 2^41."""
    return (high << 21) | low


def _key_of(high: int, low: int) -> int:
    return (high << 21) | low


def _into_hours(work: _Work, run: Run, is_sum: Bools) -> None:
    keys = np.unique(_key(run.series >> BLOCK_BITS, run.timestamps_ms // HOUR_MS))
    pairs = (keys >> 21).tolist(), ((keys & (2**21 - 1)) * HOUR_MS).tolist()
    statement = sql.SQL(
        "SELECT keep, block, t0, n, members, timestamps, data FROM {hour} JOIN unnest(%s::bigint[], %s::bigint[]) AS k(b, t)"
        " ON block = b AND t0 = t WHERE org_id = %s"
    ).format(hour=sql.Identifier(work.family.hour))
    found = work.cursor.execute(statement, (*pairs, work.org_id), binary=True).fetchall()
    stored = [chunks.unpack_hour(HourChunk(*row[1:]), work.columns) for row in found]
    keeps = {(row[1], row[2]): row[0] for row in found}
    made = list(chunks.hour_chunks(_over(stored, run, is_sum)))
    partitions.ensure_hours(work.family, work.keep, {chunk.t0 // DAY_MS for chunk in made})
    values = [(keeps.get((c.block, c.t0), work.keep), c.block, c.t0, c.n, c.members, c.timestamps, c.data) for c in made]
    _upsert(work, work.family.hour, _HOUR_COLUMNS, values)


def _into_days(work: _Work, run: Run, is_sum: Bools) -> None:
    keys = np.unique(_key(run.series, run.timestamps_ms // DAY_MS))
    pairs = (keys >> 21).tolist(), ((keys & (2**21 - 1)) * DAY_MS).tolist()
    statement = sql.SQL(
        "SELECT keep, series_id, t0, n, first_ms, step_ms, timestamps, data FROM {day} JOIN unnest(%s::bigint[], %s::bigint[]) AS k(s, t)"
        " ON series_id = s AND t0 = t WHERE org_id = %s"
    ).format(day=sql.Identifier(work.family.day))
    found = work.cursor.execute(statement, (*pairs, work.org_id), binary=True).fetchall()
    stored = [_day_run(row, work.columns) for row in found]
    keeps = {(row[1], row[2]): row[0] for row in found}
    made = list(chunks.day_chunks(_over(stored, run, is_sum)))
    partitions.ensure_days(work.family, work.keep, {chunk.t0 // DAY_MS for chunk in made})
    _upsert(work, work.family.day, _DAY_COLUMNS, [_day_values(c, keeps.get((c.series_id, c.t0), work.keep)) for c in made])


def _over(stored: list[Run], run: Run, is_sum: Bools) -> Run:
    """New points merged over what is stored."""
    everything = chunks.joined([*stored, run], run.data.shape[0])
    old = everything.series.size - run.series.size
    return merge(everything.series, everything.timestamps_ms, everything.data, np.concatenate([np.zeros(old, np.bool_), is_sum]))


def _day_run(row: TupleRow, columns: int) -> Run:
    _, series, _, n, first_ms, step_ms, timestamps, data = row
    times = chunks.day_times(n, first_ms, step_ms, timestamps)
    return Run(np.full(n, series, np.int64), times, unpack_floats(data, columns * n).reshape(columns, n))


def _day_values(c: DayChunk, keep: int) -> tuple[Any, ...]:
    return (keep, c.series_id, c.t0, c.n, c.first_ms, c.step_ms, c.count, c.least, c.most, c.total, c.timestamps, c.data)


_HOUR_COLUMNS: Final = {
    "keep": "smallint", "block": "bigint", "t0": "bigint", "n": "integer", "members": "bytea", "timestamps": "bytea", "data": "bytea",
}  # fmt: skip
_DAY_COLUMNS: Final = {
    "keep": "smallint", "series_id": "bigint", "t0": "bigint", "n": "integer", "first_ms": "bigint", "step_ms": "integer",
    "count": "integer", "least": "float8", "most": "float8", "total": "float8", "timestamps": "bytea", "data": "bytea",
}  # fmt: skip


def _upsert(work: _Work, table: str, columns: dict[str, str], values: Iterable[tuple[Any, ...]]) -> None:
    """Writes rows of one table in one statement, over those with the same key."""
    by_column = list(zip(*values, strict=True))
    names = [sql.Identifier(name) for name in columns]
    key = [names[1], sql.Identifier("t0"), sql.Identifier("keep")]
    statement = sql.SQL(
        "INSERT INTO {table} (org_id, {names}) SELECT {org}, * FROM unnest({arrays})"
        " ON CONFLICT (org_id, {key}) DO UPDATE SET ({names}) = ROW ({new})"
    ).format(
        table=sql.Identifier(table),
        org=sql.Literal(work.org_id),
        names=sql.SQL(", ").join(names),
        arrays=sql.SQL(", ").join(sql.SQL("%b::{}[]").format(sql.SQL(kind)) for kind in columns.values()),
        key=sql.SQL(", ").join(key),
        new=sql.SQL(", ").join(sql.SQL("excluded.{}").format(name) for name in names),
    )
    work.cursor.execute(statement, [list(column) for column in by_column])
