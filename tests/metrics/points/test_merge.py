"""The one rule of several writes to one series and time, against its plain version."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from metrics.points.merge import merge
from tests.metrics.points.naive import merged

write = st.tuples(st.integers(1, 5), st.integers(0, 6), st.integers(-9, 9).map(float) | st.just(float("nan")), st.booleans())


def arrays(writes):
    series, times, values, sums = (list(column) for column in zip(*writes, strict=True)) if writes else ([], [], [], [])
    return np.array(series, np.int64), np.array(times, np.int64), np.array([values], np.float64), np.array(sums, np.bool_)


@given(st.lists(write, max_size=60))
def test_merge_does_what_the_plain_version_does(writes):
    run = merge(*arrays(writes))
    expected = sorted(merged(writes).items())
    assert list(zip(run.series.tolist(), run.timestamps_ms.tolist(), strict=True)) == [key for key, _ in expected]
    np.testing.assert_array_equal(run.data[0], [value for _, value in expected])


@given(st.lists(write.map(lambda w: (*w[:3], False)), max_size=60))
def test_without_sums_the_last_write_wins(writes):
    series, times, data, _ = arrays(writes)
    run = merge(series, times, data)
    expected = sorted(merged(writes).items())
    np.testing.assert_array_equal(run.data[0], [value for _, value in expected])


def test_series_far_apart_are_sorted_too():
    series = np.array([10**12, 5, 10**12, 5], np.int64)
    run = merge(series, np.array([2, 2, 1, 1], np.int64), np.array([[1.0, 2.0, 3.0, 4.0]]))
    assert (run.series.tolist(), run.timestamps_ms.tolist(), run.data[0].tolist()) == ([5, 5, 10**12, 10**12], [1, 2, 1, 2], [4, 2, 3, 1])


def test_inputs_are_not_changed():
    series, times, data = np.array([2, 1]), np.array([1, 1]), np.array([[1.0, 2.0]])
    for array in (series, times, data):
        array.flags.writeable = False
    assert merge(series, times, data).data[0].tolist() == [2.0, 1.0]
