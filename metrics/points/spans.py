"""Long ranges in parts, so that whoever reads one never holds more than a few days of a dense series at once."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from psycopg import sql

from metrics.arrays import DAY_MS
from metrics.points.families import Family
from metrics.points.sql import binary_cursor

# Points of one part, if a day alone does not hold more: some 50 MB while they are decoded and merged.
MOST_AT_ONCE: Final = 500_000
# What is read in one go without counting first.
SHORT_MS: Final = 2 * DAY_MS

# Answered by the primary key (org_id, series_id, t0, keep); the packed columns are stored apart and are not touched.
_COUNTS: Final = (
    "SELECT t0, sum(n)::bigint FROM {day} WHERE org_id = %(org)s AND series_id = ANY(%(series)s)"
    " AND t0 > %(start)s - {day_ms} AND t0 < %(end)s GROUP BY t0 ORDER BY t0"
)


def spans(family: Family, org_id: int, series_ids: Sequence[int], start_ms: int, end_ms: int, *, step_ms: int = 1) -> list[tuple[int, int]]:
    """The range in parts, in order, that touch at multiples of `step_ms`: each of a day or more, or of at most MOST_AT_ONCE points.

    The last holds points, where there are some in days' chunks.
    """
    if end_ms - start_ms <= SHORT_MS:
        return [(start_ms, end_ms)]
    edges, held = [start_ms], 0
    for day_ms, count in day_counts(family, org_id, series_ids, start_ms, end_ms):
        if held and held + count > MOST_AT_ONCE:
            edges.append(max(start_ms, day_ms // step_ms * step_ms))
            held = 0
        held += count
    return [(start, end) for start, end in pairwise([*edges, end_ms]) if start < end]


def day_counts(family: Family, org_id: int, series_ids: Sequence[int], start_ms: int, end_ms: int) -> list[tuple[int, int]]:
    """The days that the range touches, and how many points their chunks hold; what is not yet in a day's chunk does not count."""
    statement = sql.SQL(_COUNTS).format(day=sql.Identifier(family.day), day_ms=sql.Literal(DAY_MS))
    values = {"org": org_id, "series": list(series_ids), "start": start_ms, "end": end_ms}
    with binary_cursor() as cursor:
        return cursor.execute(statement, values, binary=True).fetchall()


def holds_more(family: Family, org_id: int, series: int, start_ms: int, end_ms: int, *, than: int) -> bool:
    """Whether the whole days of the range alone hold more points of a series; of a short range nobody asks."""
    if end_ms - start_ms <= SHORT_MS:
        return False
    days = day_counts(family, org_id, [series], start_ms, end_ms)
    return sum(count for day_ms, count in days if start_ms <= day_ms and day_ms + DAY_MS <= end_ms) > than
