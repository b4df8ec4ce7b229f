"""Partitions: made when they are needed, dropped when they may go, by functions with the rights that the product itself lacks."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.db import ProgrammingError, connection, transaction

from metrics.arrays import DAY_MS
from metrics.points import fold, partitions
from metrics.points.families import POINTS
from orgs.models import Org
from orgs.tenancy import within
from tests import factories
from tests.acting import as_application, as_owner

pytestmark = pytest.mark.django_db(transaction=True)


def partitions_with_rows(parent: str) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT DISTINCT tableoid::regclass::text FROM {parent}")
        return [table for (table,) in cursor.fetchall()]


def made(table: str, days_ago: float) -> None:
    """As if the partition had been made then."""
    with connection.cursor() as cursor:
        cursor.execute(f"COMMENT ON TABLE {table} IS '{(datetime.now(UTC) - timedelta(days=days_ago)).isoformat()}'")


class TestRetention:
    """By the database's own clock, whatever the caller believes."""

    @pytest.fixture(autouse=True)
    def _no_chunks_of_other_tests(self, org):
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM metrics_point_day; DELETE FROM metrics_point_hour")

    @pytest.mark.parametrize(("made_days_ago", "is_there"), [(0, True), (29.9, True), (30.1, False)])
    def test_a_partition_goes_when_its_points_and_its_making_are_old_enough(self, put, pairs, today, made_days_ago, is_there):
        org = factories.make_org("Month")
        Org.objects.filter(pk=org.pk).update(retention_days=30)
        old = today - 60 * DAY_MS
        put({7: [(old, 1.0)]}, org_id=org.pk)
        fold.fold_all(org.pk, POINTS)
        (table,) = partitions_with_rows("metrics_point_day")
        made(table, made_days_ago)
        assert (table in partitions.drop_expired()) != is_there
        assert pairs(7, org_id=org.pk) == ([(old, 1.0)] if is_there else [])

    def test_a_partition_whose_points_are_young_stays(self, put, pairs, today):
        org = factories.make_org("Month")
        Org.objects.filter(pk=org.pk).update(retention_days=30)
        put({7: [(today - 25 * DAY_MS, 1.0)]}, org_id=org.pk)
        fold.fold_all(org.pk, POINTS)
        made(*partitions_with_rows("metrics_point_day"), 300)
        assert partitions.drop_expired() == []

    def test_another_class_keeps_its_points(self, org, put, pairs, today):
        put({7: [(today - 300 * DAY_MS, 1.0)]})
        fold.fold_all(org.pk, POINTS)
        made(*partitions_with_rows("metrics_point_day"), 300)
        partitions.drop_expired()
        assert pairs(7) == [(today - 300 * DAY_MS, 1.0)]

    def test_emptied_hour_partitions_go_and_filled_ones_stay(self, org, put, pairs, today, set_clock):
        past = today - 4 * DAY_MS
        set_clock(past)
        put({7: [(past, 1.0)]})
        fold.fold_all(org.pk, POINTS)
        (table,) = partitions_with_rows("metrics_point_hour")
        assert table not in partitions.drop_expired()
        set_clock(today)
        fold.fold_days(org.pk, POINTS)
        assert table in partitions.drop_expired()
        assert pairs(7) == [(past, 1.0)]


@pytest.mark.parametrize(
    "call",
    [
        "metrics_make_partition('metrics_metric', 20000, 1)",
        "metrics_make_partition('metrics_batch', 20000, 2)",
        "metrics_make_partition('metrics_batch', 300000, 1)",
        "metrics_make_partition('metrics_point_day_k31', 20000, 1)",
        "metrics_make_partition('metrics_point_day', 20000, 1)",
        "metrics_drop_chunks('metrics_metric')",
        "metrics_drop_chunks('metrics_point_day_k30')",
        "metrics_drop_chunks('metrics_batch_20000_1')",
        "metrics_drop_log('orgs_org', 0)",
        "metrics_drop_log('metrics_batch', 0)",
    ],
)
def test_the_functions_of_the_owner_take_our_partitions_only(org, call):
    with as_application(), pytest.raises(ProgrammingError, match=r"is made|are made|is no"), connection.cursor() as cursor:
        cursor.execute(f"SELECT {call}")


def test_the_product_itself_makes_and_drops_partitions(org, put, today, set_clock):
    """In nobody's name and in that of one org: as ingestion and the scheduler do."""
    with as_application():
        for day in (10, 11):
            with within(org.pk):
                partitions.ensure_days(POINTS, 30, {day})
        partitions.make_ahead()
        table = "metrics_point_day_k30_10_5"
        with as_owner():
            made(table, 31)
        assert table in partitions.drop_expired()


def test_two_that_need_a_partition_at_once_make_it_once(org, in_thread):
    """The second asks and finds none, waits for the first to end, and must then find it made."""
    has_asked = threading.Event()

    def second():
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT to_regclass('metrics_point_day_k30_20_5')")
            assert cursor.fetchone() == (None,)
            has_asked.set()
            cursor.execute("SELECT metrics_make_partition('metrics_point_day_k30', 20, 5)")

    with transaction.atomic():
        partitions.ensure_days(POINTS, 30, {20})
        thread = in_thread(second)
        assert has_asked.wait(240)
        thread.join(0.5)
        assert thread.is_alive()
    thread.join(240)
    found = [part.first_day for part in partitions.partitions_of("metrics_point_day_k30")]
    assert found.count(20) == 1
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE metrics_point_day_k30_20_5")
    partitions.forget()
