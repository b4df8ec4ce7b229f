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
    """One step with the raw value `x`, and its verdict; a counter's reset may leave nothing to score."""
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
def add_to_bin(s, t_ms, x):
    """Joins one value to the open bin, or opens it."""
    if s.bin_count == 0:
        s.bin_ms = t_ms - t_ms % s.bin_width_ms
        s.bin_sum = 0.0
    s.bin_sum += x
    s.bin_count += 1


@inline
def take_out_bin(s):
    """The open bin's value, the sum of its points or their mean; closes the bin."""
    value = s.bin_sum if s.minutes_sum else s.bin_sum / s.bin_count
    s.bin_count = 0
    s.closed_ms = s.bin_ms
    return value


@inline
def put(w, n, t_ms, x):
    """Puts a value in the queue of the model."""
    w.queue_ms[n] = t_ms
    w.queue[n] = x
    return n + 1


@inline
def warm_up(s, w):
    """Opens the model and queues the held points, those of an irregular series bin by bin; the number queued."""
    open_model(s, w)
    s.raw = w.held[0] if s.is_counter else math.nan
    n = 0
    for i in range(1 if s.is_counter else 0, k.WARM_UP):
        t_ms = w.held_ms[i]
        if s.bin_width_ms == 0 or s.minutes_sum:
            n = put(w, n, t_ms, w.held[i])
            continue
        if s.bin_count > 0 and t_ms >= s.bin_ms + s.bin_width_ms:
            n = put(w, n, s.bin_ms, take_out_bin(s))
        add_to_bin(s, t_ms, w.held[i])
    return n


@inline
def admit(s, w, v, t_ms, x):
    """Decides what becomes of a value newer than all before; the number of values queued for the model."""
    if s.mode != lay.WARMING:
        note_kind(s, x)
    if s.mode != lay.WARMING:
        return put(w, 0, t_ms, x)
    v.status = lay.LEARNING
    close_open(s, v)
    return warm_up(s, w) if hold(s, t_ms, x) else 0


@inline
def run_queue(s, w, v, count):
    """Runs the queued values through the model; only a single one, not those of the warm-up, makes a verdict."""
    for i in range(count):
        if s.mode == lay.DIRECT and s.points > 0 and w.queue_ms[i] - s.last_ms < k.SAME_STEP * s.step_ms:
            v.status = lay.MERGED
        elif w.queue_ms[i] > s.last_ms or s.points == 0:
            advance_model(s, w, v, w.queue_ms[i], w.queue[i])
    if count > 1:
        blank(v, v.row, v.timestamp_ms, v.value, lay.LEARNING)


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
    """Hands the open bin to the model as one value at its start; the number of values queued."""
    if s.minutes_sum and s.seen > 1:
        gap_seen(s, s.bin_ms - s.closed_ms)
    x = take_out_bin(s)
    blank(v, row, s.bin_ms, x, lay.GAP)
    count = admit(s, w, v, s.bin_ms, x)
    if s.minutes_sum:
        check_step(s, v)
    return count


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
def take_direct(s, w, v, t_ms, x):
    """A point of a series that is scored point by point; the number of values queued for the model."""
    if t_ms <= s.newest_ms:
        return 0
    if s.seen > 0:
        gap_seen(s, t_ms - s.newest_ms)
    s.newest_ms = t_ms
    v.status = lay.GAP
    check_step(s, v)
    return admit(s, w, v, t_ms, x) if abs(x) <= k.HUGE else 0


@inline
def join(s, v, t_ms, x):
    """A point of a series that is scored bin by bin joins its bin, unless that is closed."""
    bin_ms = t_ms - t_ms % s.bin_width_ms
    if bin_ms <= s.closed_ms or (s.bin_count > 0 and bin_ms < s.bin_ms):
        return
    if not s.minutes_sum:
        if t_ms > s.newest_ms:
            gap_seen(s, t_ms - s.newest_ms)
        s.seen += 1
    s.newest_ms = max(s.newest_ms, t_ms)
    v.status = lay.GAP
    if abs(x) <= k.HUGE:
        v.status = lay.PENDING
        add_to_bin(s, t_ms, x)


@inline
def closes_bin(s, kind, t_ms, now_ms):
    """Whether the open bin is over: by the time of a point, or by the clock, which history does not have."""
    if kind != lay.CLOCK and s.bin_count > 0 and t_ms >= s.bin_ms + s.bin_width_ms:
        return True
    return kind != lay.BACKFILL and bin_is_over(s, now_ms)


@kernel(nb.int64(_STATES, _VERDICTS, _WORK, _INTS, _INTS, _FLOATS, _INTS, _KINDS))
def advance(states, out, work, rows, times_ms, values, received_ms, kinds):
    """Takes every point in order; the number of records written to `out`, which has room for three per point.

    kinds: layout.LIVE, layout.BACKFILL, or layout.CLOCK, which is no point but a look at the clock at its received_ms.
    work: one record of scratch. It is the caller's, for a record does not keep an array that is made here alive.
    """
    w = work[0]
    n = 0
    for i in range(len(rows)):
        s, row, t_ms, x, now_ms = states[rows[i]], rows[i], times_ms[i], values[i], received_ms[i]
        if kinds[i] == lay.LIVE and abs(x) <= k.HUGE:
            n += arrive(s, out[n], row, now_ms)
        queued = 0
        target = n
        if closes_bin(s, kinds[i], t_ms, now_ms):
            queued = close_bin(s, w, out[n], row)
            n += 1
        if kinds[i] != lay.CLOCK:
            blank(out[n], row, t_ms, x, lay.LATE)
            if s.bin_width_ms > 0:
                join(s, out[n], t_ms, x)
            else:
                queued = take_direct(s, w, out[n], t_ms, x)
            n += 1
        run_queue(s, w, out[target], queued)
        if kinds[i] == lay.CLOCK and begin_silence(s, now_ms):
            write_silence(s, out[n], row, lay.OPEN)
            n += 1
    return n
