"""A series over a range as columns for charts: raw where that is little, else rolled up in even steps."""

from dataclasses import dataclass, fields, replace
from typing import Final, Literal

import numpy as np

from metrics import points, steps
from metrics.arrays import DAY_MS, Floats, Ints
from metrics.detection.engine import Outlook
from metrics.models import Metric
from metrics.points.families import POINTS, VERDICTS
from metrics.points.partitions import KEEP_DAYS
from metrics.points.spans import holds_more, spans

Aggregation = Literal["mean", "min", "max"]

DEFAULT_MAX_POINTS: Final = 2_000
HARD_MAX_POINTS: Final = 50_000
# Nothing is kept for longer. A range beyond it is rolled up, so that an estimate that is wrong does not read years of points.
MOST_RAW_MS: Final = max(KEEP_DAYS) * DAY_MS
# People read steps like 5 minutes; the next longer of these is taken, and whole days beyond.
STEPS_MS: Final = tuple(
    1000 * seconds for seconds in (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1200, 1800, 3600, 7200, 10800, 14400, 21600, 43200, 86400)
)


@dataclass(frozen=True)
class Window:
    """What is asked for: start_ms <= time < end_ms, in at most `max_points` or in steps of `step_ms`; neither: what suits the length.

    `ahead_ms` of it lie in the future, where only points of clocks that run ahead can be: they do not count in the length.
    """

    start_ms: int
    end_ms: int
    max_points: int | None = None
    step_ms: int | None = None
    ahead_ms: int = 0

    @property
    def length_ms(self) -> int:
        return self.end_ms - self.ahead_ms - self.start_ms


@dataclass(frozen=True)
class Series:
    """Columns of one length. `step_ms` is None for raw points, which have no minimum and maximum."""

    timestamps_ms: Ints
    values: Floats
    step_ms: int | None = None
    minimum: Floats | None = None
    maximum: Floats | None = None


@dataclass(frozen=True)
class Band:
    """The detector's verdicts, and what it expects of points to come, columns of one length; NaN where it had none."""

    timestamps_ms: Ints
    expected: Floats
    lower: Floats
    upper: Floats
    score: Floats


def step_for(metric: Metric, window: Window) -> int | None:
    """The step in which `window` of this metric is shown; None for the points as they were received.

    A day or less is raw unless the caller limits it. The number of points is estimated from the metric's usual resolution: whoever
    reads may find that there are more than may be told.
    """
    if window.step_ms is not None:
        return window.step_ms
    if window.max_points is None and window.length_ms <= DAY_MS:
        return None
    limit = window.max_points or DEFAULT_MAX_POINTS
    resolution_ms = 1000 * (metric.resolution_s or 60.0)
    is_little = window.length_ms / resolution_ms <= limit and window.length_ms <= MOST_RAW_MS
    return None if is_little else nice_step(window.length_ms / limit)


