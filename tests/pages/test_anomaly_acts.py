"""What is done on the page of an anomaly: who may, what comes of it, what is refused, and that nothing typed is lost."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from anomalies.models import Anomaly, Change, Comment, Integration, Tag, TicketLink, Watch
from anomalies.services import archive_anomaly, change_anomaly, comment_on
from anomalies.services.tickets import create_integration
from tests import factories

HTMX = {"HX-Request": "true"}
pytestmark = pytest.mark.django_db


@pytest.fixture
def do(as_, anomaly):
    """Sends one form of the anomaly's page as htmx does."""

    def send(user, what: str, **data):
        return as_(user).post(f"/app/anomalies/{anomaly.pk}/{what}", data, headers=HTMX)

    return send


def version(anomaly) -> str:
    return Anomaly.objects.get(pk=anomaly.pk).updated.isoformat()


def last_change(anomaly) -> dict:
    return anomaly.changes.order_by("-pk")[0].changeset


ACTS = {
    "assign": {"me": "1"}, "tag": {"tag": "High"}, "snooze": {"how": "1h"}, "wake": {}, "archive": {"status": "Resolved"}, "restore": {},
    "remove": {"sure": "1"}, "undo": {"transaction": "1"}, "watch": {"watch": "on"}, "comments": {"message": "x"},
    "tickets": {"number": "OPS-1"},
}  # fmt: skip


@pytest.mark.parametrize("what", list(ACTS))
def test_outside_the_org_there_is_no_such_thing_to_do(as_, outsider, anomaly, what):
    assert as_(outsider).post(f"/app/anomalies/{anomaly.pk}/{what}", ACTS[what]).status_code == 404
    assert (Change.objects.count(), Watch.objects.count()) == (0, 0)


@pytest.mark.parametrize("what", list(ACTS))
def test_a_reporter_does_nothing(do, reporter, anomaly, what):
    assert do(reporter, what, **ACTS[what]).status_code == 403
    assert (Change.objects.count(), Watch.objects.count()) == (0, 0)


@pytest.mark.parametrize("what", list(ACTS))
def test_a_look_does_nothing(as_, editor, anomaly, what):
    assert as_(editor).get(f"/app/anomalies/{anomaly.pk}/{what}").status_code == 405


def test_people_are_assigned_and_taken_off(do, author, viewer, editor, anomaly):
    do(author, "assign", assignee=[viewer.pk, editor.pk])
    assert set(anomaly.assignees.all()) == {viewer, editor}
    answer = do(author, "assign", assignee=[editor.pk], listed=[viewer.pk, editor.pk])
    assert (list(anomaly.assignees.all()), answer.context["said"]) == ([editor], "Assigned.")
    assert last_change(anomaly)["assignees"][1] == [{"id": editor.pk, "name": "Eve Editor"}]
    assert "took off Vic Viewer" in answer.content.decode()


def test_whoever_is_not_on_the_list_stays(do, author, viewer, editor, anomaly):
    factories.assign(anomaly, viewer)
    do(author, "assign", assignee=[editor.pk], listed=[editor.pk])
    assert set(anomaly.assignees.all()) == {viewer, editor}


def test_one_is_assigned_by_name_and_oneself_by_one_press(do, author, viewer, anomaly):
    do(author, "assign", person="vic viewer")
    do(author, "assign", me="1")
    assert set(anomaly.assignees.all()) == {viewer, author}


def test_a_name_that_nobody_has_is_said_and_stays_in_its_field(do, author, reporter, anomaly):
    answer = do(author, "assign", person=reporter.name)
    assert answer.context["said"] == f"Nobody called “{reporter.name}” may see this anomaly."
    page = answer.content.decode()
    assert f'value="{reporter.name}"' in page
    assert 'id="assign-menu" open' in page
    assert anomaly.assignees.count() == 0


def test_somebody_without_access_is_refused_by_number_too(do, author, reporter, outsider, anomaly):
    for person in (reporter, outsider):
        assert do(author, "assign", assignee=[person.pk]).context["is_error"]
    assert anomaly.assignees.count() == 0


def test_tags_come_and_go_and_count(do, author, anomaly):
    factories.put_tag(anomaly, "High", weight_modifier=5)
    Tag.objects.create(org=anomaly.org, name="checkout", color="#b5179e")
    do(author, "tag", tag=["checkout"], listed=["High", "checkout"])
    assert [tag.name for tag in anomaly.global_tags.all()] == ["checkout"]
    assert last_change(anomaly)["global_tags"][1][0]["name"] == "checkout"


