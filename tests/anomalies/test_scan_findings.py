"""From what a scan finds to anomalies: merging, roll-up, weight, what is inherited and kept, and what recurs."""

import logging
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext

from anomalies.models import Anomaly, AnomalyTag, Change, FailedCheck, Notice, SourceRow, SourceTable, Tag
from anomalies.services import archive_anomaly
from anomalies.services.scans import (
    BadRow,
    Check,
    Column,
    Options,
    Recording,
    RowFailures,
    Scan,
    ShapeFailure,
    Suggestion,
    record_findings,
)
from datastores.models import Container

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
COLUMNS = (Column("id", "Integral"), Column("email", "String", masked=True), Column("amount", "Fractional"), Column("city", "String"))
NOT_NULL = Check(11, "notNull", ("email",), "Every order has an e-mail address.")
PATTERN = Check(12, "matchesPattern", ("email",), "Addresses look like addresses.")
POSITIVE = Check(13, "positive", ("amount",), "Nobody orders less than nothing.")
UNIQUE = Check(14, "unique", ("id",), "An id occurs once.")


@pytest.fixture
def container(org, datastore) -> Container:
    return Container.objects.create(org=org, datastore=datastore, name="orders")


@pytest.fixture
def scan(container) -> Scan:
    return Scan(container.org_id, container.pk, COLUMNS, (NOT_NULL, PATTERN, POSITIVE, UNIQUE))


def with_options(scan: Scan, **options) -> Scan:
    return replace(scan, options=replace(scan.options, **options))


def with_checks(scan: Scan, *checks: Check) -> Scan:
    known = {check.id: check for check in checks}
    return replace(scan, checks=tuple(known.get(check.id, check) for check in scan.checks))


def failures(check: Check, *rows, count: int | None = None, says: str = "is wrong") -> RowFailures:
    said = tuple(BadRow(row, f"{check.fields[0]} {says} in row {row[0]}.") for row in rows)
    return RowFailures(check.id, len(rows) if count is None else count, said, f"{count} rows have a wrong {check.fields[0]}.")


def record(scan: Scan, *rows: RowFailures, shapes=(), later: int = 0) -> Recording:
    return record_findings(scan, rows=rows, shapes=shapes, now=NOW + timedelta(days=later))


def statuses() -> list[str]:
    return list(Anomaly.objects.order_by("pk").values_list("status", flat=True))


FIRST, SECOND = (1, "a@b", -5.0, "Rome"), (2, None, -7.5, "Oslo")


def test_a_row_that_fails_is_a_record_anomaly(scan, container):
    made = record(scan, failures(POSITIVE, FIRST))
    anomaly = Anomaly.objects.get()
    assert made == Recording(opened=(anomaly.pk,))
    assert (anomaly.type, anomaly.status, anomaly.is_new, anomaly.created) == ("record", "Active", True, NOW)
    assert (anomaly.container, anomaly.datastore, anomaly.metric) == (container, container.datastore, None)
    assert (anomaly.message, anomaly.description) == ("amount is wrong in row 1.", "Nobody orders less than nothing.")
    assert (anomaly.anomalous_records_count, anomaly.source_enriched, anomaly.weight) == (1, True, 1)
    assert anomaly.weight_breakdown == {"positive": 1, "tags": 0}
    line = Change.objects.get()
    assert (line.changeset, line.actor, line.user) == ({"status": [None, "Active"], "weight": [None, 1]}, "scan", None)


def test_all_checks_that_fail_on_a_row_are_one_anomaly(scan):
    record(scan, failures(POSITIVE, FIRST, SECOND), failures(NOT_NULL, SECOND, says="is null"), failures(PATTERN, SECOND))
    one, many = Anomaly.objects.order_by("weight")
    assert (one.weight, many.weight) == (1, 5)
    assert many.message == "email is null in row 2. 2 more checks fail on the same row."
    assert many.weight_breakdown == {"notNull": 1, "matchesPattern": 3, "positive": 1, "tags": 0}
    checks = many.failed_checks.order_by("quality_check_id")
    assert list(checks.values_list("quality_check_id", "rule_type")) == [(11, "notNull"), (12, "matchesPattern"), (13, "positive")]
    assert [[field.name for field in check.fields.all()] for check in checks] == [["email"], ["email"], ["amount"]]
    assert many.description == "\n".join(check.description for check in (NOT_NULL, PATTERN, POSITIVE))


