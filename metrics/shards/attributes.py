"""What the detector has learned about series, written to `Metric`: in bulk, a part at a time, and only what has changed."""

from typing import Any, Final

import numpy as np
import orjson
from django.db import connection
from numpy.typing import NDArray

from metrics import points
from metrics.arrays import Bools, Ints
from metrics.detection import engine
from metrics.models import Metric
from metrics.shards.states import ShardStates
from orgs.moments import from_unix_ms, unix_ms
from orgs.tenancy import within

# A last point that is newer by less than NEWER_MS waits until the series has been quiet for QUIET_MS, or the point is NEWER_MS old.
NEWER_MS: Final = 60_000
QUIET_MS: Final = 6_000


# `sum` is the last value of a series that adds up: it can change while its time stays.
SHOWN: Final = np.dtype(
    [
        ("series", "i8"), ("kind", "u1"), ("learning", "?"), ("stale", "?"), ("step", "f8"), ("period", "f8"), ("last_ms", "i8"),
        ("sum", "f8"),
    ]
)  # fmt: skip

UPDATE: Final = """
WITH now AS (
    SELECT * FROM json_to_recordset(%s)
    AS now (id bigint, kind text, state text, is_stale boolean, resolution_s float8, period_s float8,
            last_at timestamptz, last_value float8)
), moved AS (
    UPDATE metrics_metric AS m
    SET kind = now.kind, state = now.state, is_stale = now.is_stale, resolution_s = now.resolution_s, period_s = now.period_s,
        last_at = CASE WHEN now.last_value IS NULL THEN m.last_at ELSE now.last_at END,
        last_value = coalesce(now.last_value, m.last_value)
    FROM now WHERE m.id = now.id
    RETURNING m.id
)
SELECT id FROM now EXCEPT SELECT id FROM moved
"""


def publish(memory: ShardStates, rows: Ints, published: NDArray[np.void], *, now_ms: int) -> list[int]:
    """Writes what is new about the series of these rows; ids of series that no longer exist. One statement at most, and after a start of
    the process a few more, for the last values of series that have had no point since.

    `published`, ndarray[SHOWN] with a place per row, is what was written before, and is brought up to date.
    """
    rows = rows[memory.series[rows] > 0]
    now = shown(memory, rows)
    before = published[rows]
    due = (now != before) & ~can_wait(now, before, memory.states["arrival_ms"][rows], now_ms=now_ms)
    if not due.any():
        return []
    rows, now = rows[due], now[due]
    recall(memory, rows, now["last_ms"])
    gone = write(now, memory.last_values[rows])
    published[rows] = now
    return gone


def can_wait(now: NDArray[np.void], before: NDArray[np.void], arrival_ms: Ints, *, now_ms: int) -> Bools:
    """Whether all that is new is a last point a little newer, of a series from which the next one may be about to come."""
    only_newer = with_time_of(now, before) == before
    is_little = np.abs(now["last_ms"] - before["last_ms"]) < NEWER_MS
    is_moving = (now_ms - arrival_ms < QUIET_MS) & (now_ms - now["last_ms"] < NEWER_MS)
    found: Bools = only_newer & is_little & is_moving
    return found


def recall(memory: ShardStates, rows: Ints, last_ms: Ints) -> None:
    """Fills in last values that this process has not seen: what was published if it is of that time, else the stored point's."""
    unknown = np.isnan(memory.last_values[rows]) & (last_ms > 0)
    if not unknown.any():
        return
    rows, last_ms = rows[unknown], last_ms[unknown]
    told = published_points(memory.series[rows].tolist())
    times, values = (np.array([told.get(one, (0, np.nan))[i] for one in memory.series[rows].tolist()]) for i in (0, 1))
    memory.last_values[rows] = np.where(times == last_ms, values, np.nan)
    behind = np.isnan(memory.last_values[rows])
    for org_id in np.unique(memory.orgs[rows[behind]]).tolist():
        mine = behind & (memory.orgs[rows] == org_id)
        memory.last_values[rows[mine]] = stored_values(org_id, memory.series[rows[mine]], last_ms[mine])


def published_points(series: list[int]) -> dict[int, tuple[int, float]]:
    found = Metric.objects.filter(pk__in=series).values_list("pk", "last_at", "last_value")
    return {pk: (unix_ms(at), value) for pk, at, value in found if at is not None and value is not None}


def stored_values(org_id: int, series: Ints, times_ms: Ints) -> NDArray[np.float64]:
    """The value of each series at its time; NaN where none is stored. What is read lies between the first and the last of the times."""
    with within(org_id):
        found = points.read(org_id, series.tolist(), int(times_ms.min()), int(times_ms.max()) + 1)
    values = np.full(len(series), np.nan)
    for place, (one, at) in enumerate(zip(series.tolist(), times_ms.tolist(), strict=True)):
        here = found[one].values[found[one].timestamps_ms == at]
        values[place] = here[-1] if len(here) else np.nan
    return values


def shown(memory: ShardStates, rows: Ints) -> NDArray[np.void]:
    learned = engine.attributes(memory.states[rows])
    out = np.zeros(len(rows), SHOWN)
    out["series"] = memory.series[rows]
    out["kind"] = np.where(learned["resolution_s"] > 0, 1 + learned["is_counter"], 0)
    out["learning"], out["stale"] = learned["learning"], learned["stale"]
    out["step"], out["period"] = learned["resolution_s"], learned["period_s"]
    closed_ms, is_sum = memory.states["closed_ms"][rows], memory.states["minutes_sum"][rows] != 0
    # A minute that still adds up is no value yet, unless it is all there is.
    out["last_ms"] = np.where(is_sum & (closed_ms > 0), closed_ms, learned["last_ms"])
    out["sum"] = np.where(is_sum, np.nan_to_num(memory.last_values[rows]), 0.0)
    return out


def with_time_of(now: NDArray[np.void], before: NDArray[np.void]) -> NDArray[np.void]:
    same = now.copy()
    same["last_ms"] = before["last_ms"]
    return same


def write(rows: NDArray[np.void], last_values: NDArray[np.float64]) -> list[int]:
    found = [row_of(row, float(value)) for row, value in zip(rows, last_values, strict=True)]
    with connection.cursor() as cursor:
        cursor.execute(UPDATE, [orjson.dumps(found).decode()])
        return [pk for (pk,) in cursor.fetchall()]


def row_of(row: Any, last_value: float) -> dict[str, object]:
    """The columns of one series; what is not known is null (orjson writes NaN as null)."""
    kinds = (Metric.Kind.UNKNOWN, Metric.Kind.GAUGE, Metric.Kind.COUNTER)
    return {
        "id": int(row["series"]),
        "kind": str(kinds[row["kind"]]),
        "state": str(Metric.State.LEARNING if row["learning"] else Metric.State.ACTIVE),
        "is_stale": bool(row["stale"]),
        "resolution_s": float(row["step"]) or None,
        "period_s": float(row["period"]) or None,
        "last_at": from_unix_ms(row["last_ms"]) if row["last_ms"] else None,
        "last_value": last_value if row["last_ms"] else None,
    }
