"""Every number of the detector, with its unit and its reason. None of them is fitted to a single series."""

from typing import Final

# Time. Arrays hold unix milliseconds.
MINUTE_MS: Final = 60_000
HOUR_MS: Final = 3_600_000
DAY_MS: Final = 86_400_000
WEEK_MS: Final = 7 * DAY_MS
MINUTE_GRACE_MS: Final = 15_000  # a summed minute is closed this long after its end: senders' clocks and queues

# Warm-up and regularisation.
WARM_UP: Final = 150  # points held back until the step between points and the kind of series are known
HUGE: Final = 1e290  # a larger value is treated like infinity: differences of two of them would overflow
SAME_STEP: Final = 0.5  # a point closer than this share of a step to the one before belongs to the same step
CROWDED: Final = 0.1  # share of crowded gaps in the warm-up from which a series counts as irregular
HOLD_STEPS: Final = 3  # up to this many steps between two points the forecast bridges the gap
MIN_CYCLE_POINTS: Final = 4  # a cycle with fewer points has no shape
STEP_DRIFT: Final = 0.5  # octaves between the assumed and the seen step from which the series is learned anew
STEP_CHECK: Final = 256  # points between two looks at the step

# Scale.
QUANTILE_GAIN: Final = 0.02  # step of the running 5 %, 50 % and 95 % quantiles, in units of their spread
RANGE_FLOOR: Final = 0.2  # the scale is at least this share of the running range: effect size counts, not only rarity
RANGE_HALF_LIFE_MS: Final = 28 * DAY_MS  # one outlier is forgotten in weeks, not kept for ever
FAR: Final = 100.0  # scales from the reference at which the coordinates are widened before anything is computed in them
SMALLEST: Final = 1e-280  # the smallest scale of a series that is constantly zero
ROUNDING: Final = 1e-5  # of a scale: by how much a limit that is kept in 32 bits may be off
TINY: Final = 1e-9  # relative resolution below which two values are the same

# Forecast.
EXPERTS: Final = 7
ERROR_GAIN: Final = 0.01
ERROR_CLIP: Final = 8.0
DAY_GAIN: Final = 0.15
WEEK_GAIN: Final = 0.4
OFFSET_GAIN: Final = 0.05

# Rhythm: a cycle of few points, found in the last values themselves.
PAST: Final = 240  # values kept for it, so that it has at most 120 points
PAST_FIXED: Final = 16.0  # steps per scale of such a value: range +-8 scales
RHYTHM_MIN: Final = 4
RHYTHM_CLOSE: Final = 0.9  # the shortest one within this share of the best is taken
RHYTHM_ECHO: Final = 0.3  # autocorrelation that it must reach
RHYTHM_DEPTH: Final = 0.3  # and how far it must rise above the lowest of the shorter lags

# Memories. Fixed-point 16-bit numbers in units of the series' scale.
DAY_SLOTS: Final = 288
WEEK_SLOTS: Final = 168
RECENT_SLOTS: Final = 144
SEASON_BINS: Final = 48
PHASE_BINS: Final = 24
LEVEL_BINS: Final = 12
FIXED: Final = 1024.0  # steps per unit: 0.001 scale, range +-32 scales
UNKNOWN: Final = -32768  # a slot that was never written

# Features.
WINDOW: Final = 64
SHORT_MEAN: Final = 12  # points of the mean that tells a new level soon
LONG_MEAN: Final = 40  # and of the one that is sure of it
SLOT_KNOWN: Final = 8  # values after which the usual size at a time of the cycle, or at a level, is trusted
CLIPPED_FROM: Final = 50  # points after which a single far residual no longer counts whole in the usual size
RESIDUAL_FLOOR: Final = 0.05
RESIDUAL_CLIP: Final = 12.0
PROTOTYPES: Final = 64
BLOCKS: Final = 8
SHAPE_FIXED: Final = 4096.0  # steps per scale of a prototype's block means, which lie in +-7
SHAPE_CLIP: Final = 4.0
SHAPE_MATCH: Final = 0.1  # mean distance below which a window is an instance of a known shape
SHAPE_GAIN: Final = 0.02

# Calibration.
STREAMS: Final = 7
BINS: Final = 88  # 8 per octave
COUNT: Final = 7  # weight of one new value, so that 8,656 of them (half-life 6,000) stay below 65,536
AGE_EVERY: Final = 128  # points between two agings of the histograms
HALF_LIFE: Final = 6000.0
REFIT_EVERY: Final = 16
TAIL: Final = 0.06
PRIOR_ALPHA: Final = 3.0
PRIOR_WEIGHT: Final = 10.0
ALPHA_MIN: Final = 1.5
ALPHA_MAX: Final = 12.0
P_MIN: Final = 1e-12
LONE_SPIKE: Final = 3.2  # a residual without a second in three points counts as this much more common: half a decade
LENGTH_TERM: Final = 0.5
LENGTH_MAX: Final = 8640.0

# Episodes.
REFRACTORY: Final = 120  # points after an alert in which the same trouble is not reported again
QUIET: Final = 60  # every further crossing extends the episode at least by this many points
ESCALATION: Final = 1.5
HABIT: Final = 0.2
HABIT_DECAY: Final = 0.9990004998333750  # exp(-1/1000)
CLOSE_AFTER: Final = 5  # points under the threshold after which the episode is over for people
SCORE_HALF: Final = 2.6  # the surprise shown as 50 of 100

# Flat lines and silence.
FLAT_MIN: Final = 8  # a run of equal values is never called long below three times this length
FLAT_FACTOR: Final = 3.0
SILENCE_STEPS: Final = 5
SILENCE_FACTOR: Final = 3.0

# Level shifts.
SHIFT_POINTS: Final = 500  # steps at a new level after which it is the level, for a series without a cycle
SHIFT_CYCLES: Final = 2  # and in cycles, for one with a cycle

# Band.
BAND_MISS: Final = 0.01  # nominal share of points outside
BAND_GAIN: Final = 0.3
BAND_SCALE_GAIN: Final = 0.005
BAND_MARGIN: Final = 0.01  # half of the narrowest band, in scales: a perfect forecast is no promise

# Counters.
COUNTER_RISES: Final = 32  # rises in the warm-up from which a series that never falls slowly is a counter
COUNTER_RUN: Final = 500  # rises without a fall from which a gauge is taken for a counter after all
COUNTER_FALLS: Final = 3  # falls that are no resets after which a counter is taken for a gauge
RESET_SHARE: Final = 0.5  # a counter that falls below this share of its value was reset
