from typing import TYPE_CHECKING, Self

from accounts.models import Level, User
from orgs.querysets import OrgQuerySet

if TYPE_CHECKING:
    from anomalies.models import Anomaly  # noqa: F401 - the generic's argument


class AnomalyQuerySet(OrgQuerySet["Anomaly"]):
    def visible_to(self, user: User, *, level: Level = Level.REPORTER) -> Self:
        """Anomalies in the datastores on which the user has at least `level`, without the deleted."""
        from datastores.models import Datastore

        return self.for_org(user.org_id).filter(deleted=None, datastore__in=Datastore.objects.visible_to(user, level=level))

    def open(self) -> Self:
        return self.filter(status__in=self.model.OPEN)

    def archived(self) -> Self:
        return self.filter(status__in=self.model.ARCHIVED)
