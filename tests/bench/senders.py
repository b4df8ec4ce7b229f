"""Senders of remote write for the benchmarks: bodies encoded beforehand, keep-alive connections, a process per shard of series.

usage (by `Senders`): python -m tests.bench.senders '{"host", "port", "path", "headers", "shard", ...}'
"""

import http.client
import json
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from typing import Any

import cramjam
import numpy as np

SERIES = 10_000
PER_REQUEST = 2_000
STEP_MS = 15_000
CONNECTIONS = 5
SENDERS = 2


@dataclass(frozen=True)
class Sent:
    """What the senders saw: seconds from the first request to the last answer, latencies in ms, answers that were no success by status."""

    seconds: float
    latencies_ms: list[float]
    failures: dict[str, int]


def template(first: int, count: int) -> np.ndarray:
    """`count` series of `__name__` and five labels with two samples each, as bytes of shape (count, size): all of one length."""
    rows = [_series(number) for number in range(first, first + count)]
    return np.frombuffer(b"".join(rows), np.uint8).reshape(count, -1).copy()


def _series(number: int) -> bytes:
    labels = [("__name__", "node_cpu_seconds_total"), ("cpu", str(number % 8)), ("instance", f"host-{number:05d}:9100")]
    labels += [("job", "node"), ("mode", "user"), ("region", "eu-central-1")]
    parts = b"".join(_delimited(1, _delimited(1, name.encode()) + _delimited(2, value.encode())) for name, value in labels)
    return _delimited(1, parts + _delimited(2, b"\x09" + bytes(8) + b"\x10" + bytes(6)) * 2)


def _delimited(field: int, content: bytes) -> bytes:
    assert len(content) < 16384
    size = bytes([len(content)]) if len(content) < 128 else bytes([len(content) & 127 | 128, len(content) >> 7])
    return bytes([field << 3 | 2]) + size + content


def filled(rows: np.ndarray, first: np.ndarray, second: np.ndarray, time_ms: int) -> bytes:
    """A compressed request: the template with these values at one time and one step later."""
    size = 2 + 16
    for place, values, at in ((2 * size, first, time_ms), (size, second, time_ms + STEP_MS)):
        start = rows.shape[1] - place + 3
        rows[:, start : start + 8] = values.astype("<f8").view(np.uint8).reshape(len(rows), 8)
        rows[:, start + 9 : start + 15] = [(at >> 7 * k) & 127 | (128 if k < 5 else 0) for k in range(6)]
    return bytes(cramjam.snappy.compress_raw(rows.tobytes()))


def bodies(shard: int, steps: int, start_ms: int) -> list[list[bytes]]:
    """Per connection of a sender its requests in order: a thousand series of its own, two steps a request."""
    rng = np.random.default_rng(shard)
    return [_of_connection(shard * CONNECTIONS + place, steps, start_ms, rng) for place in range(CONNECTIONS)]


def _of_connection(number: int, steps: int, start_ms: int, rng: np.random.Generator) -> list[bytes]:
    count = SERIES // SENDERS // CONNECTIONS
    rows, level = template(number * count, count), rng.normal(50, 10, count)
    found = []
    for step in range(0, steps, 2):
        first, level = np.round(level, 2), level + rng.normal(0, 1, count)
        found.append(filled(rows, first, np.round(level, 2), start_ms + step * STEP_MS))
    return found


def json_bodies(shard: int, count: int, start_ms: int, key: str) -> list[list[bytes]]:
    """Single points as Flux JSON, spread over the connections."""
    points = [
        {"key": key, "metric": f"bench.{shard}.{k % 100}", "timestamp": start_ms // 1000 + k // 100, "value": k / 100} for k in range(count)
    ]
    encoded = [json.dumps(point).encode() for point in points]
    return [encoded[k::CONNECTIONS] for k in range(CONNECTIONS)]


class Shard:
    """One sender process: encodes, says so, waits for the start, sends, reports."""

    def __init__(self, job: dict[str, Any]) -> None:
        self.job = job
        self.latencies: list[float] = []
        self.failures: dict[str, int] = {}
        self.lock = threading.Lock()

    def run(self) -> None:
        job = self.job
        if job["kind"] == "json":
            job["headers"] = {name: value for name, value in job["headers"].items() if not name.startswith("Content-")}
            queues = json_bodies(job["shard"], job["steps"], job["start_ms"], job["key"])
        else:
            queues = bodies(job["shard"], job["steps"], job["start_ms"])
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        sys.stdin.readline()
        began = time.perf_counter()
        threads = [threading.Thread(target=self._send, args=(queue, place, began)) for place, queue in enumerate(queues)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        sys.stdout.write(json.dumps([time.perf_counter() - began, self.latencies, self.failures]) + "\n")

    def _send(self, queue: list[bytes], place: int, began: float) -> None:
        connection = http.client.HTTPConnection(self.job["host"], self.job["port"], timeout=30)
        latencies: list[float] = []
        for number, body in enumerate(queue):
            due = self._wait(number, place, began)
            connection.request("POST", self.job["path"], body=body, headers=self.job["headers"])
            answer = connection.getresponse()
            answer.read()
            latencies.append((time.perf_counter() - due) * 1000)
            if answer.status not in (200, 204):
                with self.lock:
                    self.failures[str(answer.status)] = self.failures.get(str(answer.status), 0) + 1
        connection.close()
        with self.lock:
            self.latencies += latencies

    def _wait(self, number: int, place: int, began: float) -> float:
        """When this request is due: at once in a closed loop; else in turn, `rate` requests a second over all connections."""
        if not self.job["rate"]:
            return time.perf_counter()
        due = began + (number * CONNECTIONS + place) / self.job["rate"]
        time.sleep(max(0.0, due - time.perf_counter()))
        return due


def send(**job: Any) -> Sent:
    """Runs both senders to their end. `rate` is requests a second per sender; 0 sends as fast as answers come."""
    command = [sys.executable, "-m", "tests.bench.senders"]
    running = []
    for shard in range(SENDERS):
        process = subprocess.Popen(
            [*command, json.dumps({**job, "shard": shard})], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        running.append(process)
    for process in running:
        assert process.stdout.readline() == "ready\n"
    for process in running:
        process.stdin.write("go\n")
    reports = [json.loads(process.stdout.readline()) for process in running]
    for process in running:
        process.wait()
    latencies = sorted(latency for _, found, _ in reports for latency in found)
    return Sent(max(seconds for seconds, _, _ in reports), latencies, {status: n for _, _, found in reports for status, n in found.items()})


if __name__ == "__main__":
    Shard(json.loads(sys.argv[1])).run()
