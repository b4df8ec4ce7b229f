"""Streams of points with known faults, sent through the log, and what detection made of them in a form that can be compared."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from django.db import connection

from anomalies.models import Anomaly, Change
from anomalies.services.loop import ShardWorker
from metrics import points
from metrics.models import DetectionBlock, DetectionShard, DetectionStep, Metric
from tests import factories

BEGIN = datetime(2026, 3, 4, tzinfo=UTC)  # of what comes live
STEP = timedelta(minutes=1)
HISTORY = 1500
LIVE = 120
NAMES = ("spike", "outage", "silent", "calm")


@dataclass(frozen=True)
class Stream:
    """Series of one org: imported history, shape (HISTORY, series), and what then comes live, shape (n, series); NaN is not sent."""

    metrics: tuple[Metric, ...]
    history: np.ndarray
    live: np.ndarray

    @property
    def ids(self) -> np.ndarray:
        return np.array([metric.pk for metric in self.metrics], np.int64)

    def at(self, place: int) -> datetime:
        """The time of a live batch."""
        return BEGIN + place * STEP

    def send_history(self) -> None:
        first = BEGIN - HISTORY * STEP
        times = np.repeat([milliseconds(first + i * STEP) for i in range(HISTORY)], len(self.metrics))
        ids = np.tile(self.ids, HISTORY)
        points.append(self.metrics[0].org_id, ids, times, self.history.ravel(), backfill=True, received_at=BEGIN - STEP)

    def send(self, place: int) -> None:
        """The live batch at `place`, received a second later."""
        there = ~np.isnan(self.live[place])
        times = np.full(there.sum(), milliseconds(self.at(place)))
        received_at = self.at(place) + timedelta(seconds=1)
        points.append(self.metrics[0].org_id, self.ids[there], times, self.live[place][there], received_at=received_at)


def make_stream(datastore, *, names: Iterable[str] = NAMES, seed: int = 0) -> Stream:
    """Four series around 100 with a little noise, and a daily rhythm: one spike at 30, one outage from 40 to 70 that grows worse at 55,
    one silence from 50 to 80, and one with nothing."""
    metrics = tuple(factories.make_metric(datastore, name) for name in names)
    rng = np.random.default_rng(seed)
    count = HISTORY + LIVE
    rhythm = 10.0 * np.sin(2 * np.pi * np.arange(count) / 1440)[:, None]
    values = 100.0 + rhythm + rng.normal(0.0, 1.0, (count, len(metrics)))
    live = values[HISTORY:]
    live[30, 0] = 190.0
    live[40:70, 1] = 60.0
    live[55:60, 1] = -4000.0
    live[50:80, 2] = np.nan
    return Stream(metrics, values[:HISTORY], live)


def play(stream: Stream, *, step: Callable[[datetime], object], every: int = 1) -> None:
    """Sends everything at its time and lets detection step after the history and after every so many live batches."""
    stream.send_history()
    step(BEGIN - timedelta(seconds=30))
    for place in range(LIVE):
        stream.send(place)
        if place % every == every - 1:
            step(stream.at(place) + timedelta(seconds=2))


def restart_detection() -> None:
    """Detection as on a new install, but for the log that has been consumed."""
    for model in (DetectionBlock, DetectionStep, DetectionShard):
        model.objects.all().delete()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint")
        mark = cursor.fetchone()[0]
    DetectionShard.objects.create(shard=0, shards=1, mark=mark, checkpoint_mark=mark)


def story(org) -> list[tuple[object, ...]]:
    """All that detection says about an org's series, without what differs from run to run (ids, times of writing)."""
    fields = (
        "metric__name", "kind", "status", "episode_at", "started_at", "ended_at", "peak_at", "peak_value", "expected", "expected_lower",
        "expected_upper", "score", "direction", "weight", "weight_breakdown", "message", "detectors", "is_backfilled",
    )  # fmt: skip
    return list(Anomaly.objects.filter(org=org).order_by("metric__name", "started_at", "kind").values_list(*fields))


def told(org) -> list[tuple[object, ...]]:
    """The history of an org's anomalies, by name of the series."""
    rows = Change.objects.filter(org=org).order_by("anomaly__metric__name", "pk")
    return [(name, actor, changeset) for name, actor, changeset in rows.values_list("anomaly__metric__name", "actor", "changeset")]


def verdicts_of(stream: Stream) -> list[bytes]:
    """Every stored verdict of the stream's series, as bytes."""
    start, end = milliseconds(BEGIN - timedelta(days=3)), milliseconds(BEGIN + timedelta(days=3))
    found = points.read_verdicts(stream.metrics[0].org_id, stream.ids.tolist(), start, end)
    return [
        b"".join(column.tobytes() for column in (one.timestamps_ms, one.yhat, one.lower, one.upper, one.score)) for one in found.values()
    ]


def states_of(worker: ShardWorker, stream: Stream) -> list[bytes]:
    """The detector's states of the stream's series, as bytes."""
    assert worker.memory is not None
    rows = worker.memory.states.rows_of(stream.ids)
    return [worker.memory.states.states[row].tobytes() for row in rows.tolist()]


def milliseconds(at: datetime) -> int:
    return round(at.timestamp() * 1000)