def test_an_editor_makes_a_tag_where_it_is_missing_and_an_author_does_not(do, editor, author, anomaly):
    refused = do(author, "tag", new="clocks", color="#123456")
    assert "Editor on a datastore" in refused.context["said"]
    assert 'value="clocks"' in refused.content.decode()
    do(editor, "tag", new="clocks", color="#123456")
    assert [(tag.name, tag.color) for tag in anomaly.global_tags.all()] == [("clocks", "#123456")]


@pytest.mark.parametrize("bad", [{"new": "a,b"}, {"new": "x", "color": "red"}, {"new": "x" * 101}, {"tag": "nowhere"}])
def test_a_tag_that_does_not_do_leaves_nothing_behind(do, editor, anomaly, bad):
    assert do(editor, "tag", **bad).context["is_error"]
    assert (Tag.objects.count(), Change.objects.count()) == (0, 0)


@pytest.mark.parametrize(
    ("form", "column", "value"),
    [({"how": "count", "count": "3"}, "snooze_count", 3), ({"how": "weight", "weight": "40"}, "snooze_weight", 40),
     ({"how": "band"}, "snooze_back_in_band", True)],
)  # fmt: skip
def test_it_sleeps_on_one_condition(do, author, anomaly, form, column, value):
    answer = do(author, "snooze", **form)
    anomaly.refresh_from_db()
    assert (anomaly.is_asleep, getattr(anomaly, column), answer.context["said"]) == (True, value, "Snoozed.")
    assert "Un-snooze" in answer.content.decode()


def test_it_sleeps_until_a_time_in_the_readers_zone_and_is_woken(do, author, anomaly):
    author.timezone = "Europe/Berlin"
    author.save()
    do(author, "snooze", how="until", until=f"{timezone.now().year + 1}-01-15T09:00")
    anomaly.refresh_from_db()
    assert anomaly.snooze_until == datetime(timezone.now().year + 1, 1, 15, 8, tzinfo=UTC)
    do(author, "wake")
    anomaly.refresh_from_db()
    assert anomaly.is_asleep is False


NO_SLEEP = [
    {}, {"how": "x"}, {"how": "until"}, {"how": "until", "until": "2001-01-01T00:00"}, {"how": "until", "until": "9999-99-99"},
    {"how": "count", "count": "-1"}, {"how": "count", "count": "0"}, {"how": "weight", "weight": "much"},
]  # fmt: skip


@pytest.mark.parametrize("form", NO_SLEEP)
def test_a_sleep_that_does_not_do_is_refused_in_words(do, author, anomaly, form):
    answer = do(author, "snooze", **form)
    assert (answer.status_code, answer.context["is_error"], answer.context["detail"].refused.form) == (200, True, "snooze")
    assert Change.objects.count() == 0


@pytest.mark.parametrize("status", ["Resolved", "Invalid", "Discarded", "Duplicate"])
def test_it_is_archived_for_a_reason_with_a_comment(do, author, anomaly, status):
    answer = do(author, "archive", status=status, comment="The fair.", version=version(anomaly))
    anomaly.refresh_from_db()
    assert (anomaly.status, Comment.objects.get().message) == (status, "The fair.")
    assert answer.context["said"] == f"Archived as {status}."
    assert 'id="restore"' in answer.content.decode()


@pytest.mark.parametrize("named", ["{pk}", "#{pk}", "http://testserver/app/anomalies/{pk}?list=all"])
def test_a_duplicate_names_its_original_and_each_shows_the_other(do, as_, author, anomaly, metric, named):
    original = factories.make_anomaly(metric, kind="level shift")
    do(author, "archive", status="Duplicate", duplicate_of=named.format(pk=original.pk), version=version(anomaly))
    anomaly.refresh_from_db()
    assert anomaly.duplicate_of_id == original.pk
    assert f'Duplicates</dt><dd><a href="/app/anomalies/{anomaly.pk}">' in as_(author).get(f"/app/anomalies/{original.pk}").content.decode()


def test_an_original_that_one_cannot_see_is_no_original(do, author, anomaly, other_datastore):
    hidden = factories.make_anomaly(factories.make_metric(other_datastore))
    answer = do(author, "archive", status="Duplicate", duplicate_of=str(hidden.pk), comment="The same", version=version(anomaly))
    assert answer.context["said"] == f"There is no anomaly {hidden.pk}. Give its number, such as #12."
    assert "The same</textarea>" in answer.content.decode()
    assert Comment.objects.count() == 0


