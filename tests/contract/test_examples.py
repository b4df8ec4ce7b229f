"""Every example of the anomalies API, sent as it is written, and what comes of it."""

from datetime import datetime
from uuid import UUID

import pytest

from anomalies.models import Anomaly, Change, Comment, Notice, TicketLink

pytestmark = pytest.mark.django_db
HOST = "https://your-instance.example.com"


def status(pk: int) -> str:
    return Anomaly.objects.get(pk=pk).status


def assigned(pk: int) -> set[int]:
    return set(Anomaly.objects.get(pk=pk).assignees.values_list("pk", flat=True))


def test_list_active_ones_of_user_42_with_the_tag_high_by_severity(by, viewer, three, alice, tags, make):
    heavy = make(12350, weight=90)
    for found in (three[1], heavy):
        found.global_tags.add(tags["High"], through_defaults={"org": found.org})
        found.assignees.add(alice, through_defaults={"org": found.org})
    Anomaly.objects.filter(pk=12346).update(status="Acknowledged")
    make(12351).assignees.add(alice, through_defaults={"org": heavy.org})
    answer = by(
        viewer,
        f"""curl -X GET "{HOST}/api/anomalies?status=Active&assignee=42&tag=High&sort_weight=desc" \\
      -H "Authorization: Bearer YOUR_TOKEN"
    """,
    )
    assert answer.status_code == 200
    shown = answer.json()
    assert [item["id"] for item in shown["items"]] == [12350, 12347]
    assert {name: shown[name] for name in ("total", "page", "size", "pages")} == {"total": 2, "page": 1, "size": 50, "pages": 1}


def test_get_a_single_anomaly_with_every_field_of_the_schema(by, viewer, three):
    answer = by(
        viewer,
        f"""curl -X GET "{HOST}/api/anomalies/12347" \\
      -H "Authorization: Bearer YOUR_TOKEN"
    """,
    )
    assert answer.status_code == 200
    shown = answer.json()
    assert (shown["id"], UUID(shown["uuid"])) == (12347, UUID("8e8b9f8b-1234-4abc-9def-000000012347"))
    assert (shown["type"], shown["status"], shown["weight"], shown["anomalous_records_count"]) == ("record", "Active", 54, 1)
    assert (shown["description"], shown["fingerprint"]) == ("Customer ID is missing for new orders", 9182736455)
    assert datetime.fromisoformat(shown["created"]) == datetime.fromisoformat("2026-05-15T17:22:08Z")
    assert [(tag["id"], tag["name"]) for tag in shown["global_tags"]] == [(7, "High")]
    assert shown["assignees"] == [{"id": 42, "name": "Alice Lee", "email": "alice@example.com"}]
    assert [(one["rule_type"], one["message"]) for one in shown["failed_checks"]] == [("notNull", "customer_id is null.")]
    assert (shown["datastore"]["name"], shown["container"]["name"], shown["partition_scan"]) == ("Metrics", "orders", None)


def test_the_same_by_its_uuid(by, viewer, anomaly):
    found = by(viewer, f'curl "{HOST}/api/anomalies/{anomaly.uuid}" -H "Authorization: Bearer YOUR_TOKEN"')
    assert (found.status_code, found.json()["id"]) == (200, 12345)


def test_update_a_single_anomaly(by, editor, anomaly, alice, bob, tags):
    answer = by(
        editor,
        f"""curl -X PUT "{HOST}/api/anomalies/12345" \\
      -H "Authorization: Bearer YOUR_TOKEN" \\
      -H "Content-Type: application/json" \\
      -d '{{
        "status": "Acknowledged",
        "description": "Investigating with the data engineering team",
        "tags": ["High", "Customer-Impact"],
        "assignee_ids": [42, 57]
      }}'
    """,
    )
    assert answer.status_code == 200
    shown = answer.json()
    assert (shown["status"], shown["description"]) == ("Acknowledged", "Investigating with the data engineering team")
    assert {tag["name"] for tag in shown["global_tags"]} == {"High", "Customer-Impact"}
    assert [one["id"] for one in shown["assignees"]] == [42, 57]
    change = Change.objects.get(anomaly=12345)
    assert (change.user, change.changeset["status"]) == (editor, ["Active", "Acknowledged"])
    assert change.changeset["assignees"] == [[], [{"id": 42, "name": "Alice Lee"}, {"id": 57, "name": "Bob Patel"}]]


