"""Counts of web pages: names are cleaned, origins checked, minutes added up, and every key has its bounds."""

import json
import time

import pytest
from django.db import connection
from django.test import Client

from config.api.throttling import buckets
from metrics import points
from metrics.ingest import public_keys, senders, series
from metrics.ingest.pages import MOST, cleaned, labels_of, parse
from metrics.models import Metric
from metrics.points.fold import fold_all
from orgs import services
from orgs.models import Org, PublicKey
from tests import factories

SHOP = "https://shop.example"


@pytest.mark.parametrize(
    ("name", "clean"),
    [
        ("checkout", "checkout"),
        (" Add to cart! ", "Add_to_cart"),
        ("page.view:/products", "page.view:_products"),
        ("..a...b..", "a.b"),
        ("<script>alert(1)</script>", "script_alert_1_script"),
        ("naïve", "na_ve"),
        ('a{b="c"}', "a_b_c"),
        ("x" * 200, "x" * 100),
        ("_-.", ""),
        ("🦆", ""),
        ("a/../b", "a.b"),
        ("\x00", ""),
    ],
)
def test_what_is_left_of_a_name(name, clean):
    assert cleaned(name) == clean


def test_labels_are_few_short_and_plain():
    meta = {"plan": "pro", "is new": True, "n": 3, "": "x", "bad": {"a": 1}, "line": "a\nb", "z": "1", "zz": "2", "zzz": "3"}
    assert labels_of(meta) == {"is_new": "true", "line": "a b", "n": "3", "plan": "pro", "z": "1"}
    assert labels_of({"long": "x" * 100}) == {"long": "x" * 64}
    assert labels_of("text") == {}


def test_a_body_becomes_points_below_the_namespace_at_the_servers_time():
    body = {"counts": [["checkout", 3], ["signup", 1, {"plan": "pro"}]], "gauges": [["cart.value", -2.5]]}
    found = parse(json.dumps(body).encode(), namespace="web", now_ms=1_772_366_412_345)
    assert [one.name for one in found.counts.series] == ["web.checkout", 'web.signup{plan="pro"}']
    assert [one.name for one in found.gauges.series] == ["web.cart.value"]
    assert found.counts.values.tolist() == [3.0, 1.0]
    assert set(found.counts.timestamps_ms.tolist()) == {1_772_366_412_345}


@pytest.mark.parametrize(
    ("entry", "code"),
    [
        ("checkout", "point_invalid"),
        (["checkout"], "point_invalid"),
        ([5, 1], "point_invalid"),
        (["🦆", 1], "name_missing"),
        (["a", "1"], "value_invalid"),
        (["a", True], "value_invalid"),
        (["a", 0], "value_invalid"),
        (["a", -1], "value_invalid"),
        (["a", 1e9], "value_invalid"),
        (["a", None], "value_invalid"),
    ],
)
def test_an_entry_that_does_not_do_costs_no_other(entry, code):
    found = parse(json.dumps({"counts": [entry, ["good", 1]]}).encode(), namespace="web", now_ms=0)
    assert [(one.index, one.code) for one in found.counts.refused] == [(0, code)]
    assert [one.name for one in found.counts.series] == ["web.good"]


@pytest.fixture
def key(datastore, monkeypatch):
    public_keys.forget(), senders.forget(), series.forget()
    monkeypatch.setattr(public_keys._remembered, "fresh_s", 0.0)
    monkeypatch.setattr(public_keys, "_FULL_S", 0.0)
    return services.create_public_key(datastore, name="shop", origins=[SHOP, "https://*.shop.example"])[1]


def post(key, body, origin=SHOP, **headers):
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    told = {"Origin": origin, **headers} if origin else headers
    return Client(raise_request_exception=False).post(f"/api/ingest/events?key={key}", sent, content_type="text/plain", headers=told)


def stored(org):
    """Every point, by name."""
    fold_all(org.pk, points.families.POINTS)
    rows = {metric.pk: metric.name for metric in Metric.objects.for_org(org)}
    read = points.read(org.pk, list(rows), 0, 2**42)
    return {rows[pk]: read[pk].values.tolist() for pk in rows}


