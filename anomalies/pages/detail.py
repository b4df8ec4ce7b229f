"""The page of one anomaly: what happened, why it is one, what was done about it, and the next step."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import render
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.views.decorators.http import require_GET, require_POST

from accounts.models import User
from accounts.zones import zone_of
from anomalies.models import Anomaly
from anomalies.pages.access import allowed_datastores, anomaly_for, reader
from anomalies.pages.charts import Chart, chart_of
from anomalies.pages.listing import Listing, Neighbours, neighbours
from anomalies.pages.rows import Row, anomaly_address, meter_width, rows_of, source_of, title_of
from anomalies.pages.timeline import Entry, timeline
from anomalies.services import change_anomaly, mark_seen
from anomalies.services.following import acknowledge_about
from orgs.errors import DomainError, StaleVersion

WHY_WIDTH: Final = 100
REASONS_SHOWN: Final = 5
SHORT_NAMES: Final = {
    "residual": "Off the forecast",
    "time_of_day": "Unusual for this time of day",
    "mean_12": "Level over the last 12 points",
    "mean_40": "Level over the last 40 points",
    "shape_8": "New shape (8 points)",
    "shape_32": "New shape (32 points)",
    "shape_64": "New shape (64 points)",
    "flat_line": "Flat for too long",
    "silence": "Silent for too long",
}
HISTORY_SHOWN: Final = 200
TOGETHER_WITHIN: Final = timedelta(minutes=30)
TOGETHER_SHOWN: Final = 4
DETECTED_WITHIN: Final = timedelta(hours=1)
MARKS_SHOWN: Final = 200
LOOK_AGAIN: Final = "The anomaly was changed since this page was made. Look at it again."
# What a form without a readable version was made from: no anomaly was last changed then.
NO_VERSION: Final = datetime(1, 1, 2, tzinfo=UTC)


@dataclass(frozen=True)
class Reason:
    """One detector that fired: its name, what that means, its surprise, and how far its bar goes (0..WHY_WIDTH)."""

    name: str
    meaning: str
    score: str
    width: int


@dataclass(frozen=True)
class Part:
    """One part of the weight."""

    name: str
    value: int


@dataclass(frozen=True)
class Step:
    """The way to the neighbours in the list that one came from."""

    address: str
    before: str
    after: str
    place: str


@dataclass(frozen=True)
class Detail:
    """What the page shows."""

    anomaly: Anomaly
    title: str
    source: str
    meter: int
    parts: tuple[Part, ...]
    lasting: timedelta | None
    reasons: tuple[Reason, ...]
    entries: tuple[Entry, ...]
    step: Step
    list_address: str
    earlier: int
    can_change: bool
    can_describe: bool
    can_see_history: bool


@require_GET
def anomaly(request: HttpRequest, pk: int) -> HttpResponse:
    """The page. Opening it takes away the mark of the unseen, but for those who write nothing."""
    user, now = reader(request), timezone.now()
    found = anomaly_for(user, pk, "anomaly.read")
    if not user.is_demo:
        mark_seen(found)
        acknowledge_about(found, user=user)
    context = {
        "detail": detail_of(found, user, now=now, list_address=request.GET.get("list", "")),
        "chart": chart_for(found, request.GET, user, now),
        "together": together(found, user, now),
    }
    return render(request, "anomalies/anomaly.html", context)


def detail_of(found: Anomaly, user: User, *, now: datetime, list_address: str) -> Detail:
    can_see_history = found.datastore_id in allowed_datastores(user, "anomaly.history")
    changes = found.changes.select_related("user")[:HISTORY_SHOWN] if can_see_history else ()
    return Detail(
        anomaly=found,
        title=title_of(found),
        source=source_of(found),
        meter=meter_width(found.weight),
        parts=tuple(Part(name.replace("_", " "), value) for name, value in found.weight_breakdown.items() if value),
        lasting=(found.ended_at or now) - found.started_at if found.started_at else None,
        reasons=reasons_of(found.detectors),
        entries=timeline(found, changes),
        step=step_of(found, user, list_address),
        list_address=list_address,
        earlier=earlier_ones(found, user),
        can_change=found.datastore_id in allowed_datastores(user, "anomaly.update"),
        can_describe=found.datastore_id in allowed_datastores(user, "anomaly.describe") and not found.is_archived,
        can_see_history=can_see_history,
    )


def reasons_of(detectors: list[dict[str, Any]]) -> tuple[Reason, ...]:
    """The detectors' scores as bars, the strongest the longest."""
    strongest = max((float(detector["score"]) for detector in detectors), default=0.0) or 1.0
    return tuple(
        Reason(
            SHORT_NAMES.get(detector["name"], detector["name"].replace("_", " ")),
            detector.get("label", ""),
            f"{float(detector['score']):.1f}",
            round(WHY_WIDTH * float(detector["score"]) / strongest),
        )
        for detector in detectors[:REASONS_SHOWN]
    )


