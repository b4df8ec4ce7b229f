"""The batch log: one packed row per request, on disk before the request is answered, read in the order of its transactions.

A row's `xid` is its transaction's number. Every transaction below the least that still runs has ended, so a reader that takes
`mark <= xid < that least` and moves its mark there can neither miss a row that commits late nor see one twice.
"""

from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import numpy as np
from django.db import IntegrityError, connection, transaction
from django.utils import timezone
from psycopg import sql
from psycopg.rows import TupleRow

from metrics.arrays import Bools, Floats, Ints
from metrics.points import partitions
from metrics.points.codec import pack_floats, pack_ints, unpack_floats, unpack_ints
from metrics.points.families import POINTS, VERDICTS, Family, Rule
from metrics.points.sql import BinaryCursor, binary_cursor, org_to_tell, rows, untold_cursor
from metrics.steps import starts_of
from orgs.tenancy import within

# Points that one read of the log takes at most (but for one transaction larger than that): bounds memory, about 100 MB.
READ_LIMIT: Final = 2_000_000
_ROWS: Final = 20_000
# What `decoded` takes.
COLUMNS: Final = sql.SQL("org_id, (extract(epoch FROM received_at) * 1000)::bigint, rule, backfill, n, series, timestamps, data")


@dataclass(frozen=True)
class LogSlice:
    """Points of the log in log order, as vectors of one length.

    `series` and `org_ids` int64; `timestamps_ms` and `received_ms` int64 unix milliseconds, UTC; `values` float64, NaN = gap; `backfill`
    and `sum` bool: whether the point is history, and whether it adds to its minute (its timestamp is then the start of that minute).
    `mark` is the reader's next mark; `batches` the number of log rows that were read, other shards' included; `more` whether the read
    stopped at its limit.
    """

    series: Ints
    timestamps_ms: Ints
    values: Floats
    received_ms: Ints
    org_ids: Ints
    backfill: Bools
    sum: Bools
    mark: int
    batches: int
    more: bool


@dataclass(frozen=True)
class LogRows:
    """Rows of one log, decoded: `data` has shape (columns, n); `lengths` is the number of points of each row."""

    series: Ints
    timestamps_ms: Ints
    data: Floats
    lengths: Ints
    org_ids: Ints
    received_ms: Ints
    backfill: Bools
    sum: Bools


# When the newest live request of an org came, in the order in which they were stored: one look into the index by org, however long the org
# has been silent. Requests of one moment may be stored in another order than they came in, by seconds.
NEWEST_LIVE: Final = "SELECT received_at FROM metrics_batch WHERE org_id = %(org)s AND NOT backfill ORDER BY xid DESC, id DESC LIMIT 1"


def append(
    org_id: int,
    series: Ints,
    timestamps_ms: Ints,
    values: Floats,
    *,
    rule: Rule = Rule.LAST,
    backfill: bool = False,
    received_at: datetime | None = None,
) -> None:
    """Appends one request's points in their order; on disk when it returns (or when the caller's transaction commits).

    Three arrays of shape (n,): series ids, unix milliseconds, values. With the rule `sum` each timestamp must be the start of its minute.
    Raises django.db.OperationalError when the database is away.
    """
    if len(series) == 0:
        return
    columns = np.asarray(values, np.float64)[np.newaxis]
    _insert(POINTS, org_id, series, timestamps_ms, columns, rule=rule, backfill=backfill, received_at=received_at or timezone.now())


def append_verdicts(
    org_id: int,
    series: Ints,
    timestamps_ms: Ints,
    *,
    yhat: Floats,
    lower: Floats,
    upper: Floats,
    score: Floats,
    received_at: datetime | None = None,
) -> None:
    """Logs verdicts of one org's series, arrays of shape (n,), NaN where there is none; part of the caller's transaction.

    For charts: stored to 16 significant bits (a part in 65,000), which is what makes four columns affordable. The last write per
    (series, timestamp) counts, so a repeated tick changes nothing.
    """
    if len(series) == 0:
        return
    columns = coarse(np.stack([yhat, lower, upper, score]).astype(np.float64))
    _insert(VERDICTS, org_id, series, timestamps_ms, columns, rule=Rule.LAST, backfill=False, received_at=received_at or timezone.now())