def test_equal_rows_are_one_anomaly_that_counts_them(scan):
    record(scan, failures(POSITIVE, FIRST, FIRST, FIRST, SECOND))
    assert sorted(Anomaly.objects.values_list("anomalous_records_count", flat=True)) == [1, 3]
    assert SourceRow.objects.filter(anomaly__anomalous_records_count=3).count() == 3


def test_with_identifiers_a_row_stays_the_same_when_another_column_changes(scan):
    keyed = replace(scan, identifiers=("id",))
    record(keyed, failures(POSITIVE, FIRST))
    record(keyed, failures(POSITIVE, (1, "a@b", -99.0, "Rome")), later=1)
    assert statuses() == ["Active", "Duplicate"]
    record(scan, failures(POSITIVE, (1, "a@b", -99.0, "Paris")), later=2)
    assert statuses()[2:] == ["Active"]


def test_a_table_that_fails_is_a_shape_anomaly_with_a_sample(scan):
    failure = ShapeFailure(UNIQUE.id, "In id, 25.000% of 8 records (2) are not unique.", 2, (FIRST, SECOND), Suggestion("id", "9", 0.75))
    record(scan, shapes=[failure])
    anomaly = Anomaly.objects.get()
    assert (anomaly.type, anomaly.message, anomaly.anomalous_records_count) == ("shape", failure.message, 2)
    assert (anomaly.weight, anomaly.weight_breakdown) == (2, {"unique": 2, "tags": 0})
    check = anomaly.failed_checks.get()
    assert (check.suggested_field, check.suggested_value, check.suggested_score) == ("id", "9", 0.75)
    assert SourceRow.objects.count() == 2


def test_more_rows_than_the_threshold_are_rolled_up(scan):
    rows = [(number, "a@b", -1.0, "Rome") for number in range(5)]
    record(
        with_options(scan, rollup_threshold=3, source_record_limit=2), failures(POSITIVE, *rows[:4], count=5), failures(NOT_NULL, rows[0])
    )
    record_, shape = Anomaly.objects.order_by("type")
    assert (record_.type, [check.rule_type for check in record_.failed_checks.all()]) == ("record", ["notNull"])
    assert (shape.type, shape.message, shape.anomalous_records_count) == ("shape", "5 rows have a wrong amount.", 5)
    assert list(SourceRow.objects.filter(anomaly=shape).values_list("values__0", flat=True)) == [0, 1]
    assert SourceTable.objects.get(anomaly=shape).total == 2


def test_as_many_rows_as_the_threshold_are_not(scan):
    rows = [(number, "a@b", -1.0, "Rome") for number in range(3)]
    record(with_options(scan, rollup_threshold=3), failures(POSITIVE, *rows))
    assert list(Anomaly.objects.values_list("type", flat=True)) == ["record"] * 3


def test_rows_are_kept_up_to_the_limit_and_masked_values_sealed(scan):
    record(with_options(scan, source_record_limit=1), failures(NOT_NULL, FIRST, FIRST))
    table, row = SourceTable.objects.get(), SourceRow.objects.get()
    assert table.fields == [
        {"name": "id", "type": "Integral", "masked": False, "anomalous": False},
        {"name": "email", "type": "String", "masked": True, "anomalous": True},
        {"name": "amount", "type": "Fractional", "masked": False, "anomalous": False},
        {"name": "city", "type": "String", "masked": False, "anomalous": False},
    ]
    assert (table.total, table.created, row.place, row.values) == (1, NOW, 0, [1, None, -5.0, "Rome"])
    assert b"a@b" not in bytes(row.sealed)


