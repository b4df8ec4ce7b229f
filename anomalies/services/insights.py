"""How anomalies come and go: per day, how long people take, and how often what was found was worth it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Any, Final

from django.core.exceptions import EmptyResultSet
from django.db import connection

from anomalies.models import Anomaly
from anomalies.querysets import AnomalyQuerySet

TYPES: Final = tuple(Anomaly.Type.values)
STATUSES: Final = tuple(Anomaly.Status.values)
SOURCES_SHOWN: Final = 50  # of each kind
HANDFUL: Final = 5  # of fewer anomalies, no share says much
COLUMNS: Final = ("id", "org_id", "type", "status", "created", "detectors", "metric_id")

SET: Final = f"WITH found ({', '.join(COLUMNS)}) AS MATERIALIZED ({{found}})"
DAYS: Final = """
SELECT (created AT TIME ZONE 'UTC')::date AS day, type, status, count(*) FROM found GROUP BY 1, 2, 3
"""
# A person's first step out of Active, and when it was archived as resolved for the last time. What a flow closed, nobody resolved.
TIMES: Final = """
, steps AS (
    SELECT f.id, f.created, f.status,
           min(c.timestamp) FILTER (WHERE c.actor = 'user' AND c.changeset -> 'status' ->> 0 = 'Active') AS acknowledged,
           max(c.timestamp) FILTER (WHERE c.actor <> 'flow' AND c.changeset -> 'status' ->> 1 = 'Resolved') AS resolved
      FROM found f JOIN anomalies_change c ON c.anomaly_id = f.id AND c.org_id = f.org_id AND c.changeset ? 'status'
     GROUP BY f.id, f.created, f.status
), lasted AS (
    SELECT extract(epoch FROM acknowledged - created) AS acknowledged_s,
           CASE WHEN status = 'Resolved' THEN extract(epoch FROM resolved - created) END AS resolved_s
      FROM steps
)
SELECT count(acknowledged_s), avg(acknowledged_s)::float8, percentile_cont(0.5) WITHIN GROUP (ORDER BY acknowledged_s)::float8,
       count(resolved_s), avg(resolved_s)::float8, percentile_cont(0.5) WITHIN GROUP (ORDER BY resolved_s)::float8
  FROM lasted
"""
# Each kind of thing that watches is one SELECT of the union, which says once of an anomaly that a thing found it: the strongest detector of
# a metric anomaly, its series, each rule and each quality check that another one violates. What they are called is asked of those alone
# that are shown; a check is called as it was in the latest anomaly that it found.
SOURCES: Final = """
, failed AS MATERIALIZED (
    SELECT f.id, f.status, c.rule_type, c.quality_check_id
      FROM found f JOIN anomalies_failedcheck c ON c.anomaly_id = f.id AND c.org_id = f.org_id
), sources AS (
    SELECT id, status, 'detector' AS kind, NULL::bigint AS key, detectors -> 0 ->> 'name' AS word FROM found WHERE detectors -> 0 ? 'name'
     UNION ALL
    SELECT DISTINCT id, status, 'rule', NULL::bigint, rule_type FROM failed
     UNION ALL
    SELECT DISTINCT id, status, 'check', quality_check_id, NULL FROM failed WHERE quality_check_id IS NOT NULL
     UNION ALL
    SELECT id, status, 'series', metric_id, NULL FROM found WHERE metric_id IS NOT NULL
), counted AS (
    SELECT kind, key, word, count(*) AS total, count(*) FILTER (WHERE status = 'Invalid') AS invalid, max(id) AS latest
      FROM sources GROUP BY kind, key, word
), placed AS (
    SELECT *, row_number() OVER (PARTITION BY kind ORDER BY {order}, word, key) AS place FROM counted
)
SELECT kind, key, coalesce(word, series.name, checks.rule_type), coalesce(checks.about, ''), total, invalid
  FROM placed
  LEFT JOIN LATERAL (SELECT m.name FROM metrics_metric m WHERE placed.kind = 'series' AND m.id = placed.key) series ON TRUE
  LEFT JOIN LATERAL (
    SELECT c.rule_type, concat_ws(' ', 'of ' || (
               SELECT string_agg(w.name, ', ' ORDER BY w.id) FROM anomalies_failedfield w WHERE w.failed_check_id = c.id
           ), 'in ' || t.name) AS about
      FROM anomalies_failedcheck c JOIN anomalies_anomaly a ON a.id = c.anomaly_id LEFT JOIN datastores_container t ON t.id = a.container_id
     WHERE placed.kind = 'check' AND c.anomaly_id = placed.latest AND c.quality_check_id = placed.key ORDER BY c.id LIMIT 1
  ) checks ON TRUE
 WHERE place <= %s
 ORDER BY {order}, kind, 3, key
