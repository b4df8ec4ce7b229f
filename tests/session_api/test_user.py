"""/user: what a person sees and changes of themselves."""

import pytest
from django.core import mail
from django.test import Client
from django.utils import timezone

from accounts.models import Letter, PersonalToken, Role, Session, User
from orgs.models import Channel, Org
from tests import factories
from tests.factories import PASSWORD
from tests.session_api.conftest import Api, data, last_mail, session_of, token_in, wrong

NEW = "plumb lines hang straight"
FLAGS = {
    "main_intro": False, "alerts_intro": False, "alerts_from_search": False, "training_intro": False,
    "alert_created": False, "test_alert_sent": False, "two_alerts_sent": False, "pattern_trained": False,
}  # fmt: skip


def test_info_shows_the_whole_person(as_, viewer, org):
    told = data(as_(viewer).get("/user/info"))["user"]
    assert told == {
        "id": viewer.pk, "org_id": org.pk, "name": "Vic Viewer", "email": viewer.email, "phone_number": None, "slack_member_id": None,
        "demo": False, "admin": False, "notifications": {"email_alerts": True}, "onboarding_flags": FLAGS,
        "org": {
            "id": org.pk, "name": "Acme", "timezone": "UTC", "onboarding_status": {"id": 1, "name": "no metrics"},
            "alert_muting": {"muted": False, "muted_until_timestamp": None, "muted_until_timestamp_string": None, "minutes_remaining": 0},
            "connected_services": {"slack": False, "ms_teams": False},
        },
    }  # fmt: skip


def test_info_tells_where_the_org_has_channels_now(as_, viewer, other_org):
    Channel.objects.create(org=other_org, service="slack", name="theirs", sealed_url=b"")
    person = as_(viewer)
    for services in (["ms_teams"], ["slack", "slack"]):
        for number, service in enumerate(services):
            Channel.objects.create(org=viewer.org, service=service, name=f"channel {number}", sealed_url=b"")
        told = data(person.get("/user/info"))["user"]["org"]["connected_services"]
        assert told == {"slack": services[0] == "slack", "ms_teams": services[0] == "ms_teams"}
        Channel.objects.filter(org=viewer.org).delete()


def test_info_by_get_and_post_alike_in_one_query(as_, viewer, django_assert_num_queries):
    person = as_(viewer)
    with django_assert_num_queries(1):
        first = data(person.get("/user/info"))
    assert first == data(person.post("/user/info"))


@pytest.mark.parametrize("path", ["/user/info", "/user/ping", "/user/logout"])
def test_nobody_is_401(api, path):
    data(api.get(path), 401)


@pytest.mark.parametrize("path", ["/user/update", "/user/updatepassword", "/user/delete", "/user/reportissue"])
def test_nobody_writes(api, path):
    data(api.post(path, {"message": "x"}), 401)


def test_ping_keeps_the_session_alive(as_, viewer):
    person = as_(viewer)
    Session.objects.update(expire_date=timezone.now() + timezone.timedelta(minutes=1))
    assert data(person.get("/user/ping")) == {"message": "pong"}
    assert Session.objects.get().expire_date > timezone.now() + timezone.timedelta(hours=1)


@pytest.mark.parametrize("method", ["get", "post"])
def test_logout_ends_the_session_and_gives_an_anonymous_one(as_, viewer, method):
    person = as_(viewer)
    answer = getattr(person, method)("/user/logout")
    assert data(answer) == {"message": "OK"}
    new = session_of(answer)
    assert len(new) == 32
    assert new != person.headers["x_session_id"]
    data(person.get("/user/info"), 401)
    assert session_of(Api(x_session_id=new).get("/ping")) == new
    assert Session.objects.count() == 0


@pytest.mark.parametrize("foreign", [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}])
def test_a_page_elsewhere_logs_nobody_out(viewer, foreign):
    browser = Client()
    browser.force_login(viewer)
    data(browser.get("/user/logout", headers=foreign), 403)
    assert data(browser.get("/user/info"))["user"]["id"] == viewer.pk
    data(browser.get("/user/logout", headers={"Sec-Fetch-Site": "same-origin"}))
    data(browser.get("/user/info"), 401)


def test_a_demo_user_may_leave(as_, demo):
    data(as_(demo).post("/user/logout"))


