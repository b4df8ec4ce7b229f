"""How rare a feature's value is in the own history of its series: a decayed histogram with a Pareto tail.

References: Hill (1975), "A simple general approach to inference about the tail of a distribution".
"""

import math

import numpy as np

from metrics.detection import constants as k
from metrics.detection.compiled import inline

# The lowest octave of each feature's histogram: ratios to a scale start at 1/32, distances in scales at 1/256.
LOWEST = (-5, -5, -8, -8, -8, -8, -8)
# Added to a feature's surprise, log10 units: residual, time_of_day, mean_12, mean_40, shape_8, shape_32, shape_64.
OFFSETS = (-0.3, 0.0, 0.45, -0.15, 0.0, 0.0, -0.3)
SQUARED_OFFSETS = tuple(10.0 ** (2.0 * offset) for offset in OFFSETS)
# Natural logarithm of the middle of each of the 8 bins of an octave.
MIDDLE = tuple(math.log(1.0 + (i + 0.5) / 8.0) for i in range(8))
LN2 = math.log(2.0)


@inline
def bin_of(v, stream):
    """Bin of `v`: 8 equal parts per octave, read off the bits of the float."""
    if not v > 0.0:
        return 0
    number = (np.float32(v).view(np.int32) >> 20) - ((127 + LOWEST[stream]) << 3)
    return min(max(np.int64(number), 0), k.BINS - 1)


@inline
def edge(b, stream):
    """Lower edge of bin `b`."""
    return math.ldexp(1.0 + (b & 7) / 8.0, LOWEST[stream] + (b >> 3))


@inline
def log_middle(b, stream):
    """Natural logarithm of the middle of bin `b`."""
    return (LOWEST[stream] + (b >> 3)) * LN2 + MIDDLE[b & 7]


@inline
def refit(s, stream):
    """Sets the tail of one feature: the bins that hold the highest 6 %, and the median below which nothing is rare."""
    row = s.histogram[stream, :]
    total = 0.0
    for j in range(k.BINS):
        total += row[j]
    held = 0.0
    logs = 0.0
    j = k.BINS - 1
    while j > 0 and held + row[j] < k.TAIL * total:
        held += row[j]
        logs += row[j] * log_middle(j, stream)
        j -= 1
    u = edge(j + 1, stream) if j + 1 < k.BINS else edge(k.BINS - 1, stream) * 2.0
    s.tail_edge[stream] = u
    s.tail_share[stream] = held / total if held > 0.0 else k.TAIL / 2.0
    s.tail_alpha[stream] = alpha_of(held / k.COUNT, logs / max(held, 1.0) - math.log(u))
    while j > 0 and held + row[j] < 0.5 * total:
        held += row[j]
        j -= 1
    s.middle_edge[stream] = min(edge(j, stream), 0.9 * u)


@inline
def alpha_of(count, excess):
    """Tail index of `count` values with mean log `excess` over the tail's edge, with a prior worth three values."""
    if count <= 0.0:
        return k.PRIOR_ALPHA
    alpha = (count + k.PRIOR_WEIGHT) / (count * excess + k.PRIOR_WEIGHT / k.PRIOR_ALPHA)
    return min(max(alpha, k.ALPHA_MIN), k.ALPHA_MAX)


@inline
def rarity(s, stream, v):
    """Share of the history at or above `v`: Pareto above the tail's edge, log-linear from there to the median, at least 1e-12."""
    u = s.tail_edge[stream]
    if u == 0.0:
        return 1.0
    if v >= u:
        p = s.tail_share[stream] * (v / u) ** (-s.tail_alpha[stream])
        return max(min(p, 1.0), k.P_MIN)
    middle = s.middle_edge[stream]
    if v <= middle:
        return 1.0 - 0.5 * v / max(middle, 1e-12)
    return 0.5 + (s.tail_share[stream] - 0.5) * (v - middle) / (u - middle)


@inline
def count(s, stream, v):
    """Adds one value to the history."""
    b = bin_of(v, stream)
    s.histogram[stream, b] = min(np.int64(s.histogram[stream, b]) + k.COUNT, 65535)


@inline
def age(s):
    """Lets every histogram fade; what a bin loses is rounded up or down by a fixed sequence, so that small bins fade too."""
    keep = 0.5 ** (k.AGE_EVERY / k.HALF_LIFE)
    turn = (s.points // k.AGE_EVERY) * 0.6180339887498949
    for stream in range(k.STREAMS):
        row = s.histogram[stream, :]
        for b in range(k.BINS):
            if row[b] != 0:
                place = turn + (stream * k.BINS + b) * 0.7548776662466927
                row[b] = np.uint16(math.floor(row[b] * keep + (place - math.floor(place))))


@inline
def seconded(s, p):
    """The rarity of a residual, up to three times more common when neither of the two points before was as rare: two of three count."""
    second = max(min(s.spiked[0], s.spiked[1]), min(max(s.spiked[0], s.spiked[1]), p))
    s.spiked[1] = s.spiked[0]
    s.spiked[0] = p
    return max(p, min(second, k.LONE_SPIKE * p, 1.0))


@inline
def surprise(s, w):
    """Joint surprise of the features in w.feature (log10 units; NaN feature = not defined), and each one's in w.power.

    S = log10(mean of 10^(2 A)) / 2 minus a term for the length of the history: what happens once a week is no news in week ten.
    """
    mean = 0.0
    for stream in range(k.STREAMS):
        v = w.feature[stream]
        w.power[stream] = 0.0
        if np.isnan(v):
            continue
        p = rarity(s, stream, v)
        if stream == 0:
            p = seconded(s, p)
        w.power[stream] = SQUARED_OFFSETS[stream] / (p * p)
        mean += w.power[stream] / k.STREAMS
        count(s, stream, v)
    n = min(max(np.float64(s.points), 100.0), k.LENGTH_MAX)
    return 0.5 * math.log10(max(mean, 1e-4)) - k.LENGTH_TERM * math.log10(n / 1000.0)


@inline
def maintain(s):
    """The periodic work of calibration: refit each feature every 16 points, in turn, and age the histograms."""
    for stream in range(k.STREAMS):
        if (s.points + 2 * stream) % k.REFIT_EVERY == 0:
            refit(s, stream)
    if s.points % k.AGE_EVERY == 0:
        age(s)
