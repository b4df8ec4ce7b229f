"""A series over a range as columns for charts: raw where that is little, else rolled up in even steps."""

from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np

from metrics import points, steps
from metrics.arrays import DAY_MS, Floats, Ints
from metrics.detection.engine import Outlook
from metrics.models import Metric
from metrics.points.partitions import KEEP_DAYS

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

    A day or less is raw unless the caller limits it. The number of points is estimated from the metric's usual resolution.
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
        raw = points.read(metric.org_id, [metric.pk], window.start_ms, window.end_ms)[metric.pk]
        if window.max_points is None or raw.timestamps_ms.size <= window.max_points:
            return Series(raw.timestamps_ms, raw.values)
        step_ms = nice_step(window.length_ms / window.max_points)
    return _rolled(metric, window, step_ms, aggregation)


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
    found = points.read_verdicts(metric.org_id, [metric.pk], window.start_ms, window.end_ms)[metric.pk]
    band = Band(found.timestamps_ms, found.yhat, found.lower, found.upper, found.score)
    if then is not None and then.timestamps_ms.size:
        band = _followed(band, then, start_ms=window.start_ms)
        if window.max_points is not None:
            window = replace(window, end_ms=max(window.end_ms, int(then.timestamps_ms[-1]) + 1), ahead_ms=0)
    step_ms = step_for(metric, window)
    if step_ms is None or not band.timestamps_ms.size:
        return band, step_ms
    return _stepped(band, step_ms), step_ms


def _followed(band: Band, then: Outlook, *, start_ms: int) -> Band:
    """The band with what is expected after it; nobody has scored that yet."""
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
    numbers = band.timestamps_ms // step_ms
    starts = steps.starts_of(numbers)
    expected, lower, upper = (steps.means(column, starts) for column in (band.expected, band.lower, band.upper))
    return Band(numbers[starts] * step_ms, expected, lower, upper, np.fmax.reduceat(band.score, starts))
