"""Two who give the same name at the same time: the one who comes second is told so, and nothing breaks."""

import pytest
from django.db import transaction

from accounts.models import Team
from anomalies.models import Flow, SavedView, Tag
from anomalies.services import flows, saved_views
from anomalies.services.tags import change_tag, delete_tag
from datastores import teams
from orgs.errors import Conflict, NotFound
from orgs.tenancy import within
from tests import factories
from tests.anomalies.test_tag_locks import beside, until_somebody_waits

pytestmark = pytest.mark.django_db(transaction=True)
FLOW = {"name": "Same", "action": "delete", "inactivity": "week"}


@pytest.fixture
def admin():
    return factories.make_user(factories.make_org("Acme", slug="acme"), "Ada Admin", role="admin")


def in_their_way(admin, kind, first, second) -> list[Exception]:
    """What `second` ends with, who comes while `first` is not committed yet."""
    with within(admin.org_id):
        with transaction.atomic():
            first()
            thread, ended = beside(admin.org, second)
            until_somebody_waits()
        thread.join(240)
        assert kind.objects.filter(name="Same").count() == 1
    return ended


def test_a_flow(admin):
    (told,) = in_their_way(admin, Flow, lambda: flows.create_flow(admin, FLOW), lambda: flows.create_flow(admin, FLOW))
    assert (type(told), str(told)) == (Conflict, "There is a flow named 'Same' already.")


def test_a_view(admin):
    def make(name):
        return saved_views.create_view(admin, name=name, query="", team_id=None, default=False)

    with within(admin.org_id):
        view, other = make("One"), make("Other")
    (told,) = in_their_way(
        admin,
        SavedView,
        lambda: saved_views.change_view(view, user=admin, name="Same"),
        lambda: saved_views.change_view(other, user=admin, name="Same"),
    )
    assert (type(told), str(told)) == (Conflict, "You have a view named 'Same' already.")


def test_a_team(admin):
    def make():
        return teams.create_team(admin.org_id, name="Same", members=(), access=(), actor=admin)

    (told,) = in_their_way(admin, Team, make, make)
    assert (type(told), str(told)) == (Conflict, "There is a team 'Same' already.")


@pytest.mark.parametrize(("do", "what"), [(change_tag, {"color": "#000000"}), (delete_tag, {})])
def test_a_tag_that_goes_meanwhile(admin, do, what):
    with within(admin.org_id):
        tag = Tag.objects.create(org=admin.org, name="High")
        Tag.objects.filter(pk=tag.pk).delete()
        with pytest.raises(NotFound, match="deleted meanwhile"):
            do(tag, user=admin, **what)
