"""How anomalies come and go: per day, how long people take, and how often what was found was worth it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from urllib.parse import urlencode

from django.db.models import Exists, OuterRef
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET

from accounts.models import User
from accounts.pages.readers import reader
from anomalies.models import Anomaly, AnomalyTag, Tag
from anomalies.pages.listing import whole
from anomalies.pages.why import SHORT_NAMES, rule_words
from anomalies.querysets import AnomalyQuerySet
from anomalies.services.insights import HANDFUL, STATUSES, TYPES, Day, Insights, Order, Source, first_moment, insights
from datastores.models import Datastore

TIMEFRAMES: Final = {"week": ("7 days", 7), "month": ("30 days", 30), "quarter": ("91 days", 91), "year": ("365 days", 365)}
USUAL: Final = "month"
MOST_BARS: Final = 100  # beyond it, a bar is a week
BAR: Final = 10
GAP: Final = 3
HEIGHT: Final = 120
METER: Final = 44
KINDS: Final = {"series": "Series", "check": "Checks", "detector": "Detectors", "rule": "Rules"}
ORDERS: Final = {"": ("Most frequent first", Order.FREQUENT), "noisy": ("Noisy first", Order.NOISY)}
TAGS_OFFERED: Final = 200


@dataclass(frozen=True)
class Option:
    value: str
    label: str
    chosen: bool


@dataclass(frozen=True)
class Choice:
    """A link to the same page that shows other sources, or shows them in another order."""

    id: str
    label: str
    address: str
    chosen: bool


@dataclass(frozen=True)
class Piece:
    """One type's part of a bar."""

    type: str
    y: float
    height: float


@dataclass(frozen=True)
class Bar:
    """One day or week: where it stands, its pieces, and what it says."""

    x: int
    label: str
    total: int
    by_type: tuple[tuple[str, int], ...]
    pieces: tuple[Piece, ...]


@dataclass(frozen=True)
class Chart:
    bars: tuple[Bar, ...]
    width: int
    top: int
    first: str
    last: str
    unit: str


@dataclass(frozen=True)
class Share:
    """One status: how many have it now, and how far its meter goes."""

    name: str
    count: int
    meter: int


@dataclass(frozen=True)
class SourceRow:
    """A thing that watches, and how much of what it found was worth it. `url` leads to it or to what it found; it may be empty."""

    name: str
    about: str
    url: str
    total: int
    invalid: int
    percent: int
    meter: int


@dataclass(frozen=True)
class Worth:
    """How much of what one kind of thing found was worth it."""

    kind: str
    sort: str
    kinds: tuple[Choice, ...]
    orders: tuple[Choice, ...]
    rows: tuple[SourceRow, ...]
    span: str
    handful: int = HANDFUL


@dataclass(frozen=True)
class Page:
    timeframes: tuple[Option, ...]
    datastores: tuple[Option, ...]
    tags: tuple[Option, ...]
    found: Insights
    chart: Chart
    statuses: tuple[Share, ...]
    worth: Worth
    useful: str
    open: int


@require_GET
def insights_page(request: HttpRequest) -> HttpResponse:
    """The page; what an address says wrongly is left out rather than refused."""
    return render(request, "anomalies/insights.html", {"page": insights_shown(reader(request), request.GET, now=timezone.now())})


def insights_shown(user: User, params: QueryDict, *, now: datetime) -> Page:
    """The number of queries does not grow with what there is."""
    names = dict(Datastore.objects.visible_to(user).order_by("name").values_list("pk", "name"))
    tags = list(Tag.objects.for_org(user.org_id).order_by("name").values_list("name", flat=True)[:TAGS_OFFERED])
    timeframe = params.get("timeframe", "") if params.get("timeframe") in TIMEFRAMES else USUAL
    datastore, tag = whole(params.get("datastore", "")), params.get("tag", "") if params.get("tag") in tags else ""
    sort = params.get("sort", "") if params.get("sort") in ORDERS else ""
    rows = narrowed(user, datastore=datastore if datastore in names else 0, tag=tag)
    found = insights(rows, start=first_moment(TIMEFRAMES[timeframe][1], now=now), end=now, order=ORDERS[sort][1])
    return Page(
        timeframes=tuple(Option(value, label, value == timeframe) for value, (label, _) in TIMEFRAMES.items()),
        datastores=tuple(Option(str(pk), name, pk == datastore) for pk, name in names.items()),
        tags=tuple(Option(name, name, name == tag) for name in tags),
        found=found,
        chart=chart_of(found.days),
        statuses=shares_of(found.by_status, found.total),
        worth=worth_of(found.sources, params, kind=params.get("kind", ""), sort=sort, days=TIMEFRAMES[timeframe][1]),
        useful=percent_words(found.total - found.by_status[Anomaly.Status.INVALID], found.total),
        open=sum(found.by_status[status] for status in Anomaly.OPEN),
    )