def nice_step(least_ms: float) -> int:
    for step in STEPS_MS:
        if step >= least_ms:
            return step
    return int(-(-least_ms // DAY_MS)) * DAY_MS


def series_of(metric: Metric, window: Window, *, aggregation: Aggregation = "mean") -> Series:
    """The metric's points in `window`. Rolled up, every step between the first and the last that holds a point is there; NaN = empty."""
    step_ms = step_for(metric, window)
    if step_ms is None:
        if (raw := _raw(metric, window)) is not None:
            return Series(raw.timestamps_ms, raw.values)
        step_ms = _coarser(window)
    return _rolled(metric, window, step_ms, aggregation)


def _raw(metric: Metric, window: Window) -> points.Points | None:
    """The points as they were received; None when they are more than may be told, of which few have been read."""
    most = window.max_points or HARD_MAX_POINTS
    if holds_more(POINTS, metric.org_id, metric.pk, window.start_ms, window.end_ms, than=most):
        return None
    raw = points.read(metric.org_id, [metric.pk], window.start_ms, window.end_ms)[metric.pk]
    return raw if raw.timestamps_ms.size <= most else None


def _coarser(window: Window) -> int:
    """The step for a window that turned out to hold more points than its metric's resolution promised."""
    most = window.max_points or (HARD_MAX_POINTS if window.length_ms <= DAY_MS else DEFAULT_MAX_POINTS)
    return nice_step(window.length_ms / most)


def _rolled(metric: Metric, window: Window, step_ms: int, aggregation: Aggregation) -> Series:
    found = points.rollup(metric.org_id, [metric.pk], window.start_ms, window.end_ms, step_ms)[metric.pk]
    if not found.starts_ms.size:
        return Series(found.starts_ms, found.mean, step_ms, found.least, found.most)
    grid = np.arange(found.starts_ms[0], found.starts_ms[-1] + 1, step_ms)
    places = (found.starts_ms - grid[0]) // step_ms
    mean, least, most = (spread(column, places, grid.size) for column in (found.mean, found.least, found.most))
    chosen = {"mean": mean, "min": least, "max": most}[aggregation]
    return Series(grid, chosen, step_ms, least, most)


def spread(column: Floats, places: Ints, size: int) -> Floats:
    """`column` at `places` of a longer column, NaN elsewhere."""
    out = np.full(size, np.nan)
    out[places] = column
    return out


def band_of(metric: Metric, window: Window, *, then: Outlook | None = None) -> tuple[Band, int | None]:
    """The verdicts in `window`, then what is expected after them, and the step in which they come; in steps, bounds and expectation are
    means and the score is the highest."""
    asked = window
    if then is not None and then.timestamps_ms.size and window.max_points is not None:
        asked = replace(window, end_ms=max(window.end_ms, int(then.timestamps_ms[-1]) + 1), ahead_ms=0)
    step_ms = step_for(metric, asked)
    if step_ms is None:
        if (band := _raw_band(metric, window, then)) is not None:
            return band, None
        step_ms = _coarser(asked)
    return _stepped_band(metric, window, then, step_ms), step_ms


def _raw_band(metric: Metric, window: Window, then: Outlook | None) -> Band | None:
    """The verdicts one by one; None when they are more than may be told."""
    if holds_more(VERDICTS, metric.org_id, metric.pk, window.start_ms, window.end_ms, than=HARD_MAX_POINTS):
        return None
    band = _followed(_verdicts(metric, window.start_ms, window.end_ms), then, start_ms=window.start_ms)
    return band if band.timestamps_ms.size <= HARD_MAX_POINTS else None


def _stepped_band(metric: Metric, window: Window, then: Outlook | None, step_ms: int) -> Band:
    """Span by span; what is expected comes with the last, whose last step may hold both."""
    found = spans(VERDICTS, metric.org_id, [metric.pk], window.start_ms, window.end_ms, step_ms=step_ms)
    parts = [_stepped(_verdicts(metric, start, end), step_ms) for start, end in found[:-1]]
    for start, end in found[-1:]:
        parts.append(_stepped(_followed(_verdicts(metric, start, end), then, start_ms=start), step_ms))
    columns = ([getattr(part, column.name) for part in parts] for column in fields(Band))
    return Band(*map(np.concatenate, columns))


def _verdicts(metric: Metric, start_ms: int, end_ms: int) -> Band:
    found = points.read_verdicts(metric.org_id, [metric.pk], start_ms, end_ms)[metric.pk]
    return Band(found.timestamps_ms, found.yhat, found.lower, found.upper, found.score)


def _followed(band: Band, then: Outlook | None, *, start_ms: int) -> Band:
    """The band with what is expected after it; nobody has scored that yet."""
    if then is None or not then.timestamps_ms.size:
        return band
    newest = int(band.timestamps_ms[-1]) if band.timestamps_ms.size else start_ms - 1
    part = slice(int(np.searchsorted(then.timestamps_ms, max(newest + 1, start_ms))), None)
    return Band(
        np.concatenate([band.timestamps_ms, then.timestamps_ms[part]]),
        np.concatenate([band.expected, then.expected[part]]),
        np.concatenate([band.lower, then.lower[part]]),
        np.concatenate([band.upper, then.upper[part]]),
        np.concatenate([band.score, np.full(then.timestamps_ms[part].size, np.nan)]),
    )


def _stepped(band: Band, step_ms: int) -> Band:
    if not band.timestamps_ms.size:
        return band
    numbers = band.timestamps_ms // step_ms
    starts = steps.starts_of(numbers)
    expected, lower, upper = (steps.means(column, starts) for column in (band.expected, band.lower, band.upper))
    return Band(numbers[starts] * step_ms, expected, lower, upper, np.fmax.reduceat(band.score, starts))
