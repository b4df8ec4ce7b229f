"""Streams of points with known faults, sent through the log, and what detection made of them in a form that can be compared."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np

from anomalies.models import Anomaly, Change
from anomalies.services.loop import ShardWorker
from metrics import points
from metrics.models import Metric
from tests import factories

BEGIN = datetime(2026, 3, 2, tzinfo=UTC)
STEP = timedelta(minutes=10)
COUNT = 330


@dataclass(frozen=True)
class Batch:
    """One request: every series' value at one time."""

    at: datetime
    values: tuple[float, ...]


@dataclass(frozen=True)
class Stream:
    """Some series of one org and what they send, a batch per step of ten minutes."""

    metrics: tuple[Metric, ...]
    batches: tuple[Batch, ...]

    def send(self, batch: Batch, *, backfill: bool = False, received_at: datetime | None = None) -> None:
        there = [(metric, value) for metric, value in zip(self.metrics, batch.values, strict=True) if not np.isnan(value)]
        ids = np.array([metric.pk for metric, _ in there], np.int64)
        times = np.full(len(ids), round(batch.at.timestamp() * 1000), np.int64)
        values = np.array([value for _, value in there])
        received_at = received_at or batch.at + timedelta(seconds=1)
        points.append(self.metrics[0].org_id, ids, times, values, backfill=backfill, received_at=received_at)


def noise(seed: int, *, count: int = COUNT) -> np.ndarray:
    """A level of 100 with a little noise."""
    return 100.0 + np.random.default_rng(seed).normal(0.0, 1.0, count)


def make_stream(datastore, *, names: Iterable[str] = ("a", "b", "c", "d"), count: int = COUNT, first_seed: int = 0) -> Stream:
    """Series with noise; the first has a spike at 200, the second one at 240 that lasts, the third falls silent from 250 to 290."""
    metrics = tuple(factories.make_metric(datastore, name) for name in names)
    columns = np.array([noise(first_seed + seed, count=count) for seed in range(len(metrics))])
    columns[0, 200] = 190.0
    columns[1, 240:260] = 40.0
    columns[1, 250:255] = -300.0
    columns[2, 250:290] = np.nan
    batches = tuple(Batch(BEGIN + i * STEP, tuple(columns[:, i].tolist())) for i in range(count))
    return Stream(metrics, batches)


def play(stream: Stream, worker: ShardWorker, *, every: int = 1, send: Callable[[Stream, Batch], None] = Stream.send) -> None:
    """Sends the batches at their times and lets the worker step after every so many."""
    for i, batch in enumerate(stream.batches):
        send(stream, batch)
        if i % every == every - 1:
            worker.step(batch.at + timedelta(seconds=2))


def story(org) -> list[tuple[object, ...]]:
    """All that detection says about an org's series, without what differs from run to run (ids, times of writing)."""
    fields = (
        "metric__name", "kind", "status", "episode_at", "started_at", "ended_at", "peak_at", "peak_value", "expected", "expected_lower",
        "expected_upper", "score", "direction", "weight", "message", "is_backfilled",
    )  # fmt: skip
    return list(Anomaly.objects.filter(org=org).order_by("metric__name", "started_at", "kind").values_list(*fields))


def told(org) -> list[tuple[object, ...]]:
    """The history of an org's anomalies, by name of the series."""
    rows = Change.objects.filter(org=org).order_by("anomaly__metric__name", "pk")
    return [(name, actor, list(changeset.items())) for name, actor, changeset in rows.values_list("anomaly__metric__name", "actor", "changeset")]


def verdicts_of(stream: Stream) -> list[bytes]:
    """Every stored verdict of the stream's series, as bytes."""
    ids = [metric.pk for metric in stream.metrics]
    start, end = (round(at.timestamp() * 1000) for at in (BEGIN - timedelta(days=1), BEGIN + timedelta(days=30)))
    found = points.read_verdicts(stream.metrics[0].org_id, ids, start, end)
    return [
        b"".join(column.tobytes() for column in (one.timestamps_ms, one.yhat, one.lower, one.upper, one.score)) for one in found.values()
    ]


def states_of(worker: ShardWorker, stream: Stream) -> list[bytes]:
    """The detector's states of the stream's series, as bytes."""
    assert worker.memory is not None
    rows = worker.memory.states.rows_of(np.array([metric.pk for metric in stream.metrics]))
    return [worker.memory.states.states[row].tobytes() for row in rows.tolist()]
