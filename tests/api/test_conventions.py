"""What every address keeps to: problems, callers, methods, headers."""

import json

import pytest
from django.db import OperationalError
from django.test import Client

from datastores.models import Operation
from orgs.models import OrgToken
from tests import factories
from tests.api.conftest import client_with

pytestmark = pytest.mark.django_db
PATHS = ["/api/anomalies", "/api/metrics", "/api/datastores", "/api/operations"]


@pytest.mark.parametrize("path", PATHS)
def test_without_a_token_it_is_401_and_says_how(anonymous, path):
    answer = anonymous.get(path)
    assert (answer.status_code, answer["Content-Type"]) == (401, "application/problem+json")
    assert answer["WWW-Authenticate"] == 'Bearer realm="plumbline"'
    problem = answer.json()
    assert set(problem) == {"type", "title", "status", "detail", "instance"}
    assert (problem["type"], problem["status"]) == ("/problems/unauthenticated", 401)
    assert problem["instance"] == answer["X-Request-Id"]


def test_a_request_id_that_was_sent_comes_back(anonymous):
    answer = anonymous.get("/api/anomalies", headers={"X-Request-Id": "deploy-4711-a"})
    assert answer.json()["instance"] == answer["X-Request-Id"] == "deploy-4711-a"


@pytest.mark.parametrize("header", ["Bearer", "Bearer ", "Basic dXNlcjpwYXNz", "Bearer plb_00000000_nothing", "Bearer \u00e9"])
def test_a_token_that_is_none_is_401(header, db):
    answer = Client(headers={"Authorization": header}).get("/api/anomalies")
    assert (answer.status_code, answer["WWW-Authenticate"]) == (401, 'Bearer realm="plumbline"')


def test_an_org_token_reads_metrics_and_anomalies_and_nothing_else(org, as_org):
    secret = factories.make_org_token(org)
    for client in (as_org, Client(headers={"X-Auth-Token": secret})):
        assert client.get("/api/metrics").status_code == 200
        assert client.get("/api/anomalies").status_code == 200
        assert client.get("/api/operations").status_code == 403
    OrgToken.objects.update(revoked="2026-01-01T00:00Z")
    assert as_org.get("/api/metrics").status_code == 401


def test_a_session_reads_and_writes_only_with_the_csrf_token(viewer, author, datastore):
    anomaly = factories.make_anomaly(factories.make_metric(datastore))
    client = Client(enforce_csrf_checks=True)
    client.force_login(author)
    assert client.get("/api/anomalies").json()["total"] == 1
    body = json.dumps({"status": "Acknowledged"})
    refused = client.put(f"/api/anomalies/{anomaly.pk}", body, content_type="application/json")
    assert (refused.status_code, refused["Content-Type"]) == (403, "application/problem+json")
    client.cookies["csrftoken"] = "a" * 32
    done = client.put(f"/api/anomalies/{anomaly.pk}", body, content_type="application/json", headers={"X-CSRFToken": "a" * 32})
    assert (done.status_code, done.json()["status"]) == (200, "Acknowledged")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["post", "put", "patch", "delete", "options"])
def test_a_method_that_is_not_declared_is_405_and_allow_says_which_are(as_, admin, path, method):
    if path == "/api/anomalies" and method in ("patch", "delete"):
        path = "/api/anomalies/facets"
    answer = getattr(as_(admin), method)(path)
    assert (answer.status_code, answer.json()["type"]) == (405, "/problems/method-not-allowed")
    assert answer["Allow"] == ("GET, HEAD, PATCH, DELETE" if path == "/api/anomalies" else "GET, HEAD")


def test_head_answers_like_get_without_a_body(as_, viewer):
    answer = as_(viewer).head("/api/anomalies")
    assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.parametrize("path", ["/api", "/api/", "/api/nothing", "/api/anomalies/", "/api/anomalies/1/nothing", "/api/v2/x"])
def test_an_address_that_does_not_exist_is_a_problem_for_everyone(anonymous, path):
    answer = anonymous.get(path)
    assert (answer.status_code, answer["Content-Type"]) == (404, "application/problem+json")
    assert answer.json()["type"] == "/problems/not-found"


def test_a_body_that_is_no_json_is_400_with_its_place(as_, editor, datastore):
    anomaly = factories.make_anomaly(factories.make_metric(datastore))
    for body in (b"{", b'{"status": NaN}', b"\xff", b'{"a": 1} x', b" "):
        answer = Client.put(as_(editor), f"/api/anomalies/{anomaly.pk}", body, content_type="application/json")
        assert (answer.status_code, answer.json()["type"]) == (400, "/problems/malformed"), body


def test_a_body_of_another_type_is_415(as_, editor, datastore):
    anomaly = factories.make_anomaly(factories.make_metric(datastore))
    answer = Client.put(as_(editor), f"/api/anomalies/{anomaly.pk}", b"status=Active", content_type="application/x-www-form-urlencoded")
    assert (answer.status_code, answer.json()["type"]) == (415, "/problems/unsupported-media-type")


