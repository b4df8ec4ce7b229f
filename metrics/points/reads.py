"""Reads: day chunks, hour chunks and the unfolded tail of the log, taken in one statement, so in one snapshot."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from django.utils import timezone
from psycopg import sql
from psycopg.rows import TupleRow

from metrics.arrays import DAY_MS, HOUR_MS, Bools, Floats, Ints
from metrics.points import chunks
from metrics.points.codec import unpack_floats, unpack_ints
from metrics.points.families import BLOCK_BITS, POINTS, VERDICTS, Family
from metrics.points.merge import Run, merge
from metrics.points.sql import IS_OUR_MARK, binary_cursor
from metrics.points.tail import shorten
from orgs.moments import unix_ms


@dataclass(frozen=True)
class Points:
    """One series' points in time order: int64 unix milliseconds and float64 values, of one length; NaN = gap."""

    timestamps_ms: Ints
    values: Floats


@dataclass(frozen=True)
class Verdicts:
    """The detector's verdicts on one series in time order; NaN where it had none. To 16 significant bits."""

    timestamps_ms: Ints
    yhat: Floats
    lower: Floats
    upper: Floats
    score: Floats


@dataclass(frozen=True)
class Newest:
    """The newest point of a series."""

    timestamp_ms: int
    value: float


_END_OF_TIME: Final = 2**62

# One statement is one snapshot: a fold that commits meanwhile is seen whole or not at all, so no point is seen twice or missed.
_READ: Final = """
SELECT {columns} FROM {day}
 WHERE org_id = %(org)s AND series_id = ANY(%(series)s) AND t0 > %(start)s - {day_ms} AND t0 < %(end)s
UNION ALL
SELECT 1, block, t0, n, 0, 0, members, timestamps, data, NULL FROM {hour}
 WHERE org_id = %(org)s AND block = ANY(%(blocks)s) AND t0 > %(start)s - {hour_ms} AND t0 < %(end)s
UNION ALL
SELECT 2, xid, id, n, 0, 0, series, timestamps, data, rule = 1 FROM {log}
 WHERE org_id = %(org)s AND xid >= coalesce((SELECT mark FROM metrics_fold WHERE org_id = %(org)s AND family = {family} AND {is_ours}), 0)
"""


_DAY_COLUMNS: Final = sql.SQL("0, series_id, t0, n, first_ms, step_ms, NULL::bytea, timestamps, data, NULL::bool")


def read_statement(family: Family, *, day_columns: sql.Composable = _DAY_COLUMNS) -> sql.Composed:
    """A read of days, hours and the tail: level 0, 1 and 2 in the first column."""
    names: dict[str, sql.Composable] = {
        "columns": day_columns,
        "day": sql.Identifier(family.day),
        "hour": sql.Identifier(family.hour),
        "log": sql.Identifier(family.log),
    }
    return sql.SQL(_READ).format(
        **names, day_ms=sql.Literal(DAY_MS), hour_ms=sql.Literal(HOUR_MS), family=sql.Literal(family.id), is_ours=IS_OUR_MARK
    )


_STATEMENTS: Final = {family: read_statement(family) for family in (POINTS, VERDICTS)}


def read(org_id: int, series_ids: Sequence[int], start_ms: int, end_ms: int) -> dict[int, Points]:
    """The points of each series with start_ms <= time < end_ms; every id is a key, with empty arrays where there is nothing.

    Acknowledged points are there at once, each exactly once, whatever the fold is doing.
    """
    run = read_run(POINTS, org_id, series_ids, start_ms, end_ms)
    return {series: Points(run.timestamps_ms[part], run.data[0][part]) for series, part in parts_of(run, series_ids)}


def read_verdicts(org_id: int, series_ids: Sequence[int], start_ms: int, end_ms: int) -> dict[int, Verdicts]:
    """The verdicts of each series with start_ms <= time < end_ms; every id is a key."""
    run = read_run(VERDICTS, org_id, series_ids, start_ms, end_ms)
    return {series: Verdicts(run.timestamps_ms[part], *run.data[:, part]) for series, part in parts_of(run, series_ids)}


def last(org_id: int, series_ids: Sequence[int]) -> dict[int, Newest]:
    """The newest point of each series that has one."""
    now_ms = unix_ms(timezone.now())
    newest = _newest_of(read_run(POINTS, org_id, series_ids, now_ms - 2 * HOUR_MS, _END_OF_TIME), series_ids)
    silent = [series for series in series_ids if series not in newest]
    if silent:
        wanted = np.unique(np.array(silent, np.int64))
        newest |= _newest_of(assembled(POINTS, _newest_rows(org_id, wanted), wanted), silent)
    return newest


def _newest_of(run: Run, series_ids: Sequence[int]) -> dict[int, Newest]:
    ends = {series: part.stop - 1 for series, part in parts_of(run, series_ids) if part.stop > part.start}
    return {series: Newest(int(run.timestamps_ms[end]), float(run.data[0][end])) for series, end in ends.items()}


def read_run(family: Family, org_id: int, series_ids: Sequence[int], start_ms: int, end_ms: int) -> Run:
    """All points of these series in the range, sorted by series, then time."""
    wanted = np.unique(np.array(series_ids, np.int64))
    found = fetched(_STATEMENTS[family], org_id, wanted, start_ms, end_ms)
    shorten(org_id, family, [row for row in found if row[0] == 2])
    return within(assembled(family, found, wanted), start_ms, end_ms)