def step_of(found: Anomaly, user: User, list_address: str) -> Step:
    """Before and after in the list; the whole inbox for an anomaly that was opened by its own address."""
    listing = Listing.read(QueryDict(list_address))
    around: Neighbours = neighbours(listing, user, found)
    return Step(
        address=listing.address(page=listing.page),
        before=anomaly_address(around.before, list_address or "all") if around.before else "",
        after=anomaly_address(around.after, list_address or "all") if around.after else "",
        place=f"{around.place:,} of {around.total:,}" if around.place and list_address else "",
    )


def earlier_ones(found: Anomaly, user: User) -> int:
    """How many other anomalies the same series had."""
    if found.metric_id is None:
        return 0
    return Anomaly.objects.visible_to(user).filter(metric=found.metric_id).exclude(pk=found.pk).count()


def chart_for(found: Anomaly, params: QueryDict, user: User, now: datetime) -> Chart | None:
    """The chart of an anomaly of a series, with the series' other anomalies marked too."""
    if found.metric is None:
        return None
    marks = Anomaly.objects.visible_to(user).filter(metric=found.metric_id).order_by("-started_at")[:MARKS_SHOWN]
    return chart_of(found.metric, params, marks=marks, main=found, now=now, zone=zone_of(user))


def together(found: Anomaly, user: User, now: datetime) -> tuple[Row, ...]:
    """Anomalies of other series that began at about the same time; only among those detected about then, which an index has."""
    if found.started_at is None:
        return ()
    near = Anomaly.objects.visible_to(user).exclude(metric=found.metric_id).filter(status__in=Anomaly.Status.values)
    near = near.filter(created__range=(found.created - DETECTED_WITHIN, found.created + DETECTED_WITHIN))
    near = near.filter(started_at__range=(found.started_at - TOGETHER_WITHIN, found.started_at + TOGETHER_WITHIN))
    shown = near.for_rows().order_by("-score", "-pk")[:TOGETHER_SHOWN]
    return rows_of(shown, user, now=now, allowed=frozenset())


@require_POST
def change_status(request: HttpRequest, pk: int) -> HttpResponse:
    """Sets `status`: Active or Acknowledged; an archived anomaly is restored by it."""
    return changed(request, pk, "anomaly.update", said=f"{request.POST.get('status', '')}.", status=request.POST.get("status", ""))


@require_POST
def describe(request: HttpRequest, pk: int) -> HttpResponse:
    """Sets `description`, if the anomaly is still in the `version` that the form was made from."""
    version = version_of(request.POST.get("version", ""))
    return changed(
        request, pk, "anomaly.describe", said="Description saved.", description=request.POST.get("description", ""), version=version
    )


def version_of(sent: str) -> datetime:
    """The time with its zone that `sent` says; NO_VERSION when it says none."""
    try:
        version = parse_datetime(sent.replace(" ", "+"))
        return NO_VERSION if version is None or version.tzinfo is None else version.astimezone(UTC)
    except (ValueError, OverflowError):
        return NO_VERSION


def changed(
    request: HttpRequest,
    pk: int,
    operation: str,
    *,
    said: str,
    status: str | None = None,
    description: str | None = None,
    version: datetime | None = None,
) -> HttpResponse:
    """Does one change by the service and shows the anomaly as it then is, with what was said or refused."""
    user = reader(request)
    found = anomaly_for(user, pk, operation)
    is_error = False
    try:
        change_anomaly(found, user=user, status=status, description=description, version=version)
    except StaleVersion:
        said, is_error = LOOK_AGAIN, True
    except DomainError as refused:
        said, is_error = refused.detail, True
    if not request.htmx:  # type: ignore[attr-defined]
        messages.add_message(request, messages.ERROR if is_error else messages.SUCCESS, said)
        return HttpResponseRedirect(anomaly_address(pk, request.POST.get("list", "")))
    now = timezone.now()
    detail = detail_of(anomaly_for(user, pk, "anomaly.read"), user, now=now, list_address=request.POST.get("list", ""))
    return render(request, "anomalies/_changed.html", {"detail": detail, "said": said, "is_error": is_error})
