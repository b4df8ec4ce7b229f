"""The point store: bytes per stored point after the nightly fold, and the reads that pages and detectors make.

The measuring process (`python -m tests.bench.points`) works in a fresh home with a PostgreSQL of its own.
"""

import json
import statistics
import subprocess
import sys
import time

import numpy as np

from config.environment import BASE_DIR
from tests.bench.figures import Figure, at_most, measured
from tests.product import new_product

SERIES = 1000
MINUTES = 1440
DAY_MS = 86_400_000
MONTH_DAYS = 30
REPEATS = 7


def run() -> dict[str, Figure]:
    with new_product(DJANGO_SETTINGS_MODULE="config.settings") as product:
        product.start_servers()
        product.manage("migrate", "--verbosity=0")
        command = [sys.executable, "-m", "tests.bench.points"]
        done = subprocess.run(command, cwd=BASE_DIR, env=product.variables, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    return {
        "points: stored bytes per point after the nightly fold, gauge of two decimals": at_most(found["bytes_gauge"], "bytes", 6),
        "points: the same, counters of whole numbers": at_most(found["bytes_counter"], "bytes", 6),
        "points: the same, white noise of full precision (8 bytes cannot shrink)": measured(found["bytes_noise"], "bytes"),
        "points: read 1,000 series x 1 day": at_most(found["read_day_ms"], "ms", 100),
        "points: read 1,000 series x 1 day before the nightly fold": measured(found["read_hours_ms"], "ms"),
        "points: read 30 days of one series at one minute": at_most(found["read_month_ms"], "ms", 60),
        "points: roll up 30 days of one series to hours": at_most(found["rollup_month_ms"], "ms", 60),
        "points: fold one minute of 1,000 series into their hours": measured(found["fold_minute_ms"], "ms"),
        "points: fold a day of 1,000 series": measured(found["fold_day_s"], "s"),
    }


def main() -> None:
    import django

    django.setup()
    from datastores.services import create_org
    from orgs.tenancy import within

    org_id = create_org(name="Bench", slug="bench").pk
    today = int(time.time() * 1000) // DAY_MS * DAY_MS
    with within(org_id):
        sys.stdout.write(json.dumps({**_reads(org_id, today), **_bytes(org_id, today), **_month(org_id, today)}) + "\n")


def _reads(org_id: int, today: int) -> dict[str, float]:
    """A day of 1,000 gauges: live into hour chunks minute by minute, then by the nightly fold into day chunks."""
    from metrics import points
    from metrics.points import POINTS, fold

    fold._today = lambda: today // DAY_MS - 1  # yesterday is today for as long as it fills up
    series, values = np.arange(SERIES, dtype=np.int64), _gauges(1)
    for minute in range(MINUTES - 1):
        points.append(org_id, series, np.full(SERIES, today - DAY_MS + minute * 60_000), values[:, minute])
    fold.fold_all(org_id, POINTS)
    points.append(org_id, series, np.full(SERIES, today - 60_000), values[:, -1])
    fold_minute = _ms(lambda: fold.fold_all(org_id, POINTS))
    ids = series.tolist()
    read_hours = _median(lambda: points.read(org_id, ids, today - DAY_MS, today))
    fold._today = lambda: today // DAY_MS
    fold_day = _ms(lambda: fold.fold_days(org_id, POINTS)) / 1000
    read_day = _median(lambda: points.read(org_id, ids, today - DAY_MS, today))
    found = points.read(org_id, ids, today - DAY_MS, today)
    assert all(np.array_equal(found[number].values, values[number]) for number in ids)
    return {"fold_minute_ms": fold_minute, "read_hours_ms": read_hours, "fold_day_s": fold_day, "read_day_ms": read_day}


def _bytes(org_id: int, today: int) -> dict[str, float]:
    """Bytes on disk (table, index, out-of-line parts) per point of one day of 1,000 series of each kind."""
    noise = np.random.default_rng(3).normal(size=(SERIES, MINUTES))
    counters = np.random.default_rng(2).integers(0, 500, (SERIES, MINUTES)).cumsum(axis=1).astype(float)
    kinds = {"gauge": _gauges(4), "counter": counters, "noise": noise}
    return {f"bytes_{kind}": _stored(org_id, today, 100 * (2 + place), table) for place, (kind, table) in enumerate(kinds.items())}


def _stored(org_id: int, today: int, days_ago: int, values: np.ndarray) -> float:
    """Days far apart have partitions of their own, so that a kind's size is that of its partition."""
    from metrics import points
    from metrics.points import POINTS, fold

    start = today - days_ago * DAY_MS
    for number in range(0, SERIES, 100):
        ids = np.repeat(np.arange(number, number + 100), MINUTES)
        times = np.tile(start + np.arange(MINUTES) * 60_000, 100)
        points.append(org_id, ids, times, values[number : number + 100].ravel())
    before = _size()
    fold.fold_all(org_id, POINTS)
    return (_size() - before) / values.size


def _size() -> int:
    from django.db import connection

    with connection.cursor() as cursor:
        parent = "metrics_point_day_k400"
        cursor.execute(
            "SELECT coalesce(sum(pg_total_relation_size(inhrelid)), 0) FROM pg_inherits WHERE inhparent = %s::regclass", [parent]
        )
        return int(cursor.fetchone()[0])


def _month(org_id: int, today: int) -> dict[str, float]:
    from metrics import points
    from metrics.points import POINTS, fold

    count = MONTH_DAYS * MINUTES
    times = today - np.arange(count, 0, -1) * 60_000
    walk = np.round(np.random.default_rng(5).normal(0, 1, count).cumsum() + 100, 2)
    points.append(org_id, np.full(count, 5000), times, walk)
    fold.fold_all(org_id, POINTS)
    start = today - MONTH_DAYS * DAY_MS
    return {
        "read_month_ms": _median(lambda: points.read(org_id, [5000], start, today)),
        "rollup_month_ms": _median(lambda: points.rollup(org_id, [5000], start, today, 3_600_000)),
    }


def _gauges(seed: int) -> np.ndarray:
    return np.round(np.random.default_rng(seed).normal(0, 1, (SERIES, MINUTES)).cumsum(axis=1) + 100, 2)


def _ms(action) -> float:
    started = time.perf_counter()
    action()
    return 1000 * (time.perf_counter() - started)


def _median(action) -> float:
    return statistics.median(_ms(action) for _ in range(REPEATS))


if __name__ == "__main__":
    main()
