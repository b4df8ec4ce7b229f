from typing import TYPE_CHECKING, Any, Self

from django.db.models import Exists, Max, OuterRef, Q, QuerySet, Subquery, Value

from accounts.callers import Caller, OrgCaller
from accounts.models import Level, Role, TeamMember
from orgs.querysets import OrgQuerySet

if TYPE_CHECKING:
    from datastores.models import AuditEntry, Datastore, Operation, TeamAccess  # noqa: F401 - the generics' arguments


def sees_whole_org(user: Caller, *, level: Level = Level.REPORTER) -> bool:
    """Whether no team has to be asked: Admins have every level, demo users and org tokens read everything."""
    return user.is_admin or (user.is_demo and level <= Level.VIEWER)


def access_of(user: Caller) -> "QuerySet[TeamAccess]":
    """Every level that a person has through a team; the Public team is everybody's."""
    from datastores.models import TeamAccess

    of_my_team = Q(team__is_public=True) | Q(team__in=TeamMember.objects.filter(user=user.pk).values("team"))
    return TeamAccess.objects.filter(of_my_team, org=user.org_id)


def within_reach(user: Caller, *, level: Level) -> "QuerySet[TeamAccess, Any]":
    """Ids of the datastores on which a team gives the caller at least `level`, for `datastore__in=`; see `sees_whole_org` for the others.

    One query less to nest than the datastores themselves: Django takes longer to write these queries than PostgreSQL to answer them.
    """
    found = access_of(user).filter(level__gte=level).values("datastore")
    return found.none() if isinstance(user, OrgCaller) else found


class DatastoreQuerySet(OrgQuerySet["Datastore"]):
    def visible_to(self, user: Caller, *, level: Level = Level.REPORTER) -> Self:
        """Datastores of the caller's org on which the caller has at least `level`; an Admin has every level on all."""
        mine = self.for_org(user.org_id)
        if sees_whole_org(user, level=level):
            return mine
        if isinstance(user, OrgCaller):
            return mine.none()
        return mine.filter(Exists(access_of(user).filter(datastore=OuterRef("pk"), level__gte=level)))

    def with_level_of(self, user: Caller) -> Self:
        """With `level`: the caller's effective level on each, which is the highest of their teams'; None without any."""
        if user.is_admin:
            return self.annotate(level=Value(Level.EDITOR))
        if isinstance(user, OrgCaller) or user.is_demo:
            return self.annotate(level=Value(Level.VIEWER))
        highest = access_of(user).filter(datastore=OuterRef("pk")).order_by().values("datastore").annotate(most=Max("level"))
        return self.annotate(level=Subquery(highest.values("most")))


class OperationQuerySet(OrgQuerySet["Operation"]):
    def visible_to(self, user: Caller, *, level: Level = Level.REPORTER) -> Self:
        """Operations on the datastores on which the caller has at least `level`.

        Of those across datastores an Admin sees all, a Manager those of flows, and everybody their own.
        """
        mine = self.for_org(user.org_id)
        if user.is_admin:
            return mine
        on_datastores = Q(datastore__isnull=False)
        if not sees_whole_org(user, level=level):
            on_datastores = Q(datastore__in=within_reach(user, level=level))
        across = Q(user=user.pk) if user.pk else Q(pk=None)
        if getattr(user, "role", None) == Role.MANAGER:
            across |= Q(kind="flow")
        return mine.filter(on_datastores | Q(datastore=None) & across)


class AuditQuerySet(OrgQuerySet["AuditEntry"]):
    def visible_to(self, user: Caller, *, level: Level = Level.REPORTER) -> Self:
        """All of the caller's org; levels on datastores play no part."""
        return self.for_org(user.org_id)