def append_verdicts_of(
    org_ids: Ints, series: Ints, timestamps_ms: Ints, *, yhat: Floats, lower: Floats, upper: Floats, score: Floats, received_at: datetime
) -> None:
    """`append_verdicts` for series of several orgs at once, each in its org's name: arrays of shape (n,), one row per org."""
    if not org_ids.size:
        return
    order = np.argsort(org_ids, kind="stable")
    starts = starts_of(org_ids[order])
    for org_id, mine in zip(org_ids[order[starts]].tolist(), np.split(order, starts[1:]), strict=True):
        bands = {"yhat": yhat[mine], "lower": lower[mine], "upper": upper[mine], "score": score[mine]}
        with within(org_id):
            append_verdicts(org_id, series[mine], timestamps_ms[mine], **bands, received_at=received_at)


def coarse(values: Floats) -> Floats:
    """Values rounded to 16 significant bits; NaN and infinities stay."""
    fraction, exponent = np.frexp(values)
    with np.errstate(over="ignore"):
        rounded: Floats = np.ldexp(np.rint(fraction * 65536.0), exponent - 16)
    return rounded


def read_log(shard: int, shards: int, mark: int, *, limit: int = READ_LIMIT, until: int | None = None) -> LogSlice:
    """What the log holds from `mark` on for the series of one shard (`series % shards == shard`), in log order.

    Complete below the returned mark: nothing can appear there later. At most about `limit` points of all shards are looked at.
    With `until`, a mark that an earlier read returned, exactly what lies before it: the same again.
    """
    with binary_cursor() as cursor:
        following, more = until, False
        if following is None:
            following, more = next_mark(cursor, POINTS, mark=mark, org_id=None, limit=limit)
        read = read_rows(cursor, POINTS, mark=mark, until=following, org_id=None)
    mine = read.series % shards == shard
    per_point = [np.repeat(a, read.lengths)[mine] for a in (read.received_ms, read.org_ids, read.backfill, read.sum)]
    received, orgs, backfill, summed = per_point
    return LogSlice(
        series=read.series[mine],
        timestamps_ms=read.timestamps_ms[mine],
        values=read.data[0][mine],
        received_ms=received,
        org_ids=orgs,
        backfill=backfill,
        sum=summed,
        mark=following,
        batches=len(read.lengths),
        more=more,
    )


def first_received(mark: int) -> datetime | None:
    """When the first request in the log from `mark` on was received, as far as it is committed; None when there is none."""
    with binary_cursor() as cursor:
        found = rows(cursor, "SELECT received_at FROM metrics_batch WHERE xid >= %s ORDER BY xid, id LIMIT 1", mark)
    return found[0][0] if found else None


def next_mark(cursor: BinaryCursor, family: Family, *, mark: int, org_id: int | None, limit: int) -> tuple[int, bool]:
    """Up to where a reader at `mark` may read now, and whether rows remain beyond it because of `limit` points."""
    horizon = int(rows(cursor, "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint")[0][0])
    statement = sql.SQL("SELECT xid, n FROM {log} WHERE {org} xid >= %s AND xid < %s ORDER BY xid LIMIT %s")
    query = statement.format(log=sql.Identifier(family.log), org=_org_clause(org_id))
    found = cursor.execute(query, (mark, horizon, _ROWS), binary=True).fetchall()
    cut = _cut(found, limit=limit)
    return (max(mark, horizon), False) if cut is None else (cut, True)


def _cut(found: list[TupleRow], *, limit: int) -> int | None:
    """The transaction before which a read stops, or None when it may take everything. One transaction is never split."""
    if not found:
        return None
    xids = np.array([xid for xid, _ in found])
    is_over = np.cumsum([n for _, n in found]) > limit
    last = xids[int(np.argmax(is_over))] if is_over.any() else xids[-1] if len(found) == _ROWS else None
    if last is None:
        return None
    return int(last) if last > xids[0] else int(xids[0]) + 1


