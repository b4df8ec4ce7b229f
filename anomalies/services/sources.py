"""The rows of the source that show what is wrong: kept with the anomaly by a scan, or the points of a series. Remembered for hours.

They are filled into the cache by a task, never by two at once for one anomaly. What is remembered hides nothing that is stored openly and
shows nothing that is sealed: masked values are unsealed for whoever may see them, and for that answer alone.
"""

import base64
import logging
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

import cramjam
import numpy as np
import orjson
from django.core.cache import cache
from django.utils import timezone
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from anomalies.models import Anomaly
from anomalies.pictures import span_of
from anomalies.services.findings import finite
from anomalies.services.scans.masking import MASK
from anomalies.services.scans.rows import PURPOSE, as_kept
from anomalies.services.scans.values import ROWS_MAX
from metrics import points
from metrics.arrays import Floats, Ints
from orgs.errors import Conflict, Unavailable
from orgs.moments import from_unix_ms, iso_millis, unix_ms
from orgs.sealing import UnsealedError, unseal

log = logging.getLogger(__name__)

KEPT_S: Final = 8 * 3600
# The points of an excursion that lasts, or has just ended, become more.
FRESH_S: Final = 60
SETTLED_S: Final = 3600
WAIT_S: Final = 3.0
POLL_S: Final = 0.02
LOCK_S: Final = 120
CACHED_BYTES: Final = 8_000_000  # packed; more is read anew each time rather than crowd out everything else


@dataclass(frozen=True)
class SourceField:
    """One column of the rows. `type` as of `scans.Column`."""

    name: str
    type: str
    masked: bool = False
    anomalous: bool = False


@dataclass(frozen=True)
class KeptRow:
    """Values in the order of the fields, null where they are masked; those are sealed."""

    values: Sequence[Any]
    sealed: str = ""


@dataclass(frozen=True)
class SourceRecords:
    """What is there to show. `total` rows could be, of which `rows` are the first; `created` is when a scan kept them."""

    fields: Sequence[SourceField]
    rows: Sequence[KeptRow]
    total: int
    created: datetime | None
    cached_at: datetime

    @property
    def masked_names(self) -> list[str]:
        return [field.name for field in self.fields if field.masked]

    def shown(self, *, limit: int, unmasked: bool = False) -> Iterator[list[Any]]:
        """The values of the first rows. Raises Conflict for sealed ones that can no longer be read."""
        places = [place for place, field in enumerate(self.fields) if field.masked]
        for row in self.rows[:limit]:
            values = list(row.values)
            hidden = unsealed(row.sealed) if unmasked and places else [MASK] * len(places)
            for place, value in zip(places, hidden, strict=True):
                values[place] = value
            yield values


def unsealed(sealed: str) -> list[Any]:
    try:
        values: list[Any] = orjson.loads(unseal(base64.b64decode(sealed), purpose=PURPOSE))
    except UnsealedError as exc:
        raise Conflict("The masked values can no longer be read: the installation's key has changed since they were kept.") from exc
    return values


def source_records(anomaly: Anomaly, *, refresh: bool = False) -> SourceRecords:
    """The rows of an anomaly, at most 10,000, as they were remembered up to 8 hours ago, or with `refresh` as they are now.

    Without the cache, or when no worker takes the task in time, they are read here. Raises Unavailable while another is still at it.
    """
    asked = timezone.now()
    try:
        known = None if refresh else remembered(anomaly)
        return known or filled(anomaly, asked=asked)
    except (RedisError, OSError):
        log.warning("cache away: source rows are read anew")
        return read_source(anomaly, at=asked)


def filled(anomaly: Anomaly, *, asked: datetime) -> SourceRecords:
    last = remembered(anomaly)
    order(anomaly, asked=asked)
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        if (found := remembered(anomaly)) is not None and found.cached_at >= asked:
            return found
        if found != last and cache.get(lock_of(anomaly)) is None:
            # What was being read when the order came is older than it, and the order was not taken beside it.
            last = found
            order(anomaly, asked=asked)
        time.sleep(POLL_S)
    if (read := fill(anomaly, asked=asked)) is None:
        raise Unavailable("The rows are being read at this moment. Ask again shortly.", retry_after_s=2)
    return read


def order(anomaly: Anomaly, *, asked: datetime) -> None:
    """Asks a worker to fill the cache. Where the broker is away nobody will, and whoever waits does it."""
    from anomalies.tasks import fill_source_records

    try:
        fill_source_records.apply_async((anomaly.org_id, anomaly.pk, asked.isoformat()), retry=False, expires=LOCK_S)
    except OperationalError:
        log.warning("broker away: source rows are read where they are asked for")


def fill(anomaly: Anomaly, *, asked: datetime) -> SourceRecords | None:
    """Reads the rows and remembers them, unless they are younger than `asked`; None while another is at it."""
    lock, token = lock_of(anomaly), uuid.uuid4().hex
    if not cache.add(lock, token, LOCK_S):
        return None
    try:
        known = remembered(anomaly)
        if known is not None and known.cached_at >= asked:
            return known
        found = read_source(anomaly, at=timezone.now())
        remember(anomaly, found)
        return found
    finally:
        if cache.get(lock) == token:
            cache.delete(lock)


