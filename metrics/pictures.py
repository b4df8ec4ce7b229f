"""Pictures of series around an anomaly: which range, with what data, and kept in the cache while nothing can have changed."""

import hashlib
import logging
import zoneinfo
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, get_args

import redis
from django.core.cache import cache

from metrics import charts, points
from metrics.arrays import DAY_MS, HOUR_MS
from metrics.charts import Form, Span
from metrics.looks import Theme
from metrics.models import Metric

log = logging.getLogger(__name__)

# How much is shown before an anomaly: enough points to see what is usual, within what a picture can hold.
POINTS_BEFORE: Final = 480
LEAST_BEFORE_MS: Final = 6 * HOUR_MS
MOST_BEFORE_MS: Final = 21 * DAY_MS
# While something can still be added to a picture it is drawn anew after so long; a finished one is kept a week.
FRESH_S: Final = 60
KEPT_S: Final = 7 * 24 * 3600
# Late points may come: a range counts as finished this long after its end.
SETTLED_MS: Final = DAY_MS


@dataclass(frozen=True)
class Style:
    """How a picture is asked for; sizes in pixels."""

    form: Form = "png"
    theme: Theme = "light"
    width: int = 900
    height: int = 300


@dataclass(frozen=True)
class Frame:
    """What a picture shows: a range of one series, and the anomalies in it. `now_ms` marks the present, if it is in the range."""

    start_ms: int
    end_ms: int
    spans: tuple[Span, ...]
    now_ms: int


def frame_of(metric: Metric, span: Span, *, others: Sequence[Span] = (), now_ms: int) -> Frame:
    """The range around one anomaly: the usual before it, the whole of it, and what came after, up to now."""
    before = min(MOST_BEFORE_MS, max(LEAST_BEFORE_MS, int(POINTS_BEFORE * 1000 * (metric.resolution_s or 60.0))))
    end = span.end_ms if span.end_ms is not None else now_ms
    lasted = max(0, end - span.start_ms)
    after = max(before // 4, lasted // 4)
    spans = tuple(sorted({span, *others}, key=lambda one: one.start_ms))
    return Frame(span.start_ms - max(before, lasted), min(end + after, max(now_ms, end)) + before // 100, spans, now_ms)


def picture_around(metric: Metric, span: Span, *, style: Style, others: Sequence[Span] = (), now_ms: int) -> bytes:
    """The picture of an anomaly, from the cache where nothing can have changed since. The cache may be emptied or away at any time."""
    key = _key(metric, span, others, style)
    if (kept := _cached(key)) is not None:
        return kept
    frame = frame_of(metric, span, others=others, now_ms=now_ms)
    picture = draw_frame(metric, frame, style=style)
    is_settled = all(one.end_ms is not None for one in frame.spans) and frame.end_ms < now_ms - SETTLED_MS
    _keep(key, picture, KEPT_S if is_settled else FRESH_S)
    return picture


# What is drawn as soon as an anomaly opens, before anybody asks.
ON_OPENING: Final = tuple(Style(form=form, theme=theme) for form in get_args(Form) for theme in get_args(Theme))


def draw_opening(metric: Metric, span: Span, *, now_ms: int) -> None:
    """Draws and keeps the usual pictures of an anomaly that has just opened, so that an alert finds one."""
    for style in ON_OPENING:
        picture_around(metric, span, style=style, now_ms=now_ms)


def draw_frame(metric: Metric, frame: Frame, *, style: Style) -> bytes:
    """Reads the points and verdicts of the frame and draws them. The metric's org must be loaded with it: times are in its zone."""
    found = points.read(metric.org_id, [metric.pk], frame.start_ms, frame.end_ms)[metric.pk]
    verdicts = points.read_verdicts(metric.org_id, [metric.pk], frame.start_ms, frame.end_ms)[metric.pk]
    picture = charts.Picture(
        title=metric.name,
        start_ms=frame.start_ms,
        end_ms=frame.end_ms,
        timestamps_ms=found.timestamps_ms,
        values=found.values,
        band_ms=verdicts.timestamps_ms,
        expected=verdicts.yhat,
        lower=verdicts.lower,
        upper=verdicts.upper,
        spans=frame.spans,
        now_ms=frame.now_ms,
        zone=zoneinfo.ZoneInfo(metric.org.timezone),
    )
    return charts.draw(picture, form=style.form, theme=style.theme, width=style.width, height=style.height)


def _key(metric: Metric, span: Span, others: Sequence[Span], style: Style) -> str:
    # One that lasts is known by its start: its peak moves, and its picture is drawn anew every minute anyway.
    known_by = span.start_ms if span.end_ms is None else span
    said = repr((metric.pk, metric.name, metric.org.timezone, known_by, sorted(map(repr, others)), style))
    return f"picture:{hashlib.blake2b(said.encode(), digest_size=16).hexdigest()}"


def _cached(key: str) -> bytes | None:
    try:
        kept: bytes | None = cache.get(key)
    except redis.RedisError:
        return None
    return kept


def _keep(key: str, picture: bytes, seconds: int) -> None:
    try:
        cache.set(key, picture, seconds)
    except redis.RedisError:
        log.warning("a picture was drawn but not kept: the cache is away")
