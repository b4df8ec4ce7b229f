"""/api/anomalies/{id}/ticket-links and /api/integrations: who may, what is kept, what is refused."""

import pytest

from anomalies.models import Anomaly, Change, Integration, TicketLink
from anomalies.services import archive_anomaly, tickets
from anomalies.services.tickets import Ticket, link_ticket, unlink_ticket
from orgs.errors import NotFound
from tests import factories

pytestmark = pytest.mark.django_db
INCIDENT = {
    "ticket_id": "abc123sys", "ticket_number": "INC0010001",
    "ticket_url": "https://example.service-now.com/incident.do?sys_id=abc123sys", "status": "New",
}  # fmt: skip


@pytest.fixture
def anomaly(datastore) -> Anomaly:
    return factories.make_anomaly(factories.make_metric(datastore))


@pytest.fixture
def servicenow(org) -> Integration:
    return Integration.objects.create(org=org, name="ServiceNow", type="servicenow", url="https://example.service-now.com")


@pytest.fixture
def link(anomaly, servicenow, manager) -> TicketLink:
    return link_ticket(anomaly, Ticket("7", "INC7", "New"), integration_id=servicenow.pk, user=manager)


def changesets() -> list[dict]:
    return list(Change.objects.order_by("pk").values_list("changeset", flat=True))


def test_a_manager_links_a_ticket(as_, manager, anomaly, servicenow):
    body = {"integration_id": servicenow.pk, **INCIDENT, "ticket_metadata": {"priority": 2, "labels": ["db"]}}
    answer = as_(manager).post(f"/api/anomalies/{anomaly.uuid}/ticket-links", body)
    link = TicketLink.objects.get()
    assert answer.status_code == 201
    assert answer["Location"] == f"/api/anomalies/{anomaly.pk}/ticket-links/{link.pk}"
    made = answer.json()
    assert made.pop("created").endswith("Z")
    assert made == {
        "id": link.pk, "anomaly_id": anomaly.pk, "integration": {"id": servicenow.pk, "name": "ServiceNow", "type": "servicenow"},
        **INCIDENT, "ticket_metadata": {"priority": 2, "labels": ["db"]}, "user": {"id": manager.pk, "name": "Max Manager"},
    }  # fmt: skip
    line = Change.objects.get()
    said = {"id": link.pk, "name": "INC0010001", "ticket_id": "abc123sys", "integration": "ServiceNow"}
    assert (line.user, line.actor, line.changeset) == (manager, "user", {"ticket_links": [[], [said]]})


def test_a_ticket_is_linked_to_an_anomaly_once(as_, manager, anomaly, servicenow, datastore, org):
    client, body = as_(manager), {"integration_id": servicenow.pk, **INCIDENT}
    here = f"/api/anomalies/{anomaly.pk}/ticket-links"
    assert client.post(here, body).status_code == 201
    again = client.post(here, {**body, "ticket_number": "another name"})
    assert (again.status_code, again.json()["type"]) == (409, "/problems/conflict")
    assert "linked to this anomaly already" in again.json()["detail"]
    other = factories.make_anomaly(factories.make_metric(datastore, "other"))
    jira = Integration.objects.create(org=org, name="Jira", type="jira", url="https://jira.example.com")
    assert client.post(f"/api/anomalies/{other.pk}/ticket-links", body).status_code == 201
    assert client.post(here, {**body, "integration_id": jira.pk}).status_code == 201
    assert client.post(here, {**body, "ticket_id": "second"}).status_code == 201
    assert len(changesets()) == TicketLink.objects.count() == 4


@pytest.mark.parametrize(
    ("who", "status"), [("editor", 403), ("author", 403), ("viewer", 403), ("stranger", 403), ("outsider", 404), ("admin", 201)]
)
def test_who_links(as_, cast, anomaly, servicenow, who, status):
    answer = as_(cast[who]).post(f"/api/anomalies/{anomaly.pk}/ticket-links", {"integration_id": servicenow.pk, **INCIDENT})
    assert (answer.status_code, TicketLink.objects.count()) == (status, int(status == 201))


