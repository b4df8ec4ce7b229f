"""Who calls the REST API: a personal token, an org token or the dashboard's session."""

from typing import Any

from django.utils import timezone
from rest_framework import authentication, exceptions
from rest_framework.request import Request

from accounts import tokens
from accounts.callers import OrgCaller
from accounts.models import PersonalToken, User
from config.api.addresses import client_address
from orgs import tenancy
from orgs.models import OrgToken
from orgs.sources import may_come_from

REALM = 'Bearer realm="plumbline"'
ELSEWHERE = "This token is bound to other networks than the one that this request comes from."
REFUSED = "The token is unknown, expired or revoked. Make a new one under your profile, or ask an admin of your org."


class TokenAuthentication(authentication.BaseAuthentication):
    """`Authorization: Bearer <personal or org token>`, or an org token in `X-Auth-Token`.

    The token is looked up on every request, so that a revoked one ends at once.
    """

    def authenticate(self, request: Request) -> tuple[Any, PersonalToken | OrgToken] | None:
        secret = bearer_of(request) or request.headers.get("X-Auth-Token", "").strip()
        return self._caller_of(secret, client_address(request._request)) if secret else None

    def _caller_of(self, secret: str, address: str) -> tuple[User | OrgCaller, PersonalToken | OrgToken]:
        now = timezone.now()
        personal = tokens.personal_token_of(secret, now=now) if secret.startswith("plb_") else None
        token = personal or tokens.org_token_of(secret, now=now)
        if token is None:
            raise exceptions.AuthenticationFailed(REFUSED)
        if not may_come_from(token.sources, address):
            raise exceptions.AuthenticationFailed(ELSEWHERE)
        tenancy.enter(token.org_id)
        tokens.mark_used(token, now=now)
        return (token.user, token) if isinstance(token, PersonalToken) else (OrgCaller(token.org, token.pk), token)


def token_of(request: Request) -> PersonalToken | OrgToken | None:
    """The token that the request came with; None for the dashboard's session."""
    return request.auth if isinstance(request.auth, (PersonalToken, OrgToken)) else None


def bearer_of(request: Request) -> str:
    """The token of the Authorization header; empty without one. Raises AuthenticationFailed for a header of another kind."""
    header = request.headers.get("Authorization", "")
    if not header:
        return ""
    kind, _, secret = header.partition(" ")
    if kind.lower() != "bearer" or not secret.strip():
        raise exceptions.AuthenticationFailed("Send `Authorization: Bearer <token>`.")
    return secret.strip()


class SessionAuthentication(authentication.SessionAuthentication):
    """The dashboard's cookie; whatever writes needs the CSRF token too."""


def caller_of(request: Request) -> str:
    """A name for whoever calls, by which limits and kept answers are told apart: a token, a person, nobody ("")."""
    if request.auth is not None:
        return f"{type(request.auth).__name__}:{request.auth.pk}"
    return f"User:{request.user.pk}" if request.user.is_authenticated else ""
