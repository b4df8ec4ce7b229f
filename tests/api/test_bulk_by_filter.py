"""A change of everything that a filter finds: planned, done, looked at, taken back."""

from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from accounts.models import Level, User
from anomalies.models import Anomaly, BulkChange, BulkResult, Change, Comment, Notice
from anomalies.services import bulk
from anomalies.tasks import forget_bulk_changes, resume_bulk_changes, run_bulk_change
from datastores.models import Datastore, Operation
from tests import factories

pytestmark = pytest.mark.django_db(transaction=True)
ADDRESS = "/api/anomalies/bulk-by-filter"


@pytest.fixture
def found(datastore) -> list[Anomaly]:
    """Three active ones and one that is archived."""
    metric = factories.make_metric(datastore)
    active = [factories.make_anomaly(metric, kind=f"k{number}") for number in range(3)]
    return [*active, factories.make_anomaly(metric, kind="old", status="Resolved")]


def planned(client, change, **filters) -> dict:
    answer = client.post(ADDRESS, {"filter": filters or {"status": ["Active"]}, "change": change})
    assert answer.status_code == 200, answer.content
    return answer.json()


def done(client, change, **filters) -> dict:
    """The operation as it is in the end."""
    begun = client.post(ADDRESS, {"token": planned(client, change, **filters)["token"]})
    assert begun.status_code == 202, begun.content
    return client.get(begun["Location"]).json()


def undone(client, operation: dict) -> dict:
    begun = client.post(f"/api/operations/{operation['id']}/undo")
    assert begun.status_code == 202, begun.content
    return client.get(begun["Location"]).json()


def statuses() -> list[str]:
    return list(Anomaly.objects.order_by("pk").values_list("status", flat=True))


def results(client, operation: dict, query: str = "") -> dict[int, tuple[str, str]]:
    answer = client.get(f"/api/operations/{operation['id']}/results?{query}")
    return {one["anomaly"]: (one["outcome"], one["code"]) for one in answer.json()}


def test_a_plan_counts_shows_a_sample_and_changes_nothing(as_, author, found):
    before = timezone.now()
    shown = planned(as_(author), {"status": "Acknowledged"})
    life = datetime.fromisoformat(shown["expires_at"]) - before
    assert (shown["count"], shown["forbidden"], timedelta(minutes=14, seconds=59) < life < timedelta(minutes=16)) == (3, 0, True)
    assert [one["id"] for one in shown["sample"]] == [anomaly.pk for anomaly in reversed(found[:3])]
    assert statuses() == ["Active"] * 3 + ["Resolved"]
    assert Operation.objects.count() == 0


def test_a_token_does_it_through_the_same_services_as_a_change_of_one(as_, author, viewer, found):
    client = as_(author)
    as_(viewer).post(f"/api/anomalies/{found[0].pk}/watch")
    operation = done(client, {"status": "Acknowledged"})
    assert (operation["type"], operation["status"], operation["percent"]) == ("bulk", "success", 100.0)
    assert (operation["done"], operation["total"], operation["counters"]) == (3, 3, {"changed": 3, "skipped": 0})
    assert (operation["message"], operation["datastore"], operation["user"]["id"]) == ("3 changed.", None, author.pk)
    assert statuses() == ["Acknowledged"] * 3 + ["Resolved"]
    assert Change.objects.filter(user=author, changeset={"status": ["Active", "Acknowledged"]}).count() == 3
    assert Notice.objects.get().user == viewer
    assert results(client, operation) == {anomaly.pk: ("changed", "") for anomaly in found[:3]}


def test_exactly_the_set_that_was_counted_is_changed(as_, author, datastore, found):
    client = as_(author)
    token = planned(client, {"status": "Acknowledged"})["token"]
    Anomaly.objects.filter(pk=found[0].pk).update(status="Invalid")
    later = factories.make_anomaly(factories.make_metric(datastore, "later"))
    client.post(ADDRESS, {"token": token})
    later.refresh_from_db()
    assert later.status == "Active"
    assert statuses()[:3] == ["Acknowledged"] * 3


