"""What people are told, by mail."""

from datetime import timedelta

import pytest
from django.core import mail
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import Letter
from anomalies.models import Anomaly, Notice, NoticeSettings, Watch
from anomalies.services import change_anomaly, comment_on
from anomalies.services.edits import Edit
from anomalies.services.triage import edit_anomaly
from anomalies.tasks import mail_notices
from tests import factories
from tests.mail_server import mail_server

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def anomaly(datastore) -> Anomaly:
    return factories.make_anomaly(factories.make_metric(datastore))


def watch(anomaly, user) -> None:
    Watch.objects.create(org_id=anomaly.org_id, anomaly=anomaly, user=user)


def waited(minutes: int = 6) -> None:
    """Lets everything that waits have waited for so long."""
    for notice in Notice.objects.exclude(mail_due=None):
        Notice.objects.filter(pk=notice.pk).update(mail_due=notice.mail_due - timedelta(minutes=minutes))


def test_a_mention_is_mailed_with_what_was_said(anomaly, author, viewer):
    comment_on(anomaly, user=author, message=f"Have a look, @[Vic Viewer]({viewer.pk}): <b>odd</b>", mentioned_user_ids=[viewer.pk])
    waited()
    assert mail_notices() == 1
    (sent,) = mail.outbox
    assert (sent.to, sent.subject) == ([viewer.email], f"Al Author mentioned you: anomaly #{anomaly.pk}")
    text, html = sent.body, sent.alternatives[0][0]
    assert "- Al Author mentioned you." in text
    assert '"Have a look, @Vic Viewer: <b>odd</b>"' in text
    assert f"/app/anomalies/{anomaly.pk}" in text
    assert "&lt;b&gt;odd&lt;/b&gt;" in html
    assert "<b>odd" not in html
    assert "/app/notifications#wishes" in html


def test_a_long_name_full_of_markup_leaves_the_subject_its_sense(anomaly, author, viewer):
    author.name = ("<img src=x onerror=alert(1)> " + "Long " * 40)[:200].strip()
    author.save(update_fields=["name"])
    comment_on(anomaly, user=author, message=f"@[Vic Viewer]({viewer.pk})", mentioned_user_ids=[viewer.pk])
    waited()
    assert mail_notices() == 1
    (sent,) = mail.outbox
    assert sent.subject == f"<img src=x onerror=alert(1)> {'Long ' * 6}… mentioned you: anomaly #{anomaly.pk}"
    assert ("<img" in sent.alternatives[0][0], f"- {author.name} mentioned you." in sent.body) == (False, True)


def test_many_changes_in_a_subject_leave_the_number_of_the_anomaly(anomaly, author, viewer):
    watch(anomaly, viewer)
    tags = [factories.put_tag(factories.make_anomaly(anomaly.metric, kind=f"k{n}"), f"{n} {'long ' * 18}".strip()).name for n in range(3)]
    edit_anomaly(anomaly, Edit(anomaly_id=anomaly.pk, tags=tags), user=author)
    waited()
    assert mail_notices() == 1
    subject = mail.outbox[0].subject
    assert subject.startswith("Al Author tagged it ")
    assert subject.endswith(f"…: anomaly #{anomaly.pk}")


def test_nothing_is_mailed_before_its_time_or_twice(anomaly, author, viewer):
    watch(anomaly, viewer)
    change_anomaly(anomaly, user=author, status="Acknowledged")
    assert (mail_notices(), len(mail.outbox)) == (0, 0)
    waited()
    assert (mail_notices(), mail_notices(), len(mail.outbox)) == (1, 0, 1)
    assert Letter.objects.get().sent > Letter.objects.get().created


def test_what_comes_together_is_one_mail_per_person(datastore, author, viewer, editor):
    metric = factories.make_metric(datastore)
    for number in range(3):
        anomaly = factories.make_anomaly(metric, kind=f"k{number}")
        watch(anomaly, viewer)
        watch(anomaly, editor)
        change_anomaly(anomaly, user=author, status="Acknowledged")
    waited()
    assert mail_notices() == 2
    assert sorted(sent.to[0] for sent in mail.outbox) == sorted([viewer.email, editor.email])
    assert {sent.subject for sent in mail.outbox} == {"3 anomalies that concern you"}
    assert all(sent.body.count("Al Author acknowledged it.") == 3 for sent in mail.outbox)


