"""The compiled entry points: batches of points in, verdicts out. Imported by the engine at the first call."""

import math

import numba as nb
import numpy as np

from metrics.detection import constants as k
from metrics.detection import layout as lay
from metrics.detection.compiled import inline, kernel
from metrics.detection.episodes import silence_limit_ms
from metrics.detection.step import step
from metrics.detection.warmup import hold, open_model, restart

_STATES = nb.from_dtype(lay.STATE)[::1]
_VERDICTS = nb.from_dtype(lay.VERDICT)[::1]
_WORK = nb.from_dtype(lay.WORK)[::1]
_INTS = nb.types.Array(nb.int64, 1, "C", readonly=True)
_FLOATS = nb.types.Array(nb.float64, 1, "C", readonly=True)
_KINDS = nb.types.Array(nb.uint8, 1, "C", readonly=True)


@inline
def blank(v, row, t_ms, x, status):
    """A verdict that says nothing but where the point went."""
    v.row = row
    v.timestamp_ms = t_ms
    v.value = x
    v.yhat = np.nan
    v.lower = np.nan
    v.upper = np.nan
    v.episode_ms = 0
    v.surprise = np.nan
    v.score = np.nan
    for i in range(len(lay.FEATURES)):
        v.detectors[i] = np.nan
    v.status = status
    v.event = 0
    v.kind = 0
    v.direction = 0


@inline
def score_of(surprise):
    """Surprise as 0..100 for people: 50 where an alert starts at normal sensitivity."""
    return 100.0 * surprise / (surprise + k.SCORE_HALF) if surprise > 0.0 else 0.0


@inline
def fill(v, s, w):
    """The outcome of a step; the features' shares only when there is something to explain."""
    v.yhat = w.yhat
    v.lower = w.lower
    v.upper = w.upper
    v.surprise = max(w.surprise, w.flat)
    v.score = score_of(v.surprise)
    v.status = w.status
    v.event = w.event
    if v.surprise >= 1.0:
        for i in range(k.STREAMS):
            v.detectors[i] = 0.5 * math.log10(max(w.power[i], 1e-12))
        v.detectors[k.STREAMS] = w.flat
    if v.event:
        v.episode_ms = s.episode_ms
        v.kind = s.kind
        v.direction = s.direction


@inline
def rate(s, t_ms, x):
    """What the model sees of a raw value: itself, or of a counter the growth per second (NaN right after a reset)."""
    if not s.is_counter:
        return x
    per_s = 1000.0 / (t_ms - s.last_ms)
    if x >= s.raw:
        return (x - s.raw) * per_s
    most = s.reference + s.unit * s.top
    return x * per_s if 0.0 <= x * per_s <= most else np.nan


@inline
def note_kind(s, x):
    """Follows rises and falls; restarts as a counter or as a gauge when the series turns out to be the other one."""
    if x > s.raw:
        s.rises += 1
    elif x < s.raw:
        s.rises = 0
        s.falls += 1 if s.is_counter and x > k.RESET_SHARE * s.raw else 0
    if s.is_counter and s.falls >= k.COUNTER_FALLS:
        restart(s, lay.GAUGE)
    elif not s.is_counter and s.rises >= k.COUNTER_RUN and s.counter_hint != lay.GAUGE:
        restart(s, lay.COUNTER)


@inline
def to_raw(v, before, gap_s):
    """Forecast and band of a counter's rate as values of the counter."""
    v.yhat = before + v.yhat * gap_s
    v.lower = before + v.lower * gap_s
    v.upper = before + v.upper * gap_s


@inline
def close_open(s, v):
    """Ends what is open when a series is learned anew."""
    if s.is_open:
        s.is_open = 0
        v.event = lay.CLOSE
        v.episode_ms = s.episode_ms
        v.kind = s.kind
        v.direction = s.direction


@inline
def advance_model(s, w, v, t_ms, x):
    """One step with the raw value `x`; false when a counter's reset left nothing to score."""
    before, before_ms = s.raw, s.last_ms
    value = rate(s, t_ms, x)
    if math.isnan(value):
        s.raw = x
        s.last_ms = t_ms
        return
    step(s, w, t_ms, value, x)
    fill(v, s, w)
    if s.is_counter:
        to_raw(v, before, (t_ms - before_ms) / 1000.0)


