"""Housekeeping: what becomes of anomalies that nobody has touched for long."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import Level
from anomalies.models import Anomaly, BulkChange, Change, Comment, Flow, FlowEntry
from anomalies.services import bulk, change_anomaly, comment_on, flows
from anomalies.tasks import run_flows
from datastores.models import Datastore, Operation
from orgs.errors import NotFound
from tests import factories

pytestmark = pytest.mark.django_db(transaction=True)
ADDRESS = "/api/flows"


@pytest.fixture
def idle(datastore) -> list[Anomaly]:
    """One active, one acknowledged and one archived, none of which has changed for ten days."""
    metric = factories.make_metric(datastore)
    found = [factories.make_anomaly(metric, kind=f"k{n}", status=status) for n, status in enumerate(("Active", "Acknowledged", "Invalid"))]
    age(10)
    return found


def age(days: int) -> None:
    then = timezone.now() - timedelta(days=days)
    Anomaly.objects.update(created=then, updated=then)


def body(datastore, **fields) -> dict:
    return {
        "name": "Old",
        "action": "archive",
        "inactivity": "week",
        "archive_status": "Discarded",
        "datastore_ids": [datastore.pk],
        **fields,
    }


def made(client, datastore, **fields) -> dict:
    answer = client.post(ADDRESS, body(datastore, **fields))
    assert answer.status_code == 201, answer.content
    return answer.json()


def ran(client, flow: dict) -> dict:
    begun = client.post(f"{ADDRESS}/{flow['id']}/execute")
    assert begun.status_code == 202, begun.content
    return client.get(begun["Location"]).json()


def statuses() -> list[str]:
    return list(Anomaly.objects.filter(deleted=None).order_by("pk").values_list("status", flat=True))


@pytest.mark.parametrize("sent", [[], {"dry_run": None}, {"dry": True}, True, 0])
def test_what_is_no_order_runs_nothing(as_, manager, datastore, idle, sent):
    client = as_(manager)
    flow = made(client, datastore)
    assert client.post(f"{ADDRESS}/{flow['id']}/execute", sent).status_code == 422
    assert (statuses(), Operation.objects.count()) == (["Active", "Acknowledged", "Invalid"], 0)


def test_a_comment_mentions_people_of_the_org(as_, manager, datastore, outsider):
    answer = as_(manager).post(ADDRESS, body(datastore, comment=f"ask @[Zoe]({outsider.pk})"))
    assert [(error["loc"], error["code"]) for error in answer.json()["errors"]] == [(["body", "comment"], "not_found")]
    assert Flow.objects.count() == 0
    assert as_(manager).post(ADDRESS, body(datastore, comment=f"ask @[Mo]({manager.pk})")).status_code == 201


def test_an_original_goes_with_all_its_duplicates_however_many_steps_that_takes(as_, manager, datastore, idle, monkeypatch):
    """Deleting the original changes a duplicate that is left."""
    monkeypatch.setattr(bulk, "CHUNK", 1)
    original, *duplicates = idle
    Anomaly.objects.filter(pk__in=[one.pk for one in duplicates]).update(status="Duplicate", duplicate_of=original)
    client = as_(manager)
    flow = made(client, datastore, action="delete", archive_status="")
    assert ran(client, flow)["counters"] == {"changed": 3, "skipped": 0}
    assert statuses() == []


def test_a_flow_is_kept_and_shown(as_, manager, datastore, idle):
    client = as_(manager)
    factories.put_tag(idle[0], "Nightly")
    factories.put_tag(idle[1], "Swept")
    flow = made(client, datastore, statuses=["Active"], tags=["Nightly"], extra_tags=["Swept"], comment="Old.")
    expected = {"name": "Old", "active": True, "action": "archive", "inactivity": "week", "statuses": ["Active"], "last_run": None}
    assert flow == flow | expected | {"archive_status": "Discarded", "comment": "Old."}
    assert ([one["name"] for one in flow["tags"]], [one["name"] for one in flow["extra_tags"]]) == (["Nightly"], ["Swept"])
    assert flow["datastores"] == [{"id": datastore.pk, "name": "Metrics"}]
    assert client.get(f"{ADDRESS}/{flow['id']}").json() == flow
    assert client.get(f"{ADDRESS}?active=true&search=ol").json()["items"] == [flow]


def test_what_nobody_has_touched_is_archived_with_reason_tags_and_comment(as_, manager, datastore, idle):
    client = as_(manager)
    factories.put_tag(idle[2], "Swept")
    flow = made(client, datastore, extra_tags=["Swept"], comment="Nobody looked.")
    assert client.post(f"{ADDRESS}/{flow['id']}/execute", {"dry_run": True}).json() == {"count": 2, "capped": False}
    operation = ran(client, flow)
    assert (operation["type"], operation["message"], operation["user"]["id"]) == ("flow", "2 changed.", manager.pk)
    assert statuses() == ["Discarded", "Discarded", "Invalid"]
    assert [comment.message for comment in Comment.objects.filter(user=None)] == ["Nobody looked."] * 2
    line = Change.objects.filter(anomaly=idle[0]).get()
    assert (line.actor, line.user, line.changeset["status"]) == ("flow", None, ["Active", "Discarded"])
    assert [tag.name for tag in idle[0].global_tags.all()] == ["Swept"]


def test_changes_comments_and_youth_keep_an_anomaly(as_, manager, author, datastore, idle):
    change_anomaly(idle[0], user=author, description="Mine.")
    comment_on(idle[1], user=author, message="Wait.")
    Anomaly.objects.update(updated=timezone.now() - timedelta(days=10))
    client = as_(manager)
    flow = made(client, datastore)
    assert ran(client, flow)["total"] == 0
    assert (
        client.post(f"{ADDRESS}/{made(client, datastore, name='Month', inactivity='month')['id']}/execute", {"dry_run": True}).json()[
            "count"
        ]
        == 0
    )


def test_what_was_touched_without_a_line_of_history_is_kept_too(as_, manager, datastore, idle):
    Anomaly.objects.filter(pk=idle[0].pk).update(updated=timezone.now() - timedelta(days=1))
    client = as_(manager)
    assert ran(client, made(client, datastore))["total"] == 1
    assert statuses() == ["Active", "Discarded", "Invalid"]


def test_filters_narrow_what_is_archived(as_, admin, org, datastore, idle):
    elsewhere = Datastore.objects.create(org=org, name="Elsewhere")
    theirs = factories.make_anomaly(factories.make_metric(elsewhere))
    factories.put_tag(idle[1], "Nightly")
    age(10)
    client = as_(admin)

    def count(**fields) -> int:
        flow = made(client, datastore, **{"name": f"Flow {Flow.objects.count()}", **fields})
        return client.post(f"{ADDRESS}/{flow['id']}/execute", {"dry_run": True}).json()["count"]

    assert count() == 2
    assert count(datastore_ids=[]) == 3
    assert count(datastore_ids=[elsewhere.pk]) == 1
    assert count(statuses=["Acknowledged"]) == 1
    assert count(tags=["Nightly"], datastore_ids=[]) == 1
    assert count(inactivity="quarter") == 0
    assert count(action="delete", archive_status="") == 3
    assert count(action="delete", archive_status="", statuses=["Invalid", "Active"]) == 2
    assert theirs.status == "Active"


def test_deleting_takes_open_ones_too_and_leaves_their_history(as_, manager, datastore, idle):
    client = as_(manager)
    operation = ran(client, made(client, datastore, action="delete", archive_status=""))
    assert (operation["counters"], operation["undo_until"], statuses()) == ({"changed": 3, "skipped": 0}, None, [])
    assert Anomaly.objects.filter(deleted__isnull=False, message="").count() == 3
    gone = as_(manager).get(f"/api/anomalies/{idle[0].pk}?include_deleted=true").json()
    (line,) = as_(manager).get(f"/api/anomalies/{idle[0].pk}/history?include_deleted=true").json()
    assert (gone["status"], gone["archived"]) == ("Discarded", True)
    assert line["changeset"] == {"status": ["Active", "Discarded"], "deleted": [None, gone["deleted"]]}
    assert client.post(f"/api/operations/{operation['id']}/undo").status_code == 409


def test_a_run_can_be_undone(as_, manager, datastore, idle):
    client = as_(manager)
    operation = ran(client, made(client, datastore))
    begun = client.post(f"/api/operations/{operation['id']}/undo")
    assert client.get(begun["Location"]).json()["counters"] == {"changed": 2, "skipped": 0}
    assert statuses() == ["Active", "Acknowledged", "Invalid"]


def test_the_clock_runs_each_active_flow_once_a_day(as_, manager, datastore, idle):
    client = as_(manager)
    flow, stopped = made(client, datastore), made(client, datastore, name="Stopped", active=False)
    assert (run_flows(), run_flows()) == (1, 0)
    assert statuses() == ["Discarded", "Discarded", "Invalid"]
    operation = Operation.objects.get()
    assert (operation.user, operation.status, operation.message) == (None, "success", "2 changed.")
    assert client.get(f"/api/operations/{operation.pk}").status_code == 200
    assert client.get(f"{ADDRESS}/{stopped['id']}").json()["last_run"] is None
    Flow.objects.filter(pk=flow["id"]).update(last_run=timezone.now() - timedelta(days=1))
    assert run_flows() == 1


def test_one_flow_archives_and_another_deletes_what_stayed_archived(as_, manager, datastore, idle):
    client = as_(manager)
    made(client, datastore)
    made(client, datastore, name="Sweep", action="delete", archive_status="", statuses=["Discarded"], inactivity="month")
    assert run_flows() == 2
    assert statuses() == ["Discarded", "Discarded", "Invalid"]
    for days, left in ((20, 3), (32, 1)):
        later = timezone.now() + timedelta(days=days)
        assert [flows.execute_due(pk, now=later) is not None for _, pk in flows.due(now=later)] == [True, True]
        assert len(statuses()) == left
    assert statuses() == ["Invalid"]


def test_its_history_tells_changes_and_runs(as_, manager, datastore, idle):
    client = as_(manager)
    flow = made(client, datastore)
    client.put(f"{ADDRESS}/{flow['id']}", {"inactivity": "month", "active": False})
    ran(client, flow)
    answer = client.get(f"{ADDRESS}/{flow['id']}/history")
    run, change, birth = answer.json()
    assert (answer["X-Total-Count"], birth["changeset"]["name"], birth["user"]["id"]) == ("3", [None, "Old"], manager.pk)
    assert change["changeset"] == {"inactivity": ["week", "month"], "active": [True, False]}
    assert (run["changeset"], run["operation"]["status"], run["operation"]["counters"]) == ({}, "success", {"changed": 0, "skipped": 0})


def test_a_flow_that_is_running_is_not_run_again(as_, manager, datastore, idle, unattended):
    client = as_(manager)
    flow = made(client, datastore)
    first, second = ran(client, flow), ran(client, flow)
    assert (first["id"], first["status"], BulkChange.objects.count()) == (second["id"], "waiting", 1)
    unattended.work()
    assert ran(client, flow)["id"] != first["id"]


@pytest.mark.parametrize(
    ("fields", "loc"),
    [
        ({"archive_status": ""}, ["body", "archive_status"]),
        ({"archive_status": "Duplicate"}, ["body", "archive_status"]),
        ({"statuses": ["Resolved"]}, ["body", "statuses"]),
        ({"statuses": ["Gone"]}, ["body", "statuses", 0]),
        ({"action": "burn"}, ["body", "action"]),
        ({"inactivity": "decade"}, ["body", "inactivity"]),
        ({"action": "delete"}, ["body", "archive_status"]),
        ({"action": "delete", "archive_status": "", "comment": "x"}, ["body", "comment"]),
        ({"tags": ["Nowhere"]}, ["body", "tags", 0]),
        ({"datastore_ids": [999999]}, ["body", "datastore_ids", 0]),
        ({"datastore_ids": []}, ["body", "datastore_ids"]),
        ({"name": ""}, ["body", "name"]),
        ({"colour": "red"}, ["body", "colour"]),
    ],
)
def test_nonsense_is_named_and_makes_no_flow(as_, manager, datastore, fields, loc):
    answer = as_(manager).post(ADDRESS, body(datastore, **fields))
    assert (answer.status_code, answer.json()["errors"][0]["loc"]) == (422, loc), answer.content
    assert (Flow.objects.count(), FlowEntry.objects.count()) == (0, 0)


def test_a_managers_flow_reaches_no_further_than_they_do(as_, org, manager, admin, datastore, idle):
    elsewhere = Datastore.objects.create(org=org, name="Elsewhere")
    factories.grant(manager, elsewhere, Level.VIEWER)
    refused = as_(manager).post(ADDRESS, body(datastore, datastore_ids=[datastore.pk, elsewhere.pk]))
    assert [(error["loc"], error["code"]) for error in refused.json()["errors"]] == [(["body", "datastore_ids", 1], "forbidden")]
    everywhere = made(as_(admin), datastore, datastore_ids=[])
    path = f"{ADDRESS}/{everywhere['id']}"
    assert as_(manager).put(path, {"inactivity": "year"}).status_code == 422
    assert Flow.objects.get().inactivity == "week"
    assert as_(manager).put(path, {"active": False}).json()["active"] is False


def test_names_are_taken_once(as_, manager, outsider, datastore, other_datastore):
    client = as_(manager)
    made(client, datastore)
    second = made(client, datastore, name="Second")
    made(as_(outsider), other_datastore)
    assert client.post(ADDRESS, body(datastore)).status_code == 409
    assert client.put(f"{ADDRESS}/{second['id']}", {"name": "Old"}).status_code == 409


@pytest.mark.parametrize(("who", "status"), [("editor", 403), ("outsider", 404), ("admin", 204)])
def test_flows_are_managers_work(as_, cast, datastore, who, status):
    flow = factories.make_flow(datastore)
    client = as_(cast[who])
    assert client.delete(f"{ADDRESS}/{flow.pk}").status_code == status
    assert Flow.objects.count() == (0 if status == 204 else 1)
    assert client.post(f"{ADDRESS}/{flow.pk}/execute").status_code == (404 if status == 204 else status)


def test_query_counts(as_, manager, datastore, idle, same_queries):
    for number in range(10):
        factories.make_flow(datastore, name=f"Flow {number}")
    client = as_(manager)
    flow = made(client, datastore)
    same_queries("GET /api/flows, 11 rows", lambda: client.get(ADDRESS))
    same_queries("GET /api/flows/{id}", lambda: client.get(f"{ADDRESS}/{flow['id']}"))
    same_queries("PUT /api/flows/{id}", lambda: client.put(f"{ADDRESS}/{flow['id']}", {"inactivity": "month"}))
    same_queries("GET /api/flows/{id}/history", lambda: client.get(f"{ADDRESS}/{flow['id']}/history"))


def test_a_tag_that_a_flow_is_about_stays(as_, admin, manager, datastore, idle):
    """Without it the flow would be about everything."""
    factories.put_tag(idle[0], "Nightly")
    flow = made(as_(manager), datastore, tags=["Nightly"])
    refused = as_(admin).delete("/api/global-tags/Nightly")
    assert (refused.status_code, "'Old'" in refused.json()["detail"]) == (409, True)
    assert ran(as_(manager), flow)["counters"] == {"changed": 1, "skipped": 0}
    assert statuses() == ["Discarded", "Acknowledged", "Invalid"]
    assert as_(manager).delete(f"{ADDRESS}/{flow['id']}").status_code == 204
    assert as_(admin).delete("/api/global-tags/Nightly").status_code == 204


def test_what_was_touched_since_a_run_began_is_left_alone(as_, manager, author, datastore, idle, unattended):
    client = as_(manager)
    flow = made(client, datastore, action="delete", archive_status="")
    begun = ran(client, flow)
    comment_on(idle[0], user=author, message="Wait, I am at it.")
    unattended.work()
    assert statuses() == ["Active"]
    ended = client.get(f"/api/operations/{begun['id']}").json()
    assert (ended["counters"], ended["message"]) == ({"changed": 2, "skipped": 1}, "2 changed, 1 skipped: 1 changed since.")


def test_a_duplicate_that_was_touched_since_stays_without_its_original(as_, manager, author, datastore, idle, unattended):
    duplicate, original, _ = idle
    Anomaly.objects.filter(pk=duplicate.pk).update(status="Duplicate", duplicate_of=original)
    client = as_(manager)
    begun = ran(client, made(client, datastore, action="delete", archive_status=""))
    Anomaly.objects.filter(pk=duplicate.pk).update(updated=timezone.now())
    unattended.work()
    assert list(Anomaly.objects.filter(deleted=None).values_list("pk", "status", "duplicate_of")) == [(duplicate.pk, "Duplicate", None)]
    assert client.get(f"/api/operations/{begun['id']}").json()["counters"] == {"changed": 2, "skipped": 1}


def test_a_run_does_nothing_more_once_its_flow_is_gone(as_, manager, datastore, idle, unattended):
    client = as_(manager)
    flow = made(client, datastore)
    ran(client, flow)
    client.delete(f"{ADDRESS}/{flow['id']}")
    unattended.work()
    assert statuses() == ["Active", "Acknowledged", "Invalid"]


def test_nobody_runs_a_flow_that_reaches_further_than_they_do(as_, org, manager, admin, datastore, idle):
    elsewhere = Datastore.objects.create(org=org, name="Elsewhere")
    for stores in ([], [elsewhere.pk]):
        flow = made(as_(admin), datastore, name=f"Of {stores}", datastore_ids=stores)
        refused = as_(manager).post(f"{ADDRESS}/{flow['id']}/execute")
        assert (refused.status_code, Operation.objects.count()) == (403, 0)
        assert "reaches further than you do" in refused.json()["detail"]
    assert statuses() == ["Active", "Acknowledged", "Invalid"]
    assert ran(as_(admin), flow)["status"] == "success"


def test_a_run_is_of_the_flow_as_it_is_by_then_and_not_as_it_was_looked_at(as_, admin, idle, datastore):
    client = as_(admin)
    seen = Flow.objects.get(pk=made(client, datastore, action="delete", archive_status="")["id"])
    client.put(f"{ADDRESS}/{seen.pk}", {"action": "archive", "archive_status": "Invalid", "statuses": ["Active"]})
    flows.execute(seen, user=admin, now=timezone.now())
    assert statuses() == ["Invalid", "Acknowledged", "Invalid"]


def test_a_flow_that_has_gone_is_not_run(as_, admin, idle, datastore):
    seen = Flow.objects.get(pk=made(as_(admin), datastore)["id"])
    Flow.objects.all().delete()
    with pytest.raises(NotFound):
        flows.execute(seen, user=admin, now=timezone.now())
    assert statuses() == ["Active", "Acknowledged", "Invalid"]
