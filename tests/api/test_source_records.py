"""GET /api/anomalies/{id}/source-record, /download and /csv: rows, masks, what is written down, and what is remembered."""

import csv
import io
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
import redis
from django.core.cache import cache
from django.db import connections, transaction
from django.utils import timezone

from anomalies import tasks
from anomalies.api import sources as api
from anomalies.models import Anomaly, SourceRow, SourceTable
from anomalies.services import sources
from anomalies.services.scans import BadRow, Check, Column, Options, RowFailures, Scan, ShapeFailure, record_findings
from datastores.models import AuditEntry, Container
from metrics import points
from orgs.moments import iso_millis
from tests import factories
from tests.api.test_schema_truth import check

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
COLUMNS = (
    Column("id", "Integral"),
    Column("email", "String", masked=True),
    Column("note", "String"),
    Column("salary", "Fractional", masked=True),
)
CHECK = Check(11, "notNull", ("email", "note"))
FIELDS = [
    {"name": "id", "type": "Integral", "masked": False, "anomalous": False},
    {"name": "email", "type": "String", "masked": True, "anomalous": True},
    {"name": "note", "type": "String", "masked": False, "anomalous": True},
    {"name": "salary", "type": "Fractional", "masked": True, "anomalous": False},
]
MASK = "***MASKED***"


@pytest.fixture
def scan(org, datastore) -> Scan:
    container = Container.objects.create(org=org, datastore=datastore, name="people")
    return Scan(org.pk, container.pk, COLUMNS, (CHECK,), options=Options(source_record_limit=10_000, rollup_threshold=1))


def keep(scan: Scan, *rows) -> Anomaly:
    """The rows as the sample of one shape anomaly."""
    record_findings(scan, shapes=[ShapeFailure(11, "some are null", len(rows), rows)], now=NOW)
    return Anomaly.objects.get()


@pytest.fixture
def anomaly(scan) -> Anomaly:
    return keep(scan, (1, "ann@x", "first", 10.5), (2, None, '=cmd|"/c calc"!A0', -7))


def path(anomaly: Anomaly, rest: str = "") -> str:
    return f"/api/anomalies/{anomaly.pk}/source-record{rest}"


def test_rows_come_with_masks_and_say_which_fields_are_wrong(as_, viewer, anomaly):
    answer = as_(viewer).get(f"/api/anomalies/{anomaly.uuid}/source-record")
    shown = answer.json()
    assert timezone.now() - datetime.fromisoformat(shown.pop("cached_at")) < timedelta(hours=1)
    assert shown == {
        "fields": FIELDS,
        "records": [
            {"id": 1, "email": MASK, "note": "first", "salary": MASK},
            {"id": 2, "email": MASK, "note": '=cmd|"/c calc"!A0', "salary": MASK},
        ],
        "total": 2, "limit": 10, "created": iso_millis(NOW),
    }  # fmt: skip
    check(answer, "/api/anomalies/{id}/source-record")
    assert AuditEntry.objects.count() == 0


def test_the_rows_of_a_record_anomaly_are_its_own(as_, viewer, scan):
    rows = [BadRow((number, "a@b", None, 1.0), "note is null") for number in range(2)]
    one = replace(scan, options=Options())
    record_findings(one, rows=[RowFailures(11, 2, tuple(rows), "x")], now=NOW)
    shown = [as_(viewer).get(path(each)).json()["records"] for each in Anomaly.objects.order_by("pk")]
    assert [[row["id"] for row in rows] for rows in shown] == [[0], [1]]


@pytest.mark.parametrize(
    ("who", "status"), [("reporter", 403), ("stranger", 404), ("outsider", 404), ("viewer", 200), ("author", 200), ("admin", 200)]
)
def test_who_reads_rows(as_, cast, anomaly, who, status):
    for rest in ("", "/download", "/csv"):
        assert as_(cast[who]).get(path(anomaly, rest)).status_code == status


@pytest.mark.parametrize(("who", "status"), [("viewer", 403), ("author", 403), ("outsider", 404), ("editor", 200), ("admin", 200)])
def test_who_sees_what_is_masked(as_, as_org, cast, org, anomaly, who, status):
    demo = factories.make_user(org, "Demo", is_demo=True)
    for rest in ("", "/download", "/csv"):
        assert as_(cast[who]).get(path(anomaly, f"{rest}?include_masked=true")).status_code == status
        assert as_(demo).get(path(anomaly, f"{rest}?include_masked=true")).status_code == 403
        assert as_org.get(path(anomaly, f"{rest}?include_masked=true")).status_code == 403
    assert AuditEntry.objects.count() == (3 if status == 200 else 0)


