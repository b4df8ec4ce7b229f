"""The NAB scorer against worked examples, and the floor that the engine must not fall below."""

import math

import numpy as np
import pytest

from tests.bench import nab


def labelled(count, edges, *, probation=0):
    weight, window = nab.weights(count, edges)
    return nab.Labelled(
        name="worked",
        timestamps_ms=np.arange(count),
        values=np.zeros(count),
        weight=weight,
        window=window,
        windows=len(edges),
        scored=np.arange(count) >= probation,
    )


def alert_at(count, *places):
    alerts = np.zeros(count, np.bool_)
    alerts[list(places)] = True
    return alerts


# Lavin & Ahmad (2015), section 3: sigma(y) = 2 / (1 + e^(5 y)) - 1; y = -1 at the left edge of a window, 0 at its right edge.
@pytest.mark.parametrize(("position", "worth"), [(-1.0, 0.98661), (-0.5, 0.84828), (0.0, 0.0), (1.0, -0.98661), (3.1, -1.0)])
def test_the_sigmoid_of_the_paper(position, worth):
    assert nab.sigmoid(position) == pytest.approx(worth, abs=1e-5)


def test_a_perfect_detector_has_100_and_a_silent_one_0():
    series = [labelled(100, [(40, 49)])]
    for profile in nab.PROFILES.values():
        assert nab.score(series, [alert_at(100, 40)], profile).score == pytest.approx(100.0)
        assert nab.score(series, [alert_at(100)], profile).score == 0.0


def test_a_worked_example_with_a_late_hit_and_two_false_points():
    series = [labelled(100, [(40, 49)])]
    result = nab.score(series, [alert_at(100, 10, 45, 47, 52)], nab.PROFILES["standard"])
    hit = nab.sigmoid(-5 / 10) / nab.sigmoid(-1)
    near = 2 / (1 + math.exp(5 * 3 / 9)) - 1
    assert result.score == pytest.approx(100 * (hit + 1 - 0.11 + 0.11 * near) / 2)
    assert result[1:] == (1, 1, 2)


def test_alerts_in_the_probation_do_not_count():
    series = [labelled(100, [(40, 49)], probation=15)]
    assert nab.score(series, [alert_at(100, 3, 14)], nab.PROFILES["low_fp"]).score == 0.0


def test_the_files_are_those_of_the_benchmark():
    series = nab.load()
    assert len(series) == 31
    assert sum(one.windows for one in series) == 57
    taxi = next(one for one in series if one.name.endswith("nyc_taxi.csv"))
    assert (len(taxi.values), taxi.windows, int(taxi.scored.argmax())) == (10320, 5, 750)


def test_the_engine_holds_its_bar_with_one_gate():
    figures = nab.run()
    assert figures["NAB standard"]["value"] >= 73.4
    assert figures["NAB low_fp"]["value"] >= 60.1
    assert figures["NAB low_fn"]["value"] >= 79.9
    assert figures["band coverage, nominal 99 %"]["value"] == pytest.approx(99.0, abs=1.0)


def test_the_bar_is_held_without_look_ahead():
    taxi = next(one for one in nab.load() if one.name.endswith("nyc_taxi.csv"))
    whole = nab.detect(taxi)
    cut = 6000
    names = ("timestamps_ms", "values", "weight", "window", "scored")
    part = nab.detect(nab.Labelled(name="part", windows=taxi.windows, **{name: getattr(taxi, name)[:cut] for name in names}))
    assert part.alerts.tolist() == whole.alerts[:cut].tolist()
    assert part.upper.tobytes() == whole.upper[:cut].tobytes()
