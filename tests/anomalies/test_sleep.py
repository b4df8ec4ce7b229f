"""What wakes an anomaly that sleeps: a moment, occurrences, weight, the value back in its band; and what sleeps along."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from django.conf import settings
from django.utils import timezone

from anomalies import tasks
from anomalies.models import Anomaly, Change, Notice
from anomalies.services import Edit, Snooze, archive_anomaly, edit_anomaly, record, snooze_anomaly
from anomalies.services.scans import ShapeFailure, record_findings
from anomalies.services.tags import change_tag
from tests import factories
from tests.anomalies.test_record import MINUTE_MS, START_MS, later, metric, opening, peak  # noqa: F401 - metric is a fixture
from tests.anomalies.test_scan_findings import POSITIVE, UNIQUE, container, failures, scan, with_checks, with_options  # noqa: F401 - fixtures

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR_MS = 60 * MINUTE_MS


def again(metric, hour: int, **fields):  # noqa: F811
    """Another excursion of the series, so many hours later, with its end."""
    at_ms = START_MS + hour * HOUR_MS
    plain = {"episode_ms": at_ms, "first_ms": at_ms, "last_ms": at_ms, "peak": peak(60 * hour), "ended_ms": at_ms + MINUTE_MS}
    return opening(metric, **(plain | fields))


def asleep(anomaly: Anomaly) -> bool:
    return Anomaly.objects.get(pk=anomaly.pk).is_asleep


def wakings(anomaly: Anomaly) -> list[tuple[str, object]]:
    lines = Change.objects.filter(anomaly=anomaly, changeset__has_key="snooze").order_by("pk")
    return [(line.actor, line.changeset["snooze"]) for line in lines]


@pytest.fixture
def sleeper(metric, author):  # noqa: F811
    """A spike that lasts, and a function that puts it to sleep."""
    record([opening(metric)], now=NOW)
    anomaly = Anomaly.objects.get()

    def snooze(**condition) -> Anomaly:
        return snooze_anomaly(anomaly, Snooze(**condition), user=author)

    return snooze


def test_until_a_moment_the_clock_wakes_it(sleeper, author):
    soon = timezone.now() + timedelta(hours=1)
    anomaly = sleeper(until=soon)
    assert tasks.wake_sleepers.apply().result == 0
    assert asleep(anomaly)
    Anomaly.objects.filter(pk=anomaly.pk).update(snooze_until=timezone.now() - timedelta(seconds=1))
    assert tasks.wake_sleepers.apply().result == 1
    assert not asleep(anomaly)
    (_, put), (actor, woken) = wakings(anomaly)
    assert (actor, woken[1], put[0]) == ("snooze", None, None)
    assert list(Notice.objects.values_list("user", flat=True)) == []
    assert tasks.wake_sleepers.apply().result == 0


def test_the_clock_runs_every_ten_seconds_and_wakes_those_of_every_org(sleeper, other_datastore):
    (entry,) = [entry for entry in settings.CELERY_BEAT_SCHEDULE.values() if entry["task"] == "anomalies.tasks.wake_sleepers"]
    assert entry["schedule"] == 10
    past = timezone.now() - timedelta(minutes=1)
    theirs = factories.make_anomaly(factories.make_metric(other_datastore), snoozed_at=past, snooze_until=past)
    mine = sleeper(count=1)
    Anomaly.objects.filter(pk=mine.pk).update(snooze_count=None, snooze_until=past)
    assert tasks.wake_sleepers.apply().result == 2
    assert [asleep(mine), asleep(theirs)] == [False, False]


def test_it_wakes_with_the_last_of_so_many_further_occurrences(sleeper, metric):  # noqa: F811
    anomaly = sleeper(count=2)
    record([later(metric, 1)], now=NOW)  # the same occurrence goes on
    assert Anomaly.objects.get(pk=anomaly.pk).snooze_count == 2
    record([again(metric, 1)], now=NOW)
    second = Anomaly.objects.get(episode_at=NOW + timedelta(hours=1))
    assert (Anomaly.objects.get(pk=anomaly.pk).snooze_count, second.snooze_count, second.is_asleep) == (1, 1, True)
    record([again(metric, 1)], now=NOW)  # found twice
    assert Anomaly.objects.get(pk=anomaly.pk).snooze_count == 1
    record([again(metric, 2)], now=NOW)
    third = Anomaly.objects.get(episode_at=NOW + timedelta(hours=2))
    assert [asleep(one) for one in (anomaly, second, third)] == [False, False, False]
    assert wakings(anomaly)[-1] == ("snooze", [{"count": 1}, None])


def test_another_problem_neither_counts_nor_sleeps_along(sleeper, metric, datastore):  # noqa: F811
    anomaly = sleeper(count=1)
    record([again(metric, 1, direction="down")], now=NOW)
    record([opening(factories.make_metric(datastore, "other"))], now=NOW)
    assert [one.is_asleep for one in Anomaly.objects.order_by("pk")] == [True, False, False]
    assert Anomaly.objects.get(pk=anomaly.pk).snooze_count == 1


def test_imported_history_wakes_nobody(sleeper, metric):  # noqa: F811
    anomaly = sleeper(count=1)
    record([again(metric, -5, backfilled=True)], now=NOW)
    assert asleep(anomaly)
    assert not Anomaly.objects.get(is_backfilled=True).is_asleep


def test_it_wakes_once_it_weighs_more(sleeper, metric):  # noqa: F811
    weight = Anomaly.objects.get().weight
    anomaly = sleeper(weight=weight)
    record([later(metric, 1, peak=peak(1, score=56.0))], now=NOW)
    assert asleep(anomaly)
    record([later(metric, 2, peak=peak(2, score=95.0))], now=NOW)
    assert not asleep(anomaly)
    assert wakings(anomaly)[-1] == ("snooze", [{"weight": weight}, None])


def test_a_heavier_occurrence_wakes_it_and_is_awake(sleeper, metric):  # noqa: F811
    anomaly = sleeper(weight=Anomaly.objects.get().weight)
    record([again(metric, 1)], now=NOW)
    assert [one.is_asleep for one in Anomaly.objects.order_by("pk")] == [True, True]
    record([again(metric, 2, peak=peak(120, score=99.0))], now=NOW)
    assert not asleep(anomaly)
    assert not Anomaly.objects.get(episode_at=NOW + timedelta(hours=2)).is_asleep


def test_a_tag_that_makes_it_weigh_more_wakes_it(sleeper, author):
    anomaly = sleeper(weight=Anomaly.objects.get().weight)
    factories.put_tag(factories.make_anomaly(anomaly.metric, kind="dip"), "High", weight_modifier=1)
    edit_anomaly(anomaly, Edit(anomaly_id=anomaly.pk, tags_add=["High"]), user=author)
    assert not asleep(anomaly)
    assert Change.objects.filter(anomaly=anomaly).latest("pk").changeset.keys() == {"global_tags", "weight", "snooze"}


def test_a_modifier_that_makes_it_weigh_more_wakes_it(sleeper, manager):
    anomaly = sleeper(weight=Anomaly.objects.get().weight)
    tag = factories.put_tag(anomaly, "High")
    change_tag(tag, user=manager, weight_modifier=2)
    assert not asleep(anomaly)
    assert wakings(anomaly)[-1][0] == "snooze"


def test_a_modifier_with_which_it_weighs_just_as_much_lets_it_sleep(sleeper, manager):
    anomaly = sleeper(weight=Anomaly.objects.get().weight + 2)
    tag = factories.put_tag(anomaly, "High")
    change_tag(tag, user=manager, weight_modifier=2)
    assert asleep(anomaly)
    change_tag(tag, user=manager, weight_modifier=3)
    assert not asleep(anomaly)


def test_it_wakes_when_the_value_is_back(sleeper, metric):  # noqa: F811
    anomaly = sleeper(back_in_band=True)
    record([later(metric, 1, peak=peak(1, score=99.0))], now=NOW)
    assert asleep(anomaly)
    record([later(metric, 2, ended_ms=START_MS + 3 * MINUTE_MS)], now=NOW)
    assert not asleep(anomaly)
    assert wakings(anomaly)[-1] == ("snooze", [{"back_in_band": True}, None])


def test_until_the_value_is_back_only_what_is_away_too_sleeps_along(sleeper, metric):  # noqa: F811
    sleeper(back_in_band=True)
    record([again(metric, 1, ended_ms=None)], now=NOW)
    record([again(metric, 2)], now=NOW)
    assert [(one.snooze_back_in_band, one.is_asleep) for one in Anomaly.objects.order_by("episode_at")] == [
        (True, True), (True, True), (False, False),
    ]  # fmt: skip


def test_while_it_sleeps_until_a_moment_what_comes_up_sleeps_as_long(sleeper, metric, author):  # noqa: F811
    until = timezone.now() + timedelta(hours=2)
    sleeper(until=until)
    record([again(metric, 1)], now=NOW)
    along = Anomaly.objects.get(episode_at=NOW + timedelta(hours=1))
    assert (along.snooze_until, along.snoozed_by, along.status) == (until, author, "Active")


def test_those_who_watch_are_told_that_it_woke_and_of_nothing_before(sleeper, metric, viewer):  # noqa: F811
    anomaly = sleeper(back_in_band=True)
    anomaly.watches.create(org=anomaly.org, user=viewer, is_on=True, created=NOW)
    record([later(metric, 2, ended_ms=START_MS + 3 * MINUTE_MS)], now=NOW)
    told = Notice.objects.get(user=viewer)
    assert (told.actor, told.changeset) == ("snooze", {"snooze": [{"back_in_band": True}, None]})


class TestScans:
    def found(self, scan, *rows, at: int = 0):  # noqa: F811
        return record_findings(scan, rows=[failures(POSITIVE, *rows)], now=NOW + timedelta(hours=at))

    def test_a_row_that_is_found_again_counts(self, scan, author):  # noqa: F811
        row = (1, "a@b", -5.0, "Rome")
        (pk,) = self.found(scan, row).opened
        anomaly = Anomaly.objects.get(pk=pk)
        snooze_anomaly(anomaly, Snooze(count=2), user=author)
        assert len(self.found(scan, row, (2, "c@d", -1.0, "Oslo"), at=1).duplicates) == 1
        assert Anomaly.objects.get(pk=pk).snooze_count == 1
        assert self.found(scan, row, at=2).opened == ()
        assert not asleep(anomaly)
        assert wakings(anomaly)[-1] == ("snooze", [{"count": 1}, None])
        assert Anomaly.objects.exclude(snoozed_at=None).count() == 0

    def test_the_same_scan_recorded_twice_counts_once(self, scan, author):  # noqa: F811
        row = (1, "a@b", -5.0, "Rome")
        (pk,) = self.found(scan, row).opened
        snooze_anomaly(Anomaly.objects.get(pk=pk), Snooze(count=3), user=author)
        for _ in range(2):
            self.found(replace(scan, partition_scan_id=7), row, at=1)
        assert Anomaly.objects.get(pk=pk).snooze_count == 2

    def test_what_is_opened_beside_it_sleeps_along_and_nobody_is_told(self, scan, author, viewer):  # noqa: F811
        apart = with_options(scan, archive_duplicate_anomalies=False)
        (pk,) = record_findings(apart, shapes=[self.twice()], now=NOW).opened
        snooze_anomaly(Anomaly.objects.get(pk=pk), Snooze(count=2), user=author)
        owned = with_checks(apart, replace(UNIQUE, default_assignee_id=viewer.pk))
        (second,) = record_findings(owned, shapes=[self.twice()], now=NOW).opened
        assert (Anomaly.objects.get(pk=second).snooze_count, Notice.objects.count()) == (1, 0)
        (third,) = record_findings(owned, shapes=[self.twice()], now=NOW).opened
        assert [Anomaly.objects.get(pk=one).is_asleep for one in (pk, second, third)] == [False, False, False]
        assert Notice.objects.get(kind="assigned").anomaly_id == third

    def twice(self):
        return ShapeFailure(UNIQUE.id, "In id, 2 are not unique.", 2)

    def test_a_heavier_one_wakes_it(self, scan, author, datastore):  # noqa: F811
        row = (1, "a@b", -5.0, "Rome")
        (pk,) = self.found(scan, row).opened
        anomaly = Anomaly.objects.get(pk=pk)
        snooze_anomaly(anomaly, Snooze(weight=anomaly.weight), user=author)
        self.found(scan, row, at=1)
        assert asleep(anomaly)
        tag = factories.put_tag(factories.make_anomaly(factories.make_metric(datastore, "other")), "High", weight_modifier=4)
        self.found(with_checks(scan, replace(POSITIVE, tag_ids=(tag.pk,))), row, at=2)
        assert not asleep(anomaly)

    def test_what_is_archived_does_not_wake(self, scan, author):  # noqa: F811
        row = (1, "a@b", -5.0, "Rome")
        (pk,) = self.found(scan, row).opened
        anomaly = Anomaly.objects.get(pk=pk)
        snooze_anomaly(anomaly, Snooze(count=1), user=author)
        archive_anomaly(anomaly, user=author, status="Invalid")
        assert not asleep(anomaly)
        (new,) = self.found(scan, row, at=1).opened
        assert not Anomaly.objects.get(pk=new).is_asleep