def test_whatever_accept_says_the_answer_is_json(as_, viewer):
    for accept in ("text/html", "application/xml", "*/*", "nonsense"):
        answer = as_(viewer).get("/api/anomalies", headers={"Accept": accept})
        assert (answer.status_code, answer["Content-Type"]) == (200, "application/json"), accept


def test_a_database_that_is_away_is_503_with_retry_after(as_, viewer, monkeypatch):
    client = as_(viewer)

    def refuse(*args, **kwargs):
        raise OperationalError("connection to server at 10.0.0.7, user secret-name failed")

    monkeypatch.setattr("django.db.backends.utils.CursorWrapper.execute", refuse)
    answer = client.get("/api/anomalies")
    assert (answer.status_code, answer["Retry-After"], answer.json()["type"]) == (503, "5", "/problems/unavailable")
    assert b"secret-name" not in answer.content


def test_a_mistake_of_ours_is_a_problem_without_a_trace_and_is_logged(as_, viewer, monkeypatch, caplog):
    client = as_(viewer)

    def fail(*args, **kwargs):
        raise ZeroDivisionError("a detail that nobody outside may read")

    monkeypatch.setattr("django.db.models.query.QuerySet.values", fail)
    answer = client.get("/api/anomalies")
    assert (answer.status_code, answer.json()["type"]) == (500, "/problems/internal")
    assert b"nobody outside" not in answer.content
    assert "ZeroDivisionError" in caplog.text


def test_answers_are_not_stored_by_others(as_, viewer):
    assert as_(viewer).get("/api/anomalies")["Cache-Control"] == "private, no-cache"


def test_a_token_of_an_inactive_user_ends(viewer):
    client = client_with(factories.make_personal_token(viewer))
    assert client.get("/api/anomalies").status_code == 200
    viewer.is_active = False
    viewer.save()
    assert client.get("/api/anomalies").status_code == 401


def test_a_body_that_is_too_large_is_413(as_, editor, datastore):
    anomaly = factories.make_anomaly(factories.make_metric(datastore))
    answer = as_(editor).put(f"/api/anomalies/{anomaly.pk}", {"description": "x" * 10_000_001})
    assert (answer.status_code, answer.json()["type"]) == (413, "/problems/too-large")


@pytest.mark.parametrize("path", ["/api/anomalies/{anomaly}", "/api/users/me", "/api/org"])
def test_a_change_without_a_body_is_400_and_says_what_is_missing(as_, admin, datastore, path):
    anomaly = factories.make_anomaly(factories.make_metric(datastore))
    answer = Client.put(as_(admin), path.format(anomaly=anomaly.pk), b"", content_type="application/json")
    assert (answer.status_code, answer.json()["type"]) == (400, "/problems/malformed")
    assert answer.json()["detail"] == "The body is empty. Send what to change, as a JSON object."


def test_an_operation_that_takes_no_body_needs_none(as_, editor, org, datastore):
    operation = Operation.objects.create(org=org, datastore=datastore, kind="import", status="running", user=editor)
    answer = Client.put(as_(editor), f"/api/operations/abort/{operation.pk}", b"", content_type="application/json")
    assert (answer.status_code, answer.json()["status"]) == (200, "aborted")


def test_a_packed_body_is_refused_and_not_misread(as_, admin):
    for path, method in (("/api/users/me", "put"), ("/api/events", "post")):
        answer = getattr(as_(admin), method)(path, {"name": "x"}, headers={"Content-Encoding": "gzip"})
        assert (answer.status_code, answer.json()["type"]) == (415, "/problems/unsupported-media-type")
        assert answer.json()["detail"] == "Content-Encoding: send the body as it is, without packing it."


def test_whoever_sends_another_word_is_told_which_there_are(as_, admin, datastore):
    anomaly = factories.make_anomaly(factories.make_metric(datastore))
    client = as_(admin)
    tried = [
        (
            client.put(f"/api/anomalies/{anomaly.pk}", {"status": "Resolved"}),
            "'Resolved' is none of Active, Acknowledged. Archiving is a DELETE.",
        ),
        (
            client.post("/api/integrations", {"name": "Jira", "type": "trello", "url": "https://x.example"}),
            "'trello' is none of jira, servicenow.",
        ),
        (client.post("/api/global-tags", {"name": "High", "color": "red"}), "Six digits after #, such as #d9480f."),
        (
            client.post("/api/flows", {"name": "Old", "action": "archive", "inactivity": "day"}),
            "'day' is none of week, month, quarter, year.",
        ),
        (client.post("/api/flows", {"name": "Old", "action": "delete", "inactivity": "year", "tags": ["High"]}), "There is no tag 'High'."),
    ]
    assert [(answer.status_code, [one["msg"] for one in answer.json()["errors"]]) for answer, _ in tried] == [
        (422, [msg]) for _, msg in tried
    ]
