"""/api/users and /api/users/me: who is there, who may change whom, and that one admin always stays."""

import threading

import pytest
from django.db import connection

from accounts.models import PersonalToken, Role, TeamMember, User
from orgs.models import Event
from tests import factories

pytestmark = pytest.mark.django_db
FIELDS = {"id", "name", "role", "is_active", "teams", "created", "email", "is_demo", "last_login"}


def state(user: User) -> tuple:
    now = User.objects.get(pk=user.pk)
    return now.name, now.role, now.is_active, Event.objects.filter(org=now.org).count()


def test_a_manager_lists_the_people_of_the_org_by_name(as_, cast):
    body = as_(cast["manager"]).get("/api/users").json()
    assert [item["name"] for item in body["items"]] == sorted(user.name for word, user in cast.items() if word != "outsider")
    assert body["total"] == 8
    assert set(body["items"][0]) == FIELDS


def test_everybody_is_in_the_public_team_and_in_their_own(as_, admin, viewer, stranger):
    people = {item["id"]: [team["name"] for team in item["teams"]] for item in as_(admin).get("/api/users").json()["items"]}
    assert people[stranger.pk] == ["Public"]
    assert people[viewer.pk] == ["Public", viewer.teams.get().name]


def test_service_accounts_are_no_people(as_, admin):
    robot = factories.make_user(admin.org, "Robot", is_service=True)
    client = as_(admin)
    assert [item["id"] for item in client.get("/api/users").json()["items"]] == [admin.pk]
    assert client.get(f"/api/users/{robot.pk}").status_code == 404


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("search=vic", ["Vic Viewer"]),
        ("search=vic.viewer", ["Vic Viewer"]),
        ("role=admin,manager", ["Ada Admin", "Max Manager"]),
        ("is_active=false", []),
        ("sort_name=desc&size=2", ["Vic Viewer", "Sam Stranger"]),
    ],
)
def test_the_list_is_filtered_and_sorted(as_, cast, query, names):
    answer = as_(cast["admin"]).get(f"/api/users?{query}")
    assert [item["name"] for item in answer.json()["items"]] == names


def test_the_list_knows_the_members_of_a_team(as_, admin, viewer, stranger):
    client, team = as_(admin), viewer.teams.get()
    assert [item["id"] for item in client.get(f"/api/users?team={team.pk}").json()["items"]] == [viewer.pk]
    public = viewer.org.teams.get(is_public=True)
    assert client.get(f"/api/users?team={public.pk}").json()["total"] == 3


@pytest.mark.parametrize(
    ("query", "name"), [("rank=1", "rank"), ("role=king", "role"), ("is_active=1", "is_active"), ("sort_id=asc", "sort_id")]
)
def test_an_unknown_filter_is_named(as_, admin, query, name):
    answer = as_(admin).get(f"/api/users?{query}")
    assert (answer.status_code, answer.json()["errors"][0]["loc"]) == (422, ["query", name])


@pytest.mark.parametrize(("who", "status"), [("stranger", 403), ("editor", 403), ("manager", 403), ("outsider", 404), ("admin", 200)])
def test_only_an_admin_changes_somebody(as_, cast, who, status):
    before = state(cast["viewer"])
    answer = as_(cast[who]).put(f"/api/users/{cast['viewer'].pk}", {"role": "manager"})
    assert answer.status_code == status
    assert (state(cast["viewer"]) == before) is (status != 200)


def test_a_change_is_shown_told_and_done_once(as_, admin, viewer):
    client = as_(admin)
    for _ in range(2):
        answer = client.put(f"/api/users/{viewer.pk}", {"role": "manager", "name": "Vic Victor"})
        assert (answer.status_code, answer.json()["role"], answer.json()["name"]) == (200, "manager", "Vic Victor")
    event = Event.objects.get()
    assert (event.type, event.name, event.user) == ("member", "Vic Victor: name, role changed", admin)


@pytest.mark.parametrize(
    ("body", "loc", "code"),
    [
        ({"role": "king"}, ["body", "role"], "invalid_choice"),
        ({"is_staff": True}, ["body", "is_staff"], "unknown_field"),
        ({"is_demo": True}, ["body", "is_demo"], "unknown_field"),
        ({"org": 1}, ["body", "org"], "unknown_field"),
        ({"name": ""}, ["body", "name"], "blank"),
        ({"name": "x" * 201}, ["body", "name"], "max_length"),
    ],
)
def test_what_does_not_do_is_named_and_nothing_changes(as_, admin, viewer, body, loc, code):
    before = state(viewer)
    answer = as_(admin).put(f"/api/users/{viewer.pk}", body)
    assert (answer.status_code, answer.json()["errors"][0]["loc"], answer.json()["errors"][0]["code"]) == (422, loc, code)
    assert state(viewer) == before


def test_a_stale_version_changes_nothing(as_, admin, viewer):
    client, path = as_(admin), f"/api/users/{viewer.pk}"
    etag = client.get(path)["ETag"]
    assert client.put(path, {"name": "One"}, headers={"If-Match": etag}).status_code == 200
    assert client.put(path, {"name": "Two"}, headers={"If-Match": etag}).status_code == 412
    assert state(viewer)[0] == "One"


@pytest.mark.parametrize("body", [{"role": "member"}, {"role": "manager"}, {"is_active": False}])
def test_the_last_admin_stays_an_active_admin(as_, admin, body):
    factories.make_user(admin.org, "Robot", role=Role.ADMIN, is_service=True)
    factories.make_user(admin.org, "Demo", role=Role.ADMIN, is_demo=True)
    factories.make_user(admin.org, "Gone", role=Role.ADMIN, is_active=False)
    before = state(admin)
    answer = as_(admin).put(f"/api/users/{admin.pk}", body)
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/conflict")
    assert state(admin) == before