@pytest.mark.parametrize(("level", "status"), [(3, 403), (4, 201)])
def test_a_manager_needs_author_there_too(as_, manager, anomaly, servicenow, level, status):
    manager.teams.get().access.update(level=level)
    answer = as_(manager).post(f"/api/anomalies/{anomaly.pk}/ticket-links", {"integration_id": servicenow.pk, **INCIDENT})
    assert (answer.status_code, TicketLink.objects.count()) == (status, int(status == 201))


@pytest.mark.parametrize(
    ("change", "loc", "code"),
    [
        ({"integration_id": None}, ["body", "integration_id"], "null"),
        ({"integration_id": 999_999}, ["body", "integration_id"], "not_found"),
        ({"integration_id": 2**64 - 1}, ["body", "integration_id"], "max_value"),
        ({"ticket_id": ""}, ["body", "ticket_id"], "blank"),
        ({"ticket_id": 5}, ["body", "ticket_id"], "invalid"),
        ({"ticket_number": "x" * 201}, ["body", "ticket_number"], "max_length"),
        ({"ticket_url": "javascript:alert(1)"}, ["body", "ticket_url"], "no_address"),
        ({"ticket_url": "https://"}, ["body", "ticket_url"], "no_address"),
        ({"ticket_url": "http://a b"}, ["body", "ticket_url"], "no_address"),
        ({"ticket_url": "https://alice:secret@jira.example.com/1"}, ["body", "ticket_url"], "no_address"),
        ({"ticket_url": "http://host:port/"}, ["body", "ticket_url"], "no_address"),
        ({"status": "a\0b"}, ["body", "status"], "null_characters_not_allowed"),
        ({"ticket_metadata": []}, ["body", "ticket_metadata"], "not_a_dict"),
        ({"ticket_metadata": {"x": "y" * 17_000}}, ["body", "ticket_metadata"], "too_long"),
        ({"ticket_metadata": {"x": "a\0b"}}, ["body", "ticket_metadata"], "null_characters_not_allowed"),
        ({"anomaly_id": 1}, ["body", "anomaly_id"], "unknown_field"),
    ],
)
def test_a_ticket_that_does_not_do_is_named_and_nothing_is_kept(as_, manager, anomaly, servicenow, change, loc, code):
    answer = as_(manager).post(f"/api/anomalies/{anomaly.pk}/ticket-links", {"integration_id": servicenow.pk, **INCIDENT, **change})
    assert answer.status_code == 422
    assert [(error["loc"], error["code"]) for error in answer.json()["errors"]] == [(loc, code)]
    assert (TicketLink.objects.count(), changesets()) == (0, [])


def test_what_has_to_be_sent(as_, manager, anomaly):
    errors = as_(manager).post(f"/api/anomalies/{anomaly.pk}/ticket-links", {}).json()["errors"]
    required = [("body", name) for name in ("integration_id", "ticket_id", "ticket_number", "status")]
    assert [(tuple(error["loc"]), error["code"]) for error in errors] == [(loc, "required") for loc in required]


def test_the_integration_of_another_org_is_none(as_, manager, anomaly, other_org):
    theirs = Integration.objects.create(org=other_org, name="Jira", type="jira", url="https://jira.example.com")
    answer = as_(manager).post(f"/api/anomalies/{anomaly.pk}/ticket-links", {"integration_id": theirs.pk, **INCIDENT})
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "not_found")


def test_a_host_of_one_word_is_an_address(as_, manager, anomaly, servicenow):
    body = {"integration_id": servicenow.pk, **INCIDENT, "ticket_url": "http://jira:8080/browse/OPS-1"}
    assert as_(manager).post(f"/api/anomalies/{anomaly.pk}/ticket-links", body).json()["ticket_url"] == "http://jira:8080/browse/OPS-1"


