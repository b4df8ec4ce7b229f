"""Housekeeping as a page: a flow is made, tried out, run, switched and deleted by Managers, within their reach."""

from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from anomalies.models import Anomaly, Flow
from anomalies.services.flows import create_flow
from tests import factories
from tests.anomalies.test_tag_locks import beside, until_somebody_waits

pytestmark = pytest.mark.django_db(transaction=True)
PAGE = "/app/settings/housekeeping"
HTMX = {"HX-Request": "true"}
OLD = {"name": "Old noise", "action": "archive", "inactivity": "week", "archive_status": "Discarded", "comment": "Nobody looked."}


def do(client, what, **fields) -> str:
    return client.post(PAGE, {"do": what, **fields}, headers=HTMX).content.decode()


@pytest.fixture
def idle(anomaly) -> Anomaly:
    then = timezone.now() - timedelta(days=10)
    Anomaly.objects.update(created=then, updated=then)
    return anomaly


@pytest.fixture
def flow(admin) -> Flow:
    return create_flow(admin, OLD)


def test_a_flow_is_made_tried_out_run_and_told(as_, manager, datastore, idle):
    tag, client = factories.put_tag(factories.make_anomaly(idle.metric, kind="k"), "Housekeeping"), as_(manager)
    answer = do(client, "make", **OLD, datastore_ids=datastore.pk, statuses=["Active"], extra_tags=[tag.name])
    made = Flow.objects.get()
    assert "Old noise was made." in answer
    assert (made.action, made.inactivity, made.statuses, made.archive_status) == ("archive", "week", ["Active"], "Discarded")
    assert ([one.pk for one in made.datastores.all()], list(made.extra_tags.all())) == ([datastore.pk], [tag])
    assert "would now be about 1 anomaly. Nothing was changed." in do(client, "count", id=made.pk)
    assert Anomaly.objects.get(pk=idle.pk).status == "Active"
    do(client, "run", id=made.pk)
    idle.refresh_from_db()
    assert (idle.status, list(idle.global_tags.all())) == ("Discarded", [tag])
    page = client.get(PAGE).content.decode()
    assert ("<td>1 changed." in page, "<td>made</td>" in page) == (True, True)


def test_a_flow_that_deletes_needs_no_reason(as_, admin):
    do(as_(admin), "make", **(OLD | {"action": "delete", "comment": ""}))
    assert list(Flow.objects.values_list("action", "archive_status")) == [("delete", "")]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [({"name": ""}, "This field is required."), ({"inactivity": "day"}, "valid choice"),
     ({"statuses": ["Resolved"]}, "Only open anomalies"),
     ({"action": "delete"}, "Nothing is left of what is deleted"),
     ({"datastore_ids": 99999}, "valid choice"),
     ({"name": "Old noise"}, "There is a flow named")],
)  # fmt: skip
def test_what_does_not_fit_is_said_and_nothing_is_kept(as_, admin, flow, wrong, words):
    assert words in do(as_(admin), "make", **(OLD | {"name": "Another"} | wrong)).replace("&#x27;", "'")
    assert Flow.objects.count() == 1


def test_a_manager_names_the_datastores(as_, manager):
    assert "only an Admin&#x27;s flow reaches all of them" in do(as_(manager), "make", **OLD)
    assert not Flow.objects.exists()


def test_it_is_switched_and_deleted(as_, admin, flow):
    client = as_(admin)
    assert "Old noise was switched off." in do(client, "switch", id=flow.pk)
    assert Flow.objects.get().is_active is False
    assert "changed: active" in client.get(PAGE).content.decode()
    do(client, "switch", id=flow.pk, active="1")
    assert Flow.objects.get().is_active is True
    do(client, "remove", id=flow.pk)
    assert not Flow.objects.exists()
    assert "This flow was deleted meanwhile." in do(client, "run", id=flow.pk)


def test_it_is_for_managers_of_the_org(as_, client, cast, other_org, flow):
    outsider = factories.make_user(other_org, "Otto", role="admin")
    assert client.get(PAGE).status_code == 302
    assert [as_(cast[who]).get(PAGE).status_code for who in ("editor", "reporter")] == [403, 403]
    assert as_(cast["editor"]).post(PAGE, {"do": "remove", "id": flow.pk}).status_code == 403
    assert "Old noise" not in as_(outsider).get(PAGE).content.decode()
    assert "deleted meanwhile" in do(as_(outsider), "remove", id=flow.pk)
    assert Flow.objects.count() == 1


def test_the_page_costs_the_same_however_many_there_are(as_, admin, flow, queries_of):
    client = as_(admin)
    client.get(PAGE)
    few = queries_of(lambda: client.get(PAGE))
    for number in range(20):
        create_flow(admin, OLD | {"name": f"flow {number}"})
    assert queries_of(lambda: client.get(PAGE)) == few


def test_a_flow_of_others_is_not_run_beyond_ones_reach(as_, manager, idle, flow):
    assert "This flow reaches further than you do." in do(as_(manager), "run", id=flow.pk).replace("&#x27;", "'")
    assert Anomaly.objects.get(pk=idle.pk).status == "Active"


def test_who_switches_a_flow_takes_nothing_of_what_was_changed_meanwhile_back(as_, org, admin, flow):
    client = as_(admin)
    Flow.objects.filter(pk=flow.pk).update(is_active=False)
    with transaction.atomic():
        Flow.objects.filter(pk=flow.pk).update(comment="Changed meanwhile.")
        thread, ended = beside(org, lambda: do(client, "switch", id=flow.pk, active="1"))
        until_somebody_waits()
    thread.join(240)
    assert ended == []
    assert Flow.objects.filter(pk=flow.pk).values_list("is_active", "comment").get() == (True, "Changed meanwhile.")
