"""An operator acts as a person: with a reason, in view of all, and without opening a door."""

from datetime import timedelta

import pytest
from django.db import DatabaseError, connection, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import Impersonation, PersonalToken, Session, User
from orgs.models import Event, IngestKey, OrgToken
from tests import factories
from tests.factories import PASSWORD

REASON = "Ticket 4711: the inbox stays empty."


@pytest.fixture
def operator(other_org) -> User:
    """Of another org than those whom they act as."""
    return factories.make_user(other_org, "Olga Operator", is_staff=True, is_superuser=True, role="admin")


@pytest.fixture
def desk(as_, operator) -> Client:
    return as_(operator)


def act_as(desk, person, reason=REASON):
    return desk.post(page_of(person), {"reason": reason})


def page_of(person) -> str:
    return reverse("admin:accounts_user_act_as", args=(person.pk,))


@pytest.fixture
def acting(desk, admin) -> Client:
    """The operator, who acts as the admin of Acme."""
    assert act_as(desk, admin)["Location"] == "/app/"
    return desk


def test_it_begins_on_the_page_of_the_person_with_a_reason(desk, viewer, operator):
    assert page_of(viewer) in desk.get(reverse("admin:accounts_user_change", args=(viewer.pk,))).content.decode()
    assert b"Acme reads your reason" in desk.get(page_of(viewer)).content
    assert b"at least 10 characters" in act_as(desk, viewer, "because").content
    assert Impersonation.objects.count() == 0
    before = desk.cookies["session_id"].value
    assert act_as(desk, viewer)["Location"] == "/app/"
    assert desk.cookies["session_id"].value != before
    assert desk.get("/user/info").json()["data"]["user"]["id"] == viewer.pk
    stale = Client()
    stale.cookies["session_id"] = before
    assert stale.get("/admin/").status_code == 302


def test_the_person_is_told_nothing_false(desk, viewer):
    viewer.refresh_from_db()
    before = viewer.last_login
    act_as(desk, viewer)
    viewer.refresh_from_db()
    assert viewer.last_login == before
    assert Session.objects.get(user=viewer).agent == "an operator of this installation"


@pytest.mark.parametrize("path", ["/app/", "/app/inbox", "/app/profile", "/app/settings", "/app/nowhere", "/doc"])
def test_every_page_says_so_and_can_end_it(acting, path):
    page = acting.get(path, headers={"Accept": "text/html"}).content.decode()
    assert "You act as <strong>Ada Admin</strong>" in page
    assert "You are Olga Operator" in page
    assert 'action="/app/acting/stop"' in page


def test_nobody_else_sees_a_banner(as_, viewer):
    assert b"You act as" not in as_(viewer).get("/app/").content


def test_it_is_told_in_the_audit_log_and_in_the_events_of_the_org(acting, operator, admin):
    entry = Impersonation.objects.get()
    assert (entry.action, entry.operator, entry.operator_email) == ("began", operator, operator.email)
    assert (entry.org, entry.user, entry.user_email, entry.reason) == (admin.org, admin, admin.email, REASON)
    assert (entry.address, len(entry.request_id)) == ("127.0.0.1", 32)
    event = Event.objects.get(org=admin.org)
    assert (event.name, event.description) == ("Olga Operator, an operator of this installation, acts as Ada Admin", REASON)


def test_every_line_of_the_log_carries_both(acting, operator, admin, caplog):
    caplog.clear()
    acting.get("/app/")
    acting.get("/user/info")
    acting.get("/api/users/me")
    lines = [record.msg for record in caplog.records if isinstance(record.msg, dict) and record.msg.get("event") == "request"]
    assert [(line["path"], line.get("user"), line.get("operator")) for line in lines] == [
        (path, admin.pk, operator.pk) for path in ("/app/", "/user/info", "/api/users/me")
    ]


def test_stopping_makes_the_operator_themselves(acting, operator, admin):
    answer = acting.post("/app/acting/stop")
    assert answer["Location"] == reverse("admin:accounts_user_change", args=(admin.pk,))
    assert acting.get(answer["Location"]).status_code == 200
    assert acting.get("/user/info").json()["data"]["user"]["id"] == operator.pk
    assert list(Impersonation.objects.values_list("action", flat=True)) == ["ended", "began"]
    assert not Session.objects.filter(user=admin).exists()


@pytest.mark.parametrize("path", ["/app/logout", "/user/logout"])
def test_logging_out_ends_it_too_and_is_told(acting, path):
    acting.post(path, headers={"X-Session-Id": acting.cookies["session_id"].value} if path == "/user/logout" else {})
    assert Impersonation.objects.filter(action="ended").count() == 1


def test_a_person_has_nothing_to_stop(as_, viewer):
    assert as_(viewer).post("/app/acting/stop")["Location"] == "/app/"
    assert Impersonation.objects.count() == 0


def test_nobody_acts_as_another_operator_a_service_a_closed_account_or_themselves(desk, org, operator, viewer):
    other = factories.make_user(org, "Otto Operator", is_staff=True)
    service = factories.make_user(org, "Robot", is_service=True)
    closed = factories.make_user(org, "Gone", is_active=False)
    for person in (other, service, closed, operator):
        assert act_as(desk, person).status_code == 200, person
    assert Impersonation.objects.count() == 0
    assert desk.get("/user/info").json()["data"]["user"]["id"] == operator.pk


