from typing import TYPE_CHECKING, Self

from accounts.callers import Caller
from accounts.models import Level
from datastores.querysets import sees_whole_org, within_reach
from orgs.querysets import OrgQuerySet

if TYPE_CHECKING:
    from metrics.models import Metric  # noqa: F401 - the generic's argument


class MetricQuerySet(OrgQuerySet["Metric"]):
    def visible_to(self, user: Caller, *, level: Level = Level.REPORTER) -> Self:
        """Series in the datastores on which the caller has at least `level`."""
        mine = self.for_org(user.org_id)
        if sees_whole_org(user, level=level):
            return mine
        return mine.filter(datastore__in=within_reach(user, level=level))
