from typing import TYPE_CHECKING, Self

from accounts.models import Level, User
from orgs.querysets import OrgQuerySet

if TYPE_CHECKING:
    from metrics.models import Metric  # noqa: F401 - the generic's argument


class MetricQuerySet(OrgQuerySet["Metric"]):
    def visible_to(self, user: User, *, level: Level = Level.REPORTER) -> Self:
        """Series in the datastores on which the user has at least `level`."""
        from datastores.models import Datastore

        return self.for_org(user.org_id).filter(datastore__in=Datastore.objects.visible_to(user, level=level))