"""


class Order(StrEnum):
    """Which sources come first, and which are shown where there are many."""

    FREQUENT = "total DESC"
    NOISY = f"total < {HANDFUL}, invalid::float8 / total DESC, total DESC"
    WORTHY = f"total < {HANDFUL}, invalid::float8 / total, total DESC"


@dataclass(frozen=True)
class Day:
    """What was detected on one UTC day, by type and by the status that it has now."""

    date: date
    total: int
    by_type: Mapping[str, int]
    by_status: Mapping[str, int]


@dataclass(frozen=True)
class Lasting:
    """How long something took, over `count` anomalies; None without any."""

    count: int
    mean_s: float | None
    median_s: float | None


@dataclass(frozen=True)
class Source:
    """A thing that watches: how many anomalies it found, and how many of them people called invalid.

    `kind` is detector, rule, check or series; the latter two have an `id`. `about` says of a check on what it looks, as in
    "of customer_id in orders"; of the others it is empty.
    """

    kind: str
    id: int | None
    called: str
    about: str
    total: int
    invalid: int

    @property
    def name(self) -> str:
        return f"{self.called} {self.about}".rstrip()

    @property
    def useful(self) -> int:
        return self.total - self.invalid

    @property
    def precision(self) -> float:
        """The share that was not invalid, 0 to 1."""
        return self.useful / self.total


@dataclass(frozen=True)
class Insights:
    """Of the anomalies that were detected live from `start` (a moment) until now."""

    start: datetime
    end: datetime
    days: tuple[Day, ...]
    to_acknowledge: Lasting
    to_resolve: Lasting
    sources: tuple[Source, ...]

    @property
    def total(self) -> int:
        return sum(day.total for day in self.days)

    @property
    def by_type(self) -> dict[str, int]:
        return {name: sum(day.by_type[name] for day in self.days) for name in TYPES}

    @property
    def by_status(self) -> dict[str, int]:
        return {name: sum(day.by_status[name] for day in self.days) for name in STATUSES}


def first_moment(days: int, *, now: datetime) -> datetime:
    """When the first of so many UTC days began, of which this one is the last."""
    return datetime.combine((now - timedelta(days=days - 1)).date(), time.min, UTC)


def insights(rows: AnomalyQuerySet, *, start: datetime, end: datetime, order: Order = Order.FREQUENT) -> Insights:
    """Of those among `rows` that were detected from `start` to before `end`; what was found in imported history is left out.

    Three queries. Days are UTC days, and none is missing. Of each kind of source, the first 50 in this order.
    """
    live = rows.filter(created__gte=start, created__lt=end, is_backfilled=False).order_by()
    try:
        sql, params = live.values_list(*COLUMNS).query.sql_with_params()
    except EmptyResultSet:
        sql, params = Anomaly.objects.filter(pk=0).values_list(*COLUMNS).query.sql_with_params()
    asked = ((DAYS, ()), (TIMES, ()), (SOURCES.format(order=order), (SOURCES_SHOWN,)))
    days, (times,), sources = (_rows(sql, params, words, more) for words, more in asked)
    return Insights(
        start=start,
        end=end,
        days=_days(days, start, end),
        to_acknowledge=Lasting(*times[:3]),
        to_resolve=Lasting(*times[3:]),
        sources=tuple(Source(*row) for row in sources),
    )


def _rows(sql: str, params: tuple[Any, ...], asked: str, more: tuple[Any, ...]) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(SET.format(found=sql) + asked, [*params, *more])
        return list(cursor.fetchall())


def _days(rows: list[Any], start: datetime, end: datetime) -> tuple[Day, ...]:
    first, last = start.astimezone(UTC).date(), (end - timedelta(microseconds=1)).astimezone(UTC).date()
    counts: dict[date, list[tuple[str, str, int]]] = {}
    for day, type_, status, count in rows:
        counts.setdefault(day, []).append((type_, status, count))
    dates = (first + timedelta(days=number) for number in range((last - first).days + 1))
    return tuple(_day(day, counts.get(day, [])) for day in dates)


def _day(day: date, counts: list[tuple[str, str, int]]) -> Day:
    return Day(
        date=day,
        total=sum(count for *_, count in counts),
        by_type={name: sum(count for type_, _, count in counts if type_ == name) for name in TYPES},
        by_status={name: sum(count for _, status, count in counts if status == name) for name in STATUSES},
    )
