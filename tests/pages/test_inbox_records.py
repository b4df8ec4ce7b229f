"""What a line of the inbox shows of an anomaly of a table: the failed check, the wrong cell, who looks after it, how long it sleeps."""

from datetime import timedelta

import pytest
from django.utils import timezone

from anomalies.models import Anomaly, FailedCheck, SourceRow, SourceTable
from datastores.models import Container
from tests import factories

FIELDS = [
    {"name": "order_id", "type": "Integral", "masked": False, "anomalous": False},
    {"name": "iban", "type": "String", "masked": True, "anomalous": False},
    {"name": "customer_id", "type": "Integral", "masked": False, "anomalous": True},
    {"name": "amount", "type": "Fractional", "masked": False, "anomalous": False},
]


@pytest.fixture
def record(datastore):
    container = Container.objects.create(org=datastore.org, datastore=datastore, name="orders")
    return Anomaly.objects.create(
        org=datastore.org, datastore=datastore, container=container, type="record", message="Two checks fail.",
        created=timezone.now(), anomalous_records_count=1, weight=9,
    )  # fmt: skip


def row_of(answer):
    (row,) = answer.context["page"].rows
    return row


def fail(anomaly, rule, message):
    FailedCheck.objects.create(org=anomaly.org, anomaly=anomaly, rule_type=rule, message=message)


def test_the_first_failed_check_is_in_the_row_and_the_others_are_counted(as_, reporter, record):
    fail(record, "notNull", "Customer ID is missing.")
    fail(record, "matchesPattern", "It fits no pattern.")
    fail(record, "maxLength", "It is too long.")
    answer = as_(reporter).get("/app/inbox")
    failed = row_of(answer).failed
    assert (failed.rule, failed.message, failed.others) == ("notNull", "Customer ID is missing.", 2)
    assert 'Customer ID is missing. <span class="rule">Not null</span> and 2 more' in answer.content.decode()


def test_the_wrong_cell_stands_between_its_neighbours_and_masked_values_stay_masked(as_, reporter, record):
    SourceTable.objects.create(org=record.org, anomaly=record, fields=FIELDS, total=2, created=timezone.now())
    for place, customer in enumerate((None, 5)):
        SourceRow.objects.create(org=record.org, anomaly=record, place=place, values=[1204, None, customer, 49.9])
    answer = as_(reporter).get("/app/inbox")
    assert [(cell.field, cell.text, cell.is_wrong) for cell in row_of(answer).cells] == [
        ("iban", "***MASKED***", False), ("customer_id", "null", True), ("amount", "49.9", False),
    ]  # fmt: skip


def test_who_looks_after_it_is_there_by_name(as_, reporter, author, record):
    factories.assign(record, author)
    answer = as_(reporter).get("/app/inbox")
    assert [(face.initials, face.name) for face in row_of(answer).faces] == [("AA", "Al Author")]
    assert 'aria-label="Al Author" title="Al Author">AA</span>' in answer.content.decode()


@pytest.mark.parametrize(
    ("condition", "words"),
    [({"snooze_count": 3}, "asleep for 3 more"), ({"snooze_weight": 12}, "asleep until it weighs more than 12"),
     ({"snooze_back_in_band": True}, "asleep until the value is back"),
     ({"snooze_until": timezone.now() + timedelta(days=2)}, "asleep until <time")],
)  # fmt: skip
def test_how_long_it_sleeps_is_in_the_row(as_, reporter, record, condition, words):
    Anomaly.objects.filter(pk=record.pk).update(snoozed_at=timezone.now(), **condition)
    assert words in as_(reporter).get("/app/inbox?snoozed=only").content.decode()


def test_tables_and_rules_are_facets(as_, reporter, record):
    fail(record, "notNull", "Customer ID is missing.")
    page = as_(reporter).get(f"/app/inbox?container={record.container_id}&rule_type=notNull").context["page"]
    assert [row.id for row in page.rows] == [record.pk]
    found = {box.label: [(one.name, one.label, one.count, one.chosen) for one in box.choices] for box in page.sidebar.facets}
    assert found["Table"] == [("container", "orders", "1", True)]
    assert found["Rule"] == [("rule_type", "Not null", "1", True)]
    assert [chip.label for chip in page.sidebar.chips] == ["table: orders", "rule: Not null"]
    assert 'value="notNull"' in as_(reporter).get("/app/inbox").content.decode()


def test_who_and_what_is_gone_is_said_to_be_unknown(as_, reporter, record):
    page = as_(reporter).get("/app/inbox?assignee=99999&container=99998").context["page"]
    assert sorted(chip.label for chip in page.sidebar.chips) == ["assignee: unknown (99999)", "table: unknown (99998)"]


def test_queries_do_not_grow_with_records(as_, editor, record, datastore, queries_of):
    client = as_(editor)
    few = queries_of(lambda: client.get("/app/inbox"))
    for number in range(20):
        one = Anomaly.objects.create(
            org=datastore.org, datastore=datastore, container=record.container, type="record", message=f"{number}", created=timezone.now()
        )
        fail(one, f"rule{number}", "It fails.")
        SourceTable.objects.create(org=one.org, anomaly=one, fields=FIELDS, total=1, created=timezone.now())
        SourceRow.objects.create(org=one.org, anomaly=one, place=0, values=[1, 2, 3, 4])
    assert queries_of(lambda: client.get("/app/inbox")) == few
