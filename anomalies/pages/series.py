"""The list of series and the page of one: how it is, what the detector has learned of it, what was wrong with it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlencode

import numpy as np
from django.db.models import Count, Exists, OuterRef, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET

from accounts.models import User
from accounts.pages.readers import is_htmx, reader, wants_part
from accounts.zones import zone_of
from anomalies.models import Anomaly
from anomalies.pages.access import allowed_datastores, metric_for
from anomalies.pages.charts import chart_of, stretch_of
from anomalies.pages.evidence import picture
from anomalies.pages.listing import PAGE_SIZE, capped_count, in_words, page_number
from anomalies.pages.rows import Row, rows_of
from anomalies.querysets import AnomalyQuerySet
from metrics import points
from metrics.arrays import DAY_MS
from metrics.columns import MOST_RAW_MS, Band, band_of
from metrics.columns import Window as ColumnWindow
from metrics.models import NAME_KEY, Metric
from metrics.sparklines import Spark, Window
from orgs.moments import from_unix_ms, unix_ms

SPARK_SPAN: Final = timedelta(hours=24)
ANOMALIES_SHOWN: Final = 10
MARKS_SHOWN: Final = 200
TABLE_ROWS: Final = 500
STATES: Final = {"learning": "Learning", "active": "Active", "stale": "Silent", "trouble": "With anomalies"}


@dataclass(frozen=True)
class SeriesRow:
    """One line of the list of series."""

    id: int
    url: str
    name: str
    source: str
    state: str
    last_at: datetime | None
    last_value: float | None
    resolution_s: float | None
    open_anomalies: int
    spark: Spark | None


@dataclass(frozen=True)
class SeriesPage:
    """One page of the list of series."""

    search: str
    state: str
    tabs: tuple[tuple[str, str, bool], ...]
    rows: tuple[SeriesRow, ...]
    first: int
    last: int
    total: str
    before: str
    after: str

    @property
    def is_filtered(self) -> bool:
        return bool(self.search or self.state)


@dataclass(frozen=True)
class PointRow:
    """One line of the table of points."""

    at: datetime
    value: float
    expected: float | None
    lower: float | None
    upper: float | None
    is_outside: bool


@require_GET
def metrics(request: HttpRequest) -> HttpResponse:
    """The list; only its changing part when htmx asks."""
    user = reader(request)
    search = request.GET.get("search", "").strip()[:200].replace("\x00", "")
    state = request.GET.get("state", "")
    number = page_number(request.GET)
    page = series_shown(user, search=search, state=state if state in STATES else "", number=number)
    is_part = wants_part(request)
    response = render(request, "metrics/_list.html" if is_part else "metrics/list.html", {"page": page, "part": is_part})
    response["Vary"] = "HX-Request"
    return response


def series_shown(user: User, *, search: str, state: str, number: int) -> SeriesPage:
    """What the list shows this user; the number of queries does not grow with the rows."""
    matching = series_of(user, search=search, state=state)
    start = (number - 1) * PAGE_SIZE
    found = list(matching.select_related("datastore")[start : start + PAGE_SIZE + 1])
    shown, total = found[:PAGE_SIZE], capped_count(matching)

    def address(**changes: object) -> str:
        kept = {"search": search, "state": state} | changes
        return urlencode({name: value for name, value in kept.items() if value})

    tabs = [(label, address(state=name), name == state) for name, label in {"": "All", **STATES}.items()]
    return SeriesPage(
        search=search,
        state=state,
        tabs=tuple(tabs),
        rows=series_rows(shown, user, timezone.now()),
        first=start + 1 if shown else 0,
        last=start + len(shown),
        total=in_words(total),
        before=address(page=number - 1 if number > 2 else None) if number > 1 else "",
        after=address(page=number + 1) if len(found) > PAGE_SIZE else "",
    )


def series_of(user: User, *, search: str = "", state: str = "") -> "QuerySet[Metric]":
    """The user's series by name (the first 200 characters, as the index has it), narrowed by a word in the name and a state."""
    found = Metric.objects.visible_to(user).order_by(NAME_KEY, "pk")
    if search:
        found = found.filter(name__icontains=search)
    match state:
        case "stale":
            return found.filter(is_stale=True)
        case "learning" | "active":
            return found.filter(state=state, is_stale=False)
        case "trouble":
            return found.filter(Exists(open_ones(user).filter(metric=OuterRef("pk"))))
    return found


def series_rows(metrics: Iterable[Metric], user: User, now: datetime) -> tuple[SeriesRow, ...]:
    """Rows with the last day's picture and the count of open anomalies: one query for the counts, two reads of the point store."""
    shown = tuple(metrics)
    counts = open_counts(shown, user)
    pictures = last_day(user.org_id, [metric.pk for metric in shown], now)
    return tuple(
        SeriesRow(
            id=metric.pk,
            url=reverse("metric", args=(metric.pk,)),
            name=metric.name,
            source=metric.datastore.name,
            state="stale" if metric.is_stale else metric.state,
            last_at=metric.last_at,
            last_value=metric.last_value,
            resolution_s=metric.resolution_s,
            open_anomalies=counts.get(metric.pk, 0),
            spark=pictures.get(metric.pk),
        )
        for metric in shown
    )


def open_ones(user: User) -> AnomalyQuerySet:
    """Open anomalies of the org, for a look by series: an anomaly lies in the datastore of its series."""
    return Anomaly.objects.for_org(user.org_id).filter(deleted=None).open()


def open_counts(shown: Sequence[Metric], user: User) -> Mapping[int, int]:
    found = open_ones(user).filter(metric__in=[metric.pk for metric in shown]).order_by()
    return dict(found.values_list("metric").annotate(Count("pk")))


