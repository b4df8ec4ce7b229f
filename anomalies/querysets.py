from typing import TYPE_CHECKING, Self

from accounts.callers import Caller
from accounts.models import Level
from datastores.models import Datastore
from datastores.querysets import sees_whole_org
from orgs.querysets import OrgQuerySet

if TYPE_CHECKING:
    from anomalies.models import Anomaly  # noqa: F401 - the generic's argument


class AnomalyQuerySet(OrgQuerySet["Anomaly"]):
    def visible_to(self, user: Caller, *, level: Level = Level.REPORTER) -> Self:
        """Anomalies in the datastores on which the caller has at least `level`, without the deleted."""
        mine = self.for_org(user.org_id).filter(deleted=None)
        if sees_whole_org(user, level=level):
            return mine
        return mine.filter(datastore__in=Datastore.objects.visible_to(user, level=level))

    def for_rows(self) -> Self:
        """With everything that a line of a list shows of an anomaly."""
        return self.select_related("metric", "datastore", "container").prefetch_related("global_tags")

    def open(self) -> Self:
        return self.filter(status__in=self.model.OPEN)

    def archived(self) -> Self:
        return self.filter(status__in=self.model.ARCHIVED)
