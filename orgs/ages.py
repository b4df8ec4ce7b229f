"""What is forgotten once it is old enough, whatever org it belongs to: the wall opens these rows, for their age alone (docs/tenancy.md)."""

from datetime import timedelta
from typing import Any, Final

from django.db.models import QuerySet

from orgs.tenancy import Reason, across

# Mails and messages, and what became of them.
KEPT: Final = timedelta(days=30)
# Answers to requests with an Idempotency-Key.
ANSWERS_KEPT: Final = timedelta(days=1)
# One transaction takes no more: what has gathered for long goes in pieces.
PIECE: Final = 10_000


def forget(old: "QuerySet[Any]") -> int:
    """Deletes these rows, of all orgs, in pieces; how many there were. No foreign key may lead to them."""
    gone = 0
    with across(Reason.AGE):
        while piece := old.filter(pk__in=old.order_by().values("pk")[:PIECE])._raw_delete(using=old.db):
            gone += piece
    return gone
