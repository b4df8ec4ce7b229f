"""One test for each written rule of the package's README."""

import numpy as np
import pytest

from metrics.detection import engine
from tests.metrics.detection.series import HOUR, MINUTE, START, daily, run, same, starts, times

STEP = 10 * MINUTE
LEARNED = 432  # three days of ten-minute points


def learned(count=LEARNED, *, sensitivity="normal"):
    """A live daily series after three days: its state, and the time and clean value of the points that follow."""
    at, values = times(count + 400), daily(count + 400)
    _, states = run(at[:count], values[:count], backfill=False, sensitivity=sensitivity)
    return states, at[count:], values[count:]


def feed(states, at, values, *, received=None, backfill=False):
    at = np.atleast_1d(at)
    return engine.advance(
        states, np.zeros(len(at), np.int64), at, np.atleast_1d(values), at if received is None else received, backfill=backfill
    )


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
def test_a_value_that_is_no_number_is_a_gap_and_leaves_the_model_as_it_was(value):
    states, at, values = learned()
    before = states.copy()
    verdict = feed(states, at[0], value)[0]
    assert verdict["status"] == engine.GAP
    assert np.isnan([verdict["yhat"], verdict["lower"], verdict["upper"], verdict["surprise"]]).all()
    for name in ("expert", "quantile", "histogram", "ring", "points", "last_ms"):
        assert states[name].tobytes() == before[name].tobytes(), name


def test_late_and_repeated_points_are_never_scored():
    states, at, values = learned()
    feed(states, at[:5], values[:5])
    before = states.copy()
    again = feed(states, [at[4], at[2], at[4] - 1], [1e6, 1e6, 1e6], received=int(at[4]))
    assert again["status"].tolist() == [engine.LATE] * 3
    assert again["event"].tolist() == [0] * 3
    assert same(states, before)


def test_a_regular_series_is_scored_at_the_arrival_of_its_point():
    states, at, values = learned()
    verdict = feed(states, at[0], values[0] + 200)
    assert verdict["status"].tolist() == [engine.SCORED]
    assert starts(verdict) == [at[0]]


