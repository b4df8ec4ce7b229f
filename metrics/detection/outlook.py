"""What the detector expects of the points to come, as far ahead as wanted: its forecast (`forecast.py`) carried on from one state.

One step ahead it is the forecast that the next point is judged with. Farther ahead the experts that follow the last values are trusted
less, as their errors grow with the square root of the distance up to those of a value that is not known at all, and what is left is the
time of the day and of the week, and the rhythm. The band grows with the mixture's error.

Plain numpy: nothing here is compiled, so a web process can use it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from metrics.detection import constants as k
from metrics.detection import layout as lay

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

# The error of each following expert far ahead, in usual distances: of two independent values, and of means of ever more of them.
_FAR: Final = np.array([np.sqrt(2.0), 1.2, 1.0, np.sqrt(2.0), 1.2, 1.2, 1.2])
_SLOW: Final = 2
# The usual distance from the level is the slow mean's error, or this share of the range in which nine of ten values lie: of a normal
# distribution the two are the same.
_RANGE_SHARE: Final = 0.25
# Steps after which half of a cycle's squared error is that of its offset, which follows the last values. On NAB a day ahead anything from
# 300 to 1,000 gives the same error within 1 %; fewer make the band wider.
_OFFSET_STEPS: Final = 500.0
_DAMPING: Final = 0.98  # of the slope of Holt's forecast, as in `forecast.learn`
_TINY: Final = 1e-12


@dataclass(frozen=True)
class Outlook:
    """Columns of one length: unix milliseconds, forecast and 99 % band in the unit of the value."""

    timestamps_ms: Ints
    expected: Floats
    lower: Floats
    upper: Floats


def outlook(state: np.void, *, until_ms: int, most: int) -> Outlook:
    """What is expected after the newest point of a series up to and including `until_ms`, in its own steps, or in so many of them that at
    most `most` come.

    state : one record of `STATE`. Empty while its first points are still held back, because nothing is known yet.
    """
    if state["mode"] == lay.WARMING:
        nothing = np.empty(0)
        return Outlook(np.empty(0, np.int64), nothing, nothing, nothing)
    first = max(int(state["newest_ms"] - state["last_ms"]) // int(state["step_ms"]), 0) + 1
    count = max((until_ms - int(state["last_ms"])) // int(state["step_ms"]) - first + 1, 0)
    every = -(-count // most) if count else 1
    ahead = np.arange(first, first + count, every, dtype=np.int64)
    times = int(state["last_ms"]) + ahead * int(state["step_ms"])
    y, growth = _mixture(state, times, ahead)
    reach, margin = _width(state, times), k.BAND_MARGIN * _spread(state)
    low = float(state["band_low"]) * reach * growth - margin
    high = float(state["band_high"]) * reach * growth + margin
    unit = float(state["unit"])
    expected = float(state["reference"]) + unit * y
    if not state["is_counter"]:
        floor = _least(state)
        return Outlook(times, *(np.maximum(line, floor) for line in (expected, expected + unit * low, expected + unit * high)))
    return _counted(state, times, ahead, expected, unit * low, unit * high, growth)


def _counted(state: np.void, times: Ints, ahead: Ints, rate: Floats, low: Floats, high: Floats, growth: Floats) -> Outlook:
    """A counter grows by its rate, which is never negative; of the band the noise of single steps adds up as a square root does, the rest
    in full."""
    seconds = np.diff(ahead, prepend=0) * (int(state["step_ms"]) / 1000.0)
    expected = float(state["raw"]) + np.cumsum(np.maximum(rate, 0.0) * seconds)
    step_s = int(state["step_ms"]) / 1000.0

    def added(off: Floats) -> Floats:
        noise = np.sqrt(np.cumsum((off / growth) ** 2 * seconds * step_s))
        drift = np.cumsum(np.abs(off) * (1.0 - 1.0 / growth) * seconds)
        return np.asarray(noise + drift)

    lower = np.maximum(expected - added(low), float(state["raw"]))
    return Outlook(times, expected, lower, expected + added(high))


def _mixture(state: np.void, times: Ints, ahead: Ints) -> tuple[Floats, Floats]:
    """The experts' weighted mean, normalised, and how much larger its error is than one step ahead; both of shape (n,)."""
    forecasts, is_cyclic = _experts(state, times, ahead)
    near = state["error"].astype(np.float64)[:, np.newaxis]
    errors = np.where(is_cyclic, *_errors(state, near, ahead))
    weights = ((errors.min(axis=0) + _TINY) / (errors + _TINY)) ** 4
    weights /= weights.sum(axis=0)
    nearest = ((near.min() + _TINY) / (near + _TINY)) ** 4
    before = float((nearest * near).sum() / nearest.sum())
    growth = (weights * errors).sum(axis=0) / max(before, _TINY)
    return (weights * forecasts).sum(axis=0), np.maximum(growth, 1.0)


