"""Which step a range is shown in, and what a step says."""

import numpy as np
import pytest

from metrics.columns import Band, Window, _stepped, nice_step, spread, step_for
from metrics.models import Metric

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000


@pytest.mark.parametrize(
    ("least_ms", "step_ms"),
    [
        (1, 1000),
        (1000, 1000),
        (1001, 2000),
        (61_000, 120_000),
        (21_600 * 1000, 21_600_000),
        (DAY - 1, DAY),
        (DAY + 1, 2 * DAY),
        (9.5 * DAY, 10 * DAY),
    ],
)
def test_steps_are_those_that_people_read(least_ms, step_ms):
    assert nice_step(least_ms) == step_ms


@pytest.mark.parametrize(
    ("resolution_s", "window", "step_ms"),
    [
        (1.0, Window(0, DAY), None),  # a day is raw, if it does not turn out to hold too much
        (60.0, Window(0, DAY + 1), None),
        (60.0, Window(0, 2 * DAY), 120_000),
        (None, Window(0, 30 * DAY), 1_800_000),  # an unknown resolution counts as a minute
        (3600.0, Window(0, 30 * DAY), None),
        (86_400.0, Window(0, 400 * DAY), None),
        (86_400.0, Window(0, 401 * DAY), 21_600_000),  # longer than anything is kept: never raw
        (60.0, Window(0, DAY, max_points=1440), None),
        (60.0, Window(0, DAY, max_points=1439), 120_000),
        (60.0, Window(0, HOUR, step_ms=5 * MINUTE), 300_000),
        (60.0, Window(0, 2 * DAY, ahead_ms=DAY), None),
    ],
)
def test_a_range_is_rolled_up_when_it_is_too_much_to_show(resolution_s, window, step_ms):
    assert step_for(Metric(resolution_s=resolution_s), window) == step_ms


def test_a_step_of_a_band_is_its_mean_and_its_highest_score():
    nan = np.nan
    times = MINUTE * np.array([0, 1, 4, 5, 6, 10])
    column = np.array([1.0, 3.0, nan, 5.0, nan, nan])
    stepped = _stepped(Band(times, column, column - 1, column + 1, np.array([10.0, 90.0, nan, 20.0, 30.0, nan])), 5 * MINUTE)
    assert stepped.timestamps_ms.tolist() == [0, 5 * MINUTE, 10 * MINUTE]
    assert np.array_equal(stepped.expected, [2.0, 5.0, nan], equal_nan=True)
    assert np.array_equal(stepped.lower, [1.0, 4.0, nan], equal_nan=True)
    assert np.array_equal(stepped.upper, [3.0, 6.0, nan], equal_nan=True)
    assert np.array_equal(stepped.score, [90.0, 30.0, nan], equal_nan=True)


def test_empty_steps_are_gaps():
    assert np.array_equal(spread(np.array([1.0, 2.0]), np.array([0, 3]), 5), [1.0, np.nan, np.nan, 2.0, np.nan], equal_nan=True)
