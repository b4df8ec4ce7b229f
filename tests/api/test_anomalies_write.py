"""PUT /api/anomalies/{id}: who may, what is taken, what is refused, and that a refusal changes nothing."""

import threading

import pytest
from django.db import connection

from anomalies.models import Anomaly, Change
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def anomaly(datastore):
    return factories.make_anomaly(factories.make_metric(datastore, "checkout.requests"))


def state(anomaly: Anomaly) -> tuple:
    now = Anomaly.objects.get(pk=anomaly.pk)
    return now.status, now.description, now.updated, Change.objects.filter(anomaly=anomaly).count()


def test_an_author_acknowledges(as_, author, anomaly):
    answer = as_(author).put(f"/api/anomalies/{anomaly.uuid}", {"status": "Acknowledged"})
    assert answer.status_code == 200
    assert (answer.json()["status"], answer.json()["is_new"], answer.json()["description"]) == ("Acknowledged", False, "")
    change = Change.objects.get(anomaly=anomaly)
    assert (change.user, change.actor, change.changeset) == (author, "user", {"status": ["Active", "Acknowledged"]})


def test_an_editor_describes_and_leaves_the_rest(as_, editor, anomaly):
    answer = as_(editor).put(f"/api/anomalies/{anomaly.pk}", {"description": "Known: marathon."})
    assert (answer.status_code, answer.json()["description"], answer.json()["status"]) == (200, "Known: marathon.", "Active")
    assert Change.objects.get(anomaly=anomaly).changeset == {"description": ["", "Known: marathon."]}


def test_sending_it_again_changes_nothing_more(as_, author, anomaly):
    client = as_(author)
    client.put(f"/api/anomalies/{anomaly.pk}", {"status": "Acknowledged"})
    before = state(anomaly)
    assert client.put(f"/api/anomalies/{anomaly.pk}", {"status": "Acknowledged"}).status_code == 200
    assert client.put(f"/api/anomalies/{anomaly.pk}", {}).status_code == 200
    assert state(anomaly) == before


@pytest.mark.parametrize(
    ("who", "body", "status"),
    [
        ("stranger", {"status": "Acknowledged"}, 404),
        ("outsider", {"status": "Acknowledged"}, 404),
        ("reporter", {"status": "Acknowledged"}, 403),
        ("viewer", {"status": "Acknowledged"}, 403),
        ("drafter", {"status": "Acknowledged"}, 403),
        ("author", {"description": "x"}, 403),
        ("author", {"status": "Acknowledged", "description": "x"}, 403),
        ("author", {"status": "Acknowledged"}, 200),
        ("editor", {"status": "Acknowledged", "description": "x"}, 200),
        ("manager", {"status": "Acknowledged", "description": "x"}, 200),
        ("admin", {"status": "Acknowledged", "description": "x"}, 200),
    ],
)
def test_levels_decide_who_may_write(as_, cast, anomaly, who, body, status):
    before = state(anomaly)
    answer = as_(cast[who]).put(f"/api/anomalies/{anomaly.pk}", body)
    assert answer.status_code == status
    assert (state(anomaly) == before) is (status != 200)


def test_demo_users_org_tokens_and_reading_tokens_write_nothing(as_, as_org, admin, anomaly):
    demo = factories.make_user(anomaly.org, "Demo", is_demo=True, role="admin")
    before = state(anomaly)
    for client in (as_org, as_(demo), as_(admin, "read")):
        answer = client.put(f"/api/anomalies/{anomaly.pk}", {"status": "Acknowledged"})
        assert (answer.status_code, answer.json()["type"]) == (403, "/problems/forbidden")
    assert state(anomaly) == before


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        ({"status": "Resolved"}, [(["body", "status"], "invalid_choice")]),
        ({"status": None}, [(["body", "status"], "null")]),
        ({"description": 7e400}, None),
        ({"description": "x" * 10_001}, [(["body", "description"], "max_length")]),
        ({"description": "a\0b"}, [(["body", "description"], "null_characters_not_allowed")]),
        ({"weight": 9}, [(["body", "weight"], "unknown_field")]),
        ({"status": "Acknowledged", "state": 1}, [(["body", "state"], "unknown_field")]),
        ([], [(["body"], "invalid")]),
        ("Acknowledged", [(["body"], "invalid")]),
    ],
)
def test_what_does_not_do_is_named_and_nothing_changes(as_, editor, anomaly, body, errors):
    before = state(anomaly)
    answer = as_(editor).put(f"/api/anomalies/{anomaly.pk}", body)
    if errors is None:  # Infinity is no JSON
        assert (answer.status_code, answer.json()["type"]) == (400, "/problems/malformed")
    else:
        assert answer.status_code == 422
        assert [(error["loc"], error["code"]) for error in answer.json()["errors"]] == errors
    assert state(anomaly) == before


def test_a_status_restores_an_archived_one_and_other_changes_are_refused(as_, editor, anomaly):
    Anomaly.objects.filter(pk=anomaly.pk).update(status="Invalid")
    client, before = as_(editor), state(anomaly)
    refused = client.put(f"/api/anomalies/{anomaly.pk}", {"description": "x"})
    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/archived")
    assert state(anomaly)[:2] == before[:2]
    restored = client.put(f"/api/anomalies/{anomaly.pk}", {"status": "Active"})
    assert (restored.status_code, restored.json()["status"], restored.json()["archived"]) == (200, "Acknowledged", False)


def test_if_match_lets_only_the_newest_version_be_changed(as_, editor, anomaly):
    client, path = as_(editor), f"/api/anomalies/{anomaly.pk}"
    etag = client.get(path)["ETag"]
    first = client.put(path, {"description": "one"}, headers={"If-Match": etag})
    assert (first.status_code, first["ETag"] != etag) == (200, True)
    before = state(anomaly)
    stale = client.put(path, {"description": "two"}, headers={"If-Match": etag})
    assert (stale.status_code, stale.json()["type"]) == (412, "/problems/stale-version")
    assert state(anomaly) == before
    assert client.put(path, {"description": "two"}, headers={"If-Match": f'"other", {first["ETag"]}'}).status_code == 200
    assert client.put(path, {"description": "three"}, headers={"If-Match": "*"}).status_code == 200


@pytest.mark.django_db(transaction=True)
def test_of_many_writers_with_one_version_exactly_one_wins(as_, editor, anomaly):
    client, path = as_(editor), f"/api/anomalies/{anomaly.pk}"
    etag = client.get(path)["ETag"]
    statuses = []

    def write(n: int) -> None:
        try:
            statuses.append(client.put(path, {"description": f"writer {n}"}, headers={"If-Match": etag}).status_code)
        finally:
            connection.close()

    writers = [threading.Thread(target=write, args=(n,)) for n in range(6)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert sorted(statuses) == [200, 412, 412, 412, 412, 412]
    assert Change.objects.filter(anomaly=anomaly).count() == 1


def test_query_count_of_a_change(as_, author, anomaly, same_queries):
    client = as_(author)
    client.get("/api/anomalies")
    same_queries("PUT /api/anomalies/{id}", lambda: client.put(f"/api/anomalies/{anomaly.pk}", {"status": "Acknowledged"}))
