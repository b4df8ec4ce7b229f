"""What people say about an anomaly: who can be mentioned, what stays of it, and what the history tells."""

import threading

import pytest
from django.db import connections, transaction

from accounts.models import Level
from anomalies.mentions import mentioned_in
from anomalies.models import Anomaly, Change, Comment, Mention, Notice
from anomalies.services import Draft, archive_anomaly, comment_on, delete_comment, draft_errors, edit_comment, line_parts, write_comments
from orgs.errors import Archived, Invalid, NotFound
from tests import factories
from tests.waiting import until_somebody_waits


@pytest.fixture
def anomaly(datastore) -> Anomaly:
    return factories.make_anomaly(factories.make_metric(datastore))


def changesets() -> list[dict[str, object]]:
    return list(Change.objects.order_by("pk").values_list("changeset", flat=True))


@pytest.mark.parametrize(
    ("message", "ids"),
    [
        ("see @[Alice Lee](42)", (42,)),
        ("@[A](1)@[B](2) and again @[A](1)", (1, 2)),
        ("@[](7)", (7,)),
        ("[Alice](42), @Alice, @[Alice] (42), @[Alice](x), @[two\nlines](3)", ()),
        (f"@[Too long]({'9' * 19})", ()),
    ],
)
def test_mentions_are_read_from_the_text(message, ids):
    assert mentioned_in(message) == ids


def test_a_comment_says_who_said_what_when_and_the_history_tells_it(anomaly, viewer, editor, org):
    before = Anomaly.objects.values().get()
    comment = comment_on(anomaly, user=viewer, message=f"see @[Eve]({editor.pk})", mentioned_user_ids=[editor.pk, viewer.pk])
    stored = Comment.objects.get()
    assert (stored.org, stored.anomaly, stored.user, stored.message) == (org, anomaly, viewer, f"see @[Eve]({editor.pk})")
    assert (stored.edited, stored.deleted, stored.deleted_by) == (None, None, None)
    assert set(Mention.objects.values_list("user", "org", "comment")) == {(pk, org.pk, stored.pk) for pk in (editor.pk, viewer.pk)}
    line = Change.objects.get()
    assert (line.user, line.actor, line.timestamp) == (viewer, "user", stored.created)
    assert line.changeset == {"comment": [None, {"id": comment.pk, "message": stored.message}]}
    assert list(Notice.objects.values_list("user", "kind", "comment")) == [(editor.pk, "mentioned", stored.message)]
    assert Anomaly.objects.values().get() == before


def test_whoever_cannot_read_the_anomaly_cannot_be_mentioned(anomaly, author, reporter, stranger, outsider, viewer, admin):
    viewer.is_active = False
    viewer.save()
    text = f"@[S]({stranger.pk}) @[Gone](999999) @[Ada]({admin.pk})"
    with pytest.raises(Invalid) as refused:
        comment_on(anomaly, user=author, message=text, mentioned_user_ids=[admin.pk, reporter.pk, outsider.pk, viewer.pk, stranger.pk])
    assert {(error.loc, error.code) for error in refused.value.errors} == {
        (("body", "mentioned_user_ids", 4), "no_access"),
        (("body", "message"), "not_found"),
        (("body", "mentioned_user_ids", 1), "no_access"),
        (("body", "mentioned_user_ids", 2), "not_found"),
        (("body", "mentioned_user_ids", 3), "not_found"),
    }
    assert (Comment.objects.count(), Change.objects.count(), Notice.objects.count()) == (0, 0, 0)


def test_the_public_team_makes_everybody_mentionable(anomaly, author, stranger, org, datastore):
    org.teams.get(is_public=True).access.create(org=org, datastore=datastore, level=Level.VIEWER)
    comment_on(anomaly, user=author, message="all", mentioned_user_ids=[stranger.pk])
    assert Mention.objects.get().user == stranger


@pytest.mark.parametrize(
    ("message", "code"), [("", "blank"), (" \n", "blank"), ("x" * 10_001, "too_long"), ("a\0b", "null_characters_not_allowed")]
)
def test_a_text_has_its_limits(anomaly, author, message, code):
    with pytest.raises(Invalid) as refused:
        comment_on(anomaly, user=author, message=message)
    assert [(error.loc, error.code) for error in refused.value.errors] == [(("body", "message"), code)]
    assert Comment.objects.count() == 0


def test_nobody_mentions_a_crowd(anomaly, author):
    with pytest.raises(Invalid) as refused:
        comment_on(anomaly, user=author, message="all", mentioned_user_ids=range(1_000_000, 1_000_101))
    assert [error.code for error in refused.value.errors][0] == "too_long"


def test_an_archived_anomaly_takes_no_word(anomaly, author):
    comment = comment_on(anomaly, user=author, message="before")
    archive_anomaly(anomaly, user=author, status="Resolved")
    for late in (
        lambda: comment_on(Anomaly.objects.get(), user=author, message="late"),
        lambda: edit_comment(comment, user=author, message="late"),
        lambda: delete_comment(comment, user=author),
    ):
        with pytest.raises(Archived):
            late()
    assert list(Comment.objects.values_list("message", "deleted")) == [("before", None)]
    assert len(changesets()) == 2