def test_a_token_works_once_and_only_for_whom_it_was_made(as_, author, editor, outsider, found):
    token = planned(as_(author), {"status": "Acknowledged"})["token"]
    for user in (editor, outsider):
        assert as_(user).post(ADDRESS, {"token": token}).status_code == 404
    first, second = (as_(author).post(ADDRESS, {"token": token}) for _ in range(2))
    assert first.json()["id"] == second.json()["id"] == Operation.objects.get().pk
    assert Change.objects.count() == 3


def test_an_old_token_is_refused(as_, author, found):
    client = as_(author)
    token = planned(client, {"status": "Acknowledged"})["token"]
    BulkChange.objects.update(expires=timezone.now() - timedelta(seconds=1))
    answer = client.post(ADDRESS, {"token": token})
    assert (answer.status_code, statuses()[:3]) == (409, ["Active"] * 3)
    planned(client, {"status": "Acknowledged"})
    assert BulkChange.objects.count() == 1


def test_without_a_dry_run_it_begins_at_once(as_, author, found):
    answer = as_(author).post(ADDRESS, {"filter": "status=Active&sort_weight=desc", "change": {"status": "Acknowledged"}, "dry_run": False})
    assert (answer.status_code, statuses()) == (202, ["Acknowledged"] * 3 + ["Resolved"])


def test_everything_that_can_be_changed(as_, author, viewer, found):
    factories.put_tag(found[0], "Old")
    factories.put_tag(found[1], "New")
    factories.assign(found[0], author)
    change = {"tags_add": ["New"], "tags_remove": ["Old"], "assignee_ids_add": [viewer.pk], "assignee_ids_remove": [author.pk]}
    done(as_(author), change | {"snooze": {"count": 3}})
    for anomaly in Anomaly.objects.filter(pk__in=[one.pk for one in found[:3]]):
        assert [tag.name for tag in anomaly.global_tags.all()] == ["New"]
        assert (list(anomaly.assignees.all()), anomaly.snooze_count) == ([viewer], 3)


def test_archiving_takes_a_reason_and_a_comment_and_tells_whom_it_mentions(as_, author, viewer, found):
    archive = {"status": "Invalid", "comment": f"The backup, @[Vic]({viewer.pk}).", "mentioned_user_ids": [viewer.pk]}
    operation = done(as_(author), {"archive": archive})
    assert statuses() == ["Invalid"] * 3 + ["Resolved"]
    assert Comment.objects.filter(user=author).count() == 3
    assert set(Notice.objects.values_list("user", "kind")) == {(viewer.pk, "mentioned")}
    assert operation["undo_until"] > operation["ended"]


def test_restoring_leaves_open_ones_alone_and_says_so(as_, author, found):
    client = as_(author)
    operation = done(client, {"restore": True}, archived="include")
    assert statuses() == ["Active"] * 3 + ["Acknowledged"]
    assert operation["message"] == "1 changed, 3 skipped: 3 not archived."
    assert results(client, operation, "outcome=changed") == {found[3].pk: ("changed", "")}
    assert results(client, operation, "outcome=skipped&size=2&page=2") == {found[2].pk: ("skipped", "not_archived")}


def test_waking_leaves_those_that_are_awake_alone_and_is_taken_back(as_, author, found):
    client = as_(author)
    client.post(f"/api/anomalies/{found[0].pk}/snooze", {"count": 3})
    operation = done(client, {"wake": True}, snoozed="include")
    assert operation["message"] == "1 changed, 2 skipped: 2 unchanged."
    found[0].refresh_from_db()
    assert (found[0].snoozed_at, found[0].changes.order_by("-pk")[0].changeset) == (None, {"snooze": [{"count": 3}, None]})
    undone(client, operation)
    found[0].refresh_from_db()
    assert found[0].snooze_count == 3