def test_a_point_within_half_a_step_is_merged_and_not_scored():
    states, at, values = learned()
    feed(states, at[0], values[0])
    assert feed(states, at[0] + STEP // 2 - 1, 1e6)["status"].tolist() == [engine.MERGED]
    assert feed(states, at[0] + STEP // 2 + 1, values[0])["status"].tolist() == [engine.SCORED]


@pytest.mark.parametrize(("missing", "run_after"), [(0, 240), (3, 240), (4, 1)])
def test_a_short_gap_is_bridged_and_a_long_one_empties_the_windows(missing, run_after):
    states, at, values = learned()
    feed(states, at[missing], values[missing])
    assert states["run"][0] == run_after


def test_an_irregular_series_is_scored_bin_by_bin():
    gaps = np.random.default_rng(5).exponential(STEP, 900).astype(np.int64) + 1
    verdicts, states = run(START + np.cumsum(gaps), daily(900))
    own = verdicts[verdicts["status"] == engine.PENDING]
    bins = verdicts[verdicts["status"] == engine.SCORED]
    width = int(states["bin_width_ms"][0])
    assert len(own) == 750
    assert width == np.sort(np.diff(START + np.cumsum(gaps)[:150]))[int(0.9 * 148)]
    assert (bins["timestamp_ms"] % width == 0).all()


def test_a_counter_is_recognised_and_told_in_its_own_unit():
    rates = daily(LEARNED + 50)
    values = np.cumsum(rates) * 600
    values[LEARNED + 20 :] += 3e5
    verdicts, states = run(times(len(values)), values)
    assert engine.attributes(states)["is_counter"].tolist() == [True]
    following = verdicts[LEARNED : LEARNED + 20]
    assert np.abs(following["yhat"] - values[LEARNED : LEARNED + 20]).max() < 6 * 2 * 600
    assert starts(verdicts[LEARNED:]) == [times(len(values))[LEARNED + 20]]


def test_the_reset_of_a_counter_is_no_anomaly():
    rates = daily(LEARNED + 50)
    values = np.cumsum(rates) * 600
    values[LEARNED:] -= values[LEARNED - 1]
    verdicts, states = run(times(len(values)), values)
    assert starts(verdicts[LEARNED:]) == []
    assert engine.attributes(states)["is_counter"].tolist() == [True]


def test_a_gauge_that_only_rose_at_first_is_a_gauge_after_all():
    i = np.arange(2000)
    values = 100 - 50 * np.cos(2 * np.pi * i / 1440)
    _, states = run(times(2000, step_ms=MINUTE), values)
    assert engine.attributes(states)["is_counter"].tolist() == [False]
    assert engine.attributes(states)["resolution_s"].tolist() == [60.0]


def test_a_constant_series_never_alerts_and_its_first_change_does():
    states = engine.new_states(1)
    assert starts(feed(states, times(600), np.full(600, 7.0), backfill=True)) == []
    change = feed(states, times(601)[-1:], 8.0, backfill=True)
    assert starts(change) == [times(601)[-1]]


def test_a_flat_line_is_an_anomaly_of_its_kind():
    states, at, _ = learned(sensitivity="low")
    feed(states, at[:1], 100.0)
    verdicts = feed(states, at[1:60], np.full(59, 100.0))
    assert "flat" in {engine.KINDS[one["kind"]] for one in verdicts[verdicts["event"] & engine.OPEN != 0]} or (
        verdicts["detectors"][-1][engine.FEATURES.index("flat_line")] > 3.2
    )


@pytest.mark.parametrize("seed", range(4))
def test_a_flat_line_goes_neither_up_nor_down(seed):
    values = 100.0 + np.cumsum(0.2 * np.random.default_rng(seed).standard_normal(900))
    values[700:] = values[699]
    verdicts, _ = run(times(900), values)
    opened = verdicts[verdicts["event"] & engine.OPEN != 0]
    assert [(engine.KINDS[one["kind"]], one["direction"]) for one in opened if one["timestamp_ms"] >= times(900)[700]] == [("flat", 0)]


def test_nothing_below_zero_is_expected_of_a_series_that_never_was_there():
    noise = np.random.default_rng(4).standard_normal(1000)
    never, _ = run(times(1000), np.abs(noise))
    assert (np.nanmin(never["lower"]), np.nanmin(never["yhat"]) >= 0.0) == (0.0, True)
    assert (never["lower"][never["status"] == engine.SCORED] <= never["upper"][never["status"] == engine.SCORED]).all()
    often, states = run(times(1000), noise)
    assert np.nanmin(often["lower"]) < -1.0

    first = run(times(1001)[-1:], np.array([-50.0]), states=run(times(1000), np.abs(noise))[1])[0]
    assert (first["lower"][0], first["event"][0] & engine.OPEN, first["direction"][0]) == (0.0, engine.OPEN, -1)


def test_the_usual_flat_value_is_no_anomaly():
    values = np.where(np.arange(1500) % 100 < 70, 0.0, np.random.default_rng(0).random(1500))
    values[1200:] = 0.0
    verdicts, _ = run(times(1500), values)
    assert np.nanmax(verdicts["detectors"][1200:, engine.FEATURES.index("flat_line")], initial=0.0) == 0.0


def test_a_new_level_alerts_once_and_becomes_normal():
    count = 2400
    values = daily(count)
    values[1000:] += 120.0
    verdicts, states = run(times(count), values)
    opened = [at for at in starts(verdicts) if at >= times(count)[990]]
    assert opened == [times(count)[1000]]
    assert abs(states["reference"][0] + states["unit"][0] * states["quantile"][0, 1] - values[1800:].mean()) < 15
    last = verdicts[-1]
    assert last["lower"] <= values[-1] <= last["upper"]
    assert states["is_open"].tolist() == [0]


def test_relearn_takes_the_last_points_as_the_normal_level():
    states, at, values = learned()
    feed(states, at[:64], values[:64] + 150.0)
    engine.relearn(states, [0])
    feed(states, at[64], values[64] + 150.0)
    centre = states["reference"][0] + states["unit"][0] * states["quantile"][0, 1]
    assert abs(centre - np.median(values[:65] + 150.0)) < 5.0


def test_nothing_is_reported_while_learning():
    values = daily(400)
    values[100] = values[140] = 1e6
    verdicts, _ = run(times(400), values)
    day = verdicts[:144]
    assert (day["event"] == 0).all()
    assert set(verdicts["status"][:150]) == {engine.LEARNING}
    assert verdicts["status"][160] == engine.SCORED


def test_learning_is_shown_for_two_days():
    states = engine.new_states(1)
    feed(states, times(287), daily(287), backfill=True)
    assert engine.attributes(states)["learning"].tolist() == [True]
    feed(states, times(290)[287:], daily(290)[287:], backfill=True)
    assert engine.attributes(states)["learning"].tolist() == [False]


def silence_at(states, now):
    made = engine.tick(states, int(now))
    return [(engine.KINDS[one["kind"]], int(one["event"]), int(one["episode_ms"])) for one in made]


def test_silence_opens_by_the_clock_and_ends_with_the_next_arrival():
    states, at, values = learned()
    last = int(at[0]) - STEP
    assert silence_at(states, last + 5 * STEP) == []
    assert silence_at(states, last + 5 * STEP + 1) == [("silence", engine.OPEN, last + STEP)]
    assert silence_at(states, last + 6 * STEP) == []
    assert engine.attributes(states)["stale"].tolist() == [True]
    back = feed(states, at[9], values[9])
    assert back["status"].tolist() == [engine.ABSENT, engine.SCORED]
    assert (back["event"][0], back["episode_ms"][0]) == (engine.CLOSE, last + STEP)
    assert engine.attributes(states)["stale"].tolist() == [False]


def test_silence_without_a_tick_between_opens_and_closes_at_the_next_arrival():
    states, at, values = learned()
    back = feed(states, at[9], values[9])
    assert (back["event"][0], back["episode_ms"][0]) == (engine.OPEN | engine.CLOSE, at[0])


def test_silence_is_measured_on_arrival_and_not_on_the_points_times():
    states, at, values = learned()
    received = int(at[0]) + np.array([0, STEP, 2 * STEP])
    assert (feed(states, [at[0], at[9], at[18]], values[[0, 9, 18]], received=received)["status"] != engine.ABSENT).all()


def test_history_is_never_silent():
    _, states = run(times(LEARNED), daily(LEARNED), backfill=True)
    assert silence_at(states, START + 10**12) == []


def test_a_series_that_is_still_learning_is_never_silent():
    _, states = run(times(120), daily(120), backfill=False)
    assert silence_at(states, START + 10**12) == []


def summed():
    states = engine.new_states(1)
    engine.set_aggregation(states, [0], minutes_sum=True)
    return states


def test_two_equal_points_of_one_second_both_count_in_a_sum():
    states = summed()
    feed(states, [START, START, START + 20_000], [1.0, 1.0, 3.0])
    made = feed(states, START + MINUTE, 1.0)
    assert made["status"].tolist() == [engine.LEARNING, engine.PENDING]
    assert (made["timestamp_ms"][0], made["value"][0]) == (START, 5.0)


def test_a_summed_minute_is_over_fifteen_seconds_after_its_end():
    states = summed()
    feed(states, START + 1000, 2.0)
    assert len(engine.tick(states, START + MINUTE + 14_999)) == 0
    over = engine.tick(states, START + MINUTE + 15_000)
    assert (over["timestamp_ms"].tolist(), over["value"].tolist()) == ([START], [2.0])
    assert feed(states, START + 30_000, 2.0, received=START + MINUTE + 16_000)["status"].tolist() == [engine.LATE]


def test_a_points_reception_closes_the_minute_like_a_tick():
    states = summed()
    feed(states, START + 1000, 2.0)
    made = feed(states, START + 30_000, 2.0, received=START + MINUTE + 15_000)
    assert made["status"].tolist() == [engine.LEARNING, engine.LATE]


def episode(offsets):
    """Events of the points after a learned series, each moved by its offset."""
    states, at, values = learned()
    return feed(states, at[: len(offsets)], values[: len(offsets)] + np.array(offsets))


def test_an_episode_opens_once_extends_and_closes_five_calm_points_later():
    verdicts = episode([150.0, 150.0] + [0.0] * 90)
    event = verdicts["event"]
    assert event[0] == engine.OPEN
    assert event[1] in (engine.EXTEND, engine.ESCALATE)
    closed = int(np.flatnonzero(event & engine.CLOSE)[0])
    assert (event[closed - 4 : closed] == 0).all()
    assert event[closed - 5] & (engine.EXTEND | engine.ESCALATE | engine.OPEN)
    assert len(starts(verdicts)) == 1


def test_a_spike_is_over_when_the_values_are_back_though_windows_still_hold_it():
    verdicts = episode([400.0] + [0.0] * 90)
    assert verdicts["surprise"][20] > engine.THRESHOLDS["normal"]  # the mean of the last 40 points, for one
    assert int(np.flatnonzero(verdicts["event"] & engine.CLOSE)[0]) <= 10


def test_a_level_that_stays_away_keeps_the_episode_open():
    verdicts = episode([400.0] * 30 + [0.0] * 60)
    assert not (verdicts["event"][:30] & engine.CLOSE).any()


def test_a_second_crossing_within_the_refractory_time_belongs_to_the_same_episode():
    verdicts = episode([150.0] + [0.0] * 50 + [-150.0] + [0.0] * 10)
    told = verdicts[verdicts["event"] != 0]
    assert len(starts(verdicts)) == 1
    assert set(told["episode_ms"].tolist()) == {int(verdicts["timestamp_ms"][0])}
    assert verdicts["event"][51] & (engine.EXTEND | engine.ESCALATE)


def test_a_much_worse_crossing_on_the_other_side_turns_the_episode():
    verdicts = episode([-15.0] + [0.0] * 20 + [400.0] + [0.0] * 10)
    assert len(starts(verdicts)) == 1
    assert (verdicts["event"][21], verdicts["direction"][21]) == (engine.ESCALATE, 1)
    assert set(verdicts["direction"][:21][verdicts["event"][:21] != 0].tolist()) == {-1}
    assert set(verdicts["direction"][22:][verdicts["event"][22:] != 0].tolist()) == {1}


def test_a_much_worse_crossing_escalates():
    verdicts = episode([15.0, 15.0, 400.0])
    assert verdicts["event"][2] == engine.ESCALATE


def test_sensitivities_are_ordered():
    values = daily(3000, noise=4.0)
    values[2000:2002] += 30
    counts = [len(starts(run(times(3000), values, sensitivity=name)[0])) for name in ("low", "normal", "high")]
    assert counts == sorted(counts)
    assert engine.THRESHOLDS == {"low": 3.2, "normal": 2.6, "high": 2.0}


def test_a_series_that_changes_its_step_is_learned_anew():
    at = np.r_[times(600), times(600)[-1] + np.arange(1, 2000) * MINUTE]
    _, states = run(at, daily(len(at)))
    assert engine.attributes(states)["resolution_s"].tolist() == [60.0]


def test_hourly_points_know_their_week():
    count = 24 * 7 * 6
    i = np.arange(count)
    values = 100.0 + 50.0 * (i // 24 % 7 >= 5) + np.random.default_rng(1).standard_normal(count)
    verdicts, _ = run(times(count, step_ms=HOUR), values)
    monday = verdicts["yhat"][24 * 7 * 5]
    assert monday < 130.0  # the last value said 150


def test_daily_points_have_a_week_as_their_cycle():
    _, states = run(times(400, step_ms=24 * HOUR), daily(400))
    assert engine.attributes(states)["period_s"].tolist() == [7 * 86400.0]


@pytest.mark.parametrize(("cycle", "step_ms"), [(10, MINUTE), (42, 10 * MINUTE), (90, MINUTE)])
def test_a_cycle_that_is_no_day_is_found_and_its_absence_noticed(cycle, step_ms):
    count = 2400
    i = np.arange(count)
    values = np.where(i % cycle < cycle // 5, 80.0, 20.0) + np.random.default_rng(2).standard_normal(count)
    values[2000 - 2000 % cycle : 2000 - 2000 % cycle + cycle // 5] = 20.0
    verdicts, states = run(times(count, step_ms=step_ms), values)
    assert engine.attributes(states)["period_s"].tolist() == [cycle * step_ms / 1000]
    calm = slice(1500, 1990 - cycle)
    assert np.mean(np.abs(verdicts["yhat"] - values)[calm]) < 4.0  # the last value alone would be off by 12 at a cycle of ten points
    place = 2000 - 2000 % cycle
    assert verdicts["surprise"][place : place + cycle].max() > max(2.0, verdicts["surprise"][calm].max())


def test_noise_and_a_constant_have_no_rhythm():
    for values in (np.random.default_rng(0).standard_normal(2000), np.full(2000, 3.0)):
        _, states = run(times(2000, step_ms=MINUTE), values)
        assert states["rhythm"].tolist() == [0]


def test_an_excursion_that_one_value_shows_is_a_spike():
    verdicts = episode([200.0, 0.0])
    assert engine.KINDS[verdicts["kind"][0]] == "spike"


def test_the_attributes_of_a_series_without_points():
    shown = engine.attributes(engine.new_states(1))[0]
    assert shown.tolist() == (0.0, False, True, False, 0, 0, 0.0)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"rows": [1]}, IndexError),
        ({"rows": [-1]}, IndexError),
        ({"values": [1.0, 2.0]}, ValueError),
        ({"rows": [[0]]}, ValueError),
    ],
)
def test_wrong_arguments_are_refused(change, error):
    given = {"rows": [0], "timestamps_ms": [START], "values": [1.0], "received_ms": START} | change
    with pytest.raises(error):
        engine.advance(engine.new_states(1), **given)


def test_a_state_of_another_version_is_refused():
    states = engine.new_states(1)
    states["version"] += 1
    with pytest.raises(ValueError, match="another version"):
        engine.tick(states, START)


@pytest.mark.parametrize("wrong", ["loud", 0.0, -1.0])
def test_a_threshold_must_be_known_or_positive(wrong):
    with pytest.raises((KeyError, ValueError)):
        engine.set_sensitivity(engine.new_states(1), [0], wrong)
