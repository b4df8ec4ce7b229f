"""The pages that mails lead to."""

import re

import pytest
from django.core import mail
from django.test import Client, TestCase

from accounts import letters
from accounts.models import KnownClient, Letter, User
from orgs.models import Event
from tests.factories import PASSWORD

NEW = "plumb lines hang straight"


def send(kind, email, **more):
    """The link of the mail that an order of this kind sends."""
    with TestCase.captureOnCommitCallbacks(execute=True):
        letters.order(kind, email, **more)
    return re.search(r"/app/\S+", mail.outbox[-1].body).group()


def fill(browser, link, **said):
    """Opens the link and sends its form; the hidden fields are those of the page."""
    page = browser.get(link)
    assert page.status_code == 200
    hidden = {name: page.context["form"][name].value() for name in ("email", "token") if name in page.context["form"].fields}
    with TestCase.captureOnCommitCallbacks(execute=True):
        return browser.post(link.partition("?")[0], hidden | said)


@pytest.fixture
def invited(org):
    return User.objects.create_user("jo+new@example.com", None, org=org, name="Jo Miller")


def test_who_is_invited_chooses_a_password_and_is_in(invited):
    link, browser = send(Letter.Kind.INVITE, invited.email, user=invited, details={"inviter": "Ada"}), Client()
    answer = fill(browser, link, password_1=NEW, password_2=NEW)
    assert (answer.status_code, answer["Location"]) == (302, "/app/")
    assert browser.get("/user/info").json()["data"]["user"]["id"] == invited.pk
    assert KnownClient.objects.get().user == invited
    again = fill(Client(), link, password_1=NEW, password_2=NEW)
    assert again.context["form"].non_field_errors() == ["The token is wrong, used or too old, or was mailed to another address."]


@pytest.mark.parametrize("page", ["verify", "reset", "login/link"])
def test_without_the_link_of_a_mail_the_page_says_what_it_needs(db, page):
    assert b"This page needs the whole link of a mail." in Client().get(f"/app/{page}").content
    assert b"This page needs" not in Client().get(f"/app/{page}?email=jo@example.com&token=0&code=1").content


def test_opening_a_link_uses_nothing_up(invited):
    link = send(Letter.Kind.VERIFY, invited.email, user=invited)
    Client().get(link)
    assert Letter.objects.get().used is None


@pytest.mark.parametrize(("first", "second", "named"), [(NEW, NEW + "!", "password_2"), ("short", "short", "password_1")])
def test_a_password_that_does_not_do_leaves_the_link_alive(invited, first, second, named):
    link = send(Letter.Kind.VERIFY, invited.email, user=invited)
    answer = fill(Client(), link, password_1=first, password_2=second)
    assert (answer.status_code, set(answer.context["form"].errors)) == (200, {named})
    assert fill(Client(), link, password_1=NEW, password_2=NEW).status_code == 302


def test_a_forgotten_password_is_set_anew_from_page_to_page(viewer, org):
    browser = Client()
    with TestCase.captureOnCommitCallbacks(execute=True):
        assert browser.post("/app/forgot", {"email": viewer.email.upper()})["Location"] == "/app/login"
    assert letters.NEUTRAL.encode() in browser.get("/app/login").content
    link = re.search(r"/app/reset\S+", mail.outbox[-1].body).group()
    answer = fill(browser, link, new_password_1=NEW, new_password_2=NEW)
    assert (answer.status_code, answer["Location"]) == (302, "/app/login")
    viewer.refresh_from_db()
    assert (viewer.check_password(NEW), viewer.check_password(PASSWORD)) == (True, False)
    assert browser.get("/app/").status_code == 302
    assert fill(browser, link, new_password_1=NEW, new_password_2=NEW).status_code == 200


def test_the_feed_shows_that_a_long_subject_goes_on(admin):
    words = {"subject": "x" * 150, "sentence": "It stopped.", "advice": "Look."}
    send(Letter.Kind.ADMIN_ALERT, admin.email, user=admin, details=words)
    assert Event.objects.get().name == f"“{'x' * 99}…” was mailed to {admin.email}"


def test_a_forgotten_password_of_nobody_is_answered_alike(db):
    browser = Client()
    with TestCase.captureOnCommitCallbacks(execute=True):
        assert browser.post("/app/forgot", {"email": "nobody@example.com"})["Location"] == "/app/login"
    assert letters.NEUTRAL.encode() in browser.get("/app/login").content
    assert mail.outbox == []


def test_asking_for_mails_is_throttled(viewer, settings):
    settings.LOGIN_PER_ACCOUNT = 2
    assert [Client().post("/app/forgot", {"email": viewer.email}).status_code for _ in range(3)] == [302, 302, 429]
    assert Letter.objects.count() == 2


def test_a_new_address_is_confirmed_by_whom_it_belongs_to(as_, viewer, reporter):
    link = send(Letter.Kind.ADDRESS, "vic@new.example", user=viewer)
    visitor = Client().get(link)
    assert (visitor.status_code, visitor["Location"].partition("=")[0]) == (302, "/app/login?next")
    assert fill(as_(reporter), link).status_code == 200
    old, answer = viewer.email, fill(as_(viewer), link)
    assert (answer.status_code, answer["Location"]) == (302, "/app/profile")
    assert (mail.outbox[-1].to, "vic@new.example" in mail.outbox[-1].body) == ([old], True)
    assert sorted(User.objects.values_list("email", flat=True)) == sorted([reporter.email, "vic@new.example"])


def test_every_link_of_a_mail_leads_to_a_page_that_there_is(db, as_, admin):
    found = {kind: as_(admin).get(link.format(email="a@b.example", token="0" * 32, code="000000")) for kind, link in letters.LINKS.items()}
    codes = {kind: answer.status_code for kind, answer in found.items()}
    assert codes == dict.fromkeys(letters.LINKS, 200) | {Letter.Kind.CHALLENGE: 400}
