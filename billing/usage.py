"""How much of its quota an org uses: now, and on each day before."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from django.db.models import Count

from billing.models import UsageDay
from orgs.models import Org
from orgs.tenancy import Reason, across

# The apps above are reached by the names of relations alone: a series counts from its first point until it is removed.
SERIES: Final = "datastores__metrics"


@dataclass(frozen=True)
class Day:
    """The last look at one day; `limit` is the quota of that day."""

    day: date
    used: int
    limit: int


@dataclass(frozen=True)
class Usage:
    """`used` of `limit` metrics now, and each recorded day from `since` to `until` (both included), oldest first."""

    used: int
    limit: int
    since: date
    until: date
    days: tuple[Day, ...]

    @property
    def remaining(self) -> int:
        return max(0, self.limit - self.used)


def used_now(org: Org) -> int:
    """How many metrics count towards the quota."""
    return int(Org.objects.filter(pk=org.pk).aggregate(used=Count(SERIES))["used"])


def usage_of(org: Org, *, since: date, until: date, today: date) -> Usage:
    """The org's usage now and from `since` to `until`; today as it is now. Two queries."""
    used = used_now(org)
    found = UsageDay.objects.for_org(org).filter(day__gte=since, day__lte=until).exclude(day=today).order_by("day")
    days = [Day(*row) for row in found.values_list("day", "metrics", "metric_limit")]
    if since <= today <= until:
        days.append(Day(today, used, org.metric_limit))
    return Usage(used, org.metric_limit, since, until, tuple(days))


def record(*, now: datetime) -> int:
    """Notes what every org uses today; the last look of a day stays. How many orgs were looked at. Two queries."""
    with across(Reason.USAGE):
        counted = Org.objects.order_by("pk").annotate(used=Count(SERIES)).values_list("pk", "used", "metric_limit")
        rows = [UsageDay(org_id=pk, day=now.date(), metrics=used, metric_limit=limit) for pk, used, limit in counted]
        UsageDay.objects.bulk_create(rows, update_conflicts=True, unique_fields=["org", "day"], update_fields=["metrics", "metric_limit"])
    return len(rows)
