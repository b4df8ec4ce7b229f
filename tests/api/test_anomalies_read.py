"""GET /api/anomalies: the envelope, the order, every filter, one anomaly, its history."""

import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import Level
from anomalies import services
from anomalies.models import Anomaly, FailedCheck
from config.api import pagination
from datastores.models import Datastore
from tests import factories

pytestmark = pytest.mark.django_db

FIELDS = {
    "id", "uuid", "type", "status", "archived", "is_new", "weight", "weight_breakdown", "message", "description", "anomalous_records_count",
    "source_enriched", "fingerprint", "created", "updated", "global_tags", "assignees", "failed_checks", "datastore", "container",
    "partition_scan", "metric", "kind", "started_at", "ended_at", "peak_at", "peak_value", "expected", "expected_lower", "expected_upper",
    "score", "direction", "detectors", "is_backfilled",
    "container_scan", "duplicate_of", "duplicates", "snooze", "deleted", "deleted_by",
}  # fmt: skip


@pytest.fixture
def metric(datastore):
    return factories.make_metric(datastore, "checkout.requests")


@pytest.fixture
def anomaly(metric):
    return factories.make_anomaly(metric, fingerprint=2**53 - 1, weight=7)


def ids(answer) -> list[int]:
    assert answer.status_code == 200, answer.content
    return [item["id"] for item in answer.json()["items"]]


def test_an_empty_list_is_an_envelope(as_, viewer):
    assert as_(viewer).get("/api/anomalies").json() == {"items": [], "total": 0, "page": 1, "size": 50, "pages": 0}


def test_an_item_has_every_field_of_the_contract(as_, reporter, anomaly, metric, datastore):
    item = as_(reporter).get("/api/anomalies").json()["items"][0]
    assert set(item) == FIELDS
    assert item["created"] == item["started_at"] == item["peak_at"] == "2026-03-01T12:00:00.000Z"
    assert (item["id"], item["uuid"], item["type"], item["status"]) == (anomaly.pk, str(anomaly.uuid), "metric", "Active")
    assert (item["archived"], item["is_new"], item["weight"], item["fingerprint"]) == (False, True, 7, 9007199254740991)
    assert item["metric"] == {"id": metric.pk, "name": "checkout.requests"}
    assert item["datastore"] == {"id": datastore.pk, "name": "Metrics"}
    assert (item["peak_value"], item["expected"], item["expected_lower"], item["expected_upper"]) == (9.5, 1.0, 0.5, 1.5)
    assert (item["score"], item["direction"], item["kind"], item["ended_at"]) == (87.0, "up", "spike", None)
    assert item["detectors"] == [{"name": "spike", "score": 87.0}]
    assert (item["container"], item["partition_scan"], item["anomalous_records_count"]) == (None, None, None)


def test_tags_assignees_and_failed_checks_come_along(as_, viewer, org, anomaly):
    tag = factories.put_tag(anomaly, "High", weight_modifier=3)
    factories.assign(anomaly, viewer)
    FailedCheck.objects.create(org=org, anomaly=anomaly, quality_check_id=778, rule_type="notNull", message="3 are null")
    item = as_(viewer).get(f"/api/anomalies/{anomaly.pk}").json()
    assert item["global_tags"] == [{"id": tag.pk, "name": "High", "color": "#6b747c", "weight_modifier": 3}]
    assert item["assignees"] == [{"id": viewer.pk, "name": "Vic Viewer", "email": viewer.email}]
    assert [(one["id"], one["rule_type"], one["message"]) for one in item["failed_checks"]] == [(778, "notNull", "3 are null")]


def test_the_default_order_is_newest_then_heaviest_then_latest(as_, viewer, metric):
    newer = timezone.now()
    old, heavy, light, twin = (
        factories.make_anomaly(metric, kind=f"k{n}", created=created, weight=weight)
        for n, (created, weight) in enumerate([(newer - timedelta(days=1), 9), (newer, 5), (newer, 2), (newer, 2)])
    )
    assert ids(as_(viewer).get("/api/anomalies")) == [heavy.pk, twin.pk, light.pk, old.pk]