def test_update_changes_what_is_sent_and_nothing_else(as_, viewer):
    said = {
        "name": "Victor",
        "phone_number": "+49 30 123456",
        "slack_member_id": "U12",
        "email_alerts": "no",
        "onboarding_flags": {"main_intro": True},
    }
    told = data(as_(viewer).post("/user/update", said))["user"]
    assert (told["name"], told["phone_number"], told["slack_member_id"]) == ("Victor", "+4930123456", "U12")
    assert (told["notifications"], told["onboarding_flags"]) == ({"email_alerts": False}, FLAGS | {"main_intro": True})
    told = data(as_(viewer).post("/user/update", {"phone_number": ""}))["user"]
    assert (told["name"], told["phone_number"], told["onboarding_flags"]["main_intro"]) == ("Victor", None, True)


@pytest.mark.parametrize(
    ("said", "named"),
    [
        ({"phone_number": "030 123456"}, "phone_number"),
        ({"phone_number": "+49123"}, "phone_number"),
        ({"name": ""}, "name"),
        ({"name": "x" * 201}, "name"),
        ({"email": "nonsense"}, "email"),
        ({"email_alerts": "perhaps"}, "email_alerts"),
        ({"onboarding_flags": {"other": True}}, "onboarding_flags"),
        ({"onboarding_flags": {"main_intro": 1}}, "onboarding_flags"),
        ({"name": "a\u0000b"}, "name"),
        ({"slack_member_id": "@jo"}, "slack_member_id"),
        ({"email_token": "0" * 32}, "email_token"),
    ],
)
def test_an_update_that_does_not_do_is_named_and_changes_nothing(as_, viewer, said, named):
    assert wrong(as_(viewer).post("/user/update", {"slack_member_id": "U1", **said})) == {named}
    viewer.refresh_from_db()
    assert (viewer.slack_member_id, viewer.name) == ("", "Vic Viewer")


def test_a_new_address_counts_when_its_token_came_back(as_, viewer, reporter):
    person, old = as_(viewer), viewer.email
    assert data(person.post("/user/update", {"email": "vic@new.example"}))["user"]["email"] == old
    token = token_in(last_mail("vic@new.example"))
    assert wrong(as_(reporter).post("/user/update", {"email_token": token})) == {"email_token"}
    person.post("/user/update", {"email": "vic@new.example"})
    assert wrong(person.post("/user/update", {"email_token": token})) == {"email_token"}
    token = token_in(last_mail("vic@new.example"))
    assert data(person.post("/user/update", {"email_token": token}))["user"]["email"] == "vic@new.example"


def test_the_old_address_hears_that_another_is_wanted(as_, viewer):
    as_(viewer).post("/user/update", {"email": "vic@new.example"})
    assert [message.to for message in mail.outbox] == [[viewer.email], ["vic@new.example"]]
    assert "wants the address vic@new.example for your account" in mail.outbox[0].body


def test_a_stranger_gets_so_many_mails_of_us_an_hour(as_, viewer):
    answers = [as_(viewer).post("/user/update", {"email": "stranger@new.example", "name": f"Vic {at}"}) for at in range(6)]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429]
    assert answers[-1]["Retry-After"] == "720"
    viewer.refresh_from_db()
    assert (viewer.name, Letter.objects.filter(email="stranger@new.example").count()) == ("Vic 4", 5)


def test_an_address_that_somebody_took_meanwhile_is_refused(as_, viewer, reporter):
    person = as_(viewer)
    person.post("/user/update", {"email": "wanted@new.example"})
    User.objects.filter(pk=reporter.pk).update(email="wanted@new.example")
    assert wrong(person.post("/user/update", {"email_token": token_in(last_mail("wanted@new.example"))})) == {"email_token"}


def change(person, old=PASSWORD, first=NEW, second=NEW, path="/user/updatepassword"):
    send = person.put if path == "/user/password" else person.post
    return send(path, {"old_password": old, "new_password_1": first, "new_password_2": second})


@pytest.mark.parametrize("path", ["/user/updatepassword", "/user/password"])
def test_a_new_password_rotates_the_session_and_ends_the_others(as_, viewer, path):
    here, there = as_(viewer), as_(viewer)
    answer = change(here, path=path)
    assert data(answer) == {"message": "OK"}
    assert session_of(answer) != here.headers["x_session_id"]
    data(there.get("/user/info"), 401)
    data(here.get("/user/info"), 401)
    assert data(Api(x_session_id=session_of(answer)).get("/user/info"))["user"]["id"] == viewer.pk
    viewer.refresh_from_db()
    assert viewer.check_password(NEW)
    assert mail.outbox[-1].to == [viewer.email]


