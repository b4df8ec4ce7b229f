"""Small pictures: what they show, and that nothing in the data breaks them."""

import re

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from metrics.sparklines import HEIGHT, WIDTH, Band, Window, sparkline

WINDOW = Window(0, 132_000)
TIMES = np.arange(0, 132_000, 1000, dtype=np.int64)
NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


def test_a_rise_goes_from_bottom_left_to_top_right():
    spark = sparkline(np.array([0, 66_000]), np.array([1.0, 2.0]), WINDOW)
    assert (spark.line, spark.hit, spark.band, spark.dot_x) == ("M0.0 28.0L66.0 4.0", "", "", None)


def test_the_anomaly_is_a_line_of_its_own_with_a_dot_at_its_peak():
    values = np.zeros(132)
    values[100] = 5.0
    spark = sparkline(TIMES, values, Window(0, 132_000, hit_start_ms=100_000, hit_end_ms=100_000, peak_ms=100_000))
    assert spark.hit == "M99.0 28.0L100.0 4.0L101.0 28.0"
    assert (spark.dot_x, spark.dot_y) == (100.0, 4.0)


def test_an_anomaly_that_lasts_goes_to_the_end():
    spark = sparkline(TIMES, np.arange(132.0), Window(0, 132_000, hit_start_ms=130_000))
    assert spark.hit.startswith("M129.0 ")
    assert spark.hit.endswith("L131.0 4.0")


def test_a_hole_and_a_gap_break_the_line():
    times, values = np.array([0, 1000, 2000, 9000, 10_000, 11_000]), np.array([1.0, 2, 1, 2, np.nan, 1])
    assert sparkline(times, values, WINDOW).line.count("M") == 3


def test_a_flat_line_lies_in_the_middle():
    assert sparkline(TIMES[:2], np.array([7.0, 7.0]), WINDOW).line == "M0.0 16.0L1.0 16.0"


def test_a_spike_survives_the_thinning():
    times = np.arange(0, 132_000, 10, dtype=np.int64)
    values = np.zeros(times.size)
    values[7777] = 1.0
    line = sparkline(times, values, WINDOW).line
    assert "77.8 4.0" in line
    assert line.count("L") < 140


def test_nothing_to_draw_is_none():
    assert sparkline(TIMES[:1], np.array([1.0]), WINDOW) is None
    assert sparkline(TIMES[:3], np.full(3, np.nan), WINDOW) is None
    assert sparkline(TIMES + 500_000, np.arange(132.0), WINDOW) is None
    assert sparkline(np.empty(0, np.int64), np.empty(0), WINDOW) is None


def test_a_band_far_off_is_cut_and_does_not_flatten_the_line():
    band = Band(TIMES, np.full(132, -1e6), np.full(132, 1e6))
    spark = sparkline(TIMES, np.arange(132.0), WINDOW, band=band)
    heights = [float(number) for number in NUMBER.findall(spark.band)[1::2]]
    assert spark.line.startswith("M0.0 28.0")
    assert (min(heights), max(heights)) == (-4.4, 36.4)


@given(
    values=arrays(np.float64, 300, elements=st.floats(width=64) | st.just(float("nan"))),
    steps=arrays(np.int64, 300, elements=st.integers(1, 5000)),
    hit=st.integers(0, 132_000),
)
def test_whatever_the_data_the_path_is_numbers_inside_the_box(values, steps, hit):
    spark = sparkline(np.cumsum(steps), values, Window(0, 132_000, hit_start_ms=hit, peak_ms=hit))
    if spark is None:
        return
    for path in (spark.line, spark.hit):
        numbers = [float(number) for number in NUMBER.findall(path)]
        assert re.fullmatch(r"(?:[ML]-?\d+\.\d -?\d+\.\d)*", path)
        assert all(0 <= x <= WIDTH for x in numbers[::2])
        assert all(0 <= y <= HEIGHT for y in numbers[1::2])
