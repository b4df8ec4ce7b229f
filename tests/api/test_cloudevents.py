"""CloudEvents 1.0 as markers: structured and binary, told once however often they come."""

import json

import pytest
from django.test import Client

from orgs.models import Event
from tests import factories
from tests.api.conftest import ApiClient

STRUCTURED = "application/cloudevents+json"
DEPLOYED = {
    "specversion": "1.0", "id": "9f1c", "source": "https://ci.example.com/checkout", "type": "dev.cdevents.service.deployed.0.1.1",
    "subject": "checkout 2.14.0", "time": "2026-05-15T17:22:08+02:00", "datacontenttype": "application/json",
    "data": {"url": "https://ci.example.com/builds/981", "description": "blue"},
}  # fmt: skip
HEADERS = {f"ce-{name}": DEPLOYED[name] for name in ("specversion", "id", "source", "type", "subject", "time")}


def told(client: ApiClient, body, *, content_type=STRUCTURED, **headers):
    return client.generic("POST", "/api/events", json.dumps(body), content_type=content_type, headers=headers)


def test_a_structured_one_is_a_marker(as_, viewer):
    answer = told(as_(viewer), DEPLOYED)
    assert (answer.status_code, answer["Location"]) == (201, f"/api/events/{answer.json()['id']}")
    said = {name: answer.json()[name] for name in ("type", "name", "description", "url", "timestamp", "user")}
    assert said == {
        "type": "deploy", "name": "checkout 2.14.0", "description": "blue", "url": "https://ci.example.com/builds/981",
        "timestamp": "2026-05-15T15:22:08.000Z", "user": {"id": viewer.pk, "name": "Vic Viewer"},
    }  # fmt: skip


def test_a_binary_one_is_the_same(as_, viewer):
    client = as_(viewer)
    answer = told(client, DEPLOYED["data"], content_type="application/json", **HEADERS)
    assert (answer.status_code, answer.json()["name"], answer.json()["url"]) == (
        201,
        "checkout 2.14.0",
        "https://ci.example.com/builds/981",
    )
    assert told(client, DEPLOYED).json()["id"] == answer.json()["id"]


def test_one_that_comes_again_is_told_once(as_, viewer, outsider):
    client = as_(viewer)
    first, second = told(client, DEPLOYED), told(client, {**DEPLOYED, "subject": "changed"})
    assert (first.status_code, second.status_code, second.json()) == (201, 200, first.json())
    assert told(client, {**DEPLOYED, "id": "another"}).status_code == 201
    assert told(client, {**DEPLOYED, "source": "another"}).status_code == 201
    assert told(as_(outsider), DEPLOYED).status_code == 201
    assert Event.objects.filter(org=viewer.org_id).count() == 3


@pytest.mark.parametrize(
    ("changed", "kind", "name"),
    [
        ({"type": "com.example.registry.image.published"}, "deploy", "checkout 2.14.0"),
        ({"type": "com.example.backup.finished"}, "marker", "checkout 2.14.0"),
        ({"type": "com.example.backup.finished", "data": {"type": "deploy", "name": "by hand"}}, "deploy", "by hand"),
        ({"data": {"type": "settings"}}, "deploy", "checkout 2.14.0"),
        ({"subject": None, "data": {"subject": {"id": "shop/checkout"}}}, "deploy", "shop/checkout"),
        ({"subject": None, "data": "plain"}, "deploy", "dev.cdevents.service.deployed.0.1.1"),
        ({"data": {"name": "n" * 500}}, "deploy", "n" * 200),
        ({"data": {"name": "nul\x00"}}, "deploy", "nul"),
    ],
)
def test_what_it_is_called(as_, viewer, changed, kind, name):
    sent = {name: value for name, value in {**DEPLOYED, **changed}.items() if value is not None}
    answer = told(as_(viewer), sent)
    assert (answer.status_code, answer.json()["type"], answer.json()["name"]) == (201, kind, name)


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"specversion": "0.3"}, "specversion"),
        ({"id": ""}, "id"),
        ({"source": None}, "source"),
        ({"type": 5}, "type"),
        ({"time": "yesterday"}, "time"),
        ({"time": "2026-05-15T17:22:08"}, "time"),
        ({"data": {"url": "javascript:alert(1)"}}, "url"),
        ({"subject": ["x"]}, "subject"),
        ({"id": "x" * 2001}, "id"),
    ],
)
def test_what_does_not_do_is_named_and_not_told(as_, viewer, changed, named):
    answer = told(as_(viewer), {**DEPLOYED, **changed})
    assert (answer.status_code, {error["loc"][-1] for error in answer.json()["errors"]}) == (422, {named})
    assert not Event.objects.exists()


@pytest.mark.parametrize("body", [[], "text", 5, None])
def test_what_is_no_object_is_no_event(as_, viewer, body):
    assert told(as_(viewer), body).status_code == 422


def test_nonsense_and_other_types_are_refused(as_, viewer):
    client = as_(viewer)
    assert client.generic("POST", "/api/events", "{", content_type=STRUCTURED).status_code == 400
    assert client.generic("POST", "/api/events", "{}", content_type="application/cloudevents+avro").status_code == 415


def test_who_may_not_post_markers_tells_nothing(as_, org):
    demo = factories.make_user(org, "Dan", is_demo=True)
    assert told(as_(demo), DEPLOYED).status_code == 403
    assert told(as_(demo, "read"), DEPLOYED).status_code == 403
    assert Client().post("/api/events", DEPLOYED, content_type=STRUCTURED).status_code == 401
    assert not Event.objects.exists()