def lock_of(anomaly: Anomaly) -> str:
    return f"{key_of(anomaly)}:filling"


def read_source(anomaly: Anomaly, *, at: datetime) -> SourceRecords:
    """The rows as they are stored now. At most two queries."""
    return points_of(anomaly, at=at) if anomaly.metric_id is not None else kept_rows(anomaly, at=at)


def kept_rows(anomaly: Anomaly, *, at: datetime) -> SourceRecords:
    table = getattr(anomaly, "source_table", None)
    if table is None:
        return SourceRecords((), (), 0, None, at)
    rows = anomaly.source_rows.order_by("place").values_list("values", "sealed")[:ROWS_MAX]
    kept = [KeptRow(as_kept(values), base64.b64encode(sealed).decode() if sealed else "") for values, sealed in rows.iterator()]
    return SourceRecords([SourceField(**field) for field in table.fields], kept, table.total, table.created, at)


POINT_FIELDS: Final = (
    SourceField("timestamp", "Timestamp"),
    SourceField("value", "Fractional", anomalous=True),
    SourceField("expected", "Fractional"),
    SourceField("lower", "Fractional"),
    SourceField("upper", "Fractional"),
)


def points_of(anomaly: Anomaly, *, at: datetime) -> SourceRecords:
    """The points of an excursion up to its end, or up to now, with what was expected of each."""
    assert anomaly.metric_id is not None  # noqa: S101 - asked for the excursion of a series
    span = span_of(anomaly)
    end_ms = (unix_ms(at) if span.end_ms is None else span.end_ms) + 1
    read = points.read(anomaly.org_id, [anomaly.metric_id], span.start_ms, end_ms)[anomaly.metric_id]
    verdicts = points.read_verdicts(anomaly.org_id, [anomaly.metric_id], span.start_ms, end_ms)[anomaly.metric_id]
    times = read.timestamps_ms[:ROWS_MAX]
    expected = [at_times(times, verdicts.timestamps_ms, column) for column in (verdicts.yhat, verdicts.lower, verdicts.upper)]
    columns = [column.tolist() for column in (read.values[:ROWS_MAX], *expected)]
    rows = [KeptRow([said(ms), *map(finite, values)]) for ms, *values in zip(times.tolist(), *columns, strict=True)]
    return SourceRecords(POINT_FIELDS, rows, len(read.timestamps_ms), anomaly.created, at)


def at_times(wanted: Ints, times: Ints, values: Floats) -> Floats:
    """The values at the times that are wanted, NaN where there is none. Both times ascend."""
    if not len(times):
        return np.full(len(wanted), np.nan)
    places = np.minimum(np.searchsorted(times, wanted), len(times) - 1)
    return np.where(times[places] == wanted, values[places], np.nan)


def said(at_ms: int) -> str:
    return iso_millis(from_unix_ms(at_ms))


def key_of(anomaly: Anomaly) -> str:
    return f"source:{anomaly.org_id}:{anomaly.pk}"


def remembered(anomaly: Anomaly) -> SourceRecords | None:
    packed = cache.get(key_of(anomaly))
    if packed is None:
        return None
    text = orjson.loads(bytes(cramjam.lz4.decompress_block(packed)))
    times = {name: text[name] and datetime.fromisoformat(text[name]) for name in ("created", "cached_at")}
    if text["rows"] is None:
        return read_source(anomaly, at=timezone.now())
    fields = [SourceField(**field) for field in text["fields"]]
    return SourceRecords(fields, [KeptRow(*row) for row in text["rows"]], text["total"], **times)


def remember(anomaly: Anomaly, found: SourceRecords) -> None:
    """For 8 hours; for a minute what may become more. What is too large is only known to be so."""
    packed = packed_of(found, rows=[[row.values, row.sealed] for row in found.rows])
    if len(packed) > CACHED_BYTES:
        packed = packed_of(found, rows=None)
    cache.set(key_of(anomaly), packed, KEPT_S if is_settled(anomaly, at=found.cached_at) else FRESH_S)


def packed_of(found: SourceRecords, *, rows: list[Any] | None) -> bytes:
    times = {"created": found.created and found.created.isoformat(), "cached_at": found.cached_at.isoformat()}
    text = {"fields": [asdict(field) for field in found.fields], "rows": rows, "total": found.total, **times}
    return bytes(cramjam.lz4.compress_block(orjson.dumps(text)))


def is_settled(anomaly: Anomaly, *, at: datetime) -> bool:
    """Whether nothing can be added: rows of a scan never grow, points may come late."""
    return anomaly.metric_id is None or (anomaly.ended_at is not None and (at - anomaly.ended_at).total_seconds() > SETTLED_S)
