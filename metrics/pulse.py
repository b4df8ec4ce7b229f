"""How fast points arrive: what the overview says of an org's ingestion."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import numpy as np
from django.db import connection

from metrics.points import NEWEST_LIVE

MINUTES: Final = 30
_SETTLED: Final = 5  # minutes over which the rate is taken; the present one is not over
_ROWS: Final = 20_000

# The newest requests only, so that a busy org costs no more than a quiet one; an index gives them in this order. Of an org that has stopped
# none are looked through: what it sent earlier that day may be much.
_RECENT: Final = f"""
SELECT floor(extract(epoch FROM %(now)s - received_at) / 60)::int AS age, sum(n)::bigint
  FROM (SELECT received_at, n FROM metrics_batch
         WHERE org_id = %(org)s AND received_at > %(since)s AND received_at <= %(now)s AND NOT backfill
           AND ({NEWEST_LIVE}) > %(since)s
         ORDER BY xid DESC, id DESC LIMIT %(rows)s) AS newest
 GROUP BY age
"""  # noqa: S608 - a constant


@dataclass(frozen=True)
class Pulse:
    """Points per minute over the last MINUTES, oldest first, the minute that runs last; and the mean of the five full ones before it."""

    per_minute: tuple[int, ...]
    rate: float


def ingest_pulse(org_id: int, now: datetime) -> Pulse:
    """Live points of one org; imported history does not count. One query."""
    values: dict[str, int | datetime] = {"org": org_id, "now": now, "since": now - timedelta(minutes=MINUTES), "rows": _ROWS}
    counts = np.zeros(MINUTES, np.int64)
    with connection.cursor() as cursor:
        cursor.execute(_RECENT, values)
        for age, points in cursor.fetchall():
            counts[MINUTES - 1 - min(age, MINUTES - 1)] += points
    settled = counts[-1 - _SETTLED : -1]
    return Pulse(tuple(counts.tolist()), float(settled.mean()))
