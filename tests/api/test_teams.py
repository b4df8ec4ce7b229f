"""/api/teams: who is in one, what it may do where, and that a person's level is the highest of their teams'."""

import pytest
from django.db import transaction

from accounts.models import Level, Team, TeamMember, User
from accounts.teams import set_members
from datastores.models import Datastore, TeamAccess
from datastores.teams import Grant, set_access
from orgs.models import Event
from orgs.tenancy import within
from tests import factories
from tests.waiting import beside, until_somebody_waits

pytestmark = pytest.mark.django_db


@pytest.fixture
def team(org, datastore, viewer):
    return viewer.teams.get()


def state(team: Team) -> tuple:
    rows = TeamAccess.objects.filter(team=team).order_by("datastore").values_list("datastore", "level")
    return Team.objects.get(pk=team.pk).name, sorted(TeamMember.objects.filter(team=team).values_list("user", flat=True)), list(rows)


def test_an_admin_makes_a_team_with_members_and_levels(as_, admin, viewer, datastore):
    sent = {"name": "Night shift", "members": [viewer.pk], "access": [{"datastore": datastore.pk, "level": "author"}]}
    answer = as_(admin).post("/api/teams", sent)
    team = Team.objects.get(name="Night shift")
    assert (answer.status_code, answer["Location"]) == (201, f"/api/teams/{team.pk}")
    assert answer.json() == {
        "id": team.pk,
        "name": "Night shift",
        "is_public": False,
        "members": [{"id": viewer.pk, "name": "Vic Viewer", "is_service": False}],
        "access": [{"datastore": {"id": datastore.pk, "name": "Metrics"}, "level": "author"}],
    }
    assert as_(viewer).get(f"/api/datastores/{datastore.pk}").json()["level"] == "author"


def test_the_public_team_holds_everyone_and_its_level_is_everybodys(as_, admin, stranger, datastore):
    public = admin.org.teams.get(is_public=True)
    client, path = as_(admin), f"/api/teams/{public.pk}"
    assert [member["id"] for member in client.get(path).json()["members"]] == [admin.pk, stranger.pk]
    assert as_(stranger).get(f"/api/datastores/{datastore.pk}").status_code == 404
    assert client.put(path, {"access": [{"datastore": datastore.pk, "level": "viewer"}]}).status_code == 200
    assert as_(stranger).get(f"/api/datastores/{datastore.pk}").json()["level"] == "viewer"


@pytest.mark.parametrize("body", [{"name": "All"}, {"members": []}])
def test_the_name_and_the_members_of_the_public_team_are_fixed(as_, admin, body):
    public = admin.org.teams.get(is_public=True)
    client, before = as_(admin), state(public)
    assert client.put(f"/api/teams/{public.pk}", body).status_code == 409
    assert client.delete(f"/api/teams/{public.pk}").status_code == 409
    assert state(public) == before


@pytest.mark.parametrize("levels", [(1, 4, 2), (5, 1), (3,)])
def test_the_level_of_a_person_is_the_highest_of_their_teams(as_, org, stranger, datastore, levels):
    for level in levels:
        factories.grant(stranger, datastore, level)
    assert as_(stranger).get("/api/datastores").json()["items"][0]["level"] == Level(max(levels)).label
    held = [level for level in Level if datastore in Datastore.objects.visible_to(stranger, level=level)]
    assert held == [level for level in Level if level <= max(levels)]


def test_an_admin_has_every_level_without_any_team(as_, admin, datastore):
    assert as_(admin).get("/api/datastores").json()["items"][0]["level"] == "editor"


@pytest.mark.parametrize(("who", "status"), [("stranger", 403), ("editor", 403), ("manager", 403), ("outsider", 404), ("admin", 200)])
def test_only_an_admin_renames_fills_and_deletes(as_, cast, team, who, status):
    before, client, path = state(team), as_(cast[who]), f"/api/teams/{team.pk}"
    assert client.put(path, {"name": "Mine"}).status_code == status
    assert client.put(path, {"members": []}).status_code == status
    assert (state(team) == before) is (status != 200)
    assert client.delete(path).status_code == (204 if status == 200 else status)
    assert Team.objects.filter(pk=team.pk).exists() is (status != 200)


def test_a_token_without_the_scope_admin_changes_levels_and_no_names(as_, admin, team, datastore):
    client, path, before = as_(admin, "write"), f"/api/teams/{team.pk}", state(team)
    assert client.put(path, {"name": "Mine"}).status_code == 403
    assert state(team) == before
    assert client.put(path, {"access": []}).status_code == 200
    assert state(team)[2] == []


def test_a_manager_changes_levels_only_where_an_editor(as_, org, manager, team, datastore):
    other = org.datastores.create(org=org, name="Other")
    factories.grant(manager, other, Level.AUTHOR)
    client, path, before = as_(manager), f"/api/teams/{team.pk}", state(team)
    theirs = {"datastore": datastore.pk, "level": "drafter"}
    refused = client.put(path, {"access": [theirs, {"datastore": other.pk, "level": "editor"}]})
    assert (refused.status_code, refused.json()["type"]) == (403, "/problems/forbidden")
    assert state(team) == before
    assert client.put(path, {"access": [theirs]}).json()["access"][0]["level"] == "drafter"
    assert state(team)[2] == [(datastore.pk, 3)]