def test_only_who_may_does_it(as_, admin, viewer, org):
    clerk = factories.make_user(org, is_staff=True)
    assert act_as(as_(clerk), viewer).status_code == 403
    assert act_as(as_(admin), viewer)["Location"].startswith("/admin/login/")
    assert Client().post(page_of(viewer), {"reason": REASON})["Location"].startswith("/app/login?next=")
    assert Impersonation.objects.count() == 0


def test_the_admin_is_closed_meanwhile(acting):
    assert acting.get("/admin/", follow=True).status_code == 403


FORBIDDEN = [
    ("post", "/user/updatepassword", {"old_password": PASSWORD, "new_password_1": "x" * 20, "new_password_2": "x" * 20}),
    ("post", "/user/delete", {"password": PASSWORD}),
    ("post", "/user/update", {"email": "mine@example.com"}),
    ("post", "/org/users", {"add": "mine@example.com", "admin": True}),
    ("post", "/org/update", {"rotate_token": True}),
    ("post", "/api/user-tokens", {"name": "mine"}),
    ("post", "/api/org/tokens", {"name": "mine"}),
    ("post", "/api/org/ingest-keys", {"name": "mine", "datastore": 0}),
    ("post", "/api/service-accounts", {"name": "mine", "role": "admin"}),
    ("put", "/api/users/{user}", {"role": "admin"}),
]


@pytest.mark.parametrize(("method", "path", "body"), FORBIDDEN, ids=[f"{method} {path}" for method, path, _ in FORBIDDEN])
def test_no_door_is_opened_meanwhile(acting, viewer, datastore, method, path, body):
    said = body | ({"datastore": datastore.pk} if "datastore" in body else {})
    headers = {"X-Session-Id": acting.cookies["session_id"].value}
    call = getattr(acting, method)
    answer = call(path.format(user=viewer.pk), said, content_type="application/json", headers=headers)
    assert answer.status_code == 403, answer.content
    assert b"act as somebody" in answer.content or b"in this session" in answer.content
    assert (PersonalToken.objects.count(), OrgToken.objects.count(), IngestKey.objects.count()) == (0, 0, 0)


@pytest.mark.parametrize(
    ("path", "do"),
    [
        *(("/app/profile/security", do) for do in ("password", "begin", "off", "codes", "rename", "remove", "end", "end_others", "forget")),
        ("/app/profile/authenticator", "confirm"), ("/app/profile", "move"), ("/app/profile", "leave"),
        ("/app/profile/tokens", "make"), ("/app/profile/tokens", "revoke"),
    ],
)  # fmt: skip
def test_no_door_is_opened_on_the_pages(acting, path, do):
    assert acting.post(path, {"do": do, "id": 1, "password": PASSWORD}).status_code == 403


def test_no_passkey_is_made_meanwhile(acting):
    for path in ("/app/profile/passkeys/make", "/app/profile/passkeys"):
        assert acting.post(path, {"password": PASSWORD, "name": "mine"}, content_type="application/json").status_code == 403


def test_what_opens_no_door_can_be_done(acting, admin, anomaly):
    acting.post("/app/profile", {"do": "save", "name": "Ada A.", "clock": "24", "phone": "", "timezone": "", "slack_member_id": ""})
    admin.refresh_from_db()
    assert admin.name == "Ada A."
    assert b"You act as" in acting.get(f"/app/anomalies/{anomaly.pk}").content


def test_the_pages_say_why_something_cannot_be_changed(acting):
    assert "Operators who act as somebody change nothing that opens" in acting.get("/app/profile/security").content.decode()


def test_it_lasts_an_hour(acting):
    session = acting.session
    session["acted"] |= {"began": int((timezone.now() - timedelta(minutes=61)).timestamp())}
    session.save()
    assert acting.get("/app/")["Location"] == "/app/login?next=/app/"
    assert Session.objects.count() == 0


@pytest.mark.parametrize("change", [{"is_active": False}, {"is_staff": False}, {"password": "another"}])
def test_it_ends_when_the_operator_is_none_any_more(acting, operator, change):
    User.objects.filter(pk=operator.pk).update(**change)
    assert acting.get("/app/")["Location"] == "/app/login?next=/app/"
    assert acting.get("/user/info").status_code == 401


def test_the_log_only_grows(acting, operator, admin):
    for statement in ("UPDATE accounts_impersonation SET reason = 'x'", "DELETE FROM accounts_impersonation"):
        with pytest.raises(DatabaseError, match="never altered"), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)
    address = operator.email
    operator.delete()
    entry = Impersonation.objects.get()
    assert (entry.operator, entry.operator_email) == (None, address)


def test_the_log_goes_with_its_org(acting, admin):
    admin.org.delete()
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    assert Impersonation.objects.count() == 0


def test_operators_read_the_log(acting, as_, operator):
    page = as_(operator).get(reverse("admin:accounts_impersonation_changelist"), {"q": "4711"}).content.decode()
    assert REASON in page
    entry = reverse("admin:accounts_impersonation_change", args=(Impersonation.objects.get().pk,))
    assert as_(operator).post(entry, {"reason": "x"}).status_code == 403
