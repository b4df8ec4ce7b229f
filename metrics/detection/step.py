"""One step of one series: normalise, forecast, measure, calibrate, judge, learn. In this order: a point never judges itself."""

import numpy as np

from metrics.detection import constants as k
from metrics.detection import layout as lay
from metrics.detection.band import learn_band, width
from metrics.detection.calibration import maintain, surprise
from metrics.detection.compiled import inline
from metrics.detection.episodes import judge
from metrics.detection.explain import explained, keep
from metrics.detection.forecast import experts, learn
from metrics.detection.residual import bridge, mean_of, push, residual, time_of_day, unroll
from metrics.detection.rhythm import find_rhythm
from metrics.detection.scale import least, normalise, spread
from metrics.detection.shapes import novelty
from metrics.detection.warmup import accept_level

# Points of the windows whose shape is compared: shape_8, shape_32, shape_64.
LENGTHS = (8, 32, 64)


@inline
def measure(s, w, t_ms, z, y, scale):
    """Fills w.feature; NaN where a feature is not defined (yet)."""
    distance = abs(z - y)
    if s.is_seasonal:
        distance = explained(s, t_ms, z, distance)
    w.feature[0] = residual(s, t_ms, distance, scale)
    w.feature[1] = time_of_day(s, t_ms, z, scale) if s.is_seasonal else np.nan
    unroll(s, w)
    w.level = mean_of(w, k.SHORT_MEAN)
    w.feature[2] = abs(w.level) / scale if s.run >= k.SHORT_MEAN else np.nan
    w.feature[3] = abs(mean_of(w, k.LONG_MEAN)) / scale if s.run >= k.LONG_MEAN else np.nan
    for which in range(3):
        length = LENGTHS[which]
        w.feature[4 + which] = novelty(s, which, w, length, scale) if s.run >= length else np.nan


@inline
def note_flat(s, w, raw):
    """w.flat := the surprise of a run of equal values: 2.6 when it is three times the longest before, unless that value is usual."""
    w.flat = 0.0
    if raw == s.raw:
        s.flat_run += 1
    else:
        if s.flat_run > s.flat_longest:
            s.flat_longest = s.flat_run
            s.flat_usual = s.raw
        s.flat_run = 1
    if s.points - s.flat_run >= k.WARM_UP and raw != s.flat_usual:
        w.flat = k.SCORE_HALF * s.flat_run / (k.FLAT_FACTOR * max(s.flat_longest, k.FLAT_MIN))


@inline
def note_shift(s, w, t_ms):
    """After long enough away from the usual level, that level is the usual one."""
    away = s.run >= k.LONG_MEAN and abs(mean_of(w, k.LONG_MEAN)) > spread(s)
    s.shifted = s.shifted + 1 if away else 0
    patience = k.SHIFT_CYCLES * s.cycle_ms // s.step_ms if s.is_seasonal else k.SHIFT_POINTS
    if s.shifted >= patience or s.reset_due:
        accept_level(s, w, t_ms)
        s.reset_due = 0


@inline
def step(s, w, t_ms, x, raw):
    """Takes one value (`raw`: as it was sent) that is newer than all before.

    Fills w.yhat, w.lower and w.upper (in the value's unit), w.surprise, w.flat, w.event and w.status.
    """
    floor = least(s)
    z = normalise(s, x)
    if s.points == 0:
        s.expert[:] = 0.0
        s.expert[:4] = z
    y = experts(s, w, t_ms)
    if s.points > 0:
        bridge(s, t_ms, y)
    push(s, z)
    find_rhythm(s, w)
    scale = spread(s)
    reach = width(s, t_ms)
    margin = k.BAND_MARGIN * scale
    w.lower = max(s.reference + s.unit * (y + s.band_low * reach - margin), floor)
    w.upper = max(s.reference + s.unit * (y + s.band_high * reach + margin), floor)
    measure(s, w, t_ms, z, y, scale)
    maintain(s)
    w.surprise = surprise(s, w)
    note_flat(s, w, raw)
    w.yhat = max(s.reference + s.unit * y, floor)
    learn(s, w, t_ms, z)
    if s.is_seasonal:
        keep(s, t_ms, z)
    learn_band(s, reach, z - y)
    s.points += 1
    s.last_ms = t_ms
    s.raw = raw
    decide(s, w, t_ms, x)
    note_shift(s, w, t_ms)


@inline
def decide(s, w, t_ms, x):
    """Event and status: nothing is reported before 150 points and one whole cycle."""
    if not s.is_alerting:
        day = s.cycle_ms if s.is_seasonal else 0
        s.is_alerting = s.points >= k.WARM_UP and t_ms - s.first_ms >= day
    w.status = lay.SCORED if s.is_alerting else lay.LEARNING
    w.event = judge(s, w, t_ms, x) if s.is_alerting else 0
