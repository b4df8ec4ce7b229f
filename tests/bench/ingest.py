"""Ingestion: remote write to a real web process with a real PostgreSQL, until it is on disk; single JSON points; Prometheus beside it."""

import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from config.environment import BASE_DIR
from tests.bench.figures import Figure, at_least, at_most, measured
from tests.bench.senders import PER_REQUEST, SENDERS, SERIES, STEP_MS, Sent, send
from tests.product import Product, free_port, new_product, wait_until

RUNS = 3
STEPS = 150  # of all series per run: 1.5 M samples
LATENCY_RATE = 200_000
LATENCY_SECONDS = 10
JSON_POINTS = 2_000  # per sender
SENDER = """
from datastores.services import create_org
from orgs.services import create_ingest_key
org = create_org(name="Bench", slug="bench", metric_limit=100000)
print("KEY", create_ingest_key(org.datastores.get(), name="bench")[1], org.pk)
"""


@dataclass(frozen=True)
class Target:
    """Where to send, and whose CPU time counts."""

    port: int
    path: str
    headers: dict[str, str]
    roots: list[int]
    key: str = ""

    def send(self, *, steps: int, start_ms: int, rate: float = 0, kind: str = "write", path: str = "") -> Sent:
        job = {"host": "127.0.0.1", "port": self.port, "path": path or self.path, "headers": self.headers, "key": self.key}
        return send(**job, steps=steps, start_ms=start_ms, rate=rate, kind=kind)


def run() -> dict[str, Figure]:
    with plumbline() as (target, count):
        figures = measure(target, count)
    figures |= beside_prometheus(figures["ingest: samples/s, 2,000 per request, 2 senders"]["value"])
    return figures


def measure(target: Target, count) -> dict[str, Figure]:
    now_ms = int(time.time() * 1000) // STEP_MS * STEP_MS
    start_ms = now_ms - 3600_000
    target.send(steps=2, start_ms=start_ms)  # makes the series, compiles what is not compiled
    before, speeds, costs = count(), [], []
    for _ in range(RUNS):
        start_ms += 2 * STEP_MS
        cpu, sent = cpu_of(target.roots), target.send(steps=STEPS, start_ms=start_ms)
        speeds.append(SERIES * STEPS / sent.seconds)
        costs.append((cpu_of(target.roots) - cpu) / (SERIES * STEPS / 1e6))
        assert not sent.failures, sent.failures
    assert count() - before == RUNS * STEPS * SERIES, "an acknowledged sample is missing"
    steps = LATENCY_RATE * LATENCY_SECONDS // SERIES
    open_loop = target.send(steps=steps, start_ms=start_ms, rate=LATENCY_RATE / PER_REQUEST / SENDERS)
    single = target.send(steps=JSON_POINTS, start_ms=now_ms - 3600_000, kind="json", path="/flux/metric_data_post")
    assert not open_loop.failures | single.failures, (open_loop.failures, single.failures)
    return {
        "ingest: samples/s, 2,000 per request, 2 senders": at_least(statistics.median(speeds), "samples/s", 300_000),
        "ingest: CPU per million samples (web and PostgreSQL)": at_most(statistics.median(costs), "CPU-s", 2.0),
        "ingest: p99 at 200,000 samples/s": at_most(percentile(open_loop.latencies_ms, 99), "ms", 50.0),
        "ingest: p50 at 200,000 samples/s": measured(percentile(open_loop.latencies_ms, 50), "ms"),
        "ingest: single JSON points": at_least(SENDERS * JSON_POINTS / single.seconds, "requests/s", 400),
    }


def percentile(ordered: list[float], rank: int) -> float:
    return ordered[min(len(ordered) - 1, len(ordered) * rank // 100)]


@contextmanager
def plumbline() -> Iterator[tuple[Target, object]]:
    """The product's own web server and PostgreSQL in a fresh home; and a count of the points in its log."""
    with new_product() as product:
        start(product)
        key, _ = product.as_owner(SENDER).partition("KEY ")[2].split()
        headers = {"Host": "localhost", "Content-Type": "application/x-protobuf", "Content-Encoding": "snappy", "key": key}
        headers |= {"Authorization": f"Bearer {key}"}
        postmaster = int((product.place.data / "pg" / "postmaster.pid").read_text().split()[0])
        target = Target(product.port, "/api/v1/write", headers, [product.process.pid, postmaster], key)
        with psycopg.connect(product.variables["DATABASE_OWNER_URL"], autocommit=True) as connection:
            yield target, lambda: connection.execute("SELECT coalesce(sum(n), 0) FROM metrics_batch").fetchone()[0]


def start(product: Product) -> None:
    product.start_servers()
    product.variables["LOG_LEVEL"] = "WARNING"
    product.manage("migrate", "--verbosity=0")
    (product.home / "staticfiles").mkdir(exist_ok=True)
    subprocess.run([sys.executable, "-m", "config.kernels"], env=product.variables, cwd=BASE_DIR, check=True)
    product.serve()


def cpu_of(roots: list[int]) -> float:
    """CPU seconds that these processes and all below them have used, ended ones included."""
    ticks = os.sysconf("SC_CLK_TCK")
    children: dict[int, list[int]] = {}
    used: dict[int, float] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        pid = int(entry.parent.name)
        children.setdefault(int(fields[1]), []).append(pid)
        used[pid] = sum(int(field) for field in fields[11:15]) / ticks
    todo, total = list(roots), 0.0
    while todo:
        pid = todo.pop()
        total += used.get(pid, 0.0)
        todo += children.get(pid, [])
    return total


def beside_prometheus(ours: float) -> dict[str, Figure]:
    """The same bodies to Prometheus' own receiver, where it is installed."""
    binary = shutil.which("prometheus")
    if binary is None:
        return {}
    with prometheus(binary) as target:
        now_ms = int(time.time() * 1000) // STEP_MS * STEP_MS
        target.send(steps=2, start_ms=now_ms - 3600_000)
        speeds = []
        for number in range(RUNS):
            start_ms = now_ms - 3600_000 + (2 + number * STEPS) * STEP_MS
            speeds.append(SERIES * STEPS / target.send(steps=STEPS, start_ms=start_ms).seconds)
    theirs = statistics.median(speeds)
    return {
        "ingest: Prometheus' receiver, same bodies": measured(theirs, "samples/s"),
        "ingest: beyond Prometheus": at_least(ours / theirs, "times", 1.0),
    }


@contextmanager
def prometheus(binary: str) -> Iterator[Target]:
    folder, port = Path(tempfile.mkdtemp(prefix="plumbline-prometheus-")), free_port()
    (folder / "prometheus.yml").write_text("")
    options = [f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data", f"--web.listen-address=127.0.0.1:{port}"]
    process = subprocess.Popen([binary, *options, "--web.enable-remote-write-receiver", "--log.level=error"], cwd=folder)
    headers = {"Content-Type": "application/x-protobuf", "Content-Encoding": "snappy"}
    try:
        wait_until(lambda: socket.socket().connect_ex(("127.0.0.1", port)) == 0, what="Prometheus")
        yield Target(port, "/api/v1/write", headers, [process.pid])
    finally:
        process.terminate()
        process.wait(30)
        shutil.rmtree(folder, ignore_errors=True)
