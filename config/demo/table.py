"""The demo's table: real readings of cloud hosts from the Numenta Anomaly Benchmark as one table, with planted faults in known rows.

Until a scan reads tables, its checks are made here, and what they find goes through the service that scans use.
"""

import csv
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from django.utils import timezone

from accounts.models import User
from anomalies.models import Anomaly, Integration
from anomalies.services import change_anomaly, comment_on
from anomalies.services.scans import BadRow, Check, Column, RowFailures, Scan, ShapeFailure, Suggestion, record_findings
from anomalies.services.tags import create_tag
from anomalies.services.tickets import Ticket, create_integration, link_ticket
from config.demo.catalogue import DATA
from datastores.models import Container, Datastore

NAME: Final = "Cloud inventory"
COLUMNS: Final = (
    Column("reading_id", "Integral"),
    Column("measured_at", "Timestamp"),
    Column("instance", "String", masked=True),
    Column("measure", "String"),
    Column("value", "Fractional"),
    Column("unit", "String"),
)
ROWS_PER_FILE: Final = 400
UNITS: Final = {"cpu_utilization": "Percent", "disk_write_bytes": "Bytes", "network_in": "Bytes", "request_count": "Count"}
INSTANCE: Final = re.compile(r"[0-9a-f]{6}")
FILE: Final = re.compile(r"(?:ec2|elb|rds)_(?P<measure>[a-z_]+)_(?P<instance>[0-9a-f]{6})")
# By row of the table, what is wrong there.
FAULTS: Final[dict[int, dict[str, Any]]] = {
    120: {"value": None}, 481: {"value": None}, 902: {"value": None}, 1333: {"value": None, "unit": "percentage", "instance": "unknown"},
    255: {"value": -1.0}, 760: {"value": -0.25}, 1508: {"value": -12.5},
    310: {"unit": "percentage"}, 1044: {"unit": "pct"}, 1777: {"unit": ""},
    77: {"instance": "host-7"}, 1290: {"instance": "24AE8D"}, 1999: {"instance": "tmp"},
    640: {"measured_at": datetime(2041, 1, 1, tzinfo=UTC)}, 1601: {"measured_at": datetime(2114, 2, 14, tzinfo=UTC)},
    888: {"value": 1e12}, 1111: {"value": 4.2e11}, 1450: {"value": 9.9e11},
    2001: {"reading_id": 2000}, 2301: {"reading_id": 2300},
}  # fmt: skip


@dataclass(frozen=True)
class Reading:
    reading_id: int
    measured_at: datetime
    instance: str
    measure: str
    value: float | None
    unit: str

    @property
    def row(self) -> tuple[object, ...]:
        return (self.reading_id, self.measured_at, self.instance, self.measure, self.value, self.unit)


@dataclass(frozen=True)
class RowRule:
    """A check of each row: whether the row passes, and the sentence for one that does not."""

    check: Check
    passes: Callable[[Reading], bool]
    says: Callable[[Reading], str]
    suggestion: Suggestion | None = None


def readings() -> list[Reading]:
    """The table with its faults."""
    found: list[Reading] = []
    for path in sorted((DATA / "realAWSCloudwatch").glob("*.csv")):
        if (named := FILE.fullmatch(path.stem)) is not None:
            with path.open(newline="") as file:
                rows = list(csv.DictReader(file))[-ROWS_PER_FILE:]
            found += [reading(len(found) + place, row, **named.groupdict()) for place, row in enumerate(rows)]
    return found


def reading(place: int, row: dict[str, str], *, measure: str, instance: str) -> Reading:
    real: dict[str, Any] = {
        "reading_id": place,
        "measured_at": datetime.fromisoformat(row["timestamp"]).replace(tzinfo=UTC),
        "instance": instance,
        "measure": measure,
        "value": float(row["value"]),
        "unit": UNITS[measure],
    }
    return Reading(**(real | FAULTS.get(place, {})))


def row_rules(tags: dict[str, int], people: dict[str, int]) -> list[RowRule]:
    high, impact = (tags["High"],), (tags["High"], tags["Customer-Impact"])
    now = timezone.now()
    return [
        RowRule(
            Check(1, "notNull", ("value",), "Every reading has a value.", impact, people["Edith Editor"]),
            lambda one: one.value is not None,
            lambda one: "value is null.",
        ),
        RowRule(
            Check(2, "notNegative", ("value",), "No reading is below zero.", (), people["Arthur Author"]),
            lambda one: one.value is None or one.value >= 0,
            lambda one: f"value is {one.value}, below 0.",
        ),
        RowRule(
            Check(3, "expectedValues", ("unit",), "Units are Percent, Bytes or Count.", (tags["Master-Data"],)),
            lambda one: one.unit in UNITS.values(),
            lambda one: f"unit is {one.unit!r}, none of {', '.join(sorted(set(UNITS.values())))}.",
            Suggestion("unit", "Percent", 0.8),
        ),
        RowRule(
            Check(4, "matchesPattern", ("instance",), "Instances are six hexadecimal digits.", high, people["Bob Patel"]),
            lambda one: INSTANCE.fullmatch(one.instance) is not None,
            lambda one: f"instance {one.instance} does not match [0-9a-f]{{6}}.",
        ),
        RowRule(
            Check(5, "notFuture", ("measured_at",), "Nothing is measured in the future.", high),
            lambda one: one.measured_at <= now,
            lambda one: f"measured_at is {one.measured_at:%Y-%m-%d}, in the future.",
        ),
        RowRule(
            Check(6, "between", ("value",), "A value is at most 100,000,000,000.", (), people["Arthur Author"]),
            lambda one: one.value is None or one.value <= 1e11,
            lambda one: f"value is {one.value:,.0f}, above 100,000,000,000.",
        ),
    ]


