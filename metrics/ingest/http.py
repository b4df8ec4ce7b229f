"""What all ingestion endpoints share: bounded bodies, the sender's secret wherever agents put it, admission, and honest failures.

An answer below 300 means that the points are on disk. Trouble of our own (overload, the database away) is 503 with Retry-After: agents keep
the points and try again. It is never a 4xx, on which they would drop them.
"""

import base64
import binascii
import functools
import logging
import threading
from collections.abc import Callable
from typing import Final

import orjson
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db import InterfaceError, InternalError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from config.api.addresses import client_address
from config.api.bodies import stream_of
from metrics.ingest.batch import BODY_LIMIT, BadRequest
from metrics.ingest.senders import Sender, sender_of
from orgs import tenancy
from orgs.sources import may_come_from

log = logging.getLogger(__name__)

View = Callable[[HttpRequest], HttpResponse]

RETRY_AFTER_S: Final = 2
# One thread fewer than there are: a slow database must not take the pages with it. Whoever comes beyond waits a moment, since a burst of
# a few requests is no overload, and a sender that is sent away comes back only after seconds.
_ADMISSION_WAIT_S: Final = 2.0
_admission: Final = threading.BoundedSemaphore(max(1, settings.WEB_THREADS - 1))


class Unauthorized(Exception):
    """No live ingest key came with the request."""


def write_path(view: View) -> View:
    """A machine's endpoint: POST writes, GET and HEAD answer 200 (agents probe it so); no session, no CSRF, no foreign error text."""

    @csrf_exempt
    @login_not_required
    @functools.wraps(view)
    def wrapped(request: HttpRequest) -> HttpResponse:
        if request.method in ("GET", "HEAD"):
            return said(200, status="ok", message="Send points by POST.")
        if request.method != "POST":
            return not_allowed("GET, HEAD, POST")
        return guarded(view, request)

    return reads_stream(wrapped)


def reads_stream(view: View) -> View:
    """Marks a view that reads and unpacks its body by itself, up to a limit of its own."""
    view.reads_stream = True  # type: ignore[attr-defined]  # functions have room for it
    return view


def guarded(view: View, request: HttpRequest) -> HttpResponse:
    """The view's answer, or the answer to what it raised."""
    if not _admission.acquire(timeout=_ADMISSION_WAIT_S):
        return unavailable("overloaded")
    try:
        return view(request)
    except BadRequest as error:
        return said(error.status, error=str(error))
    except Unauthorized:
        answer = said(401, error="The ingest key is missing, unknown, expired or revoked.")
        answer["WWW-Authenticate"] = 'Bearer realm="plumbline", Basic realm="plumbline"'
        return answer
    except (OperationalError, InterfaceError, InternalError) as error:
        log.warning("points refused: the database is unavailable", exc_info=error)
        return unavailable("the database does not answer")
    finally:
        _admission.release()


def unavailable(reason: str) -> HttpResponse:
    answer = said(503, error=f"Nothing was stored: {reason}. Send it again.")
    answer["Retry-After"] = str(RETRY_AFTER_S)
    return answer


def said(code: int, **fields: object) -> HttpResponse:
    """A JSON answer with an HTTP status."""
    return HttpResponse(orjson.dumps(fields), status=code, content_type="application/json")


def taken() -> HttpResponse:
    """204: nothing to say, so of no type either."""
    answer = HttpResponse(status=204)
    del answer["Content-Type"]
    return answer


def body_of(request: HttpRequest) -> bytes:
    """The whole body, read up to the limit and no further, chunked or not. Raises BadRequest: 413, and 400 for one that was cut off."""
    declared = request.META.get("CONTENT_LENGTH") or ""
    if declared.isdigit() and int(declared) > BODY_LIMIT:
        raise _too_large()
    body = stream_of(request).read(BODY_LIMIT + 1)
    if len(body) > BODY_LIMIT:
        raise _too_large()
    if declared.isdigit() and len(body) < int(declared):
        raise BadRequest("The body ended before its Content-Length. Nothing was stored: send it again.")
    return body


def _too_large() -> BadRequest:
    return BadRequest(f"The body is larger than {BODY_LIMIT} bytes: send smaller requests.", status=413)


def authenticated(request: HttpRequest, *, key: str = "") -> Sender:
    """The sender by the key in the body or query, or in a header, from where the key may be used. Raises Unauthorized."""
    sender = sender_of(key or secret_of(request))
    if sender is None or not may_come_from(sender.sources, client_address(request)):
        raise Unauthorized
    tenancy.enter(sender.org_id)
    return sender


def secret_of(request: HttpRequest) -> str:
    """The secret in `key`, `X-Api-Key`, or Authorization as Bearer, Token or Basic (the password); empty without any."""
    for header in ("key", "X-Api-Key", "X-Auth-Token"):
        if secret := request.headers.get(header, "").strip():
            return secret
    kind, _, rest = request.headers.get("Authorization", "").partition(" ")
    match kind.lower():
        case "bearer" | "token":
            return rest.strip()
        case "basic":
            return _password(rest.strip())
    return ""


def _password(encoded: str) -> str:
    try:
        return base64.b64decode(encoded, validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""


def not_allowed(allowed: str) -> HttpResponse:
    """405, with the methods that this address takes."""
    answer = said(405, error=f"This address takes {allowed}.")
    answer["Allow"] = allowed
    return answer
