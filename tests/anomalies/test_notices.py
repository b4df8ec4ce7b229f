"""Who is told of which change, in the transaction of the change."""

from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from anomalies.models import Anomaly, Notice, NoticeSettings, Watch
from anomalies.services import change_anomaly, comment_on, delete_comment, edit_comment
from anomalies.services.history import DETECTOR, USER, Line, write_history
from anomalies.services.notice_words import headline
from anomalies.tasks import forget_notices
from tests import factories


@pytest.fixture
def anomaly(datastore) -> Anomaly:
    return factories.make_anomaly(factories.make_metric(datastore))


def people(*users) -> list[dict[str, object]]:
    return [{"id": user.pk, "name": user.name} for user in users]


def tell(anomaly, changeset, *, user=None, **more) -> None:
    write_history([Line(anomaly.org_id, anomaly.pk, changeset, **more)], actor=USER if user else DETECTOR, user=user, at=timezone.now())


def told() -> list[tuple[str, str]]:
    return [(notice.user.name, notice.kind) for notice in Notice.objects.order_by("user__name", "kind", "pk")]


def watch(anomaly, user, *, is_on: bool = True) -> None:
    Watch.objects.create(org_id=anomaly.org_id, anomaly=anomaly, user=user, is_on=is_on)


def test_whoever_watches_is_told_of_a_change_and_whoever_made_it_is_not(anomaly, author, viewer, editor):
    watch(anomaly, author)
    watch(anomaly, viewer)
    watch(anomaly, editor, is_on=False)
    change_anomaly(anomaly, user=author, status="Acknowledged")
    notice = Notice.objects.get()
    assert (notice.user, notice.kind, notice.by, notice.actor) == (viewer, "watched", author, "user")
    assert notice.changeset == {"status": ["Active", "Acknowledged"]}
    assert notice.transaction_id == anomaly.changes.get().transaction_id
    assert (notice.in_app, notice.acknowledged, notice.mail_due) == (True, None, notice.created)


def test_whoever_is_assigned_is_told_and_watches_from_then_on(anomaly, author, viewer, editor):
    tell(anomaly, {"assignees": (people(viewer), people(viewer, editor, author))}, user=author)
    assert told() == [("Eve Editor", "assigned")]
    assert set(Watch.objects.filter(is_on=True).values_list("user", flat=True)) == {editor.pk, author.pk}


def test_taking_somebody_off_tells_them_nothing(anomaly, author, viewer):
    tell(anomaly, {"assignees": (people(viewer), [])}, user=author)
    assert told() == []


def test_a_mention_comes_before_an_assignment_and_both_before_watching(anomaly, author, viewer, editor, drafter):
    for user in (viewer, editor, drafter):
        watch(anomaly, user)
    assigned = {"assignees": ([], people(viewer, editor))}
    tell(anomaly, assigned | {"comments": (None, "x")}, user=author, comment="Look, @[Vic](1)", mentioned=(viewer.pk, author.pk))
    assert told() == [("Dora Drafter", "watched"), ("Eve Editor", "assigned"), ("Vic Viewer", "mentioned")]
    assert set(Notice.objects.values_list("comment", flat=True)) == {"Look, @[Vic](1)"}


def test_whoever_comments_watches(anomaly, author):
    tell(anomaly, {"comments": (None, "x")}, user=author, comment="Mine.")
    assert Watch.objects.get().user == author
    assert told() == []


def test_watching_by_itself_can_be_switched_off_for_oneself_and_for_one_anomaly(anomaly, author, viewer, editor, org):
    NoticeSettings.objects.create(org=org, user=viewer, auto_watch=False)
    watch(anomaly, editor, is_on=False)
    tell(anomaly, {"assignees": ([], people(viewer, editor))}, user=author)
    assert Watch.objects.filter(is_on=True).count() == 0
    assert told() == [("Eve Editor", "assigned"), ("Vic Viewer", "assigned")]


def test_each_kind_can_be_switched_off_in_the_product_and_by_mail(anomaly, author, viewer, editor, drafter, org):
    NoticeSettings.objects.create(org=org, user=viewer, assigned_in_app=False)
    NoticeSettings.objects.create(org=org, user=editor, assigned_email=False)
    NoticeSettings.objects.create(org=org, user=drafter, assigned_email=False, assigned_in_app=False)
    tell(anomaly, {"assignees": ([], people(viewer, editor, drafter))}, user=author)
    ways = {notice.user: (notice.in_app, notice.mail_due is not None) for notice in Notice.objects.all()}
    assert ways == {viewer: (False, True), editor: (True, False)}