UNIQUE: Final = Check(7, "unique", ("reading_id",), "A reading has an id of its own.")
SIZE: Final = Check(8, "minPartitionSize", (), "The table has at least 5,000 readings.")
HOSTS: Final = Check(9, "distinctCount", ("instance",), "There are ten instances.")
REQUIRED: Final = Check(10, "requiredValues", ("unit",), "Latencies in milliseconds are among the readings.")


def shape_failures(table: Sequence[Reading]) -> list[ShapeFailure]:
    ids = [one.reading_id for one in table]
    many = {number for number, count in Counter(ids).items() if count > 1}
    twice = [one for one in table if one.reading_id in many]
    surplus, hosts = len(ids) - len(set(ids)), len({one.instance for one in table})
    share = 100 * surplus / len(table)
    found = [ShapeFailure(UNIQUE.id, f"In reading_id, {share:.3f}% of {len(table):,} records ({surplus}) are not unique.", surplus,
                          tuple(one.row for one in twice))] if surplus else []  # fmt: skip
    if len(table) < 5000:
        found.append(ShapeFailure(SIZE.id, f"The table has {len(table):,} records where at least 5,000 were expected.", len(table)))
    if hosts != 10:
        found.append(ShapeFailure(HOSTS.id, f"instance has {hosts} distinct values where 10 were expected.", hosts))
    if "Milliseconds" not in {one.unit for one in table}:
        found.append(ShapeFailure(REQUIRED.id, "In unit, the required value Milliseconds does not occur."))
    return found


def make_table(datastore: Datastore) -> list[int]:
    """The table's container, what its checks found, and what people have done with some of it. The ids of the open anomalies."""
    org_id = datastore.org_id
    people = {user.name: user.pk for user in User.objects.for_org(org_id)}
    container = Container.objects.create(org_id=org_id, datastore=datastore, name="host_readings")
    tags = {name: create_tag(org_id, name=name, **rest).pk for name, rest in TAGS.items()}
    table, rules = readings(), row_rules(tags, people)
    scan = Scan(
        org_id, container.pk, COLUMNS, (*(rule.check for rule in rules), UNIQUE, SIZE, HOSTS, REQUIRED),
        identifiers=("reading_id",), container_scan_id=1, partition_scan_id=1,
    )  # fmt: skip
    made = record_findings(scan, rows=[failures(rule, table) for rule in rules], shapes=shape_failures(table), now=timezone.now())
    triage(list(made.opened), org_id=org_id)
    return list(made.opened)


TAGS: Final[dict[str, dict[str, Any]]] = {
    "High": {"color": "#d9480f", "category": "urgency", "weight_modifier": 5, "description": "Somebody looks at it today."},
    "Customer-Impact": {"color": "#b5179e", "category": "impact", "weight_modifier": 3, "description": "Customers notice."},
    "Master-Data": {"color": "#0b7a75", "category": "area", "description": "Words and units that everybody shares."},
}


def failures(rule: RowRule, table: Sequence[Reading]) -> RowFailures:
    bad = [one for one in table if not rule.passes(one)]
    rows = tuple(BadRow(one.row, rule.says(one), rule.suggestion) for one in bad)
    share = f"{100 * len(bad) / len(table):.3f}% of {len(table):,} records ({len(bad):,})"
    return RowFailures(rule.check.id, len(bad), rows, f"In {rule.check.fields[0]}, {share} fail: {rule.check.description}")


def triage(opened: Sequence[int], *, org_id: int) -> None:
    """Bob and Edith have begun: two acknowledged, a word to each other, a ticket."""
    people = {user.name: user for user in User.objects.for_org(org_id)}
    bob, edith = people["Bob Patel"], people["Edith Editor"]
    jira = create_integration(org_id, name="Jira", type=Integration.Type.JIRA, url="https://northwind.example/jira")
    create_integration(org_id, name="ServiceNow", type=Integration.Type.SERVICENOW, url="https://northwind.example/servicenow")
    first, second = Anomaly.objects.for_org(org_id).filter(pk__in=opened).order_by("-weight", "pk")[:2]
    comment_on(first, user=bob, message=f"Three faults in one row: that night's import? @[{edith.name}]({edith.pk}), yours?")
    change_anomaly(first, user=edith, status=Anomaly.Status.ACKNOWLEDGED)
    comment_on(first, user=edith, message="Yes. The agent was replaced, the backfill runs tomorrow.")
    ticket = Ticket("10412", "OPS-412", "In Progress", "https://northwind.example/jira/browse/OPS-412")
    link_ticket(first, ticket, integration_id=jira.pk, user=bob)
    change_anomaly(second, user=bob, status=Anomaly.Status.ACKNOWLEDGED)