def test_sorts_apply_in_the_order_of_the_url(as_, viewer, metric):
    a, b, c = (factories.make_anomaly(metric, kind=k, weight=w, score=s) for k, w, s in (("a", 1, 9.0), ("b", 2, 9.0), ("c", 1, 5.0)))
    client = as_(viewer)
    assert ids(client.get("/api/anomalies?sort_weight=asc&sort_score=desc")) == [a.pk, c.pk, b.pk]
    assert ids(client.get("/api/anomalies?sort_score=desc&sort_weight=asc")) == [a.pk, b.pk, c.pk]
    assert ids(client.get("/api/anomalies?sort_id=asc")) == [a.pk, b.pk, c.pk]


def test_pages_hold_every_anomaly_once(as_, viewer, metric):
    made = {factories.make_anomaly(metric, kind=f"k{n}").pk for n in range(7)}
    client, seen = as_(viewer), []
    for page in (1, 2, 3):
        body = client.get(f"/api/anomalies?size=3&page={page}").json()
        assert (body["total"], body["page"], body["size"], body["pages"]) == (7, page, 3, 3)
        seen += [item["id"] for item in body["items"]]
    assert len(seen) == 7
    assert set(seen) == made
    assert client.get("/api/anomalies?size=3&page=4").json()["items"] == []


def test_filters_find_what_they_name_and_nothing_else(as_, viewer, org, datastore, metric):
    other = factories.make_metric(datastore, "orders")
    now = timezone.now()
    mine = factories.make_anomaly(metric, kind="dip", direction="down", score=40.0, created=now, message="Far too low", fingerprint=5)
    theirs = factories.make_anomaly(other, kind="spike", score=90.0, created=now - timedelta(days=40), is_backfilled=True, fingerprint=5)
    factories.assign(mine, viewer)
    factories.put_tag(theirs, "Low")
    FailedCheck.objects.create(org=org, anomaly=theirs, rule_type="between", message="-")
    client = as_(viewer)
    day, hour_ago = now.date(), (now - timedelta(hours=1)).isoformat().replace("+", "%2B")
    only_mine = [
        f"metric={metric.pk}", "kind=dip", "direction=down", "search=too+lo", f"search={mine.uuid}", "timeframe=week",
        "timeframe=30",         f"assignee={viewer.pk}", "backfilled=false", f"created_date={day}", f"start_date={hour_ago}",
        f"id={mine.uuid}", f"related_to_id={theirs.pk}",
    ]  # fmt: skip
    only_theirs = [
        f"metric={other.pk}", "kind=spike", "direction=up", f"search={theirs.pk}", "min_score=50", "tag=Low", "assignee=none",
        "backfilled=true", "rule_type=between", f"end_date={(now - timedelta(days=30)).date()}", f"id={theirs.pk}",
        f"related_to_id={mine.uuid}",
    ]  # fmt: skip
    both = [
        "", "kind=dip,spike", "kind=dip&kind=spike", "status=Active", "anomaly_type=metric", f"datastore={datastore.pk}",
        "archived=include", f"assignee={viewer.pk},none", "timeframe=quarter", f"metric={metric.pk},{other.pk}",
    ]  # fmt: skip
    none = [
        "status=Acknowledged",
        "anomaly_type=record,shape",
        "archived=only",
        "tag=High",
        "datastore=999999",
        "min_score=90.5",
        "container=1",
    ]
    found = {query: set(ids(client.get(f"/api/anomalies?{query}"))) for query in (*only_mine, *only_theirs, *both, *none)}
    expected = {q: {mine.pk} for q in only_mine} | {q: {theirs.pk} for q in only_theirs}
    assert found == expected | {q: {mine.pk, theirs.pk} for q in both} | {q: set() for q in none}


def test_archived_ones_are_shown_only_when_asked_for(as_, viewer, metric):
    active, resolved = factories.make_anomaly(metric, kind="a"), factories.make_anomaly(metric, kind="b", status="Resolved")
    client = as_(viewer)
    assert ids(client.get("/api/anomalies")) == [active.pk]
    assert ids(client.get("/api/anomalies?archived=only")) == [resolved.pk]
    assert set(ids(client.get("/api/anomalies?archived=include"))) == {active.pk, resolved.pk}
    assert ids(client.get("/api/anomalies?status=Resolved")) == [resolved.pk]
    assert set(ids(client.get("/api/anomalies?status=Resolved,Active"))) == {active.pk, resolved.pk}


