"""Lists of anomalies that people keep under a name."""

import pytest

from accounts.models import Team, TeamMember
from anomalies.models import DefaultView, SavedView
from anomalies.pages.views_menu import seen_by
from anomalies.services import saved_views

pytestmark = pytest.mark.django_db
ADDRESS = "/api/saved-views"


@pytest.fixture
def team(org, viewer, author) -> Team:
    team = Team.objects.create(org=org, name="Data")
    for user in (viewer, author):
        TeamMember.objects.create(org=org, team=team, user=user)
    return team


def saved(client, name: str = "Nightly", **fields) -> dict:
    answer = client.post(ADDRESS, {"name": name, "query": "status=Active&tag=High", **fields})
    assert answer.status_code == 201, answer.content
    return answer.json()


def begun_with(user) -> list[int]:
    user.__dict__.pop("anomaly_conditions", None)  # another request
    return [view.id for view in seen_by(user) if view.is_default]


def names(client, query: str = "") -> list[str]:
    return [one["name"] for one in client.get(f"{ADDRESS}?{query}").json()["items"]]


def test_a_view_is_kept_as_it_was_saved(as_, viewer):
    client = as_(viewer)
    view = saved(client, query="?status=Active&tag=High&page=3&tab=open")
    assert view == {
        "id": view["id"], "name": "Nightly", "query": "status=Active&tag=High&tab=open", "user": {"id": viewer.pk, "name": "Vic Viewer"},
        "team": None, "default": False, "created": view["created"], "updated": view["updated"],
    }  # fmt: skip
    assert client.get(f"{ADDRESS}/{view['id']}").json() == view
    assert client.get(ADDRESS).json()["items"] == [view]


def test_a_private_view_is_its_owners_alone(as_, viewer, admin, author, outsider):
    view = saved(as_(viewer))
    for user in (admin, author, outsider):
        client = as_(user)
        assert names(client) == []
        assert [call(f"{ADDRESS}/{view['id']}").status_code for call in (client.get, client.delete)] == [404, 404]
        assert client.put(f"{ADDRESS}/{view['id']}", {"name": "Mine"}).status_code == 404
    assert SavedView.objects.get().name == "Nightly"


def test_a_shared_view_is_seen_by_the_team_and_changed_by_its_owner(as_, viewer, author, editor, admin, team):
    view = saved(as_(viewer), team_id=team.pk)
    client, path = as_(author), f"{ADDRESS}/{view['id']}"
    assert client.get(path).json()["team"] == {"id": team.pk, "name": "Data"}
    assert (names(client, "mine=false"), names(client, "mine=true")) == (["Nightly"], [])
    assert [client.put(path, {"name": "Ours"}).status_code, client.delete(path).status_code] == [403, 403]
    assert as_(editor).get(path).status_code == 404
    assert as_(admin).delete(path).status_code == 204


def test_the_public_team_is_everybodys(as_, org, viewer, stranger, outsider):
    saved(as_(viewer), team_id=org.teams.get(is_public=True).pk)
    assert (names(as_(stranger)), names(as_(outsider))) == (["Nightly"], [])


def test_each_person_begins_with_one_view(as_, viewer, author, team):
    mine, ours = saved(as_(viewer), "Mine", default=True), saved(as_(viewer), "Ours", team_id=team.pk)
    client = as_(author)
    assert client.put(f"{ADDRESS}/{ours['id']}", {"default": True}).json()["default"] is True
    assert as_(viewer).get(f"{ADDRESS}/{ours['id']}").json()["default"] is False
    assert (begun_with(viewer), begun_with(author)) == ([mine["id"]], [ours["id"]])
    as_(viewer).put(f"{ADDRESS}/{ours['id']}", {"default": True})
    assert [one["default"] for one in as_(viewer).get(ADDRESS).json()["items"]] == [False, True]
    as_(viewer).put(f"{ADDRESS}/{ours['id']}", {"default": False})
    assert (begun_with(viewer), DefaultView.objects.count()) == ([], 1)
    as_(viewer).put(f"{ADDRESS}/{ours['id']}", {"team_id": None})
    assert begun_with(author) == []


def test_a_view_is_changed_field_by_field_and_deleted(as_, viewer, team):
    client = as_(viewer)
    view = saved(client)
    path = f"{ADDRESS}/{view['id']}"
    changed = client.put(path, {"query": "archived=only", "team_id": team.pk}).json()
    assert (changed["name"], changed["query"], changed["team"]["id"]) == ("Nightly", "archived=only", team.pk)
    assert client.put(path, {"name": "Nightly"}).json()["name"] == "Nightly"
    assert [client.delete(path).status_code, client.delete(path).status_code] == [204, 404]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"query": "status=Gone"}, "query"),
        ({"query": "datastore=x&status=Active"}, "query"),
        ({"query": "x" * 2001}, "query"),
        ({"query": ["status"]}, "query"),
        ({"team_id": 999999}, "team_id"),
        ({"team_id": "x"}, "team_id"),
        ({"default": "perhaps"}, "default"),
        ({"color": "red"}, "color"),
    ],
)
def test_nonsense_is_named_and_saves_nothing(as_, viewer, body, field):
    answer = as_(viewer).post(ADDRESS, {"name": "Nightly"} | body)
    assert (answer.status_code, answer.json()["errors"][0]["loc"]) == (422, ["body", field])
    assert SavedView.objects.count() == 0


def test_ones_own_names_are_taken_once_and_those_of_others_are_free(as_, viewer, author, monkeypatch):
    client = as_(viewer)
    saved(client)
    second = saved(client, "Second")
    saved(as_(author))
    assert client.post(ADDRESS, {"name": "Nightly"}).status_code == 409
    assert client.put(f"{ADDRESS}/{second['id']}", {"name": "Nightly"}).status_code == 409
    monkeypatch.setattr(saved_views, "MOST", 2)
    assert client.post(ADDRESS, {"name": "Third"}).status_code == 409


def test_a_team_of_others_is_not_shared_with(as_, org, viewer, admin):
    theirs = Team.objects.create(org=org, name="Theirs")
    assert as_(viewer).post(ADDRESS, {"name": "x", "team_id": theirs.pk}).status_code == 422
    assert saved(as_(admin), team_id=theirs.pk)["team"]["name"] == "Theirs"


def test_query_counts(as_, viewer, team, same_queries):
    client = as_(viewer)
    for number in range(20):
        saved(client, f"View {number}", team_id=team.pk)
    same_queries("GET /api/saved-views, 20 rows", lambda: client.get(ADDRESS))
    view = SavedView.objects.latest("pk").pk
    same_queries("GET /api/saved-views/{id}", lambda: client.get(f"{ADDRESS}/{view}"))
    same_queries("PUT /api/saved-views/{id}", lambda: client.put(f"{ADDRESS}/{view}", {"default": True}))
    same_queries("POST /api/saved-views", lambda: client.post(ADDRESS, {"name": "Another"}))