def test_what_is_not_ones_own_to_change_is_counted_and_skipped(as_, org, author, datastore, found):
    elsewhere = Datastore.objects.create(org=org, name="Elsewhere")
    factories.grant(author, elsewhere, Level.VIEWER)
    theirs = factories.make_anomaly(factories.make_metric(elsewhere))
    client = as_(author)
    shown = planned(client, {"status": "Acknowledged"})
    assert (shown["count"], shown["forbidden"]) == (4, 1)
    operation = done(client, {"status": "Acknowledged"})
    assert results(client, operation, "outcome=skipped") == {theirs.pk: ("skipped", "forbidden")}
    theirs.refresh_from_db()
    assert theirs.status == "Active"


def test_rights_that_are_lost_before_it_runs_are_lost(as_, author, found):
    client = as_(author)
    token = planned(client, {"status": "Acknowledged"})["token"]
    author.teams.get().access.update(level=Level.VIEWER)
    operation = client.get(client.post(ADDRESS, {"token": token})["Location"]).json()
    assert (operation["counters"], statuses()[:3]) == ({"changed": 0, "skipped": 3}, ["Active"] * 3)


def test_what_is_like_that_already_or_gone_is_skipped(as_, author, found):
    client = as_(author)
    token = planned(client, {"status": "Active"})["token"]
    Anomaly.objects.filter(pk=found[0].pk).update(deleted=timezone.now())
    operation = client.get(client.post(ADDRESS, {"token": token})["Location"]).json()
    expected = {found[0].pk: ("skipped", "not_found"), found[1].pk: ("skipped", "unchanged"), found[2].pk: ("skipped", "unchanged")}
    assert results(client, operation) == expected


@pytest.mark.parametrize(
    ("body", "loc", "code"),
    [
        ({}, ["body", "filter"], "required"),
        ({"filter": {}, "change": {}}, ["body", "change"], "required"),
        ({"filter": {}, "change": {"status": "Resolved"}}, ["body", "change", "status"], "invalid_choice"),
        ({"filter": {}, "change": {"archive": {"status": "Active"}}}, ["body", "change", "archive", "status"], "invalid_choice"),
        ({"filter": {}, "change": {"archive": {}}}, ["body", "change", "archive", "status"], "required"),
        ({"filter": {}, "change": {"status": "Active", "restore": True}}, ["body", "change"], "invalid"),
        ({"filter": {}, "change": {"tags_add": ["Nowhere"]}}, ["body", "change", "tags_add", 0], "not_found"),
        ({"filter": {}, "change": {"assignee_ids_add": [999999]}}, ["body", "change", "assignee_ids_add", 0], "not_found"),
        ({"filter": {}, "change": {"snooze": {"count": 1, "weight": 2}}}, ["body", "change", "snooze"], "invalid"),
        ({"filter": {}, "change": {"snooze": {"back_in_band": False}}}, ["body", "change", "snooze"], "invalid"),
        ({"filter": {}, "change": {"wake": False}}, ["body", "change", "wake"], "invalid_choice"),
        ({"filter": {}, "change": {"wake": True, "snooze": {"count": 1}}}, ["body", "change"], "invalid"),
        ({"filter": {}, "change": {"restore": False}}, ["body", "change", "restore"], "invalid_choice"),
        ({"filter": {}, "change": {"remove": True}}, ["body", "change", "remove"], "unknown_field"),
        ({"filter": {"colour": "red"}, "change": {"restore": True}}, ["body", "filter", "colour"], "unknown_parameter"),
        ({"filter": {"status": ["Gone"]}, "change": {"restore": True}}, ["body", "filter", "status"], "invalid_choice"),
        ({"filter": {"tag": {"a": 1}}, "change": {"restore": True}}, ["body", "filter"], "invalid"),
        ({"filter": ["status"], "change": {"restore": True}}, ["body", "filter"], "invalid"),
        ({"token": "x", "filter": {}}, ["body", "token"], "invalid"),
        (
            {"filter": {}, "change": {"archive": {"status": "Resolved", "mentioned_user_ids": [1]}}},
            ["body", "change", "archive", "mentioned_user_ids"],
            "invalid",
        ),
        (
            {"filter": {}, "change": {"archive": {"status": "Resolved", "comment": "-", "mentioned_user_ids": [999999]}}},
            ["body", "change", "archive", "mentioned_user_ids", 0],
            "not_found",
        ),
        (
            {"filter": {}, "change": {"archive": {"status": "Resolved", "comment": "ask @[Nobody](999999)"}}},
            ["body", "change", "archive", "comment"],
            "not_found",
        ),
        ({"filter": {}, "change": {"tags_add": ["High"], "tags_remove": ["High"]}}, ["body", "change", "tags_add"], "invalid"),
        (
            {"filter": {}, "change": {"assignee_ids_add": [1], "assignee_ids_remove": [1]}},
            ["body", "change", "assignee_ids_add"],
            "invalid",
        ),
        ({"filter": {}, "change": {"snooze": {"until": "2020-01-01T00:00:00Z"}}}, ["body", "change", "snooze", "until"], "invalid"),
        ({"filter": "?colour=red", "change": {"restore": True}}, ["body", "filter", "colour"], "unknown_parameter"),
    ],
)
def test_nonsense_is_named_and_plans_nothing(as_, author, found, body, loc, code):
    answer = as_(author).post(ADDRESS, body)
    assert answer.status_code == 422, answer.content
    assert [(error["loc"], error["code"]) for error in answer.json()["errors"]][:1] == [(loc, code)]
    assert BulkChange.objects.count() == 0


