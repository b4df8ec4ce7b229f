from typing import TYPE_CHECKING, Self

from django.db.models import Exists, OuterRef, Q

from accounts.models import Level, TeamMember, User
from orgs.querysets import OrgQuerySet

if TYPE_CHECKING:
    from datastores.models import Datastore  # noqa: F401 - the generic's argument


class DatastoreQuerySet(OrgQuerySet["Datastore"]):
    def visible_to(self, user: User, *, level: Level = Level.REPORTER) -> Self:
        """Datastores of the user's org on which the user has at least `level`; an Admin has every level on all."""
        mine = self.for_org(user.org_id)
        if user.is_admin or user.is_demo and level <= Level.VIEWER:
            return mine
        from datastores.models import TeamAccess

        of_my_team = Q(team__is_public=True) | Exists(TeamMember.objects.filter(team=OuterRef("team"), user=user))
        return mine.filter(Exists(TeamAccess.objects.filter(of_my_team, datastore=OuterRef("pk"), level__gte=level)))