def test_words_never_show_what_is_masked(scan):
    bad = BadRow((1, "ann@example.com", -5.0, "Rome"), "'ann@example.com' is no address.", Suggestion("email", "anne@example.com", 0.9))
    other = BadRow((1, "ann@example.com", -5.0, "Rome"), "Order of ann@example.com is -5.", Suggestion("amount", "5 for ann@example.com"))
    shape = ShapeFailure(UNIQUE.id, "ann@example.com occurs twice.", 2, ((1, "ann@example.com", 1.0, "Rome"),))
    record(scan, RowFailures(12, 1, (bad,), "x"), RowFailures(13, 1, (other,), "x"), shapes=[shape])
    told = [*Anomaly.objects.values_list("message", flat=True), *FailedCheck.objects.values_list("message", "suggested_value")]
    assert "ann" not in str(told)
    assert sorted(FailedCheck.objects.values_list("message", flat=True)) == [
        "***MASKED*** is no address.", "***MASKED*** occurs twice.", "Order of ***MASKED*** is -5.",
    ]  # fmt: skip
    assert set(FailedCheck.objects.values_list("suggested_value", flat=True)) == {"***MASKED***", "5 for ***MASKED***", ""}


@pytest.mark.parametrize(("email", "shown"), [("anna", "H***MASKED***h is wrong."), ("ann", "Hannah is wrong.")])
def test_a_short_secret_is_masked_only_where_it_stands_alone(scan, email, shown):
    record(scan, RowFailures(13, 1, (BadRow((1, email, -5.0, "Rome"), "Hannah is wrong."),), "x"))
    assert Anomaly.objects.get().message == shown


def test_tags_and_people_come_from_all_failed_checks(scan, org, viewer, editor, other_org, caplog, reporter):
    high, low = (Tag.objects.create(org=org, name=name, weight_modifier=points) for name, points in (("High", 5), ("Low", -2)))
    foreign = Tag.objects.create(org=other_org, name="Theirs", weight_modifier=9)
    checks = (
        replace(POSITIVE, tag_ids=(high.pk, foreign.pk), default_assignee_id=viewer.pk),
        replace(NOT_NULL, tag_ids=(low.pk, high.pk), default_assignee_id=editor.pk),
        replace(PATTERN, default_assignee_id=reporter.pk),
    )
    with caplog.at_level(logging.WARNING):
        record(with_checks(scan, *checks), failures(POSITIVE, FIRST), failures(NOT_NULL, FIRST), failures(PATTERN, FIRST))
    anomaly = Anomaly.objects.get()
    assert [tag.name for tag in anomaly.global_tags.order_by("name")] == ["High", "Low"]
    assert {user.name for user in anomaly.assignees.all()} == {"Vic Viewer", "Eve Editor"}
    assert (anomaly.weight, anomaly.weight_breakdown) == (8, {"notNull": 1, "matchesPattern": 3, "positive": 1, "tags": 3})
    assert [entry.user for entry in caplog.records if "default assignee" in entry.message] == [reporter.pk]
    line = Change.objects.get()
    assert line.changeset["global_tags"] == [[], [{"id": high.pk, "name": "High"}, {"id": low.pk, "name": "Low"}]]
    assert line.changeset["assignees"] == [[], [{"id": editor.pk, "name": "Eve Editor"}, {"id": viewer.pk, "name": "Vic Viewer"}]]
    assert set(Notice.objects.values_list("user", "kind")) == {(viewer.pk, "assigned"), (editor.pk, "assigned")}


def test_the_same_problem_again_is_archived_as_a_duplicate_of_the_first(scan):
    record(scan, failures(POSITIVE, FIRST))
    again = record(scan, failures(POSITIVE, FIRST), later=1)
    first, second = Anomaly.objects.order_by("pk")
    assert again == Recording(duplicates=(second.pk,))
    assert (first.status, second.status, second.duplicate_of, first.fingerprint) == ("Active", "Duplicate", first, second.fingerprint)
    assert second.changes.get().changeset == {"status": [None, "Duplicate"], "weight": [None, 1], "duplicate_of": [None, {"id": first.pk}]}


def test_without_the_option_it_is_one_more(scan):
    for day in range(2):
        record(with_options(scan, archive_duplicate_anomalies=False), failures(POSITIVE, FIRST), later=day)
    assert statuses() == ["Active", "Active"]


