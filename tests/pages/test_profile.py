"""One's own account: who one is, how the pages look, what reaches one, leaving; and the tokens of one's programs."""

from datetime import timedelta

import pytest
from django.core import mail
from django.test import Client, TestCase
from django.utils import timezone

from accounts.models import PersonalToken, Role, User
from tests import factories
from tests.factories import PASSWORD

PAGES = ["/app/profile", "/app/profile/notifications", "/app/profile/security", "/app/profile/tokens"]
PERSON = {"do": "save", "name": "Victor", "phone": "+49 30 123456", "timezone": "Asia/Tokyo", "clock": "12", "slack_member_id": "U1"}


@pytest.fixture
def demo(org):
    return factories.make_user(org, "Dan Demo", is_demo=True)


def errors(answer, name) -> dict:
    return {field: list(said) for field, said in answer.context[f"{name}_form"].errors.items()}


@pytest.mark.parametrize("path", PAGES)
def test_every_page_opens_for_everybody_and_says_where_one_is(as_, stranger, path):
    answer = as_(stranger).get(path)
    assert answer.status_code == 200
    assert [place.url for place in answer.context["profile_places"]] == PAGES
    assert [place.url for place in answer.context["profile_places"] if place.current] == [path]


@pytest.mark.parametrize("path", PAGES)
def test_the_number_of_queries_does_not_depend_on_what_there_is(as_, viewer, queries_of, path):
    client = as_(viewer)
    few = queries_of(lambda: client.get(path))
    for _ in range(20):
        factories.make_personal_token(viewer)
        Client().force_login(viewer)
    assert queries_of(lambda: client.get(path)) == few


def test_a_person_changes_who_they_are(as_, viewer):
    answer = as_(viewer).post("/app/profile", PERSON, follow=True)
    assert (answer.redirect_chain, b"Saved." in answer.content) == ([("/app/profile", 302)], True)
    viewer.refresh_from_db()
    assert (viewer.name, viewer.phone, viewer.timezone, viewer.clock) == ("Victor", "+4930123456", "Asia/Tokyo", "12")
    assert (viewer.single_keys, viewer.slack_member_id) == (False, "U1")


@pytest.mark.parametrize(
    ("said", "named"),
    [
        ({"name": " "}, {"name"}), ({"name": "x" * 201}, {"name"}), ({"phone": "030 123"}, {"phone"}), ({"timezone": "Mars"}, {"timezone"}),
        ({"clock": "25"}, {"clock"}), ({"name": "a\x00b"}, {"name"}), ({"slack_member_id": "@jo"}, {"slack_member_id"}),
    ],
)  # fmt: skip
def test_what_does_not_do_is_said_beside_its_field_and_changes_nothing(as_, viewer, said, named):
    answer = as_(viewer).post("/app/profile", PERSON | said)
    assert set(errors(answer, "save")) == named
    viewer.refresh_from_db()
    assert (viewer.name, viewer.phone) == ("Vic Viewer", "")


def test_times_are_told_by_the_clock_of_the_person(as_, viewer, anomaly):
    client = as_(viewer)
    at = anomaly.started_at
    twelve = f"{at.hour % 12 or 12}:{at:%M} {'am' if at.hour < 12 else 'pm'}"
    assert twelve.encode() not in client.get(f"/app/anomalies/{anomaly.pk}").content
    User.objects.update(clock="12")
    page = client.get(f"/app/anomalies/{anomaly.pk}").content.decode()
    assert twelve in page
    assert 'data-clock="12"' in page


def test_single_keys_are_turned_off_for_the_person(as_, viewer):
    client = as_(viewer)
    assert b'data-keys="on"' in client.get("/app/").content
    client.post("/app/keys", {"keys": "off"})
    viewer.refresh_from_db()
    assert not viewer.single_keys
    assert b'data-keys="off"' in as_(viewer).get("/app/").content
    assert client.post("/app/keys", {"keys": "perhaps"}).status_code == 400


def test_a_demo_user_turns_them_off_in_the_browser_alone(as_, demo):
    client = as_(demo)
    client.post("/app/keys", {"keys": "off"})
    assert b'data-keys="off"' in client.get("/app/").content
    assert b'data-keys="on"' in as_(demo).get("/app/").content


def test_a_theme_is_chosen_on_the_profile(as_, viewer):
    page = as_(viewer).post("/app/theme", {"theme": "dark", "next": "/app/profile"}, follow=True).content.decode()
    assert 'data-theme="dark"' in page
    assert 'name="theme" value="dark" aria-pressed="true"' in page


def test_alerts_by_mail_are_turned_off_and_on(as_, viewer):
    as_(viewer).post("/app/profile/notifications", {"do": "save"})
    viewer.refresh_from_db()
    assert not viewer.email_alerts
    as_(viewer).post("/app/profile/notifications", {"do": "save", "email_alerts": "on"})
    viewer.refresh_from_db()
    assert viewer.email_alerts


