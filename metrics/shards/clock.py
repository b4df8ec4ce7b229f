"""The detector's clock. Silence counts only while it runs, so a stop of the product is not a silence of every series."""

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


def holes(received_ms: Ints, *, clock_ms: int, now_ms: int | None, pause_ms: int) -> list[tuple[int, int]]:
    """Stretches longer than `pause_ms` in which the detector made no step and nothing arrived for its shard: nobody listened.

    received_ms : (n,) int64, when the points of a step were received, in log order; clock_ms : the clock before the step, 0 if it never
    ran; now_ms : the clock of the step, None when points remain in the log. Returns (place, length in ms): before the point at `place`
    (n: after the last) the clock stood still for so long.
    """
    heard = np.maximum.accumulate(np.maximum(received_ms, clock_ms))
    last = [] if now_ms is None else [max(now_ms, int(heard[-1]) if len(heard) else clock_ms)]
    first = clock_ms or int(heard[0] if len(heard) else last[0] if last else 0)
    moments = np.concatenate([[first], heard, last]).astype(np.int64)
    gaps = np.diff(moments)
    return [(int(place), int(gaps[place])) for place in np.flatnonzero(gaps > pause_ms)]


def clock_after(received_ms: Ints, *, clock_ms: int, now_ms: int, is_current: bool) -> int:
    """Where the clock stands after a step: at its time, or while points remain in the log at the newest arrival that it took."""
    heard = max(clock_ms, int(received_ms.max())) if len(received_ms) else clock_ms
    return max(heard, now_ms) if is_current else heard
