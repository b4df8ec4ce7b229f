"""History that came after newer points of its series. It is stored and not scored, so the series is learned anew once no more of it comes.

An order waits in the database from the step that saw the history on; the step that obeys it notes it, as any other.
"""

from datetime import datetime, timedelta
from typing import Final

import numpy as np
from django.db import connection
from django.db.models import QuerySet

from datastores.models import Operation
from metrics.detection import engine
from metrics.models import DetectionOrder
from metrics.points import LogSlice
from metrics.shards.states import UNKNOWN, ShardStates
from metrics.shards.steps import HISTORY, StepVerdicts
from orgs.tenancy import Reason, across

# Of a series that is judged already nothing is urgent: what it would be learned anew from may come in many requests.
PAUSE: Final = timedelta(seconds=60)
LOOKED_AT: Final = 1000


def order_for_late(found: StepVerdicts, *, now: datetime) -> None:
    """Orders the series of a step that had history older than their newest point; those that have an order wait on from now."""
    late = found.backfill & (found.verdicts["status"] == engine.LATE)
    series = set(found.series[late].tolist())
    if not series:
        return
    standing = waiting().filter(metric_id__in=series)
    known = set(standing.values_list("metric_id", flat=True))
    standing.update(created=now)
    fresh = sorted(series - known)
    DetectionOrder.objects.bulk_create(
        DetectionOrder(metric_id=one, op=DetectionOrder.Op.REBUILD, argument=HISTORY, created=now) for one in fresh
    )


def waiting() -> QuerySet[DetectionOrder]:
    return DetectionOrder.objects.filter(op=DetectionOrder.Op.REBUILD, argument=HISTORY)


# The oldest of each org come first, so that none waits behind all of another; those into whose datastore a file is being read have no turn.
# Whoever is not known any more has no org, and a turn.
_IN_TURN: Final = """
SELECT id, metric_id, created
  FROM (SELECT o.id, o.metric_id, o.created, row_number() OVER (PARTITION BY m.org_id ORDER BY o.created, o.id) AS turn
          FROM metrics_detectionorder o LEFT JOIN metrics_metric m ON m.id = o.metric_id
         WHERE o.op = 'rebuild' AND o.argument = %(history)s AND o.metric_id %% %(shards)s = %(shard)s
           AND coalesce(m.datastore_id <> ALL(%(imported)s), true)) AS waiting
 ORDER BY turn, created, id LIMIT %(most)s
"""


def due(shard: int, *, shards: int, memory: ShardStates, log: LogSlice, now: datetime) -> list[tuple[int, int]]:
    """Orders (id, series) whose history has stopped coming: none in `log`, which is all there is, and by no import that is under way."""
    if log.more:
        return []
    rows = in_turn(shard, shards=shards)
    coming = set(log.series[log.backfill].tolist())
    return [(pk, series) for pk, series, since in rows if series not in coming and may_forget(memory, series, since=since, now=now)]


def in_turn(shard: int, *, shards: int) -> list[tuple[int, int, datetime]]:
    """Id, series and moment of at most LOOKED_AT orders of the shard, an org at a time."""
    if not waiting().exists():
        return []
    imported = datastores_being_imported()
    with connection.cursor() as cursor:
        cursor.execute(_IN_TURN, {"history": HISTORY, "shards": shards, "shard": shard, "imported": imported, "most": LOOKED_AT})
        found: list[tuple[int, int, datetime]] = cursor.fetchall()
    return found


def may_forget(memory: ShardStates, series: int, *, since: datetime, now: datetime) -> bool:
    """Whether nothing would be lost: the series is not judged yet, or has been without history for a while and nothing of it is open."""
    row = int(memory.rows_of(np.array([series]))[0])
    if row == UNKNOWN or not memory.states["is_alerting"][row]:
        return True
    return not memory.states["is_open"][row] and now - since >= PAUSE


def datastores_being_imported() -> list[int]:
    with across(Reason.UPKEEP):
        running = Operation.objects.filter(kind=Operation.Kind.IMPORT, status=Operation.Status.RUNNING)
        return sorted(set(running.values_list("datastore_id", flat=True)))
