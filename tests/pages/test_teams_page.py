"""Teams as pages: who is in one, and the matrix of their levels."""

import pytest

from accounts.models import Level, Team
from datastores.models import Datastore, TeamAccess
from orgs.models import Event
from tests import factories

PAGE = "/app/settings/teams"
HTMX = {"HX-Request": "true"}


@pytest.fixture
def team(org):
    return Team.objects.create(org=org, name="Ops")


def levels_of(team) -> dict[str, str]:
    return {access.datastore.name: access.get_level_display() for access in TeamAccess.objects.filter(team=team)}


def test_an_admin_makes_renames_and_deletes_a_team(as_, admin):
    client = as_(admin)
    assert b"Team Ops was made" in client.post(PAGE, {"do": "make", "name": "Ops"}, headers=HTMX).content
    team = Team.objects.get(name="Ops")
    assert b"There is a team &#x27;Ops&#x27; already" in client.post(PAGE, {"do": "make", "name": "Ops"}, headers=HTMX).content
    client.post(f"{PAGE}/{team.pk}", {"do": "rename", "name": "Operations"}, headers=HTMX)
    assert Team.objects.get(pk=team.pk).name == "Operations"
    answer = client.post(f"{PAGE}/{team.pk}", {"do": "remove"}, headers=HTMX)
    assert (answer["HX-Redirect"], Team.objects.filter(pk=team.pk).exists()) == (PAGE, False)


def test_the_matrix_sets_levels_and_leaves_the_rest(as_, admin, org, datastore, team):
    other = Datastore.objects.create(org=org, name="Warehouse")
    TeamAccess.objects.create(org=org, team=team, datastore=other, level=Level.AUTHOR)
    public = org.teams.get(is_public=True)
    said = {f"level-{team.pk}-{datastore.pk}": "5", f"level-{public.pk}-{datastore.pk}": "1", f"level-{public.pk}-{other.pk}": ""}
    answer = as_(admin).post(PAGE, {"do": "levels", **said}, headers=HTMX)
    assert b"The levels of 2 teams changed" in answer.content
    assert levels_of(team) == {"Metrics": "editor", "Warehouse": "author"}
    assert levels_of(public) == {"Metrics": "reporter"}
    assert b"Nothing was different" in as_(admin).post(PAGE, {"do": "levels", **said}, headers=HTMX).content
    assert Event.objects.filter(type="team").count() == 2


def test_a_manager_changes_levels_only_where_an_editor(as_, manager, org, datastore, team):
    other = Datastore.objects.create(org=org, name="Warehouse")
    page = as_(manager).get(PAGE)
    cells = {cell.datastore.name for row in page.context["rows"] for cell in row.cells}
    assert cells == {"Metrics"}
    as_(manager).post(PAGE, {"do": "levels", f"level-{team.pk}-{datastore.pk}": "2", f"level-{team.pk}-{other.pk}": "5"}, headers=HTMX)
    assert levels_of(team) == {"Metrics": "viewer"}


def test_a_manager_without_the_level_is_refused_and_nothing_changes(as_, org, datastore, team):
    manager = factories.make_user(org, "Mo", role="manager", level=Level.VIEWER, datastore=datastore)
    answer = as_(manager).post(PAGE, {"do": "levels", f"level-{team.pk}-{datastore.pk}": "5"}, headers=HTMX)
    assert b"needs the level editor there" in answer.content
    assert levels_of(team) == {}
    assert b"disabled" in as_(manager).get(PAGE).content


@pytest.mark.parametrize("level", ["9", "x", "-1"])
def test_a_level_that_there_is_not_takes_nothing_in(as_, admin, datastore, team, level):
    as_(admin).post(PAGE, {"do": "levels", f"level-{team.pk}-{datastore.pk}": level}, headers=HTMX)
    assert levels_of(team) == {}


def test_members_are_chosen(as_, admin, viewer, outsider, team):
    client = as_(admin)
    assert b"Saved." in client.post(f"{PAGE}/{team.pk}", {"do": "members", "members": [viewer.pk, admin.pk]}, headers=HTMX).content
    assert set(team.members.all()) == {viewer, admin}
    answer = client.post(f"{PAGE}/{team.pk}", {"do": "members", "members": [outsider.pk]}, headers=HTMX)
    assert b'id="members_members_error"' in answer.content
    assert set(team.members.all()) == {viewer, admin}


def test_the_public_team_keeps_its_name_and_members(as_, admin, org):
    public = org.teams.get(is_public=True)
    client = as_(admin)
    for said in ({"do": "rename", "name": "All"}, {"do": "remove"}):
        assert b"its name and its members are fixed" in client.post(f"{PAGE}/{public.pk}", said, headers=HTMX).content
    assert org.teams.get(is_public=True).name == "Public"


def test_a_manager_neither_renames_nor_chooses_members(as_, manager, team):
    for what in ("rename", "members", "remove"):
        assert as_(manager).post(f"{PAGE}/{team.pk}", {"do": what, "name": "New"}).status_code == 403
    assert Team.objects.get(pk=team.pk).name == "Ops"


def test_teams_of_others_are_404_and_members_do_not_look(as_, admin, viewer, other_org, team):
    theirs = Team.objects.create(org=other_org, name="Theirs")
    assert as_(admin).get(f"{PAGE}/{theirs.pk}").status_code == 404
    assert as_(admin).post(f"{PAGE}/{theirs.pk}", {"do": "remove"}).status_code == 404
    assert as_(viewer).get(PAGE).status_code == 403
    assert as_(viewer).get(f"{PAGE}/{team.pk}").status_code == 403


def test_queries_do_not_grow(as_, admin, org, queries_of, team):
    client = as_(admin)
    few = queries_of(lambda: client.get(PAGE)), queries_of(lambda: client.get(f"{PAGE}/{team.pk}"))
    for number in range(15):
        factories.grant(factories.make_user(org), Datastore.objects.create(org=org, name=f"Store {number}"), Level.VIEWER)
    assert (queries_of(lambda: client.get(PAGE)), queries_of(lambda: client.get(f"{PAGE}/{team.pk}"))) == few
