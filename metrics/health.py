"""The health of each org's data, looked at every minute: what stopped, whose quota is exceeded, how far each org has come."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import connection

from accounts import adminalerts
from metrics.models import Metric
from orgs.models import AdminAlert, Org

# No point from any agent for so long: the org's data have stopped. The alert waits on top of that, as the org has set.
SILENT: Final = timedelta(minutes=5)
NAMED: Final = 20

# One row per org that has ever received a point. Imported history says nothing about agents.
LOOK: Final = """
SELECT o.id, o.metric_limit, s.total, s.stale,
       EXISTS (SELECT 1 FROM metrics_batch b WHERE b.org_id = o.id AND b.received_at > %(quiet)s AND NOT b.backfill),
       coalesce(r.refused, 0)
  FROM orgs_org o
  JOIN LATERAL (
       SELECT count(*) AS total, count(*) FILTER (WHERE m.is_stale) AS stale, max(m.last_at) AS last_at
         FROM metrics_metric m WHERE m.org_id = o.id
  ) s ON s.last_at IS NOT NULL
  LEFT JOIN orgs_refusedseries r ON r.org_id = o.id AND r.day = (%(now)s AT TIME ZONE 'UTC')::date
 ORDER BY o.id
"""

# How far an org has come only ever grows.
ONBOARD: Final = """
UPDATE orgs_org o SET onboarding_status = s.status
  FROM (SELECT m.org_id,
               CASE WHEN bool_or(m.state = 'active' AND m.created < %(settled)s) THEN 300
                    WHEN bool_or(m.state = 'active') THEN 200 ELSE 100 END AS status
          FROM metrics_metric m JOIN orgs_org known ON known.id = m.org_id AND known.onboarding_status < 300 GROUP BY m.org_id) s
 WHERE o.id = s.org_id AND o.onboarding_status < s.status
"""
SETTLED: Final = timedelta(days=7)


@dataclass(frozen=True)
class Look:
    """What one look at an org found."""

    org_id: int
    limit: int
    total: int
    stale: int
    is_receiving: bool
    refused_today: int

    @property
    def has_stopped(self) -> bool:
        return not self.is_receiving


def look(*, now: datetime) -> Iterator[Look]:
    """Every org that has received a point at some time."""
    with connection.cursor() as cursor:
        cursor.execute(LOOK, {"now": now, "quiet": now - SILENT})
        rows = cursor.fetchall()
    return (Look(*row) for row in rows)


def check_all(*, now: datetime) -> int:
    """Passes on what goes on and what has ended; how many orgs were looked at."""
    found = list(look(now=now))
    orgs = Org.objects.in_bulk([one.org_id for one in found])
    running = set(AdminAlert.objects.exclude(since=None).values_list("org_id", "kind"))
    for one in found:
        if one.org_id in orgs:
            _check(one, orgs[one.org_id], running, now=now)
    return len(found)


def _check(one: Look, org: Org, running: set[tuple[int, int]], *, now: datetime) -> None:
    """When all has stopped, it is not told beside that some has."""
    some_stopped = one.stale > 0 and not one.has_stopped
    _observe(org, AdminAlert.Kind.NO_DATA, one.has_stopped, running, _counts(one), now=now)
    stale = _stale_names(one) if some_stopped else []
    _observe(org, AdminAlert.Kind.STALE_METRICS, some_stopped, running, _counts(one) | {"metrics": stale}, now=now)
    exceeded = one.total >= one.limit and (one.refused_today > 0 or (org.pk, AdminAlert.Kind.METRIC_QUOTA_EXCEEDED) in running)
    quota = {"metric_limit": one.limit, "processed_metrics_count": one.total, "refused_points_today": one.refused_today}
    _observe(org, AdminAlert.Kind.METRIC_QUOTA_EXCEEDED, exceeded, running, quota, now=now)


def _observe(
    org: Org, kind: AdminAlert.Kind, is_on: bool, running: set[tuple[int, int]], details: dict[str, Any], *, now: datetime
) -> None:
    if is_on or (org.pk, kind) in running:
        adminalerts.observe(org, kind, is_on=is_on, details=details, now=now)


def _counts(one: Look) -> dict[str, Any]:
    return {"total_metrics": one.total, "total_stale_metrics": one.stale, "total_recent_metrics": one.total - one.stale}


def _stale_names(one: Look) -> list[str]:
    found = Metric.objects.for_org(one.org_id).filter(is_stale=True).order_by("pk")
    return [name[:200] for name in found.values_list("name", flat=True)[:NAMED]]


def onboard(*, now: datetime) -> int:
    """Moves each org on as far as its series have come; how many moved."""
    with connection.cursor() as cursor:
        cursor.execute(ONBOARD, {"settled": now - SETTLED})
        return int(cursor.rowcount)