def test_what_somebody_else_changed_meanwhile_is_said_and_nothing_typed_is_lost(do, author, editor, anomaly):
    seen = version(anomaly)
    change_anomaly(anomaly, user=editor, status="Acknowledged")
    answer = do(author, "archive", status="Invalid", comment="A false alarm, see chat", version=seen)
    anomaly.refresh_from_db()
    assert (anomaly.status, Comment.objects.count(), answer.context["is_error"]) == ("Acknowledged", 0, True)
    page = answer.content.decode()
    assert "The anomaly was changed since this page was made." in page
    assert "A false alarm, see chat</textarea>" in page
    assert 'value="Invalid" checked' in page
    do(author, "archive", status="Invalid", comment="A false alarm, see chat", version=version(anomaly))
    anomaly.refresh_from_db()
    assert anomaly.status == "Invalid"


def test_a_status_made_from_another_status_is_refused(do, author, anomaly):
    archive_anomaly(anomaly, user=author, status="Resolved")
    answer = do(author, "status", status="Acknowledged", was="Active")
    anomaly.refresh_from_db()
    assert (anomaly.status, answer.context["is_error"]) == ("Resolved", True)


def test_without_htmx_a_refused_form_comes_back_with_what_was_typed(as_, author, anomaly):
    answer = as_(author).post(f"/app/anomalies/{anomaly.pk}/archive", {"status": "Invalid", "comment": "Typed words", "version": ""})
    assert answer.status_code == 409
    assert "Typed words</textarea>" in answer.content.decode()
    assert '<p class="banner" role="alert">The anomaly was changed' in answer.content.decode()


def test_an_archived_one_is_restored_and_until_then_only_read(do, as_, author, anomaly):
    archive_anomaly(anomaly, user=author, status="Resolved")
    page = as_(author).get(f"/app/anomalies/{anomaly.pk}").content.decode()
    assert 'id="why-not">It is archived: restore it first.' in page
    for what in ("assign", "tag", "snooze", "comments"):
        assert do(author, what, **(ACTS[what] | {"new": "", "me": "1"})).context["is_error"], what
    do(author, "restore")
    anomaly.refresh_from_db()
    assert anomaly.status == "Acknowledged"


def test_only_an_archived_one_is_deleted_for_good_and_only_when_one_is_sure(do, author, anomaly):
    assert "Archive it first" in do(author, "remove", sure="1", version=version(anomaly)).context["said"]
    archive_anomaly(anomaly, user=author, status="Discarded")
    assert "Tick that you are sure" in do(author, "remove", version=version(anomaly)).context["said"]
    answer = do(author, "remove", sure="1", version=version(anomaly), list="type=metric")
    assert answer["HX-Redirect"] == "/app/inbox?type=metric"
    anomaly.refresh_from_db()
    assert anomaly.deleted is not None


def test_the_last_change_is_undone(do, author, viewer, anomaly):
    answer = do(author, "archive", status="Invalid", comment="Oops", version=version(anomaly))
    undo = answer.context["detail"].undo
    assert f'name="transaction" value="{undo}"' in answer.content.decode()
    assert do(author, "undo", transaction=undo).context["said"] == "Undone."
    anomaly.refresh_from_db()
    assert (anomaly.status, Comment.objects.standing().count()) == ("Active", 0)
    tagged = do(author, "assign", assignee=[viewer.pk]).context["detail"].undo
    do(author, "undo", transaction=tagged)
    assert anomaly.assignees.count() == 0


def test_a_description_is_undone(do, editor, anomaly):
    first = do(editor, "description", description="One", version=version(anomaly)).context["detail"].undo
    do(editor, "undo", transaction=first)
    anomaly.refresh_from_db()
    assert anomaly.description == ""


def test_what_was_changed_since_or_by_another_is_not_undone(do, author, editor, anomaly):
    transaction = do(author, "status", status="Acknowledged").context["detail"].undo
    assert do(editor, "undo", transaction=transaction).context["is_error"]
    change_anomaly(Anomaly.objects.get(pk=anomaly.pk), user=editor, description="Since")
    assert do(author, "undo", transaction=transaction).context["is_error"]
    anomaly.refresh_from_db()
    assert (anomaly.status, anomaly.description) == ("Acknowledged", "Since")


