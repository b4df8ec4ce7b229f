"""What the detector has learned about series, written to `Metric`: in bulk, a part at a time, and only what has changed."""

from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
import orjson
from django.db import connection
from numpy.typing import NDArray

from metrics.detection import engine
from metrics.models import Metric
from metrics.shards.states import Ints, ShardStates

NEWER_MS: Final = 60_000  # a last point that is newer by less is not worth a write

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
        last_at = coalesce(now.last_at, m.last_at), last_value = coalesce(now.last_value, m.last_value)
    FROM now WHERE m.id = now.id
    RETURNING m.id
)
SELECT id FROM now EXCEPT SELECT id FROM moved
"""


def publish(memory: ShardStates, rows: Ints, published: NDArray[np.void]) -> list[int]:
    """Writes what is new about the series of these rows; ids of series that no longer exist. One statement at most.

    `published`, ndarray[SHOWN] with a place per row, is what was written before, and is brought up to date.
    """
    rows = rows[memory.series[rows] > 0]
    now = shown(memory, rows)
    before = published[rows]
    changed = now != before
    only_newer = changed & (with_time_of(now, before) == before)
    changed &= ~only_newer | (np.abs(now["last_ms"] - before["last_ms"]) >= NEWER_MS)
    if not changed.any():
        return []
    gone = write(now[changed], memory.last_values[rows[changed]])
    published[rows[changed]] = now[changed]
    return gone


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
        "last_at": datetime.fromtimestamp(row["last_ms"] / 1000, UTC) if row["last_ms"] else None,
        "last_value": last_value,
    }
