"""An org in figures: what it has, what happened in a span of time, and the same as counts over time."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Final, Literal

import numpy as np
from django.db.models import BigIntegerField, Count, F, Func, Max, Q, QuerySet
from django.db.models.functions import Coalesce, TruncDay
from numpy.typing import NDArray

from accounts.callers import Caller
from anomalies.models import Anomaly
from metrics.models import Metric
from orgs.models import Event

Series = Literal["anomalies", "metrics", "alerts"]
TOP: Final = 10
HOUR_S: Final = 3600
DAY_S: Final = 86_400
# Up to so long a span is counted by the hour, beyond it by the day.
HOURLY: Final = timedelta(days=14)
CLOCKS_DIFFER: Final = timedelta(hours=1)
ALERTS: Final = (Event.Type.ALERT, Event.Type.ADMIN_ALERT)


@dataclass(frozen=True)
class Top:
    """A series with many anomalies in the span."""

    metric_id: int
    name: str
    count: int
    last: datetime


@dataclass(frozen=True)
class Summary:
    """Counts of what the caller may see. `by_day` and `top_metrics` are of anomalies in the span."""

    metrics: int
    active: int
    stale: int
    anomalies: int
    open_anomalies: int
    alerts_sent: int
    by_day: list[tuple[datetime, int]]
    top_metrics: list[Top]


def summary_of(caller: Caller, *, start: datetime, end: datetime, zone: tzinfo) -> Summary:
    """Days begin at midnight in `zone`; days without an anomaly are left out. Five queries, whatever the org's size."""
    series = Metric.objects.visible_to(caller).aggregate(
        all=Count("pk"), stale=Count("pk", filter=Q(is_stale=True)), active=Count("pk", filter=Q(is_stale=False, last_at__isnull=False))
    )
    seen = Anomaly.objects.visible_to(caller)
    found = _begun(seen, start, end)
    days = found.annotate(day=TruncDay("began", tzinfo=zone)).values("day").annotate(count=Count("pk")).order_by("day")
    named = found.filter(metric__isnull=False).values("metric_id", name=F("metric__name"))
    top = named.annotate(count=Count("pk"), last=Max("began")).order_by("-count", "-last", "metric_id")
    by_day = [(row["day"], row["count"]) for row in days]
    return Summary(
        metrics=series["all"],
        active=series["active"],
        stale=series["stale"],
        anomalies=sum(count for _, count in by_day),
        open_anomalies=seen.open().count(),
        alerts_sent=Event.objects.for_org(caller.org_id).filter(type__in=ALERTS).between(start, end).count(),
        by_day=by_day,
        top_metrics=[Top(row["metric_id"], row["name"], row["count"], row["last"]) for row in top[:TOP]],
    )


def _begun(seen: QuerySet[Anomaly], start: datetime, end: datetime) -> QuerySet[Any]:
    """The anomalies that began in the span, with `began`: a series' by its points, of a row when it was found.

    None is found before it begins, but for clocks that differ; so the index by `created` narrows what is read.
    """
    began = seen.filter(created__gte=start - CLOCKS_DIFFER).annotate(began=Coalesce("started_at", "created"))
    return began.filter(began__gte=start, began__lt=end).order_by()


@dataclass(frozen=True)
class Counts:
    """How many per step: start of each step in unix milliseconds, and the count; both of shape (n,)."""

    starts_ms: NDArray[np.int64]
    counts: NDArray[np.float64]
    step_s: int


def counts_of(caller: Caller, series: Series, *, since: int, until: int) -> Counts:
    """Anomalies that began, new metrics or alerts that were sent per hour, in a long span per day; times in unix seconds, steps in UTC."""
    step_s = HOUR_S if until - since <= HOURLY.total_seconds() else DAY_S
    first = since // step_s * step_s
    steps = max(1, -(-(until - first) // step_s))
    counts = np.zeros(steps, np.float64)
    moments, happened = _moments(caller, series, since=since, until=until)
    numbered = moments.annotate(step=Step(F(happened), step_s=step_s)).values("step").annotate(count=Count("pk")).order_by("step")
    for step, count in numbered.values_list("step", "count"):
        counts[min(steps - 1, step - first // step_s)] += count
    starts_ms = (first + step_s * np.arange(steps, dtype=np.int64)) * 1000
    return Counts(starts_ms, counts, step_s)


class Step(Func):
    """The number of the step of `step_s` seconds since 1970 in which a moment is."""

    template = "floor(extract(epoch FROM %(expressions)s) / %(step_s)s)::bigint"
    output_field = BigIntegerField()


def _moments(caller: Caller, series: Series, *, since: int, until: int) -> tuple[QuerySet[Any], str]:
    """What happened in the span, and the column that says when."""
    start, end = datetime.fromtimestamp(since, UTC), datetime.fromtimestamp(until, UTC)
    if series == "alerts":
        return Event.objects.for_org(caller.org_id).filter(type__in=ALERTS).between(start, end).order_by(), "timestamp"
    if series == "anomalies":
        return _begun(Anomaly.objects.visible_to(caller), start, end), "began"
    return Metric.objects.visible_to(caller).filter(created__gte=start, created__lt=end).order_by(), "created"
