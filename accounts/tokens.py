"""Personal tokens: making one, finding whose it is, ending it."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from django.db.models import Q

from accounts.models import PersonalToken, User
from accounts.permissions import SCOPES_HELD
from config.database.prepared import Query
from orgs import keys
from orgs.errors import FieldError, Forbidden, Invalid
from orgs.models import OrgToken, StoredSecret
from orgs.services import MAX_LIFE_DAYS, check_bounds, expiry_of, store_secret, wrong_life
from orgs.sources import checked_sources

DEFAULT_SCOPES: Final = (PersonalToken.Scope.READ, PersonalToken.Scope.WRITE)
# `last_used` is for people; a write per request would cost more than the request.
LAST_USED_EVERY: Final = timedelta(minutes=1)


def create_personal_token(
    user: User,
    *,
    name: str,
    scopes: Sequence[str] | None = None,
    expires_in_days: int | None = MAX_LIFE_DAYS,
    sources: Sequence[str] = (),
    actor_id: int | None = None,
) -> tuple[PersonalToken, str]:
    """The stored token and its secret, which cannot be read again. Without `scopes` it reads and writes.

    Raises Invalid for an unknown scope, a life outside 1..365 days or a source that is no network.
    """
    scopes = list(scopes or DEFAULT_SCOPES)
    if wrong := [*_wrong_scopes(scopes), *wrong_life(expires_in_days)]:
        raise Invalid("The token cannot be made like this.", errors=wrong)
    expires, networks = expiry_of(expires_in_days), checked_sources(sources)
    token = PersonalToken(org_id=user.org_id, user=user, name=name, scopes=scopes, expires=expires, sources=networks)
    said = "Service token" if user.is_service else "Personal token"
    return store_secret(token, keys.new_bearer_token(), said=said, actor_id=actor_id or user.pk)


def _wrong_scopes(scopes: Sequence[str]) -> list[FieldError]:
    return [
        FieldError(("body", "scopes", at), "invalid_choice", f"{scope!r} is no scope: read, write or admin.")
        for at, scope in enumerate(scopes)
        if scope not in PersonalToken.Scope.values
    ]


def check_grant(by: StoredSecret | None, *, scopes: Sequence[str], sources: Sequence[str]) -> None:
    """Raises Forbidden when a caller with the token `by` would make a token that may do more than `by` itself.

    A caller without a token, with the dashboard's session, may make any.
    """
    if not isinstance(by, PersonalToken):
        return
    held = frozenset().union(*(SCOPES_HELD[PersonalToken.Scope(scope)] for scope in by.scopes))
    if not held.issuperset(scopes):
        raise Forbidden("A token makes no token with a scope that it lacks itself.")
    check_bounds(by, sources=sources)


# Every request with a token begins with one of these.
_PERSONAL: Final = Query(
    lambda digest, now: PersonalToken.objects.live(now).select_related("user").filter(digest=digest, user__is_active=True).order_by(),
    digest=b"digest",
    now=datetime(2001, 1, 1, tzinfo=UTC),
)
_OF_ORG: Final = Query(
    lambda digest, now: OrgToken.objects.live(now).select_related("org").filter(digest=digest).order_by(),
    digest=b"digest",
    now=datetime(2001, 1, 1, tzinfo=UTC),
)


def personal_token_of(secret: str, *, now: datetime) -> PersonalToken | None:
    """The live token with this secret and an active user, the user loaded with it; None if there is none."""
    return _PERSONAL.first_at_home(PersonalToken, "digest", digest=keys.digest_of(secret), now=now)


def org_token_of(secret: str, *, now: datetime) -> OrgToken | None:
    """The live org token with this secret, its org loaded with it; None if there is none."""
    return _OF_ORG.first_at_home(OrgToken, "digest", digest=keys.digest_of(secret), now=now)


def mark_used(token: StoredSecret, *, now: datetime) -> None:
    """Notes that `token` was used, at most once a minute: most calls write nothing."""
    if token.last_used is not None and now - token.last_used < LAST_USED_EVERY:
        return
    # Of two requests in the same moment one writes.
    stale = Q(last_used=None) | Q(last_used__lte=now - LAST_USED_EVERY)
    type(token)._default_manager.filter(stale, pk=token.pk).update(last_used=now)