@pytest.mark.django_db(transaction=True)
def test_counts_are_added_up_per_minute_and_of_gauges_the_last_counts(key, org, set_clock):
    minute_ms = int(time.time()) // 60 * 60_000
    for value in (1, 2, 4):
        set_clock(minute_ms + value)
        answer = post(key, {"counts": [["checkout", value]], "gauges": [["cart", value]]})
        assert (answer.status_code, answer.content) == (204, b"")
        assert answer["Access-Control-Allow-Origin"] == SHOP
        assert answer.cookies == {}
    found = stored(org)
    assert found["web.checkout"] == [7.0]
    assert found["web.cart"][-1] == 4.0


@pytest.mark.django_db(transaction=True)
def test_counts_and_gauges_of_a_request_are_stored_together_or_not_at_all(key, org):
    """A page that is told that nothing was stored sends again: what had been stored would count twice."""
    body = {"counts": [["checkout", 3]], "gauges": [["cart", 1.5]]}
    assert post(key, body).status_code == 204
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE metrics_batch ADD CONSTRAINT no_gauges CHECK (rule <> 0) NOT VALID")
    assert post(key, body).status_code >= 500
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE metrics_batch DROP CONSTRAINT no_gauges")
    assert stored(org) == {"web.checkout": [3.0], "web.cart": [1.5]}


@pytest.mark.parametrize("origin", ["https://evil.example", "http://shop.example", "https://shop.example.evil.example", "null", ""])
def test_pages_of_other_origins_are_refused(key, org, origin):
    answer = post(key, {"counts": [["checkout", 1]]}, origin)
    assert (answer.status_code, "Access-Control-Allow-Origin" in answer) == (403, False)
    assert not Metric.objects.exists()


def test_a_preflight_is_answered_for_the_keys_origins_only(key):
    for origin, allowed in ((SHOP, True), ("https://a.shop.example", True), ("https://evil.example", False)):
        asked = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        answer = Client().options(f"/api/ingest/events?key={key}", headers=asked)
        assert (answer.status_code, answer.get("Access-Control-Allow-Origin") == origin) == (204, allowed)
        assert "Access-Control-Allow-Credentials" not in answer


@pytest.mark.parametrize("method", ["get", "put", "delete", "patch"])
def test_it_takes_posts_only(key, method):
    assert getattr(Client(), method)(f"/api/ingest/events?key={key}").status_code == 405


def test_only_a_live_public_key_does(key, datastore):
    ingest = factories.make_ingest_key(datastore)[1]
    for wrong in ("", "pub" + "0" * 29, "x" * 5000, ingest):
        assert post(wrong, {"counts": [["a", 1]]}).status_code == 401
    services.revoke(PublicKey.objects.get())
    public_keys.forget()
    assert post(key, {"counts": [["a", 1]]}).status_code == 401
    assert not Metric.objects.exists()


def test_a_public_key_is_no_ingest_key_and_reads_nothing(key, org):
    now = int(time.time())
    body = {"key": key, "metric": "shop.orders", "timestamp": now, "value": 1}
    assert Client().post("/flux/metric_data_post", body, content_type="application/json").status_code == 401
    assert Client().post("/api/v1/write", b"", content_type="application/x-protobuf", headers={"X-Api-Key": key}).status_code == 401
    assert Client().get("/org/info", headers={"X-Auth-Token": key}).status_code == 401
    assert Client().get("/api/metrics", headers={"Authorization": f"Bearer {key}"}).status_code == 401


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400), (b"nonsense", 400), (b"[]", 400), (b'{"counts": 5}', 400), (b"\xff\xfe", 400),
        (b'{"counts": [' + b'["a",1],' * MOST + b'["b",1]]}', 413), (b" " * 70_000, 413),
    ],
)  # fmt: skip
def test_a_body_that_does_not_do_is_refused_whole(key, body, status):
    answer = post(key, body)
    assert (answer.status_code, bool(answer.json()["error"])) == (status, True)
    assert not Metric.objects.exists()


def test_nothing_is_nothing(key):
    assert post(key, {}).status_code == 204


