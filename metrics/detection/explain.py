"""What the same time on the two days before says about a value: a residual that happened before is no surprise."""

import numpy as np

from metrics.detection import constants as k
from metrics.detection.compiled import inline
from metrics.detection.forecast import phase, slots
from metrics.detection.scale import fixed


@inline
def _outside(z, low, high):
    if low == k.UNKNOWN:
        return np.inf
    return max(low / k.FIXED - z, z - high / k.FIXED, 0.0)


@inline
def explained(s, t_ms, z, distance):
    """The smaller of `distance` and the distance of `z` to what was seen one step around this time, one and two cycles ago."""
    count = slots(s, k.RECENT_SLOTS)
    here = phase(t_ms, s.cycle_ms) * count
    reach = count * s.step_ms / s.cycle_ms
    own = min(np.int64(here), count - 1)
    for day in range(2):
        low, high = s.recent[2 * day, own], s.recent[2 * day + 1, own]
        after = np.int64(np.floor(here + reach)) % count
        if after != own and s.recent[2 * day, after] != k.UNKNOWN:
            low, high = _join(low, high, s.recent[2 * day, after], s.recent[2 * day + 1, after])
        before = np.int64(np.floor(here - reach)) % count
        if before != own and s.recent_before[2 * day] > -100.0:
            low, high = _join(low, high, fixed(s.recent_before[2 * day]), fixed(s.recent_before[2 * day + 1]))
        distance = min(distance, _outside(z, low, high))
    return distance


@inline
def _join(low, high, other_low, other_high):
    if low == k.UNKNOWN:
        return other_low, other_high
    return min(low, other_low), max(high, other_high)


@inline
def keep(s, t_ms, z):
    """Adds the point to its slot; a slot that is over becomes yesterday's, and yesterday's the day before's."""
    count = slots(s, k.RECENT_SLOTS)
    own = min(np.int64(phase(t_ms, s.cycle_ms) * count), count - 1)
    if own == s.recent_slot:
        s.recent_now[0] = min(s.recent_now[0], z)
        s.recent_now[1] = max(s.recent_now[1], z)
        return
    if s.recent_slot >= 0:
        _commit(s, s.recent_slot)
    s.recent_slot = own
    s.recent_now[0] = z
    s.recent_now[1] = z


@inline
def _commit(s, slot):
    for i in range(4):
        s.recent_before[i] = s.recent[i, slot] / k.FIXED if s.recent[i, slot] != k.UNKNOWN else -1000.0
    s.recent[2, slot] = s.recent[0, slot]
    s.recent[3, slot] = s.recent[1, slot]
    s.recent[0, slot] = fixed(s.recent_now[0])
    s.recent[1, slot] = fixed(s.recent_now[1])
