"""One request of the session API: its values, its session, who calls, and in which zone times are told."""

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from functools import cached_property
from typing import Any, Literal, cast
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest
from django.middleware.csrf import CsrfViewMiddleware
from django.utils import timezone

from accounts import tokens
from accounts.callers import OrgCaller
from accounts.models import User
from accounts.presence import person_of
from accounts.sessions import ID_LENGTH, SessionStore, is_anonymous, is_live
from accounts.zones import zone_of
from config.api.addresses import client_address
from config.api.session.received import Received, received, rescued
from config.api.throttling import buckets
from orgs import origins, tenancy
from orgs.errors import DomainError, Forbidden, TooMany
from orgs.models import Org
from orgs.sources import may_come_from

Source = Literal["header", "parameter", "cookie", "new"]


class Unauthenticated(DomainError):
    """Nobody is logged in, and no token came instead."""

    status, slug, title = 401, "unauthenticated", "Not authenticated"


@dataclass
class Call:
    """What a view of the session API gets."""

    request: HttpRequest
    received: Received
    source: Source
    trouble: DomainError | None = None  # why the request could not be read
    now: datetime = field(default_factory=timezone.now)
    started: float = field(default_factory=time.perf_counter)

    @property
    def now_s(self) -> int:
        return int(self.now.timestamp())

    @property
    def session(self) -> SessionStore:
        return cast("SessionStore", self.request.session)

    @cached_property
    def caller(self) -> User | OrgCaller | AnonymousUser:
        """The person of the session; the org of a token counts only when no person is logged in. Raises Unauthenticated for a bad token."""
        person = self._person()
        return person if isinstance(person, User) else self._org_caller() or AnonymousUser()

    def _person(self) -> User | AnonymousUser:
        """Whose session it is. What the middleware put on the request is older: it knows cookies only."""
        self.request.user = person = person_of(self.request)
        return person

    def _org_caller(self) -> OrgCaller | None:
        secret = self.request.headers.get("X-Auth-Token", "").strip() or self.received.body_token
        if not secret:
            return None
        token = tokens.org_token_of(secret, now=self.now)
        if token is None or not may_come_from(token.sources, client_address(self.request)):
            raise Unauthenticated("The token is unknown, expired or revoked, or may not be used from your address.")
        tenancy.enter(token.org_id)
        tokens.mark_used(token, now=self.now)
        return OrgCaller(token.org, token.pk)

    def person(self) -> User:
        """The logged-in person. Raises Unauthenticated for everybody else."""
        if not isinstance(self.caller, User):
            raise Unauthenticated("Log in first: this belongs to a person, not to an organisation.")
        return self.caller

    @property
    def org(self) -> Org:
        """The caller's org. Raises Unauthenticated for nobody."""
        if isinstance(self.caller, AnonymousUser):
            raise Unauthenticated("Log in, or send an org token in the header X-Auth-Token.")
        return self.caller.org

    @property
    def zone(self) -> tzinfo:
        """In which times are told: the org's; UTC for nobody."""
        return UTC if isinstance(self.caller, AnonymousUser) else zone_of_org(self.org)

    def count(self) -> None:
        """Counts the call in the bucket that its caller has for the REST API, too; one question to Redis. Raises TooMany."""
        match self.__dict__.get("caller"):
            case User() as person:
                name = f"User:{person.pk}"
            case OrgCaller() as org if org.token_id:  # a signed address has none
                name = f"OrgToken:{org.token_id}"
            case _:
                name = client_address(self.request)
        found = buckets.take(f"rate:{name}", rate_s=settings.API_RATE_PER_MINUTE / 60, burst=settings.API_BURST)
        if found is not None and not found.allowed:
            raise TooMany("Too many requests. Wait as long as Retry-After says.", wait_s=found.wait_s)

    def look(self) -> None:
        """Finds the person, if one is logged in; a token is not looked at."""
        self.__dict__["caller"] = self._person()

    def become(self, person: User) -> None:
        """The call goes on as this person; the session must have been rotated already."""
        self.__dict__["caller"] = person

    def become_org(self, caller: OrgCaller) -> None:
        """The call goes on as this org's, whoever is logged in: a signed address says whose it is."""
        self.__dict__["caller"] = caller

    def leave(self) -> None:
        """The call goes on as nobody's."""
        self.__dict__["caller"] = AnonymousUser()


def zone_of_org(org: Org) -> tzinfo:
    return zone_of(User(org=org))


def begin(request: HttpRequest) -> Call:
    """Reads the request and finds its session. Raises nothing: what could not be read is the call's `trouble`."""
    trouble = None
    try:
        values = received(request)
    except DomainError as exc:
        values, trouble = rescued(request), exc
    key, source = _session_key(request, values)
    request.session = SessionStore(key)
    return Call(request, values, source, trouble)


def _session_key(request: HttpRequest, values: Received) -> tuple[str | None, Source]:
    """Header, then parameter, then cookie: the first that is there decides, even if there is no such session."""
    sent: tuple[tuple[Source, str | None], ...] = (
        ("header", request.headers.get("X-Session-Id")),
        ("parameter", values.text("session_id") or None),
        ("cookie", request.COOKIES.get(settings.SESSION_COOKIE_NAME)),
    )
    for source, key in sent:
        if key is not None:
            return (key if len(key) == ID_LENGTH and key.isalnum() and key.isascii() else None), source
    return None, "new"


def keep_session(call: Call) -> str:
    """The id of the session, after making, extending or saving it where that is needed."""
    session, key = call.session, call.session.session_key
    if key is None or (is_anonymous(key) and not is_live(key, now_s=call.now_s)):
        session.begin()
    if session.modified:
        session.save()
        session.modified = False
    return session.session_key or ""


class _CsrfCheck(CsrfViewMiddleware):
    def _reject(self, request: HttpRequest, reason: str) -> Any:
        return reason


def check_origin(call: Call) -> None:
    """Raises Forbidden for a write that a browser was tricked into.

    A cookie alone needs Django's CSRF token; an id in the header or a parameter, and an org token, cannot be sent by a foreign page. What
    needs no login is only refused to pages of foreign origins, so that nobody is logged in as somebody else unawares.
    """
    if call.source in ("cookie", "new") and isinstance(call.caller, User):
        check = _CsrfCheck(lambda request: None)  # type: ignore[arg-type]  # never called on
        check.process_request(call.request)
        if reason := check.process_view(call.request, None, (), {}):  # type: ignore[arg-type]  # as in REST framework
            raise Forbidden(f"This needs the CSRF token, or the session in the header X-Session-Id. {reason}")
    else:
        refuse_foreign(call)


def refuse_foreign(call: Call) -> None:
    """Raises Forbidden for what a page of a foreign origin sends in the name of a browser."""
    if call.source in ("cookie", "new") and is_foreign(call.request):
        raise Forbidden("This origin may not do that: it is not among the configured ones.")


def is_foreign(request: HttpRequest) -> bool:
    """Whether a page of another origin sent this, one that is not let; browsers name no origin where a page loads an image."""
    origin = request.headers.get("Origin")
    if origin is None:
        return request.headers.get("Sec-Fetch-Site") == "cross-site"
    return urlsplit(origin).netloc != request.get_host() and origin not in settings.CSRF_TRUSTED_ORIGINS and not may_read(origin, None)


def may_read(origin: str, org: Org | None) -> bool:
    """Whether pages of `origin` may read what is answered: the installation lets them, or the caller's org; for nobody, any org's."""
    if not origin or origin in settings.CORS_ORIGINS:
        return bool(origin)
    return origins.is_known(origin) if org is None else origin in org.origins
