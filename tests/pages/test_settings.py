"""The settings: who sees which page, what can be changed there, and how it is said."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from orgs.models import Event, Org
from tests import factories

HTMX = {"HX-Request": "true"}


@pytest.fixture
def demo(org):
    return factories.make_user(org, "Dan Demo", is_demo=True)


def places(answer) -> list[str]:
    return [place.label for place in answer.context["settings_places"]]


def test_a_visitor_goes_to_the_login(db):
    assert Client().get("/app/settings")["Location"] == "/app/login?next=/app/settings"


def test_the_rail_leads_to_the_settings(as_, stranger):
    rail = as_(stranger).get("/app/settings").context["places"]
    assert [(place.label, place.current) for place in rail if place.label == "Settings"] == [("Settings", True)]


def test_an_admin_changes_the_organisation(as_, admin):
    said = {"do": "save", "name": "Acme Ltd", "timezone": "Asia/Tokyo", "origins": "https://a.example\nhttps://b.example"}
    answer = as_(admin).post("/app/settings", said, follow=True)
    assert (answer.redirect_chain, b"Saved." in answer.content) == ([("/app/settings", 302)], True)
    org = Org.objects.get()
    assert (org.name, org.timezone, org.validates_clients) == ("Acme Ltd", "Asia/Tokyo", False)
    assert org.origins == ["https://a.example", "https://b.example"]
    told = Event.objects.get()
    assert told.name == "Settings changed: name, timezone, second factor of new clients, origins of web pages"
    assert told.user_id == admin.pk


@pytest.mark.parametrize(
    ("said", "field", "words"),
    [
        ({"name": ""}, "name", "This field is required."),
        ({"timezone": "Mars"}, "timezone", "Select a valid choice"),
        ({"origins": "https://fine.example nonsense"}, "origins", "&#x27;nonsense&#x27; is no origin"),
    ],
)
def test_what_does_not_do_stands_beside_its_field_and_changes_nothing(as_, admin, said, field, words):
    body = {"do": "save", "name": "New", "timezone": "UTC", **said}
    answer = as_(admin).post("/app/settings", body, headers=HTMX)
    page = answer.content.decode()
    assert (answer.status_code, "<html" in page, f'id="save_{field}_error"' in page, words in page) == (200, False, True, True)
    assert Org.objects.get().name == "Acme"


@pytest.mark.parametrize("role", ["member", "manager", "demo"])
def test_others_see_it_and_change_nothing(as_, org, role, demo):
    person = demo if role == "demo" else factories.make_user(org, role=role)
    page = as_(person).get("/app/settings")
    reason = "You are visiting a demo" if role == "demo" else "Only admins of the organisation can change this."
    assert (reason in page.content.decode(), b'value="save"' in page.content) == (True, False)
    assert as_(person).post("/app/settings", {"do": "save", "name": "New", "timezone": "UTC"}).status_code == 403
    assert Org.objects.get(pk=org.pk).name == "Acme"


def test_a_change_that_there_is_not_is_refused(as_, admin):
    assert as_(admin).post("/app/settings", {"do": "shown"}).status_code == 400


def test_alerts_are_muted_and_unmuted(as_, admin):
    client = as_(admin)
    client.post("/app/settings", {"do": "mute", "minutes": "60"})
    left = Org.objects.get().muted_until - timezone.now()
    assert timedelta(minutes=59) < left <= timedelta(minutes=60)
    assert b"No alert goes out until" in client.get("/app/settings").content
    client.post("/app/settings", {"do": "unmute"})
    assert Org.objects.get().muted_until is None