@pytest.mark.parametrize(
    ("query", "loc", "code"),
    [
        ("colour=red", "colour", "unknown_parameter"),
        ("sort_colour=asc", "sort_colour", "unknown_parameter"),
        ("sort_weight=up", "sort_weight", "invalid_choice"),
        ("status=Done", "status", "invalid_choice"),
        ("status=Active,Done", "status", "invalid_choice"),
        ("anomaly_type=odd", "anomaly_type", "invalid_choice"),
        ("metric=x", "metric", "invalid_number"),
        ("timeframe=soon", "timeframe", "invalid_choice"),
        ("timeframe=0", "timeframe", "invalid_choice"),
        ("created_date=15.5.2026", "created_date", "invalid_date"),
        ("start_date=2026-05-15T00:00:00", "start_date", "invalid_time"),
        ("end_date=yesterday", "end_date", "invalid_time"),
        ("min_score=high", "min_score", "invalid"),
        ("backfilled=1", "backfilled", "invalid_choice"),
        ("id=abc", "id", "invalid_id"),
        ("page=0", "page", "out_of_range"),
        ("size=101", "size", "out_of_range"),
        ("page=x", "page", "out_of_range"),
    ],
)
def test_a_parameter_that_does_not_do_is_named(as_, viewer, query, loc, code):
    answer = as_(viewer).get(f"/api/anomalies?{query}")
    assert (answer.status_code, answer["Content-Type"]) == (422, "application/problem+json")
    assert [(error["loc"], error["code"]) for error in answer.json()["errors"]] == [(["query", loc], code)]


def test_a_list_shows_only_the_datastores_with_a_level(as_, org, datastore, viewer, metric, anomaly):
    hidden = Datastore.objects.create(org=org, name="Hidden")
    secret = factories.make_anomaly(factories.make_metric(hidden, "secret"))
    client = as_(viewer)
    assert ids(client.get("/api/anomalies")) == [anomaly.pk]
    assert ids(client.get(f"/api/anomalies?datastore={hidden.pk}")) == []
    assert client.get(f"/api/anomalies/{secret.pk}").status_code == 404
    factories.grant(viewer, hidden, Level.REPORTER)
    assert set(ids(client.get("/api/anomalies"))) == {anomaly.pk, secret.pk}


def test_two_orgs_with_equal_names_never_see_each_other(as_, admin, outsider, metric, anomaly, other_datastore):
    twin = factories.make_anomaly(factories.make_metric(other_datastore, "checkout.requests"), fingerprint=anomaly.fingerprint)
    assert ids(as_(admin).get("/api/anomalies?search=checkout")) == [anomaly.pk]
    assert ids(as_(outsider).get("/api/anomalies?search=checkout")) == [twin.pk]
    assert ids(as_(outsider).get(f"/api/anomalies?related_to_id={anomaly.pk}")) == []
    for path in ("", "/history", "/image"):
        assert as_(outsider).get(f"/api/anomalies/{anomaly.pk}{path}").status_code == 404
        assert as_(admin).get(f"/api/anomalies/{twin.uuid}{path}").status_code == 404


def test_one_anomaly_by_number_and_by_uuid(as_, reporter, anomaly):
    client = as_(reporter)
    by_number, by_uuid = (client.get(f"/api/anomalies/{ref}").json() for ref in (anomaly.pk, anomaly.uuid))
    assert by_number["id"] == by_uuid["id"] == anomaly.pk
    for ref in ("0", "99999999999999999999", "abc", uuid.uuid4()):
        assert client.get(f"/api/anomalies/{ref}").status_code == 404, ref


def test_a_person_who_opens_it_has_seen_it(as_, as_org, reporter, anomaly):
    demo = factories.make_user(anomaly.org, "Demo", is_demo=True)
    for client in (as_org, as_(demo)):
        assert client.get(f"/api/anomalies/{anomaly.pk}").json()["is_new"] is True
    client = as_(reporter)
    first = client.get(f"/api/anomalies/{anomaly.pk}")
    second = client.get(f"/api/anomalies/{anomaly.pk}")
    assert (first.json()["is_new"], second.json()["is_new"]) == (True, False)
    assert first["ETag"] == second["ETag"]


