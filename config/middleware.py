"""What every request gets: an id that follows it everywhere, a line in the access log, and headers that keep browsers strict.

The write path runs through here thousands of times a second: nothing in this file touches the session, the user or the database.
"""

import re
import secrets
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.functional import SimpleLazyObject
from structlog.contextvars import bind_contextvars, clear_contextvars

from config.api.bodies import hold_body, is_undeclared
from config.api.parsers import MAX_BYTES
from config.logs import get_logger
from config.pages import PACKED, TOO_LARGE, trouble_page
from orgs import tenancy
from orgs.errors import TooLarge

SANE_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._:/+=-]{8,128}")
# Agents and probes come here all day: a success is told at level debug only.
BUSY_PATHS: Final = ("/api/v1/", "/api/ingest/", "/api/prom/", "/flux/", "/api/health", "/api/status", "/static/")

COMMON: Final = (
    "img-src 'self' data:; font-src 'self'; connect-src 'self'; "
    "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
STRICT: Final = f"default-src 'self'; script-src 'self'{{nonce}}; style-src 'self'; {COMMON}"
# The admin's Alpine evaluates attributes; it and the API explorer write style attributes. No page of ours is under these paths.
ADMIN: Final = f"default-src 'self'; script-src 'self' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; {COMMON}"
EXPLORER: Final = (
    f"default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; worker-src 'self' blob:; {COMMON}"
)
LOOSER: Final = {"/admin/": ADMIN, "/api/docs": EXPLORER, "/api/redoc": EXPLORER}
# Nothing in an answer that is no page has a reason to load anything.
NO_PAGE: Final = "default-src 'none'; frame-ancestors 'none'"
PERMISSIONS_POLICY: Final = "camera=(), geolocation=(), microphone=(), payment=(), usb=(), browsing-topics=()"

Handler = Callable[[HttpRequest], HttpResponse]
log = get_logger("plumbline.access")


class RequestContextMiddleware:
    """Sets `request.request_id`, from a sane X-Request-Id or new, and puts it into the answer and every log line of the request."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        started = time.perf_counter()
        sent = request.headers.get("X-Request-Id", "")
        request_id = sent if SANE_REQUEST_ID.fullmatch(sent) else secrets.token_hex(16)
        request.request_id = request_id  # type: ignore[attr-defined]  # HttpRequest has no place for it
        clear_contextvars()
        bind_contextvars(request_id=request_id)
        response = self.get_response(request)
        response["X-Request-Id"] = request_id
        _log_access(request, response, time.perf_counter() - started)
        return response


def _log_access(request: HttpRequest, response: HttpResponse, seconds: float) -> None:
    """The path without its query: agents may carry a key in the query."""
    busy = response.status_code < 400 and request.path.startswith(BUSY_PATHS)
    level = log.debug if busy else log.error if response.status_code >= 500 else log.info
    level("request", method=request.method, path=request.path, status=response.status_code, ms=round(seconds * 1000, 1))


class TenancyMiddleware:
    """Each request begins in nobody's name. Whoever is recognised enters their org; a stream goes on in the name in which it was begun."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with tenancy.apart():
            response = self.get_response(request)
            if isinstance(response, StreamingHttpResponse):
                response.streaming_content = _in_scope(iter(response), tenancy.scope())
        return response


def _in_scope(chunks: Iterator[bytes], scope: tenancy.Scope) -> Iterator[bytes]:
    while True:
        with tenancy.resumed(scope):
            chunk = next(chunks, None)
        if chunk is None:
            return
        yield chunk


class ContentSecurityPolicyMiddleware:
    """Sets `request.csp_nonce` for scripts inside a page, and the policy that allows those and our own files only."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        nonce = _Nonce()
        request.csp_nonce = SimpleLazyObject(nonce)  # type: ignore[attr-defined]  # HttpRequest has no place for it
        response = self.get_response(request)
        response.setdefault("Content-Security-Policy", _policy(request.path, response, nonce.value))
        response.setdefault("Permissions-Policy", PERMISSIONS_POLICY)
        response.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        return response


class _Nonce:
    """Made when a template asks for it, so that the header names one only where a script uses it."""

    value = ""

    def __call__(self) -> str:
        self.value = self.value or secrets.token_urlsafe(16)
        return self.value


def _policy(path: str, response: HttpResponse, nonce: str) -> str:
    if not response.get("Content-Type", "").startswith("text/html"):
        return NO_PAGE
    for prefix, policy in LOOSER.items():
        if path.startswith(prefix):
            return policy
    return STRICT.format(nonce=f" 'nonce-{nonce}'" if nonce else "")


class BodyMiddleware:
    """Every view finds the whole body of its request, however it came; a packed one is refused rather than misread.

    Django sees nothing of a body whose length was not declared. Views that say `reads_stream` read what came by themselves.
    """

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> HttpResponseBase | None:
        if getattr(getattr(view, "cls", view), "reads_stream", False):
            return None
        if request.headers.get("Content-Encoding", "").strip().lower() not in ("", "identity"):
            return trouble_page(request, PACKED)
        if not is_undeclared(request):
            return None
        try:
            hold_body(request, limit=MAX_BYTES)
        except TooLarge:
            return trouble_page(request, TOO_LARGE)
        return None
