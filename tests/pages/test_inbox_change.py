"""Changes of many from the inbox: asked for, looked at, done, told of one by one, taken back."""

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from anomalies.models import Anomaly, BulkChange, Change
from datastores.models import Operation, TeamAccess
from tests import factories
from tests.pages.conftest import spike

HTMX = {"HX-Request": "true"}
CHANGE = "/app/inbox/change"


@pytest.fixture
def three(metric) -> list[Anomaly]:
    return [spike(metric, ago=timedelta(hours=hours)) for hours in (1, 2, 3)]


def send(client, data, address=CHANGE):
    answer = client.post(address, data, headers=HTMX)
    return answer, answer.content.decode()


def statuses() -> list[str]:
    return list(Anomaly.objects.order_by("-created").values_list("status", flat=True))


def token_in(page: str) -> str:
    return re.search(r'name="token" value="([^"]+)"', page).group(1)


def test_what_is_selected_is_acknowledged_at_once_and_told_one_by_one(as_, author, three):
    answer, page = send(as_(author), {"id": [three[0].pk], "ids": f"{three[1].pk},x", "do": "acknowledge", "list": "all"})
    assert (answer.status_code, answer["HX-Trigger-After-Settle"]) == (200, "inbox-changed")
    assert statuses() == ["Acknowledged", "Acknowledged", "Active"]
    assert "<strong>2 changed.</strong>" in page
    assert page.count("<td>changed</td>") == 2
    assert list(Change.objects.order_by("-anomaly").values_list("user", "changeset")) == [
        (author.pk, {"status": ["Active", "Acknowledged"]}), (author.pk, {"status": ["Active", "Acknowledged"]}),
    ]  # fmt: skip


def test_what_was_so_already_is_told_as_skipped(as_, author, three):
    Anomaly.objects.filter(pk=three[0].pk).update(status="Acknowledged")
    _, page = send(as_(author), {"id": [one.pk for one in three[:2]], "do": "acknowledge"})
    assert "1 changed, 1 skipped: 1 unchanged." in page
    assert "skipped: It was like that already." in page


def test_more_than_the_limit_is_refused_and_none_of_it_is_done(as_, author, three, monkeypatch):
    monkeypatch.setattr("anomalies.services.bulk.LIMIT", 2)
    selected = {"ids": ",".join(str(one.pk) for one in three), "do": "acknowledge"}
    _, page = send(as_(author), selected)
    assert "3 are selected, so nothing was changed: at most 2 at once. Select fewer." in page
    assert (statuses(), BulkChange.objects.count(), Change.objects.count()) == (["Active"] * 3, 0, 0)
    _, page = send(as_(author), selected | {"ids": f"{three[0].pk},{three[1].pk}"})
    assert statuses() == ["Acknowledged", "Acknowledged", "Active"]


def test_a_change_is_undone_within_ten_minutes(as_, author, three):
    client = as_(author)
    _, page = send(client, {"id": [one.pk for one in three], "do": "archive", "reason": "Invalid", "comment": "Test run."})
    assert statuses() == ["Invalid"] * 3
    address = re.search(r'hx-post="(/app/inbox/operations/\d+/undo)"', page).group(1)
    answer, page = send(client, {"list": "all"}, address)
    assert (answer.status_code, "Undone: 3 changed." in page, statuses()) == (200, True, ["Active"] * 3)
    assert "/undo" not in page


def test_it_cannot_be_undone_later(as_, author, three):
    client = as_(author)
    send(client, {"id": [three[0].pk], "do": "acknowledge"})
    Operation.objects.update(ended=timezone.now() - timedelta(minutes=11))
    operation = Operation.objects.get()
    assert "/undo" not in client.get(f"/app/inbox/operations/{operation.pk}", headers=HTMX).content.decode()
    _, page = send(client, {}, f"/app/inbox/operations/{operation.pk}/undo")
    assert "It is too late to undo this" in page
    assert statuses()[0] == "Acknowledged"


def test_all_that_match_are_shown_first_and_exactly_they_are_changed(as_, author, three):
    client = as_(author)
    _, page = send(client, {"scope": "all", "do": "acknowledge", "list": "status=Active"})
    assert "Acknowledge: 3 anomalies" in page
    assert page.count("<li>") == 3
    assert statuses() == ["Active"] * 3
    late = spike(three[0].metric, ago=timedelta(minutes=1))
    _, page = send(client, {"token": token_in(page), "list": "status=Active"}, "/app/inbox/change/start")
    assert "<strong>3 changed.</strong>" in page
    assert statuses() == ["Active", "Acknowledged", "Acknowledged", "Acknowledged"]
    late.refresh_from_db()
    assert late.status == "Active"


def test_a_list_that_cannot_be_read_changes_nothing(as_, author, three):
    _, page = send(as_(author), {"scope": "all", "do": "acknowledge", "list": "statsu=Active"})
    assert "The list cannot be filtered like this, so nothing was changed." in page
    assert (statuses(), BulkChange.objects.count()) == (["Active"] * 3, 0)


