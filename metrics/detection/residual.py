"""The features that compare one value with its forecast, its time of the day and the level: residual, time of day, means."""

import numpy as np

from metrics.detection import constants as k
from metrics.detection.compiled import inline
from metrics.detection.forecast import phase
from metrics.detection.scale import fixed, short


@inline
def push(s, z):
    """Appends one normalised value to the ring."""
    s.ring[s.total % k.WINDOW] = z
    s.past[s.total % k.PAST] = short(z)
    s.total += 1
    s.run = min(s.run + 1, k.PAST)


@inline
def bridge(s, t_ms, y):
    """Before the point at `t_ms`: a short gap is filled with the forecast, a long one empties the windows."""
    missing = np.int64(np.rint((t_ms - s.last_ms) / s.step_ms)) - 1
    if missing > k.HOLD_STEPS:
        s.run = 0
        return
    for _ in range(missing):
        push(s, y)


@inline
def unroll(s, w):
    """w.window := running sums of the last 64 values, less the centre, oldest first."""
    centre = s.quantile[1]
    total = 0.0
    w.window[0] = 0.0
    for i in range(k.WINDOW):
        total += s.ring[(s.total + i) % k.WINDOW] - centre
        w.window[i + 1] = total


@inline
def mean_of(w, length):
    """Mean of the last `length` values, less the centre."""
    return (w.window[k.WINDOW] - w.window[k.WINDOW - length]) / length


@inline
def residual(s, t_ms, distance, scale):
    """`distance` over the largest of its slow, fast, time-of-day and level scales, which then learn it."""
    b = min(np.int64(phase(t_ms, s.cycle_ms) * k.PHASE_BINS), k.PHASE_BINS - 1) if s.is_seasonal else 0
    place = (s.expert[0] - s.quantile[1]) / scale * (k.LEVEL_BINS // 2) + k.LEVEL_BINS / 2
    level = min(max(np.int64(place), 0), k.LEVEL_BINS - 1)
    usual = max(s.slow, k.RESIDUAL_FLOOR * scale, s.fast)
    if s.is_seasonal and s.phase_count[b] > k.SLOT_KNOWN:
        usual = max(usual, s.phase_scale[b])
    if s.level_count[level] > k.SLOT_KNOWN:
        usual = max(usual, s.level_scale[level])
    clipped = min(distance, k.RESIDUAL_CLIP * s.slow + 1e-12) if s.points > k.CLIPPED_FROM else distance
    s.slow += max(1.0 / (s.points + 1.0), 0.01) * (clipped - s.slow)
    s.fast += 0.1 * (clipped - s.fast)
    s.phase_count[b] = min(s.phase_count[b] + 1, 200)
    s.phase_scale[b] += max(1.0 / s.phase_count[b], 0.03) * (clipped - s.phase_scale[b])
    s.level_count[level] = min(s.level_count[level] + 1, 200)
    s.level_scale[level] += max(1.0 / s.level_count[level], 0.02) * (clipped - s.level_scale[level])
    return distance / (usual + 1e-12)


@inline
def time_of_day(s, t_ms, z, scale):
    """Deviation from the mean of this time of the cycle over its usual deviation; NaN before the third visit. Learns `z`."""
    count = min(np.int64(np.rint(s.cycle_ms / s.step_ms)), k.SEASON_BINS)
    b = min(np.int64(phase(t_ms, s.cycle_ms) * count), count - 1)
    mean, spread = s.season_mean[b] / k.FIXED, s.season_spread[b] / k.FIXED
    off = abs(z - mean)
    seen = s.season_count[b]
    out = off / (spread + 0.1 * scale + 1e-9) if seen >= 3 else np.nan
    seen = min(seen + 1, 200)
    s.season_count[b] = seen
    gain = max(1.0 / seen, 0.02)
    if seen > 10:
        off = min(off, 6.0 * (spread + 0.05 * scale))
    s.season_spread[b] = fixed(spread + gain * ((off if seen > 1 else 0.0) - spread))
    s.season_mean[b] = fixed(mean + gain * (z - mean))
    return out