def test_what_is_unmasked_is_written_down_once_per_call(as_, editor, anomaly):
    shown = as_(editor).get(path(anomaly, "?include_masked=true&limit=1"), REMOTE_ADDR="192.0.2.9").json()
    assert shown["records"] == [{"id": 1, "email": "ann@x", "note": "first", "salary": 10.5}]
    entry = AuditEntry.objects.get()
    assert (entry.user, entry.action, entry.resource_type, entry.resource_id) == (editor, "unmask_field_values", "anomaly", anomaly.pk)
    assert (entry.masked_field_names, entry.endpoint, entry.ip_address) == (["email", "salary"], path(anomaly), "192.0.2.9")
    as_(editor).get(path(anomaly, "/download?include_masked=true"))
    assert list(AuditEntry.objects.order_by("pk").values_list("endpoint", flat=True)) == [path(anomaly), path(anomaly, "/download")]
    as_(editor).get(path(anomaly, "?include_masked=false"))
    assert AuditEntry.objects.count() == 2


def test_where_nothing_is_masked_nothing_is_written_down(as_, editor, scan):
    plain = keep(replace(scan, columns=tuple(replace(column, masked=False) for column in COLUMNS)), (1, "ann@x", "first", 10.5))
    assert as_(editor).get(path(plain, "?include_masked=true")).json()["records"][0]["email"] == "ann@x"
    assert AuditEntry.objects.count() == 0


def test_neither_the_database_nor_the_cache_holds_a_masked_value(as_, editor, anomaly):
    as_(editor).get(path(anomaly, "?include_masked=true"))
    stored = str(list(SourceRow.objects.values_list("values", flat=True)))
    held = sources.remembered(anomaly)
    assert ("ann@x" in stored, "ann@x" in str(held), held.rows[0].values) == (False, False, [1, None, "first", None])


def test_sealed_values_of_another_key_are_409(as_, editor, anomaly):
    SourceRow.objects.update(sealed=b"\x01" + bytes(40))
    for rest in ("", "/download"):
        answer = as_(editor).get(path(anomaly, f"{rest}?include_masked=true"))
        assert (answer.status_code, "installation's key" in answer.json()["detail"]) == (409, True)
    assert as_(editor).get(path(anomaly)).status_code == 200


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("limit=0", "limit"), ("limit=-1", "limit"), ("limit=10001", "limit"), ("limit=ten", "limit"), ("limit=", "limit"),
        ("include_masked=yes", "include_masked"), ("refresh=1", "refresh"), ("page=1", "page"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_is_named(as_, editor, anomaly, query, name):
    for rest in ("", "/download", "/csv"):
        answer = as_(editor).get(path(anomaly, f"{rest}?{query}"))
        assert (answer.status_code, answer.json()["errors"][0]["loc"]) == (422, ["query", name])
    assert AuditEntry.objects.count() == 0


def test_the_limit_is_ten_unless_asked_otherwise(as_, viewer, scan):
    kept = keep(scan, *((number, None, "x", 1) for number in range(25)))
    client = as_(viewer)
    for query, count in (("", 10), ("?limit=1", 1), ("?limit=25", 25), ("?limit=10000", 25)):
        shown = client.get(path(kept, query)).json()
        assert (len(shown["records"]), shown["total"]) == (count, 25)
        assert [row["id"] for row in shown["records"]] == list(range(count))
        assert len(csv_rows(client.get(path(kept, f"/download{query}")))) == count + 1


def csv_rows(answer) -> list[list[str]]:
    return list(csv.reader(io.StringIO(answer.getvalue().decode(), newline="")))


def test_a_download_is_a_file_of_csv(as_, viewer, editor, anomaly):
    answer = as_(viewer).get(path(anomaly, "/download"))
    assert (answer.status_code, answer["Content-Type"], answer.streaming) == (200, "text/csv; charset=utf-8", True)
    assert answer["Content-Disposition"] == f'attachment; filename="source_records_{anomaly.pk}.csv"'
    text = answer.getvalue()
    assert text.startswith(b"id,email,note,salary\r\n1,***MASKED***,first,***MASKED***\r\n")
    assert text.endswith(b"\r\n")
    assert as_(viewer).get(path(anomaly, "/csv")).getvalue() == text
    open_ = csv_rows(as_(editor).get(path(anomaly, "/download?include_masked=true")))
    assert open_[1:] == [["1", "ann@x", "first", "10.5"], ["2", "", '\'=cmd|"/c calc"!A0', "-7"]]


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("=1+1", "'=1+1"), ("+49 30", "'+49 30"),
        ("-x", "'-x"), ("@SUM(A1)", "'@SUM(A1)"), ("\tx", "'\tx"), ('say "hi", twice\nplease', None),
        (-5, "-5"), (1e300, "1e+300"),
        ({"deep": [-1e19]}, '{"deep":[-1e+19]}'), (True, "true"), ({"a": [1]}, '{"a":[1]}'), (None, ""), ("é, ü", "é, ü"),
    ],
)  # fmt: skip
def test_a_cell_is_read_back_as_it_was_and_runs_nothing(as_, viewer, scan, value, cell):
    kept = keep(scan, (1, None, value, 1))
    assert csv_rows(as_(viewer).get(path(kept, "/download")))[1][2] == (value if cell is None else cell)


