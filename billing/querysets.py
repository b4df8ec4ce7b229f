from datetime import datetime
from typing import TYPE_CHECKING, Self

from django.db.models import Q

from orgs.querysets import OrgQuerySet

if TYPE_CHECKING:
    from billing.models import Account  # noqa: F401 - the generic's argument


class AccountQuerySet(OrgQuerySet["Account"]):
    def unread_since(self, moment: datetime) -> Self:
        """Customers whose subscription was read at the provider before `moment`, or never."""
        return self.exclude(customer_id=None).filter(Q(synced=None) | Q(synced__lt=moment))
