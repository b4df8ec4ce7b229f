"""What the figures of the loop are measured on, and their measurement, in a process of the product's. Prints them as JSON.

A day of 400 series with daily rhythms, noise and faults goes through the engine; their states stand for 100,000 series, so that every
detector is warm. Then minutes pass: each brings 50 requests of 2,000 points, and each shard makes its 30 steps.
"""

import json
import os
import resource
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from django.db import connection

from anomalies.services.loop import Memory, ShardWorker
from datastores.services import create_org
from metrics import points
from metrics.detection import engine
from metrics.models import DetectionBlock, DetectionShard, Metric, name_digest
from metrics.shards import BLOCK, ShardStates
from orgs.models import Org
from orgs.tenancy import Reason, across, within
from tests.bench import skyline

SERIES = 100_000
SHARDS = 2
TEMPLATES = 400
WARM = 1600
MINUTES = 4
REQUEST = 2_000
STEPS = 30
FAULTS = 10  # series that go wrong in each minute
TICK_MS = 60_000
SAVED_WITHIN = 150  # steps
HERTZ = os.sysconf("SC_CLK_TCK")


def main() -> None:
    begin = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=MINUTES)
    org = create_org(name="Bench", slug="bench", metric_limit=SERIES)
    with within(org.pk):
        ids = make_series(org)
        values = make_values()
        workers = warm_workers(ids, values, begin)
        sys.stdout.write(json.dumps(measure(ids, values, workers, begin) | {"skyline_s": skyline_seconds(values)}) + "\n")


def make_series(org: Org) -> np.ndarray:
    datastore = org.datastores.get()
    Metric.objects.bulk_create(
        (Metric(org=org, datastore=datastore, name=name, digest=name_digest(name)) for name in (f"host{i}.cpu" for i in range(SERIES))),
        batch_size=10_000,
    )
    return np.array(Metric.objects.order_by("pk").values_list("pk", flat=True), np.int64)


def make_values() -> np.ndarray:
    """(WARM + MINUTES, TEMPLATES)"""
    rng = np.random.default_rng(7)
    minute = np.arange(WARM + MINUTES)[:, None]
    level, height, phase = rng.uniform(10, 1000, TEMPLATES), rng.uniform(0, 0.5, TEMPLATES), rng.uniform(0, 1440, TEMPLATES)
    noise = rng.standard_t(4, (WARM + MINUTES, TEMPLATES)) * 0.02
    values = level * (1 + height * np.sin(2 * np.pi * (minute + phase) / 1440) + noise)
    for i in range(MINUTES):
        values[WARM + i, i * 2] *= 5  # 2 of 400 templates, so 500 series, at once
    return values


def warm_workers(ids: np.ndarray, values: np.ndarray, begin: datetime) -> list[ShardWorker]:
    """Workers whose states have seen the day, and have been saved."""
    templates = engine.new_states(TEMPLATES)
    first = milliseconds(begin) - WARM * TICK_MS
    for i in range(WARM):
        at = np.full(TEMPLATES, first + i * TICK_MS)
        engine.advance(templates, np.arange(TEMPLATES), at, values[i], at)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint")
        mark = cursor.fetchone()[0]
    return [warm_worker(shard, ids, templates, mark, milliseconds(begin)) for shard in range(SHARDS)]


def warm_worker(shard: int, ids: np.ndarray, templates: np.ndarray, mark: int, clock_ms: int) -> ShardWorker:
    mine = np.flatnonzero(ids % SHARDS == shard)
    states = ShardStates()
    for block in range(-(-len(mine) // BLOCK)):
        rows = mine[block * BLOCK : (block + 1) * BLOCK]
        orgs = np.full(len(rows), Metric.objects.values_list("org_id", flat=True)[0])
        states.put_block(block, states=templates[rows % TEMPLATES], series=ids[rows], orgs=orgs, done=0)
    states.loaded()
    DetectionShard.objects.create(shard=shard, shards=SHARDS, mark=mark, checkpoint_mark=mark, clock_ms=clock_ms)
    worker = ShardWorker(shard, shards=SHARDS)
    # As in a process that has run for long: every step it is some blocks' turn to be saved.
    turn = {block: -(SAVED_WITHIN * block // states.blocks) for block in range(states.blocks)}
    worker.memory = Memory(states=states, seq=0, blocks=turn, digests={})
    return worker


def measure(ids: np.ndarray, values: np.ndarray, workers: list[ShardWorker], begin: datetime) -> dict[str, float]:
    """CPU seconds of one minute, medians; the first minute is left out."""
    org_id = Metric.objects.values_list("org_id", flat=True)[0]
    minutes, longest = [], 0.0
    for i in range(MINUTES):
        at = begin + timedelta(minutes=i)
        batch = values[WARM + i][np.arange(SERIES) % TEMPLATES]
        worker_s = postgres_s = 0.0
        for step in range(STEPS):
            now = at + timedelta(seconds=2 * step + 2)
            send(org_id, ids, batch, at, now, step)
            before, before_postgres = own_cpu(), postgres_cpu()
            for worker in workers:
                started = time.perf_counter()
                worker.step(now)
                longest = max(longest, time.perf_counter() - started) if i else 0.0
            worker_s += own_cpu() - before
            postgres_s += postgres_cpu() - before_postgres
        minutes.append((worker_s, postgres_s))
    taken = np.median(np.array(minutes[1:]), axis=0)
    with across(Reason.DETECTION):
        saved = DetectionBlock.objects.raw(
            "SELECT 1 AS id, sum(octet_length(states)) AS total, count(*) AS blocks FROM metrics_detectionblock"
        )[0]
    bytes_each = float(saved.total) / (saved.blocks * BLOCK) if saved.blocks else 0.0
    return {"worker_s": taken[0], "postgres_s": taken[1], "points": SERIES, "longest_s": longest, "saved_bytes": bytes_each}


def send(org_id: int, ids: np.ndarray, batch: np.ndarray, at: datetime, now: datetime, step: int) -> None:
    """This step's share of the minute's requests."""
    requests = SERIES // REQUEST
    for request in range(requests * step // STEPS, requests * (step + 1) // STEPS):
        part = slice(request * REQUEST, (request + 1) * REQUEST)
        points.append(org_id, ids[part], np.full(REQUEST, milliseconds(at)), batch[part], received_at=now - timedelta(seconds=1))


def skyline_seconds(values: np.ndarray) -> float:
    """CPU seconds of the nine checks for SERIES series, from windows of TEMPLATES of them."""
    windows = np.ascontiguousarray(values[WARM - 1440 : WARM].T)
    times = np.arange(1440) * 60.0
    skyline.judge(windows[:10], times)
    before = own_cpu()
    skyline.judge(windows, times)
    return (own_cpu() - before) * SERIES / TEMPLATES


def own_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def postgres_cpu() -> float:
    """CPU seconds of all processes of the server, the ended ones included."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        backend = cursor.fetchone()[0]
    parent = stat_of(backend)[1]
    ours = [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if (found := stat_or_none(pid)) and found[1] == parent]
    return sum(sum(map(int, found[11:13])) for pid in ours if (found := stat_or_none(pid))) / HERTZ


def stat_of(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def stat_or_none(pid: int) -> list[str] | None:
    try:
        return stat_of(pid)
    except OSError:
        return None


def milliseconds(at: datetime) -> int:
    return round(at.timestamp() * 1000)
