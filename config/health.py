"""Does it work: every part asked, and one word for all."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.conf import settings
from django.core.cache import cache
from django.db import DatabaseError, InterfaceError, connection
from django.utils import timezone
from psycopg_pool import PoolTimeout
from redis.exceptions import RedisError

from config.celery import sign_of
from orgs.tenancy import Reason, across

# Each part leaves a sign of life every two seconds, but a worker that compiles its kernels for the first time is silent for a while.
SILENT_AFTER_S: Final = 45.0
# A shard ticks every few seconds and then has judged what came; the first tick of a new machine compiles for most of a minute.
LATE_AFTER_S: Final = 180.0
# The answer is the same for everybody this long: what is open to all must not cost a query per call.
KEPT_S: Final = 1.0

# The oldest logged request that a shard has not consumed yet, and when that shard ticked last.
SHARDS: Final = """
    SELECT s.shard, s.last_tick,
           (SELECT extract(epoch FROM now() - b.received_at) FROM metrics_batch b WHERE b.xid >= s.mark ORDER BY b.xid, b.id LIMIT 1)
    FROM metrics_detectionshard s WHERE s.shard < %s
"""


@dataclass(frozen=True)
class Server:
    """Whether a server answers."""

    ok: bool


@dataclass(frozen=True)
class Process:
    """Whether a process lives, by the age of its last sign of life; None when there is none."""

    ok: bool
    seconds_ago: float | None = None


@dataclass(frozen=True)
class Detection:
    """`ingest_lag_s`: how long the oldest received point has been waiting to be judged; 0 when none waits, None when unknown.

    `last_detection`: when the shard that ticked the longest ago did; None before the first tick.
    """

    ingest_lag_s: float | None = None
    last_detection: datetime | None = None

    @property
    def ok(self) -> bool:
        """Whether what comes is judged in time. Where nothing was ever judged there is nothing to be late with."""
        silent_s = 0.0 if self.last_detection is None else (timezone.now() - self.last_detection).total_seconds()
        return max(self.ingest_lag_s or 0.0, silent_s) < LATE_AFTER_S


@dataclass(frozen=True)
class Status:
    """Every part, and one word for all: `ok`, `degraded` (takes points, judges or shows late), `unavailable` (no database)."""

    status: str
    version: str
    database: Server
    broker: Server
    workers: dict[str, Process]
    beat: Process
    ingest_lag_s: float | None
    last_detection: datetime | None


def current() -> Status:
    """The state of every part, at most KEPT_S old."""
    return _kept(measure)


def measure() -> Status:
    """Asks every part now; one that is away costs at most the time-out of its connection."""
    database, detection = _ask_database()
    parts = ["beat", "default", *(f"detect.{shard}" for shard in range(settings.DETECT_SHARDS))]
    broker, signs = _ask_broker(parts)
    beat = signs.pop("beat")
    fine = broker.ok and beat.ok and detection.ok and all(worker.ok for worker in signs.values())
    word = "unavailable" if not database.ok else "ok" if fine else "degraded"
    return Status(word, settings.VERSION, database, broker, signs, beat, detection.ingest_lag_s, detection.last_detection)


def _ask_database() -> tuple[Server, Detection]:
    try:
        with across(Reason.UPKEEP), connection.cursor() as cursor:
            cursor.execute(SHARDS, [settings.DETECT_SHARDS])
            rows = cursor.fetchall()
    except (DatabaseError, InterfaceError, PoolTimeout):
        return Server(ok=False), Detection()
    if not rows:
        return Server(ok=True), Detection()
    ticks = [tick for _, tick, _ in rows if tick]
    lag = max(float(lag or 0) for _, _, lag in rows)
    return Server(ok=True), Detection(ingest_lag_s=round(max(lag, 0.0), 3), last_detection=min(ticks, default=None))


def _ask_broker(names: list[str]) -> tuple[Server, dict[str, Process]]:
    try:
        signs = cache.get_many([sign_of(name) for name in names])
    except RedisError:
        return Server(ok=False), {name: Process(ok=False) for name in names}
    now = time.time()
    ages = {name: round(max(0.0, now - signs[sign_of(name)]), 1) if sign_of(name) in signs else None for name in names}
    return Server(ok=True), {name: Process(age is not None and age < SILENT_AFTER_S, age) for name, age in ages.items()}


_last: tuple[float, Status] | None = None


def _kept(make: Callable[[], Status]) -> Status:
    global _last  # noqa: PLW0603  one answer per process, however many ask
    if _last is None or time.monotonic() - _last[0] > KEPT_S:
        found = make()
        _last = (time.monotonic(), found)
    return _last[1]
