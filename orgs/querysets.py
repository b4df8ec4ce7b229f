from datetime import datetime
from typing import TYPE_CHECKING, Self, TypeVar

from django.db import models
from django.db.models import Q

if TYPE_CHECKING:
    from orgs.models import Org

Row = TypeVar("Row", bound=models.Model, covariant=True)


class OrgQuerySet(models.QuerySet[Row]):
    """Rows of one tenant. Every table with an `org` has a queryset that derives from this one."""

    def for_org(self, org: "Org | int") -> Self:
        return self.filter(org=org)


class SecretQuerySet(OrgQuerySet[Row]):
    def live(self, now: datetime) -> Self:
        return self.filter(revoked=None).filter(Q(expires=None) | Q(expires__gt=now))
