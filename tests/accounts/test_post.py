"""Letters as a mail server gets them, over its own protocol."""

import pytest

from accounts import letters
from accounts.models import Letter
from accounts.tasks import send_letters
from tests.mail_server import TAKEN, mail_server


@pytest.fixture
def post(settings):
    with mail_server(settings) as box:
        yield box


@pytest.fixture
def letter(viewer) -> Letter:
    return letters.order(Letter.Kind.CHANGED, viewer.email, user=viewer)


def test_a_letter_arrives_with_both_forms_and_the_headers_of_a_machine(post, letter, viewer, settings):
    assert letters.send(letter.pk) is True
    (mail,) = post.mails
    assert post.readers == [viewer.email]
    assert (mail["To"], mail["From"], mail["Auto-Submitted"]) == (viewer.email, settings.DEFAULT_FROM_EMAIL, "auto-generated")
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]
    assert all(viewer.name in part.get_content() for part in mail.iter_parts())


def test_words_of_any_language_arrive_as_they_were_written(post, viewer):
    details = {"subject": "Grüße über „Zürich“ 🚲", "sentence": "Zürich fehlt.", "advice": "Schau nach."}
    letters.send(letters.order(Letter.Kind.ADMIN_ALERT, "zoë@bücher.example", user=viewer, details=details).pk)
    (mail,) = post.mails
    assert mail["Subject"] == "Grüße über „Zürich“ 🚲"
    assert "Zürich fehlt." in mail.get_body(("plain",)).get_content()
    assert mail["To"].addresses[0].domain == "xn--bcher-kva.example"


@pytest.mark.parametrize("answer", ["451 4.7.1 Greylisted, try again later", "550 5.1.1 No such mailbox"])
def test_what_the_server_refuses_is_sent_again_and_arrives_once(post, letter, answer):
    post.answer = answer
    assert send_at_last() == 0
    letter.refresh_from_db()
    assert (letter.sent, letter.tries, post.mails) == (None, 1, [])
    post.answer = TAKEN
    assert (send_at_last(), send_at_last(), len(post.mails)) == (1, 0, 1)


def test_the_product_logs_in_where_the_server_asks_it_to(post, letter, settings):
    post.login = (b"plumbline", b"secret")
    settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD = "plumbline", "wrong"
    assert (send_at_last(), post.mails) == (0, [])
    settings.EMAIL_HOST_PASSWORD = "secret"
    assert (send_at_last(), len(post.mails)) == (1, 1)


def test_nothing_goes_in_the_clear_where_tls_was_asked_for(post, letter, settings):
    settings.EMAIL_USE_TLS = True
    assert (send_at_last(), post.mails) == (0, [])
    letter.refresh_from_db()
    assert (letter.sent, letter.tries) == (None, 1)


def send_at_last() -> int:
    """A round of the postman in which no letter is too fresh for it."""
    Letter.objects.update(created="2026-01-01T00:00:00Z")
    return send_letters()
