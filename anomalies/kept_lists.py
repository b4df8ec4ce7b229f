"""Lists that were read before, and what was counted in them: kept in Redis, for as long as the database says that nothing has changed.

Triggers write the number of each transaction that changes what an org's lists show (`ListChange`). A list is kept with the snapshot that
was taken before it was read: it holds until there is a transaction of the org that this snapshot did not see and a reader sees now. That is
exact, whoever writes: a change shows the moment it is committed. Without Redis each list is read anew.
"""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final

import orjson
import redis
from django.conf import settings
from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import QuerySet
from redis.exceptions import RedisError

from accounts.callers import Caller
from accounts.models import Level
from anomalies.models import ListChange
from config.api.pagination import COUNT_CAP
from config.database.prepared import Statement
from datastores.querysets import sees_whole_org
from datastores.reach import reach_sql

# How many ids are read at once: as far as counting goes, for a page beyond that the list down to where paging by numbers is no use.
HEAD: Final = COUNT_CAP + 1
WHOLE: Final = 300_000
# What takes less is read anew, which costs no more than looking it up.
WORTH_S: Final = 0.004
KEPT_S: Final = 300
# The content is there as long as what is said about it.
OUTLIVES_S: Final = 60
TIMEOUT_S: Final = 0.2
# Longer than any list is kept, and than any transaction runs.
NEEDED: Final = timedelta(days=1)
ID_BYTES: Final = 8

LOOK: Final = """
SELECT now.seen::text, pg_current_xact_id_if_assigned() IS NULL, {reach}, NOT EXISTS (
           SELECT FROM anomalies_listchange WHERE org_id = %s AND xid >= (pg_snapshot_xmin(known.seen)::text)::bigint
              AND NOT pg_visible_in_snapshot(xid::text::xid8, known.seen))
  FROM (SELECT pg_current_snapshot() AS seen) AS now, LATERAL (SELECT coalesce(%s::pg_snapshot, now.seen) AS seen) AS known
"""
READ: Final = """
WITH found (id) AS MATERIALIZED ({listed}) SELECT (SELECT count(*) FROM found), (SELECT string_agg(int8send(id), ''::bytea) FROM found)
"""


@dataclass(frozen=True)
class Asked:
    """A list as somebody asks for it: `words` are the address and its filters and sorts, without the page."""

    caller: Caller
    level: Level
    words: tuple[object, ...]

    @property
    def key(self) -> str:
        whole = (self.caller.org_id, self.caller.pk, sees_whole_org(self.caller, level=self.level), self.level, self.words)
        return f"plumbline:anomalies:lists:{hashlib.sha256(repr(whole).encode()).hexdigest()}"


@dataclass(frozen=True)
class Part:
    """The ids of one page, and how many the list has, as far as it was read."""

    ids: list[int]
    found: int


@dataclass(frozen=True)
class _Look:
    """What the database says before a list is shown. `is_outside`: this transaction has written nothing itself."""

    snapshot: str
    is_outside: bool
    reach: list[int] | None
    is_unchanged: bool


@dataclass(frozen=True)
class _Kept:
    """What was read before, or the wanted piece of it. `snapshot` and `reach` are those that it was read with."""

    content: bytes
    found: int
    snapshot: str
    reach: list[int] | None


def part_of(asked: Asked, rows: Callable[[], QuerySet[Any, Any]], *, start: int, size: int) -> Part:
    """The ids from place `start` on. `rows` is called only when the list has to be read. One query more than reading it."""
    most = HEAD if start + size <= HEAD else WHOLE
    piece = slice(start * ID_BYTES, (start + size) * ID_BYTES)
    content, found = _as_before(asked, str(most), piece, lambda: _read(rows(), most))
    return Part(_numbers(content), found)


def said_of(asked: Asked, about: str, ask: Callable[[], bytes]) -> bytes:
    """What `ask` says of a list, asked anew once the list has changed. `about` names the question. One query more than asking.

    Nothing may be said of which the triggers do not note the changes.
    """
    return _as_before(asked, about, slice(0, None), lambda: (0, ask()))[0]


def _as_before(asked: Asked, about: str, piece: slice, read: Callable[[], tuple[int, bytes]]) -> tuple[bytes, int]:
    """The piece of what `read` says, and the number that it gives: as it was read before, where nothing has changed since."""
    key = f"{asked.key}:{about}"
    kept = _kept(key, piece)
    look = _look(asked, snapshot=kept.snapshot if kept else None)
    if kept and look.is_unchanged and look.is_outside and kept.reach == look.reach:
        return kept.content, kept.found
    began = time.perf_counter()
    found, content = read()
    if look.is_outside and time.perf_counter() - began >= WORTH_S:
        _keep(key, _Kept(content, found, look.snapshot, look.reach))
    return content[piece], found


def _look(asked: Asked, *, snapshot: str | None) -> _Look:
    reach, params = _reach(asked)
    (found,) = _look_statement(reach).rows(*params, asked.caller.org_id, snapshot)
    return _Look(*found)


def _reach(asked: Asked) -> tuple[str, list[Any]]:
    """The datastores of the list as an array, NULL for all of the org; and the values that this takes."""
    if sees_whole_org(asked.caller, level=asked.level):
        return "NULL::bigint[]", []
    sql, params = reach_sql(asked.caller, level=asked.level)
    return f"ARRAY({sql})", params


@cache
def _look_statement(reach: str) -> Statement:
    return Statement(LOOK.format(reach=reach))


def _read(rows: QuerySet[Any, Any], most: int) -> tuple[int, bytes]:
    """How many there are, up to `most`, and their ids in order, eight bytes each."""
    try:
        listed, params = rows.values("pk")[:most].query.sql_with_params()
    except EmptyResultSet:
        return 0, b""
    with connection.cursor() as cursor:
        cursor.execute(READ.format(listed=listed), params)
        found, ids = cursor.fetchone()
    return found, bytes(ids or b"")


def _numbers(ids: bytes) -> list[int]:
    return [int.from_bytes(ids[at : at + ID_BYTES]) for at in range(0, len(ids), ID_BYTES)]


@cache
def _redis() -> redis.Redis:
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S)


def _kept(key: str, piece: slice) -> _Kept | None:
    try:
        both = _redis().pipeline()
        both.get(f"{key}:about")
        both.strlen(f"{key}:content")
        both.getrange(f"{key}:content", piece.start, -1 if piece.stop is None else piece.stop - 1)
        about, length, content = both.execute()
    except RedisError:
        return None
    said = orjson.loads(about) if about else {}
    # A server that is short of memory lets go of one without the other.
    return _Kept(content, **said) if said.pop("length", None) == length else None


def _keep(key: str, kept: _Kept) -> None:
    about = {"found": kept.found, "snapshot": kept.snapshot, "reach": kept.reach, "length": len(kept.content)}
    try:
        both = _redis().pipeline()
        both.set(f"{key}:about", orjson.dumps(about), ex=KEPT_S)
        both.set(f"{key}:content", kept.content, ex=KEPT_S + OUTLIVES_S)
        both.execute()
    except RedisError:
        return


def orgs_with_old_changes(*, now: datetime) -> list[int]:
    """Where there is something to forget."""
    return list(ListChange.objects.filter(at__lt=now - NEEDED).order_by().values_list("org", flat=True).distinct())


def forget_old_changes(org_id: int, *, now: datetime) -> int:
    """Drops what no list that is kept can be older than; how many went."""
    return ListChange.objects.filter(org=org_id, at__lt=now - NEEDED).delete()[0]
