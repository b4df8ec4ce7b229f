from collections.abc import Collection
from typing import TYPE_CHECKING, Any, Self

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Exists, F, OuterRef, Q, QuerySet

from accounts.callers import Caller
from accounts.models import Level, TeamMember
from anomalies.conditions import AnyOf, among
from datastores.models import Datastore
from datastores.querysets import sees_whole_org
from orgs.querysets import OrgQuerySet

if TYPE_CHECKING:
    from anomalies.models import Anomaly, Comment, Flow, Integration, Notice, SavedView, Tag  # noqa: F401 - the generics' arguments


class AnomalyQuerySet(OrgQuerySet["Anomaly"]):
    def visible_to(self, user: Caller, *, level: Level = Level.REPORTER) -> Self:
        """Anomalies in the datastores on which the caller has at least `level`, without the deleted."""
        return self.for_org(user.org_id).filter(deleted=None)._within_reach(user, level=level)

    def visible_with_deleted_to(self, user: Caller, *, level: Level, among: Level) -> Self:
        """The same with the tombstones of the datastores on which the caller has at least `among`."""
        mine = self.for_org(user.org_id)
        standing, deleted = mine.filter(deleted=None), mine.exclude(deleted=None)
        return standing._within_reach(user, level=level) | deleted._within_reach(user, level=among)

    def _within_reach(self, user: Caller, *, level: Level) -> Self:
        if sees_whole_org(user, level=level):
            return self
        # As an array that is made once. As a subquery it is joined, and the list is no longer read in the order of its index.
        datastores = ArraySubquery(Datastore.objects.visible_to(user, level=level).order_by().values("pk"))
        return self.filter(AnyOf(F("datastore"), datastores))

    def standing_in(self, datastores: Collection[int] | None) -> Self:
        """Without the deleted, in these datastores; in all of them for None."""
        standing = self.filter(deleted=None)
        return standing if datastores is None else standing.filter(among(sorted(datastores), "datastore"))

    def awake(self) -> Self:
        return self.filter(snoozed_at=None)

    def for_rows(self) -> Self:
        """With what `pages.rows` shows of an anomaly itself; what stands beside it is read there."""
        return self.select_related("metric", "datastore", "container")

    def open(self) -> Self:
        return self.filter(status__in=self.model.OPEN)

    def archived(self) -> Self:
        return self.filter(status__in=self.model.ARCHIVED)


class NoticeQuerySet(OrgQuerySet["Notice"]):
    def visible_to(self, user: Caller, *, level: Level = Level.VIEWER) -> Self:
        """The caller's own, of anomalies that they may still read the history of."""
        from anomalies.models import Anomaly

        return self.for_org(user.org_id).filter(user=user.pk, in_app=True, anomaly__in=Anomaly.objects.visible_to(user, level=level))

    def told_to(self, user: Caller, *, within: Collection[int] | None) -> Self:
        """The same for who may read histories in these datastores; in all of them for None."""
        mine = self.for_org(user.org_id).filter(user=user.pk, in_app=True, anomaly__deleted=None)
        return mine if within is None else mine.filter(among(sorted(within), "anomaly__datastore"))

    def unread(self) -> Self:
        return self.filter(acknowledged=None)


class CommentQuerySet(OrgQuerySet["Comment"]):
    def visible_to(self, user: Caller, *, level: Level = Level.VIEWER) -> Self:
        """Those on anomalies that the caller sees with at least `level`, the deleted among them."""
        mine = self.for_org(user.org_id).filter(anomaly__deleted=None)
        if sees_whole_org(user, level=level):
            return mine
        return mine.filter(anomaly__datastore__in=Datastore.objects.visible_to(user, level=level))

    def standing(self) -> Self:
        """Without the deleted."""
        return self.filter(deleted=None)

    def for_rows(self) -> Self:
        """With whose they are and whom they mention."""
        return self.select_related("user").prefetch_related("mentioned")


class IntegrationQuerySet(OrgQuerySet["Integration"]):
    def visible_to(self, user: Caller, *, level: Level = Level.REPORTER) -> Self:
        """All of the caller's org; levels on datastores play no part."""
        return self.for_org(user.org_id)


class TagQuerySet(OrgQuerySet["Tag"]):
    def visible_to(self, user: Caller, *, level: Level = Level.REPORTER) -> Self:
        """All of the caller's org; levels on datastores play no part."""
        return self.for_org(user.org_id)


class FlowQuerySet(OrgQuerySet["Flow"]):
    def visible_to(self, user: Caller, *, level: Level = Level.REPORTER) -> Self:
        """Every flow of the caller's org; levels on datastores play no part."""
        return self.for_org(user.org_id)


class SavedViewQuerySet(OrgQuerySet["SavedView"]):
    def visible_to(self, user: Caller, *, level: Level = Level.REPORTER) -> Self:
        """The caller's own and those of their teams; an Admin sees everything that is shared."""
        mine = self.for_org(user.org_id)
        shared = Q(team__isnull=False) if user.is_admin else Q(team__is_public=True) | Q(team__in=teams_of(user))
        return mine.filter(Q(user=user.pk) | shared)

    def with_default_of(self, user: Caller) -> Self:
        """With `default`: whether the caller's inbox begins with it."""
        from anomalies.models import DefaultView

        return self.annotate(default=Exists(DefaultView.objects.filter(view=OuterRef("pk"), user=user.pk)))


def teams_of(user: Caller) -> "QuerySet[TeamMember, Any]":
    return TeamMember.objects.filter(user=user.pk).values("team")
