"""History that came after newer points of its series. It is stored and not scored, so the series is learned anew once no more of it comes.

An order waits in the database from the step that saw the history on; the step that obeys it notes it, as any other.
"""

from datetime import datetime, timedelta
from typing import Final

import numpy as np
from django.db.models import F, QuerySet

from datastores.models import Operation
from metrics.detection import engine
from metrics.models import DetectionOrder, Metric
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


def due(shard: int, *, shards: int, memory: ShardStates, log: LogSlice, now: datetime) -> list[tuple[int, int]]:
    """Orders (id, series) whose history has stopped coming: none in `log`, which is all there is, and by no import that is under way."""
    mine = waiting().annotate(place=F("metric_id") % shards).filter(place=shard).order_by("created", "pk")
    rows = list(mine.values_list("pk", "metric_id", "created")[:LOOKED_AT])
    if not rows or log.more:
        return []
    coming = set(log.series[log.backfill].tolist()) | being_imported([series for _, series, _ in rows])
    return [(pk, series) for pk, series, since in rows if series not in coming and may_forget(memory, series, since=since, now=now)]


def may_forget(memory: ShardStates, series: int, *, since: datetime, now: datetime) -> bool:
    """Whether nothing would be lost: the series is not judged yet, or has been without history for a while and nothing of it is open."""
    row = int(memory.rows_of(np.array([series]))[0])
    if row == UNKNOWN or not memory.states["is_alerting"][row]:
        return True
    return not memory.states["is_open"][row] and now - since >= PAUSE


def being_imported(series: list[int]) -> set[int]:
    """Those into whose datastore a file is being read."""
    with across(Reason.UPKEEP):
        running = Operation.objects.filter(kind=Operation.Kind.IMPORT, status=Operation.Status.RUNNING)
        datastores = set(running.values_list("datastore_id", flat=True))
    if not datastores:
        return set()
    return set(Metric.objects.filter(pk__in=series, datastore_id__in=datastores).values_list("pk", flat=True))
