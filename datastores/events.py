"""Which events somebody may see."""

from django.db.models import Q, QuerySet

from accounts.callers import Caller
from accounts.models import Level
from datastores.models import Datastore
from orgs.models import Event


def seen_by(caller: Caller, *, level: Level = Level.REPORTER) -> Q:
    """What is about the caller's whole org, and what is about datastores that the caller sees."""
    seen = Datastore.objects.visible_to(caller, level=level)
    return Q(org=caller.org_id) & (Q(datastore=None) | Q(datastore__in=seen))


def visible_events(caller: Caller) -> QuerySet[Event]:
    return Event.objects.filter(seen_by(caller))