@pytest.mark.parametrize("reason", ["Resolved", "Invalid", "Discarded", "Duplicate"])
def test_what_was_archived_is_opened_again_where_the_scan_says_so(scan, author, reason):
    record(scan, failures(POSITIVE, FIRST))
    archive_anomaly(Anomaly.objects.get(), user=author, status=reason)
    again = record(with_options(scan, reactivate_recurring_anomalies=True), failures(POSITIVE, FIRST), later=1)
    first, second = Anomaly.objects.order_by("pk")
    assert again == Recording(duplicates=(second.pk,), reopened=(first.pk,))
    assert (first.status, first.is_new, second.status, second.duplicate_of) == ("Active", True, "Duplicate", first)
    line = first.changes.order_by("-pk").first()
    assert (line.changeset, line.actor) == ({"status": [reason, "Active"]}, "scan")


def test_of_several_that_were_archived_the_newest_original_is_opened_again(scan, author):
    once, again = replace(scan, partition_scan_id=1), with_options(scan, reactivate_recurring_anomalies=True)
    for later in (0, 1):
        record(once if later else scan, failures(POSITIVE, FIRST), later=later)
        archive_anomaly(Anomaly.objects.get(status="Active"), user=author, status="Invalid")
    record(replace(scan, partition_scan_id=2), failures(POSITIVE, FIRST), later=2)
    record(replace(scan, partition_scan_id=3), failures(POSITIVE, FIRST), later=3)
    archive_anomaly(Anomaly.objects.get(status="Active"), user=author, status="Resolved")
    assert statuses() == ["Invalid", "Invalid", "Resolved", "Duplicate"]
    record(again, failures(POSITIVE, FIRST), later=4)
    assert statuses() == ["Invalid", "Invalid", "Active", "Duplicate", "Duplicate"]


def test_what_was_archived_stays_so_without_the_option(scan, author):
    record(scan, failures(POSITIVE, FIRST))
    archive_anomaly(Anomaly.objects.get(), user=author, status="Invalid")
    record(scan, failures(POSITIVE, FIRST), later=1)
    assert statuses() == ["Invalid", "Active"]


def test_a_full_scan_resolves_what_it_no_longer_finds(scan):
    record(scan, failures(POSITIVE, FIRST, SECOND), shapes=[ShapeFailure(UNIQUE.id, "twice")])
    made = record(scan, failures(POSITIVE, SECOND), later=1)
    gone = Anomaly.objects.filter(status="Resolved").order_by("pk")
    assert set(made.resolved) == {one.pk for one in gone}
    assert sorted(gone.values_list("type", flat=True)) == ["record", "shape"]
    assert {(line.actor, str(line.changeset)) for one in gone for line in one.changes.all()[1:]} == {
        ("scan", "{'status': ['Active', 'Resolved']}")
    }


def test_who_does_not_resolve(scan, org, datastore):
    record(scan, failures(POSITIVE, FIRST), shapes=[ShapeFailure(UNIQUE.id, "twice")])
    elsewhere = Container.objects.create(org=org, datastore=datastore, name="invoices")
    for other in (
        replace(scan, is_full=False),
        with_options(scan, auto_resolve_passed_anomalies=False),
        replace(scan, checks=(NOT_NULL, PATTERN)),
        replace(scan, container_id=elsewhere.pk),
    ):
        assert record(other, later=1).resolved == ()
    assert statuses() == ["Active", "Active"]


def test_rows_that_were_not_all_read_resolve_nothing_of_their_check(scan):
    record(scan, failures(POSITIVE, FIRST), failures(NOT_NULL, SECOND))
    made = record(with_options(scan, rollup_threshold=1), failures(POSITIVE, SECOND, count=2), later=1)
    assert [Anomaly.objects.get(pk=pk).failed_checks.get().rule_type for pk in made.resolved] == ["notNull"]


def test_below_the_threshold_too_a_row_that_was_not_read_may_still_fail(scan):
    record(scan, failures(POSITIVE, FIRST))
    assert record(scan, failures(POSITIVE, SECOND, count=2), later=1).resolved == ()