def test_a_set_has_its_limit(as_, author, found, monkeypatch):
    monkeypatch.setattr(bulk, "LIMIT", 2)
    answer = as_(author).post(ADDRESS, {"filter": {}, "change": {"status": "Acknowledged"}})
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "too_many")
    assert BulkChange.objects.count() == 0


def test_an_empty_set_is_done_at_once(as_, author):
    operation = done(as_(author), {"status": "Acknowledged"})
    assert (operation["status"], operation["message"], operation["total"]) == ("success", "0 changed.", 0)


@pytest.fixture
def half_done(as_, author, found, monkeypatch, unattended) -> Operation:
    """A change of three whose worker was killed after the first."""
    monkeypatch.setattr(bulk, "CHUNK", 1)
    client = as_(author)
    operation = Operation.objects.get(pk=client.post(ADDRESS, {"token": planned(client, {"status": "Acknowledged"})["token"]}).json()["id"])
    assert unattended.waiting() == [("anomalies.tasks.run_bulk_change", [operation.pk])]
    assert bulk.step(operation.pk)
    return operation


def test_whoever_takes_over_goes_on_where_it_was_and_does_nothing_twice(as_, author, half_done, unattended):
    client, operation = as_(author), half_done
    shown = client.get(f"/api/operations/{operation.pk}").json()
    assert (shown["status"], shown["done"], shown["total"], statuses()[:3]) == ("running", 1, 3, ["Acknowledged", "Active", "Active"])
    assert resume_bulk_changes() == 1
    unattended.work()
    assert client.get(f"/api/operations/{operation.pk}").json()["counters"] == {"changed": 3, "skipped": 0}
    assert (Change.objects.count(), BulkResult.objects.count()) == (3, 3)
    assert resume_bulk_changes() == 0


def test_an_aborted_one_stops_and_can_be_undone(as_, author, half_done, unattended):
    client, operation = as_(author), half_done
    assert client.post(f"/api/operations/{operation.pk}/undo").status_code == 409
    assert client.put(f"/api/operations/abort/{operation.pk}").json()["status"] == "aborted"
    run_bulk_change(operation.pk)
    assert statuses()[:3] == ["Acknowledged", "Active", "Active"]
    begun = client.post(f"/api/operations/{operation.pk}/undo").json()
    unattended.work()
    assert (client.get(f"/api/operations/{begun['id']}").json()["counters"], statuses()[:3]) == (
        {"changed": 1, "skipped": 0},
        ["Active"] * 3,
    )


def test_one_that_cannot_be_done_is_ended_and_not_begun_again(half_done, unattended):
    BulkChange.objects.update(change={"tags_add": 5})
    run_bulk_change(half_done.pk)
    half_done.refresh_from_db()
    assert (half_done.status, half_done.done) == ("failure", 1)
    assert half_done.message == "It went wrong and was ended; what was done until then stays. (TypeError)"
    assert resume_bulk_changes() == 0


