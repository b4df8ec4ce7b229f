"""The nine classic checks of Etsy's Skyline, in numpy, over windows of many series at once: rows are series, columns the last day.

Each says of the newest point(s) of each window whether it is anomalous; a point is reported when six of the nine agree. Written from the
published descriptions; constants as in `algorithms.py` of Skyline 1.0. Where Skyline loops over series and builds pandas objects, here a
whole batch is one array: the arithmetic is the same, and far cheaper.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

Windows = NDArray[np.float64]  # (series, points), oldest first
Times = NDArray[np.float64]  # (points,), seconds
Verdict = NDArray[np.bool_]  # (series,)

CONSENSUS: Final = 6
ALPHA: Final = 1 / (1 + 50)  # pandas' com=50
T_VALUE: Final = 5.96  # two-sided t quantile at 0.05 / (2 * 1440) with 1438 degrees of freedom, as Grubbs' test of a day takes it


def tail_avg(windows: Windows) -> NDArray[np.float64]:
    """The mean of the last three points, which stands for the newest value in most checks."""
    return windows[:, -3:].mean(axis=1)


def median_absolute_deviation(windows: Windows, times: Times) -> Verdict:
    medians = np.median(windows, axis=1)
    demedianed = np.abs(windows - medians[:, None])
    deviations = np.median(demedianed, axis=1)
    return (deviations > 0) & (demedianed[:, -1] > 6 * deviations)


def grubbs(windows: Windows, times: Times) -> Verdict:
    n = windows.shape[1]
    z = (tail_avg(windows) - windows.mean(axis=1)) / windows.std(axis=1)
    threshold = (n - 1) / np.sqrt(n) * np.sqrt(T_VALUE**2 / (n - 2 + T_VALUE**2))
    return z > threshold


def first_hour_average(windows: Windows, times: Times) -> Verdict:
    hour = windows[:, times < times[-1] - 86400 + 3600]
    return np.abs(tail_avg(windows) - hour.mean(axis=1)) > 3 * hour.std(axis=1)


def stddev_from_average(windows: Windows, times: Times) -> Verdict:
    return np.abs(tail_avg(windows) - windows.mean(axis=1)) > 3 * windows.std(axis=1, ddof=1)


def ewm_weights(n: int) -> NDArray[np.float64]:
    weights = (1 - ALPHA) ** np.arange(n - 1, -1, -1, dtype=np.float64)
    return weights / weights.sum()


def stddev_from_moving_average(windows: Windows, times: Times) -> Verdict:
    weights = ewm_weights(windows.shape[1])
    mean = windows @ weights
    variance = (windows - mean[:, None]) ** 2 @ weights
    return np.abs(windows[:, -1] - mean) > 3 * np.sqrt(variance)


def mean_subtraction_cumulation(windows: Windows, times: Times) -> Verdict:
    centred = windows - windows[:, :-1].mean(axis=1)[:, None]
    return np.abs(centred[:, -1]) > 3 * centred[:, :-1].std(axis=1, ddof=1)


def least_squares(windows: Windows, times: Times) -> Verdict:
    x = times - times.mean()
    slope = windows @ x / (x @ x)
    errors = windows - windows.mean(axis=1)[:, None] - slope[:, None] * x
    newest = errors[:, -3:].mean(axis=1)
    spread = errors.std(axis=1)
    return (np.abs(newest) > 3 * spread) & (np.round(spread) != 0) & (np.round(newest) != 0)


def histogram_bins(windows: Windows, times: Times) -> Verdict:
    """The newest value lies in one of fifteen bins that holds at most twenty points."""
    low, high = windows.min(axis=1), windows.max(axis=1)
    width = np.where(high > low, (high - low) / 15, 1.0)
    bins = np.minimum(((windows - low[:, None]) / width[:, None]).astype(np.int64), 14)
    counts = np.zeros((len(windows), 15), np.int64)
    np.add.at(counts, (np.arange(len(windows))[:, None], bins), 1)
    newest = np.clip(((tail_avg(windows) - low) / width).astype(np.int64), 0, 14)
    return counts[np.arange(len(windows)), newest] <= 20


def ks_test(windows: Windows, times: Times) -> Verdict:
    """The last ten minutes against the hour before them: two-sample Kolmogorov-Smirnov at 5 %, for samples that change at all."""
    recent, before = windows[:, -10:], windows[:, -70:-10]
    both = np.sort(np.concatenate([recent, before], axis=1), axis=1)
    share = [(part[:, None, :] <= both[:, :, None]).mean(axis=2) for part in (recent, before)]
    distance = np.abs(share[0] - share[1]).max(axis=1)
    return distance > 1.358 * np.sqrt((10 + 60) / (10 * 60))


CHECKS: Final = (
    median_absolute_deviation, first_hour_average, stddev_from_average, stddev_from_moving_average, mean_subtraction_cumulation,
    least_squares, histogram_bins, grubbs, ks_test,
)  # fmt: skip


def judge(windows: Windows, times: Times) -> Verdict:
    """Whether at least CONSENSUS of the nine checks agree that the newest point of each window is anomalous."""
    return sum(check(windows, times).astype(np.int64) for check in CHECKS) >= CONSENSUS
