"""PATCH and DELETE of many anomalies: all or nothing, an error per entry that cannot be done, one transaction id."""

import uuid

import pytest

from accounts.models import Level
from anomalies.models import Anomaly, AnomalyAssignee, Change, Comment, Tag
from datastores.models import Datastore
from tests import factories

pytestmark = pytest.mark.django_db
PATH = "/api/anomalies"


@pytest.fixture
def metric(datastore):
    return factories.make_metric(datastore, "checkout.requests")


@pytest.fixture
def three(metric) -> list[Anomaly]:
    return [factories.make_anomaly(metric, kind=f"k{n}") for n in range(3)]


@pytest.fixture
def tags(org) -> dict[str, Tag]:
    return {name: Tag.objects.create(org=org, name=name, weight_modifier=points) for name, points in (("High", 3), ("Low", -1))}


def problems(answer) -> list[tuple]:
    assert answer.status_code == 422, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    return [(tuple(error["loc"]), error["code"]) for error in answer.json()["errors"]]


def statuses() -> list[str]:
    return list(Anomaly.objects.order_by("pk").values_list("status", flat=True))


def test_entries_change_each_its_anomaly_under_one_transaction(as_, editor, viewer, three, tags):
    a, b, c = three
    factories.put_tag(c, "High")
    entries = [
        {"id": a.pk, "status": "Acknowledged"},
        {"id": str(b.uuid), "assignee_ids": [viewer.pk], "description": "Known."},
        {"id": c.pk, "tags": []},
    ]
    answer = as_(editor).patch(PATH, entries)
    assert answer.status_code == 200, answer.content
    shown = answer.json()
    assert [one["id"] for one in shown] == [a.pk, b.pk, c.pk]
    assert (shown[0]["status"], shown[1]["description"], shown[2]["global_tags"]) == ("Acknowledged", "Known.", [])
    assert shown[1]["assignees"] == [{"id": viewer.pk, "name": "Vic Viewer", "email": viewer.email}]
    changes = {change.anomaly_id: change for change in Change.objects.all()}
    assert len({change.transaction_id for change in changes.values()}) == 1
    assert changes[a.pk].changeset == {"status": ["Active", "Acknowledged"]}
    assert changes[b.pk].changeset == {"description": ["", "Known."], "assignees": [[], [{"id": viewer.pk, "name": "Vic Viewer"}]]}
    assert changes[c.pk].changeset == {"global_tags": [[{"id": tags["High"].pk, "name": "High"}], []]}


def test_everything_that_is_wrong_is_named_by_its_place_and_nothing_is_done(
    as_, org, datastore, author, viewer, outsider, three, other_datastore
):
    a, b, c = three
    hidden = factories.make_anomaly(factories.make_metric(Datastore.objects.create(org=org, name="Hidden"), "x"))
    readable = Datastore.objects.create(org=org, name="Readable")
    factories.grant(author, readable, Level.VIEWER)
    only_read = factories.make_anomaly(factories.make_metric(readable, "y"))
    foreign = factories.make_anomaly(factories.make_metric(other_datastore, "z"))
    Anomaly.objects.filter(pk=b.pk).update(status="Resolved")
    before = list(Anomaly.objects.order_by("pk").values())
    entries = [
        {"id": a.pk, "status": "Acknowledged"},
        {"id": foreign.pk, "status": "Acknowledged"},
        {"id": hidden.pk, "status": "Acknowledged"},
        {"id": only_read.pk, "status": "Acknowledged"},
        {"id": b.pk, "tags": []},
        {"id": str(a.uuid), "status": "Active"},
        {"id": c.pk, "status": "Gone"},
        {"id": c.pk, "assignee_ids": [outsider.pk]},
        {"id": c.pk, "colour": "red"},
        {"status": "Active"},
        {"id": str(uuid.uuid4())},
        "nonsense",
        {"id": c.pk, "description": "x"},
    ]
    assert problems(as_(author).patch(PATH, entries)) == [
        (("body", 1, "id"), "not_found"),
        (("body", 2, "id"), "not_found"),
        (("body", 3, "id"), "forbidden"),
        (("body", 4, "id"), "archived"),
        (("body", 5, "id"), "duplicate_id"),
        (("body", 6, "status"), "invalid"),
        (("body", 7, "assignee_ids", 0), "not_found"),
        (("body", 8, "colour"), "invalid"),
        (("body", 9, "id"), "invalid"),
        (("body", 10, "id"), "not_found"),
        (("body", 11), "invalid"),
        (("body", 12, "id"), "duplicate_id"),
    ]
    assert list(Anomaly.objects.order_by("pk").values()) == before
    assert Change.objects.count() == 0


def test_a_description_needs_an_editor_in_bulk_too(as_, author, three):
    entries = [{"id": three[0].pk, "status": "Acknowledged"}, {"id": three[1].pk, "description": "x"}]
    assert problems(as_(author).patch(PATH, entries)) == [(("body", 1, "description"), "forbidden")]
    assert statuses() == ["Active"] * 3


