"""The shape of every answer of the session API: `{"status": {...}, "data": {...}}`, and how times are told."""

import logging
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any, Final

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import DataError, InterfaceError, OperationalError
from django.http import Http404, HttpResponse
from psycopg_pool import PoolTimeout

from accounts.callers import OrgCaller
from accounts.models import User
from config.api.renderers import to_json
from config.api.session.calls import Call, keep_session
from orgs.errors import DomainError, FieldError, Invalid, Unavailable

log = logging.getLogger(__name__)

Data = Mapping[str, Any]
LANGUAGE: Final = "en-gb"
DATABASE_AWAY: Final = (OperationalError, InterfaceError, PoolTimeout)
WORDS: Final = {
    400: "The request could not be read.",
    401: "Log in, or send an org token in the header X-Auth-Token.",
    403: "You may not do this.",
    404: "There is nothing here, or it is not yours to see.",
    405: "This address does not take this method.",
    413: "Send less in one request.",
    500: "This is our mistake. The request id finds it in the log.",
    503: "The database does not answer at the moment. Try again shortly.",
}


@dataclass(frozen=True)
class Refusal:
    """A request that is not done: the HTTP status, the sentence, what is wrong with which parameter, headers."""

    code: int
    message: str = ""
    errors: tuple[FieldError, ...] = ()
    headers: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Cookie:
    """A cookie beside the session's: for scripts invisible, for other sites useless."""

    name: str
    value: str
    max_age_s: int

    def on(self, response: HttpResponse) -> HttpResponse:
        secure, samesite = settings.SESSION_COOKIE_SECURE, "Lax"
        response.set_cookie(self.name, self.value, max_age=self.max_age_s, secure=secure, httponly=True, samesite=samesite)  # type: ignore[arg-type]  # `samesite` is one of the three words
        return response


@dataclass(frozen=True)
class Answer:
    """Data with a status other than 200, with headers or cookies."""

    data: Data
    code: int = 200
    headers: Mapping[str, str] | None = None
    cookies: tuple[Cookie, ...] = ()


def moment_words(at: datetime, zone: tzinfo) -> str:
    """`Tue 05 Jul 2022 @ 12:58 (UTC)`."""
    return f"{at.astimezone(zone):%a %d %b %Y @ %H:%M} ({zone_name(zone)})"


def zone_name(zone: tzinfo) -> str:
    return getattr(zone, "key", "UTC")


def stamps(name: str, at: datetime | None, zone: tzinfo) -> dict[str, Any]:
    """The pair `<name>_timestamp` in unix seconds and `<name>_string` in words; both null for none."""
    if at is None:
        return {f"{name}_timestamp": None, f"{name}_string": None}
    return {f"{name}_timestamp": int(at.timestamp()), f"{name}_string": moment_words(at, zone)}


def refusal_of(exc: Exception, call: Call) -> Refusal:
    """What an exception of a view means to the caller. Holds no text of a foreign exception."""
    match exc:
        case Unavailable():
            return Refusal(503, exc.detail, headers={"Retry-After": str(exc.retry_after_s)})
        case DomainError():
            return Refusal(400 if isinstance(exc, Invalid) else exc.status, exc.detail, exc.errors, _headers(exc))
        case Http404():
            return Refusal(404)
        case PermissionDenied():
            return Refusal(403)
        case RequestDataTooBig():
            return Refusal(413)
        case SuspiciousOperation():
            return Refusal(400)
        case DataError():
            return Refusal(400, "A value is larger than can be stored, or of another kind than is stored there.")
        case _ if isinstance(exc, DATABASE_AWAY):
            log.warning("database unavailable", exc_info=exc)
            return Refusal(503, headers={"Retry-After": "5"})
        case _:
            log.error("unhandled exception in %s %s", call.request.method, call.request.path, exc_info=exc)
            return Refusal(500)


def _headers(exc: DomainError) -> Mapping[str, str] | None:
    wait = getattr(exc, "wait_s", None)
    return getattr(exc, "headers", None) if wait is None else {"Retry-After": str(max(1, math.ceil(wait)))}


def enveloped(call: Call, answer: Answer | Refusal) -> HttpResponse:
    """The JSON answer, with the session's cookie where the caller has to learn it."""
    code = answer.code
    try:
        status = _status(call, code)
    except (*DATABASE_AWAY, DomainError):
        code = code if code >= 400 else 503
        status = _plain_status(call, code)
    data = answer.data if isinstance(answer, Answer) else _refusal_data(answer)
    response = HttpResponse(to_json({"status": status, "data": data}), content_type="application/json", status=code)
    for name, value in (answer.headers or {}).items():
        response[name] = value
    for cookie in answer.cookies if isinstance(answer, Answer) else ():
        cookie.on(response)
    response.setdefault("Cache-Control", "private, no-store")
    return response


def _refusal_data(refusal: Refusal) -> Data:
    errors: dict[str, list[str]] = {}
    for error in refusal.errors:
        named = next((part for part in reversed(error.loc) if isinstance(part, str)), "")
        errors.setdefault(named, []).append(error.msg)
    return {"message": refusal.message or WORDS.get(refusal.code, "This was refused."), "errors": errors}


def _status(call: Call, code: int) -> dict[str, Any]:
    zone, caller = _known_zone(call), call.__dict__.get("caller", AnonymousUser())
    return {
        **_plain_status(call, code, zone),
        "session_id": keep_session(call),
        "org_onboarding_status_id": None if isinstance(caller, AnonymousUser) else caller.org.onboarding_status,
        "user_onboarding_flags": onboarding_flags(caller),
    }


def _known_zone(call: Call) -> tzinfo:
    """UTC where the view did not ask who calls: an answer that is the same for all costs no query."""
    return call.zone if "caller" in call.__dict__ else UTC


def onboarding_flags(caller: User | OrgCaller | AnonymousUser) -> dict[str, bool]:
    known = caller.onboarding_flags if isinstance(caller, User) else {}
    return {name: bool(known.get(name, False)) for name in User.ONBOARDING_FLAGS}


def _plain_status(call: Call, code: int, zone: tzinfo = UTC) -> dict[str, Any]:
    return {
        **stamps("created", call.now, zone),
        "duration": round(time.perf_counter() - call.started, 6),
        "language": LANGUAGE,
        "timezone": {"timezone_type": 3, "timezone": zone_name(zone)},
        "code": code,
        "oldest_cached_component_age": 0,
        "session_id": call.session.session_key or "",
        "org_onboarding_status_id": None,
        "api_host": settings.BASE_URL,
        "user_onboarding_flags": onboarding_flags(AnonymousUser()),
    }