def test_a_selection_is_looked_at_when_asked(as_, author, three):
    client = as_(author)
    _, page = send(client, {"id": [three[0].pk], "do": "archive", "reason": "Resolved", "look": "1"})
    assert "Archive: 1 anomaly" in page
    assert statuses() == ["Active"] * 3


def test_a_large_change_is_followed_with_ever_longer_waits(as_, author, metric, monkeypatch, unattended):
    monkeypatch.setattr("anomalies.pages.many.AT_ONCE", 0)
    one = spike(metric)
    client = as_(author)
    answer, page = send(client, {"id": [one.pk], "do": "acknowledge", "list": "status=Active"})
    operation = Operation.objects.get()
    address = f"/app/inbox/operations/{operation.pk}?status=Active&amp;tick="
    assert (f'hx-get="{address}1" hx-trigger="load delay:1s, again"' in page, "HX-Trigger-After-Settle" in answer) == (True, False)
    waits = [1, 2, 3, 5, 8, 13, 13]
    for tick, wait in enumerate(waits):
        page = client.get(f"/app/inbox/operations/{operation.pk}?tick={tick}", headers=HTMX).content.decode()
        assert f'hx-trigger="load delay:{wait}s, again"' in page
    assert one.status == "Active"


@pytest.mark.parametrize(
    ("step", "field", "says"),
    [("assign", "person", "Assign 2 anomalies"), ("tag", "tag", "Tag 2 anomalies"), ("snooze", "snooze", "Snooze 2 anomalies"),
     ("archive", "reason", "Archive 2 anomalies")],
)  # fmt: skip
def test_a_step_asks_for_what_it_needs(as_, author, three, step, field, says):
    factories.put_tag(three[2], "checkout")
    _, page = send(as_(author), {"id": [one.pk for one in three[:2]], "do": step})
    assert says in page
    assert f'<select name="{field}"' in page
    assert f'value="{three[0].pk},{three[1].pk}"' in page
    assert BulkChange.objects.count() == 0


def test_people_and_tags_are_put_on_and_taken_off(as_, author, editor, three):
    tag, client = factories.put_tag(three[2], "checkout"), as_(author)
    ids = {"id": [one.pk for one in three[:2]]}
    send(client, {**ids, "do": "assign", "person": editor.pk})
    send(client, {**ids, "do": "tag", "tag": tag.name})
    assert [list(one.assignees.all()) for one in three] == [[editor], [editor], []]
    assert [list(one.global_tags.all()) for one in three] == [[tag], [tag], [tag]]
    send(client, {**ids, "do": "unassign", "person": editor.pk})
    send(client, {**ids, "do": "untag", "tag": tag.name})
    assert [list(one.assignees.all()) for one in three] == [[], [], []]
    assert [list(one.global_tags.all()) for one in three] == [[], [], [tag]]


def test_somebody_without_access_is_not_assigned_and_the_row_says_why(as_, author, reporter, three):
    _, page = send(as_(author), {"id": [three[0].pk], "do": "assign", "person": reporter.pk})
    assert "0 changed, 1 skipped" in page
    assert three[0].assignees.count() == 0


@pytest.mark.parametrize(
    ("sent", "kept"),
    [({"snooze": "count", "number": "3"}, {"snooze_count": 3}), ({"snooze": "weight", "number": "9"}, {"snooze_weight": 9}),
     ({"snooze": "band"}, {"snooze_back_in_band": True})],
)  # fmt: skip
def test_they_sleep_until_what_was_said(as_, author, three, sent, kept):
    send(as_(author), {"id": [three[0].pk], "do": "snooze", **sent})
    three[0].refresh_from_db()
    assert {name: getattr(three[0], name) for name in kept} == kept
    assert three[0].snoozed_by == author


def test_they_sleep_up_to_a_moment_in_the_readers_zone(as_, author, three):
    author.timezone = "Asia/Kolkata"
    author.save(update_fields=["timezone"])
    day = (timezone.now() + timedelta(days=3)).date()
    send(as_(author), {"id": [three[0].pk], "do": "snooze", "snooze": "until", "until": f"{day}T09:30"})
    three[0].refresh_from_db()
    assert three[0].snooze_until.isoformat() == f"{day}T04:00:00+00:00"


@pytest.mark.parametrize(
    ("data", "says"),
    [({"do": "snooze", "snooze": "count", "number": "x"}, "A valid integer is required."), ({"do": "snooze", "snooze": "until"}, "null"),
     ({"do": "archive", "reason": "Bored"}, "is none of Resolved, Duplicate, Invalid, Discarded."),
     ({"do": "tag", "tag": "nope"}, "There is no tag"), ({"do": "assign", "person": "0"}, "greater than or equal to 1")],
)  # fmt: skip
def test_what_does_not_do_is_said_beside_its_field_and_nothing_changes(as_, author, three, data, says):
    answer, page = send(as_(author), {"id": [three[0].pk], **data})
    assert answer.status_code == 200
    assert 'role="alert"' in page
    assert says in page or says == "null"
    assert (Change.objects.count(), statuses()) == (0, ["Active"] * 3)


def test_archived_ones_are_restored(as_, author, metric):
    one = spike(metric, status="Resolved")
    send(as_(author), {"id": [one.pk], "do": "restore", "list": "archived=only"})
    one.refresh_from_db()
    assert one.status == "Acknowledged"


