"""Trouble of our own is 503 with Retry-After: never a 4xx, on which agents drop points, and never a 200."""

import threading

import orjson
import psycopg
import pytest
from django.db import IntegrityError, close_old_connections, connection, connections
from django.test import Client

from metrics.ingest import http, series
from metrics.ingest.batch import Series
from metrics.ingest.senders import sender_of
from metrics.models import Metric
from orgs.models import Org

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def no_database(monkeypatch):
    """The database does not answer, until the returned function is called."""
    real = dict(connection.settings_dict)
    connections["default"].close()
    connections["default"].close_pool()
    broken = {"HOST": "/nonexistent", "OPTIONS": {**real["OPTIONS"], "pool": {"min_size": 0, "max_size": 2, "timeout": 0.3}}}
    connection.settings_dict.update(broken)

    def back():
        connections["default"].close()
        connections["default"].close_pool()
        connection.settings_dict.update(real)

    yield back
    back()


def test_the_database_away_is_503_for_every_protocol_and_heals_by_itself(post_json, write, key, now, no_database, stored):
    point = {"key": key, "metric": "a", "timestamp": now, "value": 1}
    for answer in (post_json(point), write([({"__name__": "a"}, [(now * 1000, 1.0)])])):
        assert (answer.status_code, answer["Retry-After"]) == (503, "2")
    no_database()
    assert post_json(point).status_code == 204
    assert stored() == {"a": [(now, 1.0)]}


def test_a_connection_that_the_server_cuts_is_503_or_stored_and_then_heals(post_json, key, now, stored):
    point = {"key": key, "metric": "a", "timestamp": now, "value": 1}
    assert post_json(point).status_code == 204
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        victim = cursor.fetchone()[0]
    with psycopg.connect(connection.connection.info.dsn, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s)", [victim])
    first = post_json({**point, "timestamp": now + 1}).status_code
    assert first in (204, 503)
    close_old_connections()  # as every request ends, but for those of the test client
    assert post_json({**point, "timestamp": now + 2}).status_code == 204
    assert [time for time, _ in stored()["a"]] == [now, *([now + 1] if first == 204 else []), now + 2]


def test_too_many_for_too_long_is_503(post_json, key, now):
    point = {"key": key, "metric": "a", "timestamp": now, "value": 1}
    held = 0
    while http._admission.acquire(blocking=False):
        held += 1
    try:
        answer = post_json(point)
    finally:
        for _ in range(held):
            http._admission.release()
    assert (answer.status_code, answer["Retry-After"]) == (503, "2")
    assert post_json(point).status_code == 204


def test_the_quota_holds_when_many_requests_make_series_at_once(org, key, now, in_thread):
    Org.objects.filter(pk=org.pk).update(metric_limit=25)
    sender = sender_of(key)
    start = threading.Barrier(4)

    def make(number):
        start.wait(240)
        for k in range(10):
            series.find_or_make(sender, [Series(f"{number}.{k}.{j}") for j in range(3)])

    for thread in [in_thread(lambda number=number: make(number)) for number in range(4)]:
        thread.join(240)
    assert Metric.objects.for_org(org).count() == 25


def test_equal_new_names_sent_at_once_are_one_series(org, key, now, in_thread, stored):
    senders = range(4)
    start = threading.Barrier(len(senders))

    def send(number):
        start.wait(240)
        rows = [{"metric": f"m{k}", "timestamp": now + number, "value": number} for k in range(20)]
        body = orjson.dumps({"key": key, "metrics": rows})
        assert Client().post("/flux/metric_data_post", body, content_type="application/json").status_code == 204

    for thread in [in_thread(lambda number=number: send(number)) for number in senders]:
        thread.join(240)
    assert Metric.objects.for_org(org).count() == 20
    assert stored() == {f"m{k}": [(now + number, float(number)) for number in senders] for k in range(20)}


def made_per_transaction():
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM metrics_metric GROUP BY xmin ORDER BY min(id)")
        return [count for (count,) in cursor.fetchall()]


def test_very_many_new_series_are_made_in_several_transactions(org, key):
    Org.objects.filter(pk=org.pk).update(metric_limit=5000)
    wanted = [Series(f"m{k}") for k in range(2 * series.MADE_AT_ONCE + 500)]
    made = series.find_or_make(sender_of(key), wanted)
    assert made.made == made.ids.keys() == {one.name for one in wanted}
    assert made_per_transaction() == [1000, 1000, 500]


def test_the_quota_is_exact_when_it_ends_within_a_later_transaction(org, key):
    Org.objects.filter(pk=org.pk).update(metric_limit=1201)
    sender = sender_of(key)
    series.find_or_make(sender, [Series("m2400")])
    made = series.find_or_make(sender, [Series(f"m{k}") for k in range(2500)])
    assert made.made == {f"m{k}" for k in range(1200)}
    assert made.ids.keys() == {*made.made, "m2400"}
    assert made_per_transaction() == [1, 1000, 200]


def test_a_later_transaction_that_fails_leaves_the_earlier_series_and_the_next_attempt_goes_on(org, key):
    Org.objects.filter(pk=org.pk).update(metric_limit=5000)
    sender, good = sender_of(key), [Series(f"m{k}") for k in range(1500)]
    with pytest.raises(IntegrityError, match="metric_has_a_name"):
        series.find_or_make(sender, [*good, Series("")])
    assert made_per_transaction() == [1000]
    again = series.find_or_make(sender, good)
    assert (len(again.ids), again.made) == (1500, {f"m{k}" for k in range(1000, 1500)})
