"""Making an org's secrets, and ending them."""

from datetime import datetime
from typing import TYPE_CHECKING

from django.utils import timezone

from orgs import keys
from orgs.models import IngestKey, Org, OrgToken, StoredSecret

if TYPE_CHECKING:
    from datastores.models import Datastore


def create_org_token(org: Org, *, name: str, expires: datetime | None = None) -> tuple[OrgToken, str]:
    """The stored token and its secret, which cannot be read again."""
    secret = keys.new_org_token()
    return OrgToken.objects.create(org=org, name=name, expires=expires, digest=keys.digest_of(secret), prefix=keys.prefix_of(secret)), secret


def create_ingest_key(datastore: "Datastore", *, name: str, rule: str = IngestKey.Rule.LAST) -> tuple[IngestKey, str]:
    """The stored key and its secret, which cannot be read again."""
    secret = keys.new_ingest_key()
    key = IngestKey.objects.create(
        org_id=datastore.org_id, datastore=datastore, name=name, rule=rule, digest=keys.digest_of(secret), prefix=keys.prefix_of(secret)
    )
    return key, secret


def revoke(secret: StoredSecret) -> None:
    """Ends a secret for good; doing it twice keeps the first time."""
    if secret.revoked is None:
        secret.revoked = timezone.now()
        secret.save(update_fields=["revoked"])
