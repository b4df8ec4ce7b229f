"""Duplicates and their originals: one step from each duplicate to its original, never a chain."""

import json
from importlib import import_module

import pytest
from django.apps import apps
from django.db import connection
from django.utils import timezone

from accounts.models import Level
from anomalies.models import Anomaly, Change
from datastores.models import Datastore
from tests import factories
from tests.api.conftest import client_with
from tests.api.test_anomalies_many import problems

pytestmark = pytest.mark.django_db
PATH = "/api/anomalies"


@pytest.fixture
def three(datastore) -> list[Anomaly]:
    metric = factories.make_metric(datastore)
    return [factories.make_anomaly(metric, kind=f"k{n}") for n in range(3)]


def originals() -> list[int | None]:
    return list(Anomaly.objects.order_by("pk").values_list("duplicate_of", flat=True))


def mark(client, anomaly: Anomaly, original: Anomaly):
    return client.post(f"{PATH}/{anomaly.pk}/duplicate-of", {"anomaly": original.pk})


def test_what_has_duplicates_becomes_none_itself(as_, author, three):
    a, b, c = three
    client = as_(author)
    assert mark(client, a, b).status_code == 200
    before = (originals(), Change.objects.count())
    marked = mark(client, b, c)
    assert problems(marked) == [(("body", "anomaly"), "invalid")]
    expected = f"Others are duplicates of anomaly {b.pk}. Make them duplicates of {c.pk} first, or {c.pk} one of {b.pk}."
    assert marked.json()["errors"][0]["msg"] == expected
    archived = client.delete(f"{PATH}/{b.pk}", {"status": "Duplicate", "duplicate_of": c.pk})
    assert problems(archived) == [(("body", "duplicate_of"), "invalid")]
    assert (originals(), Change.objects.count()) == before


def test_an_original_is_no_duplicate_itself_and_the_error_names_the_field(as_, author, three):
    a, b, c = three
    client = as_(author)
    mark(client, a, b)
    answer = mark(client, c, a)
    assert problems(answer) == [(("body", "anomaly"), "invalid")]
    assert answer.json()["errors"][0]["msg"] == f"Anomaly {a.pk} is a duplicate itself. Name its original, {b.pk}."
    assert problems(mark(client, c, c)) == [(("body", "anomaly"), "invalid")]
    assert originals() == [b.pk, None, None]


def test_once_its_duplicates_have_another_original_it_becomes_one(as_, author, three):
    a, b, c = three
    client = as_(author)
    mark(client, a, b)
    assert mark(client, a, c).status_code == 200
    assert mark(client, b, c).status_code == 200
    assert originals() == [c.pk, c.pk, None]
    assert [one["id"] for one in client.get(f"{PATH}/{c.pk}").json()["duplicates"]] == [a.pk, b.pk]


def test_without_an_original_it_is_archived_as_duplicate_all_the_same(as_, author, three):
    a, b, _ = three
    client = as_(author)
    mark(client, a, b)
    assert client.delete(f"{PATH}/{b.pk}?status=Duplicate").status_code == 204
    assert originals() == [b.pk, None, None]


def test_duplicates_that_are_deleted_for_good_no_longer_count(as_, author, three):
    a, b, c = three
    client = as_(author)
    mark(client, a, b)
    assert client.delete(f"{PATH}/{a.pk}?archive=false").status_code == 204
    assert mark(client, b, c).status_code == 200


def test_one_call_makes_no_chain_either(as_, author, three):
    a, b, c = three
    entries = [{"id": a.pk, "status": "Duplicate", "duplicate_of": b.pk}, {"id": b.pk, "status": "Duplicate", "duplicate_of": c.pk}]
    client = as_(author)
    assert problems(client.delete(PATH, entries)) == [(("body", 1, "duplicate_of"), "invalid")]
    assert problems(client.delete(PATH, entries[::-1])) == [(("body", 1, "duplicate_of"), "invalid")]
    assert originals() == [None] * 3


def test_an_archived_one_is_not_woken(as_, author, three):
    client = as_(author)
    client.delete(f"{PATH}/{three[0].pk}?status=Resolved")
    answer = client.delete(f"{PATH}/{three[0].pk}/snooze")
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/archived")
    assert answer.json()["detail"] == "The anomaly is archived. Restore it first, by setting its status to Acknowledged."


def last_lines(*anomalies: Anomaly) -> list[tuple[dict, int]]:
    found = [Change.objects.filter(anomaly=anomaly).latest("pk") for anomaly in anomalies]
    return [(line.changeset, line.transaction_id) for line in found]


@pytest.mark.parametrize("version", [{}, {"If-Match": "*"}])
def test_an_original_that_is_deleted_for_good_is_named_by_none_any_more(as_, author, three, version):
    a, b, c = three
    client = as_(author)
    for duplicate in (a, c):
        mark(client, duplicate, b)
    client.delete(f"{PATH}/{b.pk}?status=Resolved")
    before = client.get(f"{PATH}/{a.pk}").headers["ETag"]
    assert client.delete(f"{PATH}/{b.pk}?archive=false", headers=version).status_code == 204
    after = client.get(f"{PATH}/{a.pk}")
    assert (after.json()["status"], after.json()["duplicate_of"]) == ("Duplicate", None)
    assert after.headers["ETag"] != before
    assert originals() == [None, None, None]
    lines = last_lines(a, b, c)
    assert [line["duplicate_of"] for line, _ in (lines[0], lines[2])] == [[{"id": b.pk}, None]] * 2
    assert len({transaction_id for _, transaction_id in lines}) == 1
    assert client.post(f"{PATH}/{a.pk}/restore").json()["status"] == "Acknowledged"


