"""/api/anomalies/{id}/comments and /api/comments: who may say, read, change and delete what."""

from datetime import timedelta

import pytest

from anomalies.models import Anomaly, Change, Comment
from anomalies.services import archive_anomaly, comment_on, delete_comment
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def anomaly(datastore) -> Anomaly:
    return factories.make_anomaly(factories.make_metric(datastore))


@pytest.fixture
def said(anomaly, viewer) -> Comment:
    return comment_on(anomaly, user=viewer, message="Seen before.")


def state() -> list[tuple]:
    return [*Comment.objects.order_by("pk").values_list("message", "edited", "deleted"), (Change.objects.count(),)]


def test_a_viewer_comments_and_mentions(as_, viewer, editor, anomaly):
    body = {"message": f"see @[Eve Editor]({editor.pk})", "mentioned_user_ids": [editor.pk]}
    answer = as_(viewer).post(f"/api/anomalies/{anomaly.uuid}/comments", body)
    comment = Comment.objects.get()
    assert answer.status_code == 201
    assert answer["Location"] == f"/api/comments/{comment.pk}"
    made = answer.json()
    assert made.pop("created").endswith("Z")
    assert made == {
        "id": comment.pk, "anomaly_id": anomaly.pk, "message": body["message"], "user": {"id": viewer.pk, "name": "Vic Viewer"},
        "mentioned_users": [{"id": editor.pk, "name": "Eve Editor"}], "edited": None, "deleted": None,
    }  # fmt: skip
    read = as_(viewer).get(answer["Location"])
    assert ({**made, "created": read.json()["created"]}, answer["ETag"]) == (read.json(), read["ETag"])


@pytest.mark.parametrize("named", ["pk", "uuid"])
def test_the_anomaly_may_be_named_in_the_body(as_, viewer, anomaly, named):
    reference = getattr(anomaly, named)
    answer = as_(viewer).post("/api/comments", {"anomaly_id": reference if named == "pk" else str(reference), "message": "here"})
    assert (answer.status_code, answer.json()["anomaly_id"], Comment.objects.get().anomaly) == (201, anomaly.pk, anomaly)


@pytest.mark.parametrize("reference", [999_999, "5f0c7c3e-2b1a-4d7e-9a53-8e6f0d1c2b3a", "nobody", "a\0b", -1])
def test_an_anomaly_that_there_is_not_is_named(as_, viewer, reference):
    answer = as_(viewer).post("/api/comments", {"anomaly_id": reference, "message": "here"})
    assert (answer.status_code, answer.json()["errors"][0]["loc"]) == (422, ["body", "anomaly_id"])
    assert answer.json()["errors"][0]["code"] == "not_found"


@pytest.mark.parametrize(("who", "status"), [("reporter", 403), ("stranger", 422), ("outsider", 422), ("viewer", 201), ("admin", 201)])
def test_who_may_comment_by_the_body(as_, cast, anomaly, who, status):
    answer = as_(cast[who]).post("/api/comments", {"anomaly_id": anomaly.pk, "message": "here"})
    assert (answer.status_code, Comment.objects.count()) == (status, int(status == 201))


@pytest.mark.parametrize(
    ("body", "loc", "code"),
    [
        ({}, ["body", "message"], "required"),
        ({"message": ""}, ["body", "message"], "blank"),
        ({"message": 5}, ["body", "message"], "invalid"),
        ({"message": "x" * 10_001}, ["body", "message"], "max_length"),
        ({"message": "a\0b"}, ["body", "message"], "null_characters_not_allowed"),
        ({"message": "x", "mentioned_user_ids": "7"}, ["body", "mentioned_user_ids"], "not_a_list"),
        ({"message": "x", "mentioned_user_ids": [999_999]}, ["body", "mentioned_user_ids", 0], "not_found"),
        ({"message": "see @[X](999999)"}, ["body", "message"], "not_found"),
        ({"message": "x", "mentioned_user_ids": [2**64 - 1]}, ["body", "mentioned_user_ids", 0], "not_found"),
        ({"message": "x", "user": 1}, ["body", "user"], "unknown_field"),
    ],
)
def test_what_cannot_be_said_is_named_and_nothing_is_stored(as_, viewer, anomaly, body, loc, code):
    answer = as_(viewer).post(f"/api/anomalies/{anomaly.pk}/comments", body)
    assert answer.status_code == 422
    assert [(error["loc"], error["code"]) for error in answer.json()["errors"]] == [(loc, code)]
    assert state() == [(0,)]


