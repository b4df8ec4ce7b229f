"""The fold: every point ends in exactly one place, whatever happens beside it."""

import random
import threading
from datetime import datetime, timedelta

import numpy as np
import pytest
from django.db import connection, transaction
from django.utils import timezone

from config.celery import app as celery_app
from metrics import points
from metrics.arrays import DAY_MS, HOUR_MS, MINUTE_MS
from metrics.points import Rule, fold, partitions
from metrics.points.families import POINTS, VERDICTS
from metrics.tasks import fold as fold_task
from metrics.tasks import fold_day, fold_org
from orgs.models import Org
from tests import factories
from tests.metrics.points.naive import merged

pytestmark = pytest.mark.django_db(transaction=True)


def stored(table, org):
    """How many points the chunks of a table hold for the org."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT coalesce(sum(n), 0) FROM {table} WHERE org_id = %s", [org.pk])
        return cursor.fetchone()[0]


def places(org):
    """(points in the unfolded log, in hour chunks, in day chunks)"""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(sum(n), 0) FROM metrics_batch WHERE org_id = %s"
            " AND xid >= coalesce((SELECT mark FROM metrics_fold WHERE org_id = %s AND family = 1), 0)",
            [org.pk, org.pk],
        )
        return cursor.fetchone()[0], stored("metrics_point_hour", org), stored("metrics_point_day", org)


def test_points_of_today_go_to_hours_and_those_of_the_past_to_days(org, put, pairs, today):
    put({7: [(today, 1.0), (today + HOUR_MS, 2.0), (today - 1, 3.0)]})
    assert fold.fold(org.pk, POINTS) == fold.Folded(3, more=False)
    assert places(org) == (0, 2, 1)
    assert pairs(7) == [(today - 1, 3.0), (today, 1.0), (today + HOUR_MS, 2.0)]


def test_a_second_fold_has_nothing_to_do(org, put, today):
    put({7: [(today, 1.0)]})
    assert fold.fold_all(org.pk, POINTS) == 1
    assert fold.fold_all(org.pk, POINTS) == 0


def test_the_last_write_wins_across_folds(org, put, pairs, today):
    for value in (1.0, 2.0, 3.0):
        put({7: [(today, value), (today - DAY_MS, value)]})
        fold.fold_all(org.pk, POINTS)
    put({7: [(today, 4.0)]})
    assert pairs(7) == [(today - DAY_MS, 3.0), (today, 4.0)]


def test_sums_add_up_across_folds(org, put, pairs, today):
    for _ in range(3):
        put({7: [(today, 1.0), (today, 1.0), (today - DAY_MS, 1.0)]}, rule=Rule.SUM)
        fold.fold_all(org.pk, POINTS)
    put({7: [(today, 1.0)]}, rule=Rule.SUM)
    assert pairs(7) == [(today - DAY_MS, 3.0), (today, 7.0)]


def test_a_day_moves_from_hours_to_days_as_it_is(org, put, pairs, today, set_clock):
    rng = np.random.default_rng(3)
    rows = {
        series: [(today + minute * MINUTE_MS, round(float(rng.normal()), 2)) for minute in range(0, 1440, 7)] for series in (3, 70, 200)
    }
    put(rows)
    fold.fold_all(org.pk, POINTS)
    set_clock(today + DAY_MS + HOUR_MS)
    assert fold.due_days(POINTS) == [org.pk]
    fold.fold_days(org.pk, POINTS)
    assert places(org) == (0, 0, 3 * 206)
    assert {series: pairs(series) for series in rows} == rows


def test_a_late_point_meets_its_day_wherever_it_is(org, put, pairs, today, set_clock):
    put({7: [(today, 1.0)]}, rule=Rule.SUM)
    fold.fold_all(org.pk, POINTS)
    set_clock(today + DAY_MS + HOUR_MS)
    put({7: [(today, 10.0)]}, rule=Rule.SUM)
    fold.fold_all(org.pk, POINTS)
    assert places(org) == (0, 1, 0)
    fold.fold_days(org.pk, POINTS)
    put({7: [(today, 100.0)]}, rule=Rule.SUM)
    fold.fold_all(org.pk, POINTS)
    assert places(org) == (0, 0, 1)
    assert pairs(7) == [(today, 111.0)]


def test_points_of_long_ago_and_of_tomorrow_are_kept(org, put, pairs, today):
    old = 946_684_800_000
    put({7: [(old, 1.0), (today + DAY_MS, 2.0)]})
    fold.fold_all(org.pk, POINTS)
    assert pairs(7) == [(old, 1.0), (today + DAY_MS, 2.0)]


def test_a_fold_that_dies_leaves_everything_as_it_was(org, put, pairs, today):
    put({7: [(today, 1.0)]})
    before = places(org)
    with transaction.atomic():
        fold.fold(org.pk, POINTS)
        transaction.set_rollback(True)
    assert places(org) == before == (1, 0, 0)
    fold.fold_all(org.pk, POINTS)
    assert pairs(7) == [(today, 1.0)]


def test_a_limited_fold_goes_on_in_log_order(org, put, pairs, today):
    for value in range(10):
        put({7: [(today, float(value)), (today + value, 0.0)]})
    assert fold.fold(org.pk, POINTS, limit=4).more is True
    assert fold.fold_all(org.pk, POINTS) > 0
    assert pairs(7) == [(today, 9.0), *((today + step, 0.0) for step in range(1, 10))]


def test_any_order_of_writes_folds_and_days_gives_the_plain_result(org, put, pairs, today, set_clock):
    rng = random.Random(11)
    writes = []
    for step in range(120):
        rows = [(rng.choice((5, 6, 64)), today + rng.randrange(-3, 4) * 11 * HOUR_MS, float(rng.randrange(9))) for _ in range(4)]
        rule = rng.choice((Rule.LAST, Rule.SUM))
        rows = [(series, time - time % MINUTE_MS, value) for series, time, value in rows]
        put(rows, rule=rule)
        writes += [(*row, rule is Rule.SUM) for row in rows]
        if rng.random() < 0.3:
            fold.fold(org.pk, POINTS, limit=rng.choice((3, 1000)))
        if step == 60:
            set_clock(today + DAY_MS + HOUR_MS)
            fold.fold_days(org.pk, POINTS)
    expected = sorted(merged(writes).items())
    assert [((series, time), value) for series in (5, 6, 64) for time, value in pairs(series)] == expected


def test_a_reader_beside_writers_and_folds_sees_every_acknowledged_point_once(org, put, pairs, today, in_thread):
    acknowledged, done = [], threading.Event()

    def write():
        for second in range(150):
            put({7: [(today + second * 1000, 1.0)], 8: [(today - DAY_MS + second * 1000, 1.0)]})
            acknowledged.append(second)
        done.set()

    def keep_folding():
        while not done.is_set():
            fold.fold(org.pk, POINTS, limit=7)

    in_thread(write)
    in_thread(keep_folding)
    in_thread(keep_folding)
    reads = 0
    while not done.is_set() or reads == 0:
        least = len(acknowledged)
        seen = [time for time, _ in pairs(7)]
        assert seen == [today + second * 1000 for second in range(len(seen))]
        assert len(seen) >= least
        assert len(pairs(8)) >= least
        reads += 1
    fold.fold_all(org.pk, POINTS)
    assert places(org) == (0, 150, 150)


def test_a_sum_is_never_seen_twice_beside_folds(org, put, pairs, today, in_thread):
    written, done = [0], threading.Event()

    def write():
        for _ in range(150):
            put({7: [(today, 1.0)]}, rule=Rule.SUM)
            written[0] += 1
        done.set()

    def keep_folding():
        while not done.is_set():
            fold.fold(org.pk, POINTS)

    in_thread(write)
    in_thread(keep_folding)
    while not done.is_set():
        least = written[0]
        total = pairs(7)[0][1] if least else 0.0
        assert least <= total <= written[0] + 1
    fold.fold_all(org.pk, POINTS)
    assert pairs(7) == [(today, 150.0)]


def test_the_tasks_fold_every_org(org, put, pairs, today, set_clock):
    other = factories.make_org("Other")
    put({7: [(today, 1.0)]})
    put({7: [(today, 2.0)]}, org_id=other.pk)
    fold_task()
    assert (places(org), places(other)) == ((0, 1, 0), (0, 1, 0))
    set_clock(today + DAY_MS + HOUR_MS)
    fold_day()
    assert (places(org), places(other)) == ((0, 0, 1), (0, 0, 1))
    assert (pairs(7), pairs(7, org_id=other.pk)) == ([(today, 1.0)], [(today, 2.0)])


def test_a_change_of_retention_leaves_no_point_twice(org, put, pairs, today):
    put({7: [(today, 1.0), (today - DAY_MS, 1.0)]})
    fold.fold_all(org.pk, POINTS)
    Org.objects.filter(pk=org.pk).update(retention_days=30)
    put({7: [(today, 2.0), (today + 1, 3.0), (today - DAY_MS, 2.0)]})
    fold.fold_all(org.pk, POINTS)
    assert pairs(7) == [(today - DAY_MS, 2.0), (today, 2.0), (today + 1, 3.0)]
    assert places(org) == (0, 2, 1)


def test_verdicts_fold_and_read_like_points(org, today, set_clock):
    times = today + np.arange(3) * MINUTE_MS
    bands = {"yhat": np.array([1.0, 2.0, np.nan]), "lower": np.zeros(3), "upper": np.full(3, 4.0), "score": np.array([0.0, 50.0, 100.0])}
    points.append_verdicts(org.pk, np.array([7, 7, 7]), times, **bands)
    fold.fold_all(org.pk, VERDICTS)
    points.append_verdicts(org.pk, np.array([7]), times[:1], **{name: column[:1] + 1 for name, column in bands.items()})
    set_clock(today + DAY_MS + HOUR_MS)
    fold.fold_days(org.pk, VERDICTS)
    got = points.read_verdicts(org.pk, [7], today, today + DAY_MS)[7]
    assert got.timestamps_ms.tolist() == times.tolist()
    np.testing.assert_array_equal(got.yhat, [2.0, 2.0, np.nan])
    np.testing.assert_array_equal(got.lower, [1.0, 0.0, 0.0])
    np.testing.assert_array_equal(got.upper, [5.0, 4.0, 4.0])
    np.testing.assert_array_equal(got.score, [1.0, 50.0, 100.0])


def test_a_fold_does_not_wait_for_another_process_that_makes_a_partition(org, put, pairs, today, in_thread):
    put({7: [(today, 1.0)]})
    fold.fold_all(org.pk, POINTS)
    partitions.forget()
    put({7: [(today, 2.0)]})
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [1886151213])
        folding = in_thread(lambda: fold.fold_all(org.pk, POINTS))
        folding.join(240)
        assert not folding.is_alive()
    assert places(org) == (0, 1, 0)


def test_a_partition_that_another_process_dropped_is_made_again(org, put, pairs, today):
    yesterday = today - DAY_MS
    partitions.ensure_days(POINTS, 400, {yesterday // DAY_MS})
    first = yesterday // DAY_MS - yesterday // DAY_MS % 50
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE metrics_point_day_k400_{first}_50")
    put({7: [(yesterday, 1.0)]})
    assert fold.fold_all(org.pk, POINTS) == 1
    assert (places(org), pairs(7)) == ((0, 0, 1), [(yesterday, 1.0)])


def test_a_task_leaves_an_org_to_the_fold_that_is_at_it(org, put, pairs, today, in_thread):
    put({7: [(today, 1.0)]})
    done = []
    fold.fold_all(org.pk, POINTS)
    with transaction.atomic():
        fold.fold(org.pk, POINTS)
        in_thread(lambda: done.append(fold_org(org.pk, POINTS.id))).join(240)
        assert done == [0]
    assert pairs(7) == [(today, 1.0)]


@pytest.fixture
def no_worker():
    """Tasks are sent to the broker, where nobody takes them."""
    celery_app.control.purge()
    celery_app.conf.task_always_eager = False
    yield
    celery_app.conf.task_always_eager = True
    celery_app.control.purge()


def test_a_fold_that_no_worker_takes_expires(put, today, no_worker):
    put({7: [(today, 1.0)]})
    before = timezone.now()
    assert fold_task() == 1
    after = timezone.now()
    with celery_app.connection_for_read() as broker:
        message = broker.default_channel.basic_get("default", no_ack=True)
    expires = datetime.fromisoformat(message.headers["expires"])
    assert message.headers["task"] == "metrics.tasks.fold_org"
    assert before <= expires - timedelta(seconds=60) <= after


class TestRestored:
    """After a restore into another cluster, whose transaction numbers are lower than the marks in the dump."""

    @pytest.fixture(autouse=True)
    def _mark_of_another_cluster(self, org):
        with connection.cursor() as cursor:
            cursor.execute("INSERT INTO metrics_fold VALUES (%s, 1, %s)", [org.pk, 2**40])

    def test_new_points_are_read_folded_and_read_again(self, org, put, pairs, today):
        put({7: [(today, 1.0)]})
        assert pairs(7) == [(today, 1.0)]
        assert points.last(org.pk, [7]) == {7: points.Newest(today, 1.0)}
        assert fold.due_orgs(POINTS) == [org.pk]
        assert fold.fold(org.pk, POINTS) == fold.Folded(1, more=False)
        assert places(org) == (0, 1, 0)
        assert pairs(7) == [(today, 1.0)]

    def test_a_day_that_is_not_folded_is_not_dropped(self, put, today, set_clock):
        put({7: [(today, 1.0)]})
        set_clock(today + DAY_MS)
        assert f"metrics_batch_{today // DAY_MS}_1" not in points.drop_consumed(2**62)

    def test_a_fold_that_waited_for_another_keeps_its_mark(self, org, put, pairs, today, in_thread):
        put({7: [(today, 1.0)]}, rule=Rule.SUM)
        fold.fold_all(org.pk, POINTS)
        put({7: [(today, 1.0)]}, rule=Rule.SUM)
        with transaction.atomic():
            fold.fold(org.pk, POINTS)
            second = in_thread(lambda: fold.fold_all(org.pk, POINTS))
            second.join(0.5)
        second.join(240)
        assert pairs(7) == [(today, 2.0)]