def test_bulk_update(by, author, three):
    answer = by(
        author,
        f"""curl -X PATCH "{HOST}/api/anomalies" \\
      -H "Authorization: Bearer YOUR_TOKEN" \\
      -H "Content-Type: application/json" \\
      -d '[
        {{ "id": 12345, "status": "Acknowledged" }},
        {{ "id": 12346, "assignee_ids": [42] }},
        {{ "id": 12347, "tags": [] }}
      ]'
    """,
    )
    assert answer.status_code == 200
    first, second, third = answer.json()
    assert (first["id"], first["status"], first["assignees"]) == (12345, "Acknowledged", [])
    assert (second["id"], second["status"], [one["id"] for one in second["assignees"]]) == (12346, "Active", [42])
    assert (third["id"], third["global_tags"], [one["id"] for one in third["assignees"]]) == (12347, [], [42])
    assert len(set(Change.objects.values_list("transaction_id", flat=True))) == 1
    assert Change.objects.count() == 3


def test_set_or_replace_the_assignee_list(by, author, three):
    Anomaly.objects.get(pk=12345).assignees.add(author, through_defaults={"org": author.org})
    answer = by(
        author,
        f"""curl -X PUT "{HOST}/api/anomalies/12345" \\
      -H "Authorization: Bearer YOUR_TOKEN" \\
      -H "Content-Type: application/json" \\
      -d '{{ "assignee_ids": [42, 57] }}'
    """,
    )
    assert answer.status_code == 200
    assert assigned(12345) == {42, 57}


def test_clear_all_assignees(by, author, anomaly, alice):
    anomaly.assignees.add(alice, through_defaults={"org": alice.org})
    answer = by(
        author,
        f"""curl -X PUT "{HOST}/api/anomalies/12345" \\
      -H "Authorization: Bearer YOUR_TOKEN" \\
      -H "Content-Type: application/json" \\
      -d '{{ "assignee_ids": [] }}'
    """,
    )
    assert (answer.status_code, answer.json()["assignees"]) == (200, [])
    assert Change.objects.get().changeset == {"assignees": [[{"id": 42, "name": "Alice Lee"}], []]}


def test_bulk_replace_assignees_across_many_anomalies(by, author, three):
    answer = by(
        author,
        f"""curl -X PATCH "{HOST}/api/anomalies" \\
      -H "Authorization: Bearer YOUR_TOKEN" \\
      -H "Content-Type: application/json" \\
      -d '[
        {{ "id": 12345, "assignee_ids": [42, 57] }},
        {{ "id": 12346, "assignee_ids": [42] }},
        {{ "id": 12347, "assignee_ids": [] }}
      ]'
    """,
    )
    assert answer.status_code == 200
    assert [assigned(pk) for pk in (12345, 12346, 12347)] == [{42, 57}, {42}, set()]


def test_archive_with_a_resolution_comment(by, author, anomaly, alice):
    answer = by(
        author,
        f"""curl -X DELETE "{HOST}/api/anomalies/12345?archive=true&status=Resolved" \\
      -H "Authorization: Bearer YOUR_TOKEN" \\
      -H "Content-Type: application/json" \\
      -d '{{
        "comment": "Resolved after backfill, see @[Alice Lee](42)",
        "mentioned_user_ids": [42]
      }}'
    """,
    )
    assert (answer.status_code, answer.content, status(12345)) == (204, b"", "Resolved")
    assert Comment.objects.get().message == "Resolved after backfill, see @[Alice Lee](42)"
    assert list(Notice.objects.values_list("user", "kind")) == [(42, "mentioned")]
    changeset = Change.objects.get().changeset
    assert (changeset["status"], changeset["comment"][1]["message"]) == (
        ["Active", "Resolved"],
        "Resolved after backfill, see @[Alice Lee](42)",
    )


