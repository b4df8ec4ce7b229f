"""Making an org's secrets, ending them, and changing the org itself."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, TypeVar

from django.db import connection, transaction
from django.utils import timezone

from orgs import keys
from orgs.errors import Conflict, FieldError, Forbidden, Invalid
from orgs.events import record_event
from orgs.models import Event, IngestKey, Org, OrgToken, PublicKey, StoredSecret
from orgs.origins import checked_origins
from orgs.sealing import seal, unseal
from orgs.sources import checked_sources, is_within
from orgs.tenancy import Reason, across

if TYPE_CHECKING:
    from datastores.models import Datastore

MAX_LIFE_DAYS: Final = 365
# How long a rotated secret still works, so that agents can be changed one after the other.
ROTATION_GRACE: Final = timedelta(hours=24)
# Of what acts as a person.
MAX_LIFE: Final = timedelta(days=MAX_LIFE_DAYS)
NEW_SECRETS: Final[Mapping[type[StoredSecret], Callable[[], str]]] = {OrgToken: keys.new_org_token, IngestKey: keys.new_ingest_key}
PUBLIC_KEY: Final = "public key"
NAMESPACE: Final = re.compile(r"(?=.{1,100}$)[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")
Secret = TypeVar("Secret", bound=StoredSecret)


def new_org_id() -> int:
    """The number of an org that is still to be made."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval(pg_get_serial_sequence('orgs_org', 'id'))")
        return int(cursor.fetchone()[0])


def org_ids() -> list[int]:
    """Every org: what the clock goes through, each within its own name."""
    with across(Reason.UPKEEP):
        return list(Org.objects.order_by("pk").values_list("pk", flat=True))


def expiry_of(expires_in_days: int | None) -> datetime | None:
    """The end of a life of so many days from now; None lives until it is revoked. Raises Invalid outside 1..365."""
    if wrong := wrong_life(expires_in_days):
        raise Invalid("The secret cannot be made like this.", errors=wrong)
    return None if expires_in_days is None else timezone.now() + timedelta(days=expires_in_days)


def wrong_life(expires_in_days: int | None) -> list[FieldError]:
    """What is wrong with a life of so many days, if anything."""
    if expires_in_days is None or 1 <= expires_in_days <= MAX_LIFE_DAYS:
        return []
    return [FieldError(("body", "expires_in_days"), "out_of_range", f"A secret lives 1 to {MAX_LIFE_DAYS} days.")]


def create_org_token(
    org: Org, *, name: str, expires: datetime | None = None, sources: Sequence[str] = (), actor_id: int | None = None
) -> tuple[OrgToken, str]:
    """The stored token and its secret, which cannot be read again."""
    token = OrgToken(org=org, name=name, expires=expires, sources=checked_sources(sources))
    return store_secret(token, keys.new_org_token(), said="Org token", actor_id=actor_id)


def create_ingest_key(
    datastore: "Datastore",
    *,
    name: str,
    rule: str = IngestKey.Rule.LAST,
    expires: datetime | None = None,
    sources: Sequence[str] = (),
    actor_id: int | None = None,
) -> tuple[IngestKey, str]:
    """The stored key and its secret, which cannot be read again."""
    key = IngestKey(org_id=datastore.org_id, datastore=datastore, name=name, rule=rule, expires=expires, sources=checked_sources(sources))
    return store_secret(key, keys.new_ingest_key(), said="Ingest key", actor_id=actor_id, datastore_id=datastore.pk)


def create_public_key(
    datastore: "Datastore",
    *,
    name: str,
    origins: Sequence[str],
    namespace: str = "web",
    series_limit: int = 100,
    per_minute: int = 600,
    actor_id: int | None = None,
) -> tuple[PublicKey, str]:
    """The stored key and the key itself, which `public_key_of` can tell again. Raises Invalid for origins and bounds that do not do."""
    bounds = _checked_bounds(origins, namespace, series_limit, per_minute)
    secret = keys.new_public_key()
    sealed = seal(secret.encode(), purpose=PUBLIC_KEY)
    key = PublicKey(org_id=datastore.org_id, datastore=datastore, name=name, sealed=sealed, **bounds)
    return store_secret(key, secret, said="Public key", actor_id=actor_id, datastore_id=datastore.pk)


def public_key_of(key: PublicKey) -> str:
    """The key itself, as it stands in the source of pages."""
    return unseal(bytes(key.sealed), purpose=PUBLIC_KEY).decode()


@transaction.atomic
def change_public_key(
    key: PublicKey, *, name: str, origins: Sequence[str], series_limit: int, per_minute: int, actor_id: int | None = None
) -> None:
    """Changes a public key's name, origins and limits; its namespace stays. Raises Invalid."""
    bounds = _checked_bounds(origins, key.namespace, series_limit, per_minute)
    PublicKey.objects.filter(pk=key.pk).update(name=name, **bounds)
    _tell(key, f"Public key {name} changed", actor_id=actor_id)


def _checked_bounds(origins: Sequence[str], namespace: str, series_limit: int, per_minute: int) -> dict[str, Any]:
    errors = []
    if not NAMESPACE.fullmatch(namespace):
        errors.append(FieldError(("body", "namespace"), "invalid", "Letters, digits, _ and -, parts with dots between: web.shop."))
    if not 1 <= series_limit <= 10_000:
        errors.append(FieldError(("body", "series_limit"), "out_of_range", "From 1 to 10,000."))
    if not 1 <= per_minute <= 100_000:
        errors.append(FieldError(("body", "per_minute"), "out_of_range", "From 1 to 100,000."))
    if not origins:
        errors.append(FieldError(("body", "origins"), "required", "Name the origins of your pages, such as https://www.example.com."))
    if errors:
        raise Invalid("The public key cannot be made like this.", errors=errors)
    checked = checked_origins(origins, patterns=True)
    return {"origins": checked, "namespace": namespace, "series_limit": series_limit, "per_minute": per_minute}


