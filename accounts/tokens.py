"""Personal tokens: making one, finding whose it is, ending it."""

from datetime import datetime, timedelta
from typing import Final

from django.utils import timezone

from accounts.models import PersonalToken, User
from orgs import keys
from orgs.errors import FieldError, Invalid
from orgs.models import OrgToken, StoredSecret

MAX_LIFE_DAYS: Final = 365
# `last_used` is for people; a write per request would cost more than the request.
LAST_USED_EVERY: Final = timedelta(minutes=1)


def create_personal_token(
    user: User, *, name: str, scopes: list[str] | None = None, expires_in_days: int | None = MAX_LIFE_DAYS
) -> tuple[PersonalToken, str]:
    """The stored token and its secret, which cannot be read again. Without `scopes` it reads and writes.

    Raises Invalid for an unknown scope or a life outside 1..365 days.
    """
    scopes = scopes or [PersonalToken.Scope.READ, PersonalToken.Scope.WRITE]
    _check(scopes, expires_in_days)
    secret = keys.new_bearer_token()
    expires = None if expires_in_days is None else timezone.now() + timedelta(days=expires_in_days)
    token = PersonalToken.objects.create(
        org_id=user.org_id,
        user=user,
        name=name,
        scopes=scopes,
        expires=expires,
        digest=keys.digest_of(secret),
        prefix=keys.prefix_of(secret),
    )
    return token, secret


def _check(scopes: list[str], expires_in_days: int | None) -> None:
    errors = [
        FieldError(("body", "scopes", at), "invalid_choice", f"{scope!r} is no scope: read, write or admin.")
        for at, scope in enumerate(scopes)
        if scope not in PersonalToken.Scope.values
    ]
    if expires_in_days is not None and not 1 <= expires_in_days <= MAX_LIFE_DAYS:
        errors.append(FieldError(("body", "expires_in_days"), "out_of_range", f"A token lives 1 to {MAX_LIFE_DAYS} days."))
    if errors:
        raise Invalid("The token cannot be made like this.", errors=errors)


def personal_token_of(secret: str, *, now: datetime) -> PersonalToken | None:
    """The live token with this secret and an active user, the user loaded with it; None if there is none."""
    found = PersonalToken.objects.live(now).select_related("user")
    return found.filter(digest=keys.digest_of(secret), user__is_active=True).first()


def org_token_of(secret: str, *, now: datetime) -> OrgToken | None:
    """The live org token with this secret, its org loaded with it; None if there is none."""
    return OrgToken.objects.live(now).select_related("org").filter(digest=keys.digest_of(secret)).first()


def mark_used(token: StoredSecret, *, now: datetime) -> None:
    """Notes that `token` was used, at most once a minute: most calls write nothing."""
    if token.last_used is not None and now - token.last_used < LAST_USED_EVERY:
        return
    type(token).objects.filter(pk=token.pk).update(last_used=now)
