"""/api/service-accounts: programs that act through tokens, with a role and teams like anybody."""

from datetime import datetime, timedelta

import pytest
from django.contrib.auth import authenticate
from django.utils import timezone

from accounts.models import Level, PersonalToken, User
from tests import factories
from tests.api.conftest import client_with

pytestmark = pytest.mark.django_db


@pytest.fixture
def robot(org):
    return factories.make_user(org, "CI", is_service=True)


def test_one_is_made_with_a_role_teams_and_a_token_that_works(as_, admin, org, datastore):
    team = factories.grant(factories.make_user(org), datastore, Level.AUTHOR)
    client = as_(admin)
    answer = client.post("/api/service-accounts", {"name": "CI", "description": "Deploys", "teams": [team.pk]})
    robot = User.objects.get(name="CI")
    assert (answer.status_code, answer["Location"]) == (201, f"/api/service-accounts/{robot.pk}")
    shown = answer.json()
    assert set(shown) == {"id", "name", "role", "is_active", "teams", "created", "description", "last_used", "usage"}
    assert (shown["role"], shown["description"], shown["usage"]) == ("member", "Deploys", "unused")
    assert [one["name"] for one in shown["teams"]] == ["Public", team.name]
    token = client.post(f"/api/service-accounts/{robot.pk}/tokens", {"name": "ci", "scopes": ["write"]})
    assert (token.status_code, token.json()["user"]) == (201, {"id": robot.pk, "name": "CI", "is_service": True})
    anomaly = factories.make_anomaly(factories.make_metric(datastore))
    acting = client_with(token.json()["token"])
    assert acting.put(f"/api/anomalies/{anomaly.pk}", {"status": "Acknowledged"}).status_code == 200
    assert anomaly.changes.get().user == robot
    assert acting.get("/api/users/me").json()["is_service"] is True


def test_nobody_logs_in_as_a_service_account(robot, client):
    robot.set_password(factories.PASSWORD)
    robot.save()
    assert authenticate(username=robot.email, password=factories.PASSWORD) is None
    assert client.login(username=robot.email, password=factories.PASSWORD) is False


def test_its_use_is_shown(as_, admin, robot):
    client, before = as_(admin), timezone.now()
    client_with(factories.make_personal_token(robot)).get("/api/users/me")
    shown = client.get(f"/api/service-accounts/{robot.pk}").json()
    assert shown["usage"] == "active"
    assert before - timedelta(seconds=1) < datetime.fromisoformat(shown["last_used"]) <= timezone.now()
    PersonalToken.objects.filter(user=robot).update(last_used="2026-01-01T00:00Z")
    assert client.get("/api/service-accounts?sort_last_used=desc").json()["items"][0]["usage"] == "idle"


def test_its_tokens_are_listed_and_ended_by_an_admin(as_, admin, manager, robot):
    secret = factories.make_personal_token(robot)
    listed = as_(manager).get(f"/api/service-accounts/{robot.pk}/tokens")
    assert (listed["X-Total-Count"], [one["prefix"] for one in listed.json()]) == ("1", [secret[:12]])
    path = f"/api/user-tokens/{listed.json()[0]['id']}"
    assert as_(manager).put(path, {"revoked": True}).status_code == 404
    assert as_(admin).put(path, {"revoked": True}).status_code == 200
    assert client_with(secret).get("/api/users/me").status_code == 401


@pytest.mark.parametrize("way", ["deactivate", "delete"])
def test_its_tokens_end_with_it(as_, admin, robot, way):
    acting, path = client_with(factories.make_personal_token(robot)), f"/api/service-accounts/{robot.pk}"
    assert acting.get("/api/users/me").status_code == 200
    answer = as_(admin).delete(path) if way == "delete" else as_(admin).put(path, {"is_active": False})
    assert answer.status_code == (204 if way == "delete" else 200)
    assert acting.get("/api/users/me").status_code == 401


@pytest.mark.parametrize(("who", "read", "write"), [("stranger", 403, 403), ("manager", 200, 403), ("outsider", 404, 404)])
def test_only_an_admin_changes_one(as_, cast, robot, who, read, write):
    client, path = as_(cast[who]), f"/api/service-accounts/{robot.pk}"
    assert client.get(path).status_code == read
    for answer in (client.put(path, {"name": "x"}), client.delete(path), client.post(f"{path}/tokens", {"name": "x"})):
        assert answer.status_code == write
    assert (User.objects.get(pk=robot.pk).name, PersonalToken.objects.filter(user=robot).count()) == ("CI", 0)


def test_teams_are_replaced_and_those_of_others_are_not_there(as_, admin, org, datastore, other_org, robot):
    first, second = (factories.grant(factories.make_user(org, name), datastore, 2) for name in ("One", "Two"))
    client, path = as_(admin), f"/api/service-accounts/{robot.pk}"
    for team in (first, second):
        shown = client.put(path, {"teams": [team.pk]}).json()
        assert [one["id"] for one in shown["teams"]][1:] == [team.pk]
    theirs = other_org.teams.get()
    refused = client.put(path, {"teams": [second.pk, theirs.pk]})
    assert (refused.status_code, refused.json()["errors"][0]["loc"]) == (422, ["body", "teams", 1])
    assert list(robot.teams.all()) == [second]


def test_a_person_is_no_service_account(as_, admin, viewer):
    assert as_(admin).get(f"/api/service-accounts/{viewer.pk}").status_code == 404


def test_one_made_twice_with_a_key_is_made_once(as_, admin):
    client, headers = as_(admin), {"Idempotency-Key": "one"}
    answers = [client.post("/api/service-accounts", {"name": "CI"}, headers=headers).json()["id"] for _ in range(2)]
    assert answers == [User.objects.services().get().pk] * 2


@pytest.mark.parametrize(
    ("body", "loc"), [({}, "name"), ({"name": "x", "email": "a@b.c"}, "email"), ({"name": "x", "role": "king"}, "role")]
)
def test_what_does_not_do_is_named_and_nothing_is_made(as_, admin, body, loc):
    answer = as_(admin).post("/api/service-accounts", body)
    assert (answer.status_code, answer.json()["errors"][0]["loc"]) == (422, ["body", loc])
    assert User.objects.services().count() == 0


def test_query_counts_do_not_grow_with_the_accounts(as_, admin, org, same_queries):
    client = as_(admin)
    client.get("/api/service-accounts")
    for number in range(20):
        factories.make_personal_token(factories.make_user(org, f"R{number}", is_service=True))
    answer = same_queries("GET /api/service-accounts, 20 rows", lambda: client.get("/api/service-accounts"))
    assert len(answer.json()["items"]) == 20
