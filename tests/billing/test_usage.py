"""The daily record of what each org uses of its quota."""

from datetime import UTC, date, datetime, timedelta

import pytest

from billing import usage
from billing.models import UsageDay
from billing.tasks import record_usage
from metrics.quota import quota_of
from orgs.models import Org
from tests import factories

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def fill(datastore, count: int, prefix: str = "cpu") -> None:
    for number in range(count):
        factories.make_metric(datastore, f"{prefix}.{number}")


def test_each_org_has_one_row_a_day_and_the_last_look_stays(org, datastore, other_org, django_assert_num_queries):
    fill(datastore, 2)
    assert usage.record(now=NOON) == 2
    fill(datastore, 1, "disk")
    Org.objects.filter(pk=org.pk).update(metric_limit=50)
    with django_assert_num_queries(2):  # however many orgs there are
        usage.record(now=NOON + timedelta(hours=11))
    usage.record(now=NOON + timedelta(hours=13))
    rows = UsageDay.objects.order_by("org", "day").values_list("org", "day", "metrics", "metric_limit")
    assert list(rows) == [
        (org.pk, date(2026, 3, 1), 3, 50),
        (org.pk, date(2026, 3, 2), 3, 50),
        (other_org.pk, date(2026, 3, 1), 0, 1000),
        (other_org.pk, date(2026, 3, 2), 0, 1000),
    ]


def test_usage_shows_the_recorded_days_and_today_as_it_is_now(org, datastore, other_datastore, django_assert_num_queries):
    fill(datastore, 2)
    fill(other_datastore, 5)
    for ago, used in ((40, 9), (3, 1), (1, 4), (0, 77)):
        UsageDay.objects.create(org=org, day=NOON.date() - timedelta(days=ago), metrics=used, metric_limit=10)
    with django_assert_num_queries(2):
        found = usage.usage_of(org, since=date(2026, 2, 1), until=date(2026, 3, 1), today=NOON.date())
    assert [(one.day, one.used, one.limit) for one in found.days] == [
        (date(2026, 2, 26), 1, 10),
        (date(2026, 2, 28), 4, 10),
        (date(2026, 3, 1), 2, 1000),
    ]
    assert (found.used, found.limit, found.remaining) == (2, 1000, 998)


def test_a_stretch_of_the_past_ends_in_the_past(org):
    found = usage.usage_of(org, since=date(2026, 1, 1), until=date(2026, 1, 31), today=NOON.date())
    assert found.days == ()


def test_what_is_used_is_what_the_quota_counts(org, datastore):
    fill(datastore, 3)
    assert usage.used_now(org) == quota_of(org).used == 3


@pytest.mark.django_db
def test_beat_records_every_ten_minutes(settings, org):
    entry = settings.CELERY_BEAT_SCHEDULE["note what each org uses of its quota"]
    assert (entry["task"], entry["schedule"]) == ("billing.tasks.record_usage", 600)
    assert record_usage() == 1
    assert UsageDay.objects.values_list("org", "metrics", "metric_limit").get() == (org.pk, 0, 1000)
