"""Tags and integrations as pages of the settings: made, changed and deleted by whom the permission table says; each change weighs anew."""

import pytest

from anomalies.models import Anomaly, Change, Integration, Tag, TicketLink
from anomalies.services.edits import Edit
from anomalies.services.tags import create_tag
from anomalies.services.tickets import Ticket, create_integration, link_ticket
from anomalies.services.triage import edit_anomaly
from tests import factories

TAGS, INTEGRATIONS = "/app/settings/tags", "/app/settings/integrations"
HTMX = {"HX-Request": "true"}
HIGH = {"name": "High", "weight_modifier": "5", "category": "urgency", "description": "Wakes somebody up.", "color": "#d9480f"}
JIRA = {"type": "jira", "name": "Jira", "url": "https://northwind.example/jira"}


def do(client, page, what, **fields):
    return client.post(page, {"do": what, **fields}, headers=HTMX)


@pytest.fixture
def high(org):
    return create_tag(org.pk, name="High", weight_modifier=5)


@pytest.fixture
def jira(org):
    return create_integration(org.pk, **JIRA)


@pytest.mark.parametrize("who", ["admin", "manager", "editor"])
def test_a_tag_is_made_with_its_weight_and_colour(as_, cast, org, who):
    answer = do(as_(cast[who]), TAGS, "make", **HIGH)
    tag = Tag.objects.get(org=org)
    assert (tag.name, tag.weight_modifier, tag.category, tag.color) == ("High", 5, "urgency", "#d9480f")
    page = answer.content.decode()
    assert ("The tag High was made." in page, "+5" in page, "/app/inbox?tag=High" in page) == (True, True, True)


@pytest.mark.parametrize("who", ["author", "drafter", "viewer", "reporter", "stranger"])
def test_whoever_may_not_change_tags_sees_them_with_the_reason(as_, cast, high, who):
    client = as_(cast[who])
    page = client.get(TAGS).content.decode()
    assert ("High" in page, "whoever is Editor of a datastore can change this" in page, 'value="make"' in page) == (True, True, False)
    for what in ("make", "change", "remove"):
        assert do(client, TAGS, what, **(HIGH | {"id": high.pk, "name": "x"})).status_code == 403
    assert list(Tag.objects.values_list("name", "weight_modifier")) == [("High", 5)]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [({"name": ""}, "required"), ({"name": "a,b"}, "no comma"), ({"weight_modifier": "11"}, "less than or equal to 10"),
     ({"color": "red"}, "valid value"), ({"name": "High"}, "There is a tag of the name High already.")],
)  # fmt: skip
def test_a_tag_that_does_not_do_is_said_and_not_made(as_, manager, high, wrong, words):
    assert words in do(as_(manager), TAGS, "make", **(HIGH | {"name": "Low"} | wrong)).content.decode()
    assert Tag.objects.count() == 1


def test_another_weight_weighs_what_carries_the_tag_and_deleting_takes_it_off(as_, manager, high, anomaly):
    edit_anomaly(anomaly, Edit(anomaly_id=anomaly.pk, tags=("High",)), user=manager)
    heavy = Anomaly.objects.get().weight
    client = as_(manager)
    do(client, TAGS, "change", id=high.pk, **(HIGH | {"name": "Urgent", "weight_modifier": "-2"}))
    assert (Tag.objects.get().name, Anomaly.objects.get().weight) == ("Urgent", heavy - 7)
    assert "Urgent was deleted" in do(client, TAGS, "remove", id=high.pk).content.decode()
    assert (Tag.objects.count(), Anomaly.objects.get().weight) == (0, heavy - 5)
    assert Change.objects.filter(anomaly=anomaly).order_by("-pk")[0].changeset["global_tags"][1] == []
    assert "This tag was deleted meanwhile." in do(client, TAGS, "remove", id=high.pk).content.decode()


def test_tags_and_integrations_of_another_org_are_not_there(as_, manager, other_org):
    tag, theirs = create_tag(other_org.pk, name="Secret"), create_integration(other_org.pk, **JIRA)
    client = as_(manager)
    assert (b"Secret" in client.get(TAGS).content, b"northwind" in client.get(INTEGRATIONS).content) == (False, False)
    assert b"deleted meanwhile" in do(client, TAGS, "remove", id=tag.pk).content
    assert b"deleted meanwhile" in do(client, INTEGRATIONS, "remove", id=theirs.pk).content
    assert (Tag.objects.count(), Integration.objects.count()) == (1, 1)


