"""Saved views and columns in the inbox."""

import pytest

from accounts.models import Team, TeamMember
from anomalies.models import DefaultView, SavedView
from tests import factories
from tests.pages.conftest import spike

VIEWS = "/app/inbox/views"


def save(client, **data):
    return client.post(VIEWS, {"do": "create", "list": "status=Active", **data}, follow=True)


def views(answer) -> list[tuple[str, bool, bool, str, str]]:
    return [(view.name, view.current, view.default, view.shared, view.owner) for view in answer.context["views"].views]


@pytest.fixture
def team(org, viewer, author) -> Team:
    made = Team.objects.create(org=org, name="Night shift")
    for user in (viewer, author):
        TeamMember.objects.create(org=org, team=made, user=user)
    return made


def test_a_list_is_saved_under_a_name(as_, viewer, anomaly):
    answer = save(as_(viewer), name=" On call ", list="status=Active&page=3")
    assert answer.redirect_chain == [("/app/inbox?status=Active", 302)]
    assert "Saved as “On call”." in answer.content.decode()
    assert views(answer) == [("On call", True, False, "", "")]
    view = SavedView.objects.get()
    assert (view.user, view.name, view.query, view.team) == (viewer, "On call", "status=Active", None)


def test_a_shared_view_is_seen_by_the_team_alone(as_, viewer, author, reporter, team):
    save(as_(viewer), name="Nights", team=team.pk)
    assert views(as_(author).get("/app/inbox?all")) == [("Nights", False, False, "Night shift", "Vic Viewer")]
    assert views(as_(reporter).get("/app/inbox?all")) == []


def test_the_inbox_begins_with_the_default_view(as_, viewer, metric):
    spike(metric, status="Acknowledged")
    client = as_(viewer)
    save(client, name="On call", list="status=Acknowledged&sort_weight=desc", default="1")
    answer = client.get("/app/inbox", follow=True)
    assert answer.redirect_chain == [("/app/inbox?status=Acknowledged&sort_weight=desc", 302)]
    assert views(answer) == [("On call", True, True, "", "")]
    assert client.get("/app/inbox?all").status_code == 200
    client.post(VIEWS, {"do": "default", "id": SavedView.objects.get().pk, "default": "0"})
    assert (DefaultView.objects.count(), client.get("/app/inbox").status_code) == (0, 200)


def test_a_view_is_renamed_and_takes_another_list(as_, viewer, team):
    client = as_(viewer)
    save(client, name="On call")
    view = SavedView.objects.get()
    client.post(VIEWS, {"do": "rename", "id": view.pk, "name": "Nights", "team": team.pk, "list": "archived=only"})
    view.refresh_from_db()
    assert (view.name, view.team, view.query) == ("Nights", team, "status=Active")
    client.post(VIEWS, {"do": "rename", "id": view.pk, "name": "Nights", "replace": "1", "list": "archived=only"})
    view.refresh_from_db()
    assert (view.team, view.query) == (None, "archived=only")


def test_a_view_is_deleted(as_, viewer):
    client = as_(viewer)
    save(client, name="On call")
    client.post(VIEWS, {"do": "delete", "id": SavedView.objects.get().pk})
    assert SavedView.objects.count() == 0


def test_a_view_of_another_is_not_changed_and_not_deleted(as_, viewer, author, outsider, team):
    save(as_(viewer), name="Nights", team=team.pk)
    view = SavedView.objects.get()
    for data in ({"do": "rename", "name": "Mine"}, {"do": "delete"}):
        answer = as_(author).post(VIEWS, {"id": view.pk, **data}, follow=True)
        assert "This view is somebody else&#x27;s." in answer.content.decode()
        assert as_(outsider).post(VIEWS, {"id": view.pk, **data}).status_code == 404
    view.refresh_from_db()
    assert view.name == "Nights"


@pytest.mark.parametrize(
    ("data", "says"),
    [({"name": ""}, "Give the view a name"), ({"name": "x" * 101}, "Give the view a name"), ({"name": "Taken"}, "You have a view named"),
     ({"name": "New", "team": "999999"}, "You are in no such team."), ({"name": "New", "do": "dance"}, "There is no such step.")],
)  # fmt: skip
def test_what_does_not_do_is_said_and_nothing_is_saved(as_, viewer, data, says):
    client = as_(viewer)
    save(client, name="Taken")
    assert says in save(client, **data).content.decode()
    assert SavedView.objects.count() == 1


def test_a_demo_visitor_saves_nothing(as_, org, datastore):
    visitor = factories.make_user(org, "Dora Demo", level=factories.Level.VIEWER, datastore=datastore, is_demo=True)
    client = as_(visitor)
    assert b"Save this list" not in client.get("/app/inbox?all").content
    assert client.post(VIEWS, {"do": "create", "name": "Mine"}).status_code == 403
    assert client.post("/app/inbox/columns", {"column": ["age"]}).status_code == 403
    visitor.refresh_from_db()
    assert (SavedView.objects.count(), visitor.inbox_columns) == (0, None)


def test_the_views_take_the_same_queries_however_many(as_, viewer, queries_of, anomaly):
    client = as_(viewer)
    save(client, name="0")
    few = queries_of(lambda: client.get("/app/inbox?all"))
    for number in range(1, 12):
        save(client, name=str(number))
    assert queries_of(lambda: client.get("/app/inbox?all")) == few


def test_columns_are_chosen_and_kept(as_, viewer, anomaly):
    client = as_(viewer)
    assert client.get("/app/inbox").context["page"].columns == ("weight", "evidence", "source", "status", "tags", "assignees", "age")
    data = {"column": ["age", "number", "nonsense"], "list": "status=Active&page=2"}
    answer = client.post("/app/inbox/columns", data, follow=True)
    assert answer.redirect_chain == [("/app/inbox?status=Active", 302)]
    viewer.refresh_from_db()
    assert viewer.inbox_columns == ["number", "age"]
    page = client.get("/app/inbox").content.decode()
    assert (f'<td class="end mute">#{anomaly.pk}</td>' in page, "<th>Tags</th>" in page) == (True, False)
    client.post("/app/inbox/columns", {"usual": "1"})
    viewer.refresh_from_db()
    assert viewer.inbox_columns is None
