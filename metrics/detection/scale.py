"""The running centre, scale and range of a series, and the normalised coordinates in which its state is kept."""

import numpy as np

from metrics.detection import constants as k
from metrics.detection.compiled import inline


@inline
def spread(s):
    """The scale: the 5 % to 95 % range, but at least a share of the whole range and above rounding errors."""
    tiny = max(k.TINY * abs(s.reference), k.SMALLEST) / s.unit
    return max(s.quantile[2] - s.quantile[0], k.RANGE_FLOOR * (s.top - s.bottom), tiny)


@inline
def least(s):
    """The least value to expect of the series: zero where no value of late was below it; else minus infinity."""
    lowest = s.reference + s.unit * s.bottom
    return 0.0 if lowest >= -k.ROUNDING * s.unit else -np.inf


@inline
def follow(s, z):
    """Moves range and quantiles by one point at `z`; stochastic approximation of the quantiles (Robbins & Monro, 1951)."""
    fade = 0.6931471805599453 * s.step_ms / k.RANGE_HALF_LIFE_MS
    s.top = max(s.top - fade * (s.top - s.quantile[1]), z)
    s.bottom = min(s.bottom + fade * (s.quantile[1] - s.bottom), z)
    gain = k.QUANTILE_GAIN * max(s.quantile[2] - s.quantile[0], k.TINY)
    s.quantile[0] += gain * (0.05 - (1.0 if z < s.quantile[0] else 0.0))
    s.quantile[1] += gain * (0.5 - (1.0 if z < s.quantile[1] else 0.0))
    s.quantile[2] += gain * (0.95 - (1.0 if z < s.quantile[2] else 0.0))


@inline
def fixed(z):
    """`z` as a 16-bit fixed-point number."""
    return np.int16(np.rint(min(max(z * k.FIXED, -32767.0), 32767.0)))


@inline
def short(z):
    """`z` as an 8-bit fixed-point number."""
    return np.int8(np.rint(min(max(z * k.PAST_FIXED, -127.0), 127.0)))


@inline
def _move_past(s, ratio, shift):
    for i in range(k.PAST):
        s.past[i] = short(s.past[i] / k.PAST_FIXED * ratio + shift)


@inline
def _move_fixed(slots, ratio, shift):
    for i in range(len(slots)):
        if slots[i] != k.UNKNOWN:
            slots[i] = fixed(slots[i] / k.FIXED * ratio + shift)


@inline
def _move(numbers, ratio, shift):
    for i in range(len(numbers)):
        numbers[i] = numbers[i] * ratio + shift


@inline
def rebase(s, reference, unit):
    """Re-expresses the state around `reference` in units of `unit`: z' = z * ratio + shift for levels, * ratio for distances."""
    ratio = s.unit / unit
    shift = (s.reference - reference) / unit
    _move(s.quantile[:], ratio, shift)
    _move(s.expert[:], ratio, shift)
    _move(s.recent_now[:], ratio, shift)
    _move(s.recent_before[:], ratio, shift)
    _move(s.ring[:], ratio, shift)
    s.top = s.top * ratio + shift
    s.bottom = s.bottom * ratio + shift
    _move_fixed(s.season_mean[:], ratio, shift)
    _move_fixed(s.season_spread[:], ratio, 0.0)
    _move_past(s, ratio, shift)
    _move_fixed(s.day[:], ratio, shift)
    _move_fixed(s.week[:], ratio, shift)
    for i in range(4):
        _move_fixed(s.recent[i, :], ratio, shift)
    _move(s.error[:], ratio, 0.0)
    _move(s.level_scale[:], ratio, 0.0)
    _move(s.phase_scale[:], ratio, 0.0)
    s.expert[4] -= shift
    s.day_offset *= ratio
    s.week_offset *= ratio
    s.slow *= ratio
    s.fast *= ratio
    s.band_scale *= ratio
    s.reference = reference
    s.unit = unit


@inline
def renormalise(s):
    """Keeps the coordinates within the range of the fixed-point memories: rare, a few times in the life of a series."""
    scale = spread(s)
    centre = s.quantile[1]
    if scale > 2.0 or scale < 0.5 or abs(centre) > 4.0:
        rebase(s, s.reference + centre * s.unit, max(scale * s.unit, k.SMALLEST))


@inline
def normalise(s, x):
    """The value in the series' coordinates, after range, quantiles and coordinates have made room for it."""
    far = abs(x - s.reference) / s.unit
    if far > k.FAR:
        rebase(s, s.reference, k.RANGE_FLOOR * far * s.unit)
    follow(s, (x - s.reference) / s.unit)
    renormalise(s)
    return (x - s.reference) / s.unit
