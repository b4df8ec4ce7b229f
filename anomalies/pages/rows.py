"""What a list of anomalies shows of each, ready to be written out: no queries and no arithmetic in templates."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import quote

from django.urls import reverse

from accounts.models import User
from anomalies.models import Anomaly
from anomalies.pages.evidence import sparks
from metrics.sparklines import Spark

METER_WIDTH: Final = 44
HEAVIEST: Final = 12  # where the meter is full; heavier ones stay full


@dataclass(frozen=True)
class Row:
    """One line of a list of anomalies. `at` is when it was detected, or when it began if it was found in imported history."""

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
    is_history: bool
    tags: tuple[str, ...]
    spark: Spark | None
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


def rows_of(anomalies: Iterable[Anomaly], user: User, *, now: datetime, allowed: frozenset[int], list_address: str = "") -> tuple[Row, ...]:
    """Rows with their pictures, of anomalies that were fetched `for_rows`."""
    shown = tuple(anomalies)
    pictures = sparks(user.org_id, shown, now)
    return tuple(_row(anomaly, pictures, allowed, list_address) for anomaly in shown)


def anomaly_address(pk: int, list_address: str = "") -> str:
    """The page of an anomaly, remembering the list that one came from."""
    address = reverse("anomaly", args=(pk,))
    return f"{address}?list={quote(list_address)}" if list_address else address


def _row(anomaly: Anomaly, pictures: Mapping[int, Spark], allowed: frozenset[int], list_address: str) -> Row:
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
        is_history=anomaly.is_backfilled,
        tags=tuple(tag.name for tag in anomaly.global_tags.all()),
        spark=pictures.get(anomaly.pk),
        may_change=anomaly.datastore_id in allowed and not anomaly.is_archived,
    )