def test_an_archived_anomaly_keeps_its_links_as_they_are(as_, manager, anomaly, servicenow, link):
    archive_anomaly(anomaly, user=manager, status="Resolved")
    client, here, before = as_(manager), f"/api/anomalies/{anomaly.pk}/ticket-links", changesets()
    for answer in (client.post(here, {"integration_id": servicenow.pk, **INCIDENT}), client.delete(f"{here}/{link.pk}")):
        assert (answer.status_code, answer.json()["type"]) == (409, "/problems/archived")
    assert (TicketLink.objects.count(), changesets()) == (1, before)
    assert [one["ticket_number"] for one in client.get(here).json()] == ["INC7"]


def test_unlinking_forgets_the_association_once(as_, manager, anomaly, link):
    client, here = as_(manager), f"/api/anomalies/{anomaly.pk}/ticket-links/{link.pk}"
    assert client.delete(here, headers={"If-Match": '"old"'}).status_code == 412
    assert client.delete(here).status_code == 204
    assert client.delete(here).status_code == 404
    assert changesets()[-1]["ticket_links"][1] == []
    assert (TicketLink.objects.count(), len(changesets()), Integration.objects.count()) == (0, 2, 1)


def test_a_link_is_found_under_its_own_anomaly_only(as_, manager, datastore, link):
    other = factories.make_anomaly(factories.make_metric(datastore, "other"))
    for ref in (link.pk, "x", "9" * 30):
        assert as_(manager).delete(f"/api/anomalies/{other.pk}/ticket-links/{ref}").status_code == 404
    assert TicketLink.objects.count() == 1


def test_viewers_read_the_links_of_an_anomaly_a_page_at_a_time(as_, as_org, cast, anomaly, servicenow, manager):
    for number in range(3):
        link_ticket(anomaly, Ticket(str(number), f"INC{number}", "New"), integration_id=servicenow.pk, user=manager)
    here = f"/api/anomalies/{anomaly.pk}/ticket-links"
    for client in (as_(cast["viewer"]), as_org):
        page = client.get(f"{here}?size=2")
        assert ([one["ticket_number"] for one in page.json()], page["X-Total-Count"]) == (["INC0", "INC1"], "3")
        assert f'<{here}?size=2&page=2>; rel="next"' in page["Link"]
    assert as_(cast["reporter"]).get(here).status_code == 403
    assert as_(cast["stranger"]).get(here).status_code == 404


def test_queries_do_not_grow_with_the_links(as_, viewer, manager, anomaly, servicenow, same_queries):
    for number in range(5):
        link_ticket(anomaly, Ticket(str(number), f"INC{number}", "New"), integration_id=servicenow.pk, user=manager)
    client = as_(viewer)
    same_queries("ticket links of an anomaly", lambda: client.get(f"/api/anomalies/{anomaly.pk}/ticket-links"))
    same_queries("integrations", lambda: client.get("/api/integrations"))


JIRA = {"name": "Jira", "type": "jira", "url": "https://acme.atlassian.net"}


def test_a_manager_makes_changes_and_deletes_an_integration(as_, manager, viewer):
    client = as_(manager)
    made = client.post("/api/integrations", JIRA)
    assert (made.status_code, {name: made.json()[name] for name in JIRA}) == (201, JIRA)
    here = made["Location"]
    assert as_(viewer).get(here).json() == made.json()
    assert [one["name"] for one in as_(viewer).get("/api/integrations?type=jira&search=jir").json()["items"]] == ["Jira"]
    assert as_(viewer).get("/api/integrations?type=servicenow").json()["items"] == []
    changed = client.put(here, {"name": "Jira EMEA", "url": "http://jira"}, headers={"If-Match": made["ETag"]})
    assert (changed.json()["name"], changed.json()["url"], changed.json()["type"]) == ("Jira EMEA", "http://jira", "jira")
    assert client.put(here, {"name": "late"}, headers={"If-Match": made["ETag"]}).status_code == 412
    assert client.delete(here).status_code == 204
    assert client.delete(here).status_code == 404


def test_an_org_has_its_limit_of_integrations(as_, manager, outsider, monkeypatch):
    monkeypatch.setattr(tickets, "MOST", 1)
    client = as_(manager)
    assert client.post("/api/integrations", JIRA).status_code == 201
    refused = client.post("/api/integrations", {**JIRA, "name": "Another"})
    assert (refused.status_code, refused.json()["detail"]) == (409, "There are 1 integrations already. Delete one that nobody needs.")
    assert as_(outsider).post("/api/integrations", JIRA).status_code == 201
    assert Integration.objects.count() == 2


