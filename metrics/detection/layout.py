"""The records that the engine reads and writes: one `STATE` per series, one `VERDICT` per point."""

from typing import Final

import numpy as np

from metrics.detection import constants as k

VERSION: Final = 1

KINDS: Final = ("spike", "level shift", "shape", "flat", "silence")
SPIKE, LEVEL_SHIFT, SHAPE, FLAT, SILENCE = range(len(KINDS))

FEATURES: Final = ("residual", "time_of_day", "mean_12", "mean_40", "shape_8", "shape_32", "shape_64", "flat_line", "silence")
LABELS: Final = {
    "residual": "The value is far from its forecast, and no value at this time on the last two days explains it.",
    "time_of_day": "The value is unusual for this time of the day.",
    "mean_12": "The mean of the last 12 points is far from the usual level.",
    "mean_40": "The mean of the last 40 points is far from the usual level.",
    "shape_8": "The last 8 points form a shape that this series has not shown before.",
    "shape_32": "The last 32 points form a shape that this series has not shown before.",
    "shape_64": "The last 64 points form a shape that this series has not shown before.",
    "flat_line": "The value has not changed for much longer than ever before.",
    "silence": "No point has arrived for much longer than usual.",
}

# Bits of VERDICT["event"].
OPEN, ESCALATE, EXTEND, CLOSE = 1, 2, 4, 8

# Values of VERDICT["status"].
LATE, LEARNING, SCORED, GAP, PENDING, MERGED, ABSENT = range(7)

# Values of STATE["mode"].
WARMING, DIRECT, BINNED = range(3)

# What an entry of a call is: a point, a point of history, or a look at the clock.
LIVE, BACKFILL, CLOCK = range(3)

# Values of STATE["counter_hint"]; 0 = nothing is known yet.
COUNTER, GAUGE = 1, 2

_PROTOTYPE_BYTES: Final = 3 * k.BLOCKS * k.PROTOTYPES * 2

# The warm-up buffer lies over the prototypes: a series has either the one or the other.
_FIELDS: Final[list[tuple[str, str] | tuple[str, str, tuple[int, ...]]]] = [
    ("version", "u2"),
    ("mode", "u1"),
    ("minutes_sum", "u1"),
    ("is_counter", "u1"),
    ("is_live", "u1"),
    ("is_open", "u1"),
    ("is_silent", "u1"),
    ("is_alerting", "u1"),
    ("is_seasonal", "u1"),
    ("reset_due", "u1"),
    ("counter_hint", "u1"),
    ("falls", "u1"),
    ("kind", "u1"),
    ("direction", "i1"),
    ("quiet", "i2"),
    ("buffered", "i4"),
    ("bin_count", "i4"),
    ("newest_ms", "i8"),
    ("last_ms", "i8"),
    ("arrival_ms", "i8"),
    ("silence_ms", "i8"),
    ("bin_ms", "i8"),
    ("bin_width_ms", "i8"),
    ("bin_sum", "f8"),
    ("step_ms", "i8"),
    ("cycle_ms", "i8"),
    ("first_ms", "i8"),
    ("day_origin_ms", "i8"),
    ("episode_ms", "i8"),
    ("points", "i4"),
    ("total", "i4"),
    ("until", "i4"),
    ("seen", "i4"),
    ("raw", "f8"),
    ("closed_ms", "i8"),
    ("reference", "f8"),
    ("unit", "f8"),
    ("threshold", "f4"),
    ("gap_median", "f4"),
    ("gap_start", "f4"),
    ("gap_p99", "f4"),
    ("habit", "f4"),
    ("peak", "f4"),
    ("quantile", "f4", (3,)),
    ("top", "f4"),
    ("bottom", "f4"),
    ("expert", "f4", (5,)),
    ("error", "f4", (k.EXPERTS,)),
    ("day_offset", "f4"),
    ("week_offset", "f4"),
    ("slow", "f4"),
    ("fast", "f4"),
    ("band_scale", "f4"),
    ("band_low", "f4"),
    ("band_high", "f4"),
    ("tail_edge", "f4", (7,)),
    ("tail_share", "f4", (7,)),
    ("tail_alpha", "f4", (7,)),
    ("middle_edge", "f4", (7,)),
    ("spiked", "f4", (2,)),
    ("recent_now", "f4", (2,)),
    ("recent_before", "f4", (4,)),
    ("recent_slot", "i2"),
    ("rhythm", "i2"),
    ("run", "i2"),
    ("shifted", "i4"),
    ("rises", "i4"),
    ("flat_run", "i4"),
    ("flat_longest", "i4"),
    ("flat_usual", "f8"),
    ("known", "u1", (3,)),
    ("level_count", "u1", (k.LEVEL_BINS,)),
    ("phase_count", "u1", (k.PHASE_BINS,)),
    ("season_count", "u1", (k.SEASON_BINS,)),
    ("level_scale", "f4", (k.LEVEL_BINS,)),
    ("phase_scale", "f4", (k.PHASE_BINS,)),
    ("season_mean", "i2", (k.SEASON_BINS,)),
    ("season_spread", "i2", (k.SEASON_BINS,)),
    ("ring", "f4", (k.WINDOW,)),
    ("day", "i2", (k.DAY_SLOTS,)),
    ("week", "i2", (k.WEEK_SLOTS,)),
    ("recent", "i2", (4, k.RECENT_SLOTS)),
    ("histogram", "u2", (k.STREAMS, k.BINS)),
    ("past", "i1", (k.PAST,)),
    ("rank", "u1", (3, k.PROTOTYPES)),
    ("uses", "u1", (3, k.PROTOTYPES)),
    ("prototype", "i2", (3, k.BLOCKS, k.PROTOTYPES)),
]