def test_without_htmx_each_step_has_a_page(as_, author, three):
    client = as_(author)
    assert "Archive 1 anomaly" in client.post(CHANGE, {"id": [three[0].pk], "do": "archive"}).content.decode()
    data = {"id": [three[0].pk], "do": "archive", "reason": "Resolved", "list": "status=Active"}
    answer = client.post(CHANGE, data, follow=True)
    operation = Operation.objects.get()
    assert answer.redirect_chain == [(f"/app/inbox/operations/{operation.pk}?status=Active", 302)]
    assert "<html" in answer.content.decode()
    assert "1 changed." in answer.content.decode()


@pytest.mark.parametrize("data", [{"do": "acknowledge"}, {"do": "acknowledge", "id": ["x", "0"]}, {"do": "dance", "id": ["1"]}, {}])
def test_nothing_chosen_and_no_such_step_are_said(as_, author, three, data):
    answer, page = send(as_(author), data)
    assert answer.status_code == 200
    assert "Nothing was selected." in page or "There is no such step." in page
    assert statuses() == ["Active"] * 3


def test_below_author_there_is_no_box_and_no_change(as_, drafter, anomaly):
    client = as_(drafter)
    assert b'name="id"' not in client.get("/app/inbox").content
    assert client.post(CHANGE, {"id": [anomaly.pk], "do": "acknowledge"}).status_code == 403
    assert client.post("/app/inbox/change/start", {"token": "x"}).status_code == 200
    assert (statuses(), Change.objects.count(), Operation.objects.count()) == (["Active"], 0, 0)


def test_what_is_of_another_org_is_not_there(as_, outsider, other_datastore, author, anomaly):
    factories.grant(outsider, other_datastore, factories.Level.AUTHOR)
    _, page = send(as_(outsider), {"id": [anomaly.pk], "do": "acknowledge"})
    assert (statuses(), Change.objects.count()) == (["Active"], 0)
    send(as_(author), {"id": [anomaly.pk], "do": "acknowledge"})
    operation = Operation.objects.filter(org=author.org_id).get()
    assert as_(outsider).get(f"/app/inbox/operations/{operation.pk}").status_code == 404
    assert as_(outsider).post(f"/app/inbox/operations/{operation.pk}/undo").status_code == 404
    assert statuses() == ["Acknowledged"]


def test_a_plan_of_somebody_else_is_not_begun(as_, author, editor, three):
    _, page = send(as_(author), {"scope": "all", "do": "acknowledge", "list": "all"})
    _, page = send(as_(editor), {"token": token_in(page)}, "/app/inbox/change/start")
    assert "There is no such plan." in page
    assert statuses() == ["Active"] * 3


def test_a_change_needs_the_csrf_token(author, anomaly):
    client = Client(enforce_csrf_checks=True)
    client.force_login(author)
    for address in (CHANGE, "/app/inbox/change/start", "/app/inbox/views", "/app/inbox/columns"):
        assert client.post(address, {"id": [anomaly.pk], "do": "acknowledge"}).status_code == 403


def test_queries_do_not_grow_with_the_results(as_, author, metric, queries_of):
    client = as_(author)
    for count in (1, 20):
        made = [spike(factories.make_metric(metric.datastore, f"{count} {number}")) for number in range(count)]
        send(client, {"id": [one.pk for one in made], "do": "acknowledge"})
    few, many = Operation.objects.order_by("pk")
    assert queries_of(lambda: client.get(f"/app/inbox/operations/{few.pk}")) == queries_of(
        lambda: client.get(f"/app/inbox/operations/{many.pk}")
    )


def test_what_sleeps_is_woken_by_the_bar_of_the_snoozed(as_, author, three):
    client, ids = as_(author), {"id": [one.pk for one in three[:2]]}
    send(client, {**ids, "do": "snooze", "snooze": "count", "number": "3"})
    asleep = client.get("/app/inbox?snoozed=only").content.decode()
    awake = client.get("/app/inbox?all").content.decode()
    wake, snooze = (f'name="do" value="{name}" data-key="s"' for name in ("wake", "snooze"))
    assert [(wake in page, snooze in page) for page in (asleep, awake)] == [(True, False), (False, True)]
    _, page = send(client, {**ids, "do": "wake", "list": "snoozed=only"})
    assert "<strong>2 changed.</strong>" in page
    assert Anomaly.objects.filter(snoozed_at=None).count() == 3
    _, page = send(client, {**ids, "do": "wake", "list": "snoozed=only"})
    assert "0 changed, 2 skipped: 2 unchanged." in page


def test_whoever_lost_sight_of_an_anomaly_reads_its_name_no_more(as_, author, three):
    client = as_(author)
    _, page = send(client, {"id": [three[0].pk], "do": "acknowledge"})
    assert "latency" in page
    TeamAccess.objects.all().delete()
    page = client.get(f"/app/inbox/operations/{Operation.objects.get().pk}").content.decode()
    assert ("latency" in page, f"#{three[0].pk}" in page) == (False, True)
