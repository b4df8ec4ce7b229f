"""From surprise to events: one alert per episode, with refractory time and habituation."""

import numpy as np

from metrics.detection import constants as k
from metrics.detection import layout as lay
from metrics.detection.compiled import inline
from metrics.detection.scale import spread

STREAM_KINDS = (lay.SPIKE, lay.SPIKE, lay.LEVEL_SHIFT, lay.LEVEL_SHIFT, lay.SHAPE, lay.SHAPE, lay.SHAPE)


@inline
def loudest(s, w):
    """The feature that an alert is about: the residual or the time of day if one is surprised enough alone, else the most surprised."""
    best = 0 if w.power[0] >= w.power[1] else 1
    if w.power[best] >= 10.0 ** (2.0 * s.threshold):
        return best
    for stream in range(k.STREAMS):
        if w.power[stream] > w.power[best]:
            best = stream
    return best


@inline
def begin(s, w, t_ms, x):
    """Notes what the new episode is about."""
    stream = loudest(s, w)
    s.kind = STREAM_KINDS[stream]
    s.direction = way(s, w, x)
    if w.flat >= w.surprise:
        s.kind = lay.FLAT
        s.direction = 0
    s.episode_ms = t_ms


@inline
def way(s, w, x):
    """Up or down: where the level went, or else the value."""
    off = w.level if s.kind == lay.LEVEL_SHIFT else x - w.yhat
    return 1 if off >= 0.0 else -1


@inline
def judge(s, w, t_ms, x):
    """The event of one scored point (bits of layout.OPEN, ESCALATE, EXTEND, CLOSE; 0 = none)."""
    s.habit *= k.HABIT_DECAY
    score = max(w.surprise, w.flat)
    if score < s.threshold:
        return calm(s)
    if s.points > s.until:
        if score < s.threshold + s.habit:
            s.quiet = 0
            return 0
        begin(s, w, t_ms, x)
        s.habit += k.HABIT
        s.peak = score
        s.until = s.points + k.REFRACTORY
        return going_on(s, lay.OPEN)
    event = lay.EXTEND
    if score > k.ESCALATION * s.peak:
        event = lay.ESCALATE
        s.until = s.points + k.REFRACTORY
        if s.direction != 0:
            s.direction = way(s, w, x)
    s.peak = max(s.peak, score)
    s.until = max(s.until, s.points + k.QUIET)
    if event == lay.EXTEND and is_echo(s, w, x):
        return calm(s)
    return going_on(s, event)


@inline
def going_on(s, event):
    s.is_open = 1
    s.quiet = 0
    return event


@inline
def is_echo(s, w, x):
    """Whether a spike is over and only the windows that still hold it are surprised: this value alone is a usual one.

    Neither the forecast nor the time of day is surprised enough alone, and the value is back at the usual level.
    """
    loud = 10.0 ** (2.0 * s.threshold)
    is_back = abs((x - s.reference) / s.unit - s.quantile[1]) <= spread(s)
    return s.kind == lay.SPIKE and is_back and w.power[0] < loud and w.power[1] < loud


@inline
def calm(s):
    """Counts a point under the threshold; the fifth in a row closes the episode."""
    if not s.is_open:
        return 0
    s.quiet += 1
    if s.quiet < k.CLOSE_AFTER:
        return 0
    s.is_open = 0
    return lay.CLOSE


@inline
def silence_limit_ms(s):
    """How long after the last arrival the series counts as silent."""
    return np.int64(max(k.SILENCE_STEPS * s.step_ms, k.SILENCE_FACTOR * 2.0**s.gap_p99))
