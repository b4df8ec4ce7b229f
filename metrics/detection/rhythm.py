"""Cycles of few points that no memory of the day can hold: every ten minutes at one-minute points, every seven hours, shifts.

Found by autocorrelation of the last 240 values, looked for every 120 points.
"""

import numpy as np

from metrics.detection import constants as k
from metrics.detection.compiled import inline


@inline
def one_rhythm_ago(s):
    """Mean of the values one and two rhythms before the next point, normalised."""
    once = s.past[(s.total - s.rhythm) % k.PAST]
    twice = s.past[(s.total - 2 * s.rhythm) % k.PAST]
    return 0.5 * (np.float64(once) + twice) / k.PAST_FIXED


@inline
def find_rhythm(s, w):
    """Sets s.rhythm to the cycle that the last values show, in points, or to 0 when they show none."""
    if s.run < k.PAST:
        s.rhythm = 0
        return
    if s.total % (k.PAST // 2) != 0:
        return
    echoes(s, w)
    best = 0.0
    for lag in range(k.RHYTHM_MIN, k.PAST // 2 + 1):
        if is_echo(w, lag):
            best = max(best, w.echo[lag])
    s.rhythm = shortest(w, k.RHYTHM_CLOSE * best) if best > 0.0 else 0


@inline
def shortest(w, enough):
    """The shortest lag that echoes enough: its multiples echo as well."""
    for lag in range(k.RHYTHM_MIN, k.PAST // 2 + 1):
        if w.echo[lag] >= enough and is_echo(w, lag):
            return lag
    return 0


@inline
def echoes(s, w):
    """w.echo[lag] := autocorrelation of the last values at every lag up to half of them and one more; 0 of a constant."""
    mean = np.float32(0.0)
    for i in range(k.PAST):
        w.past[i] = s.past[(s.total + i) % k.PAST]
        mean += w.past[i] / np.float32(k.PAST)
    power = np.float32(0.0)
    for i in range(k.PAST):
        w.past[i] -= mean
        power += w.past[i] * w.past[i]
    for lag in range(k.PAST // 2 + 2):
        total = np.float32(0.0)
        for i in range(lag, k.PAST):
            total += w.past[i] * w.past[i - lag]
        w.echo[lag] = total / (k.PAST - lag) * k.PAST / power if power > 0.0 else 0.0


@inline
def lowest(w, lag):
    least = w.echo[1]
    for shorter in range(2, lag):
        least = min(least, w.echo[shorter])
    return least


@inline
def is_echo(w, lag):
    """A local maximum above the limit, after a valley, that is higher than at half and, where known, at one and a half times the lag."""
    here = w.echo[lag]
    if here <= k.RHYTHM_ECHO or here <= w.echo[lag - 1] or here < w.echo[lag + 1] or here <= w.echo[lag // 2]:
        return False
    # Noise on a slow trend has local maxima without a valley before them.
    if here - lowest(w, lag) < k.RHYTHM_DEPTH:
        return False
    return 3 * lag // 2 > k.PAST // 2 or here > w.echo[3 * lag // 2]