def last_day(org_id: int, series: list[int], now: datetime) -> dict[int, Spark | None]:
    """Each series' last 24 hours."""
    if not series:
        return {}
    window = Window(unix_ms(now - SPARK_SPAN), unix_ms(now) + 1)
    read = points.read(org_id, series, window.start_ms, window.end_ms)
    verdicts = points.read_verdicts(org_id, series, window.start_ms, window.end_ms)
    return {one: picture(window, read[one], verdicts[one]) for one in series}


@require_GET
def metric(request: HttpRequest, pk: int) -> HttpResponse:
    """The page of one series."""
    user, now = reader(request), timezone.now()
    found = metric_for(user, pk)
    mine = Anomaly.objects.visible_to(user).filter(metric=found.pk).order_by("-started_at")
    marks = list(mine.for_rows()[: MARKS_SHOWN + 1])
    context = {
        "metric": found,
        "state": "stale" if found.is_stale else found.state,
        "chart": chart_of(found, request.GET, marks=marks[:MARKS_SHOWN], main=None, now=now, zone=zone_of(user)),
        "rows": anomaly_rows(marks, user, now),
        "total": in_words(len(marks), cap=MARKS_SHOWN),
    }
    return render(request, "metrics/metric.html", context)


def anomaly_rows(marks: Sequence[Anomaly], user: User, now: datetime) -> tuple[Row, ...]:
    return rows_of(marks[:ANOMALIES_SHOWN], user, now=now, allowed=allowed_datastores(user, "anomaly.update"))


@require_GET
def metric_points(request: HttpRequest, pk: int) -> HttpResponse:
    """The figures behind a chart, as a table: at most TABLE_ROWS lines, beyond that the mean of equal steps."""
    user, now = reader(request), timezone.now()
    found = metric_for(user, pk)
    shown = stretch_of(request.GET, resolution_s=found.resolution_s, held=None, now=now)
    start_ms, end_ms = kept(shown.start * 1000, shown.end * 1000, now_ms=unix_ms(now))
    rows, step_s = table_of(found, start_ms, end_ms)
    context = {"metric": found, "rows": rows, "step_s": step_s, "start": from_unix_ms(start_ms), "end": from_unix_ms(end_ms)}
    return render(request, "metrics/_points.html" if is_htmx(request) else "metrics/points.html", context)


def kept(start_ms: int, end_ms: int, *, now_ms: int) -> tuple[int, int]:
    """The stretch cut to where points can be: to a day ahead, and no longer than anything is kept."""
    end_ms = max(min(end_ms, now_ms + DAY_MS), start_ms + 1000)
    return max(start_ms, end_ms - MOST_RAW_MS), end_ms


def table_of(metric: Metric, start_ms: int, end_ms: int) -> tuple[tuple[PointRow, ...], int]:
    """The newest first, and the seconds that a line stands for; 0 when each is one point."""
    read, step_ms = lines_of(metric, start_ms, end_ms)
    band = band_beside(metric, start_ms, end_ms, step_ms)
    picked = np.searchsorted(band.timestamps_ms, read.timestamps_ms)
    lines = [_line(read, band, place, int(there)) for place, there in enumerate(picked)]
    return tuple(reversed(lines)), step_ms // 1000


def lines_of(metric: Metric, start_ms: int, end_ms: int) -> tuple[points.Points, int]:
    """At most about TABLE_ROWS points and the step of which they are means; 0 for the points themselves.

    Points are read only where they are few, by the series' resolution or by the count of the steps.
    """
    wanted = metric.org_id, [metric.pk], start_ms, end_ms
    if (end_ms - start_ms) / (1000 * (metric.resolution_s or 60.0)) <= TABLE_ROWS:
        read = points.read(*wanted)[metric.pk]
        if read.values.size <= TABLE_ROWS:
            return read, 0
    step_ms = table_step(end_ms - start_ms)
    rolled = points.rollup(*wanted, step_ms)[metric.pk]
    if rolled.count.sum() <= TABLE_ROWS:
        return points.read(*wanted)[metric.pk], 0
    return points.Points(rolled.starts_ms, rolled.mean), step_ms


def band_beside(metric: Metric, start_ms: int, end_ms: int, step_ms: int) -> Band:
    """What was expected of the points, or beside the means of steps the means of what was expected."""
    if step_ms:
        return band_of(metric, ColumnWindow(start_ms, end_ms, step_ms=step_ms))[0]
    found = points.read_verdicts(metric.org_id, [metric.pk], start_ms, end_ms)[metric.pk]
    return Band(found.timestamps_ms, found.yhat, found.lower, found.upper, found.score)


def table_step(length_ms: int) -> int:
    """A step in whole seconds; beyond half a day in whole days, which are rolled up without a look at their points."""
    unit_ms = DAY_MS if length_ms > TABLE_ROWS * DAY_MS // 2 else 1000
    return -(-length_ms // (TABLE_ROWS * unit_ms)) * unit_ms


def _line(read: points.Points, band: Band, place: int, there: int) -> PointRow:
    moment, value = int(read.timestamps_ms[place]), float(read.values[place])
    if there >= band.timestamps_ms.size or band.timestamps_ms[there] != moment:
        return PointRow(from_unix_ms(moment), value, None, None, None, is_outside=False)
    expected, lower, upper = float(band.expected[there]), float(band.lower[there]), float(band.upper[there])
    return PointRow(from_unix_ms(moment), value, expected, lower, upper, is_outside=value < lower or value > upper)