@inline
def take(s, w, v, t_ms, x):
    """One value for the model, newer than all before: a point, or the sum or mean of a closed bin. Completes its verdict."""
    if s.mode != lay.WARMING:
        if s.mode == lay.DIRECT and t_ms - s.last_ms < k.SAME_STEP * s.step_ms:
            v.status = lay.MERGED
            return
        note_kind(s, x)
    if s.mode == lay.WARMING:
        v.status = lay.LEARNING
        close_open(s, v)
        if hold(s, t_ms, x):
            warm_up(s, w, v)
            forget_verdict(v)
        return
    advance_model(s, w, v, t_ms, x)


@inline
def forget_verdict(v):
    """The points of the warm-up have no verdict: their scale was measured on themselves."""
    t_ms, x = v.timestamp_ms, v.value
    blank(v, v.row, t_ms, x, lay.LEARNING)


@inline
def warm_up(s, w, v):
    """Opens the model and runs the held points through it; `v` is scratch."""
    open_model(s, w)
    s.raw = math.nan
    if s.is_counter:
        s.raw = w.held[0]
    for i in range(1 if s.is_counter else 0, k.WARM_UP):
        t_ms = w.held_ms[i]
        if s.bin_width_ms > 0 and not s.minutes_sum:
            warm_up_bin(s, w, v, t_ms, w.held[i])
        elif s.points == 0 or t_ms - s.last_ms >= k.SAME_STEP * s.step_ms:
            advance_model(s, w, v, t_ms, w.held[i])


@inline
def warm_up_bin(s, w, v, t_ms, x):
    """One held point of an irregular series: closes the bin before and joins its own, which stays open."""
    bin_ms = t_ms - t_ms % s.bin_width_ms
    if s.bin_count > 0 and bin_ms > s.bin_ms:
        mean = s.bin_sum / s.bin_count
        s.bin_count = 0
        s.closed_ms = s.bin_ms
        if s.bin_ms > s.last_ms:
            advance_model(s, w, v, s.bin_ms, mean)
    add_to_bin(s, bin_ms, x)


@inline
def add_to_bin(s, bin_ms, x):
    """Joins one value to the open bin, or opens it."""
    if s.bin_count == 0:
        s.bin_ms = bin_ms
        s.bin_sum = 0.0
    s.bin_sum += x
    s.bin_count += 1


@inline
def gap_seen(s, gap_ms):
    """Moves the running median of the gaps between points (octaves)."""
    s.gap_median += 0.02 if math.log2(gap_ms) > s.gap_median else -0.02


@inline
def check_step(s, v):
    """A series whose points come at another step than assumed is learned anew."""
    s.seen += 1
    if s.seen % k.STEP_CHECK == 0 and s.mode != lay.WARMING and abs(s.gap_median - s.gap_start) > k.STEP_DRIFT:
        restart(s, s.counter_hint)
        close_open(s, v)


@inline
def close_bin(s, w, v, row):
    """Hands the open bin to the model as one value at its start."""
    x = s.bin_sum if s.minutes_sum else s.bin_sum / s.bin_count
    s.bin_count = 0
    blank(v, row, s.bin_ms, x, lay.GAP)
    if s.minutes_sum and s.seen > 1:
        gap_seen(s, s.bin_ms - s.closed_ms)
    s.closed_ms = s.bin_ms
    take(s, w, v, s.bin_ms, x)
    if s.minutes_sum:
        check_step(s, v)


@inline
def bin_is_over(s, now_ms):
    """Whether the clock alone closes the open bin; only for series with live points, for history has no clock."""
    return s.is_live and s.bin_count > 0 and now_ms >= s.bin_ms + s.bin_width_ms + k.MINUTE_GRACE_MS


@inline
def write_silence(s, v, row, event):
    """The record that opens or ends a silence."""
    blank(v, row, s.silence_ms, np.nan, lay.ABSENT)
    v.surprise = k.SCORE_HALF
    v.score = score_of(k.SCORE_HALF)
    v.detectors[len(lay.FEATURES) - 1] = k.SCORE_HALF
    v.event = event
    v.kind = lay.SILENCE
    v.direction = -1
    v.episode_ms = s.silence_ms