def read_rows(cursor: BinaryCursor, family: Family, *, mark: int, until: int, org_id: int | None) -> LogRows:
    """The rows of transactions in [mark, until), decoded, in log order."""
    statement = sql.SQL("SELECT {columns} FROM {log} WHERE {org} xid >= %s AND xid < %s ORDER BY xid, id")
    query = statement.format(columns=COLUMNS, log=sql.Identifier(family.log), org=_org_clause(org_id))
    return decoded(family, cursor.execute(query, (mark, until), binary=True).fetchall())


def decoded(family: Family, found: list[TupleRow]) -> LogRows:
    """Rows of `COLUMNS`, as arrays."""
    width = len(family.columns)
    lengths = np.array([row[4] for row in found], np.int64)
    return LogRows(
        series=_joined([unpack_ints(row[5], row[4]) for row in found]),
        timestamps_ms=_joined([unpack_ints(row[6], row[4]) for row in found]),
        data=joined_columns([unpack_floats(row[7], width * row[4]).reshape(width, -1) for row in found], width),
        lengths=lengths,
        org_ids=np.array([row[0] for row in found], np.int64),
        received_ms=np.array([row[1] for row in found], np.int64),
        backfill=np.array([row[3] for row in found], np.bool_),
        sum=np.array([row[2] == Rule.SUM for row in found], np.bool_),
    )


def joined_columns(parts: list[Floats], width: int) -> Floats:
    return np.concatenate(parts, axis=1) if parts else np.empty((width, 0), np.float64)


def drop_consumed(min_mark: int) -> list[str]:
    """Drops the log's whole past days that every org's fold, and every reader at `min_mark` or beyond, has passed. Their tables' names.

    `min_mark` is the least checkpoint mark of all detection shards.
    """
    today = (timezone.now() - datetime(1970, 1, 1, tzinfo=UTC)).days
    dropped = []
    for family, mark in ((POINTS, min_mark), (VERDICTS, None)):
        past = [part.table for part in partitions.partitions_of(family.log) if part.first_day < today]
        dropped += [table for table in past if partitions.drop_log(table, mark)]
    return dropped


def _org_clause(org_id: int | None) -> sql.Composable:
    return sql.SQL("") if org_id is None else sql.SQL("org_id = {} AND").format(sql.Literal(org_id))


def _joined(parts: list[Ints]) -> Ints:
    return np.concatenate(parts) if parts else np.empty(0, np.int64)


def _insert(
    family: Family, org_id: int, series: Ints, timestamps_ms: Ints, columns: Floats, *, rule: Rule, backfill: bool, received_at: datetime
) -> None:
    packed = (pack_ints(series), pack_ints(timestamps_ms), pack_floats(columns.ravel()))
    values = (org_id, received_at, int(rule), backfill, len(series), *packed)
    try:
        _insert_row(family, values)
    except IntegrityError:
        # No partition for this day: made by the first request that needs it, so that no scheduler can stop ingestion.
        partitions.forget()
        partitions.ensure_log(family, received_at)
        _insert_row(family, values)


def _insert_row(family: Family, values: tuple[object, ...]) -> None:
    org = org_to_tell()
    if org is not None:
        with untold_cursor() as cursor:
            cursor.execute(_INSERTS[family.log], (*values, org), prepare=True)
        return
    savepoint = transaction.atomic() if connection.in_atomic_block else nullcontext()
    with savepoint, binary_cursor() as cursor:
        cursor.execute(_INSERTS_TOLD[family.log], values, prepare=True)


# Points come one statement per request: a statement that also says in whose name it is spares the round trips of a transaction.
_TOLD: Final = sql.SQL(
    "INSERT INTO {log} (org_id, received_at, rule, backfill, n, series, timestamps, data) SELECT %s, %s, %s, %s, %s, %b, %b, %b"
)
_INSERTS_TOLD: Final = {family.log: _TOLD.format(log=sql.Identifier(family.log)) for family in (POINTS, VERDICTS)}
_TELLING: Final = sql.SQL(" FROM (SELECT set_config('plumbline.org', %s, true)) AS told")
_INSERTS: Final = {log: told + _TELLING for log, told in _INSERTS_TOLD.items()}