def test_a_shape_with_a_mark_is_another_problem_at_another_mark(scan):
    for day, mark in ((1, 100), (2, 100), (3, 200)):
        record(replace(scan, high_water=mark, is_full=False), shapes=[ShapeFailure(UNIQUE.id, "twice")], later=day)
    assert statuses() == ["Active", "Duplicate", "Active"]


def test_recording_a_partition_twice_is_recording_it_once(scan):
    same = replace(scan, partition_scan_id=5, container_scan_id=4)
    first = record(same, failures(POSITIVE, FIRST), shapes=[ShapeFailure(UNIQUE.id, "twice")])
    before = Change.objects.count()
    assert record(same, failures(POSITIVE, FIRST), shapes=[ShapeFailure(UNIQUE.id, "twice")]) == Recording()
    assert (Anomaly.objects.count(), Change.objects.count(), len(first.opened)) == (2, before, 2)
    assert set(Anomaly.objects.values_list("partition_scan_id", "container_scan_id")) == {(5, 4)}


def test_what_was_deleted_for_good_counts_for_nothing(scan, admin):
    record(scan, failures(POSITIVE, FIRST))
    Anomaly.objects.update(deleted=NOW, status="Resolved")
    record(with_options(scan, reactivate_recurring_anomalies=True), failures(POSITIVE, FIRST), later=1)
    assert statuses() == ["Resolved", "Active"]


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (2**60, str(2**60)), (float("nan"), "nan"), (b"\x01\xff", "0x01ff"), ("nul\0", "nul\ufffd"), ("\ud800", "?"),
        ("x" * 40_000, "x" * 32_766 + "…"), (datetime(2026, 3, 1, 12, tzinfo=UTC), "2026-03-01T12:00:00Z"),
        ({"a": [1, float("inf")]}, {"a": [1, "inf"]}),
    ],
)  # fmt: skip
def test_any_value_can_be_kept(scan, value, kept):
    record(scan, failures(POSITIVE, (1, None, value, "x")))
    assert SourceRow.objects.get().values[2] == kept


def test_a_failure_of_a_check_or_column_that_there_is_not_is_refused(scan, container):
    with pytest.raises(KeyError):
        record(scan, RowFailures(99, 1, (BadRow(FIRST, "x"),), "x"))
    with pytest.raises(ValueError, match="no column price"):
        replace(scan, checks=(Check(15, "notNull", ("price",)),))
    for wrong in ({"rollup_threshold": 0}, {"rollup_threshold": 1001}, {"source_record_limit": 0}, {"source_record_limit": 10_001}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            Options(**wrong)
    with pytest.raises(Container.DoesNotExist):
        record(replace(scan, org_id=container.org_id + 1), failures(POSITIVE, FIRST))
    assert Anomaly.objects.count() == 0


def test_a_thousand_rows_cost_as_many_statements_as_two(scan, org, datastore, viewer):
    tag, counts = Tag.objects.create(org=org, name="High", weight_modifier=1), []
    inheriting = with_checks(scan, replace(POSITIVE, tag_ids=(tag.pk,), default_assignee_id=viewer.pk))
    for size in (2, 1000):
        table = Container.objects.create(org=org, datastore=datastore, name=f"{size} rows")
        rows = [(number, "a@b", -1.0, "Rome") for number in range(size)]
        one = replace(with_options(inheriting, rollup_threshold=1000), container_id=table.pk)
        with CaptureQueriesContext(connection) as captured:
            record(one, failures(POSITIVE, *rows), failures(NOT_NULL, *rows), shapes=[ShapeFailure(UNIQUE.id, "twice")])
        counts.append(len(captured))
    assert counts[0] == counts[1] <= 40
    assert (AnomalyTag.objects.count(), FailedCheck.objects.count()) == (1002, 2006)


@pytest.mark.django_db(transaction=True)
def test_two_scans_of_a_container_at_once_wait_for_each_other(scan):
    started, made = threading.Barrier(2), []

    def run() -> None:
        started.wait(240)
        try:
            made.append(record(scan, failures(POSITIVE, FIRST)))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run) for _ in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(240)
    assert statuses() == ["Active", "Duplicate"]
    assert sorted((len(one.opened), len(one.duplicates)) for one in made) == [(0, 1), (1, 0)]
