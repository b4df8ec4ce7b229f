"""A person's session as the database holds it: whose it is, since when, from where, and nothing that opens it."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from accounts.models import Session
from accounts.passwords import set_password
from accounts.tasks import drop_sessions
from tests import factories

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


@pytest.fixture
def browser(viewer) -> Client:
    """A browser in which Vic has logged in."""
    viewer.org.validates_clients = False
    viewer.org.save()
    browser = Client(REMOTE_ADDR="192.0.2.7", headers={"User-Agent": FIREFOX})
    assert browser.post("/app/login", {"username": viewer.email, "password": factories.PASSWORD, "remember": "on"}).status_code == 302
    return browser


def test_a_row_says_whose_it_is_since_when_and_from_where(browser, viewer):
    row = Session.objects.get()
    assert (row.user, row.address, row.agent) == (viewer, "192.0.2.7", FIREFOX)
    assert abs(row.began - timezone.now()) < timedelta(hours=1)
    assert row.seen == row.began


def test_what_the_table_holds_opens_nothing(browser):
    key = browser.cookies["session_id"].value
    with connection.cursor() as cursor:
        cursor.execute("SELECT t::text FROM accounts_session t")
        held = cursor.fetchone()[0]
    assert key not in held
    thief = Client(headers={"X-Session-Id": Session.objects.get().session_key})
    assert thief.get("/user/info").status_code == 401
    assert browser.get("/user/info").status_code == 200


def test_a_session_is_used_for_ten_minutes_before_that_is_written(browser):
    first, began = Session.objects.get().seen, timezone.now() - timedelta(minutes=30)
    session = browser.session
    session["seen"] = int(began.timestamp())
    session.save()
    assert Session.objects.get().seen < first
    browser.get("/app/")
    row = Session.objects.get()
    assert row.seen >= first
    assert row.expire_date - timezone.now() > timedelta(days=13)


def test_a_session_that_was_ended_elsewhere_is_over(browser):
    Session.objects.all().delete()
    assert browser.get("/app/")["Location"] == "/app/login?next=/app/"
    assert browser.get("/user/info").status_code == 401


def test_a_new_password_ends_the_rows_too(browser, viewer):
    set_password(viewer, "plumb lines hang straight")
    assert Session.objects.count() == 0


def test_a_session_goes_with_its_person(browser, viewer):
    viewer.delete()
    assert Session.objects.count() == 0
    assert browser.get("/app/").status_code == 302


def test_what_is_over_is_forgotten(browser, editor):
    Session.objects.update(expire_date=timezone.now() - timedelta(hours=1))
    Client().force_login(editor)
    assert (drop_sessions(), Session.objects.get().user) == (1, editor)