def test_whoever_left_the_org_changes_nothing_more(author, half_done):
    User.objects.filter(pk=author.pk).update(is_active=False)
    run_bulk_change(half_done.pk)
    half_done.refresh_from_db()
    assert (half_done.status, statuses()[:3]) == ("failure", ["Acknowledged", "Active", "Active"])


def test_undoing_brings_back_every_field(as_, author, viewer, found):
    factories.put_tag(found[0], "Old")
    factories.put_tag(found[3], "New", weight_modifier=3)
    factories.assign(found[0], author)
    Anomaly.objects.filter(pk=found[2].pk).update(status="Acknowledged")
    client = as_(author)
    change = {"tags_add": ["New"], "tags_remove": ["Old"], "assignee_ids_add": [viewer.pk], "assignee_ids_remove": [author.pk]}

    def shown() -> list[dict]:
        ignored = {"updated": "", "is_new": "", "weight_breakdown": ""}
        return [client.get(f"/api/anomalies/{one.pk}").json() | ignored for one in found]

    before = shown()
    operation = done(
        client, change | {"archive": {"status": "Resolved", "comment": "Over."}}, timeframe="year", status="Active,Acknowledged"
    )
    assert statuses() == ["Resolved"] * 4
    back = undone(client, operation)
    assert (back["type"], back["counters"], back["undo_until"]) == ("undo", {"changed": 3, "skipped": 0}, None)
    assert shown() == before
    assert Comment.objects.standing().count() == 0
    assert undone(client, operation)["id"] == back["id"]


def test_undoing_is_one_line_of_history_also_where_it_takes_two_steps(as_, author, found):
    client = as_(author)
    undone(client, done(client, {"archive": {"status": "Discarded"}, "tags_add": []}))
    assert statuses() == ["Active", "Active", "Active", "Resolved"]
    for one in found[:3]:
        back, archived = client.get(f"/api/anomalies/{one.pk}/history").json()
        assert back["changeset"] == {"status": ["Discarded", "Active"]}
        assert archived["changeset"] == {"status": ["Active", "Discarded"]}
        assert back["transaction_id"] > archived["transaction_id"]


def test_what_somebody_changed_since_stays(as_, author, editor, found):
    client = as_(author)
    operation = done(client, {"status": "Acknowledged"})
    as_(editor).put(f"/api/anomalies/{found[0].pk}", {"status": "Active"})
    as_(editor).put(f"/api/anomalies/{found[0].pk}", {"status": "Acknowledged"})
    as_(editor).put(f"/api/anomalies/{found[1].pk}", {"description": "Odd."})
    back = undone(client, operation)
    assert statuses() == ["Acknowledged", "Active", "Active", "Resolved"]
    assert results(client, back) == {found[0].pk: ("skipped", "changed_since"), found[1].pk: ("changed", ""), found[2].pk: ("changed", "")}


def test_what_is_undone_in_part_says_so(as_, author, editor, found):
    factories.put_tag(found[3], "New")
    client = as_(author)
    operation = done(client, {"status": "Acknowledged", "tags_add": ["New"]})
    as_(editor).put(f"/api/anomalies/{found[0].pk}", {"status": "Active"})
    back = undone(client, operation)
    assert results(client, back) == {found[0].pk: ("changed", "changed_since"), found[1].pk: ("changed", ""), found[2].pk: ("changed", "")}
    answer = client.get(f"/api/operations/{back['id']}/results").json()
    assert [one["message"] for one in answer] == ["Somebody has changed some of it since: that stays as it is.", "", ""]
    assert client.get(f"/api/anomalies/{found[0].pk}").json()["global_tags"] == []


def test_a_weight_that_followed_something_else_since_holds_nothing_back(as_, author, editor, found):
    factories.put_tag(found[3], "New", weight_modifier=3)
    client = as_(author)
    operation = done(client, {"tags_add": ["New"]})
    as_(editor).put("/api/global-tags/New", {"weight_modifier": 5})
    back = undone(client, operation)
    assert results(client, back) == dict.fromkeys((one.pk for one in found[:3]), ("changed", ""))
    assert list(Anomaly.objects.order_by("pk").values_list("weight", flat=True)[:3]) == [1, 1, 1]