@pytest.mark.parametrize("method", ["patch", "delete"])
@pytest.mark.parametrize("body", [{}, None, "x", 1, [1], [{}], [{"id": None}], [{"id": {}}], [[]]])
def test_what_is_no_list_of_entries_is_refused(as_, editor, three, method, body):
    answer = getattr(as_(editor), method)(PATH, body)
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/invalid")
    assert statuses() == ["Active"] * 3


def test_more_than_ten_thousand_entries_are_refused(as_, editor, three):
    assert problems(as_(editor).patch(PATH, [{"id": three[0].pk}] * 10_001)) == [(("body",), "invalid")]


def test_no_entries_change_nothing(as_, editor, three):
    assert as_(editor).patch(PATH, []).json() == []
    assert as_(editor).delete(PATH, []).status_code == 204


def test_archiving_and_deleting_for_good_in_one_call(as_, author, viewer, three):
    a, b, c = three
    Anomaly.objects.filter(pk=c.pk).update(status="Invalid")
    said = f"See @[Vic]({viewer.pk})"
    entries = [
        {"id": a.pk, "archive": True, "status": "Resolved", "comment": said, "mentioned_user_ids": [viewer.pk]},
        {"id": b.pk, "status": "Duplicate", "duplicate_of": str(a.uuid)},
        {"id": c.pk, "archive": False},
    ]
    answer = as_(author).delete(PATH, entries)
    assert (answer.status_code, answer.content) == (204, b"")
    assert statuses() == ["Resolved", "Duplicate", "Invalid"]
    assert Anomaly.objects.get(pk=b.pk).duplicate_of_id == a.pk
    assert Anomaly.objects.get(pk=c.pk).deleted_by == author
    comment = Comment.objects.get()
    assert (comment.message, comment.anomaly_id, [one.pk for one in comment.mentioned.all()]) == (said, a.pk, [viewer.pk])
    changes = list(Change.objects.order_by("anomaly_id"))
    assert len({change.transaction_id for change in changes}) == 1
    assert changes[0].changeset == {"status": ["Active", "Resolved"], "comment": [None, {"id": comment.pk, "message": said}]}
    assert changes[1].changeset == {"status": ["Active", "Duplicate"], "duplicate_of": [None, {"id": a.pk}]}
    assert list(changes[2].changeset) == ["deleted"]


def test_what_cannot_end_is_named_and_nothing_ends(as_, author, stranger, three):
    a, b, c = three
    entries = [
        {"id": a.pk, "status": "Resolved"},
        {"id": b.pk},
        {"id": c.pk, "archive": False},
        {"id": a.pk, "status": "Active"},
        {"id": b.pk, "status": "Duplicate", "duplicate_of": 999_999_999},
        {"id": c.pk, "status": "Resolved", "comment": f"@[Sam]({stranger.pk})"},
    ]
    assert problems(as_(author).delete(PATH, entries[:3])) == [(("body", 1, "status"), "invalid"), (("body", 2, "id"), "invalid")]
    assert problems(as_(author).delete(PATH, entries[3:])) == [
        (("body", 0, "status"), "invalid"),
        (("body", 1, "duplicate_of"), "not_found"),
        (("body", 2, "comment"), "invalid"),
    ]
    assert statuses() == ["Active"] * 3
    assert Comment.objects.count() == Change.objects.count() == 0


def test_two_that_name_each_other_as_original_are_refused(as_, author, three):
    a, b, _ = three
    entries = [{"id": a.pk, "status": "Duplicate", "duplicate_of": b.pk}, {"id": b.pk, "status": "Duplicate", "duplicate_of": a.pk}]
    assert problems(as_(author).delete(PATH, entries)) == [(("body", 1, "duplicate_of"), "invalid")]
    assert statuses() == ["Active"] * 3


def test_the_number_of_statements_does_not_grow(as_, editor, metric, viewer, org, tags, same_queries):
    made = [factories.make_anomaly(metric, kind=f"n{n}") for n in range(40)]
    client = as_(editor)
    client.get("/api/datastores")

    def call(part):
        entries = [
            {"id": one.pk, "status": "Acknowledged", "tags_add": ["High"], "assignee_ids": [viewer.pk], "description": "x"} for one in part
        ]
        return lambda: client.patch(PATH, entries)

    for name, part in (("2", made[:2]), ("38", made[2:])):
        assert same_queries(f"PATCH /api/anomalies, {name} entries", call(part)).status_code == 200
    assert AnomalyAssignee.objects.count() == 40
    ending = [{"id": one.pk, "status": "Resolved", "comment": "Done."} for one in made]
    assert same_queries("DELETE /api/anomalies, 40 entries", lambda: client.delete(PATH, ending)).status_code == 204


@pytest.mark.parametrize("who", ["stranger", "outsider", "reporter", "viewer", "drafter"])
def test_who_may_not_changes_nothing(as_, cast, three, who):
    code = "not_found" if who in ("stranger", "outsider") else "forbidden"
    entries = [{"id": one.pk, "status": "Acknowledged"} for one in three]
    assert problems(as_(cast[who]).patch(PATH, entries)) == [(("body", n, "id"), code) for n in range(3)]
    endings = [{"id": one.pk, "status": "Resolved"} for one in three]
    assert problems(as_(cast[who]).delete(PATH, endings)) == [(("body", n, "id"), code) for n in range(3)]
    assert statuses() == ["Active"] * 3