def _errors(state: np.void, near: Floats, ahead: Ints) -> tuple[Floats, Floats]:
    """Each expert's error so far ahead, were it a cycle's and were it one that follows the last values; one step ahead both are `near`."""
    usual = np.maximum(near[_SLOW], _RANGE_SHARE * float(state["quantile"][2] - state["quantile"][0]))
    cyclic = np.minimum(near * np.sqrt(1.0 + (ahead - 1) / _OFFSET_STEPS), np.maximum(near, usual))
    following = np.minimum(near * np.sqrt(ahead), np.maximum(near, usual * _FAR[:, np.newaxis]))
    return cyclic, following


def _experts(state: np.void, times: Ints, ahead: Ints) -> tuple[Floats, NDArray[np.bool_]]:
    """Each expert's forecast, shape (experts, n), and where it comes from a cycle rather than from the last values."""
    last, fast, slow, level, slope = (float(one) for one in state["expert"])
    forecasts = np.empty((k.EXPERTS, ahead.size))
    is_cyclic = np.zeros((k.EXPERTS, ahead.size), np.bool_)
    forecasts[0], forecasts[1], forecasts[2] = last, fast, slow
    forecasts[3] = level + slope * (1.0 - _DAMPING ** ahead.astype(np.float64)) / (1.0 - _DAMPING)
    forecasts[4:] = fast
    if state["rhythm"]:
        forecasts[6], is_cyclic[6] = _rhythm_ago(state, ahead), True
    if state["is_seasonal"]:
        day, week = _day(state, times), _week(state, times)
        forecasts[4], is_cyclic[4] = np.where(np.isnan(day), fast, day), ~np.isnan(day)
        forecasts[5], is_cyclic[5] = np.where(np.isnan(week), forecasts[4], week), ~np.isnan(week) | is_cyclic[4]
    return forecasts, is_cyclic


def _rhythm_ago(state: np.void, ahead: Ints) -> Floats:
    rhythm = int(state["rhythm"])
    place = int(state["total"]) + (ahead - 1) % rhythm
    past = state["past"].astype(np.float64)
    return np.asarray(0.5 * (past[(place - rhythm) % k.PAST] + past[(place - 2 * rhythm) % k.PAST]) / k.PAST_FIXED)


def _day(state: np.void, times: Ints) -> Floats:
    cycle, step = int(state["cycle_ms"]), int(state["step_ms"])
    count = min(max(int(np.rint(cycle / step)), 1), k.DAY_SLOTS)
    return _recalled(state["day"], count, times % cycle / cycle, pooled=cycle > 1.5 * count * step) + float(state["day_offset"])


def _week(state: np.void, times: Ints) -> Floats:
    step = int(state["step_ms"])
    hours = min(k.WEEK_MS // step, k.WEEK_SLOTS)
    if not hours:
        return np.full(times.size, np.nan)
    pooled = 1.5 * hours * step < k.WEEK_MS
    return _recalled(state["week"], hours, times % k.WEEK_MS / k.WEEK_MS, pooled=pooled) + float(state["week_offset"])


def _recalled(memory: NDArray[Any], count: int, where: Floats, *, pooled: bool) -> Floats:
    """As `forecast.recall`, for many phases at once."""
    known = np.where(memory == k.UNKNOWN, np.nan, memory / k.FIXED)
    own = np.minimum((where * count).astype(np.int64), count - 1)
    if not pooled:
        return np.asarray(known[own])
    offset = where * count - own - 0.5
    other = known[(own + np.where(offset > 0, 1, -1)) % count]
    joined = known[own] + np.abs(offset) * (other - known[own])
    return np.where(np.isnan(other), known[own], joined)


def _width(state: np.void, times: Ints) -> Floats:
    """As `band.width`, for many times at once."""
    usual = np.full(times.size, float(state["band_scale"]))
    if not state["is_seasonal"]:
        return usual
    cycle = int(state["cycle_ms"])
    b = np.minimum((times % cycle / cycle * k.PHASE_BINS).astype(np.int64), k.PHASE_BINS - 1)
    share = np.clip(state["phase_scale"].astype(np.float64) / (float(state["slow"]) + _TINY), 0.2, 10.0)
    return np.where(state["phase_count"][b] <= k.SLOT_KNOWN, usual, usual * share[b])


def _spread(state: np.void) -> float:
    """As `scale.spread`."""
    low, _, high = (float(one) for one in state["quantile"])
    tiny = max(k.TINY * abs(float(state["reference"])), k.SMALLEST) / float(state["unit"])
    return max(high - low, k.RANGE_FLOOR * (float(state["top"]) - float(state["bottom"])), tiny)


def _least(state: np.void) -> float:
    """As `scale.least`."""
    lowest = float(state["reference"]) + float(state["unit"]) * float(state["bottom"])
    return 0.0 if lowest >= -k.ROUNDING * float(state["unit"]) else -np.inf
