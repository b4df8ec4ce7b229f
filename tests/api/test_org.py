"""/api/org and /api/events."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from orgs.events import record_event
from orgs.models import Event, Org
from tests import factories

pytestmark = pytest.mark.django_db
AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_everybody_of_the_org_sees_it(as_, stranger, org):
    shown = as_(stranger).get("/api/org").json()
    assert set(shown) == {"id", "name", "slug", "timezone", "plan", "metric_limit", "retention_days", "created"}
    assert (shown["id"], shown["slug"], shown["metric_limit"], shown["retention_days"]) == (org.pk, "acme", 1000, 400)


@pytest.mark.parametrize(("who", "status"), [("stranger", 403), ("manager", 403), ("admin", 200)])
def test_only_an_admin_changes_it(as_, cast, org, other_org, who, status):
    answer = as_(cast[who]).put("/api/org", {"name": "New", "timezone": "Europe/Berlin"})
    assert answer.status_code == status
    expected = ("New", "Europe/Berlin") if status == 200 else ("Acme", "UTC")
    assert Org.objects.values_list("name", "timezone").get(pk=org.pk) == expected
    assert Org.objects.values_list("name", "timezone").get(pk=other_org.pk) == ("Acme", "UTC")


def test_a_change_is_told_once_with_what_changed(as_, admin):
    client = as_(admin)
    for _ in range(2):
        client.put("/api/org", {"name": "Acme", "timezone": "Europe/Berlin"})
    assert list(Event.objects.values_list("type", "name", "user")) == [("settings", "Settings changed: timezone", admin.pk)]


@pytest.mark.parametrize("body", [{"timezone": "Mars/Base"}, {"plan": "free"}, {"metric_limit": 9}, {"name": ""}])
def test_what_does_not_do_is_named_and_nothing_changes(as_, admin, org, body):
    answer, [loc] = as_(admin).put("/api/org", body), body
    assert (answer.status_code, answer.json()["errors"][0]["loc"]) == (422, ["body", loc])
    assert Org.objects.get(pk=org.pk) == org
    assert Event.objects.count() == 0


def test_a_stale_version_changes_nothing(as_, admin, org):
    client = as_(admin)
    etag = client.get("/api/org")["ETag"]
    assert client.put("/api/org", {"name": "One"}, headers={"If-Match": etag}).status_code == 200
    assert client.put("/api/org", {"name": "Two"}, headers={"If-Match": etag}).status_code == 412
    assert Org.objects.get(pk=org.pk).name == "One"


def test_a_deploy_is_posted_from_outside_and_shown(as_, stranger):
    sent = {
        "name": "checkout 2.14.0",
        "url": "https://ci.example.com/981",
        "timestamp": "2026-03-01T13:00:00+01:00",
        "description": "by CI",
    }
    client = as_(stranger, "write")
    answer = client.post("/api/events", sent)
    shown = answer.json()
    assert (answer.status_code, answer["Location"]) == (201, f"/api/events/{shown['id']}")
    assert (shown["type"], shown["timestamp"], shown["url"]) == ("deploy", "2026-03-01T12:00:00.000Z", "https://ci.example.com/981")
    assert (shown["user"], shown["datastore"]) == ({"id": stranger.pk, "name": "Sam Stranger"}, None)
    assert client.get(answer["Location"]).json() == shown


def test_without_a_time_it_is_now(as_, viewer):
    client, before = as_(viewer), timezone.now()
    shown = client.post("/api/events", {"name": "x", "type": "marker"}).json()
    assert before <= Event.objects.get(pk=shown["id"]).timestamp <= timezone.now()
    assert shown["type"] == "marker"


def test_a_repeat_with_the_same_key_posts_once(as_, viewer):
    client, headers = as_(viewer), {"Idempotency-Key": "build 981"}
    first, again = (client.post("/api/events", {"name": "x"}, headers=headers).json() for _ in range(2))
    assert first == again
    assert Event.objects.count() == 1


@pytest.mark.parametrize(
    ("body", "loc", "code"),
    [
        ({}, "name", "required"),
        ({"name": "x", "type": "alert"}, "type", "invalid_choice"),
        ({"name": "x", "url": "javascript:alert(1)"}, "url", "invalid"),
        ({"name": "x", "timestamp": "2026-03-01T13:00:00"}, "timestamp", "invalid_time"),
        ({"name": "x" * 201}, "name", "max_length"),
        ({"name": "x", "user": 1}, "user", "unknown_field"),
    ],
)
def test_a_marker_that_does_not_do_is_refused(as_, viewer, body, loc, code):
    answer = as_(viewer).post("/api/events", body)
    assert (answer.status_code, answer.json()["errors"][0]["loc"], answer.json()["errors"][0]["code"]) == (422, ["body", loc], code)
    assert Event.objects.count() == 0


def test_who_only_reads_posts_nothing(as_, as_org, admin, org):
    demo = factories.make_user(org, "Demo", is_demo=True)
    for client in (as_(demo), as_(admin, "read"), as_org):
        assert client.post("/api/events", {"name": "x"}).status_code == 403
    assert Event.objects.filter(name="x").count() == 0


def test_events_of_a_datastore_are_for_those_who_see_it(as_, org, datastore, stranger, reporter, outsider):
    whole = record_event(org.pk, type="settings", name="whole")
    part = record_event(org.pk, type="training", name="part", datastore_id=datastore.pk)
    assert [item["name"] for item in as_(reporter).get("/api/events").json()["items"]] == ["part", "whole"]
    assert [item["name"] for item in as_(stranger).get("/api/events").json()["items"]] == ["whole"]
    assert as_(stranger).get(f"/api/events/{part.pk}").status_code == 404
    assert as_(outsider).get(f"/api/events/{whole.pk}").status_code == 404
    assert as_(outsider).get("/api/events").json()["total"] == 0
    refused = as_(stranger).post("/api/events", {"name": "x", "datastore": datastore.pk})
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (422, "not_found")
    assert as_(reporter).post("/api/events", {"name": "x", "datastore": datastore.pk}).json()["datastore"]["id"] == datastore.pk


def test_the_feed_is_newest_first_and_filtered(as_, org, viewer, datastore):
    names = {}
    for hour, kind in enumerate(("deploy", "alert", "training")):
        fields = {"metric_id": 7, "anomaly_id": 8} if kind == "alert" else {}
        names[kind] = record_event(org.pk, type=kind, name=kind, timestamp=AT + timedelta(hours=hour), user_id=viewer.pk, **fields).name
    client = as_(viewer)

    def shown(query: str) -> list[str]:
        return [item["name"] for item in client.get(f"/api/events?{query}").json()["items"]]

    assert shown("") == ["training", "alert", "deploy"]
    assert shown("type=deploy,alert&sort_timestamp=asc") == ["deploy", "alert"]
    assert shown("start_date=2026-03-01T13:00:00Z&end_date=2026-03-01T14:00:00Z") == ["alert"]
    assert shown("metric=7") == shown("anomaly=8") == ["alert"]
    assert shown("search=TRAIN") == ["training"]
    assert shown(f"user={viewer.pk + 1}") == []
    assert client.get("/api/events?kind=deploy").status_code == 422


def test_query_counts_do_not_grow_with_the_events(as_, org, viewer, datastore, same_queries):
    client = as_(viewer)
    client.get("/api/events")
    for number in range(30):
        record_event(org.pk, type="deploy", name=f"d{number}", user_id=viewer.pk, datastore_id=datastore.pk)
    answer = same_queries("GET /api/events, 30 rows", lambda: client.get("/api/events"))
    assert len(answer.json()["items"]) == 30
