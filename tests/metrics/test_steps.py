"""Means of the parts of a column."""

import numpy as np
import pytest

from metrics.steps import means, starts_of

NAN = np.nan


@pytest.mark.parametrize(("keys", "starts"), [([7], [0]), ([7, 7, 7], [0]), ([1, 1, 2, 2, 2, 9], [0, 2, 5]), ([3, 1, 3], [0, 1, 2])])
def test_parts_begin_where_the_key_changes(keys, starts):
    assert starts_of(np.array(keys)).tolist() == starts


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ([1.0, 3.0, 5.0, 7.0, 20.0], [2.0, 6.0, 20.0]),
        ([1.0, NAN, NAN, NAN, 20.0], [1.0, NAN, 20.0]),
        ([1.0, np.inf, -np.inf, 4.0, 20.0], [1.0, 4.0, 20.0]),
        ([-np.inf, np.inf, 1.0, 1.0, NAN], [NAN, 1.0, NAN]),
    ],
)
def test_a_mean_is_that_of_the_finite_values(column, expected):
    assert np.array_equal(means(np.array(column), np.array([0, 2, 4])), expected, equal_nan=True)


def test_values_too_large_to_add_up_have_an_infinite_mean():
    assert means(np.array([1e308, 1e308, 2.0]), np.array([0, 2])).tolist() == [np.inf, 2.0]
