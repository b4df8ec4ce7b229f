"""The list of anomalies as a file."""

import csv
import io
import json

import pytest
from django.db import connection

from anomalies.api import export
from anomalies.models import Anomaly, FailedCheck
from datastores.models import Container, Datastore
from tests import factories

pytestmark = pytest.mark.django_db
ADDRESS = "/api/anomalies/export"


@pytest.fixture
def spike(datastore):
    return factories.make_anomaly(factories.make_metric(datastore), weight=5, peak_value=float("inf"), expected=-2.5)


@pytest.fixture
def record(org, datastore, viewer, author):
    """One with everything in it, and with what a spreadsheet would run."""
    container = Container.objects.create(org=org, datastore=datastore, name="@orders")
    anomaly = Anomaly.objects.create(
        org=org, datastore=datastore, container=container, type="record", message='=HYPERLINK("http://evil"), "x"\nnext', description="+1",
        created=factories.STARTED, anomalous_records_count=3, fingerprint=7, weight=9,
    )  # fmt: skip
    for rule in ("notNull", "between"):
        FailedCheck.objects.create(org=org, anomaly=anomaly, rule_type=rule, message="x")
    factories.put_tag(anomaly, "High")
    factories.put_tag(anomaly, "-Low")
    factories.assign(anomaly, viewer, author)
    return anomaly


def body(answer) -> bytes:
    assert answer.status_code == 200, answer.content
    return b"".join(answer.streaming_content)


def table(client, query: str = "") -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(body(client.get(f"{ADDRESS}?{query}")).decode(), newline="")))


def test_csv_has_a_header_and_a_line_per_anomaly_in_the_order_of_the_list(as_, viewer, author, spike, record):
    client = as_(viewer)
    answer = client.get(ADDRESS)
    assert (answer["Content-Type"], answer["Content-Disposition"][:32]) == ("text/csv; charset=utf-8", 'attachment; filename="anomalies-')
    first = body(answer).split(b"\r\n")[0].decode()
    assert first == ",".join(export.COLUMNS)
    shown = table(client)
    assert [row["id"] for row in shown] == [str(record.pk), str(spike.pk)]
    assert [row["id"] for row in table(client, "sort_weight=asc")] == [str(spike.pk), str(record.pk)]
    assert {name: value for name, value in shown[0].items() if value and name not in ("uuid", "updated")} == {
        "id": str(record.pk), "type": "record", "status": "Active", "weight": "9", "message": '\'=HYPERLINK("http://evil"), "x"\nnext',
        "description": "'+1", "datastore": "Metrics", "container": "'@orders", "tags": "'-Low; High",
        "assignees": "; ".join(sorted((author.email, viewer.email))), "failed_checks": "between; notNull",
        "anomalous_records_count": "3", "fingerprint": "7", "created": "2026-03-01T12:00:00.000Z",
    }  # fmt: skip


def test_numbers_stay_numbers(as_, viewer, spike):
    (row,) = table(as_(viewer))
    assert (row["expected"], row["peak_value"], row["score"]) == ("-2.5", "", "87.0")


def test_a_line_of_json_is_the_anomaly_as_the_list_shows_it(as_, viewer, spike, record):
    client = as_(viewer)
    answer = client.get(f"{ADDRESS}?format=jsonl")
    assert answer["Content-Type"] == "application/x-ndjson"
    lines = body(answer).decode().removesuffix("\n").split("\n")
    assert [json.loads(line) for line in lines] == client.get("/api/anomalies").json()["items"]


def test_filters_are_those_of_the_list(as_, viewer, spike, record):
    client = as_(viewer)
    assert [row["id"] for row in table(client, "anomaly_type=metric&page=2&size=1")] == [str(spike.pk)]
    assert table(client, "tag=Nothing") == []
    assert body(client.get(f"{ADDRESS}?format=jsonl&tag=Nothing")) == b""


@pytest.mark.parametrize(("query", "field"), [("format=xls", "format"), ("status=Gone", "status"), ("colour=red", "colour")])
def test_nonsense_is_named(as_, viewer, query, field):
    answer = as_(viewer).get(f"{ADDRESS}?{query}")
    assert (answer.status_code, answer.json()["errors"][0]["loc"]) == (422, ["query", field])


def test_only_what_one_sees_is_in_it(as_, as_org, org, spike, stranger, outsider, admin):
    hidden = factories.make_anomaly(factories.make_metric(Datastore.objects.create(org=org, name="Hidden")))
    assert [row["id"] for row in table(as_(admin))] == [str(spike.pk), str(hidden.pk)]
    assert len(table(as_org)) == 2
    assert (table(as_(stranger)), table(as_(outsider))) == ([], [])


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_a_long_list_comes_in_chunks_and_whole(as_, viewer, datastore, monkeypatch, form):
    metric = factories.make_metric(datastore)
    made = [factories.make_anomaly(metric, kind=f"k{number}").pk for number in range(25)]
    monkeypatch.setattr(export, "CHUNK", 10)
    answer = as_(viewer).get(f"{ADDRESS}?format={form}&sort_id=asc")
    pieces = [len(piece.splitlines()) for piece in answer.streaming_content]
    assert pieces == ([1] if form == "csv" else []) + [10, 10, 5]
    assert [row["id"] for row in table(as_(viewer), "sort_id=asc")] == list(map(str, made))


@pytest.mark.django_db(transaction=True)
def test_whoever_goes_away_in_the_middle_leaves_nothing_open(spike, record, viewer, monkeypatch):
    monkeypatch.setattr(export, "CHUNK", 1)
    pieces = export.exported(Anomaly.objects.order_by("pk"), "csv", caller=viewer)
    assert [next(pieces).count(b"\r\n") for _ in range(2)] == [1, 1]
    assert connection.in_atomic_block
    pieces.close()
    assert not connection.in_atomic_block
    assert connection.get_autocommit()