@inline
def begin_silence(s, now_ms):
    """Whether a silence starts now; it is dated one step after the newest point."""
    if s.is_silent or not (s.is_live and s.is_alerting) or now_ms - s.arrival_ms <= silence_limit_ms(s):
        return False
    s.is_silent = 1
    s.silence_ms = s.newest_ms + s.step_ms
    return True


@inline
def arrive(s, v, row, received_ms):
    """Notes a live arrival; 1 when it ended a silence, whose record is then in `v`, else 0."""
    event = lay.CLOSE
    if begin_silence(s, received_ms):
        event |= lay.OPEN
    ended = s.is_silent
    if ended:
        s.is_silent = 0
        write_silence(s, v, row, event)
    waited = received_ms - s.arrival_ms
    if s.is_live and waited > 0 and s.mode != lay.WARMING:
        s.gap_p99 += 0.0495 if math.log2(waited) >= s.gap_p99 else -0.0005
    s.arrival_ms = max(s.arrival_ms, received_ms) if s.is_live else received_ms
    s.is_live = 1
    return ended


@inline
def take_direct(s, w, v, row, t_ms, x):
    """A point of a series that is scored point by point."""
    blank(v, row, t_ms, x, lay.LATE)
    if t_ms <= s.newest_ms:
        return
    if s.seen > 0:
        gap_seen(s, t_ms - s.newest_ms)
    s.newest_ms = t_ms
    v.status = lay.GAP
    if abs(x) <= k.HUGE:
        take(s, w, v, t_ms, x)
    check_step(s, v)


@inline
def take_binned(s, w, out, n, row, t_ms, x, now_ms):
    """A point of a series that is scored bin by bin; the number of records written from `n` on (1 or 2)."""
    bin_ms = t_ms - t_ms % s.bin_width_ms
    made = 0
    if bin_is_over(s, now_ms) or (s.bin_count > 0 and bin_ms > s.bin_ms):
        close_bin(s, w, out[n], row)
        made = 1
    v = out[n + made]
    blank(v, row, t_ms, x, lay.LATE)
    if bin_ms <= s.closed_ms or (s.bin_count > 0 and bin_ms < s.bin_ms):
        return made + 1
    if not s.minutes_sum:
        if t_ms > s.newest_ms:
            gap_seen(s, t_ms - s.newest_ms)
        check_step(s, v)
    s.newest_ms = max(s.newest_ms, t_ms)
    v.status = lay.GAP
    if abs(x) <= k.HUGE:
        v.status = lay.PENDING
        if s.bin_width_ms > 0:
            add_to_bin(s, bin_ms, x)
        else:
            take(s, w, v, t_ms, x)
    return made + 1


@inline
def take_point(s, w, out, n, row, t_ms, x, received_ms, live):
    """One point of either kind of series; the number of records written from `n` on (1 to 3)."""
    made = 0
    if live and abs(x) <= k.HUGE:
        made = arrive(s, out[n], row, received_ms)
    if s.bin_width_ms > 0:
        return made + take_binned(s, w, out, n + made, row, t_ms, x, received_ms if live else s.bin_ms)
    take_direct(s, w, out[n + made], row, t_ms, x)
    return made + 1


@inline
def look_at_clock(s, w, out, n, row, now_ms):
    """A bin that is over and a silence that starts; the number of records written from `n` on (0 to 2)."""
    made = 0
    if bin_is_over(s, now_ms):
        close_bin(s, w, out[n], row)
        made = 1
    if begin_silence(s, now_ms):
        write_silence(s, out[n + made], row, lay.OPEN)
        made += 1
    return made


@kernel(nb.int64(_STATES, _VERDICTS, _INTS, _INTS, _FLOATS, _INTS, _KINDS))
def advance(states, out, rows, times_ms, values, received_ms, kinds):
    """Takes every point in order; the number of records written to `out`, which has room for three per point.

    kinds: layout.LIVE, layout.BACKFILL, or layout.CLOCK, which is no point but a look at the clock at its received_ms.
    """
    work = np.empty(1, lay.WORK)
    n = 0
    for i in range(len(rows)):
        s = states[rows[i]]
        if kinds[i] == lay.CLOCK:
            n += look_at_clock(s, work[0], out, n, rows[i], received_ms[i])
        else:
            live = kinds[i] == lay.LIVE
            n += take_point(s, work[0], out, n, rows[i], times_ms[i], values[i], received_ms[i], live)
    return n