def test_a_file_ends_with_the_last_whole_row_that_fits(as_, viewer, scan, monkeypatch):
    kept = keep(scan, *((number, None, "x" * 50, 1) for number in range(20)))
    monkeypatch.setattr(api, "CSV_BYTES", 500)
    monkeypatch.setattr(api, "PIECE_BYTES", 200)
    text = as_(viewer).get(path(kept, "/download?limit=20")).getvalue()
    assert 400 < len(text) <= 500
    assert text.endswith(b"***MASKED***\r\n")


def test_an_anomaly_without_rows_has_none(as_, viewer, scan):
    record_findings(scan, shapes=[ShapeFailure(11, "gone")], now=NOW)
    shown = as_(viewer).get(path(Anomaly.objects.get())).json()
    assert (shown["fields"], shown["records"], shown["total"], shown["created"]) == ([], [], 0, None)
    assert as_(viewer).get(path(Anomaly.objects.get(), "/download")).getvalue() == b"\r\n"


def test_rows_are_remembered_until_a_refresh(as_, viewer, anomaly):
    client = as_(viewer)
    first = client.get(path(anomaly)).json()
    SourceRow.objects.filter(place=1).delete()
    SourceTable.objects.update(total=1)
    assert client.get(path(anomaly)).json() == first
    assert csv_rows(client.get(path(anomaly, "/download")))[2][0] == "2"
    fresh = client.get(path(anomaly, "?refresh=true")).json()
    assert ([row["id"] for row in fresh["records"]], fresh["total"], fresh["cached_at"] > first["cached_at"]) == ([1], 1, True)
    assert client.get(path(anomaly)).json() == fresh


def test_they_are_remembered_for_eight_hours(as_, viewer, anomaly):
    as_(viewer).get(path(anomaly))
    assert 8 * 3600 - 60 < cache._cache.get_client().ttl(cache.make_key(sources.key_of(anomaly))) <= 8 * 3600


def test_what_is_too_large_is_read_each_time(as_, viewer, anomaly, monkeypatch):
    monkeypatch.setattr(sources, "CACHED_BYTES", 10)
    client = as_(viewer)
    first = client.get(path(anomaly)).json()
    SourceRow.objects.filter(place=1).delete()
    assert (len(first["records"]), len(client.get(path(anomaly)).json()["records"])) == (2, 1)


def test_without_the_cache_rows_are_read_from_the_database(as_, viewer, anomaly, monkeypatch):
    client = as_(viewer)

    def away(*args, **kwargs):
        raise redis.ConnectionError("no server")

    monkeypatch.setattr(cache, "get", away)
    assert len(client.get(path(anomaly)).json()["records"]) == 2


@pytest.mark.parametrize("trouble", ["no_broker", "unattended"])
def test_without_a_broker_or_a_worker_they_are_read_where_they_are_asked_for(as_, viewer, anomaly, monkeypatch, request, trouble):
    monkeypatch.setattr(sources, "WAIT_S", 0.05)
    request.getfixturevalue(trouble)
    assert len(as_(viewer).get(path(anomaly)).json()["records"]) == 2