def test_after_a_minute_it_is_too_late_to_undo(do, author, anomaly, monkeypatch):
    transaction = do(author, "status", status="Acknowledged").context["detail"].undo
    monkeypatch.setattr("anomalies.services.undo.ONE_WITHIN", timedelta(0))
    assert "too late" in do(author, "undo", transaction=transaction).context["said"]
    anomaly.refresh_from_db()
    assert anomaly.status == "Acknowledged"


def test_a_viewer_watches_and_stops(do, viewer, anomaly):
    assert ">Watching</button>" in do(viewer, "watch", watch="on").content.decode()
    assert Watch.objects.get().is_on is True
    assert ">Watch</button>" in do(viewer, "watch", watch="off").content.decode()
    assert Watch.objects.get().is_on is False


def test_comments_are_said_changed_and_deleted_in_the_line_of_time(do, as_, viewer, author, anomaly):
    do(viewer, "comments", message=f"Clocks? @[{author.name}]({author.pk})")
    comment = Comment.objects.get()
    page = as_(author).get(f"/app/anomalies/{anomaly.pk}").content.decode()
    assert 'Clocks? <span class="mention">@Al Author</span>' in page
    assert f'id="edit-{comment.pk}"' not in page
    changed = do(viewer, f"comments/{comment.pk}", message="Clocks!")
    assert "Clocks!</div>" in changed.content.decode()
    assert " · edited" in changed.content.decode()
    deleted = do(viewer, f"comments/{comment.pk}/delete").content.decode()
    assert "deleted their comment" in deleted
    assert "Clocks!" not in deleted
    assert [entry.text for entry in as_(viewer).get(f"/app/anomalies/{anomaly.pk}").context["detail"].timeline.entries][1:] == [
        "deleted their comment"
    ]


def test_only_ones_own_comment_is_changed_and_an_admin_deletes_any(do, viewer, author, admin, anomaly):
    comment = comment_on(anomaly, user=viewer, message="Mine")
    assert do(author, f"comments/{comment.pk}", message="Yours").context["is_error"]
    assert do(admin, f"comments/{comment.pk}", message="Yours").context["is_error"]
    assert do(author, f"comments/{comment.pk}/delete").context["is_error"]
    comment.refresh_from_db()
    assert (comment.message, comment.deleted) == ("Mine", None)
    assert "said something that Ada Admin deleted" in do(admin, f"comments/{comment.pk}/delete").content.decode()


def test_a_comment_of_another_anomaly_is_not_found(do, viewer, metric, anomaly):
    other = comment_on(factories.make_anomaly(metric, kind="x"), user=viewer, message="There")
    assert do(viewer, f"comments/{other.pk}", message="Here").status_code == 404


def test_an_empty_comment_and_a_foreign_mention_are_refused_and_kept(do, viewer, outsider, anomaly):
    assert do(viewer, "comments", message="  ").context["said"] == "A comment says something."
    answer = do(viewer, "comments", message=f"Look @[X]({outsider.pk})")
    assert f"There is no person {outsider.pk}." in answer.context["said"]
    assert f"Look @[X]({outsider.pk})</textarea>" in answer.content.decode()
    assert Comment.objects.count() == 0


def test_those_who_may_read_it_are_found_to_be_mentioned(as_, viewer, author, reporter, outsider, anomaly):
    address = f"/app/anomalies/{anomaly.pk}/people"
    assert as_(viewer).get(address, {"q": "al au"}).json() == {"people": [{"id": author.pk, "name": "Al Author", "email": author.email}]}
    everybody = {one["id"] for one in as_(viewer).get(address).json()["people"]}
    assert {viewer.pk, author.pk} <= everybody
    assert not {reporter.pk, outsider.pk} & everybody
    assert (as_(reporter).get(address).status_code, as_(outsider).get(address).status_code) == (403, 404)


def test_boxes_keep_those_that_are_ticked(as_, author, viewer, editor, anomaly):
    asked = {"person": "eve", "assignee": [viewer.pk]}
    part = as_(author).get(f"/app/anomalies/{anomaly.pk}/people", asked, headers=HTMX).content.decode()
    assert f'value="{viewer.pk}" checked' in part
    assert f'name="assignee" value="{editor.pk}">' in part


