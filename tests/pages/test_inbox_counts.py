"""What is counted around a list is counted once, and anew once anything that it shows has changed."""

from contextlib import contextmanager

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import Level, User
from anomalies import kept_lists
from anomalies.models import Anomaly, Tag
from datastores.models import Container, Datastore
from tests import factories
from tests.pages.conftest import spike

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def world(as_, monkeypatch):
    """Two anomalies of a table, one of them tagged and of a person, and the browser of somebody who sees them; whatever is read is kept."""
    monkeypatch.setattr(kept_lists, "WORTH_S", 0.0)
    org = factories.make_org("Acme", slug="acme")
    datastore = org.datastores.get()
    container = Container.objects.create(org=org, datastore=datastore, name="orders")
    metric = factories.make_metric(datastore, "checkout")
    found, other = (spike(metric, kind=kind, container=container) for kind in ("a", "b"))
    viewer = factories.make_user(org, "Vic Viewer", level=Level.VIEWER, datastore=datastore)
    factories.put_tag(found, "High")
    factories.assign(found, factories.make_user(org, "Alice Lee", level=Level.VIEWER, datastore=datastore))
    return found, other, as_(viewer)


def shown(browser, query: str = "all") -> dict:
    """Facets with names and counts, tabs with counts, the newest."""
    sidebar = browser.get(f"/app/inbox?{query}").context["page"].sidebar
    boxes = {box.label: [(one.label, one.count) for one in box.choices] for box in sidebar.facets}
    return {**boxes, "tabs": [(tab.label, tab.count) for tab in sidebar.tabs], "newest": sidebar.newest}


@contextmanager
def counting():
    """How often facets were counted: the number is there at the end."""
    times = []
    with CaptureQueriesContext(connection) as captured:
        yield times
    times.append(sum("cells_of_found_0" in query["sql"] for query in captured.captured_queries))


def test_what_is_around_a_list_is_counted_once_however_it_is_sorted(world):
    found, other, browser = world
    name = found.datastore.name
    with counting() as times:
        first = shown(browser)
        again = [shown(browser, query) for query in ("all", "sort_weight=desc", "page=1&size=10")]
    assert first == {
        "Type": [("metric", "2")], "Datastore": [(name, "2")], "Assignee": [("Alice Lee", "1"), ("Nobody", "1")], "Tag": [("High", "1")],
        "Table": [("orders", "2")], "tabs": [("Open", "2"), ("Snoozed", "0"), ("Archived", "0")], "newest": other.pk,
    }  # fmt: skip
    assert (again, times) == ([first] * 3, [1])
    assert shown(browser, "tag=High")["tabs"] == [("Open", "1"), ("Snoozed", "0"), ("Archived", "0")]


ONE_ARCHIVED = [("Open", "1"), ("Snoozed", "0"), ("Archived", "1")]
CHANGES = {
    "datastore": (lambda found: Datastore.objects.filter(pk=found.datastore_id).update(name="Lake"), "Datastore", [("Lake", "2")]),
    "table": (lambda found: Container.objects.update(name="invoices"), "Table", [("invoices", "2")]),
    "person": (lambda found: User.objects.filter(name="Alice Lee").update(name="Al"), "Assignee", [("Al", "1"), ("Nobody", "1")]),
    "tag": (lambda found: Tag.objects.filter(name="High").update(name="Urgent"), "Tag", [("Urgent", "1")]),
    "status": (lambda found: Anomaly.objects.filter(pk=found.pk).update(status="Resolved"), "tabs", ONE_ARCHIVED),
    "gone": (lambda found: found.delete(), "Type", [("metric", "1")]),
}  # fmt: skip


@pytest.mark.parametrize(("change", "part", "after"), [pytest.param(*one, id=name) for name, one in CHANGES.items()])
def test_a_change_of_what_is_shown_is_counted_at_once(world, change, part, after):
    found, _, browser = world
    assert shown(browser)[part] != after
    change(found)
    assert shown(browser)[part] == after


def test_a_new_one_is_the_newest_at_once(world):
    found, other, browser = world
    assert shown(browser)["newest"] == other.pk
    new = spike(found.metric, kind="c")
    assert shown(browser)["newest"] == new.pk


def test_what_is_not_shown_is_not_counted_anew(world):
    found, _, browser = world
    before = shown(browser)
    User.objects.filter(name="Alice Lee").update(last_login=None, theme="dark")
    Datastore.objects.filter(pk=found.datastore_id).update(created=timezone.now())
    with counting() as times:
        assert shown(browser) == before
    assert times == [0]


def test_the_larger_panel_is_kept_too(world):
    _, _, browser = world
    with counting() as times:
        pages = [browser.get("/app/inbox/facets?all", headers={"HX-Request": "true"}).content for _ in range(2)]
    assert (pages[0] == pages[1], b"Alice Lee" in pages[0], times) == (True, True, [1])
