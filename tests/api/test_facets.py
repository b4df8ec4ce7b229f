"""The counts beside the list of anomalies."""

import pytest

from accounts.models import Level
from anomalies.models import Anomaly, FailedCheck
from anomalies.services import facets
from datastores.models import Container, Datastore
from tests import factories

pytestmark = pytest.mark.django_db
ADDRESS = "/api/anomalies/facets"


@pytest.fixture
def world(org, datastore, viewer, author):
    """Two spikes (one tagged, one acknowledged and assigned), a resolved one, and a record of a table that fails two checks of one rule."""
    metric = factories.make_metric(datastore)
    spike = factories.make_anomaly(metric, kind="a")
    factories.put_tag(spike, "High")
    acknowledged = factories.make_anomaly(metric, kind="b", status="Acknowledged")
    factories.assign(acknowledged, author, viewer)
    resolved = factories.make_anomaly(metric, kind="c", status="Resolved")
    factories.put_tag(resolved, "High")
    container = Container.objects.create(org=org, datastore=datastore, name="orders")
    record = Anomaly.objects.create(
        org=org, datastore=datastore, container=container, type="record", message="x is null", created=factories.STARTED
    )
    for number in range(2):
        FailedCheck.objects.create(org=org, anomaly=record, rule_type="notNull", message=f"x{number} is null")
    return {"container": container, "record": record}


def counts(client, query: str = "") -> dict[str, dict[str, int]]:
    found = client.get(f"{ADDRESS}?{query}").json()["facets"]
    return {name: {one["value"]: one["count"] for one in facet["values"]} for name, facet in found.items()}


def test_open_ones_are_counted_and_the_status_facet_knows_the_archived(as_, viewer, author, datastore, world):
    container = str(world["container"].pk)
    assert counts(as_(viewer)) == {
        "status": {"Active": 2, "Acknowledged": 1, "Resolved": 1}, "type": {"metric": 2, "record": 1}, "datastore": {str(datastore.pk): 3},
        "container": {container: 1}, "rule": {"notNull": 1}, "tag": {"High": 1},
        "assignee": {"none": 2, str(author.pk): 1, str(viewer.pk): 1},
    }  # fmt: skip


def test_the_whole_answer(as_, viewer, world):
    shown = as_(viewer).get(f"{ADDRESS}?tag=High").json()
    assert (shown["total"], shown["capped"], shown["incomplete"]) == (1, False, False)
    assert shown["facets"]["tag"] == {"values": [{"value": "High", "name": "High", "count": 1, "capped": False}], "more": False}
    assert shown["facets"]["container"] == {"values": [], "more": False}


def test_a_facet_is_counted_without_its_own_filter_and_with_the_others(as_, viewer, author, world):
    client = as_(viewer)
    assert counts(client, "anomaly_type=record")["type"] == {"metric": 2, "record": 1}
    assert counts(client, "anomaly_type=record")["status"] == {"Active": 1}
    assert counts(client, "status=Resolved")["status"] == {"Active": 2, "Acknowledged": 1, "Resolved": 1}
    assert counts(client, "status=Resolved")["tag"] == {"High": 1}
    assert counts(client, f"assignee={author.pk}")["assignee"]["none"] == 2
    assert counts(client, f"assignee={author.pk}")["status"] == {"Acknowledged": 1}
    assert counts(client, "rule_type=notNull&anomaly_type=metric")["rule"] == {}
    assert counts(client, "archived=only&search=higher")["type"] == {"metric": 1}


def test_the_query_string_of_a_list_is_taken_as_it_is(as_, viewer, world):
    assert counts(as_(viewer), "page=3&size=10&sort_weight=desc&status=Active")["type"] == {"metric": 1, "record": 1}


@pytest.mark.parametrize(("query", "field"), [("status=Gone", "status"), ("colour=red", "colour"), ("datastore=x", "datastore")])
def test_nonsense_is_named(as_, viewer, query, field):
    answer = as_(viewer).get(f"{ADDRESS}?{query}")
    assert (answer.status_code, answer.json()["errors"][0]["loc"]) == (422, ["query", field])


def test_only_what_one_sees_is_counted(as_, org, world, viewer, stranger, outsider, admin):
    hidden = Datastore.objects.create(org=org, name="Hidden")
    factories.make_anomaly(factories.make_metric(hidden), kind="h")
    assert counts(as_(viewer))["datastore"].keys() & {str(hidden.pk)} == set()
    assert counts(as_(admin))["datastore"][str(hidden.pk)] == 1
    for user in (stranger, outsider):
        shown = as_(user).get(ADDRESS).json()
        assert (shown["total"], [facet["values"] for facet in shown["facets"].values()]) == (0, [[]] * 7)


def test_large_counts_stop_and_say_so(as_, viewer, world, monkeypatch):
    monkeypatch.setattr(facets, "COUNT_CAP", 1)
    shown = as_(viewer).get(ADDRESS).json()
    assert (shown["total"], shown["capped"], shown["incomplete"]) == (1, True, False)
    assert shown["facets"]["type"]["values"][0] == {"value": "metric", "name": "metric", "count": 1, "capped": True}
    monkeypatch.setattr(facets, "LOOKED_AT", 2)
    assert as_(viewer).get(ADDRESS).json()["incomplete"] is True


def test_many_values_are_cut_but_for_the_chosen(as_, viewer, datastore, world, monkeypatch):
    monkeypatch.setattr(facets, "VALUES_SHOWN", 2)
    rare = factories.make_anomaly(factories.make_metric(datastore, "m"), kind="r")
    for name in ("Rare", "A", "B"):
        factories.put_tag(rare, name)
    client = as_(viewer)
    shown = client.get(ADDRESS).json()["facets"]["tag"]
    assert ([one["value"] for one in shown["values"]], shown["more"]) == (["A", "B"], True)
    assert [one["value"] for one in client.get(f"{ADDRESS}?tag=Rare").json()["facets"]["tag"]["values"]] == ["A", "Rare"]


def test_an_org_token_counts_too(as_org, world):
    assert counts(as_org)["type"] == {"metric": 2, "record": 1}


def test_query_counts(as_, viewer, datastore, world, same_queries):
    client = as_(viewer)
    client.get(ADDRESS)
    same_queries("GET /api/anomalies/facets", lambda: client.get(ADDRESS))
    other = factories.make_user(datastore.org, "Olga Other", level=Level.VIEWER, datastore=datastore)
    for number in range(20):
        anomaly = factories.make_anomaly(factories.make_metric(datastore, f"m{number}"))
        factories.put_tag(anomaly, f"t{number}")
        factories.assign(anomaly, other)
    same_queries("GET /api/anomalies/facets", lambda: client.get(ADDRESS))
    same_queries("GET /api/anomalies/facets, filtered", lambda: client.get(f"{ADDRESS}?status=Active&tag=t1,t2&assignee=none&search=m"))