def narrowed(user: User, *, datastore: int, tag: str) -> AnomalyQuerySet:
    rows = Anomaly.objects.visible_to(user)
    if datastore:
        rows = rows.filter(datastore=datastore)
    if tag:
        rows = rows.filter(Exists(AnomalyTag.objects.filter(org=user.org_id, tag__name=tag, anomaly=OuterRef("pk"))))
    return rows


def chart_of(days: Sequence[Day]) -> Chart:
    """A bar per day, per week where days would be too many."""
    step = 1 if len(days) <= MOST_BARS else 7
    groups = [days[at : at + step] for at in range(0, len(days), step)]
    totals = [sum(day.total for day in group) for group in groups]
    top = max([*totals, 1])
    return Chart(
        bars=tuple(bar_of(number, group, top) for number, group in enumerate(groups)),
        width=len(groups) * (BAR + GAP) - GAP,
        top=top,
        first=day_words(days[0].date),
        last=day_words(days[-1].date),
        unit="day" if step == 1 else "week",
    )


def bar_of(number: int, group: Sequence[Day], top: int) -> Bar:
    by_type = tuple((name, sum(day.by_type[name] for day in group)) for name in TYPES)
    pieces, y = [], float(HEIGHT)
    for name, count in by_type:
        height = round(HEIGHT * count / top, 2)
        y -= height
        if count:
            pieces.append(Piece(name, round(y, 2), height))
    first, last = day_words(group[0].date), day_words(group[-1].date)
    return Bar(
        x=number * (BAR + GAP),
        label=first if first == last else f"{first} to {last}",
        total=sum(count for _, count in by_type),
        by_type=by_type,
        pieces=tuple(pieces),
    )


def day_words(day: date) -> str:
    return f"{day.day} {day:%b %Y}"


def shares_of(counts: Mapping[str, int], total: int) -> tuple[Share, ...]:
    return tuple(Share(name, counts[name], round(METER * counts[name] / max(total, 1))) for name in STATUSES)


def worth_of(sources: Sequence[Source], params: QueryDict, *, kind: str, sort: str, days: int) -> Worth:
    """Of the kind that is asked for, else of the first of which there is any."""
    there = {one.kind for one in sources}
    shown = kind if kind in KINDS else next((name for name in KINDS if name in there), next(iter(KINDS)))

    def address(**changes: str) -> str:
        kept = {name: params.get(name, "") for name in ("timeframe", "datastore", "tag")} | {"kind": shown, "sort": sort} | changes
        return urlencode({name: value for name, value in kept.items() if value})

    return Worth(
        kind=shown,
        sort=sort,
        kinds=tuple(Choice(f"kind-{name}", label, address(kind=name), name == shown) for name, label in KINDS.items()),
        orders=tuple(Choice(f"sort-{name}", label, address(sort=name), name == sort) for name, (label, _) in ORDERS.items()),
        rows=tuple(source_of(one) for one in sources if one.kind == shown),
        span=f"{days} d",
    )


def source_of(one: Source) -> SourceRow:
    return SourceRow(
        name=name_of(one),
        about=one.about,
        url=url_of(one),
        total=one.total,
        invalid=one.invalid,
        percent=round(100 * one.precision),
        meter=round(METER * one.precision),
    )


def name_of(one: Source) -> str:
    if one.kind == "detector":
        return SHORT_NAMES.get(one.called, one.called.replace("_", " "))
    return rule_words(one.called).capitalize() if one.kind in ("rule", "check") else one.called


def url_of(one: Source) -> str:
    """The page of a series; the list of what a check or rule found."""
    if one.kind == "series":
        return reverse("metric", args=(one.id,))
    filters: dict[str, dict[str, object]] = {"check": {"quality_check": one.id}, "rule": {"rule_type": one.called}}
    found_by = filters.get(one.kind)
    return f"{reverse('inbox')}?{urlencode({**found_by, 'archived': 'include'})}" if found_by else ""


def percent_words(part: int, whole_of: int) -> str:
    return f"{round(100 * part / whole_of)} %" if whole_of else "–"
