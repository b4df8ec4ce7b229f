"""The postman: letters that wait, fail, are given up; and mail without a mail server."""

import email
import smtplib
from datetime import timedelta

import pytest
from django.core import mail
from django.core.mail import EmailMessage, get_connection
from django.utils import timezone

from accounts import letters
from accounts.models import Letter, User
from accounts.tasks import send_letter, send_letters
from config.mail import mail_folder


@pytest.fixture
def letter(viewer) -> Letter:
    """One that has waited long enough for the postman's round."""
    found = letters.order(Letter.Kind.CHANGED, viewer.email, user=viewer)
    Letter.objects.update(created=timezone.now() - timedelta(minutes=1))
    return found


def test_the_round_sends_what_no_worker_has_sent_once(letter):
    assert (send_letters(), send_letters(), len(mail.outbox)) == (1, 0, 1)
    send_letter(letter.pk)
    assert len(mail.outbox) == 1


def test_a_fresh_letter_is_left_to_its_worker(letter):
    Letter.objects.update(created=timezone.now())
    assert send_letters() == 0


@pytest.mark.parametrize("error", [smtplib.SMTPServerDisconnected("away"), ConnectionRefusedError(), TimeoutError()])
def test_a_letter_that_fails_is_tried_again_and_then_given_up(letter, monkeypatch, error):
    def fail(self, messages):
        raise error

    monkeypatch.setattr("django.core.mail.backends.locmem.EmailBackend.send_messages", fail)
    for _ in range(letters.MOST_TRIES + 2):
        send_letters()
    letter.refresh_from_db()
    assert (letter.sent, letter.tries) == (None, letters.MOST_TRIES)


@pytest.mark.parametrize(("kind", "said"), [("verify", "2 days"), ("invite", "7 days"), ("reset", "1 hour"), ("challenge", "15 minutes")])
def test_how_long_a_link_works_is_said_from_what_it_is(viewer, kind, said):
    letters.send(letters.order(Letter.Kind(kind), viewer.email, user=viewer).pk)
    text, (html, _) = mail.outbox[0].body, mail.outbox[0].alternatives[0]
    assert (f"within {said}" in text, f"within {said}" in html, letters.life_in_words(Letter.Kind.TAKEN)) == (True, True, "")


@pytest.mark.parametrize(("role", "place"), [("admin", "/app/settings/alerts"), ("member", "/app/")])
def test_the_mail_of_an_alert_leads_where_its_reader_may_go(viewer, settings, role, place):
    User.objects.update(role=role)
    details = {"subject": "x", "sentence": "x", "advice": "y"}
    letters.send(letters.order(Letter.Kind.ADMIN_ALERT, viewer.email, user=viewer, details=details).pk)
    assert f"{settings.BASE_URL}{place}" in mail.outbox[0].body.split()


def test_a_letter_that_cannot_be_written_holds_up_none_after_it(letter, viewer):
    Letter.objects.update(kind="report", details={"url": "x"}, email="a@example.com\nb@example.com")
    letters.order(Letter.Kind.CHANGED, viewer.email, user=viewer)
    Letter.objects.exclude(pk=letter.pk).update(created=timezone.now() - timedelta(seconds=40))
    assert send_letters() == 1
    assert [message.to for message in mail.outbox] == [[viewer.email]]
    letter.refresh_from_db()
    assert (letter.sent, letter.tries) == (None, 1)


def test_the_link_of_a_mail_holds_the_whole_address(db):
    letters.send(letters.order(Letter.Kind.VERIFY, "a+b&c%d@example.com").pk)
    assert "email=a%2Bb%26c%25d%40example.com&token=" in mail.outbox[0].body


def test_a_failed_try_leaves_no_secret_that_counts(viewer, monkeypatch):
    letter = letters.order(Letter.Kind.RESET, viewer.email)
    monkeypatch.setattr("django.core.mail.backends.locmem.EmailBackend.send_messages", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        letters.send(letter.pk)
    letter.refresh_from_db()
    assert (letter.digest, letter.sent) == (None, None)


def test_a_subject_cannot_break_the_header(viewer):
    letter = letters.order(Letter.Kind.ADMIN_ALERT, viewer.email, user=viewer, details={"subject": "a\r\nBcc: evil@example.com"})
    letters.send(letter.pk)
    assert mail.outbox[0].subject == "a Bcc: evil@example.com"


@pytest.mark.parametrize("kind", list(Letter.Kind))
def test_every_kind_has_its_words_in_both_forms(viewer, kind):
    letters.send(letters.order(kind, viewer.email, user=viewer, details={"inviter": "Ada"}).pk)
    message = mail.outbox[0]
    assert "{{" not in message.body
    assert viewer.org.name in message.body or viewer.name in message.body
    assert message.subject in message.alternatives[0][0].replace("&#x27;", "'")


def test_without_a_mail_server_a_mail_is_a_private_file(settings, tmp_path):
    settings.PLUMBLINE_HOME = tmp_path
    backend = get_connection("config.mail.FileBackend")
    assert backend.send_messages([EmailMessage("Grüße", "Hello", to=["jo@example.com"])] * 2) == 2
    files = sorted(mail_folder().iterdir())
    assert [path.suffix for path in files] == [".eml", ".eml"]
    assert (files[0].stat().st_mode & 0o777, mail_folder().stat().st_mode & 0o777) == (0o600, 0o700)
    read = email.message_from_bytes(files[0].read_bytes())
    assert read["To"] == "jo@example.com"
