"""Packed columns give back every bit."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.points.codec import pack_floats, pack_ints, unpack_floats, unpack_ints

whole = st.lists(st.integers(-(2**61), 2**61), max_size=300)
numbers = st.lists(st.floats(width=64) | st.integers(-(10**6), 10**6).map(lambda cents: cents / 100), max_size=300)


@given(whole, st.booleans(), st.booleans())
def test_whole_numbers_come_back(values, delta, squeeze):
    array = np.array(values, np.int64)
    assert unpack_ints(pack_ints(array, delta=delta, squeeze=squeeze), array.size).tolist() == values


@given(numbers)
def test_floats_come_back_bit_for_bit(values):
    array = np.array(values, np.float64)
    back = unpack_floats(pack_floats(array), array.size)
    assert back.view(np.int64).tolist() == array.view(np.int64).tolist()


@pytest.mark.parametrize("value", [-0.0, np.nan, np.inf, -np.inf, 5e-324, 1.7976931348623157e308, 0.1, 1e22, 2.0**53, -(2.0**53) - 2])
def test_odd_floats_come_back_bit_for_bit(value):
    array = np.full(100, value)
    assert unpack_floats(pack_floats(array), 100).tobytes() == array.tobytes()


def test_the_payload_of_a_nan_comes_back():
    array = np.array([0x7FF8000000000123, 0xFFF8000000000001], np.uint64).view(np.float64)
    assert unpack_floats(pack_floats(array), 2).tobytes() == array.tobytes()


def test_a_day_of_two_decimals_takes_less_than_three_bytes_a_point():
    walk = np.round(np.random.default_rng(1).normal(0, 1, 1440).cumsum() + 100, 2)
    assert len(pack_floats(walk)) < 3 * walk.size


def test_a_regular_clock_takes_next_to_nothing():
    assert len(pack_ints(np.arange(1440, dtype=np.int64) * 60_000 + 1_790_000_000_000, delta=True)) == 17


def test_foreign_bytes_are_an_error_and_no_crash():
    packed = pack_floats(np.random.default_rng(2).normal(size=500))
    with pytest.raises((ValueError, Exception)):
        unpack_floats(packed[: len(packed) // 2], 500)
