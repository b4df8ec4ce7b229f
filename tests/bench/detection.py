"""The detector's core alone: one new point for each of 10,000 series per call, states as large as they are in the product."""

import statistics
import time
from typing import Final

import numpy as np

from metrics.detection import engine
from tests.bench.figures import Figure, at_least, at_most

SERIES: Final = 10_000
WARM: Final = 400  # points before the clock starts: learned, past the warm-up
CALLS: Final = 20
RUNS: Final = 5
STEP_MS: Final = 60_000


def run() -> dict[str, Figure]:
    """Points per second of CPU of one core, and the size of a state."""
    rng = np.random.default_rng(7)
    rows = np.arange(SERIES)
    phase = rng.uniform(0, 2 * np.pi, SERIES)
    states = engine.new_states(SERIES)
    at = 0

    def advance(calls: int) -> float:
        nonlocal at
        spent = 0.0
        for _ in range(calls):
            at += 1
            values = 100 + 20 * np.sin(phase + at / 60) + rng.normal(0, 2, SERIES)
            times = np.full(SERIES, at * STEP_MS)
            start = time.process_time()
            engine.advance(states, rows, times, values, times)
            spent += time.process_time() - start
        return calls * SERIES / spent

    advance(WARM)
    rate = statistics.median(advance(CALLS) for _ in range(RUNS))
    return {
        "detection core, batch of 10,000 series": at_least(rate, "points/s of one core", 500_000),
        "detector state": at_most(engine.STATE.itemsize, "bytes a series", 8192),
    }
