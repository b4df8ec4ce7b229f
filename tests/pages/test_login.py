"""Coming in and going out."""

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import URLPattern
from django.utils import timezone

import accounts.urls
import anomalies.urls
from accounts import limits
from accounts.models import Session
from orgs.errors import TooMany
from tests import factories

PAGES = [route for urls in (accounts.urls, anomalies.urls) for route in urls.pages]
OPEN = {
    "login", "login_code", "login_code_again", "login_link", "login_passkey", "login_passkey_ask", "forgot", "verify", "reset",
}  # fmt: skip
REFUSED = "This e-mail and password do not fit together."


@pytest.fixture
def trusting(org):
    """An org that has turned the second factor off."""
    org.validates_clients = False
    org.save()
    return org


def address(route: URLPattern) -> str:
    return "/app/" + re.sub(r"<int:\w+>", "1", str(route.pattern))


@pytest.mark.parametrize("route", [route for route in PAGES if route.name not in OPEN], ids=lambda route: route.name)
def test_every_page_sends_a_visitor_to_the_login(db, route):
    answer = Client().get(address(route))
    assert (answer.status_code, answer["Location"]) == (302, f"/app/login?next={address(route)}")


def test_the_root_leads_to_the_pages(db, as_, viewer):
    answer = as_(viewer).get("/")
    assert (answer.status_code, answer["Location"]) == (302, "/app/")


def test_a_person_logs_in_and_goes_on_to_where_they_wanted(trusting, viewer):
    answer = Client().post("/app/login?next=/app/inbox", {"username": viewer.email, "password": factories.PASSWORD, "next": "/app/inbox"})
    assert (answer.status_code, answer["Location"]) == (302, "/app/inbox")


def test_an_address_is_not_sensitive_to_case(trusting, viewer):
    answer = Client().post("/app/login", {"username": viewer.email.upper(), "password": factories.PASSWORD})
    assert (answer.status_code, answer["Location"]) == (302, "/app/")


def test_a_login_never_leads_elsewhere(trusting, viewer):
    answer = Client().post("/app/login", {"username": viewer.email, "password": factories.PASSWORD, "next": "https://evil.example/"})
    assert (answer.status_code, answer["Location"]) == (302, "/app/")


def test_unknown_wrong_and_closed_are_told_in_the_same_words(viewer, author):
    author.is_active = False
    author.save(update_fields=["is_active"])
    tries = [("nobody@example.com", factories.PASSWORD), (viewer.email, "wrong"), (author.email, factories.PASSWORD)]
    answers = [Client().post("/app/login", {"username": email, "password": password}) for email, password in tries]
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert [answer.context["form"].non_field_errors() for answer in answers] == [[REFUSED]] * 3
    assert all(REFUSED.encode() in answer.content for answer in answers)


def log_in(email: str, password: str = factories.PASSWORD, *, address: str = "192.0.2.1") -> int:
    """302 in, 200 refused, 429 too often."""
    return Client(REMOTE_ADDR=address).post("/app/login", {"username": email, "password": password}).status_code


@pytest.fixture
def _few_tries(settings):
    settings.LOGIN_PER_ACCOUNT, settings.LOGIN_PER_ADDRESS = 2, 3


@pytest.mark.usefixtures("_few_tries")
def test_guessing_at_one_account_is_limited_wherever_it_comes_from(trusting, viewer, author):
    guesses = [log_in(viewer.email.upper() if n % 2 else viewer.email, "wrong", address=f"192.0.2.{n}") for n in (1, 2)]
    assert guesses == [200, 200]
    assert (log_in(viewer.email), log_in(author.email)) == (429, 302)


@pytest.mark.usefixtures("_few_tries")
def test_guessing_from_one_address_is_limited_whatever_the_account(trusting, viewer):
    assert [log_in(f"nobody.{n}@example.com") for n in range(3)] == [200] * 3
    assert (log_in(viewer.email), log_in(viewer.email, address="192.0.2.2")) == (429, 302)


@pytest.mark.usefixtures("_few_tries")
def test_nobody_can_keep_others_out_of_a_demo_account(viewer):
    viewer.is_demo = True
    viewer.save(update_fields=["is_demo"])
    assert [log_in(viewer.email, "wrong") for _ in range(3)] == [200] * 3
    assert log_in(viewer.email, address="192.0.2.2") == 302


@pytest.mark.usefixtures("_few_tries")
def test_only_logging_in_makes_an_exception_for_demo_accounts(rf, viewer):
    viewer.is_demo = True
    viewer.save(update_fields=["is_demo"])
    for number in (1, 2):
        limits.guess(rf.post("/", REMOTE_ADDR=f"192.0.2.{number}"), account=viewer.email)
    with pytest.raises(TooMany):
        limits.guess(rf.post("/", REMOTE_ADDR="192.0.2.3"), account=viewer.email)
    limits.log_in(rf.post("/", REMOTE_ADDR="192.0.2.4"), email=viewer.email)


@pytest.mark.parametrize("remember", [True, False])
def test_a_session_lasts_two_weeks_where_the_person_says_so(trusting, viewer, remember):
    said = {"username": viewer.email, "password": factories.PASSWORD} | ({"remember": "on"} if remember else {})
    Client().post("/app/login", said)
    left = Session.objects.get().expire_date - timezone.now()
    assert abs(left - timedelta(days=14 if remember else 1)) < timedelta(hours=1)


def test_the_form_tells_password_managers_what_is_what(db):
    page = Client().get("/app/login").content.decode()
    assert 'autocomplete="username"' in page
    assert 'autocomplete="current-password"' in page


def test_somebody_who_is_in_is_not_asked_again(as_, viewer):
    answer = as_(viewer).get("/app/login")
    assert (answer.status_code, answer["Location"]) == (302, "/app/")


def test_going_out_needs_a_post(as_, viewer):
    client = as_(viewer)
    assert client.get("/app/logout").status_code == 405
    assert client.get("/app/").status_code == 200
    assert client.post("/app/logout")["Location"] == "/app/login"
    assert client.get("/app/").status_code == 302


def test_a_theme_is_kept_and_shown(as_, viewer):
    client = as_(viewer)
    answer = client.post("/app/theme", {"theme": "dark", "next": "/app/inbox"})
    viewer.refresh_from_db()
    assert (answer["Location"], viewer.theme) == ("/app/inbox", "dark")
    assert b'<html lang="en" data-theme="dark">' in client.get("/app/").content


def test_the_theme_of_a_demo_user_is_kept_in_the_browser_alone(as_, viewer):
    viewer.is_demo = True
    viewer.save(update_fields=["is_demo"])
    client = as_(viewer)
    client.post("/app/theme", {"theme": "dark"})
    viewer.refresh_from_db()
    assert viewer.theme == "system"
    assert b'<html lang="en" data-theme="dark">' in client.get("/app/").content
    assert b'<html lang="en">' in as_(viewer).get("/app/").content


@pytest.mark.parametrize("theme", ["", "neon"])
def test_a_theme_that_there_is_not_changes_nothing(as_, viewer, theme):
    assert as_(viewer).post("/app/theme", {"theme": theme}).status_code == 400
    viewer.refresh_from_db()
    assert viewer.theme == "system"


def test_a_theme_needs_the_csrf_token(viewer):
    client = Client(enforce_csrf_checks=True)
    client.force_login(viewer)
    answer = client.post("/app/theme", {"theme": "dark"})
    assert answer.status_code == 403
    assert b"This form is too old" in answer.content
