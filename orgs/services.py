"""Making an org's secrets, and ending them."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from django.db import transaction
from django.utils import timezone

from orgs import keys
from orgs.errors import Conflict
from orgs.models import IngestKey, Org, OrgToken, StoredSecret

if TYPE_CHECKING:
    from datastores.models import Datastore

# How long a rotated secret still works, so that agents can be changed one after the other.
ROTATION_GRACE: Final = timedelta(hours=24)
# Of what acts as a person.
MAX_LIFE: Final = timedelta(days=365)
NEW_SECRETS: Final[Mapping[type[StoredSecret], Callable[[], str]]] = {OrgToken: keys.new_org_token, IngestKey: keys.new_ingest_key}


def create_org_token(org: Org, *, name: str, expires: datetime | None = None) -> tuple[OrgToken, str]:
    """The stored token and its secret, which cannot be read again."""
    secret = keys.new_org_token()
    return OrgToken.objects.create(
        org=org, name=name, expires=expires, digest=keys.digest_of(secret), prefix=keys.prefix_of(secret)
    ), secret


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


@transaction.atomic
def rotate(old: StoredSecret, *, grace: timedelta = ROTATION_GRACE) -> tuple[StoredSecret, str]:
    """A successor that may do the same, and its secret, which cannot be read again. The old one ends after `grace`, if not before.

    The successor ends when the old one would have; one of a person's that had no end lives MAX_LIFE.
    Raises Conflict if the old one has ended.
    """
    secret, now = NEW_SECRETS.get(type(old), keys.new_bearer_token)(), timezone.now()
    new = type(old).objects.select_for_update().get(pk=old.pk)
    if not new.is_live(now):
        raise Conflict("This secret has expired or was revoked: it has no successor. Make a new one.")
    if new.expires is None or new.expires > now + grace:
        old.expires = now + grace
        old.save(update_fields=["expires"])
    if new.expires is None and type(old) not in NEW_SECRETS:
        new.expires = now + MAX_LIFE
    new.pk, new.last_used = None, None
    new.digest, new.prefix = keys.digest_of(secret), keys.prefix_of(secret)
    new.save(force_insert=True)
    return new, secret
