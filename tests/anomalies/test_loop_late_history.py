"""History that is imported after the first live point warms the detector as if it had come before."""

from datetime import timedelta

import numpy as np
import pytest

from anomalies.models import Anomaly
from anomalies.services.loop import ShardWorker
from datastores.models import Datastore, Operation
from metrics import points
from metrics.models import DetectionOrder, Metric
from metrics.shards import late_history, order_relearn
from tests import factories
from tests.anomalies.streams import BEGIN, STEP, milliseconds

pytestmark = pytest.mark.django_db(transaction=True)

SECOND = timedelta(seconds=1)
MINUTES = 4 * 1440


@pytest.fixture
def metric(datastore):
    return factories.make_metric(datastore, "checkout.latency")


def level() -> np.ndarray:
    """Four days by the minute, of a daily rhythm and a little noise."""
    noise = np.random.default_rng(7).normal(0.0, 1.0, MINUTES)
    return 100.0 + 10.0 * np.sin(2 * np.pi * np.arange(MINUTES) / 1440) + noise


def live(metric: Metric, second: float, value: float) -> None:
    at = BEGIN + second * SECOND
    points.append(metric.org_id, np.array([metric.pk]), np.array([milliseconds(at)]), np.array([value]), received_at=at)


def bring(metric: Metric, values: np.ndarray, *, second: float, first: int = 0) -> None:
    """Imports minutes of the four days before BEGIN, from the one numbered `first` on."""
    start = milliseconds(BEGIN - (MINUTES - first) * STEP)
    times = start + 60_000 * np.arange(len(values))
    received_at = BEGIN + second * SECOND
    points.append(metric.org_id, np.full(len(values), metric.pk), times, values, backfill=True, received_at=received_at)


def step(worker: ShardWorker, second: float) -> None:
    worker.step(BEGIN + second * SECOND)


def state_of(worker: ShardWorker, metric: Metric) -> np.void:
    return worker.memory.states.states[worker.memory.states.rows_of(np.array([metric.pk]))[0]]


def found(metric: Metric) -> list[tuple[object, ...]]:
    return list(Anomaly.objects.filter(metric=metric).order_by("started_at").values_list("started_at", "peak_value", "is_backfilled"))


def waiting() -> list[tuple[int, str, str]]:
    return list(DetectionOrder.objects.order_by("metric_id").values_list("metric_id", "op", "argument"))


def test_a_point_far_off_is_judged_seconds_after_the_import(metric):
    worker = ShardWorker(0, shards=1)
    live(metric, 0, 100.0)
    step(worker, 1)
    bring(metric, level(), second=3)
    step(worker, 4)
    assert waiting() == [(metric.pk, "rebuild", "history")]
    step(worker, 6)
    assert (waiting(), int(state_of(worker, metric)["seen"])) == ([], MINUTES + 1)
    live(metric, 60, 900.0)
    step(worker, 61)
    assert Metric.objects.get(pk=metric.pk).state == "active"
    assert found(metric) == [(BEGIN + STEP, 900.0, False)]


def test_a_point_in_the_step_that_learns_is_judged(metric):
    worker = ShardWorker(0, shards=1)
    live(metric, 0, 100.0)
    step(worker, 1)
    bring(metric, level(), second=3)
    step(worker, 4)
    live(metric, 60, 900.0)
    step(worker, 61)
    assert found(metric) == [(BEGIN + STEP, 900.0, False)]


def test_what_lies_in_the_history_is_recorded_as_such_once(metric):
    worker = ShardWorker(0, shards=1)
    values = level()
    values[5000] = 900.0
    live(metric, 0, 100.0)
    step(worker, 1)
    bring(metric, values, second=3)
    for second in range(4, 12, 2):
        step(worker, second)
    expected = [(BEGIN - (MINUTES - 5000) * STEP, 900.0, True)]
    assert found(metric) == expected
    bring(metric, values, second=12)
    for second in range(13, 90, 2):
        step(worker, second)
    assert (waiting(), found(metric)) == ([], expected)


def test_nothing_is_learned_anew_while_history_comes(metric, datastore):
    worker = ShardWorker(0, shards=1)
    values = level()
    live(metric, 0, 100.0)
    step(worker, 1)
    running = Operation.objects.create(org=metric.org, datastore=datastore, kind="import", status="running")
    for part in range(4):
        bring(metric, values[part * 1440 : (part + 1) * 1440], second=2 + part, first=part * 1440)
        step(worker, 2.5 + part)
        assert (len(waiting()), int(state_of(worker, metric)["seen"])) == (1, 1)
    step(worker, 8)
    assert int(state_of(worker, metric)["seen"]) == 1
    Operation.objects.filter(pk=running.pk).update(status="success")
    step(worker, 10)
    assert (waiting(), int(state_of(worker, metric)["seen"])) == ([], MINUTES + 1)


