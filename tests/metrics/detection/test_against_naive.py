"""The kernels against the plain-Python detector: equal but for the rounding of the packed memories."""

import numpy as np
import pytest

from tests.metrics.detection import naive
from tests.metrics.detection.series import HOUR, run, times


def weekly(count, seed):
    i = np.arange(count)
    noise = 3.0 * np.random.default_rng(seed).standard_normal(count)
    values = 100.0 + 20.0 * np.sin(2 * np.pi * i / 24) + 5.0 * np.sin(2 * np.pi * i / 168) + noise
    values[count - 200] += 60.0
    values[count - 120 : count - 110] -= 40.0
    return values


@pytest.mark.parametrize(("count", "seed"), [(900, 1), (1500, 2)])
def test_forecast_and_surprise_equal_the_naive_ones(count, seed):
    values = weekly(count, seed)
    verdicts, _ = run(times(count, step_ms=HOUR), values)
    expected = np.array(naive.run(values))[naive.WARM_UP :]
    off_forecast = np.abs(verdicts["yhat"][naive.WARM_UP :] - expected[:, 0])
    off_surprise = np.abs(verdicts["surprise"][naive.WARM_UP :] - expected[:, 1])
    assert off_forecast.max() < 1.0  # of a scale of about 60
    assert np.median(off_forecast) < 0.05
    # A window at the limit of being a known shape may fall on either side, and moves a rarity for a while.
    assert np.median(off_surprise) < 0.005
    assert np.quantile(off_surprise, 0.95) < 0.15
    assert off_surprise.max() < 0.6


def test_the_naive_detector_tops_its_ranking_with_what_was_planted():
    surprise = np.array(naive.run(weekly(900, 1)))[:, 1]
    assert set(np.argsort(surprise[naive.WARM_UP :])[-3:] + naive.WARM_UP) <= {700, *range(780, 795)}
