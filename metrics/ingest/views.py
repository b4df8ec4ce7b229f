"""The ingestion endpoints: Flux JSON and Prometheus remote write."""

import functools
from typing import TYPE_CHECKING, Final

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from metrics.ingest import flux, intake, trials
from metrics.ingest.batch import Refusal
from metrics.ingest.flux import Message
from metrics.ingest.http import authenticated, body_of, guarded, not_allowed, reads_stream, said, taken, write_path
from metrics.ingest.intake import Outcome
from metrics.ingest.labels import Drop
from metrics.ingest.packing import plain, unpack
from metrics.ingest.scalars import shown_name
from orgs.moments import unix_ms

if TYPE_CHECKING:
    from metrics.ingest.table import SeriesTable

_SHOWN_REFUSALS: Final = 20
_SHOWN_IN_TEXT: Final = 3


@write_path
def metric_data_post(request: HttpRequest) -> HttpResponse:
    """POST /flux/metric_data_post: one point or `metrics[]`, parsed whatever the Content-Type says."""
    return _taken(request, flux.parse_body(plain(body_of(request), request.headers.get("Content-Encoding", ""))))


@reads_stream
@csrf_exempt
@login_not_required
def metric_data(request: HttpRequest) -> HttpResponse:
    """GET /flux/metric_data?metric=&timestamp=&value=&key=: one point in the query; HEAD, with which links are probed, stores nothing.

    A POST is taken as metric_data_post takes it.
    """
    if request.method in ("POST", "HEAD"):
        return metric_data_post(request)
    if request.method != "GET":
        return not_allowed("GET, HEAD, POST")
    return guarded(lambda asked: _taken(asked, flux.parse_fields(asked.GET.dict())), request)


@write_path
def remote_write(request: HttpRequest) -> HttpResponse:
    """POST /flux/prometheus/write, /api/v1/write and its aliases: remote write 1.0 and 2.0."""
    # Here and not above: they compile kernels, which no other process needs.
    from metrics.ingest import remote_intake
    from metrics.ingest import remote_write as protocol

    received_at = timezone.now()
    version = protocol.version_of(request.headers.get("Content-Type", ""))
    sender = authenticated(request)
    message = unpack(body_of(request), request.headers.get("Content-Encoding", ""))
    drop, table = _drop_of(request), _table()
    seeds = table.seeds(sender.datastore_id, sender.epoch, sorted(drop.metrics), sorted(drop.labels))
    walked = protocol.walk_body(message, version, table=table, seeds=seeds)
    outcome = remote_intake.take_walked(sender, walked, table=table, drop=drop, received_at=received_at)
    answer = taken() if not outcome.refused else HttpResponse(_told(outcome), status=400, content_type="text/plain")
    for kind, written in (("Samples", outcome.stored), ("Histograms", 0), ("Exemplars", 0)):
        answer[f"X-Prometheus-Remote-Write-{kind}-Written"] = str(written)
    return answer


def _taken(request: HttpRequest, message: Message) -> HttpResponse:
    sender = authenticated(request, key=message.key)
    if message.validate_key:
        return HttpResponse(b'{"status":"key valid"}', content_type="application/json")
    received_at = timezone.now()
    batch = flux.parse_points(message, now_ms=unix_ms(received_at))
    if message.is_test:
        outcome = intake.rehearse(sender, batch)
        trials.remember(sender, message.points, outcome, at=received_at)
        return said(200, status="test", stored=0, would_store=outcome.stored, new_series=outcome.made, refused=_shown(outcome.refused))
    outcome = intake.take(sender, batch, received_at=received_at, backfill=message.is_fill)
    if not outcome.refused:
        return taken()
    return said(207 if outcome.stored else 400, **_partly(message, outcome))


def _partly(message: Message, outcome: Outcome) -> dict[str, object]:
    """The per-metric outcome: a line for each point, in the request's order."""
    why = {refusal.index: refusal for refusal in outcome.refused}
    lines = [_line(place, point, why.get(place)) for place, point in enumerate(message.points)]
    error = f"{outcome.refused_points} of {len(lines)} points were refused: {outcome.refused[0].reason}"
    return {"error": error, "stored": outcome.stored, "refused": outcome.refused_points, "metrics": lines}


def _line(place: int, point: object, refusal: Refusal | None) -> dict[str, object]:
    name = shown_name(point.get("metric")) if isinstance(point, dict) else ""
    line: dict[str, object] = {"index": place, "metric": name[:200] or None}
    if refusal is None:
        return line | {"status": "stored"}
    return line | {"status": "refused", "code": refusal.code, "reason": refusal.reason}


def _shown(refused: list[Refusal]) -> list[dict[str, object]]:
    return [{"index": r.index, "metric": r.metric[:200], "code": r.code, "reason": r.reason} for r in refused[:_SHOWN_REFUSALS]]


def _told(outcome: Outcome) -> str:
    """One line for a sender's log: how many were refused, and why by kind."""
    reasons: dict[str, int] = {}
    for refusal in outcome.refused:
        reasons[refusal.reason] = reasons.get(refusal.reason, 0) + refusal.points
    parts = [f"{count} x {reason}" for reason, count in list(reasons.items())[:_SHOWN_IN_TEXT]]
    named = next((refusal.metric for refusal in outcome.refused if refusal.metric), "")
    example = f" For example: {named[:200]}" if named else ""
    return f"{outcome.stored} samples stored, {outcome.refused_points} refused: {' '.join(parts)}{example}\n"


def _drop_of(request: HttpRequest) -> Drop:
    return Drop(metrics=_names(request.headers.get("dropMetrics", "")), labels=_names(request.headers.get("dropLabels", "")))


def _names(header: str) -> frozenset[str]:
    """Names in a header, separated by commas, perhaps written as a list."""
    return frozenset(name for part in header.strip("[] ").split(",") if (name := part.strip().strip("'\"")))


@functools.cache
def _table() -> "SeriesTable":
    """The process's one table of series, made when the first remote write comes."""
    from metrics.ingest.table import SeriesTable

    return SeriesTable()
