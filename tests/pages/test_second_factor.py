"""The code that a new browser needs, and how often one may guess."""

import re
from datetime import timedelta

import pytest
from django.core import mail
from django.test import Client, TestCase
from django.utils import timezone

from accounts import letters
from accounts.models import KnownClient, Letter
from tests.factories import PASSWORD

CODE = "/app/login/code"


def log_in(browser, person, next_page="", password=PASSWORD):
    with TestCase.captureOnCommitCallbacks(execute=True):
        return browser.post("/app/login", {"username": person.email, "password": password, "next": next_page})


def mailed_code(person):
    assert mail.outbox[-1].to == [person.email]
    return re.search(r"^ +([0-9]{6})$", mail.outbox[-1].body, re.M).group(1)


def another(code):
    return f"{(int(code) + 1) % 10**6:06d}"


@pytest.fixture
def waiting(viewer):
    """A browser in which the password was right and the code is missing."""
    browser = Client()
    answer = log_in(browser, viewer, "/app/inbox")
    assert (answer.status_code, answer["Location"]) == (302, f"{CODE}?next=/app/inbox")
    return browser


def test_the_password_alone_opens_nothing(waiting):
    assert waiting.get("/app/inbox").status_code == 302
    assert waiting.get("/user/info").status_code == 401


def test_the_code_of_the_mail_leads_on_to_where_they_wanted(waiting, viewer):
    page = waiting.get(f"{CODE}?next=/app/inbox").content.decode()
    assert 'autocomplete="one-time-code"' in page
    assert 'name="next" value="/app/inbox"' in page
    code = mailed_code(viewer)
    answer = waiting.post(CODE, {"code": f"{code[:3]} {code[3:]}", "next": "/app/inbox"})
    assert (answer.status_code, answer["Location"]) == (302, "/app/inbox")
    assert waiting.get("/user/info").json()["data"]["user"]["id"] == viewer.pk


def test_the_id_of_the_session_changes(waiting, viewer):
    before = waiting.cookies["session_id"].value
    waiting.post(CODE, {"code": mailed_code(viewer)})
    assert waiting.cookies["session_id"].value != before
    stale = Client()
    stale.cookies["session_id"] = before
    assert stale.get("/app/").status_code == 302


def test_a_browser_that_has_proved_it_is_not_asked_again_but_for_another_person(waiting, viewer, reporter):
    waiting.post(CODE, {"code": mailed_code(viewer)})
    cookie = waiting.cookies["client_id"]
    assert (cookie["httponly"], cookie["samesite"]) == (True, "Lax")
    waiting.post("/app/logout")
    assert log_in(waiting, viewer)["Location"] == "/app/"
    waiting.post("/app/logout")
    assert log_in(waiting, reporter)["Location"] == f"{CODE}?next=/app/"
    assert KnownClient.objects.get().user == viewer


@pytest.mark.parametrize("sent", ["", "12345", "1234567", "abcdef", "１２３４５６"])
def test_what_is_no_code_is_refused_without_costing_a_try(waiting, sent):
    answer = waiting.post(CODE, {"code": sent})
    assert (answer.status_code, set(answer.context["form"].errors)) == (200, {"code"})
    assert Letter.objects.get().code_tries == 0


def test_a_wrong_code_opens_nothing_and_five_end_the_challenge(waiting, viewer, settings):
    settings.LOGIN_PER_ACCOUNT = settings.LOGIN_PER_ADDRESS = 1000
    code = mailed_code(viewer)
    for _ in range(letters.MOST_CODE_TRIES):
        assert b"wrong, used or too old" in waiting.post(CODE, {"code": another(code)}).content
    assert waiting.post(CODE, {"code": code}).status_code == 200
    assert waiting.get("/app/").status_code == 302
    assert not KnownClient.objects.exists()


def test_an_old_code_and_a_closed_account_stay_outside(waiting, viewer):
    Letter.objects.update(expires=timezone.now() - timedelta(seconds=1))
    assert waiting.post(CODE, {"code": mailed_code(viewer)}).status_code == 200
    Letter.objects.update(expires=timezone.now() + timedelta(minutes=1))
    viewer.is_active = False
    viewer.save()
    assert waiting.post(CODE, {"code": mailed_code(viewer)}).status_code == 200
    assert waiting.get("/app/").status_code == 302


def test_the_code_counts_only_in_the_browser_that_logged_in(waiting, viewer, reporter):
    other = Client()
    log_in(other, reporter)
    assert other.post(CODE, {"code": mailed_code(reporter)[::-1] + "0"}).status_code == 200
    assert Client().post(CODE, {"code": "123456"})["Location"] == "/app/login"


def test_the_code_never_leads_elsewhere(waiting, viewer):
    answer = waiting.post(CODE, {"code": mailed_code(viewer), "next": "https://evil.example/"})
    assert (answer.status_code, answer["Location"]) == (302, "/app/")


def test_the_code_page_needs_a_log_in_first_and_none_after(db, as_, viewer):
    assert Client().get(CODE)["Location"] == "/app/login"
    assert as_(viewer).get(CODE)["Location"] == "/app/"


def test_page_and_api_count_the_tries_at_an_account_together(viewer, settings):
    assert settings.LOGIN_PER_ACCOUNT == 5
    settings.LOGIN_PER_ACCOUNT = 2
    browser = Client()
    assert log_in(browser, viewer, password="wrong").status_code == 200
    assert browser.post("/login", {"email": viewer.email, "password": "wrong"}).status_code == 401
    refused = log_in(browser, viewer)
    assert refused.status_code == 429
    assert refused["Retry-After"] == "30"
    assert b"Too many tries" in refused.content
    assert mail.outbox == []


def test_an_account_that_does_not_exist_is_throttled_alike(db, settings):
    settings.LOGIN_PER_ACCOUNT = 2
    tries = [Client().post("/app/login", {"username": "nobody@example.com", "password": "wrong"}).status_code for _ in range(3)]
    assert tries == [200, 200, 429]


def test_codes_are_throttled(waiting, viewer, settings):
    settings.LOGIN_PER_ACCOUNT = 2
    wrong = another(mailed_code(viewer))
    assert [waiting.post(CODE, {"code": wrong}).status_code for _ in range(3)] == [200, 200, 429]
    assert Letter.objects.get().code_tries == 2
