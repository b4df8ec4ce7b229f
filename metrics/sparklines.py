"""Small pictures of a series for lists: arrays in, SVG path data out, no Django."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from metrics.arrays import Floats, Ints

WIDTH: Final = 132
HEIGHT: Final = 32
_COLUMNS: Final = WIDTH // 2
_MARGIN: Final = 4.0  # room for the dot at the top and the bottom
_GAP: Final = 3.5  # steps without a point after which the line breaks
_HEADROOM: Final = 0.35  # how far the band may reach beyond the values, in ranges of the values, before it is cut


@dataclass(frozen=True)
class Spark:
    """Path data in a box of WIDTH x HEIGHT; an empty string where there is nothing to draw. `dot_x` is None without a peak in the box."""

    line: str
    hit: str = ""
    band: str = ""
    dot_x: float | None = None
    dot_y: float = 0.0


@dataclass(frozen=True)
class Window:
    """What the picture shows: [start, end) in unix milliseconds, and the part of it that is the anomaly."""

    start_ms: int
    end_ms: int
    hit_start_ms: int | None = None
    hit_end_ms: int | None = None
    peak_ms: int | None = None


@dataclass(frozen=True)
class Band:
    """The expected range over time: three arrays of shape (n,), times ascending; NaN where there is none."""

    timestamps_ms: Ints
    lower: Floats
    upper: Floats


def sparkline(timestamps_ms: Ints, values: Floats, window: Window, *, band: Band | None = None) -> Spark | None:
    """The picture of the points (n,) that lie in the window, times ascending. None when fewer than two of them have a value.

    NaN values and holes break the line. Dense series are thinned to the least and the greatest value per two pixels.
    """
    inside = (timestamps_ms >= window.start_ms) & (timestamps_ms < window.end_ms)
    times, shown = timestamps_ms[inside], values[inside]
    finite = np.isfinite(shown)
    if finite.sum() < 2:
        return None
    scale = _Scale.over(window, shown[finite])
    is_hit = _within(times, window.hit_start_ms, window.hit_end_ms)
    dot = _dot(times, shown, window.peak_ms, scale)
    return Spark(
        line=_line(*_thinned(times, shown, window), scale),
        hit=_line(*_thinned(times, np.where(_widened(is_hit), shown, np.nan), window), scale),
        band=_area(band, window, scale) if band is not None else "",
        dot_x=dot[0] if dot else None,
        dot_y=dot[1] if dot else 0.0,
    )


@dataclass(frozen=True)
class _Scale:
    start: float
    span: float
    low: float
    high: float

    @classmethod
    def over(cls, window: Window, values: Floats) -> "_Scale":
        # In halves, so that no difference of two finite values overflows.
        low, high = float(values.min()) / 2, float(values.max()) / 2
        if high - low <= 1e-12 * max(abs(high), abs(low), 1e-300):
            room = max(1.0, abs(high) * 1e-9)
            low, high = low - room, high + room
        return cls(float(window.start_ms), float(max(1, window.end_ms - window.start_ms)), low, high)

    def x(self, times: npt.NDArray[np.generic]) -> Floats:
        return np.asarray((times.astype(np.float64) - self.start) / self.span * WIDTH)

    def y(self, values: Floats) -> Floats:
        room = HEIGHT - 2 * _MARGIN
        return np.asarray(HEIGHT - _MARGIN - (values / 2 - self.low) / (self.high - self.low) * room)

    def bounded_y(self, values: Floats) -> Floats:
        """As `y`, cut where a value lies far beyond the picture."""
        room = HEIGHT - 2 * _MARGIN
        return np.clip(self.y(values), _MARGIN - _HEADROOM * room, HEIGHT - _MARGIN + _HEADROOM * room)


def _within(times: Ints, start_ms: int | None, end_ms: int | None) -> npt.NDArray[np.bool_]:
    if start_ms is None:
        return np.zeros(times.shape, np.bool_)
    return (times >= start_ms) & (times <= (times[-1] if end_ms is None else end_ms))


def _widened(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """One more point on each side, so that the coloured line joins the rest."""
    wide = mask.copy()
    wide[1:] |= mask[:-1]
    wide[:-1] |= mask[1:]
    return wide


def _thinned(times: Ints, values: Floats, window: Window) -> tuple[Ints, Floats]:
    """At most a pair of least and greatest per two pixels, in time order; gaps stay as NaN."""
    if times.size <= 2 * _COLUMNS:
        return times, values
    column = (times - window.start_ms) * _COLUMNS // max(1, window.end_ms - window.start_ms)
    starts = np.flatnonzero(np.r_[True, column[1:] != column[:-1]])
    ends = np.r_[starts[1:], times.size]
    picked = [index for start, end in zip(starts, ends, strict=True) for index in _extremes(values[start:end], int(start))]
    chosen = np.array(sorted(set(picked)), np.int64)
    return times[chosen], values[chosen]


def _extremes(values: Floats, offset: int) -> tuple[int, ...]:
    if not np.isfinite(values).any():
        return (offset,)
    return offset + int(np.nanargmin(values)), offset + int(np.nanargmax(values))


def _line(times: Ints, values: Floats, scale: _Scale) -> str:
    finite = np.isfinite(values)
    if not finite.any():
        return ""
    steps = np.diff(times)
    hole = np.r_[True, steps > _GAP * np.median(steps)] if steps.size else np.array([True])
    breaks = hole | np.r_[True, ~finite[:-1]]
    points = zip(scale.x(times), scale.y(values), breaks, finite, strict=True)
    return "".join(f"{'M' if new else 'L'}{x:.1f} {y:.1f}" for x, y, new, real in points if real)


def _area(band: Band, window: Window, scale: _Scale) -> str:
    keep = (
        (band.timestamps_ms >= window.start_ms) & (band.timestamps_ms < window.end_ms) & np.isfinite(band.lower) & np.isfinite(band.upper)
    )
    times, lower, upper = band.timestamps_ms[keep], band.lower[keep], band.upper[keep]
    if times.size < 2:
        return ""
    every = max(1, times.size // _COLUMNS)
    xs = scale.x(times[::every])
    top, bottom = scale.bounded_y(upper[::every]), scale.bounded_y(lower[::every])
    there = "L".join(f"{x:.1f} {y:.1f}" for x, y in zip(xs, top, strict=True))
    back = "L".join(f"{x:.1f} {y:.1f}" for x, y in zip(xs[::-1], bottom[::-1], strict=True))
    return f"M{there}L{back}Z"


def _dot(times: Ints, values: Floats, peak_ms: int | None, scale: _Scale) -> tuple[float, float] | None:
    """Where the peak is drawn: at the point next to it in time that has a value."""
    if peak_ms is None or not scale.start <= peak_ms <= scale.start + scale.span:
        return None
    real = np.flatnonzero(np.isfinite(values))
    nearest = real[int(np.argmin(np.abs(times[real] - peak_ms)))]
    x, y = scale.x(times[nearest : nearest + 1]), scale.y(values[nearest : nearest + 1])
    return round(float(x[0]), 1), round(float(y[0]), 1)
