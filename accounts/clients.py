"""Clients in which a person has proved the second factor: they hold a signed id for half a year."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.core.signing import BadSignature, TimestampSigner

from accounts.models import KnownClient, User
from orgs import keys

COOKIE: Final = "client_id"
LIFE: Final = timedelta(days=180)
_SIGNER: Final = "plumbline client"


@dataclass(frozen=True)
class ClientId:
    """What the client keeps: the signed id, in a cookie or sent as `client_id`."""

    signed: str


def is_known(person: User, signed: str, *, now: datetime) -> bool:
    """Whether this person has proved the second factor in the client that holds `signed`."""
    secret = _secret_of(signed)
    if not secret:
        return False
    known = KnownClient.objects.filter(user=person, digest=keys.digest_of(secret), created__gt=now - LIFE)
    return known.update(last_used=now) == 1


def remember(person: User, *, name: str, signed: str = "", now: datetime) -> ClientId:
    """Makes the client known to this person; one that another person uses already keeps its id."""
    secret = _secret_of(signed) or secrets.token_hex(16)
    KnownClient.objects.update_or_create(
        user=person, digest=keys.digest_of(secret), defaults={"org_id": person.org_id, "name": name[:200], "last_used": now}
    )
    return ClientId(TimestampSigner(salt=_SIGNER).sign(secret))


def forget_all(person: User) -> None:
    KnownClient.objects.filter(user=person).delete()


def _secret_of(signed: str) -> str:
    """The id inside, empty when it was not signed by us or is too old."""
    try:
        return TimestampSigner(salt=_SIGNER).unsign(signed, max_age=LIFE)
    except BadSignature:
        return ""