def test_a_manager_leaves_alone_what_they_do_not_see(as_, org, manager, team, datastore):
    hidden = org.datastores.create(org=org, name="Hidden")
    TeamAccess.objects.create(org=org, team=team, datastore=hidden, level=4)
    assert as_(manager).put(f"/api/teams/{team.pk}", {"access": []}).status_code == 200
    assert state(team)[2] == [(hidden.pk, 4)]


def test_people_and_datastores_of_another_org_are_not_there(as_, admin, outsider, other_datastore, team):
    client, before = as_(admin), state(team)
    for body, loc in [
        ({"members": [admin.pk, outsider.pk]}, ["body", "members", 1]),
        ({"access": [{"datastore": other_datastore.pk, "level": "viewer"}]}, ["body", "access", 0]),
    ]:
        for answer in (client.put(f"/api/teams/{team.pk}", body), client.post("/api/teams", {"name": "New", **body})):
            assert (answer.status_code, [error["loc"] for error in answer.json()["errors"]]) == (422, [loc])
    assert state(team) == before
    assert not Team.objects.filter(name="New").exists()


@pytest.mark.parametrize(
    ("body", "loc", "code"),
    [
        ({"name": ""}, ["body", "name"], "blank"),
        ({"members": ["Vic"]}, ["body", "members", 0], "invalid"),
        ({"access": [{"datastore": 1}]}, ["body", "access", 0, "level"], "required"),
        ({"access": [{"datastore": 1, "level": "owner"}]}, ["body", "access", 0, "level"], "invalid_choice"),
        ({"access": [{"datastore": 1, "level": "viewer"}, {"datastore": 1, "level": "author"}]}, ["body", "access"], "duplicate"),
        ({"is_public": True}, ["body", "is_public"], "unknown_field"),
    ],
)
def test_what_does_not_do_is_named_and_nothing_changes(as_, admin, team, body, loc, code):
    before = state(team)
    answer = as_(admin).put(f"/api/teams/{team.pk}", body)
    assert (answer.status_code, answer.json()["errors"][0]["loc"], answer.json()["errors"][0]["code"]) == (422, loc, code)
    assert state(team) == before


def test_a_name_is_taken_once_per_org(as_, admin, team, other_org):
    Team.objects.create(org=other_org, name="Theirs")
    client = as_(admin)
    assert client.post("/api/teams", {"name": team.name}).status_code == 409
    assert client.post("/api/teams", {"name": "Theirs"}).status_code == 201
    assert client.put(f"/api/teams/{team.pk}", {"name": "Public"}).status_code == 409


def test_a_stale_version_changes_nothing(as_, admin, team):
    client, path = as_(admin), f"/api/teams/{team.pk}"
    etag = client.get(path)["ETag"]
    assert client.put(path, {"name": "One"}, headers={"If-Match": etag}).status_code == 200
    assert client.delete(path, headers={"If-Match": etag}).status_code == 412
    assert state(team)[0] == "One"


def test_changes_are_told_once(as_, admin, stranger, team, datastore):
    client, path = as_(admin), f"/api/teams/{team.pk}"
    body = {"members": [stranger.pk], "access": [{"datastore": datastore.pk, "level": "editor"}]}
    for _ in range(2):
        assert client.put(path, body).status_code == 200
    told = list(Event.objects.order_by("pk").values_list("type", "name", "user"))
    name = team.name
    assert told == [
        ("team", f"Team {name}: 1 joined, 1 left", admin.pk),
        ("team", f"Team {name}: levels changed on 1 datastores", admin.pk),
    ]


def test_the_list_is_filtered(as_, manager, viewer, datastore):
    client = as_(manager)
    assert [item["name"] for item in client.get("/api/teams?is_public=true").json()["items"]] == ["Public"]
    assert [item["name"] for item in client.get("/api/teams?search=vic").json()["items"]] == [viewer.teams.get().name]
    assert client.get(f"/api/teams?datastore={datastore.pk}").json()["total"] == 2


def test_query_counts_do_not_grow_with_the_teams(as_, admin, org, datastore, same_queries):
    client = as_(admin)
    client.get("/api/teams")
    for number in range(20):
        factories.grant(factories.make_user(org, f"P{number}"), datastore, 1)
    answer = same_queries("GET /api/teams, 21 rows", lambda: client.get("/api/teams"))
    assert len(answer.json()["items"]) == 21


@pytest.mark.django_db(transaction=True)
def test_of_two_who_say_at_once_who_is_in_a_team_and_what_it_may_the_later_has_the_last_word():
    org = factories.make_org("Acme", slug="acme")
    admin, second = (factories.make_user(org, name, role="admin") for name in ("Ada Admin", "Sue Second"))
    team, datastore = Team.objects.create(org=org, name="Ops"), org.datastores.get()
    TeamAccess.objects.create(org=org, team=team, datastore=datastore, level=Level.VIEWER)

    def say(level: Level, *members: User) -> None:
        with transaction.atomic():
            set_members(team, [one.pk for one in members], actor_id=admin.pk)
            set_access(team, [Grant(datastore.pk, level)], actor=admin)

    with within(org.pk), transaction.atomic():
        say(Level.EDITOR, admin)
        thread, ended = beside(org, lambda: say(Level.AUTHOR, admin, second))
        until_somebody_waits()
    thread.join(240)
    assert (ended, [access.level for access in TeamAccess.objects.filter(team=team)]) == ([], [Level.AUTHOR])
    assert set(team.members.all()) == {admin, second}
