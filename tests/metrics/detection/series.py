"""Seeded series that the tests of the detector share, and a way to run them."""

import numpy as np

from metrics.detection import engine

MINUTE = 60_000
HOUR = 3_600_000
START = 1_699_488_000_000 // (7 * 24 * HOUR) * (7 * 24 * HOUR)  # a week of the unix calendar begins


def times(count, *, step_ms=10 * MINUTE, start=START):
    return start + np.arange(count, dtype=np.int64) * step_ms


def daily(count, *, step_ms=10 * MINUTE, seed=0, noise=2.0):
    """A gauge with a day in it."""
    i = np.arange(count)
    day = 24 * HOUR / step_ms
    return 100.0 + 20.0 * np.sin(2 * np.pi * i / day) + noise * np.random.default_rng(seed).standard_normal(count)


def run(at, values, *, sensitivity="normal", backfill=True, received=None, states=None, minutes_sum=False):
    """Verdicts and state of one series given at once."""
    states = engine.new_states(1) if states is None else states
    engine.set_sensitivity(states, [0], sensitivity)
    if minutes_sum:
        engine.set_aggregation(states, [0], minutes_sum=True)
    rows = np.zeros(len(values), np.int64)
    return engine.advance(states, rows, at, values, at if received is None else received, backfill=backfill), states


def starts(verdicts):
    """Times of the verdicts with which an alert starts."""
    return verdicts["timestamp_ms"][verdicts["event"] & engine.OPEN != 0].tolist()


def same(left, right):
    """Whether two arrays of records are equal bit for bit, field by field: what lies between the fields means nothing."""
    return left.dtype == right.dtype and all(left[name].tobytes() == right[name].tobytes() for name in left.dtype.names)