def test_everybody_who_cannot_be_mentioned_is_named(as_, viewer, reporter, outsider, anomaly):
    body = {"message": f"@[R]({reporter.pk})", "mentioned_user_ids": [viewer.pk, outsider.pk]}
    answer = as_(viewer).post(f"/api/anomalies/{anomaly.pk}/comments", body)
    assert [(error["loc"], error["code"]) for error in answer.json()["errors"]] == [
        (["body", "message"], "no_access"),
        (["body", "mentioned_user_ids", 1], "not_found"),
    ]
    assert state() == [(0,)]


def test_saying_it_again_with_the_same_key_says_it_once(as_, viewer, anomaly):
    client = as_(viewer)
    answers = [client.post(f"/api/anomalies/{anomaly.pk}/comments", {"message": "once"}, headers={"Idempotency-Key": "k"}) for _ in "ab"]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    assert Comment.objects.count() == 1


def test_an_archived_anomaly_is_409_for_every_write(as_, viewer, author, anomaly, said):
    archive_anomaly(anomaly, user=author, status="Resolved")
    before, client = state(), as_(viewer)
    for answer in (
        client.post(f"/api/anomalies/{anomaly.pk}/comments", {"message": "late"}),
        client.post("/api/comments", {"anomaly_id": anomaly.pk, "message": "late"}),
        client.put(f"/api/comments/{said.pk}", {"message": "late"}),
        client.delete(f"/api/comments/{said.pk}"),
    ):
        assert (answer.status_code, answer.json()["type"]) == (409, "/problems/archived")
    assert state() == before
    assert client.get(f"/api/anomalies/{anomaly.pk}/comments").json()[0]["message"] == "Seen before."


def moved(anomaly, user, *days: int) -> list[Comment]:
    """Comments of noon on these days of March."""
    made = []
    for day in days:
        comment = comment_on(anomaly, user=user, message=f"day {day}")
        Comment.objects.filter(pk=comment.pk).update(created=factories.STARTED + timedelta(days=day - 1))
        made.append(comment)
    return made


def messages(answer) -> list[str]:
    assert answer.status_code == 200, answer.content
    return [one["message"] for one in (answer.json() if isinstance(answer.json(), list) else answer.json()["items"])]


def test_comments_are_newest_first_and_a_page_at_a_time(as_, viewer, anomaly):
    moved(anomaly, viewer, 1, 3, 2)
    here = f"/api/anomalies/{anomaly.pk}/comments"
    assert messages(as_(viewer).get(here)) == ["day 3", "day 2", "day 1"]
    page = as_(viewer).get(f"{here}?page=2&size=1")
    assert (messages(page), page["X-Total-Count"]) == (["day 2"], "3")
    assert page["Link"] == ", ".join(
        f'<{here}?page={number}&size=1>; rel="{rel}"' for rel, number in (("first", 1), ("prev", 1), ("next", 3), ("last", 3))
    )


def test_a_range_holds_its_start_and_not_its_end(as_, viewer, anomaly):
    moved(anomaly, viewer, 1, 2, 3)
    here, client = f"/api/anomalies/{anomaly.pk}/comments", as_(viewer)
    assert messages(client.get(f"{here}?start_date=2026-03-02T12:00:00Z&end_date=2026-03-03T12:00:00Z")) == ["day 2"]
    assert messages(client.get(f"{here}?start_date=2026-03-03T12:00:00Z")) == ["day 3"]
    assert messages(client.get(f"{here}?end_date=2026-03-02T12:00:00Z")) == ["day 1"]
    assert messages(client.get(f"{here}?start_date=2026-03-02T13:00:00%2B01:00&end_date=2026-03-02T12:00:00.001Z")) == ["day 2"]
    wrong = client.get(f"{here}?start_date=2026-03-02T12:00:00")
    assert (wrong.status_code, wrong.json()["errors"][0]["loc"]) == (422, ["query", "start_date"])


def test_deleted_comments_are_shown_on_request(as_, viewer, anomaly):
    first, _ = moved(anomaly, viewer, 1, 2)
    delete_comment(first, user=viewer)
    here, client = f"/api/anomalies/{anomaly.pk}/comments", as_(viewer)
    assert messages(client.get(here)) == messages(client.get(f"{here}?include_deleted=false")) == ["day 2"]
    everything = client.get(f"{here}?include_deleted=true").json()
    assert [(one["message"], one["deleted"] is None) for one in everything] == [("day 2", True), ("day 1", False)]
    assert client.get(f"/api/comments/{first.pk}").status_code == 404
    assert client.get(f"/api/comments/{first.pk}?include_deleted=true").json()["message"] == "day 1"
    assert client.get(f"/api/comments/{first.pk}?include_deleted=yes").status_code == 422
    assert messages(client.get("/api/comments")) == ["day 2"]
    assert messages(client.get("/api/comments?include_deleted=true")) == ["day 2", "day 1"]


