"""What a list of anomalies shows of each, ready to be written out: no queries and no arithmetic in templates."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

from django.urls import reverse

from accounts.models import User
from anomalies.models import Anomaly
from anomalies.pages.cells import Cell, cells_of
from anomalies.pages.evidence import Sparks, sparks
from config.database.prepared import Statement
from metrics.sparklines import Spark

METER_WIDTH: Final = 44
HEAVIEST: Final = 12  # where the meter is full; heavier ones stay full
TONES: Final = 6

# Of the anomalies of a page: the first check that each violates, and how many there are.
_FAILED: Final = Statement("""
SELECT DISTINCT ON (anomaly_id) anomaly_id, rule_type, message, count(*) OVER (PARTITION BY anomaly_id)
  FROM anomalies_failedcheck WHERE anomaly_id = ANY(%s::bigint[]) ORDER BY anomaly_id, id
""")
_TAGS: Final = Statement("""
SELECT x.anomaly_id, t.name FROM anomalies_anomaly_global_tags x JOIN anomalies_tag t ON t.id = x.tag_id
 WHERE x.org_id = %s AND x.anomaly_id = ANY(%s::bigint[]) ORDER BY t.name, t.id
""")
_ASSIGNEES: Final = Statement("""
SELECT x.anomaly_id, u.id, u.name, u.email FROM anomalies_anomaly_assignees x JOIN accounts_user u ON u.id = x.user_id
 WHERE x.org_id = %s AND x.anomaly_id = ANY(%s::bigint[]) ORDER BY u.name, u.id
""")


@dataclass(frozen=True)
class Face:
    """A person in a list: initials, name, and one of TONES tints."""

    initials: str
    name: str
    tone: int


@dataclass(frozen=True)
class Failed:
    """The first check that an anomaly violates, and how many others it violates."""

    rule: str
    message: str
    others: int


@dataclass(frozen=True)
class Row:
    """One line of a list of anomalies. `at` is when it was detected, or when it began if it was found in imported history.

    `spark_url` is where the picture is to be had that there was no time to draw; else empty.
    """

    id: int
    url: str
    type: str
    name: str
    message: str
    weight: int
    meter: int
    status: str
    is_new: bool
    source: str
    at: datetime
    found: datetime
    is_history: bool
    tags: tuple[str, ...]
    spark: Spark | None
    spark_url: str
    cells: tuple[Cell, ...]
    failed: Failed | None
    faces: tuple[Face, ...]
    sleep: str
    sleeps_until: datetime | None
    score: float | None
    records: int | None
    may_change: bool


def title_of(anomaly: Anomaly) -> str:
    """What the anomaly is about: its series, its table, or its datastore."""
    return str(anomaly.metric or anomaly.container or anomaly.datastore)


def source_of(anomaly: Anomaly) -> str:
    """Where it was found: the datastore, with the table if there is one."""
    return f"{anomaly.datastore} / {anomaly.container}" if anomaly.container else str(anomaly.datastore)


def meter_width(weight: int) -> int:
    """How far the weight's bar goes, 0..METER_WIDTH."""
    return round(METER_WIDTH * min(max(weight, 0), HEAVIEST) / HEAVIEST)


@dataclass(frozen=True)
class Beside:
    """What stands beside the anomalies of a page, by their ids."""

    sparks: Sparks
    cells: Mapping[int, tuple[Cell, ...]]
    failed: Mapping[int, Failed]
    tags: Mapping[int, tuple[str, ...]]
    faces: Mapping[int, tuple[Face, ...]]


def rows_of(anomalies: Iterable[Anomaly], user: User, *, now: datetime, allowed: frozenset[int], list_address: str = "") -> tuple[Row, ...]:
    """Rows with their pictures, of anomalies that were fetched `for_rows`."""
    shown = tuple(anomalies)
    ids = [anomaly.pk for anomaly in shown]
    beside = Beside(
        sparks(user.org_id, shown, now), cells_of(shown), failed_of(shown), tags_of(user.org_id, ids), faces_of(user.org_id, ids)
    )
    return tuple(_row(anomaly, beside, allowed, list_address) for anomaly in shown)


def failed_of(anomalies: Iterable[Anomaly]) -> dict[int, Failed]:
    """The first failed check of each and the number of the others, in one query."""
    wanted = [anomaly.pk for anomaly in anomalies if anomaly.type != Anomaly.Type.METRIC]
    return {pk: Failed(rule, message, count - 1) for pk, rule, message, count in (_FAILED.rows(wanted) if wanted else ())}


def tags_of(org_id: int, ids: Sequence[int]) -> dict[int, tuple[str, ...]]:
    """The names of the tags of each, in one query."""
    return _by_anomaly(_TAGS.rows(org_id, ids) if ids else ())


def faces_of(org_id: int, ids: Sequence[int]) -> dict[int, tuple[Face, ...]]:
    """Those who look after each, in one query."""
    found = _ASSIGNEES.rows(org_id, ids) if ids else ()
    return _by_anomaly((pk, face_of(User(pk=person, name=name, email=email))) for pk, person, name, email in found)


def _by_anomaly(pairs: Iterable[tuple[Any, ...]]) -> dict[int, tuple[Any, ...]]:
    found: dict[int, list[Any]] = {}
    for pk, value in pairs:
        found.setdefault(pk, []).append(value)
    return {pk: tuple(values) for pk, values in found.items()}


def face_of(person: User) -> Face:
    return Face(person.initials, str(person), person.pk % TONES)


def sleep_of(anomaly: Anomaly) -> str:
    """How long it sleeps, in words; empty for one that is awake, and for one that sleeps up to a moment."""
    if anomaly.snooze_count is not None:
        return f"for {anomaly.snooze_count:,} more"
    if anomaly.snooze_weight is not None:
        return f"until it weighs more than {anomaly.snooze_weight}"
    return "until the value is back" if anomaly.snooze_back_in_band else ""


def anomaly_address(pk: int, list_address: str = "") -> str:
    """The page of an anomaly, remembering the list that one came from."""
    address = reverse("anomaly", args=(pk,))
    return f"{address}?list={quote(list_address)}" if list_address else address


def _row(anomaly: Anomaly, beside: Beside, allowed: frozenset[int], list_address: str) -> Row:
    return Row(
        id=anomaly.pk,
        url=anomaly_address(anomaly.pk, list_address),
        type=anomaly.type,
        name=title_of(anomaly),
        message=anomaly.message,
        weight=anomaly.weight,
        meter=meter_width(anomaly.weight),
        status=anomaly.status,
        is_new=anomaly.is_new,
        source=source_of(anomaly),
        at=(anomaly.started_at or anomaly.created) if anomaly.is_backfilled else anomaly.created,
        found=anomaly.created,
        is_history=anomaly.is_backfilled,
        tags=beside.tags.get(anomaly.pk, ()),
        spark=beside.sparks.drawn.get(anomaly.pk),
        spark_url=reverse("anomaly-spark", args=(anomaly.pk,)) if anomaly.pk in beside.sparks.later else "",
        cells=beside.cells.get(anomaly.pk, ()),
        failed=beside.failed.get(anomaly.pk),
        faces=beside.faces.get(anomaly.pk, ()),
        sleep=sleep_of(anomaly),
        sleeps_until=anomaly.snooze_until if anomaly.is_asleep else None,
        score=anomaly.score,
        records=anomaly.anomalous_records_count,
        may_change=anomaly.datastore_id in allowed,
    )