def test_while_another_reads_them_it_is_503(as_, viewer, anomaly, monkeypatch):
    monkeypatch.setattr(sources, "WAIT_S", 0.05)
    cache.add(f"{sources.key_of(anomaly)}:filling", "somebody", 3600)
    answer = as_(viewer).get(path(anomaly))
    assert (answer.status_code, answer["Retry-After"]) == (503, "2")
    assert cache.get(f"{sources.key_of(anomaly)}:filling") == "somebody"


@pytest.mark.django_db(transaction=True)
def test_two_never_read_the_rows_of_one_anomaly_at_once(anomaly, monkeypatch):
    reading, most, results = [], [], []
    read = sources.read_source

    def slowly(*args, **kwargs):
        reading.append(1)
        most.append(len(reading))
        time.sleep(0.2)
        reading.pop()
        return read(*args, **kwargs)

    monkeypatch.setattr(sources, "read_source", slowly)
    monkeypatch.setattr(sources, "WAIT_S", 120.0)

    def ask(after_s: float) -> None:
        time.sleep(after_s)
        try:
            results.append(len(sources.source_records(Anomaly.objects.get(), refresh=True).rows))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=ask, args=(after_s,)) for after_s in (0.0, 0.1, 0.1, 0.15)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(240)
    assert (results, max(most)) == ([2, 2, 2, 2], 1)
    assert len(most) <= 4


def test_a_tombstone_has_no_rows(as_, admin, anomaly):
    as_(admin).get(path(anomaly))
    Anomaly.objects.update(deleted=NOW, status="Resolved")
    assert as_(admin).get(path(anomaly)).status_code == 404
    tasks.fill_source_records(anomaly.org_id, anomaly.pk, timezone.now().isoformat())


def excursion(datastore, *, ended: bool) -> Anomaly:
    """Four points, of which the detector judged all but the last; the third is a gap."""
    metric = factories.make_metric(datastore)
    start = int(factories.STARTED.timestamp() * 1000)
    times = start + 60_000 * np.arange(-1, 4)
    points.append(metric.org_id, np.full(5, metric.pk), times, np.array([1.0, 9.5, 9.0, np.nan, 8.0]))
    with transaction.atomic():
        band = np.array([1.0, 2.0, 3.0])
        points.append_verdicts(
            metric.org_id, np.full(3, metric.pk), times[1:4], yhat=band, lower=band - 1, upper=np.array([3.0, np.nan, 4.0]), score=band
        )
    return factories.make_anomaly(metric, ended_at=factories.STARTED + timedelta(minutes=3) if ended else None)


@pytest.mark.parametrize("ended", [True, False])
def test_the_rows_of_a_metric_anomaly_are_its_points(as_, viewer, datastore, ended):
    one = excursion(datastore, ended=ended)
    answer = as_(viewer).get(path(one))
    shown = answer.json()
    assert [(field["name"], field["type"], field["anomalous"]) for field in shown["fields"]] == [
        ("timestamp", "Timestamp", False), ("value", "Fractional", True), ("expected", "Fractional", False),
        ("lower", "Fractional", False), ("upper", "Fractional", False),
    ]  # fmt: skip
    assert [tuple(row.values()) for row in shown["records"]] == [
        ("2026-03-01T12:00:00.000Z", 9.5, 1.0, 0.0, 3.0), ("2026-03-01T12:01:00.000Z", 9.0, 2.0, 1.0, None),
        ("2026-03-01T12:02:00.000Z", None, 3.0, 2.0, 4.0), ("2026-03-01T12:03:00.000Z", 8.0, None, None, None),
    ]  # fmt: skip
    assert (shown["total"], shown["created"]) == (4, iso_millis(one.created))
    check(answer, "/api/anomalies/{id}/source-record")
    kept_s = cache._cache.get_client().ttl(cache.make_key(sources.key_of(one)))
    assert (kept_s > 3600) is ended
    lines = csv_rows(as_(viewer).get(path(one, "/csv?limit=1")))
    assert lines == [["timestamp", "value", "expected", "lower", "upper"], ["2026-03-01T12:00:00.000Z", "9.5", "1.0", "0.0", "3.0"]]


def test_queries_do_not_grow_with_the_rows(as_, viewer, editor, scan, same_queries):
    kept = keep(scan, *((number, None, "x", 1) for number in range(500)))
    client = as_(viewer)
    same_queries("source records, read", lambda: client.get(path(kept, "?limit=500")))
    same_queries("source records, remembered", lambda: client.get(path(kept, "?limit=500")))
    same_queries("source records, unmasked", lambda: as_(editor).get(path(kept, "?limit=500&include_masked=true")))