def test_a_restored_one_is_archived_again(as_, author, found):
    client = as_(author)
    undone(client, done(client, {"restore": True}, archived="only"))
    assert statuses()[3] == "Resolved"


def test_undoing_has_its_time_and_its_kind(as_, author, editor, outsider, admin, datastore, found):
    client = as_(author)
    operation = done(client, {"status": "Acknowledged"})
    path = f"/api/operations/{operation['id']}/undo"
    assert [as_(user).post(path).status_code for user in (editor, outsider)] == [404, 404]
    Operation.objects.update(ended=timezone.now() - timedelta(minutes=11))
    assert (client.post(path).status_code, statuses()[0]) == (409, "Acknowledged")
    imported = Operation.objects.create(org=datastore.org, datastore=datastore, kind="import", status="success")
    assert as_(admin).post(f"/api/operations/{imported.pk}/undo").status_code == 409


@pytest.mark.parametrize(("who", "count", "forbidden"), [("reporter", 3, 3), ("stranger", 0, 0), ("admin", 3, 0)])
def test_levels_decide_what_is_found_and_changed(as_, cast, found, who, count, forbidden):
    shown = planned(as_(cast[who]), {"status": "Acknowledged"})
    assert (shown["count"], shown["forbidden"]) == (count, forbidden)


def test_nobody_but_the_one_who_began_it_and_admins_see_it(as_, author, editor, manager, admin, found):
    operation = done(as_(author), {"status": "Acknowledged"})
    for user, status in ((author, 200), (admin, 200), (editor, 404), (manager, 404)):
        assert as_(user).get(f"/api/operations/{operation['id']}").status_code == status
        assert as_(user).get(f"/api/operations/{operation['id']}/results").status_code == status


def test_sets_and_results_are_forgotten_after_a_month_and_the_operation_stays(as_, author, org, found):
    client = as_(author)
    operation = done(client, {"status": "Acknowledged"})
    BulkChange.objects.update(created=timezone.now() - timedelta(days=29))
    assert forget_bulk_changes() == 0
    BulkChange.objects.update(created=timezone.now() - timedelta(days=31))
    assert forget_bulk_changes() == 1
    assert (client.get(f"/api/operations/{operation['id']}").status_code, results(client, operation)) == (200, {})


def test_query_counts(as_, author, datastore, found, same_queries):
    metric = factories.make_metric(datastore, "many")
    for number in range(20):
        factories.make_anomaly(metric, kind=f"many{number}")
    client = as_(author)
    planned(client, {"status": "Acknowledged"})
    body = {"filter": {"status": "Active"}, "change": {"status": "Acknowledged", "tags_add": []}}
    plan = same_queries("POST /api/anomalies/bulk-by-filter, plan", lambda: client.post(ADDRESS, body)).json()
    begun = same_queries("POST /api/anomalies/bulk-by-filter, 23 anomalies", lambda: client.post(ADDRESS, {"token": plan["token"]})).json()
    same_queries("GET /api/operations/{id}/results", lambda: client.get(f"/api/operations/{begun['id']}/results"))
    same_queries("POST /api/operations/{id}/undo, 23 anomalies", lambda: client.post(f"/api/operations/{begun['id']}/undo"))


def test_an_anomaly_is_taken_back_whole_or_not_at_all(as_, author, manager, found):
    """A tag that it carried is gone, so that one of the two steps back cannot be done."""
    factories.put_tag(found[0], "Old")
    client = as_(author)
    operation = done(client, {"archive": {"status": "Resolved"}, "tags_remove": ["Old"]})
    assert as_(manager).delete("/api/global-tags/Old").status_code == 204
    back = undone(client, operation)
    assert statuses() == ["Resolved", "Active", "Active", "Resolved"]
    assert results(client, back)[found[0].pk] == ("skipped", "not_found")