def test_a_series_that_is_judged_learns_after_a_minute_without_history(metric):
    worker = ShardWorker(0, shards=1)
    values = level()
    bring(metric, values[2880:], second=-60, first=2880)
    live(metric, 0, 100.0)
    step(worker, 1)
    assert int(state_of(worker, metric)["is_alerting"]) == 1
    for second, part in ((2, 0), (40, 1)):
        bring(metric, values[part * 1440 : (part + 1) * 1440], second=second, first=part * 1440)
        step(worker, second + 1)
    step(worker, 100)
    assert (len(waiting()), int(state_of(worker, metric)["seen"])) == (1, 2881)
    step(worker, 101)
    assert (waiting(), int(state_of(worker, metric)["seen"])) == ([], MINUTES + 1)


def test_live_points_that_come_late_order_nothing(metric):
    worker = ShardWorker(0, shards=1)
    live(metric, 60, 100.0)
    live(metric, 0, 100.0)
    step(worker, 61)
    assert waiting() == []


def test_orders_of_people_do_not_wait_behind_it(metric, datastore):
    worker = ShardWorker(0, shards=1)
    Operation.objects.create(org=metric.org, datastore=datastore, kind="import", status="running")
    live(metric, 0, 100.0)
    step(worker, 1)
    bring(metric, level(), second=3)
    step(worker, 4)
    order_relearn(metric)
    step(worker, 6)
    assert waiting() == [(metric.pk, "rebuild", "history")]
    assert int(state_of(worker, metric)["reset_due"]) == 1


@pytest.mark.parametrize("boundary", ["read", "advanced", "anomalies recorded", "step noted", "blocks saved", "mark moved", "committed"])
def test_a_worker_killed_while_it_learns_ends_in_the_same_state(metric, other_datastore, boundary):
    """One worker dies at the boundary in each step that sees or learns the history; another that lives is its measure."""
    twin = factories.make_metric(other_datastore, "checkout.latency")
    values = level()
    values[5000] = 900.0
    for one in (metric, twin):
        live(one, 0, 100.0)
    ShardWorker(0, shards=1).step(BEGIN + SECOND)
    for one in (metric, twin):
        bring(one, values, second=3)
    for second in (4, 6, 8):
        steps = ShardWorker(0, shards=1).steps(BEGIN + second * SECOND)
        for name in steps:
            if name == boundary:
                steps.close()
        heir = ShardWorker(0, shards=1)
        step(heir, second)
    last = ShardWorker(0, shards=1)
    step(last, 10)
    step(heir, 12)
    assert state_of(last, metric)["seen"] == MINUTES + 1
    for one in (metric, twin):
        assert state_of(last, one)["seen"] == MINUTES + 1
        assert [row[1:] for row in found(one)] == [(900.0, True)]


@pytest.fixture
def order():
    """order(metric, second): it waits since then to be learned anew from its history."""

    def make(metric: Metric, second: float) -> int:
        return DetectionOrder.objects.create(metric_id=metric.pk, op="rebuild", argument="history", created=BEGIN + second * SECOND).pk

    return make


def turns() -> list[int]:
    return [pk for pk, _, _ in late_history.in_turn(0, shards=1)]


def test_each_org_has_its_turn(datastore, other_datastore, order, monkeypatch):
    ours = [order(factories.make_metric(datastore, f"ours.{number}"), number) for number in range(3)]
    theirs = [order(factories.make_metric(other_datastore, f"theirs.{number}"), 100 + number) for number in range(2)]
    gone = order(Metric(pk=10**9), 50)
    assert turns() == [ours[0], gone, theirs[0], ours[1], theirs[1], ours[2]]
    monkeypatch.setattr(late_history, "LOOKED_AT", 3)
    assert turns() == [ours[0], gone, theirs[0]]
    assert late_history.in_turn(1, shards=10**10) == []


def test_what_a_long_import_brings_takes_no_turn_from_others(datastore, order, monkeypatch):
    monkeypatch.setattr(late_history, "LOOKED_AT", 2)
    beside = Datastore.objects.create(org=datastore.org, name="beside")
    for number in range(3):
        order(factories.make_metric(datastore, f"long.{number}"), number)
    short = order(factories.make_metric(beside, "short"), 9)
    running = Operation.objects.create(org=datastore.org, datastore=datastore, kind="import", status="running")
    assert turns() == [short]
    Operation.objects.filter(pk=running.pk).update(status="success")
    assert len(turns()) == 2
    assert short not in turns()
