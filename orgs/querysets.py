from datetime import datetime
from typing import TYPE_CHECKING, Protocol, Self, TypeVar

from django.db import models
from django.db.models import Q

if TYPE_CHECKING:
    from orgs.models import Event, Org  # noqa: F401 - the generics' arguments

Row = TypeVar("Row", bound=models.Model, covariant=True)


class Caller(Protocol):
    """Whoever calls: of one org."""

    @property
    def org_id(self) -> int: ...


class OrgQuerySet(models.QuerySet[Row]):
    """Rows of one tenant. Every table with an `org` has a queryset that derives from this one."""

    def for_org(self, org: "Org | int") -> Self:
        return self.filter(org=org)


class SecretQuerySet(OrgQuerySet[Row]):
    def visible_to(self, caller: Caller, *, level: int = 0) -> Self:
        """Every secret of the caller's org; levels on datastores play no part."""
        return self.for_org(caller.org_id)

    def live(self, now: datetime) -> Self:
        return self.filter(revoked=None).filter(Q(expires=None) | Q(expires__gt=now))


class EventQuerySet(OrgQuerySet["Event"]):
    def between(self, start: datetime, end: datetime) -> Self:
        """What happened from `start` to before `end`."""
        return self.filter(timestamp__gte=start, timestamp__lt=end)