def test_an_integration_holds_no_password(as_, manager):
    answer = as_(manager).post("/api/integrations", {**JIRA, "url": "https://alice:secret@acme.example"})
    assert [(error["loc"], error["code"]) for error in answer.json()["errors"]] == [(["body", "url"], "no_address")]
    assert "secret" not in answer.content.decode()


def test_a_name_is_taken_once_per_org(as_, manager, outsider):
    client = as_(manager)
    assert client.post("/api/integrations", JIRA).status_code == 201
    assert client.post("/api/integrations", {**JIRA, "type": "servicenow"}).status_code == 409
    second = client.post("/api/integrations", {**JIRA, "name": "Second"})
    assert client.put(second["Location"], {"name": "Jira"}).status_code == 409
    assert as_(outsider).post("/api/integrations", JIRA).status_code == 201
    assert sorted(Integration.objects.values_list("name", flat=True)) == ["Jira", "Jira", "Second"]


@pytest.mark.parametrize(
    ("change", "loc"),
    [({"name": ""}, "name"), ({"type": "github"}, "type"), ({"url": "jira.example.com"}, "url"), ({"url": 5}, "url"), ({"id": 5}, "id")],
)
def test_an_integration_that_does_not_do_is_named(as_, manager, change, loc):
    answer = as_(manager).post("/api/integrations", {**JIRA, **change})
    assert (answer.status_code, [error["loc"] for error in answer.json()["errors"]]) == (422, [["body", loc]])
    assert Integration.objects.count() == 0


@pytest.mark.parametrize(("who", "status"), [("editor", 403), ("stranger", 403), ("outsider", 404), ("manager", 200), ("admin", 200)])
def test_who_changes_an_integration(as_, cast, servicenow, who, status):
    assert as_(cast[who]).put(f"/api/integrations/{servicenow.pk}", {"name": "mine"}).status_code == status
    assert Integration.objects.get().name == ("mine" if status == 200 else "ServiceNow")


def test_the_links_of_an_integration_go_with_it_and_the_history_says_so(as_, manager, anomaly, servicenow, link):
    second = link_ticket(anomaly, Ticket("8", "INC8", "New"), integration_id=servicenow.pk, user=manager)
    assert as_(manager).delete(f"/api/integrations/{servicenow.pk}").status_code == 204
    assert TicketLink.objects.count() == 0
    gone, left = changesets()[-1]["ticket_links"]
    assert ([one["id"] for one in gone], left) == ([link.pk, second.pk], [])
    assert len(changesets()) == 3


def test_the_history_tells_all_links_before_and_after(anomaly, manager, servicenow, link):
    second = link_ticket(anomaly, Ticket("8", "INC8", "New"), integration_id=servicenow.pk, user=manager)
    first = link.pk
    unlink_ticket(link, user=manager)
    found = [[[one["id"] for one in side] for side in changeset["ticket_links"]] for changeset in changesets()[-2:]]
    assert found == [[[first], [first, second.pk]], [[first, second.pk], [second.pk]]]


def test_what_is_unlinked_already_is_not_unlinked_again(anomaly, manager, servicenow, link):
    link_ticket(anomaly, Ticket("8", "INC8", "New"), integration_id=servicenow.pk, user=manager)
    seen_by_both = TicketLink.objects.select_related("anomaly", "integration").get(pk=link.pk)
    unlink_ticket(link, user=manager)
    before = changesets()
    with pytest.raises(NotFound):
        unlink_ticket(seen_by_both, user=manager)
    assert changesets() == before


def test_a_ticket_is_not_linked_to_an_anomaly_that_has_gone(anomaly, manager, servicenow):
    Anomaly.objects.filter(pk=anomaly.pk).delete()
    with pytest.raises(NotFound):
        link_ticket(anomaly, Ticket("8", "INC8", "New"), integration_id=servicenow.pk, user=manager)
