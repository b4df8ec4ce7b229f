"""What the chart of a page is told: where its data are, which stretch of time it shows, and what it marks."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Any, Final, Self

from django.http import QueryDict

from anomalies.models import Anomaly
from metrics.models import Metric
from orgs.models import Event

RANGES: Final = {"6h": timedelta(hours=6), "1d": timedelta(days=1), "11d": timedelta(days=11), "30d": timedelta(days=30)}
RANGE_WORDS: Final = {"6h": "6 h", "1d": "1 d", "11d": "11 d", "30d": "30 d"}
# A range is worth showing when it holds this many points.
ENOUGH_POINTS: Final = 250
# Where in the picture an anomaly stands: with what led to it on its left.
LEAD: Final = 0.72
# How much of a chart stays free beside an excursion at its edge.
ROOM: Final = 0.08
# How much of its length a range shows of what is to come.
AHEAD: Final = 0.125
# Events that say why a series changed; the rest of the feed says nothing about it.
DRAWN: Final = (Event.Type.DEPLOY, Event.Type.MARKER, Event.Type.TRAINING, Event.Type.EXCLUSION)
EARLIEST: Final = 0
LATEST: Final = 4_102_444_800  # 2100


@dataclass(frozen=True)
class Stretch:
    """A stretch of time, in unix seconds, and the name of its range ("11d"), empty when it was chosen by hand."""

    start: int
    end: int
    name: str


@dataclass(frozen=True)
class Excursion:
    """From where to where an anomaly lasts, its peak within; `last` is now while it lasts."""

    start: datetime
    last: datetime

    @classmethod
    def of(cls, anomaly: Anomaly, *, now: datetime) -> Self | None:
        """None for an anomaly that has no place on a series."""
        if anomaly.started_at is None:
            return None
        peak = anomaly.peak_at or anomaly.started_at
        return cls(min(anomaly.started_at, peak), max(anomaly.started_at, peak, anomaly.ended_at or now))


@dataclass(frozen=True)
class RangeLink:
    """One of the ready-made ranges."""

    name: str
    label: str
    start: int
    end: int
    current: bool


@dataclass(frozen=True)
class Mark:
    """An anomaly on a chart. Unix seconds; `end` None while it lasts."""

    id: int
    start: float
    end: float | None
    peak: float | None
    value: float | None
    main: bool

    @classmethod
    def of(cls, anomaly: Anomaly, *, main: bool) -> Self | None:
        """None for an anomaly that has no place on a series."""
        if anomaly.started_at is None:
            return None
        end, peak = (moment.timestamp() if moment else None for moment in (anomaly.ended_at, anomaly.peak_at))
        return cls(anomaly.pk, anomaly.started_at.timestamp(), end, peak, anomaly.peak_value, main)


@dataclass(frozen=True)
class Chart:
    """Everything about the chart of one series."""

    metric: int
    shown: Stretch
    links: tuple[RangeLink, ...]
    config: dict[str, Any]


def chart_of(metric: Metric, params: QueryDict, *, marks: Iterable[Anomaly], main: Anomaly | None, now: datetime, zone: tzinfo) -> Chart:
    """The chart as the address says it, else the shortest range that shows enough, with the whole of `main` or up to now."""
    held = Excursion.of(main, now=now) if main else None
    shown = stretch_of(params, resolution_s=metric.resolution_s, held=held, now=now)
    drawn = [mark for anomaly in marks if (mark := Mark.of(anomaly, main=main is not None and anomaly.pk == main.pk))]
    config = {
        "timeseries": f"/api/metrics/{metric.pk}/timeseries",
        "forecast": f"/api/metrics/{metric.pk}/forecast",
        "events": f"/api/events?type={','.join(DRAWN)}",
        "metric": metric.pk,
        "datastore": metric.datastore_id,
        "start": shown.start,
        "end": shown.end,
        "resolution": metric.resolution_s,
        "zone": str(zone),
        "now": int(now.timestamp()),
        "marks": [asdict(mark) for mark in drawn],
    }
    return Chart(metric.pk, shown, links_of(shown, held, now), config)


def stretch_of(params: QueryDict, *, resolution_s: float | None, held: Excursion | None, now: datetime) -> Stretch:
    """From `from` and `to` (unix seconds), else `range`, else chosen. What is no stretch of time is left out."""
    start, end = (seconds(params.get(name, "")) for name in ("from", "to"))
    if start is not None and end is not None and start < end:
        return Stretch(start, end, "")
    name = params.get("range", "")
    return around(name, held, now) if name in RANGES else chosen(resolution_s, held, now)


def chosen(resolution_s: float | None, held: Excursion | None, now: datetime) -> Stretch:
    """The shortest range with enough points and all of `held`; what lasts longer than any of them gets a stretch of its own."""
    enough = fitting(resolution_s)
    if held is None:
        return around(enough, None, now)
    lasting = held.last - held.start
    fits = (name for name, length in RANGES.items() if length >= max(RANGES[enough], lasting / (1 - 2 * ROOM)))
    if name := next(fits, ""):
        return around(name, held, now)
    return Stretch(int((held.start - lasting * ROOM).timestamp()), int((held.last + lasting * ROOM).timestamp()), "")


def fitting(resolution_s: float | None) -> str:
    """The shortest range with enough points of a series with this step."""
    wanted = timedelta(seconds=ENOUGH_POINTS * (resolution_s or 60.0))
    return next((name for name, length in RANGES.items() if length >= wanted), "30d")


def around(name: str, held: Excursion | None, now: datetime) -> Stretch:
    """A range up to now and what is expected after it, or one that ends so that `held` stands in it, its start not too far left.

    Of what is longer than the range the start is shown.
    """
    length = RANGES[name]
    if held is None:
        return Stretch(int((now - length).timestamp()), int((now + length * AHEAD).timestamp()), name)
    led = min(now, held.start + length * (1 - LEAD))
    end = min(max(led, held.last + length * ROOM), max(led, held.start + length * (1 - ROOM)))
    return Stretch(int((end - length).timestamp()), int(end.timestamp()), name)


def links_of(shown: Stretch, held: Excursion | None, now: datetime) -> tuple[RangeLink, ...]:
    every = ((name, around(name, held, now)) for name in RANGES)
    return tuple(RangeLink(name, RANGE_WORDS[name], there.start, there.end, name == shown.name) for name, there in every)


def seconds(text: str) -> int | None:
    """Unix seconds between 1970 and 2100, else None."""
    if not (text.isascii() and text.isdigit() and len(text) < 12):
        return None
    return int(text) if EARLIEST <= int(text) < LATEST else None
