"""What holds for every kind of series: shapes, no look-ahead, no dependence on how points are grouped."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metrics.detection import engine
from tests.metrics.detection.series import MINUTE, START, daily, run, same, starts, times


@dataclass(frozen=True)
class Case:
    at: np.ndarray
    values: np.ndarray
    minutes_sum: bool = False


def irregular(count):
    gaps = np.random.default_rng(5).exponential(10 * MINUTE, count).astype(np.int64) + 1
    return START + np.cumsum(gaps)


def with_gaps(values):
    return np.where(np.arange(len(values)) % 37 == 0, np.nan, values)


CASES = {
    "gauge": Case(times(1000), daily(1000)),
    "gaps": Case(times(1000), with_gaps(daily(1000))),
    "counter": Case(times(1000), np.cumsum(daily(1000))),
    "constant": Case(times(1000), np.full(1000, 7.0)),
    "irregular": Case(irregular(1000), daily(1000)),
    "sums": Case(np.repeat(times(500, step_ms=5 * MINUTE), 2) + np.tile([0, 20_000], 500), daily(1000), minutes_sum=True),
    "late and twice": Case(times(1000) - np.where(np.arange(1000) % 50 == 0, 15 * MINUTE, 0), daily(1000)),
    "huge": Case(times(1000), daily(1000) * 1e285),
    "tiny": Case(times(1000), daily(1000) * 1e-200),
    "no day": Case(times(1000, step_ms=48 * 60 * MINUTE), daily(1000)),
    "seconds": Case(times(1000, step_ms=1000), daily(1000, step_ms=MINUTE)),
}
every_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())


def fresh(case, count=1):
    states = engine.new_states(count)
    engine.set_aggregation(states, np.arange(count), minutes_sum=case.minutes_sum)
    return states


def feed(states, case, part, *, row=0, live=False):
    at = case.at[part]
    return engine.advance(states, np.full(len(at), row), at, case.values[part], at + 700, backfill=not live)


@every_case
def test_every_point_has_a_record_with_its_time_and_value(case):
    verdicts = feed(fresh(case), case, slice(None))
    own = verdicts[np.isin(verdicts["status"], [engine.PENDING, engine.LATE])] if case.minutes_sum else verdicts
    if case.minutes_sum:
        assert len(own) == len(case.at)
    assert verdicts.dtype == engine.VERDICT
    assert set(np.unique(verdicts["row"])) == {0}
    assert set(case.at.tolist()) <= set(verdicts["timestamp_ms"].tolist())


@every_case
def test_scored_points_have_a_finite_forecast_inside_an_ordered_band(case):
    verdicts = feed(fresh(case), case, slice(None))
    scored = verdicts[verdicts["status"] == engine.SCORED]
    assert len(scored) > 100 or case is CASES["seconds"]  # a day of seconds is longer than the case
    for name in ("yhat", "lower", "upper", "surprise", "score"):
        assert np.isfinite(scored[name]).all(), name
    assert (scored["lower"] <= scored["yhat"]).all()
    assert (scored["yhat"] <= scored["upper"]).all()
    assert ((scored["score"] >= 0) & (scored["score"] < 100)).all()


@every_case
def test_inputs_may_be_read_only_and_are_not_changed(case):
    at, values = case.at.copy(), case.values.copy()
    at.flags.writeable = values.flags.writeable = False
    engine.advance(fresh(case), np.zeros(len(at), np.int64), at, values, at, backfill=True)
    assert at.tobytes() == case.at.tobytes()
    assert values.tobytes() == case.values.tobytes()


@every_case
@pytest.mark.parametrize("live", [False, True])
def test_a_prefix_of_the_points_gives_a_prefix_of_the_verdicts(case, live):
    whole = feed(fresh(case), case, slice(None), live=live)
    for stop in (149, 150, 151, 400, 777):
        part = feed(fresh(case), case, slice(stop), live=live)
        assert same(whole[: len(part)], part)


@every_case
@pytest.mark.parametrize("live", [False, True])
def test_how_points_are_split_over_calls_changes_no_bit(case, live):
    at_once = fresh(case)
    whole = feed(at_once, case, slice(None), live=live)
    bit_by_bit = fresh(case)
    cuts = [0, 1, 2, 149, 150, 151, 153, 500, 999, 1000]
    parts = [feed(bit_by_bit, case, slice(a, b), live=live) for a, b in zip(cuts, cuts[1:], strict=False)]
    assert same(np.concatenate(parts), whole)
    assert at_once.tobytes() == bit_by_bit.tobytes()


@every_case
def test_series_of_one_call_do_not_touch_each_other(case):
    other = CASES["gauge"]
    states = fresh(case, 2)
    engine.set_aggregation(states, [1], minutes_sum=False)
    count = len(case.at)
    rows = np.tile([0, 1], count)
    at, values = np.ravel([case.at, other.at], "F"), np.ravel([case.values, other.values], "F")
    both = engine.advance(states, rows, at, values, at + 700, backfill=True)
    alone = fresh(case)
    assert same(both[both["row"] == 0], feed(alone, case, slice(None)))
    assert states[:1].tobytes() == alone.tobytes()


@every_case
def test_a_stored_state_goes_on_as_if_it_had_not_been_stored(case):
    states = fresh(case)
    feed(states, case, slice(600))
    loaded = np.frombuffer(states.tobytes(), engine.STATE).copy()
    assert same(feed(loaded, case, slice(600, None)), feed(states, case, slice(600, None)))


@pytest.mark.parametrize("factor", [1024.0, 2.0**-20])
@pytest.mark.parametrize("shift", [0.0, 4096.0])
def test_scale_and_level_of_a_series_do_not_matter(factor, shift):
    values = daily(1000)
    values[700] += 60
    plain, _ = run(times(1000), values)
    moved, _ = run(times(1000), (values + shift) * factor)
    seen = plain["status"] == engine.SCORED
    assert np.abs(plain["surprise"][seen] - moved["surprise"][seen]).max() < 0.05
    assert starts(plain) == starts(moved)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("step_ms", [MINUTE, 5 * MINUTE, 60 * MINUTE])
def test_a_planted_excursion_is_the_most_surprising_and_alerts_once(step_ms, sign):
    count, place = 4000, 3500
    values = daily(count, step_ms=step_ms, seed=3)
    values[place : place + 3] += sign * 80.0
    verdicts, _ = run(times(count, step_ms=step_ms), values)
    top = int(np.nanargmax(np.where(verdicts["status"] == engine.SCORED, verdicts["surprise"], -9)))
    assert place <= top <= place + 40
    opened = [at for at in starts(verdicts) if at >= verdicts["timestamp_ms"][place]][:1]
    assert opened == [int(verdicts["timestamp_ms"][place])]
    first = verdicts[verdicts["timestamp_ms"] == opened[0]][0]
    assert first["direction"] == sign


def test_clean_noise_alerts_rarely():
    count = 20
    false = sum(len(starts(run(times(3000), daily(3000, seed=seed))[0])) for seed in range(count))
    assert false / (count * (3000 / 144 - 2)) <= 0.04  # per series and day


values_of_any_kind = st.floats(allow_nan=True, allow_infinity=True, width=64)
POINTS = st.lists(st.tuples(st.integers(-5 * MINUTE, 120 * MINUTE), values_of_any_kind), min_size=1, max_size=60)


@settings(max_examples=60)
@given(points=POINTS, cut=st.integers(0, 60), live=st.booleans(), minutes_sum=st.booleans())
def test_no_point_whatever_breaks_the_state_or_the_independence_of_grouping(points, cut, live, minutes_sum):
    base = Case(times(200), daily(200), minutes_sum)
    at = base.at[-1] + np.cumsum([gap for gap, _ in points])
    values = np.array([value for _, value in points])
    case = Case(np.r_[base.at, at], np.r_[base.values, values], minutes_sum)
    one, two = fresh(case), fresh(case)
    whole = feed(one, case, slice(None), live=live)
    parts = [feed(two, case, slice(200 + cut), live=live), feed(two, case, slice(200 + cut, None), live=live)]
    assert same(np.concatenate(parts), whole)
    assert one.tobytes() == two.tobytes()
    for name in ("quantile", "expert", "error", "top", "bottom", "reference", "unit", "slow", "fast", "band_scale"):
        assert np.isfinite(one[name]).all(), name
    assert not np.isinf(whole["surprise"]).any()


@settings(max_examples=40)
@given(data=st.data())
def test_shuffled_points_are_scored_in_order_or_not_at_all(data):
    order = data.draw(st.permutations(range(40)))
    base = times(200)
    at = np.r_[base, base[-1] + (1 + np.array(order)) * 10 * MINUTE]
    verdicts, _ = run(at, daily(240))
    scored = verdicts["timestamp_ms"][np.isin(verdicts["status"], [engine.SCORED, engine.LEARNING])]
    assert (np.diff(scored) > 0).all()
    late = verdicts["timestamp_ms"][verdicts["status"] == engine.LATE]
    newest = np.maximum.accumulate(at)
    assert set(late.tolist()) == set(at[1:][at[1:] <= newest[:-1]].tolist())