def test_tickets_are_linked_once_and_unlinked_by_a_manager_with_author(do, as_, author, anomaly):
    author.role = "manager"
    author.save()
    jira = create_integration(anomaly.org_id, name="Jira", type=Integration.Type.JIRA, url="https://jira.example")
    form = {"integration": jira.pk, "number": "OPS-412", "url": "https://jira.example/OPS-412", "status": "New"}
    page = do(author, "tickets", **form).content.decode()
    assert '<a href="https://jira.example/OPS-412" rel="noreferrer">OPS-412</a>' in page
    assert "linked to this anomaly already" in do(author, "tickets", **form).context["said"]
    link = TicketLink.objects.get()
    do(author, f"tickets/{link.pk}/delete")
    assert TicketLink.objects.count() == 0


BAD_TICKETS = [
    {"number": ""}, {"number": "x" * 201}, {"integration": "9"}, {"status": "x" * 101}, {"number": "a\0b"},
    {"url": "javascript:alert(1)"}, {"url": "https://"}, {"url": "https://bob:secret@jira.example/1"},
    {"url": f"https://jira.example/{'x' * 2000}"},
]  # fmt: skip


@pytest.mark.parametrize("bad", BAD_TICKETS)
def test_a_ticket_that_does_not_do_is_refused(do, author, anomaly, bad):
    author.role = "manager"
    author.save()
    jira = create_integration(anomaly.org_id, name="Jira", type=Integration.Type.JIRA, url="https://jira.example")
    assert do(author, "tickets", **({"integration": jira.pk, "number": "OPS-1"} | bad)).context["is_error"]
    assert TicketLink.objects.count() == 0


def test_the_page_is_copied_as_markdown(as_, viewer, outsider, anomaly):
    factories.put_tag(anomaly, "High")
    answer = as_(viewer).get(f"/app/anomalies/{anomaly.pk}/markdown")
    assert answer["Content-Type"] == "text/markdown; charset=utf-8"
    lines = answer.content.decode().splitlines()
    assert lines[0] == f"### [#{anomaly.pk} checkout.latency](http://testserver/app/anomalies/{anomaly.pk})"
    assert lines[2] == "9.5 where 0.5 to 1.5 were expected."
    assert "- Tags: High" in lines
    assert as_(outsider).get(f"/app/anomalies/{anomaly.pk}/markdown").status_code == 404


def test_a_change_of_a_comment_that_is_refused_stands_in_its_own_form_again(do, viewer, outsider, anomaly):
    first, second = (comment_on(anomaly, user=viewer, message=text) for text in ("First", "Second"))
    typed = f"Ask @[Olga]({outsider.pk})"
    page = do(viewer, f"comments/{first.pk}", message=typed).content.decode()
    assert re.findall(r'<details id="edit-(\d+)" open>', page) == [str(first.pk)]
    texts = dict(re.findall(r'<textarea [^>]*id="([\w-]+)"[^>]*>([^<]*)</textarea>', page))
    assert (texts[f"edit-text-{first.pk}"], texts[f"edit-text-{second.pk}"], texts["say-text"]) == (typed, "Second", "")


def test_a_change_of_a_comment_that_cannot_be_made_any_more_keeps_what_was_typed(do, viewer, author, anomaly):
    comment = comment_on(anomaly, user=viewer, message="First")
    archive_anomaly(anomaly, user=author, status="Resolved")
    page = do(viewer, f"comments/{comment.pk}", message="Better said").content.decode()
    assert "Restore it first" in page
    assert dict(re.findall(r'<textarea [^>]*id="([\w-]+)"[^>]*>([^<]*)</textarea>', page))["say-text"] == "Better said"


@pytest.mark.parametrize(
    ("what", "sent"),
    [("assign", {"person": "a\0b"}), ("tag", {"new": "\0"}), ("tag", {"tag": "Hi\0gh"}), ("snooze", {"how": "count", "count": "²"}),
     ("snooze", {"how": "weight", "weight": "1\0"})],
)  # fmt: skip
def test_what_no_keyboard_types_is_refused_or_left_out(do, author, anomaly, what, sent):
    assert do(author, what, **sent).status_code == 200
    assert (Anomaly.objects.get(pk=anomaly.pk).snoozed_at, Tag.objects.count(), Change.objects.count()) == (None, 0, 0)


@pytest.mark.parametrize("name", ["q", "person"])
def test_people_are_looked_for_without_what_no_keyboard_types(as_, author, anomaly, name):
    for headers in ({}, HTMX):
        assert as_(author).get(f"/app/anomalies/{anomaly.pk}/people?{name}=%00", headers=headers).status_code == 200