def test_the_list_of_all_comments_filters_and_sorts(as_, viewer, editor, anomaly, datastore):
    other = factories.make_anomaly(factories.make_metric(datastore, "other"))
    moved(anomaly, viewer, 1)
    moved(other, editor, 2)
    comment_on(other, user=editor, message="100% sure", mentioned_user_ids=[viewer.pk, editor.pk])
    client = as_(viewer)
    assert messages(client.get(f"/api/comments?anomaly={other.pk}&sort_created=asc")) == ["day 2", "100% sure"]
    assert messages(client.get(f"/api/comments?user={viewer.pk}")) == ["day 1"]
    assert messages(client.get(f"/api/comments?mentioned={viewer.pk},{editor.pk}")) == ["100% sure"]
    assert messages(client.get("/api/comments?search=0%25")) == ["100% sure"]
    assert client.get("/api/comments?author=1").status_code == 422


def test_everybody_sees_the_comments_of_what_they_may_view(as_, as_org, cast, said, other_datastore):
    theirs = factories.make_anomaly(factories.make_metric(other_datastore))
    comment_on(theirs, user=cast["outsider"], message="Not yours.")
    for who in ("viewer", "author", "manager", "admin"):
        assert messages(as_(cast[who]).get("/api/comments")) == ["Seen before."], who
    assert messages(as_org.get("/api/comments")) == ["Seen before."]
    for who in ("reporter", "stranger"):
        assert messages(as_(cast[who]).get("/api/comments")) == [], who
    assert messages(as_(cast["outsider"]).get("/api/comments")) == ["Not yours."]


def test_only_the_author_changes_a_comment(as_, cast, said):
    for who, status in (("admin", 403), ("manager", 403), ("editor", 403), ("reporter", 403), ("stranger", 404), ("outsider", 404)):
        before = state()
        assert as_(cast[who]).put(f"/api/comments/{said.pk}", {"message": "no"}).status_code == status, who
        assert state() == before
    answer = as_(cast["viewer"]).put(f"/api/comments/{said.pk}", {"message": "better"})
    assert (answer.status_code, answer.json()["message"], answer.json()["edited"] is None) == (200, "better", False)
    assert as_(cast["viewer"]).put(f"/api/comments/{said.pk}", {"message": "better"}).json() == answer.json()


def test_an_author_who_has_lost_the_datastore_changes_nothing_more(as_, viewer, said):
    viewer.teams.get().access.update(level=1)
    assert as_(viewer).put(f"/api/comments/{said.pk}", {"message": "still"}).status_code == 403
    assert as_(viewer).delete(f"/api/comments/{said.pk}").status_code == 403
    assert Comment.objects.get().message == "Seen before."


@pytest.mark.parametrize(("who", "status"), [("admin", 204), ("viewer", 204), ("manager", 403), ("editor", 403), ("outsider", 404)])
def test_who_deletes_a_comment(as_, cast, said, who, status):
    assert as_(cast[who]).delete(f"/api/comments/{said.pk}").status_code == status
    assert (Comment.objects.get().deleted is not None) is (status == 204)
    if status == 204:
        assert as_(cast[who]).delete(f"/api/comments/{said.pk}").status_code == 404
        assert Change.objects.count() == 2


def test_a_version_that_is_not_the_newest_is_412(as_, viewer, said):
    client = as_(viewer)
    old = client.get(f"/api/comments/{said.pk}")["ETag"]
    new = client.put(f"/api/comments/{said.pk}", {"message": "second"}, headers={"If-Match": old})
    assert new.status_code == 200
    assert client.put(f"/api/comments/{said.pk}", {"message": "third"}, headers={"If-Match": old}).status_code == 412
    assert client.delete(f"/api/comments/{said.pk}", headers={"If-Match": old}).status_code == 412
    assert Comment.objects.get().message == "second"
    assert client.delete(f"/api/comments/{said.pk}", headers={"If-Match": new["ETag"]}).status_code == 204


def test_queries_do_not_grow_with_the_comments(as_, viewer, editor, anomaly, same_queries):
    client = as_(viewer)
    for number in range(5):
        comment_on(anomaly, user=viewer, message=f"number {number}", mentioned_user_ids=[viewer.pk, editor.pk])
    same_queries("comments of an anomaly", lambda: client.get(f"/api/anomalies/{anomaly.pk}/comments"))
    same_queries("comments", lambda: client.get("/api/comments"))
    same_queries("comment read", lambda: client.get(f"/api/comments/{Comment.objects.first().pk}"))
    body = {"message": "x", "mentioned_user_ids": [viewer.pk, editor.pk]}
    same_queries("comment created", lambda: client.post(f"/api/anomalies/{anomaly.pk}/comments", body))