def test_hard_delete_an_archived_anomaly(by, author, editor, anomaly):
    command = f"""curl -X DELETE "{HOST}/api/anomalies/12345?archive=false" \\
      -H "Authorization: Bearer YOUR_TOKEN"
    """
    assert (by(author, command).status_code, status(12345)) == (409, "Active")
    Anomaly.objects.filter(pk=12345).update(status="Invalid")
    assert by(author, command).status_code == 204
    get = f'curl "{HOST}/api/anomalies/12345%s" -H "Authorization: Bearer YOUR_TOKEN"'
    assert by(editor, get % "").status_code == 404
    tombstone = by(editor, get % "?include_deleted=true")
    assert (tombstone.status_code, tombstone.json()["deleted_by"]["id"]) == (200, author.pk)


def test_bulk_archive_or_delete(by, author, three):
    Anomaly.objects.filter(pk=12347).update(status="Discarded")
    answer = by(
        author,
        f"""curl -X DELETE "{HOST}/api/anomalies" \\
      -H "Authorization: Bearer YOUR_TOKEN" \\
      -H "Content-Type: application/json" \\
      -d '[
        {{ "id": 12345, "archive": true, "status": "Resolved" }},
        {{ "id": 12346, "archive": true, "status": "Duplicate" }},
        {{ "id": 12347, "archive": false }}
      ]'
    """,
    )
    assert (answer.status_code, answer.content) == (204, b"")
    assert (status(12345), status(12346)) == ("Resolved", "Duplicate")
    assert Anomaly.objects.get(pk=12347).deleted is not None
    assert len(set(Change.objects.values_list("transaction_id", flat=True))) == 1


def test_the_history_is_an_array_of_transactions_with_before_and_after(by, author, viewer, anomaly, alice, bob):
    anomaly.assignees.add(alice, through_defaults={"org": alice.org})
    by(
        author,
        f"""curl -X PUT "{HOST}/api/anomalies/12345" -H "Authorization: Bearer YOUR_TOKEN" -H "Content-Type: application/json" \\
      -d '{{"status": "Acknowledged", "assignee_ids": [42, 57]}}'
    """,
    )
    answer = by(viewer, f'curl -X GET "{HOST}/api/anomalies/12345/history" -H "Authorization: Bearer YOUR_TOKEN"')
    (entry,) = answer.json()
    assert (answer.status_code, answer["X-Total-Count"]) == (200, "1")
    assert isinstance(entry.pop("transaction_id"), int)
    assert datetime.fromisoformat(entry.pop("timestamp")).tzinfo is not None
    assert entry == {
        "user": {"id": author.pk, "name": author.name},
        "actor": "user",
        "changeset": {
            "status": ["Active", "Acknowledged"],
            "assignees": [
                [{"id": 42, "name": "Alice Lee"}],
                [{"id": 42, "name": "Alice Lee"}, {"id": 57, "name": "Bob Patel"}],
            ],
        },
    }


def test_create_a_ticket_link(by, manager, viewer, anomaly, integration):
    command = f"""curl -X POST "{HOST}/api/anomalies/12345/ticket-links" \\
      -H "Authorization: Bearer YOUR_TOKEN" \\
      -H "Content-Type: application/json" \\
      -d '{{
        "integration_id": 3,
        "ticket_id": "abc123sys",
        "ticket_number": "INC0010001",
        "ticket_url": "https://example.service-now.com/incident.do?sys_id=abc123sys",
        "status": "New"
      }}'
    """
    made = by(manager, command)
    assert made.status_code == 201
    link = TicketLink.objects.get()
    assert (link.integration_id, link.ticket_id, link.ticket_number, link.status) == (3, "abc123sys", "INC0010001", "New")
    assert by(manager, command).status_code == 409
    listed = by(viewer, f'curl "{HOST}/api/anomalies/12345/ticket-links" -H "Authorization: Bearer YOUR_TOKEN"')
    assert [(one["id"], one["ticket_url"]) for one in listed.json()] == [
        (link.pk, "https://example.service-now.com/incident.do?sys_id=abc123sys")
    ]
    gone = by(manager, f'curl -X DELETE "{HOST}/api/anomalies/12345/ticket-links/{link.pk}" -H "Authorization: Bearer YOUR_TOKEN"')
    assert (gone.status_code, TicketLink.objects.count()) == (204, 0)
