"""The forecast: a mixture of seven simple experts, each trusted by its recent error.

In the study that its constants come from (README.md) its mean absolute error was .865 of that of the last value.
"""

import numpy as np

from metrics.detection import constants as k
from metrics.detection.compiled import inline
from metrics.detection.rhythm import one_rhythm_ago
from metrics.detection.scale import fixed


@inline
def slots(s, most):
    """Number of slots of a memory of one cycle: one per point, at most `most`."""
    return min(max(np.int64(np.rint(s.cycle_ms / s.step_ms)), 1), most)


@inline
def phase(t_ms, cycle_ms):
    """Position of `t_ms` within the cycle, 0 <= phase < 1."""
    return (t_ms % cycle_ms) / cycle_ms


@inline
def recall(memory, count, where, pooled):
    """The remembered value at phase `where` of `count` slots (NaN when unknown); pooled slots are joined by straight lines."""
    own = min(np.int64(where * count), count - 1)
    if memory[own] == k.UNKNOWN:
        return np.nan
    value = memory[own] / k.FIXED
    if not pooled:
        return value
    offset = where * count - own - 0.5
    other = (own + (1 if offset > 0 else -1) + count) % count
    if memory[other] == k.UNKNOWN:
        return value
    return value + abs(offset) * (memory[other] / k.FIXED - value)


@inline
def remember(memory, count, where, z, gain, share):
    """Moves the slot at `where` by `gain`, spread over the `share` points that fall in one slot."""
    own = min(np.int64(where * count), count - 1)
    if memory[own] == k.UNKNOWN:
        memory[own] = fixed(z)
    else:
        each = gain / (share * (1.0 - gain) + gain)
        memory[own] = fixed(memory[own] / k.FIXED + each * (z - memory[own] / k.FIXED))


@inline
def experts(s, w, t_ms):
    """Fills w.forecast from what was known before this point; returns their weighted mean.

    s.expert: last value, fast mean, slow mean, Holt level, Holt slope.
    """
    f = w.forecast
    f[0] = s.expert[0]
    f[1] = s.expert[1]
    f[2] = s.expert[2]
    f[3] = s.expert[3] + s.expert[4]
    f[4] = f[1]
    f[5] = f[1]
    f[6] = f[1] if s.rhythm == 0 else one_rhythm_ago(s)
    if s.is_seasonal:
        count = slots(s, k.DAY_SLOTS)
        day = recall(s.day, count, phase(t_ms, s.cycle_ms), s.cycle_ms > 1.5 * count * s.step_ms)
        f[4] = f[1] if np.isnan(day) else day + s.day_offset
        hours = min(np.int64(k.WEEK_MS // s.step_ms), k.WEEK_SLOTS)
        week = recall(s.week, hours, phase(t_ms, k.WEEK_MS), 1.5 * hours * s.step_ms < k.WEEK_MS)
        f[5] = f[4] if np.isnan(week) else week + s.week_offset
    return mixture(s, w)


@inline
def mixture(s, w):
    """Mean of w.forecast weighted by (smallest error / own error)^4."""
    least = s.error[0]
    for i in range(1, k.EXPERTS):
        least = min(least, s.error[i])
    total = 0.0
    y = 0.0
    for i in range(k.EXPERTS):
        weight = (least + 1e-12) / (s.error[i] + 1e-12)
        weight *= weight
        weight *= weight
        total += weight
        y += weight * w.forecast[i]
    return y / total


@inline
def learn(s, w, t_ms, z):
    """Moves the experts, their errors and the memories of day and week by the point `z`."""
    n = s.points + 1.0
    for i in range(k.EXPERTS):
        error = abs(z - w.forecast[i])
        if s.points > 30:
            error = min(error, k.ERROR_CLIP * max(s.error[i], 1e-12))
        s.error[i] += max(1.0 / n, k.ERROR_GAIN) * (error - s.error[i])
    s.expert[0] = z
    s.expert[1] += 0.3 * (z - s.expert[1])
    s.expert[2] += max(1.0 / n, 0.03) * (z - s.expert[2])
    predicted = s.expert[3] + s.expert[4]
    s.expert[3] = predicted + 0.4 * (z - predicted)
    s.expert[4] = 0.98 * (s.expert[4] + 0.008 * (s.expert[3] - predicted))
    if s.is_seasonal:
        learn_cycles(s, t_ms, z)


@inline
def learn_cycles(s, t_ms, z):
    """Moves the memories of the same time of the cycle and of the week."""
    count = slots(s, k.DAY_SLOTS)
    where = phase(t_ms, s.cycle_ms)
    share = s.cycle_ms / (count * s.step_ms)
    own = min(np.int64(where * count), count - 1)
    if s.day[own] != k.UNKNOWN:
        s.day_offset += k.OFFSET_GAIN * (z - s.day[own] / k.FIXED - s.day_offset)
    days = (t_ms - s.day_origin_ms) // s.cycle_ms + 1.0
    remember(s.day, count, where, z, max(1.0 / days, k.DAY_GAIN), max(share, 1.0))
    hours = min(np.int64(k.WEEK_MS // s.step_ms), k.WEEK_SLOTS)
    known = s.week[min(np.int64(phase(t_ms, k.WEEK_MS) * hours), hours - 1)]
    if known != k.UNKNOWN:
        s.week_offset += k.OFFSET_GAIN * (z - known / k.FIXED - s.week_offset)
    remember(s.week, hours, phase(t_ms, k.WEEK_MS), z, k.WEEK_GAIN, max(k.WEEK_MS / (hours * s.step_ms), 1.0))
