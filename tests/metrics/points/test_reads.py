"""Reads: ranges, roll-ups, the newest point, and no look into another org."""

import numpy as np
import pytest
from django.db import connection

from metrics import points
from metrics.arrays import DAY_MS, HOUR_MS, MINUTE_MS
from metrics.points import fold, tail
from metrics.points.families import POINTS
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def week(put, today):
    """Minutes of three days and a bit of today for series 10 and 11."""
    rng = np.random.default_rng(4)
    times = np.arange(today - 3 * DAY_MS, today + 30 * MINUTE_MS, MINUTE_MS)
    values = {series: np.round(rng.normal(50, 5, times.size), 2) for series in (10, 11)}
    values[10][::97] = np.nan
    for series, column in values.items():
        put([(series, time, value) for time, value in zip(times, column, strict=True)])
    return times, values


def test_a_range_is_half_open(put, pairs, today):
    put({7: [(today + step, float(step)) for step in range(5)]})
    assert pairs(7, start=today + 1, end=today + 3) == [(today + 1, 1.0), (today + 2, 2.0)]


def test_every_asked_series_is_a_key(org, put, today):
    put({7: [(today, 1.0)]})
    found = points.read(org.pk, [9, 7, 8], today, today + 1)
    assert [(series, one.values.tolist()) for series, one in found.items()] == [(9, []), (7, [1.0]), (8, [])]


def test_another_orgs_points_are_not_there(org, put, pairs, today):
    put({7: [(today, 1.0)]}, org_id=factories.make_org("Other").pk)
    assert pairs(7) == []
    assert points.last(org.pk, [7]) == {}


def test_neighbours_of_one_block_are_not_mixed_up(put, pairs, today):
    put({64: [(today, 1.0)], 65: [(today, 2.0)], 127: [(today, 3.0)], 128: [(today, 4.0)]})
    assert [pairs(series) for series in (64, 65, 127, 128, 66)] == [[(today, float(k))] for k in (1, 2, 3, 4)] + [[]]


@pytest.mark.parametrize("step_ms", [MINUTE_MS, 5 * MINUTE_MS, HOUR_MS, 7 * HOUR_MS, DAY_MS])
def test_rollups_equal_those_made_by_hand(org, week, step_ms):
    times, values = week
    start, end = int(times[100]), int(times[-3])
    for series, got in points.rollup(org.pk, [10, 11], start, end, step_ms).items():
        kept = (times >= start) & (times < end) & ~np.isnan(values[series])
        steps, column = times[kept] // step_ms * step_ms, values[series][kept]
        expected = [(step, column[steps == step]) for step in np.unique(steps)]
        assert got.starts_ms.tolist() == [step for step, _ in expected]
        assert got.count.tolist() == [part.size for _, part in expected]
        assert got.least.tolist() == [part.min() for _, part in expected]
        assert got.most.tolist() == [part.max() for _, part in expected]
        np.testing.assert_allclose(got.mean, [part.mean() for _, part in expected], rtol=1e-12)


def test_a_rollup_of_gaps_alone_is_empty(org, put, today):
    put({7: [(today, float("nan"))]})
    assert points.rollup(org.pk, [7], today, today + DAY_MS, HOUR_MS)[7].starts_ms.size == 0


def test_the_newest_point_of_each_series(org, put, today):
    put({7: [(today, 1.0), (today + 5, 2.0), (today + 3, 3.0)], 8: [(today - 40 * DAY_MS, 4.0)]})
    assert points.last(org.pk, [7, 8, 9]) == {7: points.Newest(today + 5, 2.0), 8: points.Newest(today - 40 * DAY_MS, 4.0)}


@pytest.mark.django_db(transaction=True)
def test_whole_days_are_rolled_up_from_their_counters_and_from_points_alike(org, put, today):
    rng = np.random.default_rng(5)
    times = np.arange(today - 4 * DAY_MS, today + HOUR_MS, 10 * MINUTE_MS)
    values = np.round(rng.normal(0, 3, times.size), 3)
    put([(7, time, value) for time, value in zip(times, values, strict=True)])
    unfolded = points.rollup(org.pk, [7], today - 4 * DAY_MS, today + DAY_MS, DAY_MS)[7]
    fold.fold_all(org.pk, POINTS)
    put({7: [(today - 2 * DAY_MS, 1000.0)]})
    got = points.rollup(org.pk, [7], today - 4 * DAY_MS, today + DAY_MS, DAY_MS)[7]
    assert got.starts_ms.tolist() == unfolded.starts_ms.tolist()
    assert got.count.tolist() == unfolded.count.tolist() == [144, 144, 144, 144, 6]
    assert got.most.tolist() == [*unfolded.most.tolist()[:2], 1000.0, *unfolded.most.tolist()[3:]]
    assert points.last(org.pk, [7])[7] == points.Newest(int(times[-1]), float(values[-1]))


@pytest.mark.django_db(transaction=True)
def test_whole_days_are_rolled_up_without_decoding_a_point(org, put, today):
    put({7: [(today - 2 * DAY_MS + step * HOUR_MS, float(step)) for step in range(48)]})
    fold.fold_all(org.pk, POINTS)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE metrics_point_day SET data = '' WHERE org_id = %s", [org.pk])
    got = points.rollup(org.pk, [7], today - 2 * DAY_MS, today, DAY_MS)[7]
    assert (got.mean.tolist(), got.least.tolist(), got.most.tolist(), got.count.tolist()) == ([11.5, 35.5], [0, 24], [23, 47], [24, 24])


@pytest.mark.parametrize(("name", "limit"), [("LONG_POINTS", 5), ("LONG_ROWS", 2)])
def test_a_long_tail_is_ordered_to_be_folded_once_and_read_whole(org, put, pairs, today, monkeypatch, unattended, name, limit):
    monkeypatch.setattr(tail, name, limit)
    for start in (0, 3, 6):
        put({7: [(today + step, float(step)) for step in range(start, start + 3)], 8: [(today, 0.0)]})
    for _ in range(2):
        assert pairs(7) == [(today + step, float(step)) for step in range(9)]
    assert unattended.waiting() == [("metrics.tasks.fold_org", [org.pk, POINTS.id])]


def test_a_short_tail_is_left_to_the_fold_that_is_due(put, pairs, today, unattended):
    put({7: [(today, 1.0)]})
    assert pairs(7) == [(today, 1.0)]
    assert unattended.waiting() == []


def test_a_long_tail_is_read_also_without_a_broker(put, pairs, today, monkeypatch, no_broker):
    monkeypatch.setattr(tail, "LONG_ROWS", 0)
    put({7: [(today, 1.0)]})
    assert pairs(7) == [(today, 1.0)]