def test_a_second_mail_tells_only_what_happened_since_the_first(anomaly, author, viewer):
    watch(anomaly, viewer)
    change_anomaly(anomaly, user=author, status="Acknowledged")
    waited()
    mail_notices()
    change_anomaly(anomaly, user=author, status="Active")
    waited(0)
    Notice.objects.update(created=timezone.now() - timedelta(minutes=6))
    mail.outbox.clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("django.conf.settings.NOTICE_MAIL_MINUTES", 0)
        mail_notices()
    (sent,) = mail.outbox
    assert "made it active again" in sent.body
    assert "acknowledged it" not in sent.body
    assert Notice.objects.get().changeset == {"status": ["Active", "Active"]}


def test_what_was_read_in_the_product_is_not_mailed(anomaly, author, viewer):
    watch(anomaly, viewer)
    change_anomaly(anomaly, user=author, status="Acknowledged")
    Notice.objects.update(acknowledged=timezone.now(), mail_due=None)
    assert (mail_notices(), mail.outbox) == (0, [])


def test_what_one_may_no_longer_read_is_not_mailed(anomaly, author, viewer):
    watch(anomaly, viewer)
    change_anomaly(anomaly, user=author, status="Acknowledged")
    waited()
    viewer.teams.get().access.update(level=1)
    assert (mail_notices(), mail.outbox, Notice.objects.get().mail_due) == (1, [], None)


def test_by_mail_alone_each_mail_begins_anew(anomaly, author, viewer, org):
    NoticeSettings.objects.create(org=org, user=viewer, watched_in_app=False)
    watch(anomaly, viewer)
    change_anomaly(anomaly, user=author, status="Acknowledged")
    waited()
    mail_notices()
    change_anomaly(anomaly, user=author, status="Active")
    assert [(notice.changes, notice.acknowledged is None) for notice in Notice.objects.order_by("pk")] == [(1, False), (1, True)]


def test_a_long_absence_is_one_mail_that_ends_somewhere(datastore, author, viewer):
    metric = factories.make_metric(datastore)
    for number in range(25):
        anomaly = factories.make_anomaly(metric, kind=f"k{number}")
        factories.make_notice(anomaly, viewer, by=author, mail_due=timezone.now() - timedelta(hours=1))
    mail_notices()
    (sent,) = mail.outbox
    assert (sent.subject, sent.body.count("/app/anomalies/"), "And 5 more" in sent.body) == ("25 anomalies that concern you", 20, True)


def test_a_long_mail_takes_no_more_queries_than_a_short_one(datastore, author, viewer):
    metric = factories.make_metric(datastore)

    def queries_of_a_mail_about(how_many: int) -> int:
        for number in range(how_many):
            anomaly = factories.make_anomaly(metric, kind=f"{how_many}-{number}")
            factories.make_notice(anomaly, viewer, by=author, mail_due=timezone.now() - timedelta(hours=1))
        with CaptureQueriesContext(connection) as asked:
            mail_notices()
        return len(asked)

    assert queries_of_a_mail_about(2) == queries_of_a_mail_about(12)
    assert [sent.subject for sent in mail.outbox] == ["2 anomalies that concern you", "12 anomalies that concern you"]


def test_a_mail_server_that_is_away_is_tried_again_and_nothing_is_lost(anomaly, author, viewer, settings):
    watch(anomaly, viewer)
    change_anomaly(anomaly, user=author, status="Acknowledged")
    waited()
    settings.EMAIL_BACKEND, settings.EMAIL_HOST, settings.EMAIL_PORT = "django.core.mail.backends.smtp.EmailBackend", "127.0.0.1", 1
    mail_notices()
    letter = Letter.objects.get()
    assert (letter.sent, letter.tries, Notice.objects.get().mail_due) == (None, 1, None)


def test_what_somebody_is_told_goes_through_a_mail_server_and_says_where_it_can_be_ended(anomaly, author, viewer, settings):
    comment_on(anomaly, user=author, message=f"Look, @[Vic Viewer]({viewer.pk}): Zürich → 0 €", mentioned_user_ids=[viewer.pk])
    waited()
    with mail_server(settings) as post:
        assert mail_notices() == 1
    (arrived,) = post.mails
    assert (post.readers, arrived["Subject"]) == ([viewer.email], f"Al Author mentioned you: anomaly #{anomaly.pk}")
    assert "Zürich → 0 €" in arrived.get_body(("plain",)).get_content()
    assert arrived["List-Unsubscribe"] == f"<{settings.BASE_URL}/app/notifications#wishes>"
