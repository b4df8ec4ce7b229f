"""The detector's clock. Silence counts only while it runs, so a stop of the product is not a silence of every series."""

import numpy as np

from metrics.arrays import Ints


def holes(received_ms: Ints, *, clock_ms: int, now_ms: int, pause_ms: int) -> list[tuple[int, int]]:
    """Stretches longer than `pause_ms` in which the detector made no step and nothing arrived for its shard: nobody listened.

    received_ms : (n,) int64, when the points of a step were received, in log order; clock_ms : the clock before the step, 0 if it never
    ran; now_ms : the time of the step. Returns (place, length in ms): before the point at `place` (n: after the last) the clock stood
    still for so long.
    """
    heard = np.maximum.accumulate(np.maximum(received_ms, clock_ms))
    last = max(now_ms, int(heard[-1]) if len(heard) else clock_ms)
    first = clock_ms or (int(heard[0]) if len(heard) else last)
    moments = np.concatenate([[first], heard, [last]]).astype(np.int64)
    gaps = np.diff(moments)
    return [(int(place), int(gaps[place])) for place in np.flatnonzero(gaps > pause_ms)]


def clock_after(received_ms: Ints, *, clock_ms: int, now_ms: int) -> int:
    """Where the clock stands after a step: at its time, or at the newest arrival that it took. It never runs back."""
    return max(clock_ms, now_ms, int(received_ms.max()) if len(received_ms) else 0)
