"""What a series shows as its last point: the newest one, its time and its value, soon and in few writes, also after a restart."""

from datetime import timedelta

import numpy as np
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from anomalies.services.loop import ShardWorker
from metrics import points
from metrics.models import DetectionBlock, DetectionShard, Metric
from tests import factories
from tests.anomalies.streams import BEGIN, milliseconds

pytestmark = pytest.mark.django_db(transaction=True)

SECOND = timedelta(seconds=1)


@pytest.fixture
def metric(datastore):
    return factories.make_metric(datastore, "queue.depth")


def send(metric: Metric, second: float, value: float, *, at: float | None = None, rule: points.Rule = points.Rule.LAST) -> None:
    """A point of `at` seconds after BEGIN, received at `second`."""
    time_ms = milliseconds(BEGIN + (second if at is None else at) * SECOND)
    args = (metric.org_id, np.array([metric.pk]), np.array([time_ms]), np.array([value]))
    points.append(*args, rule=rule, received_at=BEGIN + second * SECOND)


def step(worker: ShardWorker, second: float) -> None:
    worker.step(BEGIN + second * SECOND)


def shown(metric: Metric) -> tuple[float, float] | None:
    """Seconds after BEGIN, and the value."""
    found = Metric.objects.get(pk=metric.pk)
    return found.last_at and ((found.last_at - BEGIN).total_seconds(), found.last_value)


def save_all(worker: ShardWorker, second: float) -> None:
    """Saves every block with one more step, so that a new process sees none of the points again."""
    worker.memory.blocks.update(dict.fromkeys(worker.memory.blocks, -(10**6)))
    step(worker, second)
    assert set(DetectionBlock.objects.values_list("seq", flat=True)) == {DetectionShard.objects.get().seq}


def test_a_point_that_soon_follows_another_is_shown_within_a_few_steps(metric):
    worker = ShardWorker(0, shards=1)
    told = []
    for second in range(0, 17, 2):
        if second in (0, 6):
            send(metric, second, 1.0 + second / 6)
        step(worker, second + 1)
        told.append(shown(metric))
    assert told == [(0, 1.0)] * 6 + [(6, 2.0)] * 3


def test_a_series_that_never_pauses_is_written_once_a_minute(metric):
    worker = ShardWorker(0, shards=1)
    told = []
    for second in range(0, 190, 2):
        send(metric, second, float(second))
        step(worker, second + 1)
        told.append(shown(metric))
    assert sorted(set(told)) == [(second, float(second)) for second in (0, 60, 120, 180)]


def test_a_point_sent_again_and_again_holds_nothing_back_for_long(metric):
    worker = ShardWorker(0, shards=1)
    send(metric, 0, 1.0)
    step(worker, 1)
    for second in range(6, 70, 2):
        send(metric, second, 2.0, at=6)
        step(worker, second + 1)
    assert shown(metric) == (6, 2.0)


def test_quiet_series_cost_no_write(metric):
    worker = ShardWorker(0, shards=1)
    send(metric, 0, 1.0)
    step(worker, 1)
    step(worker, 3)
    with CaptureQueriesContext(connection) as queries:
        step(worker, 5)
    asked = [query["sql"] for query in queries]
    assert any("metrics_batch" in one or "metrics_detectionstep" in one for one in asked)
    assert [one for one in asked if "metrics_metric " in one or '"metrics_metric"' in one] == []


@pytest.mark.parametrize("together", [False, True], ids=["its neighbour far older", "its neighbour alike"])
def test_after_a_restart_time_and_value_are_of_the_newest_point(metric, datastore, together):
    neighbour = factories.make_metric(datastore, "queue.age")
    worker = ShardWorker(0, shards=1)
    send(neighbour, 0, 40.0, at=-3600)
    send(metric, 0, 1.0)
    step(worker, 1)
    if together:
        send(neighbour, 5, 50.0)
    send(metric, 5, 2.0)
    step(worker, 6)
    save_all(worker, 7)
    assert shown(metric) == (0, 1.0)
    heir = ShardWorker(0, shards=1)
    step(heir, 8)
    assert shown(metric) == (5, 2.0)
    assert shown(neighbour) == ((5, 50.0) if together else (-3600, 40.0))


def test_after_a_restart_a_minute_that_adds_up_keeps_its_whole_sum(metric):
    worker = ShardWorker(0, shards=1)
    for second, value, minute in [(1, 5.0, 0), (2, 6.5, 0), (61, 30.0, 60)]:
        send(metric, second, value, at=minute, rule=points.Rule.SUM)
        step(worker, second)
    save_all(worker, 62)
    Metric.objects.update(last_at=BEGIN - 60 * SECOND, last_value=3.0)
    heir = ShardWorker(0, shards=1)
    step(heir, 63)
    assert shown(metric) == (0, 11.5)
    send(metric, 64, 1.0, at=0, rule=points.Rule.SUM)
    step(heir, 65)
    assert shown(metric) == (0, 12.5)


def test_a_gap_as_newest_point_moves_neither_time_nor_value(metric):
    worker = ShardWorker(0, shards=1)
    send(metric, 0, 1.0)
    step(worker, 1)
    send(metric, 120, np.nan)
    step(worker, 121)
    assert shown(metric) == (0, 1.0)
    send(metric, 240, 3.0)
    step(worker, 241)
    assert shown(metric) == (240, 3.0)
