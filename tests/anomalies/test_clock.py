"""The detector's clock: when it stands still, and where it stands after a step."""

import numpy as np
import pytest

from metrics.shards.clock import clock_after, holes

PAUSE_MS = 30_000


def at(*seconds: int) -> np.ndarray:
    return np.array(seconds, np.int64) * 1000


@pytest.mark.parametrize(
    ("received", "clock_s", "now_s", "found"),
    [
        (at(), 100, 102, []),
        (at(), 100, 130, []),
        (at(), 100, 131, [(0, 31_000)]),
        (at(101, 102), 100, 104, []),
        (at(101, 200), 100, 201, [(1, 99_000)]),
        (at(500, 501), 100, 600, [(0, 400_000), (2, 99_000)]),
        (at(500, 300, 501), 499, 502, []),  # an older arrival in between says nothing
        (at(50, 60), 100, 101, []),  # all of them before the clock
        (at(101), 100, 90, []),  # the machine's clock was set back
        (at(), 0, 10_000, []),  # never ran before
        (at(9_000, 9_990), 0, 10_000, [(1, 990_000)]),
    ],
)  # fmt: skip
def test_holes_are_where_nobody_listened(received, clock_s, now_s, found):
    assert holes(received, clock_ms=clock_s * 1000, now_ms=now_s * 1000, pause_ms=PAUSE_MS) == found


@pytest.mark.parametrize(
    ("received", "clock_s", "now_s", "after_s"), [(at(), 100, 102, 102), (at(), 100, 90, 100), (at(103, 101), 100, 102, 103)]
)
def test_the_clock_never_runs_back(received, clock_s, now_s, after_s):
    assert clock_after(received, clock_ms=clock_s * 1000, now_ms=now_s * 1000) == after_s * 1000
