"""The forecast carried on beyond the newest point."""

import numpy as np
import pytest

from metrics.detection import engine
from tests.metrics.detection.series import MINUTE, daily, run, times

STEP = 10 * MINUTE
COUNT = 1440  # ten days of ten-minute points


def series_of(kind, count):
    i, rng = np.arange(count), np.random.default_rng(5)
    match kind:
        case "daily":
            return daily(count)
        case "noise":
            return 50.0 + rng.standard_normal(count)
        case "rhythm":
            return 10.0 * (i % 21 < 6) + 0.5 * rng.standard_normal(count)
        case "counter":
            return np.cumsum(100.0 + 20.0 * np.sin(2 * np.pi * i / 144) + rng.random(count))
    raise ValueError(kind)


def state_after(kind, count, *, step_ms=STEP):
    at, values = times(count + 300, step_ms=step_ms), series_of(kind, count + 300)
    states = run(at[:count], values[:count])[1]
    return states, at[count:], values[count:]


@pytest.mark.parametrize("kind", ["daily", "noise", "rhythm", "counter"])
def test_one_step_ahead_it_is_the_forecast_that_the_next_point_is_judged_with(kind):
    states, at, values = state_after(kind, COUNT)
    for place in range(60):
        seen = engine.outlook(states[0], until_ms=int(at[place]), most=10)
        verdict = engine.advance(states, [0], at[place : place + 1], values[place : place + 1], 0, backfill=True)[0]
        assert seen.timestamps_ms.tolist() == [at[place]]
        # The judge makes room for the point before it forecasts, which moves fixed-point memories by their last digit.
        near = 0.01 * max(verdict["upper"] - verdict["lower"], 1e-3)
        assert seen.expected[0] == pytest.approx(verdict["yhat"], abs=near)
        assert seen.lower[0] == pytest.approx(verdict["lower"], abs=3 * near)
        assert seen.upper[0] == pytest.approx(verdict["upper"], abs=3 * near)


@pytest.mark.parametrize(("kind", "distance"), [("daily", 3.0), ("noise", 1.2), ("rhythm", 1.0), ("counter", 300.0)])
def test_a_day_ahead_it_is_near_and_the_band_holds_the_points(kind, distance):
    states, at, values = state_after(kind, COUNT)
    seen = engine.outlook(states[0], until_ms=int(at[143]), most=1000)
    assert seen.timestamps_ms.tolist() == at[:144].tolist()
    assert np.abs(seen.expected - values[:144]).mean() < distance
    inside = (values[:144] >= seen.lower) & (values[:144] <= seen.upper)
    assert inside.mean() >= 0.97
    assert (seen.lower <= seen.expected).all()
    assert (seen.expected <= seen.upper).all()


def test_nothing_below_zero_is_expected_of_a_series_that_never_was_there():
    noise = np.random.default_rng(4).standard_normal(COUNT)
    for values, is_floored in ((np.abs(noise), True), (noise, False)):
        seen = engine.outlook(run(times(COUNT), values)[1][0], until_ms=int(times(COUNT + 144)[-1]), most=1000)
        assert (seen.lower.min() == 0.0) == is_floored
        assert (seen.lower <= seen.expected).all()
        assert (seen.expected <= seen.upper).all()


def test_a_day_ahead_a_daily_series_is_not_its_last_value():
    states, at, values = state_after("daily", COUNT + 36)  # at its highest
    seen = engine.outlook(states[0], until_ms=int(at[71]), most=1000)
    assert seen.expected[71] == pytest.approx(values[71], abs=8.0)
    assert abs(seen.expected[71] - seen.expected[0]) > 30.0


@pytest.mark.parametrize("kind", ["daily", "noise", "rhythm"])
def test_the_band_is_no_narrower_tomorrow_than_now(kind):
    states, at, _ = state_after(kind, COUNT)
    seen = engine.outlook(states[0], until_ms=int(at[144]), most=1000)
    width = seen.upper - seen.lower
    assert width[144] >= 0.999 * width[0]


def test_a_counter_never_falls():
    states, at, _ = state_after("counter", COUNT)
    seen = engine.outlook(states[0], until_ms=int(at[143]), most=1000)
    assert (np.diff(seen.expected) >= 0).all()
    assert seen.lower.min() >= states["raw"][0]


@pytest.mark.parametrize("kind", ["daily", "counter"])
def test_few_points_are_some_of_the_many(kind):
    states, at, _ = state_after(kind, COUNT)
    every = engine.outlook(states[0], until_ms=int(at[143]), most=144)
    some = engine.outlook(states[0], until_ms=int(at[143]), most=50)
    assert some.timestamps_ms.tolist() == every.timestamps_ms[::3].tolist()
    np.testing.assert_allclose(some.expected, every.expected[::3], rtol=2e-4)


@pytest.mark.parametrize("count", [0, 1, 149])
def test_while_the_first_points_are_held_back_nothing_is_expected(count):
    states = run(times(count), daily(count))[1]
    assert engine.outlook(states[0], until_ms=2**60, most=10).timestamps_ms.size == 0


def test_what_is_over_before_the_newest_point_is_left_out():
    states, at, _ = state_after("daily", COUNT)
    engine.advance(states, [0, 0], at[:2], [np.nan, np.nan], 0, backfill=True)  # gaps, which move no model
    seen = engine.outlook(states[0], until_ms=int(at[4]), most=10)
    assert seen.timestamps_ms.tolist() == at[2:5].tolist()
    assert engine.outlook(states[0], until_ms=int(at[1]), most=10).timestamps_ms.size == 0


def test_the_state_is_left_as_it_was():
    states, at, _ = state_after("daily", COUNT)
    before = states.tobytes()
    engine.outlook(states[0], until_ms=int(at[143]), most=1000)
    assert states.tobytes() == before