@pytest.mark.parametrize(("old", "first", "second", "named"), [
    ("wrong", NEW, NEW, "old_password"), (PASSWORD, NEW, "other", "new_password_2"), (PASSWORD, "short", "short", "new_password_1"),
])  # fmt: skip
def test_a_password_that_does_not_do_changes_nothing(as_, viewer, old, first, second, named):
    person = as_(viewer)
    assert wrong(change(person, old, first, second)) == {named}
    viewer.refresh_from_db()
    assert viewer.check_password(PASSWORD)
    data(person.get("/user/info"))


def test_the_old_password_may_be_guessed_as_often_as_at_log_in(as_, viewer, settings):
    settings.LOGIN_PER_ACCOUNT = 2
    person = as_(viewer)
    assert [change(person, "wrong").status_code for _ in range(3)] == [400, 400, 429]


def test_delete_erases_the_person_with_tokens_and_sessions(as_, viewer, admin):
    person = as_(viewer)
    factories.make_personal_token(viewer)
    assert wrong(person.post("/user/delete", {"password": "wrong"})) == {"password"}
    assert User.objects.filter(pk=viewer.pk).exists()
    data(person.post("/user/delete", {"password": PASSWORD}))
    assert not User.objects.filter(pk=viewer.pk).exists()
    assert not PersonalToken.objects.exists()
    data(person.get("/user/info"), 401)


def test_the_last_admin_cannot_leave(as_, admin, viewer):
    person = as_(admin)
    data(person.post("/user/delete", {"password": PASSWORD}), 409)
    factories.make_user(admin.org, "Second", role=Role.ADMIN)
    data(person.post("/user/delete", {"password": PASSWORD}))
    assert not User.objects.filter(pk=admin.pk).exists()


def test_only_an_admin_deletes_somebody_else_and_only_of_the_org(as_, admin, viewer, reporter, outsider):
    data(as_(reporter).post("/user/delete", {"password": PASSWORD, "user_id": viewer.pk}), 403)
    data(as_(admin).post("/user/delete", {"password": PASSWORD, "user_id": outsider.pk}), 404)
    assert User.objects.filter(pk__in=[viewer.pk, outsider.pk]).count() == 2
    data(as_(admin).post("/user/delete", {"password": PASSWORD, "user_id": viewer.pk}))
    assert not User.objects.filter(pk=viewer.pk).exists()


def test_a_report_is_kept_and_mailed_to_the_operator(as_, viewer, settings):
    settings.OPERATOR_EMAIL = "operator@plumbline.example"
    data(as_(viewer).post("/user/reportissue", {"message": "Graph <b>empty</b>", "url": "/app/metrics/1", "anomaly_id": 7}))
    letter = Letter.objects.get()
    assert letter.details == {"message": "Graph <b>empty</b>", "url": "/app/metrics/1", "metric": "", "anomaly_id": 7}
    text = last_mail("operator@plumbline.example")
    assert "Vic Viewer" in text
    assert "Anomaly: 7" in text
    assert "Graph &lt;b&gt;empty&lt;/b&gt;" in mail.outbox[-1].alternatives[0][0]


def test_a_report_without_an_operator_is_kept(as_, viewer):
    data(as_(viewer).post("/user/reportissue", {"message": "Help"}))
    assert (Letter.objects.get().details["message"], len(mail.outbox)) == ("Help", 0)
    assert wrong(as_(viewer).post("/user/reportissue", {"message": ""})) == {"message"}
    assert wrong(as_(viewer).post("/user/reportissue", {"message": "x" * 10_001})) == {"message"}


def test_a_demo_user_reports_nothing(as_, demo):
    data(as_(demo).post("/user/reportissue", {"message": "x"}), 403)
    assert not Letter.objects.exists()


def test_the_pages_and_the_session_api_share_the_session(org, viewer):
    Org.objects.update(validates_clients=False)
    browser = Client()
    browser.post("/app/login", {"username": viewer.email, "password": PASSWORD})
    assert data(browser.get("/user/info"))["user"]["id"] == viewer.pk