def test_the_last_admin_cannot_leave(as_, admin):
    answer = as_(admin).delete(f"/api/users/{admin.pk}")
    assert (answer.status_code, answer.json()["detail"]) == (409, "This is the last admin of the org. Make somebody else an admin first.")
    assert User.objects.filter(pk=admin.pk).exists()


def test_an_admin_leaves_when_another_stays(as_, admin):
    second = factories.make_user(admin.org, "Ben Second", role=Role.ADMIN)
    assert as_(second).delete(f"/api/users/{second.pk}").status_code == 204
    assert list(User.objects.for_org(admin.org)) == [admin]
    assert Event.objects.get().name == "Ben Second left"


@pytest.mark.django_db(transaction=True)
def test_of_two_admins_who_leave_at_once_one_stays(as_, admin):
    second = factories.make_user(admin.org, "Ben Second", role=Role.ADMIN)
    clients, answers, start = {user.pk: as_(user) for user in (admin, second)}, [], threading.Barrier(2)

    def leave(pk: int) -> None:
        start.wait()
        answers.append(clients[pk].delete(f"/api/users/{pk}").status_code)
        connection.close()

    threads = [threading.Thread(target=leave, args=(user.pk,)) for user in (admin, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [204, 409]
    assert User.objects.for_org(admin.org).deciding_admins().count() == 1


def test_who_is_removed_leaves_what_they_did_without_their_name(as_, admin, author, datastore):
    anomaly = factories.make_anomaly(factories.make_metric(datastore))
    client = as_(author)
    client.put(f"/api/anomalies/{anomaly.pk}", {"status": "Acknowledged"})
    assert as_(admin).delete(f"/api/users/{author.pk}").status_code == 204
    assert client.get("/api/anomalies").status_code == 401
    assert (anomaly.changes.get().user, PersonalToken.objects.filter(user=author.pk).count()) == (None, 0)
    assert TeamMember.objects.filter(user=author.pk).count() == 0


def test_who_is_deactivated_is_out_at_once_with_token_and_session(as_, admin, viewer, client):
    by_token = as_(viewer)
    client.force_login(viewer)
    assert (by_token.get("/api/users/me").status_code, client.get("/api/users/me").status_code) == (200, 200)
    as_(admin).put(f"/api/users/{viewer.pk}", {"is_active": False})
    assert (by_token.get("/api/users/me").status_code, client.get("/api/users/me").status_code) == (401, 401)


def test_me_is_the_caller_with_their_org_and_the_scopes_of_the_token(as_, viewer, client):
    me = as_(viewer, "read").get("/api/users/me").json()
    assert set(me) == FIELDS | {"phone", "timezone", "theme", "is_service", "org", "scopes"}
    assert (me["id"], me["org"], me["scopes"]) == (viewer.pk, {"id": viewer.org_id, "name": "Acme", "timezone": "UTC"}, ["read"])
    client.force_login(viewer)
    assert client.get("/api/users/me").json()["scopes"] is None


def test_people_change_themselves_and_only_what_is_theirs(as_, viewer):
    client = as_(viewer)
    sent = {"name": "Vic", "timezone": "Europe/Berlin", "theme": "dark", "phone": "+4930123456"}
    answer = client.put("/api/users/me", sent)
    assert (answer.status_code, {name: answer.json()[name] for name in sent}) == (200, sent)
    refused = client.put("/api/users/me", {"role": "admin", "timezone": "Mars/Base", "phone": "030 1", "theme": "pink"})
    assert [error["loc"][1] for error in refused.json()["errors"]] == ["role"]
    refused = client.put("/api/users/me", {"timezone": "Mars/Base", "phone": "030 1", "theme": "pink"})
    assert sorted(error["loc"][1] for error in refused.json()["errors"]) == ["phone", "theme", "timezone"]
    assert User.objects.get(pk=viewer.pk).role == "member"


@pytest.mark.parametrize(("phone", "kept"), [("+49 30 123456", "+4930123456"), ("", ""), ("+49123", None), ("030 123456", None)])
def test_a_phone_number_is_one_that_there_can_be(as_, viewer, phone, kept):
    answer = as_(viewer).put("/api/users/me", {"phone": phone})
    if kept is None:
        assert [(error["loc"], error["code"]) for error in answer.json()["errors"]] == [(["body", "phone"], "invalid")]
    assert (answer.status_code, User.objects.get(pk=viewer.pk).phone) == (422 if kept is None else 200, kept or "")


def test_a_demo_user_reads_people_and_changes_nobody(as_, admin):
    demo = factories.make_user(admin.org, "Demo", is_demo=True)
    client = as_(demo)
    assert client.get("/api/users").json()["total"] == 2
    assert client.put("/api/users/me", {"name": "x"}).status_code == 403
    assert client.put(f"/api/users/{admin.pk}", {"name": "x"}).status_code == 403
    assert set(User.objects.for_org(admin.org).values_list("name", flat=True)) == {"Ada Admin", "Demo"}


def test_query_counts_do_not_grow_with_the_people(as_, admin, same_queries):
    client = as_(admin)
    client.get("/api/users")
    for number in range(30):
        factories.grant(factories.make_user(admin.org, f"P{number}"), admin.org.datastores.get(), 1)
    answer = same_queries("GET /api/users, 31 rows", lambda: client.get("/api/users"))
    assert len(answer.json()["items"]) == 31
