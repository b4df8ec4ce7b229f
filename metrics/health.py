"""The health of each org's data, looked at every minute: what stopped, whose quota is exceeded, how far each org has come."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import connection

from accounts import adminalerts
from metrics.models import Metric
from metrics.points import NEWEST_LIVE
from orgs.models import AdminAlert, Org

# No point from any agent for so long: the org's data have stopped. The alert waits on top of that, as the org has set.
SILENT: Final = timedelta(minutes=5)
# Invalid points keep coming as long as the last one is not older: an agent that sends one now and then is one trouble, not many.
INVALID_WITHIN: Final = timedelta(hours=1)
NAMED: Final = 20

# No row for an org that has never sent a point that was taken, nor lately one that was not, and without trouble that goes on.
# Imported history says nothing about agents.
LOOK: Final = f"""
SELECT o.id, o.metric_limit, s.total, s.stale, s.last_at IS NOT NULL,
       coalesce(({NEWEST_LIVE}) > %(quiet)s, false),
       coalesce(r.refused, 0), coalesce(i.invalid, 0), coalesce(i.invalid_example, '')
  FROM orgs_org o
  CROSS JOIN LATERAL (
       SELECT count(*) AS total, count(*) FILTER (WHERE m.is_stale) AS stale, max(m.last_at) AS last_at
         FROM metrics_metric m WHERE m.org_id = o.id
  ) s
  LEFT JOIN orgs_refusedseries r ON r.org_id = o.id AND r.day = (%(now)s AT TIME ZONE 'UTC')::date
  LEFT JOIN LATERAL (
       SELECT t.invalid, t.invalid_example FROM orgs_refusedseries t
        WHERE t.org_id = o.id AND t.day >= (%(now)s AT TIME ZONE 'UTC')::date - 1 AND t.invalid_at > %(invalid_since)s
        ORDER BY t.day DESC LIMIT 1
  ) i ON true
 WHERE o.id = %(org)s AND (s.last_at IS NOT NULL OR i.invalid IS NOT NULL
    OR EXISTS (SELECT 1 FROM orgs_adminalert a WHERE a.org_id = o.id AND a.since IS NOT NULL))
"""  # noqa: S608 - a constant

# How far an org has come only ever grows: of one that is there no series is looked at.
ONBOARD: Final = """
UPDATE orgs_org o SET onboarding_status = s.status
  FROM (SELECT CASE WHEN bool_or(m.state = 'active' AND m.created < %(settled)s) THEN 300
                    WHEN bool_or(m.state = 'active') THEN 200 ELSE 100 END AS status
          FROM metrics_metric m
         WHERE m.org_id = %(org)s AND (SELECT onboarding_status < 300 FROM orgs_org WHERE id = %(org)s) HAVING count(*) > 0) s
 WHERE o.id = %(org)s AND o.onboarding_status < s.status
"""
SETTLED: Final = timedelta(days=7)


@dataclass(frozen=True)
class Look:
    """What one look at an org found."""

    org_id: int
    limit: int
    total: int
    stale: int
    has_received: bool
    is_receiving: bool
    refused_today: int
    invalid_today: int
    invalid_example: str

    @property
    def has_stopped(self) -> bool:
        return self.has_received and not self.is_receiving


def check(org_id: int, *, now: datetime) -> bool:
    """Moves the org on as far as its series have come, and passes on what goes on and what has ended. False if it never got a point."""
    onboard(org_id, now=now)
    one = look(org_id, now=now)
    if one is None:
        return False
    running = set(AdminAlert.objects.for_org(org_id).exclude(since=None).values_list("kind", flat=True))
    _check(one, Org.objects.get(pk=org_id), running, now=now)
    return True


def look(org_id: int, *, now: datetime) -> Look | None:
    """What there is to see of an org; None for one that has never received a point."""
    with connection.cursor() as cursor:
        cursor.execute(LOOK, {"org": org_id, "now": now, "quiet": now - SILENT, "invalid_since": now - INVALID_WITHIN})
        row = cursor.fetchone()
    return None if row is None else Look(*row)


def _check(one: Look, org: Org, running: set[int], *, now: datetime) -> None:
    """When all has stopped, it is not told beside that some has."""
    some_stopped = one.stale > 0 and not one.has_stopped
    _observe(org, AdminAlert.Kind.NO_DATA, one.has_stopped, running, _counts(one), now=now)
    stale = _stale_names(one) if some_stopped else []
    _observe(org, AdminAlert.Kind.STALE_METRICS, some_stopped, running, _counts(one) | {"metrics": stale}, now=now)
    exceeded = one.total >= one.limit and (one.refused_today > 0 or AdminAlert.Kind.METRIC_QUOTA_EXCEEDED in running)
    quota = {"metric_limit": one.limit, "processed_metrics_count": one.total, "refused_points_today": one.refused_today}
    _observe(org, AdminAlert.Kind.METRIC_QUOTA_EXCEEDED, exceeded, running, quota, now=now)
    invalid = {"refused_points_today": one.invalid_today, "metrics": [one.invalid_example] if one.invalid_example else []}
    _observe(org, AdminAlert.Kind.INVALID_METRICS, one.invalid_today > 0, running, invalid, now=now)


def _observe(org: Org, kind: AdminAlert.Kind, is_on: bool, running: set[int], details: dict[str, Any], *, now: datetime) -> None:
    if is_on or kind in running:
        adminalerts.observe(org, kind, is_on=is_on, details=details, now=now)


def _counts(one: Look) -> dict[str, Any]:
    return {"total_metrics": one.total, "total_stale_metrics": one.stale, "total_recent_metrics": one.total - one.stale}


def _stale_names(one: Look) -> list[str]:
    found = Metric.objects.for_org(one.org_id).filter(is_stale=True).order_by("pk")
    return [name[:200] for name in found.values_list("name", flat=True)[:NAMED]]


def onboard(org_id: int, *, now: datetime) -> None:
    with connection.cursor() as cursor:
        cursor.execute(ONBOARD, {"org": org_id, "settled": now - SETTLED})