def _state() -> np.dtype[np.void]:
    plain = np.dtype(_FIELDS, align=True)
    fields = dict(plain.fields or {})
    names = list(fields)
    start = fields["prototype"][1]
    start += -start % 8
    size = start + _PROTOTYPE_BYTES
    return np.dtype(
        {
            "names": [*names, "buffer_ms", "buffer_value"],
            "formats": [*(fields[name][0] for name in names), ("i8", (k.WARM_UP,)), ("f8", (k.WARM_UP,))],
            "offsets": [*(fields[name][1] for name in names[:-1]), start, start, start + 8 * k.WARM_UP],
            "itemsize": size + -size % 64,
        }
    )


STATE: Final = _state()

VERDICT: Final = np.dtype(
    [
        ("row", "i8"),
        ("timestamp_ms", "i8"),
        ("value", "f8"),
        ("yhat", "f8"),
        ("lower", "f8"),
        ("upper", "f8"),
        ("episode_ms", "i8"),
        ("surprise", "f4"),
        ("score", "f4"),
        ("detectors", "f4", (len(FEATURES),)),
        ("status", "u1"),
        ("event", "u1"),
        ("kind", "u1"),
        ("direction", "i1"),
    ],
    align=True,
)

ATTRIBUTES: Final = np.dtype(
    [
        ("resolution_s", "f8"),
        ("is_counter", "?"),
        ("learning", "?"),
        ("stale", "?"),
        ("last_ms", "i8"),
        ("points", "i8"),
        ("period_s", "f8"),
    ]
)

# Room for what one call works out on its way; never kept between points.
WORK: Final = np.dtype(
    [
        ("window", "f8", (k.WINDOW + 1,)),
        ("past", "f4", (k.PAST,)),
        ("echo", "f4", (k.PAST // 2 + 2,)),
        ("shape", "i4", (k.BLOCKS,)),
        ("distance", "i4", (k.PROTOTYPES,)),
        ("forecast", "f8", (k.EXPERTS,)),
        ("feature", "f8", (k.STREAMS,)),
        ("power", "f8", (k.STREAMS,)),
        ("sorted", "f8", (k.WARM_UP,)),
        ("held_ms", "i8", (k.WARM_UP,)),
        ("held", "f8", (k.WARM_UP,)),
        ("queue_ms", "i8", (k.WARM_UP,)),
        ("queue", "f8", (k.WARM_UP,)),
        ("yhat", "f8"),
        ("lower", "f8"),
        ("upper", "f8"),
        ("surprise", "f8"),
        ("flat", "f8"),
        ("level", "f8"),
        ("value", "f8"),
        ("event", "u1"),
        ("status", "u1"),
    ],
    align=True,
)
