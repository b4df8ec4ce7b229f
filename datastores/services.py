"""The birth of an org, and the end of an operation."""

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from accounts.models import Team
from datastores.models import Datastore, Operation
from orgs import tenancy
from orgs.errors import Conflict
from orgs.models import Org
from orgs.services import new_org_id


@transaction.atomic
def create_org(*, name: str, slug: str, timezone: str = "UTC", metric_limit: int = 1000) -> Org:
    """A tenant with its public team and the datastore "Metrics", which every org has from birth. Raises ValidationError.

    Its number comes first, so that it can be made in its own name.
    """
    org = Org(pk=new_org_id(), name=name, slug=slug, timezone=timezone, metric_limit=metric_limit)
    if tenancy.org_of(Org, slug=slug) is not None:
        raise ValidationError({"slug": "There is an org with this slug."})
    with tenancy.within(org.pk):
        org.full_clean()
        org.save(force_insert=True)
        Team.objects.create(org=org, name="Public", is_public=True)
        Datastore.objects.create(org=org, name="Metrics", type=Datastore.Type.METRICS)
    return org


def abort_operation(operation: Operation) -> Operation:
    """Ends an operation that waits or runs; its worker sees it before the next step. Aborting twice is once.

    Raises Conflict if it has ended in another way.
    """
    ended = {"status": Operation.Status.ABORTED, "ended": timezone.now(), "message": "Aborted by a person."}
    Operation.objects.filter(pk=operation.pk, status__in=Operation.UNFINISHED).update(**ended)
    operation.refresh_from_db()
    if operation.status != Operation.Status.ABORTED:
        raise Conflict(f"The operation has already ended: {operation.get_status_display()}.")
    return operation
