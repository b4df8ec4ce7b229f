"""The batch log: in the order of transactions, complete below the mark, never split within one transaction."""

import threading
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from django.db import connection, transaction
from django.utils import timezone

from metrics import points
from metrics.arrays import DAY_MS
from metrics.points import Rule, fold, partitions
from metrics.points.families import POINTS

pytestmark = pytest.mark.django_db(transaction=True)
EVEN = (0, 2)


@pytest.fixture
def mark() -> int:
    """The mark of a reader who has read everything so far."""
    return points.read_log(0, 1, 0).mark


def test_a_slice_says_everything_about_its_points(put, org, today, mark):
    received = datetime(2026, 3, 1, 12, 0, 0, 123000, tzinfo=UTC)
    partitions.ensure_log(POINTS, received)
    put([(4, today, 1.5), (6, today + 1, float("nan"))], received_at=received, backfill=True)
    put([(4, today, 2.0)], rule=Rule.SUM)
    got = points.read_log(*EVEN, mark)
    assert got.series.tolist() == [4, 6, 4]
    assert got.timestamps_ms.tolist() == [today, today + 1, today]
    np.testing.assert_array_equal(got.values, [1.5, np.nan, 2.0])
    assert got.received_ms[:2].tolist() == [1772366400123] * 2
    assert got.org_ids.tolist() == [org.pk] * 3
    assert got.backfill.tolist() == [True, True, False]
    assert got.sum.tolist() == [False, False, True]
    assert (got.batches, got.more) == (2, False)


def test_a_shard_sees_its_series_and_no_others(put, today, mark):
    put([(series, today, float(series)) for series in range(1, 11)])
    shards = [points.read_log(shard, 3, mark).series.tolist() for shard in range(3)]
    assert shards == [[3, 6, 9], [1, 4, 7, 10], [2, 5, 8]]


def test_points_keep_the_order_of_their_request(put, today, mark):
    put([(2, today + 5, 1.0), (2, today, 2.0), (2, today + 9, 3.0)])
    assert points.read_log(*EVEN, mark).values.tolist() == [1.0, 2.0, 3.0]


def test_nothing_is_read_twice(put, today, mark):
    put([(2, today, 1.0)])
    first = points.read_log(*EVEN, mark)
    assert points.read_log(*EVEN, first.mark).series.size == 0
    put([(2, today + 1, 2.0)])
    assert points.read_log(*EVEN, first.mark).values.tolist() == [2.0]


def test_a_row_that_commits_late_is_neither_missed_nor_overtaken(put, today, mark, in_thread):
    logged, finish = threading.Event(), threading.Event()

    def slow():
        with transaction.atomic():
            put([(2, today, 1.0)])
            logged.set()
            finish.wait(240)

    thread = in_thread(slow)
    logged.wait(240)
    put([(2, today + 1, 2.0)])
    during = points.read_log(*EVEN, mark)
    assert during.series.size == 0
    finish.set()
    thread.join(240)
    assert points.read_log(*EVEN, during.mark).values.tolist() == [1.0, 2.0]


def test_a_row_of_an_aborted_transaction_never_appears(put, today, mark):
    with transaction.atomic():
        put([(2, today, 1.0)])
        transaction.set_rollback(True)
    assert points.read_log(*EVEN, mark).batches == 0


def test_a_limited_read_goes_on_where_it_stopped(put, today, mark):
    for step in range(10):
        put([(2, today + step, float(step)), (4, today + step, float(step))])
    seen, more = [], True
    while more:
        got = points.read_log(*EVEN, mark, limit=5)
        assert got.series.size <= 6
        seen, mark, more = seen + got.values[got.series == 2].tolist(), got.mark, got.more
    assert seen == [float(step) for step in range(10)]


def test_one_transaction_is_never_split(put, today, mark):
    with transaction.atomic():
        for step in range(5):
            put([(2, today + step, float(step))])
    put([(2, today + 9, 9.0)])
    got = points.read_log(*EVEN, mark, limit=2)
    assert (got.values.tolist(), got.more) == ([0, 1, 2, 3, 4], True)
    assert points.read_log(*EVEN, got.mark, limit=2).values.tolist() == [9.0]


def test_ingestion_makes_a_missing_partition_itself(put, pairs, today):
    with connection.cursor() as cursor:
        for partition in partitions.partitions_of("metrics_batch"):
            cursor.execute(f"DROP TABLE {partition.table}")
    put([(2, today, 1.0)])
    assert pairs(2) == [(today, 1.0)]


def test_nothing_is_logged_for_no_points(org, mark):
    points.append(org.pk, np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))
    assert points.read_log(0, 1, mark).batches == 0


class TestDropConsumed:
    @pytest.fixture
    def yesterdays(self, put, today):
        """A log of yesterday with one row; its table."""
        yesterday = timezone.now() - timedelta(days=1)
        put([(2, today, 1.0)], received_at=yesterday)
        return f"metrics_batch_{(yesterday - datetime(1970, 1, 1, tzinfo=UTC)).days}_1"

    def test_a_day_that_all_have_passed_is_dropped(self, org, yesterdays, pairs, today):
        for org_id in fold.due_orgs(POINTS):
            fold.fold_all(org_id, POINTS)
        assert yesterdays in points.drop_consumed(points.read_log(0, 1, 0).mark)
        assert pairs(2) == [(today, 1.0)]

    def test_a_day_that_detection_needs_stays(self, org, yesterdays):
        fold.fold_all(org.pk, POINTS)
        assert yesterdays not in points.drop_consumed(0)

    def test_a_day_that_is_not_folded_stays(self, yesterdays):
        assert yesterdays not in points.drop_consumed(2**62)

    def test_a_row_that_commits_while_its_day_is_dropped_stays(self, org, yesterdays, put, pairs, today, in_thread):
        fold.fold_all(org.pk, POINTS)
        with transaction.atomic():
            put([(2, today + 1, 2.0)], received_at=timezone.now() - timedelta(days=1))
            dropping = in_thread(lambda: points.drop_consumed(2**62))
            dropping.join(0.7)
        dropping.join(240)
        assert pairs(2) == [(today, 1.0), (today + 1, 2.0)]

    def test_today_stays(self, org, put, today):
        put([(2, today, 1.0)])
        fold.fold_all(org.pk, POINTS)
        points.drop_consumed(2**62)
        assert f"metrics_batch_{today // DAY_MS}_1" in [p.table for p in partitions.partitions_of("metrics_batch")]