def test_tags_are_searched_and_come_in_pages(as_, manager, org):
    Tag.objects.bulk_create(Tag(org=org, name=f"tag {number:03}") for number in range(60))
    client = as_(manager)
    first, second, found = (client.get(TAGS, query).content.decode() for query in ({}, {"page": 2}, {"search": "059"}))
    assert ("tag 049" in first, "tag 050" in first, "60 tags" in first) == (True, False, True)
    assert ("tag 050" in second, "tag 059" in found, "tag 058" in found) == (True, True, False)
    assert "No tag like that" in client.get(TAGS, {"search": "nothing"}).content.decode()


def test_an_integration_is_made_changed_and_deleted_with_its_links(as_, manager, anomaly):
    client = as_(manager)
    assert "Jira was made" in do(client, INTEGRATIONS, "make", **JIRA).content.decode()
    made = Integration.objects.get()
    link_ticket(anomaly, Ticket("10412", "OPS-412", "New"), integration_id=made.pk, user=manager)
    do(client, INTEGRATIONS, "change", id=made.pk, type="servicenow", name="ServiceNow", url="http://snow/now")
    made.refresh_from_db()
    assert (made.type, made.name, made.url) == ("servicenow", "ServiceNow", "http://snow/now")
    assert "Its 1 link goes too" in client.get(INTEGRATIONS).content.decode()
    do(client, INTEGRATIONS, "remove", id=made.pk)
    assert (Integration.objects.count(), TicketLink.objects.count()) == (0, 0)
    assert Change.objects.filter(anomaly=anomaly).order_by("-pk")[0].changeset["ticket_links"][1] == []


@pytest.mark.parametrize("who", ["editor", "author", "reporter"])
def test_integrations_are_changed_by_managers_alone(as_, cast, jira, who):
    client = as_(cast[who])
    page = client.get(INTEGRATIONS).content.decode()
    assert ("Jira" in page, "Only managers of the organisation can change this." in page, 'value="make"' in page) == (True, True, False)
    for what in ("make", "change", "remove"):
        assert do(client, INTEGRATIONS, what, **(JIRA | {"id": jira.pk, "name": "x"})).status_code == 403
    assert list(Integration.objects.values_list("name", flat=True)) == ["Jira"]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"url": "javascript:alert(1)"}, "Send a web address"),
        ({"type": "x"}, "valid choice"),
        ({"name": "Jira"}, "of the name Jira already"),
    ],
)
def test_an_integration_that_does_not_do_is_said_and_not_made(as_, manager, jira, wrong, words):
    assert words in do(as_(manager), INTEGRATIONS, "make", **(JIRA | {"name": "Other"} | wrong)).content.decode()
    assert Integration.objects.count() == 1


def test_the_pages_cost_the_same_however_much_there_is(as_, manager, org, queries_of, anomaly):
    client = as_(manager)

    def costs() -> list[int]:
        return [queries_of(lambda page=page: client.get(page)) for page in (TAGS, INTEGRATIONS)]

    create_tag(org.pk, name="one")
    create_integration(org.pk, **JIRA)
    costs()
    few = costs()
    for number in range(30):
        create_tag(org.pk, name=f"tag {number}")
        made = create_integration(org.pk, type="jira", name=f"Jira {number}", url="https://jira.example")
        link_ticket(anomaly, Ticket(str(number), str(number), "New"), integration_id=made.pk, user=manager)
    assert costs() == few


def test_a_visitor_is_sent_to_the_log_in(client):
    assert [client.get(page).status_code for page in (TAGS, INTEGRATIONS)] == [302, 302]


def test_a_demo_user_sees_and_changes_nothing(as_, org, high):
    demo = factories.make_user(org, "Demo", is_demo=True)
    page = as_(demo).get(TAGS).content.decode()
    assert ("You are visiting a demo" in page, 'value="make"' in page) == (True, False)
