"""POST /api/ingest/events?key=: counts and gauges from web pages, by a public key and from its origins."""

from dataclasses import replace
from typing import Final

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.views.decorators.csrf import csrf_exempt

from config.api.addresses import client_address
from config.api.bodies import stream_of
from config.api.throttling import buckets
from metrics.ingest import intake, pages
from metrics.ingest.batch import BadRequest
from metrics.ingest.http import guarded, not_allowed, said, taken
from metrics.ingest.public_keys import KEY_LIMIT, PageSender, page_sender_of, within_cap
from metrics.points import Rule
from orgs.moments import unix_ms
from orgs.origins import fits
from orgs.tenancy import within

_SHOWN: Final = 20


@csrf_exempt
@login_not_required
def events(request: HttpRequest) -> HttpResponse:
    """Takes what a page counted. Nobody is logged in by it, no cookie is read or set; a page of another origin than the key's gets 403."""
    if request.method not in ("POST", "OPTIONS"):
        return not_allowed("POST, OPTIONS")
    page: PageSender | None = None

    def answered(asked: HttpRequest) -> HttpResponse:
        nonlocal page
        page = _page_of(asked)
        return _preflight() if asked.method == "OPTIONS" else _counted(asked, page)

    answer = guarded(answered, request)
    return _with_cors(request, answer, page)


def _preflight() -> HttpResponse:
    answer = taken()
    answer["Allow"] = "POST, OPTIONS"
    answer["Access-Control-Allow-Methods"] = "POST"
    answer["Access-Control-Allow-Headers"] = "Content-Type"
    answer["Access-Control-Max-Age"] = "600"
    return answer


def _counted(request: HttpRequest, page: PageSender | None) -> HttpResponse:
    if page is None:
        return said(401, error="The public key is unknown, expired or revoked.")
    if not fits(request.headers.get("Origin", ""), page.origins):
        return said(403, error="Pages of this origin may not use the key. Its origins stand in the settings, under Keys.")
    if wait_s := _wait_s(request, page):
        answer = said(429, error="Too many requests for this key. Send less often, with more in one request.")
        answer["Retry-After"] = str(max(1, round(wait_s)))
        return answer
    with within(page.sender.org_id):
        return _stored(page, _body(request))


def _page_of(request: HttpRequest) -> PageSender | None:
    secret = request.GET.get("key", "")
    return page_sender_of(secret) if 0 < len(secret) <= KEY_LIMIT else None


def _wait_s(request: HttpRequest, page: PageSender) -> float:
    """How long to wait, 0.0 for not at all. One address gets half of what the key gets, so that one visitor cannot silence the others."""
    for name, per_minute in ((client_address(request), max(1, page.per_minute // 2)), ("", page.per_minute)):
        found = buckets.take(f"events:{page.key_id}:{name}", rate_s=per_minute / 60, burst=per_minute)
        if found is not None and not found.allowed:
            return found.wait_s
    return 0.0


def _body(request: HttpRequest) -> bytes:
    body = stream_of(request).read(pages.BODY_LIMIT + 1)
    if len(body) > pages.BODY_LIMIT:
        raise BadRequest(f"The body is larger than {pages.BODY_LIMIT} bytes.", status=413)
    return body


def _stored(page: PageSender, body: bytes) -> HttpResponse:
    received_at = timezone.now()
    gathered = pages.parse(body, namespace=page.namespace, now_ms=unix_ms(received_at))
    ways = (gathered.counts, Rule.SUM), (gathered.gauges, Rule.LAST)
    # One after the other: whether the key has room for new gauges is known once the counts have theirs.
    batches = ((replace(page.sender, rule=rule), within_cap(page, batch)) for batch, rule in ways)
    outcome = intake.take_all(batches, received_at=received_at)
    stored, refused = outcome.stored, outcome.refused
    if not refused:
        return taken()
    shown = [{"metric": one.metric[:200], "code": one.code, "reason": one.reason} for one in refused[:_SHOWN]]
    return said(207 if stored else 400, error=f"{len(refused)} entries were refused: {refused[0].reason}", stored=stored, refused=shown)


def _with_cors(request: HttpRequest, answer: HttpResponse, page: PageSender | None) -> HttpResponse:
    """Lets the page read the answer, if it is one of the key's. Without credentials: no cookie has a say here."""
    origin = request.headers.get("Origin")
    if origin is not None:
        patch_vary_headers(answer, ("Origin",))
        if page is not None and fits(origin, page.origins):
            answer["Access-Control-Allow-Origin"] = origin
    answer["Cross-Origin-Resource-Policy"] = "cross-origin"
    return answer