def test_a_known_version_is_not_sent_again(as_, reporter, anomaly):
    client = as_(reporter)
    etag = client.get(f"/api/anomalies/{anomaly.pk}")["ETag"]
    again = client.get(f"/api/anomalies/{anomaly.pk}", headers={"If-None-Match": etag})
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", etag)
    Anomaly.objects.filter(pk=anomaly.pk).update(weight=3)
    assert client.get(f"/api/anomalies/{anomaly.pk}", headers={"If-None-Match": etag}).status_code == 200


def test_history_is_an_array_newest_first_in_pages(as_, viewer, author, anomaly):
    for status in ("Acknowledged", "Active", "Acknowledged"):
        anomaly = services.change_anomaly(anomaly, user=author, status=status)
    client = as_(viewer)
    answer = client.get(f"/api/anomalies/{anomaly.uuid}/history?size=2")
    newest, older = answer.json()
    assert newest["changeset"] == {"status": ["Active", "Acknowledged"]}
    assert older["changeset"] == {"status": ["Acknowledged", "Active"]}
    assert (newest["user"], newest["actor"]) == ({"id": author.pk, "name": "Al Author"}, "user")
    assert newest["transaction_id"] != older["transaction_id"]
    assert newest["timestamp"] > older["timestamp"]
    assert answer["X-Total-Count"] == "3"
    assert f'</api/anomalies/{anomaly.uuid}/history?size=2&page=2>; rel="next"' in answer["Link"]
    assert len(client.get(f"/api/anomalies/{anomaly.pk}/history?size=2&page=2").json()) == 1


def following(client, address: str) -> list[dict]:
    """Everything on the pages that `next` leads to from here."""
    found = []
    while address:
        answer = client.get(address)
        assert "last" not in answer["Link"] or answer["X-Total-Count"] == "7"
        found += answer.json()
        address = next((link.partition(">")[0][1:] for link in answer["Link"].split(", ") if link.endswith('rel="next"')), "")
    return found


def test_next_leads_to_the_end_of_a_history_that_is_longer_than_counting_goes(as_, viewer, author, anomaly, monkeypatch):
    monkeypatch.setattr(pagination, "COUNT_CAP", 4)
    for number in range(7):
        anomaly = services.change_anomaly(anomaly, user=author, description=f"{number}")
    found = following(as_(viewer), f"/api/anomalies/{anomaly.pk}/history?size=2")
    assert [one["changeset"]["description"][1] for one in found] == ["6", "5", "4", "3", "2", "1", "0"]
    beyond = as_(viewer).get(f"/api/anomalies/{anomaly.pk}/history?size=2&page=9")
    assert (beyond.json(), 'rel="next"' in beyond["Link"]) == ([], False)


def test_history_needs_the_level_viewer(as_, as_org, reporter, stranger, anomaly):
    assert as_(reporter).get(f"/api/anomalies/{anomaly.pk}/history").status_code == 403
    assert as_(stranger).get(f"/api/anomalies/{anomaly.pk}/history").status_code == 404
    assert as_org.get(f"/api/anomalies/{anomaly.pk}/history").json() == []


def test_query_counts_do_not_grow_with_the_rows(as_, viewer, org, metric, same_queries):
    for n in range(30):
        one = factories.make_anomaly(metric, kind=f"k{n}")
        factories.put_tag(one, "High")
        factories.assign(one, viewer)
    client = as_(viewer)
    client.get("/api/anomalies")
    same_queries("GET /api/anomalies, 30 rows", lambda: client.get("/api/anomalies"))
    same_queries("GET /api/anomalies, 2 of 30 rows", lambda: client.get("/api/anomalies?size=2"))
    client.get(f"/api/anomalies/{one.pk}")
    same_queries("GET /api/anomalies/{id}", lambda: client.get(f"/api/anomalies/{one.pk}"))
    same_queries("GET /api/anomalies/{id}/history", lambda: client.get(f"/api/anomalies/{one.pk}/history"))