def test_editing_tells_those_who_are_newly_mentioned(anomaly, author, viewer, editor, drafter):
    comment = comment_on(anomaly, user=author, message=f"@[V]({viewer.pk})", mentioned_user_ids=[drafter.pk])
    edit_comment(comment, user=author, message=f"@[E]({editor.pk}) too")
    stored = Comment.objects.get()
    assert (stored.message, stored.edited > stored.created) == (f"@[E]({editor.pk}) too", True)
    assert set(Mention.objects.values_list("user", flat=True)) == {editor.pk, drafter.pk}
    old, new = {"id": comment.pk, "message": f"@[V]({viewer.pk})"}, {"id": comment.pk, "message": stored.message}
    assert changesets()[-1] == {"comment": [old, new]}
    mentioned = list(Notice.objects.filter(kind="mentioned").order_by("pk").values_list("user", flat=True))
    assert (set(mentioned[:2]), mentioned[2:]) == ({viewer.pk, drafter.pk}, [editor.pk])
    edit_comment(comment, user=author, mentioned_user_ids=[])
    assert list(Mention.objects.values_list("user", flat=True)) == [editor.pk]


def test_an_edit_that_changes_nothing_writes_nothing(anomaly, author):
    comment = comment_on(anomaly, user=author, message="as it is")
    edit_comment(comment, user=author)
    edit_comment(comment, user=author, message="as it is", mentioned_user_ids=[])
    assert (Comment.objects.get().edited, len(changesets())) == (None, 1)


def test_whoever_was_mentioned_stays_so_without_access(anomaly, author, viewer):
    comment = comment_on(anomaly, user=author, message="look", mentioned_user_ids=[viewer.pk])
    viewer.teams.get().access.all().delete()
    edit_comment(comment, user=author, message="look again")
    assert Mention.objects.get().user == viewer
    with pytest.raises(Invalid):
        comment_on(anomaly, user=author, message="look", mentioned_user_ids=[viewer.pk])


def test_deleting_keeps_it_out_of_sight(anomaly, author, admin):
    comment = comment_on(anomaly, user=author, message="oops")
    delete_comment(comment, user=admin)
    stored = Comment.objects.get()
    assert (stored.message, stored.deleted_by, stored.deleted >= stored.created) == ("oops", admin, True)
    assert list(Comment.objects.standing()) == []
    assert changesets()[-1] == {"comment": [{"id": comment.pk, "message": "oops"}, None]}
    for again in (lambda: delete_comment(comment, user=admin), lambda: edit_comment(comment, user=author, message="x")):
        with pytest.raises(NotFound):
            again()
    assert len(changesets()) == 2


def test_a_call_with_many_comments_writes_them_in_two_statements(anomaly, author, viewer, django_assert_num_queries):
    others = [factories.make_anomaly(anomaly.metric, started_at=factories.STARTED.replace(hour=hour)) for hour in range(3)]
    drafts = [Draft(one.pk, one.datastore_id, f"no {place}", (viewer.pk,), ("body", place), "comment") for place, one in enumerate(others)]
    with django_assert_num_queries(2):
        assert draft_errors(anomaly.org_id, drafts) == []
    with transaction.atomic(), django_assert_num_queries(2):
        comments = write_comments(anomaly.org_id, drafts, user=author, at=factories.STARTED)
    assert [comment.anomaly_id for comment in comments] == [one.pk for one in others]
    parts = line_parts(comments[1], drafts[1])
    assert parts == {
        "changeset": {"comment": (None, {"id": comments[1].pk, "message": "no 1"})}, "comment": "no 1", "mentioned": (viewer.pk,),
    }  # fmt: skip


def test_errors_of_many_name_their_places(anomaly, outsider, stranger):
    drafts = [
        Draft(anomaly.pk, anomaly.datastore_id, "fine", (), ("body", 0), "comment"),
        Draft(anomaly.pk, anomaly.datastore_id, f"@[X]({outsider.pk})", (stranger.pk,), ("body", 1), "comment"),
        Draft(anomaly.pk, anomaly.datastore_id, "", (), ("body", 2), "comment"),
    ]
    assert [(error.loc, error.code) for error in draft_errors(anomaly.org_id, drafts)] == [
        (("body", 1, "comment"), "not_found"),
        (("body", 1, "mentioned_user_ids", 0), "no_access"),
        (("body", 2, "comment"), "blank"),
    ]


@pytest.mark.django_db(transaction=True)
def test_a_comment_waits_for_the_archiving_that_came_first(anomaly, author):
    archived, said = threading.Event(), []

    def say() -> None:
        archived.wait(240)
        try:
            comment_on(anomaly, user=author, message="late")
        except Archived as refused:
            said.append(refused.detail)
        finally:
            connections.close_all()

    other = threading.Thread(target=say)
    other.start()
    with transaction.atomic():
        archive_anomaly(anomaly, user=author, status="Resolved")
        archived.set()
        until_somebody_waits()
    other.join(240)
    assert (len(said), Comment.objects.count()) == (1, 0)
