"""What is asked of each state: how many anomalies are in it, and which is the latest of all.

The states are looked up one by one in the index `anomaly_by_state`, so that a rare one costs as little as a frequent one.
"""

from typing import Any, Final

from django.core.exceptions import EmptyResultSet
from django.db import connection

from anomalies.models import Anomaly
from anomalies.querysets import AnomalyQuerySet

COUNTS: Final = """
SELECT state, (SELECT count(*) FROM (SELECT FROM ({rows}) AS one WHERE one.status = state LIMIT %s) AS few) FROM unnest(%s::text[]) AS state
"""
LATEST: Final = """
SELECT max((SELECT one.id FROM ({rows}) AS one WHERE one.status = state ORDER BY one.id DESC LIMIT 1)) FROM unnest(%s::text[]) AS state
"""


def counts_by_state(rows: AnomalyQuerySet, *, cap: int) -> dict[str, int]:
    """How many of the rows are in each state, counted up to one more than `cap`. One query."""
    return dict(_asked(COUNTS, rows, cap + 1, list(Anomaly.Status.values)))


def latest(rows: AnomalyQuerySet) -> int:
    """The greatest id of the rows, 0 for none. One query."""
    found = _asked(LATEST, rows, list(Anomaly.Status.values))
    return (found[0][0] if found else None) or 0


def _asked(statement: str, rows: AnomalyQuerySet, *params: Any) -> list[Any]:
    try:
        sql, values = rows.order_by().values("id", "status").query.sql_with_params()
    except EmptyResultSet:
        return []
    with connection.cursor() as cursor:
        cursor.execute(statement.format(rows=sql), [*values, *params])
        return list(cursor.fetchall())