def fetched(statement: sql.Composed, org_id: int, wanted: Ints, start_ms: int, end_ms: int) -> list[TupleRow]:
    """The rows of a read's statement for these series (sorted, each once)."""
    blocks = np.unique(wanted >> BLOCK_BITS).tolist()
    values = {"org": org_id, "series": wanted.tolist(), "blocks": blocks, "start": start_ms, "end": end_ms}
    with binary_cursor() as cursor:
        return cursor.execute(statement, values, binary=True).fetchall()


def within(run: Run, start_ms: int, end_ms: int) -> Run:
    """The points with start_ms <= time < end_ms."""
    inside = np.flatnonzero((run.timestamps_ms >= start_ms) & (run.timestamps_ms < end_ms))
    if inside.size == run.series.size:
        return run
    # Of one series it is one stretch, which a slice takes without copying.
    is_stretch = inside.size and int(inside[-1]) - int(inside[0]) + 1 == inside.size
    part = slice(int(inside[0]), int(inside[-1]) + 1) if is_stretch else inside
    return Run(run.series[part], run.timestamps_ms[part], run.data[:, part])


def _newest_rows(org_id: int, series: Ints) -> list[TupleRow]:
    """The rows that can hold a newest point: each series' last day chunk, all hour chunks of their blocks, the tail."""
    values = {"org": org_id, "series": series.tolist(), "blocks": np.unique(series >> BLOCK_BITS).tolist()}
    with binary_cursor() as cursor:
        return cursor.execute(_NEWEST, values, binary=True).fetchall()


_NEWEST: Final = sql.SQL("""
SELECT 0, d.series_id, d.t0, d.n, d.first_ms, d.step_ms, NULL::bytea, d.timestamps, d.data, NULL::bool
  FROM unnest(%(series)s::bigint[]) AS wanted(id),
 LATERAL (SELECT * FROM metrics_point_day WHERE org_id = %(org)s AND series_id = wanted.id ORDER BY t0 DESC LIMIT 1) AS d
UNION ALL
SELECT 1, block, t0, n, 0, 0, members, timestamps, data, NULL FROM metrics_point_hour
 WHERE org_id = %(org)s AND block = ANY(%(blocks)s)
UNION ALL
SELECT 2, xid, id, n, 0, 0, series, timestamps, data, rule = 1 FROM metrics_batch
 WHERE org_id = %(org)s AND xid >= coalesce((SELECT mark FROM metrics_fold WHERE org_id = %(org)s AND family = 1 AND {is_ours}), 0)
""").format(is_ours=IS_OUR_MARK)


def assembled(family: Family, found: list[TupleRow], wanted: Ints) -> Run:
    """Rows of one snapshot -> the wanted series' points: chunks first, then the log in its order, merged by the one rule."""
    width = len(family.columns)
    days, hours, tail = ([row for row in found if row[0] == level] for level in (0, 1, 2))
    days.sort(key=lambda row: row[1:3])
    hours.sort(key=lambda row: row[2])
    tail.sort(key=lambda row: row[1:3])
    runs = [_day_run(row, width) for row in days] + [_hour_run(row, wanted, width) for row in hours]
    chunked = sum(run.series.size for run in runs)
    late = [_tail_run(row, wanted, width) for row in tail]
    run = chunks.joined(runs + late, width)
    is_sum = np.concatenate([np.zeros(chunked, np.bool_), *(np.full(r.series.size, row[9]) for r, row in zip(late, tail, strict=True))])
    return merge(run.series, run.timestamps_ms, run.data, is_sum)


def _day_run(row: TupleRow, width: int) -> Run:
    _, series, _, n, first_ms, step_ms, _, timestamps, data, _ = row
    values = unpack_floats(data, width * n).reshape(width, n)
    return Run(np.full(n, series, np.int64), chunks.day_times(n, first_ms, step_ms, timestamps), values)


def _hour_run(row: TupleRow, wanted: Ints, width: int) -> Run:
    _, block, t0, n, _, _, members, timestamps, data, _ = row
    run = chunks.unpack_hour(chunks.HourChunk(block, t0, n, members, timestamps, data), width)
    series, counts = chunks.unpack_members(block, members)
    return _picked(run, np.repeat(np.isin(series, wanted), counts))


def _tail_run(row: TupleRow, wanted: Ints, width: int) -> Run:
    _, _, _, n, _, _, packed, timestamps, data, _ = row
    series = unpack_ints(packed, n)
    is_wanted = series == wanted[0] if wanted.size == 1 else np.isin(series, wanted)
    # Most requests of a busy org hold nothing of the series that are asked for.
    if not is_wanted.any():
        return Run(series[:0], series[:0], np.empty((width, 0)))
    return _picked(Run(series, unpack_ints(timestamps, n), unpack_floats(data, width * n).reshape(width, n)), is_wanted)


def _picked(run: Run, is_wanted: Bools) -> Run:
    if is_wanted.all():
        return run
    return Run(run.series[is_wanted], run.timestamps_ms[is_wanted], run.data[:, is_wanted])


def parts_of(run: Run, series_ids: Sequence[int]) -> list[tuple[int, slice]]:
    """Where each series' points are in a sorted run."""
    ids = np.array(series_ids, np.int64)
    starts, ends = np.searchsorted(run.series, ids, "left"), np.searchsorted(run.series, ids, "right")
    return [(int(s), slice(int(a), int(b))) for s, a, b in zip(ids, starts, ends, strict=True)]
