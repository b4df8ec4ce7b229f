"""The evidence on the page of a record and a shape anomaly: rows, masks, failed checks, and the measure over time."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.urls import reverse
from django.utils import timezone

from anomalies.models import Anomaly
from anomalies.pages.occurrences import Measure, measure_of
from anomalies.services.scans import BadRow, Check, Column, RowFailures, Scan, ShapeFailure, Suggestion, record_findings
from datastores.models import AuditEntry, Container
from tests import factories

HTMX = {"HX-Request": "true"}
COLUMNS = (Column("id", "Integral"), Column("email", "String", masked=True), Column("country", "String"), Column("amount", "Fractional"))
NOT_NULL = Check(11, "notNull", ("country",), "Every order has a country.")
PATTERN = Check(12, "containsEmail", ("email",))
UNIQUE = Check(13, "unique", ("id",))
pytestmark = pytest.mark.django_db


@pytest.fixture
def scan(org, datastore) -> Scan:
    cache.clear()
    container = Container.objects.create(org=org, datastore=datastore, name="orders")
    return Scan(org.pk, container.pk, COLUMNS, (NOT_NULL, PATTERN, UNIQUE), identifiers=("id",), container_scan_id=1, partition_scan_id=1)


@pytest.fixture
def record(scan) -> Anomaly:
    row = (7, "no-mail", None, 9.5)
    failures = [
        RowFailures(11, 1, (BadRow(row, "country is null.", Suggestion("country", "DE", 0.8)),), "one"),
        RowFailures(12, 1, (BadRow(row, "email no-mail is no address."),), "one"),
    ]
    record_findings(scan, rows=failures, now=timezone.now())
    return Anomaly.objects.get()


def shape(scan, *, share: float, ago: timedelta) -> Anomaly:
    """What a scan some time ago found: the check failed for this share of the rows."""
    number = Anomaly.objects.count() + 2
    scan = replace(scan, container_scan_id=number, partition_scan_id=number)
    message = f"In id, {share:.3f}% of 1,000 records ({share * 10:.0f}) are not unique."
    record_findings(
        scan, shapes=[ShapeFailure(13, message, 2, ((8, "a@b.c", "DE", 1.0), (8, "d@e.f", "FR", 2.0)))], now=timezone.now() - ago
    )
    return Anomaly.objects.order_by("-pk")[0]


def page(as_, user, anomaly, query: str = "") -> str:
    return as_(user).get(f"/app/anomalies/{anomaly.pk}{query}").content.decode()


def test_the_failing_row_has_its_anomalous_cells_marked_and_masks_on(as_, viewer, record):
    text = page(as_, viewer, record)
    assert '<td class="anomalous"><code class="masked">***MASKED***</code></td>' in text
    assert '<td class="anomalous"><code class="null">null</code></td>' in text
    assert "<td><code>9.5</code></td>" in text
    assert "no-mail" not in text


def test_why_it_fired_has_each_check_with_what_was_expected_and_found(as_, viewer, record):
    failures = as_(viewer).get(f"/app/anomalies/{record.pk}").context["evidence"].why.failures
    assert [(one.rule, one.fields, one.expected, one.found, one.suggestion, one.sureness) for one in failures] == [
        ("not null", ("country",), "a value", (("country", "null"),), "country = DE", "80 % sure"),
        ("contains email", ("email",), "an e-mail address", (("email", "***MASKED***"),), "", ""),
    ]


def test_a_check_says_what_it_asserts_and_leads_to_all_that_it_found(as_, viewer, record):
    client = as_(viewer)
    text = client.get(f"/app/anomalies/{record.pk}").content.decode()
    assert f"<dt>Check</dt><dd>{NOT_NULL.description}</dd>" in text
    assert "/app/inbox?quality_check=11&amp;archived=include" in text
    found = client.get("/app/inbox?quality_check=11&archived=include").context["page"]
    assert [row.id for row in found.rows] == [record.pk]
    assert f"check: {NOT_NULL.description}" in [chip.label for chip in found.sidebar.chips]


def test_the_weight_says_what_it_is_made_of(as_, viewer, record):
    parts = as_(viewer).get(f"/app/anomalies/{record.pk}").context["detail"].parts
    assert sum(part.value for part in parts) == record.weight
    assert {part.name for part in parts} >= {"not null", "contains email"}


def test_an_editor_sees_what_is_masked_and_that_is_written_down(as_, editor, record):
    client = as_(editor)
    answer = client.post(f"/app/anomalies/{record.pk}/source", {"reveal": "1"}, headers=HTMX)
    text = answer.content.decode()
    assert "<code>no-mail</code>" in text
    assert "that you looked is written down" in text
    assert "include_masked=true" in text
    assert (answer["Cache-Control"], "<html" in text) == ("no-store", False)
    entry = AuditEntry.objects.get()
    assert (entry.user, entry.resource_id, entry.masked_field_names) == (editor, record.pk, ["email"])
    assert "no-mail" not in client.get(f"/app/anomalies/{record.pk}").content.decode()
    assert AuditEntry.objects.count() == 1


def test_without_htmx_the_whole_page_comes_with_what_was_masked(as_, editor, record):
    text = as_(editor).post(f"/app/anomalies/{record.pk}/source", {"reveal": "1"}).content.decode()
    assert "<code>no-mail</code>" in text
    assert '<h2 id="why">' in text


@pytest.mark.parametrize("who", ["viewer", "author"])
def test_below_editor_the_masks_stay_and_the_button_says_why(as_, cast, record, who):
    client = as_(cast[who])
    assert 'id="why-no-unmask">This needs the level editor on Metrics.' in client.get(f"/app/anomalies/{record.pk}").content.decode()
    for headers in ({}, HTMX):
        answer = client.post(f"/app/anomalies/{record.pk}/source", {"reveal": "1"}, headers=headers)
        assert (answer.status_code, b"no-mail" in answer.content) == (403, False)
    assert AuditEntry.objects.count() == 0


def test_a_reporter_sees_no_rows_and_why(as_, reporter, record):
    assert "This needs the level viewer on Metrics." in page(as_, reporter, record)
    assert as_(reporter).get(f"/app/anomalies/{record.pk}/source", headers=HTMX).status_code == 403


def test_outside_the_org_there_are_no_rows(as_, outsider, record):
    for method in ("get", "post"):
        assert getattr(as_(outsider), method)(f"/app/anomalies/{record.pk}/source").status_code == 404


@pytest.mark.parametrize(
    ("query", "seen"),
    [("", ["email", "country", "id", "amount"]), ("?columns=anomalous", ["email", "country"]),
     ("?column=id&column=amount", ["id", "amount"]),
     ("?column=nowhere", ["email", "country", "id", "amount"]), ("?rows=7&column=id", ["id"])],
)  # fmt: skip
def test_columns_are_chosen_in_the_address(as_, viewer, record, query, seen):
    for path in ("", "/source"):
        records = as_(viewer).get(f"/app/anomalies/{record.pk}{path}{query}").context["records"]
        assert [column.name for column in records.seen] == seen
        assert [len(row) for row in records.rows] == [len(seen)]


def test_rows_are_read_anew_on_request(as_, viewer, record):
    client = as_(viewer)
    client.get(f"/app/anomalies/{record.pk}")
    record.source_rows.update(values=[7, None, "changed", 9.5])
    assert "changed" not in client.get(f"/app/anomalies/{record.pk}").content.decode()
    assert "changed" in client.post(f"/app/anomalies/{record.pk}/source", {"refresh": "1"}, headers=HTMX).content.decode()


def test_the_measure_of_a_shape_is_shown_over_time(as_, viewer, scan):
    first, second, third = (shape(scan, share=share, ago=timedelta(days=days)) for share, days in ((0.2, 3), (0.4, 2), (0.8, 1)))
    history = as_(viewer).get(f"/app/anomalies/{second.pk}").context["evidence"].history
    assert [(one.id, one.words, one.is_this, one.height) for one in history.occurrences] == [
        (first.pk, "0.2 %", False, 48.0), (second.pk, "0.4 %", True, 96.0),
    ]  # fmt: skip
    text = page(as_, viewer, third)
    assert text.count('<rect class="earlier"') == 2
    assert f'<a href="/app/anomalies/{first.pk}">' in text
    assert '<th scope="col" class="end">Measure</th>' in text


def test_rows_that_a_check_of_the_whole_table_counts_are_not_called_anomalous(as_, viewer, scan):
    found = shape(scan, share=0.2, ago=timedelta(days=1))
    Anomaly.objects.filter(pk=found.pk).update(anomalous_records_count=3200)
    assert "<dt>Rows</dt><dd>3,200 concerned</dd>" in page(as_, viewer, found)


def test_a_check_that_fails_without_a_number_is_told_and_not_drawn(as_, viewer, scan):
    found = shape(scan, share=0.2, ago=timedelta(days=1))
    assert 'class="measure-bars"' in page(as_, viewer, found)
    Anomaly.objects.filter(pk=found.pk).update(message="Schema changed.", anomalous_records_count=None)
    text = page(as_, viewer, found)
    assert ('class="measure-bars"' in text, "no figure" in text) == (False, True)


@pytest.mark.parametrize(
    ("message", "count", "measure"),
    [("In id, 1.500% of 10 records (2) fail.", 2, Measure(1.5, "%")),
     ("The table has 4,000 records where at least 5,000 were expected.", 4000, Measure(4000.0, "", 5000.0)),
     ("instance has 9 distinct values where 10 were expected.", 9, Measure(9.0, "", 10.0)),
     ("Rows are odd.", 12, Measure(12.0, "rows")), ("Sum is -3.5.", None, Measure(-3.5, "")), ("Schema changed.", None, None)],
)  # fmt: skip
def test_the_measure_is_read_from_the_sentence(message, count, measure):
    assert measure_of(Anomaly(message=message, anomalous_records_count=count)) == measure


@pytest.mark.parametrize(
    ("message", "measure"),
    [("1.2.3% of it.", None), ("Version 10.0.0.1 is odd.", None), ("1.2.3 rows where 4.5.6 were expected.", None), ("9" * 400, None),
     ("Of v1.2.3, 4.5% fail.", Measure(4.5, "%")), ("It has ².", None)],
)  # fmt: skip
def test_what_is_no_number_is_not_read_as_one(message, measure):
    assert measure_of(Anomaly(message=message)) == measure


def test_an_operator_who_acts_as_an_editor_sees_no_masked_value(as_, other_org, editor, record):
    operator = as_(factories.make_user(other_org, "Olga", is_staff=True, is_superuser=True, role="admin"))
    operator.post(reverse("admin:accounts_user_act_as", args=(editor.pk,)), {"reason": "Ticket 4711: rows look wrong."})
    answer = operator.post(f"/app/anomalies/{record.pk}/source", {"reveal": "1"}, headers=HTMX)
    assert (answer.status_code, b"no-mail" in answer.content) == (403, False)
    answer = operator.get(f"/api/anomalies/{record.pk}/source-record?include_masked=true")
    assert (answer.status_code, b"no-mail" in answer.content) == (403, False)
    assert operator.get(f"/api/anomalies/{record.pk}/source-record").status_code == 200
    assert AuditEntry.objects.count() == 0


def test_the_same_again_and_what_was_found_beside_it(as_, viewer, scan, record):
    first = shape(scan, share=0.2, ago=timedelta(hours=5))
    second = shape(scan, share=0.4, ago=timedelta(minutes=1))
    context = as_(viewer).get(f"/app/anomalies/{second.pk}").context
    assert [row.id for row in context["related"]] == [first.pk]
    assert [row.id for row in context["together"]] == [record.pk]


def test_queries_do_not_grow_with_what_hangs_on_it(as_, editor, scan, record, queries_of):
    client = as_(editor)
    one = shape(scan, share=0.1, ago=timedelta(days=9))
    client.get(f"/app/anomalies/{one.pk}")
    few = queries_of(lambda: client.get(f"/app/anomalies/{one.pk}"))
    for days in range(8):
        shape(scan, share=0.2, ago=timedelta(days=days))
    last = Anomaly.objects.order_by("-pk")[0]
    client.get(f"/app/anomalies/{last.pk}")
    assert queries_of(lambda: client.get(f"/app/anomalies/{last.pk}")) <= few + 1