def test_a_new_address_needs_the_password_and_a_mail(as_, viewer):
    client, old = as_(viewer), viewer.email
    wrong = client.post("/app/profile", {"do": "move", "email": "vic@new.example", "password": "guess"})
    assert errors(wrong, "move") == {"password": ["This is not your password."]}
    with TestCase.captureOnCommitCallbacks(execute=True):
        client.post("/app/profile", {"do": "move", "email": "Vic@New.Example", "password": PASSWORD})
    viewer.refresh_from_db()
    assert (viewer.email, mail.outbox[-1].to) == (old, ["vic@new.example"])


def test_a_person_leaves_with_the_password(as_, viewer):
    client = as_(viewer)
    assert errors(client.post("/app/profile", {"do": "leave", "password": "guess"}), "leave") == {
        "password": ["This is not your password."]
    }
    answer = client.post("/app/profile", {"do": "leave", "password": PASSWORD}, follow=True)
    assert (answer.redirect_chain, b"Your account is gone." in answer.content) == ([("/app/login", 302)], True)
    assert not User.objects.filter(pk=viewer.pk).exists()


def test_the_last_admin_stays(as_, admin):
    answer = as_(admin).post("/app/profile", {"do": "leave", "password": PASSWORD})
    assert b"This is the last admin of the org." in answer.content
    assert User.objects.filter(pk=admin.pk, role=Role.ADMIN).exists()


def test_guessing_the_password_in_a_session_is_throttled(as_, viewer, settings):
    settings.LOGIN_PER_ACCOUNT = 2
    client = as_(viewer)
    answers = [client.post("/app/profile", {"do": "leave", "password": "guess"}) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert int(answers[2]["Retry-After"]) >= 1
    assert User.objects.filter(pk=viewer.pk).exists()


@pytest.mark.parametrize("path", PAGES)
def test_a_demo_user_looks_and_changes_nothing(as_, demo, path):
    client = as_(demo)
    page = client.get(path)
    assert "You are visiting a demo" in page.content.decode()
    for do in page.context["view"].changes:
        assert client.post(path, {"do": do, "id": 1}).status_code == 403


@pytest.mark.parametrize("path", PAGES)
def test_a_change_that_there_is_not_is_refused(as_, viewer, path):
    assert as_(viewer).post(path, {"do": "format the disk"}).status_code == 400


def test_changes_need_the_csrf_token(viewer):
    client = Client(enforce_csrf_checks=True)
    client.force_login(viewer)
    assert client.post("/app/profile", PERSON).status_code == 403
    assert client.post("/app/profile/tokens", {"do": "make", "name": "x", "scopes": ["read"]}).status_code == 403


def test_a_token_is_made_and_shown_once(as_, viewer):
    client = as_(viewer)
    said = {"do": "make", "name": "laptop", "scopes": ["read"], "expires_in_days": "30", "sources": "127.0.0.0/8, 192.0.2.0/24"}
    answer = client.post("/app/profile/tokens", said)
    token, secret = PersonalToken.objects.get(), answer.context["done"].secret
    assert (token.name, token.scopes, token.sources) == ("laptop", ["read"], ["127.0.0.0/8", "192.0.2.0/24"])
    assert abs(token.expires - timezone.now() - timedelta(days=30)) < timedelta(hours=1)
    assert (secret in answer.content.decode(), answer["Cache-Control"]) == (True, "private, no-store")
    assert secret not in client.get("/app/profile/tokens").content.decode()
    bearer = {"headers": {"Authorization": f"Bearer {secret}"}}
    assert Client().get("/api/users/me", **bearer).json()["id"] == viewer.pk


def test_a_token_that_does_not_do_is_named(as_, viewer):
    client = as_(viewer)
    for said, named in [
        ({"name": ""}, {"name"}), ({"scopes": []}, {"scopes"}), ({"scopes": ["root"]}, {"scopes"}),
        ({"expires_in_days": "366"}, {"expires_in_days"}),
        ({"sources": "10.0.0.1/8"}, {"sources"}),
    ]:  # fmt: skip
        good = {"do": "make", "name": "x", "scopes": ["read"], "expires_in_days": "7"}
        assert set(errors(client.post("/app/profile/tokens", good | said), "make")) == named
    assert PersonalToken.objects.count() == 0


def test_a_token_is_revoked_by_whose_it_is(as_, viewer, editor):
    secret = factories.make_personal_token(viewer)
    token = PersonalToken.objects.get()
    assert "gone already" in as_(editor).post("/app/profile/tokens", {"do": "revoke", "id": token.pk}).content.decode()
    assert PersonalToken.objects.get().revoked is None
    as_(viewer).post("/app/profile/tokens", {"do": "revoke", "id": token.pk})
    assert Client().get("/api/users/me", headers={"Authorization": f"Bearer {secret}"}).status_code == 401


def test_others_tokens_are_not_shown(as_, viewer, admin):
    factories.make_personal_token(viewer, name="vic's own")
    assert b"vic&#x27;s own" not in as_(admin).get("/app/profile/tokens").content
    assert b"vic&#x27;s own" in as_(viewer).get("/app/profile/tokens").content
