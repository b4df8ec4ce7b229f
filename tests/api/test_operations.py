"""/api/operations and /api/datastores."""

import threading
from datetime import UTC, datetime

import pytest
from django.db import connection, transaction

from datastores.models import Datastore, Operation

pytestmark = pytest.mark.django_db


@pytest.fixture
def operation(org, datastore, editor):
    return Operation.objects.create(
        org=org, datastore=datastore, kind="import", status="running", done=25, total=200, counters={"stored": 24}, user=editor
    )


def test_an_operation_tells_its_progress(as_, reporter, operation, datastore, editor):
    client = as_(reporter)
    shown = client.get(f"/api/operations/{operation.pk}").json()
    assert shown == {
        "id": operation.pk, "type": "import", "status": "running", "percent": 12.5, "done": 25, "total": 200, "message": "",
        "counters": {"stored": 24}, "datastore": {"id": datastore.pk, "name": "Metrics"}, "user": {"id": editor.pk, "name": "Eve Editor"},
        "created": shown["created"], "started": None, "ended": None, "undo_until": None,
    }  # fmt: skip
    assert client.get("/api/operations").json()["items"] == [shown]


def test_operations_are_filtered_and_newest_come_first(as_, viewer, org, datastore, operation):
    done = Operation.objects.create(org=org, datastore=datastore, kind="import", status="success")
    client = as_(viewer)

    def found(query: str) -> list[int]:
        return [item["id"] for item in client.get(f"/api/operations?{query}").json()["items"]]

    assert found("") == [done.pk, operation.pk]
    assert found("sort_created=asc") == [operation.pk, done.pk]
    assert found("status=running,waiting") == [operation.pk]
    assert found(f"type=import&datastore={datastore.pk}&status=success") == [done.pk]
    assert client.get("/api/operations?status=done").status_code == 422


def test_an_editor_aborts_and_twice_is_once(as_, editor, operation):
    client, path = as_(editor), f"/api/operations/abort/{operation.pk}"
    first, second = client.put(path), client.put(path)
    assert (first.status_code, first.json()["status"]) == (200, "aborted")
    assert second.json()["ended"] == first.json()["ended"] != None  # noqa: E711


@pytest.mark.parametrize("status", ["success", "failure"])
def test_what_has_ended_cannot_be_aborted(as_, editor, operation, status):
    Operation.objects.update(status=status, ended=datetime(2026, 1, 1, tzinfo=UTC))
    answer = as_(editor).put(f"/api/operations/abort/{operation.pk}")
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/conflict")
    assert Operation.objects.get().status == status


@pytest.mark.parametrize(
    ("who", "status"), [("outsider", 404), ("stranger", 404), ("reporter", 403), ("author", 403), ("admin", 200), ("manager", 200)]
)
def test_levels_decide_who_aborts(as_, cast, operation, who, status):
    assert as_(cast[who]).put(f"/api/operations/abort/{operation.pk}").status_code == status
    assert Operation.objects.get().status == ("aborted" if status == 200 else "running")


def test_a_stale_version_is_not_aborted(as_, editor, operation):
    client = as_(editor)
    etag = client.get(f"/api/operations/{operation.pk}")["ETag"]
    Operation.objects.update(done=26)
    assert client.put(f"/api/operations/abort/{operation.pk}", headers={"If-Match": etag}).status_code == 412
    assert Operation.objects.get().status == "running"


@pytest.mark.django_db(transaction=True)
def test_a_version_is_compared_with_the_row_that_is_then_aborted(as_, editor, operation):
    """The worker moves the operation on and commits while the request waits for the row."""
    client, answers = as_(editor), []
    etag = client.get(f"/api/operations/{operation.pk}")["ETag"]

    def abort() -> None:
        try:
            answers.append(client.put(f"/api/operations/abort/{operation.pk}", headers={"If-Match": etag}).status_code)
        finally:
            connection.close()

    waiting = threading.Thread(target=abort)
    with transaction.atomic():
        Operation.objects.update(done=26)
        waiting.start()
        waiting.join(1)
        assert waiting.is_alive()
    waiting.join(240)
    assert (answers, Operation.objects.get().status) == ([412], "running")


def test_datastores_are_those_with_a_level(as_, org, viewer, admin, stranger, outsider, datastore, other_datastore):
    hidden = Datastore.objects.create(org=org, name="Hidden")

    def found(user, query: str = "") -> list[int]:
        return [item["id"] for item in as_(user).get(f"/api/datastores{query}").json()["items"]]

    assert found(viewer) == [datastore.pk]
    assert found(admin) == [hidden.pk, datastore.pk]
    assert found(admin, "?search=hid&type=metrics&sort_name=asc") == [hidden.pk]
    assert (found(stranger), found(outsider)) == ([], [other_datastore.pk])
    assert as_(viewer).get(f"/api/datastores/{hidden.pk}").status_code == 404
    assert as_(viewer).get(f"/api/datastores/{datastore.pk}").json()["name"] == "Metrics"


def test_query_counts(as_, viewer, editor, org, datastore, operation, same_queries):
    for _ in range(20):
        Operation.objects.create(org=org, datastore=datastore, kind="import", user=viewer)
    client, other = as_(viewer), as_(editor)
    client.get("/api/datastores")
    other.get("/api/datastores")
    same_queries("GET /api/datastores", lambda: client.get("/api/datastores"))
    same_queries("GET /api/datastores/{id}", lambda: client.get(f"/api/datastores/{datastore.pk}"))
    same_queries("GET /api/operations, 21 rows", lambda: client.get("/api/operations"))
    same_queries("GET /api/operations/{id}", lambda: client.get(f"/api/operations/{operation.pk}"))
    same_queries("PUT /api/operations/abort/{id}", lambda: other.put(f"/api/operations/abort/{operation.pk}"))


@pytest.mark.django_db(transaction=True)
def test_an_import_that_is_sent_twice_with_one_key_is_one_operation(as_, editor):
    client = as_(editor)
    lines = [b"cpu,%d,1.5\n" % (1_700_000_000 + 60 * n) for n in range(60_000)]
    body = b"metric,timestamp,value\n" + b"".join(lines)  # more than is spooled in memory

    def send(content: bytes):
        headers = {"Idempotency-Key": "history-1"}
        return client.post("/api/metrics/import", content, content_type="text/csv", headers=headers)

    first, second = send(body), send(body)
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json()["id"] == second.json()["id"] == Operation.objects.get().pk
    assert send(body[:-1]).status_code == 422
    done = client.get(f"/api/operations/{first.json()['id']}").json()
    assert (done["status"], done["counters"]["stored"]) == ("success", 60_000)
