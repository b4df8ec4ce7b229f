"""The first points of a series: held back until its step, its kind and its scale are known, then run through the model."""

import math

import numpy as np

from metrics.detection import constants as k
from metrics.detection import layout as lay
from metrics.detection.compiled import inline
from metrics.detection.scale import fixed, spread


@inline
def hold(s, t_ms, x):
    """Keeps one point for later; True when there are enough."""
    s.buffer_ms[s.buffered] = t_ms
    s.buffer_value[s.buffered] = x
    s.buffered += 1
    return s.buffered == k.WARM_UP


@inline
def quantile_of(ordered, n, q):
    """The q-quantile of the first `n` of an ascending array, without interpolation."""
    return ordered[np.int64(q * (n - 1))]


@inline
def measure_gaps(s, w):
    """Sets step, cycle and the usual gaps from the held points."""
    n = k.WARM_UP - 1
    for i in range(n):
        w.sorted[i] = w.held_ms[i + 1] - w.held_ms[i]
    ordered = w.sorted[:n]
    ordered.sort()
    step = quantile_of(ordered, n, 0.5)
    s.gap_median = math.log2(step)
    s.gap_p99 = math.log2(quantile_of(ordered, n, 0.99))
    crowded = 0
    while ordered[crowded] < k.SAME_STEP * step:
        crowded += 1
    s.mode = lay.DIRECT
    if s.minutes_sum:
        s.mode = lay.BINNED
    elif crowded > k.CROWDED * n:
        s.mode = lay.BINNED
        step = quantile_of(ordered, n, 0.9)
        s.bin_width_ms = np.int64(step)
    s.gap_start = s.gap_median
    set_cycle(s, np.int64(step))


@inline
def set_cycle(s, step_ms):
    """A day if that has four steps or more, else a week if that has, else no cycle."""
    s.step_ms = step_ms
    s.cycle_ms = k.DAY_MS if k.MIN_CYCLE_POINTS * step_ms <= k.DAY_MS else k.WEEK_MS
    s.is_seasonal = 1 if s.cycle_ms >= k.MIN_CYCLE_POINTS * step_ms else 0


@inline
def recognise_counter(s, w):
    """A counter hardly ever falls, and if it does, to less than half: then it was reset."""
    rises = 0
    falls = 0
    for i in range(k.WARM_UP - 1):
        before, after = w.held[i], w.held[i + 1]
        rises += after > before
        falls += after < before and (after > k.RESET_SHARE * before or after < 0.0)
    if s.counter_hint:
        s.is_counter = s.counter_hint == lay.COUNTER
    else:
        s.is_counter = falls == 0 and rises >= k.COUNTER_RISES and w.held[0] >= 0.0


@inline
def measure_values(s, w):
    """Sets coordinates, quantiles and range from the held values (of a counter: from their rates)."""
    n = 0
    for i in range(k.WARM_UP):
        if not s.is_counter:
            w.sorted[n] = w.held[i]
            n += 1
        elif i > 0 and w.held[i] >= w.held[i - 1]:
            w.sorted[n] = (w.held[i] - w.held[i - 1]) * 1000.0 / (w.held_ms[i] - w.held_ms[i - 1])
            n += 1
    ordered = w.sorted[:n]
    ordered.sort()
    s.reference = quantile_of(ordered, n, 0.5)
    usual = quantile_of(ordered, n, 0.95) - quantile_of(ordered, n, 0.05)
    wide = max(usual, k.RANGE_FLOOR * (ordered[n - 1] - ordered[0]))
    largest = max(abs(ordered[0]), abs(ordered[n - 1]))
    s.unit = max(wide, k.TINY * largest, k.SMALLEST)
    set_quantiles(s, ordered, n, s.reference, s.unit)


@inline
def set_quantiles(s, ordered, n, reference, unit):
    """Quantiles and range of an ascending array, in the given coordinates."""
    s.quantile[0] = (quantile_of(ordered, n, 0.05) - reference) / unit
    s.quantile[1] = (quantile_of(ordered, n, 0.5) - reference) / unit
    s.quantile[2] = (quantile_of(ordered, n, 0.95) - reference) / unit
    s.bottom = (ordered[0] - reference) / unit
    s.top = (ordered[n - 1] - reference) / unit


@inline
def clear(s):
    """Empties the memories; the held points must have been copied, for they lie where the prototypes go."""
    for which in range(3):
        s.known[which] = 0
    s.day[:] = k.UNKNOWN
    s.week[:] = k.UNKNOWN
    s.recent[:] = k.UNKNOWN
    s.recent_before[:] = -1000.0
    s.recent_slot = -1
    s.rhythm = 0
    s.histogram[:] = 0
    s.season_count[:] = 0
    s.season_mean[:] = 0
    s.season_spread[:] = 0
    s.spiked[:] = 1.0
    s.phase_count[:] = 0
    s.phase_scale[:] = 0.0
    s.level_count[:] = 0
    s.level_scale[:] = 0.0
    s.error[:] = 0.0
    s.tail_edge[:] = 0.0
    s.points = 0
    s.total = 0
    s.until = 0
    s.run = 0
    s.shifted = 0
    s.rises = 0
    s.falls = 0
    s.flat_run = 0
    s.flat_longest = 0
    s.day_offset = 0.0
    s.week_offset = 0.0
    s.slow = 0.0
    s.fast = 0.0
    s.band_scale = 0.0
    s.band_low = 0.0
    s.band_high = 0.0
    s.habit = 0.0
    s.peak = 0.0


@inline
def open_model(s, w):
    """Everything that must be known before the first step; leaves the held points in w.held_ms and w.held."""
    w.held_ms[:] = s.buffer_ms
    w.held[:] = s.buffer_value
    clear(s)
    measure_gaps(s, w)
    recognise_counter(s, w)
    measure_values(s, w)
    s.buffered = 0
    s.first_ms = w.held_ms[0]
    s.day_origin_ms = s.first_ms
    s.last_ms = s.first_ms


@inline
def restart(s, hint):
    """Back to holding points, with what is known about the kind of series (0, COUNTER or GAUGE)."""
    s.mode = lay.WARMING
    s.buffered = 0
    s.bin_count = 0
    s.counter_hint = hint
    s.is_alerting = 0
    if not s.minutes_sum:
        s.bin_width_ms = 0


@inline
def accept_level(s, w, t_ms):
    """What the last values show is the normal level from now on; rarities keep their history."""
    n = min(np.int64(s.run), k.WINDOW)
    if n == 0:
        return
    for i in range(n):
        w.sorted[i] = s.ring[(s.total - 1 - i) % k.WINDOW]
    ordered = w.sorted[:n]
    ordered.sort()
    old = np.float64(s.quantile[1])
    set_quantiles(s, ordered, n, 0.0, 1.0)
    moved = s.quantile[1] - old
    for b in range(k.SEASON_BINS):
        s.season_mean[b] = fixed(s.season_mean[b] / k.FIXED + moved)
        s.season_count[b] = min(s.season_count[b], 3)
    s.day_offset += moved
    s.week_offset += moved
    s.day_origin_ms = t_ms - 2 * s.cycle_ms
    s.error[:] = 0.1 * spread(s)
    s.shifted = 0