def test_in_one_call_an_original_may_go_with_some_of_its_duplicates(as_, author, three):
    a, b, c = three
    client = as_(author)
    mark(client, a, b)
    mark(client, c, b)
    client.delete(f"{PATH}/{b.pk}?status=Resolved")
    assert client.delete(PATH, [{"id": b.pk, "archive": False}, {"id": a.pk, "archive": False}]).status_code == 204
    assert list(Anomaly.objects.filter(deleted=None).values_list("pk", "status", "duplicate_of")) == [(c.pk, "Duplicate", None)]
    assert last_lines(a)[0][0].keys() == {"deleted"}
    assert last_lines(c)[0][0] == {"duplicate_of": [{"id": b.pk}, None]}


@pytest.mark.parametrize("backwards", [False, True])
def test_what_goes_in_a_call_becomes_nobodys_original_in_it(as_, author, three, backwards):
    a, b, _ = three
    client = as_(author)
    client.delete(f"{PATH}/{b.pk}?status=Resolved")
    entries = [{"id": b.pk, "archive": False}, {"id": a.pk, "status": "Duplicate", "duplicate_of": b.pk}]
    if backwards:
        assert client.delete(PATH, entries[::-1]).status_code == 204
        assert list(Anomaly.objects.filter(pk=a.pk).values_list("status", "duplicate_of")) == [("Duplicate", None)]
    else:
        assert problems(client.delete(PATH, entries)) == [(("body", 1, "duplicate_of"), "not_found")]
        assert Anomaly.objects.get(pk=b.pk).deleted is None


@pytest.fixture
def elsewhere(org) -> Anomaly:
    """On a datastore that only admins see."""
    return factories.make_anomaly(factories.make_metric(Datastore.objects.create(org=org, name="Hidden")))


def linked(client, anomaly: Anomaly) -> tuple[dict | None, list[dict]]:
    """As the anomaly itself shows it; the list and the export show the same."""
    alone = client.get(f"{PATH}/{anomaly.pk}").json()
    address = f"id={anomaly.pk}&archived=include"
    (listed,) = client.get(f"{PATH}?{address}").json()["items"]
    exported = json.loads(b"".join(client.get(f"{PATH}/export?format=jsonl&{address}").streaming_content))
    assert alone["duplicate_of"] == listed["duplicate_of"] == exported["duplicate_of"]
    assert alone["duplicates"] == listed["duplicates"] == exported["duplicates"]
    return alone["duplicate_of"], alone["duplicates"]


def test_the_original_and_duplicates_on_datastores_that_one_does_not_see_are_not_named(as_, admin, author, three, elsewhere):
    here, second, third = three
    for duplicate, original in ((here, elsewhere), (second, third)):
        assert mark(as_(admin), duplicate, original).status_code == 200
    hidden = factories.make_anomaly(elsewhere.metric, kind="k1")
    assert mark(as_(admin), hidden, third).status_code == 200
    assert linked(as_(admin), here)[0] == {"id": elsewhere.pk, "uuid": str(elsewhere.uuid)}
    assert linked(as_(author), here) == (None, [])
    assert linked(as_(author), second)[0] == {"id": third.pk, "uuid": str(third.uuid)}
    assert [one["id"] for one in linked(as_(admin), third)[1]] == [second.pk, hidden.pk]
    assert [one["id"] for one in linked(as_(author), third)[1]] == [second.pk]
    factories.grant(author, elsewhere.datastore, Level.REPORTER)
    assert linked(as_(author), here)[0] == {"id": elsewhere.pk, "uuid": str(elsewhere.uuid)}
    assert [one["id"] for one in linked(as_(author), third)[1]] == [second.pk, hidden.pk]


def test_an_org_token_reads_the_links_of_the_whole_org(as_, admin, org, three, elsewhere):
    mark(as_(admin), three[0], elsewhere)
    machine = client_with(factories.make_org_token(org))
    assert linked(machine, three[0])[0] == {"id": elsewhere.pk, "uuid": str(elsewhere.uuid)}


def test_an_upgrade_parts_the_duplicates_of_what_was_deleted_before(as_, author, three, other_datastore, monkeypatch):
    """As they were left by versions that did not part them."""
    a, b, c = three
    metric = factories.make_metric(other_datastore)
    other = [factories.make_anomaly(metric, kind=f"k{n}") for n in range(2)]
    Anomaly.objects.filter(pk__in=[a.pk, c.pk]).update(status="Duplicate", duplicate_of=b)
    Anomaly.objects.filter(pk=other[0].pk).update(status="Duplicate", duplicate_of=other[1])
    Anomaly.objects.filter(pk=b.pk).update(status="Resolved", deleted=timezone.now())
    before = dict(Anomaly.objects.values_list("pk", "updated"))
    migration = import_module("anomalies.migrations.0021_parted_duplicates")
    monkeypatch.setattr(migration, "BATCH", 1)
    with connection.schema_editor(atomic=False) as editor:
        migration.part(apps, editor)
    assert list(Anomaly.objects.order_by("pk").values_list("duplicate_of", flat=True)) == [None, None, None, other[1].pk, None]
    assert dict(Anomaly.objects.values_list("pk", "updated")) == before
    lines = Change.objects.order_by("anomaly").values_list("org", "anomaly", "user", "actor", "changeset")
    changeset = {"duplicate_of": [{"id": b.pk}, None]}
    assert list(lines) == [(a.org_id, one.pk, None, "upgrade", changeset) for one in (a, c)]
