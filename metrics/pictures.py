"""Pictures of series around an anomaly: which range, with what data, and kept in the cache while nothing can have changed."""

import hashlib
import logging
import zoneinfo
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, get_args

import numpy as np
import redis
from django.core.cache import cache

from metrics import charts
from metrics.arrays import DAY_MS, HOUR_MS, Floats, Ints
from metrics.charts import Form, Span
from metrics.columns import HARD_MAX_POINTS, Series, Window, band_of, series_of
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
    window = Window(frame.start_ms, frame.end_ms, max_points=HARD_MAX_POINTS)
    times, values = _line(series_of(metric, window), frame.spans)
    band, _ = band_of(metric, window)
    picture = charts.Picture(
        title=metric.name,
        start_ms=frame.start_ms,
        end_ms=frame.end_ms,
        timestamps_ms=times,
        values=values,
        band_ms=band.timestamps_ms,
        expected=band.expected,
        lower=band.lower,
        upper=band.upper,
        spans=frame.spans,
        now_ms=frame.now_ms,
        zone=zoneinfo.ZoneInfo(metric.org.timezone),
    )
    return charts.draw(picture, form=style.form, theme=style.theme, width=style.width, height=style.height)


def _line(series: Series, spans: Sequence[Span]) -> tuple[Ints, Floats]:
    """The points of the line. Of a step it has the least and the greatest, and at the moment of a span's peak what stands out there."""
    if series.step_ms is None or series.minimum is None or series.maximum is None or not series.values.size:
        return series.timestamps_ms, series.values
    moments = np.unique([span.start_ms if span.peak_ms is None else span.peak_ms for span in spans]).astype(np.int64)
    moments = moments[(moments >= series.timestamps_ms[0]) & (moments < series.timestamps_ms[-1] + series.step_ms)]
    at = (moments - series.timestamps_ms[0]) // series.step_ms
    least, mean, most = series.minimum, series.values, series.maximum
    peaks = np.where(most[at] - mean[at] >= mean[at] - least[at], most[at], least[at])
    times = np.concatenate([series.timestamps_ms, series.timestamps_ms + series.step_ms // 2, moments])
    order = np.argsort(times, kind="stable")
    return times[order], np.concatenate([least, most, peaks])[order]


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