def test_unread_changes_grow_into_one_notice_and_read_ones_are_followed_by_a_new_one(anomaly, author, viewer):
    watch(anomaly, viewer)
    change_anomaly(anomaly, user=author, status="Acknowledged")
    change_anomaly(anomaly, user=author, status="Active", description="Odd.")
    first = Notice.objects.get()
    assert (first.changes, first.changeset) == (2, {"status": ["Active", "Active"], "description": ["", "Odd."]})
    Notice.objects.update(acknowledged=timezone.now())
    change_anomaly(anomaly, user=author, description="Odder.")
    assert Notice.objects.get(acknowledged=None).changeset == {"description": ["Odd.", "Odder."]}
    assert Notice.objects.count() == 2


def test_the_detector_tells_of_what_is_news_only(anomaly, viewer):
    watch(anomaly, viewer)
    tell(anomaly, {"score": (50.0, 60.0), "weight": (1, 2), "peak_value": (1.0, 2.0)})
    assert told() == []
    tell(anomaly, {"ended_at": (None, "2026-03-01T13:00:00Z"), "score": (60.0, 61.0)})
    assert (told(), Notice.objects.get().actor) == ([("Vic Viewer", "watched")], "detector")


def test_neither_service_accounts_nor_people_who_left_are_told(anomaly, author, viewer, org):
    service = factories.make_user(org, "CI", is_service=True)
    viewer.is_active = False
    viewer.save(update_fields=["is_active"])
    tell(anomaly, {"assignees": ([], people(service, viewer))}, user=author)
    assert (told(), Watch.objects.count()) == ([], 0)


def test_nobody_of_another_org_is_told(anomaly, author, outsider):
    tell(anomaly, {"comments": (None, "x")}, user=author, comment="x", mentioned=(outsider.pk,))
    assert told() == []


def test_what_is_rolled_back_told_nobody(anomaly, author, viewer):
    watch(anomaly, viewer)
    with transaction.atomic():
        change_anomaly(anomaly, user=author, status="Acknowledged")
        assert told() == [("Vic Viewer", "watched")]
        transaction.set_rollback(True)
    assert told() == []


def test_telling_of_many_lines_takes_two_statements_more(datastore, author, viewer, editor, django_assert_num_queries):
    metric = factories.make_metric(datastore)
    found = [factories.make_anomaly(metric, kind=f"kind {n}") for n in range(30)]
    for anomaly in found:
        watch(anomaly, viewer)
    lines = [Line(one.org_id, one.pk, {"assignees": ([], people(editor))}) for one in found]
    with django_assert_num_queries(3):
        write_history(lines, actor=USER, user=author, at=timezone.now())
    assert Notice.objects.filter(user=viewer, kind="watched").count() == Notice.objects.filter(user=editor, kind="assigned").count() == 30


def test_two_lines_about_one_anomaly_are_one_notice(anomaly, author, viewer):
    watch(anomaly, viewer)
    changesets = {"status": ("Resolved", "Acknowledged"), "weight": (1, 2)}, {"status": ("Acknowledged", "Active")}
    lines = [Line(anomaly.org_id, anomaly.pk, changeset) for changeset in changesets]
    write_history([*lines], actor=USER, user=author, at=timezone.now())
    assert (Notice.objects.get().changeset, anomaly.changes.count()) == ({"status": ["Resolved", "Active"], "weight": [1, 2]}, 2)


def test_a_deleted_comment_is_told_no_more(anomaly, author, viewer, editor):
    watch(anomaly, editor)
    first = comment_on(anomaly, user=author, message=f"The password is 4711, @[Vic Viewer]({viewer.pk})")
    assert told() == [("Eve Editor", "watched"), ("Vic Viewer", "mentioned")]
    delete_comment(first, user=author)
    assert told() == []
    kept, gone = (comment_on(anomaly, user=author, message=message) for message in ("Look.", "The password is 4711."))
    delete_comment(gone, user=author)
    (notice,) = Notice.objects.filter(user=editor)
    assert ("4711" in f"{notice.changeset} {notice.comment}", headline(notice)) == (False, "2 changes, the last by Al Author: commented")
    assert kept.deleted is None


def test_an_edited_comment_is_told_as_it_is_now(anomaly, author, viewer):
    comment = comment_on(anomaly, user=author, message=f"The password is 4711, @[Vic Viewer]({viewer.pk})")
    edit_comment(comment, user=author, message=f"Look, @[Vic Viewer]({viewer.pk})")
    for notice in Notice.objects.filter(user=viewer):
        assert "4711" not in notice.comment + str(notice.changeset["comment"][1])
    assert Notice.objects.get(kind="mentioned").comment == f"Look, @[Vic Viewer]({viewer.pk})"


@pytest.mark.django_db(transaction=True)
def test_what_was_told_90_days_ago_is_forgotten(anomaly, viewer, author):
    days = (89, 91)
    for age, user in zip(days, (viewer, author), strict=True):
        factories.make_notice(anomaly, user, created=timezone.now() - timedelta(days=age))
    assert (forget_notices(), forget_notices()) == (1, 0)
    assert told() == [("Vic Viewer", "watched")]