def test_a_key_makes_so_many_series_and_no_more_and_known_ones_go_on(key, org):
    PublicKey.objects.update(series_limit=3)
    answer = post(key, {"counts": [[f"event{number}", 1] for number in range(5)]})
    assert answer.status_code == 207
    told = answer.json()
    assert (told["stored"], [one["metric"] for one in told["refused"]]) == (3, ["web.event3", "web.event4"])
    assert {one["code"] for one in told["refused"]} == {"over_cap"}
    assert post(key, {"counts": [["event0", 1]], "gauges": [["event2", 1]]}).status_code == 204
    answer = post(key, {"gauges": [["another", 1]]})
    assert (answer.status_code, answer.json()["stored"]) == (400, 0)
    assert sorted(Metric.objects.values_list("name", flat=True)) == ["web.event0", "web.event1", "web.event2"]


@pytest.mark.django_db(transaction=True)
def test_the_cap_holds_for_many_at_once(key, org, in_thread):
    PublicKey.objects.update(series_limit=5)
    threads = [in_thread(lambda n=n: post(key, {"counts": [[f"t{n}.e{m}", 1] for m in range(4)]})) for n in range(4)]
    for thread in threads:
        thread.join()
    assert Metric.objects.count() == 5


def test_the_orgs_quota_counts_too(key, org):
    Org.objects.update(metric_limit=1)
    answer = post(key, {"counts": [["a", 1], ["b", 1]]})
    assert (answer.status_code, [one["code"] for one in answer.json()["refused"]]) == (207, ["over_quota"])
    assert Metric.objects.count() == 1


def test_a_key_is_used_so_often_in_a_minute(key, monkeypatch):
    PublicKey.objects.update(per_minute=4)
    statuses = [post(key, {"counts": [["a", 1]]}).status_code for _ in range(3)]
    assert statuses == [204, 204, 429]  # one address gets half
    answer = post(key, {"counts": [["a", 1]]})
    assert int(answer["Retry-After"]) >= 1
    assert answer["Access-Control-Allow-Origin"] == SHOP


def test_without_redis_nobody_is_limited(key, monkeypatch):
    PublicKey.objects.update(per_minute=1)
    monkeypatch.setattr(buckets, "_silent_until", time.monotonic() + 60)
    assert [post(key, {"counts": [["a", 1]]}).status_code for _ in range(3)] == [204] * 3


def test_the_script_holds_the_key_and_sets_no_cookie(key, settings):
    answer = Client().get("/js/eventsender", {"key": key}, headers={"Origin": SHOP})
    script = answer.content.decode()
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/javascript; charset=utf-8")
    assert script.rstrip().endswith(f'({{"host":"{settings.BASE_URL}","path":"/api/ingest/events?key={key}"}});')
    assert (answer["Cross-Origin-Resource-Policy"], answer["Access-Control-Allow-Origin"]) == ("cross-origin", "*")
    assert answer["Cache-Control"] == "public, max-age=3600"
    assert (answer.cookies, "cookie" in script.replace("No cookies", "").lower()) == ({}, False)


@pytest.mark.parametrize(("query", "status"), [({}, 400), ({"key": "pub" + "0" * 29}, 404), ({"key": 'a"};alert(1)//'}, 404)])
def test_there_is_no_script_without_a_live_key(db, query, status):
    answer = Client().get("/js/eventsender", query)
    assert (answer.status_code, answer.json()["status"]["code"], answer.cookies) == (status, status, {})
    assert Client().post("/js/eventsender", query).status_code == 405


def test_a_public_key_can_be_told_again_but_lies_sealed(key):
    row = PublicKey.objects.get()
    assert services.public_key_of(row) == key
    assert key.encode() not in bytes(row.sealed)
    assert row.prefix == key[:6]


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"origins": []}, "origins"), ({"origins": ["nonsense"]}, "origins"),
        ({"namespace": "a b"}, "namespace"), ({"namespace": ""}, "namespace"),
        ({"series_limit": 0}, "series_limit"), ({"per_minute": 10**6}, "per_minute"),
    ],
)  # fmt: skip
def test_a_key_with_bounds_that_do_not_do_is_not_made(datastore, changed, field):
    with pytest.raises(services.Invalid) as refused:
        services.create_public_key(datastore, name="shop", **{"origins": [SHOP], **changed})
    assert {error.loc[1] for error in refused.value.errors} == {field}
    assert not PublicKey.objects.exists()
