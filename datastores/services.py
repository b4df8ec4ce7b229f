"""Births of orgs and datastores."""

from django.db import transaction

from accounts.models import Team
from datastores.models import Datastore
from orgs.models import Org


@transaction.atomic
def create_org(*, name: str, slug: str, timezone: str = "UTC", metric_limit: int = 1000) -> Org:
    """A tenant with its public team and the datastore "Metrics", which every org has from birth."""
    org = Org(name=name, slug=slug, timezone=timezone, metric_limit=metric_limit)
    org.full_clean()
    org.save()
    Team.objects.create(org=org, name="Public", is_public=True)
    Datastore.objects.create(org=org, name="Metrics", type=Datastore.Type.METRICS)
    return org
