"""The feed as a page: what is seen, found and posted."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from orgs.events import record_event
from orgs.models import Event
from tests import factories

PAGE = "/app/settings/events"
HTMX = {"HX-Request": "true"}


def names(answer) -> list[str]:
    return [event.name for event in answer.context["page"].rows]


@pytest.fixture
def feed(org, admin):
    day = datetime(2026, 3, 1, 12, tzinfo=UTC)
    told = (("deploy", "checkout 1"), ("alert", "sent"), ("deploy", "checkout 2"), ("settings", "Zone changed"))
    for number, (kind, name) in enumerate(told):
        record_event(org.pk, type=kind, name=name, timestamp=day + timedelta(days=number), user_id=admin.pk)


def test_it_is_newest_first(as_, viewer, feed):
    assert names(as_(viewer).get(PAGE)) == ["Zone changed", "checkout 2", "sent", "checkout 1"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("type=deploy", ["checkout 2", "checkout 1"]),
        ("type=deploy&type=alert", ["checkout 2", "sent", "checkout 1"]),
        ("search=CHECK", ["checkout 2", "checkout 1"]),
        ("since=2026-03-02&until=2026-03-03", ["checkout 2", "sent"]),
        ("since=2026-03-05", []),
        ("type=nonsense", []),
        ("since=nonsense", []),
        ("since=0001-01-01&until=9999-12-31", ["Zone changed", "checkout 2", "sent", "checkout 1"]),
    ],
)
def test_the_address_filters(as_, viewer, feed, query, found):
    answer = as_(viewer).get(f"{PAGE}?{query}")
    assert (answer.status_code, names(answer)) == (200, found)


def test_days_begin_at_the_readers_midnight(as_, viewer, feed):
    viewer.timezone = "Pacific/Auckland"  # 13 h ahead: what is told at noon UTC happened on the next day there
    viewer.save()
    assert names(as_(viewer).get(f"{PAGE}?since=2026-03-02&until=2026-03-02")) == ["checkout 1"]


def test_a_marker_is_posted(as_, viewer):
    said = {"do": "mark", "name": "checkout 3", "type": "deploy", "url": "https://ci.example.com/3"}
    assert b"The marker stands in the charts" in as_(viewer).post(PAGE, said, headers=HTMX).content
    event = Event.objects.get()
    assert (event.type, event.name, event.url, event.user) == ("deploy", "checkout 3", "https://ci.example.com/3", viewer)


@pytest.mark.parametrize("said", [{"name": ""}, {"url": "javascript:alert(1)"}, {"type": "settings"}])
def test_a_marker_that_does_not_do_is_not_posted(as_, viewer, said):
    (named,) = said
    answer = as_(viewer).post(PAGE, {"do": "mark", "name": "x", "type": "deploy", **said}, headers=HTMX)
    assert f'id="mark_{named}_error"' in answer.content.decode()
    assert not Event.objects.exists()


def test_a_demo_user_posts_nothing(as_, org):
    demo = factories.make_user(org, "Dan", is_demo=True)
    assert as_(demo).post(PAGE, {"do": "mark", "name": "x", "type": "deploy"}).status_code == 403
    assert as_(demo).get(PAGE).status_code == 200


def test_what_is_about_a_datastore_is_for_those_who_see_it(as_, stranger, viewer, datastore, other_org):
    record_event(datastore.org_id, type="alert", name="about Metrics", datastore_id=datastore.pk)
    record_event(other_org.pk, type="alert", name="foreign")
    assert names(as_(viewer).get(PAGE)) == ["about Metrics"]
    assert names(as_(stranger).get(PAGE)) == []


def test_the_empty_feed_says_how_to_fill_it(as_, viewer):
    page = as_(viewer).get(PAGE).content
    assert (b"Nothing has happened yet" in page, b"/org/events -H" in page) == (True, True)
    assert b"Nothing like that" in as_(viewer).get(f"{PAGE}?search=x").content


def test_it_goes_page_by_page_and_queries_do_not_grow(as_, viewer, org, queries_of):
    client = as_(viewer)
    record_event(org.pk, type="deploy", name="first", timestamp=timezone.now() - timedelta(days=1))
    few = queries_of(lambda: client.get(PAGE))
    for number in range(60):
        record_event(org.pk, type="deploy", name=f"number {number}", user_id=viewer.pk)
    assert queries_of(lambda: client.get(PAGE)) == few
    assert client.get(f"{PAGE}?type=deploy").context["page"].after == "?type=deploy&page=2"
    assert names(client.get(f"{PAGE}?page=2"))[-1] == "first"
