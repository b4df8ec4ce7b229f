"""What the list finds and counts when it is long, or when much hangs on what it shows."""

import pytest
from django.utils import timezone

from anomalies import conditions, kept_lists, search
from anomalies.api import filtersets
from anomalies.models import Anomaly, FailedCheck, FailedField
from config.api import pagination
from tests import factories


@pytest.fixture
def metric(datastore):
    return factories.make_metric(datastore, "checkout")


def found(client, query):
    return {one["id"] for one in client.get(f"/api/anomalies?{query}").json()["items"]}


def totals(client, query):
    body = client.get(f"/api/anomalies?{query}").json()
    return len(body["items"]), body["total"], body.get("total_capped", False)


@pytest.fixture
def world(org, viewer, metric):
    """Two anomalies, one with everything hanging on it, one with nothing."""
    full, bare = (factories.make_anomaly(metric, kind=kind, message=f"{kind} is 50% off, really_off") for kind in ("a", "b"))
    factories.put_tag(full, "High")
    factories.assign(full, viewer)
    check = FailedCheck.objects.create(org=org, anomaly=full, rule_type="between", message="-", quality_check_id=7)
    FailedField.objects.create(org=org, anomaly=full, failed_check=check, name="total")
    return full, bare


@pytest.mark.parametrize("few", [2000, 0], ids=["named one by one", "looked up in a table"])
@pytest.mark.parametrize(
    "query", ["tag=High", "rule_type=between", "quality_check=7", "field=total", "assignee={viewer}", "unassigned=false"]
)
def test_what_hangs_on_an_anomaly_finds_it_however_many_there_are(as_, viewer, world, monkeypatch, few, query):
    monkeypatch.setattr(conditions, "FEW", few)
    client, (full, bare) = as_(viewer), world
    query = query.format(viewer=viewer.pk)
    assert found(client, query) == {full.pk}
    assert found(client, f"{query}&sort_weight=desc&archived=include") == {full.pk}
    assert totals(client, query) == (1, 1, False)
    assert found(client, f"{query}&status=Acknowledged") == set()
    assert found(client, f"assignee={viewer.pk},none") == {full.pk, bare.pk}
    assert found(client, "assignee=none") == found(client, "unassigned=true") == {bare.pk}


def test_a_tag_of_the_same_name_in_another_org_finds_nothing_here(as_, outsider, other_datastore, world):
    twin = factories.make_anomaly(factories.make_metric(other_datastore, "checkout"))
    factories.put_tag(twin, "High")
    assert found(as_(outsider), "tag=High") == {twin.pk}


@pytest.mark.parametrize("rare", [1000, 0], ids=["by trigrams", "in the order of the list"])
def test_a_search_looks_for_text_and_not_for_patterns(as_, viewer, metric, world, monkeypatch, rare):
    monkeypatch.setattr(search, "RARE", rare)
    client, (full, bare) = as_(viewer), world
    slashed = factories.make_anomaly(metric, kind="c", message=r"C:\temp is full, it's 'quoted' %s {0}")
    for text in ("50%25+off", "REALLY_OFF", "IS 50"):
        assert found(client, f"search={text}") == {full.pk, bare.pk}
    for text in (r"c:\temp", "it's 'quoted'", "%25s+{0}", r"\t"):
        assert found(client, f"search={text}") == {slashed.pk}
    for text in ("50_", "5%250", "_", "%25off", "r\\_", "\\\\"):
        assert found(client, f"search={text}") == ({full.pk, bare.pk} if text == "_" else set())


def test_a_search_finds_part_of_an_id_and_the_beginning_of_a_uuid(as_, viewer, metric):
    one = factories.make_anomaly(metric, pk=7_345_112, kind="a", uuid="8e8b9f8b-1234-4abc-9def-012345678901", message="-")
    other = factories.make_anomaly(metric, pk=7_345_998, kind="b", uuid="8e8b9f8b-99aa-4abc-9def-012345678902", message="-")
    client = as_(viewer)
    assert found(client, "search=7345") == {one.pk, other.pk}
    assert found(client, "search=5112") == found(client, "search=7345112") == {one.pk}
    assert found(client, "search=8E8B9F8B") == {one.pk, other.pk}
    assert found(client, "search=8e8b9f8b-12") == found(client, f"search={one.uuid.replace('-', '')}") == {one.pk}
    assert found(client, "search=8e8b9f8") == set()


def test_a_search_stays_in_its_org_and_what_is_visible(as_, outsider, viewer, other_datastore, world):
    full, bare = world
    twin = factories.make_anomaly(factories.make_metric(other_datastore, "checkout"), message="a is 50% off")
    assert found(as_(outsider), "search=50%25") == {twin.pk}
    Anomaly.objects.filter(pk=bare.pk).update(deleted=timezone.now())
    assert found(as_(viewer), "search=50%25") == {full.pk}


def test_counting_stops_and_says_so(as_, viewer, metric, monkeypatch):
    for number in range(7):
        factories.make_anomaly(metric, kind=f"k{number}")
    monkeypatch.setattr(pagination, "COUNT_CAP", 5)
    monkeypatch.setattr(kept_lists, "HEAD", 6)
    client = as_(viewer)
    for sort in ("", "&sort_id=asc", "&sort_weight=desc", "&include_deleted=true"):
        assert totals(client, f"size=2{sort}") == (2, 5, True)
        assert totals(client, f"size=2&page=3{sort}") == (2, 6, True)
        assert totals(client, f"size=2&page=4{sort}") == (1, 7, False)
        assert totals(client, f"size=2&page=5{sort}") == (0, 5, True)
    assert totals(client, "size=2&kind=k1,k2,k3,k4,k5") == (2, 5, False)


def test_every_sort_gives_every_anomaly_once_and_nulls_last(as_, viewer, metric):
    made = [
        factories.make_anomaly(metric, kind=f"k{n}", anomalous_records_count=count, weight=n % 2)
        for n, count in enumerate((3, None, 9, None, 3))
    ]
    client = as_(viewer)
    for direction, order in (("asc", [3, 3, 9, None, None]), ("desc", [9, 3, 3, None, None])):
        address = f"/api/anomalies?size=2&sort_anomalous_records_count={direction}&page="
        items = [one for page in (1, 2, 3) for one in client.get(f"{address}{page}").json()["items"]]
        assert [one["anomalous_records_count"] for one in items] == order
        assert {one["id"] for one in items} == {one.pk for one in made}


def test_a_search_finds_the_anomalies_of_every_series_of_that_name(as_, viewer, datastore, monkeypatch):
    monkeypatch.setattr(filtersets, "SERIES_MAX", 2)
    found = [factories.make_anomaly(factories.make_metric(datastore, f"checkout {n}"), message="High") for n in range(4)]
    factories.make_anomaly(factories.make_metric(datastore, "other"), message="High")
    for few, text in ((found, "CHECKOUT"), (found[:1], "checkout 0")):
        items = as_(viewer).get("/api/anomalies", {"search": text}).json()["items"]
        assert sorted(one["id"] for one in items) == [one.pk for one in few]
