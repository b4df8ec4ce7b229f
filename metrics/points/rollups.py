"""Roll-ups: mean, least, most and count per step; whole days from the day chunks' counters, without decoding a point."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Final

import numpy as np
from psycopg import sql
from psycopg.rows import TupleRow

from metrics.arrays import DAY_MS, Floats, Ints
from metrics.points.families import POINTS
from metrics.points.merge import Run
from metrics.points.reads import assembled, fetched, parts_of, read_run, read_statement, within
from metrics.points.spans import spans
from metrics.steps import starts_of


@dataclass(frozen=True)
class Rollup:
    """One series in steps of equal length: the starts of the steps that hold values, and what those were. NaN is not counted."""

    starts_ms: Ints
    mean: Floats
    least: Floats
    most: Floats
    count: Ints


@dataclass(frozen=True)
class _Partials:
    """Points, or whole days of points, as what a step adds up: arrays of one length, sorted by series, then time."""

    series: Ints
    times: Ints
    least: Floats
    most: Floats
    total: Floats
    count: Ints


# A day inside the range comes as its counters (level 3): count, and the three numbers as the bytes of their wire format.
_COUNTED: Final = read_statement(
    POINTS,
    day_columns=sql.SQL(
        "CASE WHEN {whole} THEN 3 ELSE 0 END, series_id, t0, CASE WHEN {whole} THEN count ELSE n END, first_ms, step_ms, NULL::bytea,"
        " CASE WHEN {whole} THEN NULL ELSE timestamps END,"
        " CASE WHEN {whole} THEN float8send(least) || float8send(most) || float8send(total) ELSE data END, NULL::bool"
    ).format(whole=sql.SQL("(t0 >= %(start)s AND t0 + {} <= %(end)s)").format(sql.Literal(DAY_MS))),
)


def rollup(org_id: int, series_ids: Sequence[int], start_ms: int, end_ms: int, step_ms: int) -> dict[int, Rollup]:
    """Mean, least, most and count per step of each series, over start_ms <= time < end_ms; every id is a key.

    Steps begin at multiples of `step_ms` since 1970. NaN values do not count; steps without values are left out.
    """
    partials = _counted(org_id, series_ids, start_ms, end_ms) if step_ms % DAY_MS == 0 else None
    if partials is not None:
        return _by_series(partials, series_ids, step_ms)
    parts = [
        _by_series(_of_points(read_run(POINTS, org_id, series_ids, start, end)), series_ids, step_ms)
        for start, end in spans(POINTS, org_id, series_ids, start_ms, end_ms, step_ms=step_ms)
    ]
    return {series: _after_each_other([part[series] for part in parts]) for series in series_ids}


def _by_series(partials: _Partials, series_ids: Sequence[int], step_ms: int) -> dict[int, Rollup]:
    run = Run(partials.series, partials.times, np.empty((0, partials.series.size)))
    return {series: _rolled(partials, part, step_ms) for series, part in parts_of(run, series_ids)}


def _after_each_other(parts: list[Rollup]) -> Rollup:
    """Roll-ups of spans that touch between two steps, as one."""
    if len(parts) == 1:
        return parts[0]
    columns = ([getattr(part, column.name) for part in parts] for column in fields(Rollup))
    return Rollup(*map(np.concatenate, columns))


def _counted(org_id: int, series_ids: Sequence[int], start_ms: int, end_ms: int) -> _Partials | None:
    """Whole days by their counters; None when a day has points outside its chunk, whose counters then do not hold."""
    wanted = np.unique(np.array(series_ids, np.int64))
    found = fetched(_COUNTED, org_id, wanted, start_ms, end_ms)
    days = [row for row in found if row[0] == 3 and row[3]]
    run = within(assembled(POINTS, [row for row in found if row[0] != 3], wanted), start_ms, end_ms)
    chunked = {(row[1], row[2] // DAY_MS) for row in found if row[0] == 3}
    loose = set(zip(run.series.tolist(), (run.timestamps_ms // DAY_MS).tolist(), strict=True)) if chunked else set()
    return None if chunked & loose else _joined(_of_points(run), _of_days(days))


def _of_points(run: Run) -> _Partials:
    is_value = ~np.isnan(run.data[0])
    part = slice(None) if is_value.all() else is_value
    values = run.data[0][part]
    return _Partials(run.series[part], run.timestamps_ms[part], values, values, values, np.ones(values.size, np.int64))


def _of_days(days: list[TupleRow]) -> _Partials:
    numbers = np.frombuffer(b"".join(row[8] for row in days), ">f8").astype(np.float64).reshape(-1, 3)
    series, times, count = (np.array([row[column] for row in days], np.int64) for column in (1, 2, 3))
    return _Partials(series, times, numbers[:, 0], numbers[:, 1], numbers[:, 2], count)


def _joined(points: _Partials, days: _Partials) -> _Partials:
    order = np.lexsort((np.concatenate([points.times, days.times]), np.concatenate([points.series, days.series])))
    return _Partials(
        series=np.concatenate([points.series, days.series])[order],
        times=np.concatenate([points.times, days.times])[order],
        least=np.concatenate([points.least, days.least])[order],
        most=np.concatenate([points.most, days.most])[order],
        total=np.concatenate([points.total, days.total])[order],
        count=np.concatenate([points.count, days.count])[order],
    )


def _rolled(partials: _Partials, part: slice, step_ms: int) -> Rollup:
    numbers = partials.times[part] // step_ms
    if numbers.size == 0:
        return Rollup(np.empty(0, np.int64), np.empty(0), np.empty(0), np.empty(0), np.empty(0, np.int64))
    starts = starts_of(numbers)
    count = np.add.reduceat(partials.count[part], starts)
    least = np.minimum.reduceat(partials.least[part], starts)
    most = np.maximum.reduceat(partials.most[part], starts)
    return Rollup(numbers[starts] * step_ms, np.add.reduceat(partials.total[part], starts) / count, least, most, count)
