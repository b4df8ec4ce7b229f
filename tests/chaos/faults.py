"""The streams of the chaos test: a day of history, then live minutes with faults."""

from typing import Final

import numpy as np

NAMES: Final = tuple(f"host{i}.requests" for i in range(10))
HISTORY: Final = 1500
STEP_MS: Final = 60_000


def values_of(live: int) -> np.ndarray:
    """(HISTORY + live, series): a daily rhythm with noise; every series has a spike of its own, and every other one an outage later on."""
    rng = np.random.default_rng(11)
    minute = np.arange(HISTORY + live)[:, None]
    values = 100 + 10 * np.sin(2 * np.pi * minute / 1440) + rng.normal(0, 1, (HISTORY + live, len(NAMES)))
    for i in range(len(NAMES)):
        values[HISTORY + (i + 2) * live // (2 * len(NAMES)), i] += 80
        if i % 2:
            start = HISTORY + live // 2 + (i + 2) * live // (3 * len(NAMES))
            values[start : start + live // 20, i] -= 60
    return np.round(values, 3)