@transaction.atomic
def store_secret(
    row: Secret, secret: str, *, said: str, actor_id: int | None = None, datastore_id: int | None = None
) -> tuple[Secret, str]:
    """Stores a secret's keyed hash and tells the feed; the row and the secret."""
    row.digest, row.prefix = keys.digest_of(secret), keys.prefix_of(secret)
    row.save(force_insert=True)
    _tell(row, f"{said} {row.name} made", actor_id=actor_id, datastore_id=datastore_id)
    return row, secret


@transaction.atomic
def revoke(secret: StoredSecret, *, actor_id: int | None = None) -> None:
    """Ends a secret; doing it twice keeps the first time. A token ends with the commit, an ingest key within a second of it."""
    now = timezone.now()
    if type(secret)._default_manager.filter(pk=secret.pk, revoked=None).update(revoked=now):
        secret.revoked = now
        _tell(secret, f"{_kind_of(secret)} {secret.name} revoked", actor_id=actor_id)


@transaction.atomic
def restore(secret: StoredSecret, *, actor_id: int | None = None) -> None:
    """Lets a revoked secret live again, until it expires; doing it twice is once."""
    if type(secret)._default_manager.filter(pk=secret.pk).exclude(revoked=None).update(revoked=None):
        secret.revoked = None
        _tell(secret, f"{_kind_of(secret)} {secret.name} restored", actor_id=actor_id)


@transaction.atomic
def change_secret(
    secret: StoredSecret,
    *,
    name: str | None = None,
    sources: Sequence[str] | None = None,
    revoked: bool | None = None,
    actor_id: int | None = None,
) -> None:
    """Changes what is given: the name, the networks, whether it is revoked. Raises Invalid."""
    changed: dict[str, Any] = {}
    if name is not None:
        changed["name"] = name
    if sources is not None:
        changed["sources"] = checked_sources(sources)
    if changed:
        told = [field for field, value in changed.items() if getattr(secret, field) != value]
        type(secret)._default_manager.filter(pk=secret.pk).update(**changed)
        for field, value in changed.items():
            setattr(secret, field, value)
        tell_change(secret, told, actor_id=actor_id)
    if revoked is not None:
        (revoke if revoked else restore)(secret, actor_id=actor_id)


def check_bounds(by: StoredSecret | None, *, sources: Sequence[str]) -> None:
    """Raises Forbidden when a caller with the secret `by` would make one that may be used where `by` itself may not."""
    if by is not None and not is_within(checked_sources(sources), by.sources):
        raise Forbidden("A token that is bound to networks makes only tokens and keys that are bound to these, or to parts of them.")


def check_change(
    by: StoredSecret | None, secret: StoredSecret, *, sources: Sequence[str] | None = None, revoked: bool | None = None, **_: object
) -> None:
    """Raises Forbidden when a caller with the secret `by` would let `secret` be used where `by` itself may not."""
    if sources is not None or revoked is False:
        check_bounds(by, sources=secret.sources if sources is None else sources)


@transaction.atomic
def delete_secret(secret: StoredSecret, *, actor_id: int | None = None) -> None:
    """Ends a secret and forgets that it was there."""
    _tell(secret, f"{_kind_of(secret)} {secret.name} deleted", actor_id=actor_id)
    secret.delete()


def tell_change(secret: StoredSecret, fields: Sequence[str], *, actor_id: int | None) -> None:
    """Tells the feed which fields of a secret were changed, if any; in the caller's transaction."""
    if fields:
        said = ", ".join(CALLED_OF_SECRETS[field] for field in fields)
        _tell(secret, f"{_kind_of(secret)} {secret.name} changed: {said}", actor_id=actor_id)


def _kind_of(secret: StoredSecret) -> str:
    return str(secret._meta.verbose_name).capitalize()


def _tell(secret: StoredSecret, said: str, *, actor_id: int | None, datastore_id: int | None = None) -> None:
    datastore_id = datastore_id or getattr(secret, "datastore_id", None)
    record_event(secret.org_id, type=Event.Type.TOKEN, name=said, user_id=actor_id, datastore_id=datastore_id)


@transaction.atomic
def rotate(old: StoredSecret, *, grace: timedelta = ROTATION_GRACE, actor_id: int | None = None) -> tuple[StoredSecret, str]:
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
    return store_secret(new, secret, said="Successor of", actor_id=actor_id)


@transaction.atomic
def change_org(org: Org, *, actor_id: int | None = None, **changes: Any) -> Org:
    """Changes the given fields of the org, and tells the feed which. Raises Invalid for an empty name and for origins that are none."""
    if changes.get("name") == "":
        raise Invalid("An org has a name.", errors=[FieldError(("name",), "required", "This must not be empty.")])
    if "origins" in changes:
        changes["origins"] = checked_origins(changes["origins"])
    changed = [field for field, value in changes.items() if getattr(org, field) != value]
    for field in changed:
        setattr(org, field, changes[field])
    if changed:
        org.save(update_fields=changed)
        said = f"Settings changed: {', '.join(CALLED[field] for field in changed)}"
        record_event(org.pk, type=Event.Type.SETTINGS, name=said, user_id=actor_id)
    return org


# What the feed calls each field of a secret that people change.
CALLED_OF_SECRETS: Final = {"name": "name", "sources": "networks", "expires": "end", "rule": "rule", "scopes": "scopes"}
# What the feed calls each setting of an org that people change.
CALLED: Final = {
    "name": "name",
    "timezone": "timezone",
    "validates_clients": "second factor of new clients",
    "origins": "origins of web pages",
    "muted_until": "muting of alerts",
}
