"""Long and dense series: read in parts, rolled up when they are too much, and drawn from that."""

import numpy as np
import pytest
from django.db import connection

from metrics import pictures, points
from metrics.arrays import DAY_MS, HOUR_MS, MINUTE_MS
from metrics.charts import Span
from metrics.columns import Series, Window, band_of, series_of
from metrics.detection.engine import Outlook
from metrics.pictures import Style
from metrics.points import fold, spans
from metrics.points.families import POINTS, VERDICTS
from tests import factories

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def metric(datastore):
    """Of which a point a day is expected."""
    return factories.make_metric(datastore, "dense", resolution_s=86_400.0)


@pytest.fixture
def dense(metric, today):
    """What it really got: a point each ten minutes, five days long, in day chunks; and the same of verdicts."""
    times = np.arange(today - 5 * DAY_MS, today, 10 * MINUTE_MS)
    values, series = np.round(np.random.default_rng(3).normal(0, 3, times.size), 3), np.full(times.size, metric.pk)
    points.append(metric.org_id, series, times, values)
    points.append_verdicts(metric.org_id, series, times, yhat=values, lower=values - 1, upper=values + 1, score=np.abs(values))
    for family in (POINTS, VERDICTS):
        fold.fold_all(metric.org_id, family)
    return times, values


def unreadable(table: str, org_id: int) -> None:
    """Whoever decodes a point of it fails."""
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE {table} SET data = '' WHERE org_id = %s", [org_id])


@pytest.mark.parametrize("step_ms", [MINUTE_MS, 7 * HOUR_MS, 36 * HOUR_MS])
def test_the_parts_of_a_range_meet_at_steps_and_make_the_whole(metric, dense, today, monkeypatch, step_ms):
    wanted = (metric.org_id, [metric.pk], today - 5 * DAY_MS + HOUR_MS, today + 2 * DAY_MS)
    ahead = np.arange(today, today + DAY_MS, 10 * MINUTE_MS)
    then = Outlook(ahead, np.sin(ahead), np.sin(ahead) - 1, np.sin(ahead) + 1)
    assert spans.spans(POINTS, *wanted, step_ms=step_ms) == [wanted[2:]]
    whole = points.rollup(*wanted, step_ms)[metric.pk]
    band, _ = band_of(metric, Window(*wanted[2:], step_ms=step_ms), then=then)
    assert band.timestamps_ms[-1] == ahead[-1] // step_ms * step_ms
    monkeypatch.setattr(spans, "MOST_AT_ONCE", 200)  # a day holds 144
    parts = spans.spans(POINTS, *wanted, step_ms=step_ms)
    edges = [end for _, end in parts[:-1]]
    assert (parts[0][0], parts[-1][1], edges) == (*wanted[2:], [start for start, _ in parts[1:]])
    assert len(edges) >= 2
    assert [edge % step_ms for edge in edges] == [0] * len(edges)
    got = points.rollup(*wanted, step_ms)[metric.pk]
    assert [getattr(got, name).tolist() for name in vars(whole)] == [column.tolist() for column in vars(whole).values()]
    in_parts, _ = band_of(metric, Window(*wanted[2:], step_ms=step_ms), then=then)
    for name, column in vars(band).items():
        assert np.array_equal(getattr(in_parts, name), column, equal_nan=True)


def test_more_points_than_were_asked_for_are_rolled_up_without_decoding_one(metric, dense, today):
    _, values = dense
    unreadable("metrics_point_day", metric.org_id)
    told = series_of(metric, Window(today - 5 * DAY_MS, today, max_points=5))
    assert (told.step_ms, told.timestamps_ms.size) == (DAY_MS, 5)
    assert told.maximum.tolist() == values.reshape(5, 144).max(axis=1).tolist()


def test_a_day_of_too_many_points_is_rolled_up(metric, today):
    times = today - DAY_MS + np.arange(50_001) * 1000
    points.append(metric.org_id, np.full(times.size, metric.pk), times, np.arange(times.size) % 7.0)
    told = series_of(metric, Window(today - DAY_MS, today))
    assert (told.step_ms, told.values.size, told.values[:2].tolist(), told.maximum.max()) == (2000, 25_001, [0.5, 2.5], 6.0)
    assert series_of(metric, Window(today - DAY_MS, int(times[-1]))).step_ms is None


def test_a_band_of_too_many_verdicts_comes_in_steps(metric, today):
    times = today - 3 * DAY_MS + np.arange(50_001) * 5000
    column = np.zeros(times.size)
    points.append_verdicts(
        metric.org_id, np.full(times.size, metric.pk), times, yhat=column, lower=column - 1, upper=column + 1, score=column
    )
    band, step_ms = band_of(metric, Window(today - 3 * DAY_MS, today))
    assert (step_ms, band.timestamps_ms.size) == (300_000, 834)


def test_a_long_anomaly_is_drawn_from_steps_that_keep_its_peak(metric, today):
    step = np.array([0, 60_000, 120_000])
    series = Series(step, np.array([1.0, 2.0, np.nan]), 60_000, np.array([0.0, -9.0, np.nan]), np.array([2.0, 3.0, np.nan]))
    times, values = pictures._line(series, [Span(61_234, None), Span(-5, 7, 3), Span(0, None, 500_000)])
    assert times.tolist() == [0, 3, 30_000, 60_000, 61_234, 90_000, 120_000, 150_000]
    assert np.array_equal(values, [0.0, 2.0, 2.0, -9.0, -9.0, 3.0, np.nan, np.nan], equal_nan=True)


def test_a_long_anomaly_of_a_dense_series_has_a_picture(metric, today):
    times = today - 4 * DAY_MS + np.arange(60_000) * 5000
    points.append(metric.org_id, np.full(times.size, metric.pk), times, np.sin(times / 9e6))
    picture = pictures.picture_around(metric, Span(int(times[0]), int(times[-1])), style=Style(form="svg"), now_ms=today)
    assert b"dense" in picture
    assert len(picture) < 200_000
