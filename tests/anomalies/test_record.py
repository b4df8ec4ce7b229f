"""What findings do to anomalies: open, extend, escalate, close, and what people's decisions do to that."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from celery import Celery
from celery.signals import before_task_publish
from django.db import connection
from django.test.utils import CaptureQueriesContext
from kombu.exceptions import OperationalError as BrokerError

from anomalies.models import Anomaly, Change
from anomalies.services import Finding, Peak, archive_anomaly, change_anomaly, metric_fingerprint, record
from anomalies.services.findings import Detector
from config.celery import app as celery_app
from tests import factories

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
START_MS = round(NOW.timestamp() * 1000)
MINUTE_MS = 60_000
DETECTORS = (Detector("residual", "The value is far from its forecast.", 3.1), Detector("mean_12", "The mean is off.", 1.2))


@pytest.fixture
def metric(datastore):
    return factories.make_metric(datastore, "requests")


def peak(minute: int = 0, *, score: float = 55.0, value: float = 39_197.0) -> Peak:
    return Peak(START_MS + minute * MINUTE_MS, score, value, 22_000.0, 18_204.0, 26_850.0, DETECTORS)


def opening(metric, **fields) -> Finding:
    plain = Finding(metric.pk, "spike", START_MS, "up", opened=True, peak=peak(), ended_ms=None, first_ms=START_MS, last_ms=START_MS)
    return replace(plain, **fields)


def later(metric, minute: int, **fields) -> Finding:
    at_ms = START_MS + minute * MINUTE_MS
    plain = Finding(
        metric.pk, "spike", START_MS, "up", opened=False, peak=peak(minute, score=51.0), ended_ms=None, first_ms=at_ms, last_ms=at_ms
    )
    return replace(plain, **fields)


def changesets(anomaly: Anomaly) -> list[dict]:
    return list(Change.objects.filter(anomaly=anomaly).order_by("pk").values_list("changeset", flat=True))


def test_a_new_excursion_is_a_new_anomaly_with_everything_that_is_known(metric, org):
    recorded = record([opening(metric)], now=NOW)
    anomaly = Anomaly.objects.get()
    assert recorded.opened == (anomaly.pk,)
    assert (anomaly.org, anomaly.datastore, anomaly.metric) == (org, metric.datastore, metric)
    assert (anomaly.type, anomaly.status, anomaly.is_new, anomaly.kind) == ("metric", "Active", True, "spike")
    assert (anomaly.started_at, anomaly.episode_at, anomaly.ended_at, anomaly.created, anomaly.updated) == (NOW, NOW, None, NOW, NOW)
    assert (anomaly.peak_at, anomaly.peak_value, anomaly.score, anomaly.direction) == (NOW, 39_197.0, 55.0, "up")
    assert (anomaly.expected, anomaly.expected_lower, anomaly.expected_upper) == (22_000.0, 18_204.0, 26_850.0)
    assert anomaly.message == "39,197 where 18,204 to 26,850 were expected: 46 % too high."
    assert (anomaly.weight, anomaly.weight_breakdown) == (3, {"score": 3, "duration": 0, "tags": 0})
    assert anomaly.fingerprint == metric_fingerprint(metric.pk, direction="up")
    assert anomaly.detectors == [
        {"name": "residual", "label": "The value is far from its forecast.", "score": 3.1},
        {"name": "mean_12", "label": "The mean is off.", "score": 1.2},
    ]
    assert not anomaly.is_backfilled


def test_opening_leaves_a_line_of_history(metric, org):
    record([opening(metric)], now=NOW)
    change = Change.objects.get()
    assert (change.org, change.user, change.actor, change.timestamp) == (org, None, "detector", NOW)
    assert change.changeset == {"status": [None, "Active"], "weight": [None, 3]}


def test_a_dead_broker_is_waited_for_once(datastore, django_capture_on_commit_callbacks):
    series = [factories.make_metric(datastore, f"m{k}") for k in range(3)]
    attempts = []
    dead = Celery(broker="redis://127.0.0.1:1/0", set_as_current=False)

    def tried(**_):
        attempts.append(1)

    with django_capture_on_commit_callbacks() as callbacks:
        assert len(record([opening(one) for one in series], now=NOW).opened) == 3
    before_task_publish.connect(tried)
    dead.set_current()
    try:
        for callback in callbacks:
            with pytest.raises(BrokerError):
                callback()
    finally:
        celery_app.set_current()
        before_task_publish.disconnect(tried)
    assert (len(callbacks), len(attempts)) == (1, 1)


def test_recording_twice_changes_nothing(metric):
    record([opening(metric)], now=NOW)
    before = Anomaly.objects.values().get()
    again = record([opening(metric)], now=NOW + timedelta(minutes=5))
    assert (again.opened, again.changed) == ((), ())
    assert Anomaly.objects.values().get() == before
    assert Change.objects.count() == 1


def test_a_higher_peak_takes_over_and_a_lower_one_does_not(metric):
    record([opening(metric)], now=NOW)
    record([later(metric, 1, peak=peak(1, score=90.0, value=60_000.0))], now=NOW + timedelta(minutes=1))
    record([later(metric, 2, peak=peak(2, score=70.0))], now=NOW + timedelta(minutes=2))
    anomaly = Anomaly.objects.get()
    assert (anomaly.score, anomaly.peak_value, anomaly.peak_at) == (90.0, 60_000.0, NOW + timedelta(minutes=1))
    assert anomaly.updated == NOW + timedelta(minutes=1)
    assert changesets(anomaly)[1:] == [{"score": [55.0, 90.0], "weight": [3, 8], "peak_value": [39_197.0, 60_000.0]}]


@pytest.mark.parametrize(("score", "told"), [(90.0, [{"score": [85.0, 90.0]}]), (89.9, [])])
def test_a_little_more_of_the_same_is_no_news(metric, score, told):
    record([opening(metric, peak=peak(score=85.0))], now=NOW)
    record([later(metric, 1, peak=peak(1, score=score))], now=NOW + timedelta(minutes=1))
    anomaly = Anomaly.objects.get()
    assert (anomaly.score, anomaly.updated) == (score, NOW + timedelta(minutes=1) if told else NOW)
    assert changesets(anomaly)[1:] == told


def test_an_excursion_that_is_over_has_an_end_and_weighs_by_how_long_it_lasted(metric):
    record([opening(metric)], now=NOW)
    record([later(metric, 90, peak=None, last_ms=0, ended_ms=START_MS + 90 * MINUTE_MS)], now=NOW + timedelta(minutes=95))
    anomaly = Anomaly.objects.get()
    assert anomaly.ended_at == NOW + timedelta(minutes=90)
    assert anomaly.weight_breakdown == {"score": 3, "duration": 1, "tags": 0}
    assert anomaly.message.endswith(", for 1 h.")
    assert changesets(anomaly)[1:] == [{"weight": [3, 4], "ended_at": [None, "2026-03-01T13:30:00.000Z"]}]


def test_trouble_that_comes_back_soon_is_the_same_anomaly(metric):
    record([opening(metric, ended_ms=START_MS + MINUTE_MS)], now=NOW)
    assert Anomaly.objects.get().ended_at == NOW + timedelta(minutes=1)
    record([later(metric, 30)], now=NOW + timedelta(minutes=30))
    assert Anomaly.objects.get().ended_at is None
    record([later(metric, 31, peak=None, last_ms=0, ended_ms=START_MS + 31 * MINUTE_MS)], now=NOW + timedelta(minutes=36))
    assert Anomaly.objects.get().ended_at == NOW + timedelta(minutes=31)


def test_tags_count_in_the_weight_when_the_detector_recomputes_it(metric, org):
    record([opening(metric)], now=NOW)
    anomaly = Anomaly.objects.get()
    factories.put_tag(anomaly, "vip", weight_modifier=5)
    factories.put_tag(anomaly, "low", weight_modifier=-2)
    record([later(metric, 1, peak=peak(1, score=90.0))], now=NOW)
    anomaly.refresh_from_db()
    assert (anomaly.weight, anomaly.weight_breakdown) == (11, {"score": 8, "duration": 0, "tags": 3})


def test_an_archived_anomaly_only_learns_when_it_ended(metric, author):
    record([opening(metric)], now=NOW)
    archived = archive_anomaly(Anomaly.objects.get(), user=author, status="Invalid")
    record([later(metric, 1, peak=peak(1, score=80.0))], now=NOW)
    assert Anomaly.objects.values().get() == Anomaly.objects.values().get(pk=archived.pk)
    assert Anomaly.objects.get().score == 55.0
    record([later(metric, 9, peak=None, ended_ms=START_MS + 9 * MINUTE_MS)], now=NOW)
    anomaly = Anomaly.objects.get()
    assert (anomaly.status, anomaly.score, anomaly.ended_at) == ("Invalid", 55.0, NOW + timedelta(minutes=9))
    record([later(metric, 12, ended_ms=START_MS + 15 * MINUTE_MS)], now=NOW)
    assert Anomaly.objects.get().ended_at == NOW + timedelta(minutes=9)


def test_an_archived_excursion_that_gets_much_worse_is_a_new_anomaly(metric, author):
    record([opening(metric)], now=NOW)
    archive_anomaly(Anomaly.objects.get(), user=author, status="Resolved")
    worse = peak(20, score=90.0, value=90_000.0)
    at_ms = START_MS + 20 * MINUTE_MS
    record([later(metric, 20, peak=worse, escalated_ms=at_ms, escalated_peak=worse)], now=NOW + timedelta(minutes=20))
    first, second = Anomaly.objects.order_by("pk")
    assert (first.status, first.ended_at) == ("Resolved", NOW + timedelta(minutes=20))
    assert (second.status, second.started_at, second.episode_at, second.peak_value) == (
        "Active",
        NOW + timedelta(minutes=20),
        NOW,
        90_000.0,
    )
    record([later(metric, 25, peak=None, ended_ms=START_MS + 25 * MINUTE_MS)], now=NOW + timedelta(minutes=30))
    second.refresh_from_db()
    assert second.ended_at == NOW + timedelta(minutes=25)
    assert Anomaly.objects.count() == 2


def test_escalation_of_an_open_anomaly_is_the_same_anomaly(metric):
    record([opening(metric)], now=NOW)
    worse = peak(20, score=90.0, value=90_000.0)
    record([later(metric, 20, peak=worse, escalated_ms=worse.at_ms, escalated_peak=worse)], now=NOW)
    anomaly = Anomaly.objects.get()
    assert (anomaly.started_at, anomaly.score) == (NOW, 90.0)


def test_an_anomaly_that_gets_much_worse_on_the_other_side_turns(metric):
    dip = replace(peak(score=52.0), value=17_900.0)
    record([opening(metric, direction="down", peak=dip)], now=NOW)
    worse = peak(20, score=90.0, value=90_000.0)
    record([later(metric, 20, peak=worse, escalated_ms=worse.at_ms, escalated_peak=worse)], now=NOW)
    anomaly = Anomaly.objects.get()
    assert (anomaly.direction, anomaly.peak_value, anomaly.peak_at, anomaly.score) == ("up", 90_000.0, NOW + timedelta(minutes=20), 90.0)
    assert anomaly.fingerprint == metric_fingerprint(metric.pk, direction="up")
    assert anomaly.message == "90,000 where 18,204 to 26,850 were expected: 3.352 times the highest expected."
    assert anomaly.started_at == NOW


def test_what_goes_on_live_after_imported_history_is_an_anomaly_of_its_own(metric):
    record([opening(metric, backfilled=True), later(metric, 5)], now=NOW)
    past, present = Anomaly.objects.order_by("started_at")
    assert (past.is_backfilled, past.started_at, past.ended_at) == (True, NOW, NOW + timedelta(minutes=5))
    assert (present.is_backfilled, present.started_at, present.ended_at) == (False, NOW + timedelta(minutes=5), None)


def test_what_goes_on_in_history_that_is_imported_next_is_the_same_anomaly(metric):
    record([opening(metric, backfilled=True)], now=NOW)
    record([later(metric, 5, backfilled=True, peak=peak(5, score=70.0, value=50_000.0))], now=NOW)
    anomaly = Anomaly.objects.get()
    assert (anomaly.is_backfilled, anomaly.started_at, anomaly.peak_value, anomaly.score) == (True, NOW, 50_000.0, 70.0)


def test_series_that_are_gone_are_left_out(metric):
    gone = factories.make_metric(metric.datastore, "gone")
    finding = opening(gone)
    gone.delete()
    record([finding, opening(metric)], now=NOW)
    assert Anomaly.objects.get().metric == metric


def test_an_end_without_an_anomaly_is_nothing(metric):
    assert record([later(metric, 9, peak=None, ended_ms=START_MS)], now=NOW).opened == ()
    assert record([later(metric, 9)], now=NOW).opened == ()
    assert record([], now=NOW).opened == ()


def test_silence_has_no_values(metric):
    silence = Finding(
        metric.pk,
        "silence",
        START_MS,
        "down",
        opened=True,
        peak=Peak(START_MS, 50.0, detectors=DETECTORS[:1]),
        ended_ms=None,
        first_ms=START_MS,
    )
    record([silence, opening(metric)], now=NOW)
    anomaly = Anomaly.objects.get(kind="silence")
    assert (anomaly.peak_value, anomaly.expected, anomaly.expected_lower, anomaly.score) == (None, None, None, 50.0)
    assert anomaly.message == "No points since 2026-03-01 12:00 UTC."


def test_the_number_of_statements_does_not_grow(datastore):
    metrics = [factories.make_metric(datastore, f"m{i}") for i in range(30)]
    counts = []
    for part in (metrics[:1], metrics):
        with CaptureQueriesContext(connection) as queries:
            record(
                [opening(metric) for metric in part] + [later(metric, 3, peak=peak(3, score=80.0), backfilled=True) for metric in part],
                now=NOW,
            )
        counts.append(len(queries))
    assert counts == [6, 12]
    with CaptureQueriesContext(connection) as queries:
        record([later(metric, 4, peak=peak(4, score=90.0)) for metric in metrics], now=NOW)
    assert len(queries) == 7
    assert Anomaly.objects.filter(score=90.0).count() == 30


def test_a_person_and_the_detector_both_leave_their_lines(metric, author):
    record([opening(metric)], now=NOW)
    anomaly = change_anomaly(Anomaly.objects.get(), user=author, status="Acknowledged")
    record([later(metric, 3, peak=peak(3, score=80.0))], now=NOW)
    lines = Change.objects.filter(anomaly=anomaly).order_by("pk")
    assert [(line.actor, line.user) for line in lines] == [("detector", None), ("user", author), ("detector", None)]
    anomaly.refresh_from_db()
    assert (anomaly.status, anomaly.score) == ("Acknowledged", 80.0)
