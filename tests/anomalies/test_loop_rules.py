"""What the loop promises beside detecting: silence, orders, sums, history, shards."""

from datetime import timedelta
from io import StringIO

import numpy as np
import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from anomalies.models import Anomaly
from anomalies.services.loop import ShardWorker, heard_until
from anomalies.services.resharding import WorkersRunning, reshard
from metrics import points
from metrics.detection import engine
from metrics.models import DetectionBlock, DetectionOrder, DetectionShard, Metric
from metrics.shards import ShardsChanged, order_rebuild, order_relearn, set_sensitivity
from orgs.tenancy import apart
from tests import factories
from tests.acting import as_owner
from tests.anomalies.streams import BEGIN, HISTORY, LIVE, STEP, Stream, make_stream, milliseconds, play, restart_detection, states_of, story

pytestmark = pytest.mark.usefixtures("minutely")

SECOND = timedelta(seconds=1)


@pytest.fixture
def warm(datastore):
    """Four series with their history and ten quiet minutes, and the worker that has seen them."""
    stream = make_stream(datastore)
    worker = ShardWorker(0, shards=1)
    stream.send_history()
    run(stream, worker, range(10))
    return stream, worker


def run(stream: Stream, worker: ShardWorker, places) -> None:
    for place in places:
        stream.send(place)
        worker.step(stream.at(place) + 2 * SECOND)


def state_of(worker: ShardWorker, metric: Metric) -> np.void:
    row = worker.memory.states.rows_of(np.array([metric.pk]))[0]
    return worker.memory.states.states[row]


def test_silence_is_found_by_the_clock_alone(warm, org):
    stream, worker = warm
    for minute in range(10, 17):
        worker.step(stream.at(minute) + 2 * SECOND)
    found = Anomaly.objects.filter(org=org)
    assert {(one.kind, one.started_at, one.ended_at, one.peak_value) for one in found} == {("silence", stream.at(10), None, None)}
    assert sorted(one.metric.name for one in found) == ["calm", "outage", "silent", "spike"]
    assert set(Metric.objects.values_list("is_stale", flat=True)) == {True}


def test_a_stop_of_the_whole_product_is_no_silence(warm, org):
    stream, worker = warm
    later = timedelta(hours=3)
    worker.step(stream.at(10) + later)
    worker.step(stream.at(12) + later)
    run_at(stream, worker, 10, stream.at(13) + later)
    assert not Anomaly.objects.filter(org=org, kind="silence").exists()


def run_at(stream: Stream, worker: ShardWorker, place: int, at) -> None:
    times = np.full(len(stream.ids), milliseconds(at))
    points.append(stream.metrics[0].org_id, stream.ids, times, stream.live[place], received_at=at)
    worker.step(at + SECOND)


def test_silence_goes_on_being_counted_after_a_stop(warm, org):
    stream, worker = warm
    later = timedelta(hours=3)
    for minute in range(10, 17):
        worker.step(stream.at(minute) + later)
    assert Anomaly.objects.filter(org=org, kind="silence").count() == 4


def test_a_stop_of_the_worker_alone_is_no_silence(warm, org):
    stream, worker = warm
    for place in range(10, 25):
        stream.send(place)
    worker.step(stream.at(25))
    assert story(org) == []


def test_silence_during_a_stop_of_the_worker_is_found(warm, org):
    """The web processes went on receiving, so the arrivals of the other series show that somebody listened."""
    stream, worker = warm
    stream.live[10:30, 3] = np.nan
    for place in range(10, 30):
        stream.send(place)
    worker.step(stream.at(29) + 2 * SECOND)
    assert [(row[0], row[1], row[4], row[5]) for row in story(org)] == [("calm", "silence", stream.at(10), None)]


def test_points_that_wait_behind_a_long_transaction_are_no_silence(warm, org):
    stream, worker = warm

    with psycopg.connect(**psycopg_parameters()) as other:
        other.execute("SELECT pg_current_xact_id()")
        for place in range(10, 30):
            stream.send(place)
            worker.step(stream.at(place) + 2 * SECOND)
        assert worker.result.points == 0
        assert story(org) == []
    worker.step(stream.at(29) + 2 * SECOND)
    assert worker.result.points == 4 * 20
    assert story(org) == []


def psycopg_parameters() -> dict[str, object]:
    return {
        key: value for key, value in connection.get_connection_params().items() if key in {"dbname", "user", "host", "port", "password"}
    }


def test_heard_until_is_now_when_nothing_waits(warm):
    _, worker = warm
    assert heard_until(DetectionShard.objects.get().mark, BEGIN) == milliseconds(BEGIN)


def test_another_sensitivity_reaches_the_detector_however_it_is_set(warm, org):
    stream, worker = warm
    quiet, loud, plain = stream.metrics[:3]
    set_sensitivity(quiet, sensitivity="low")
    Metric.objects.filter(pk=loud.pk).update(sensitivity="high")
    run(stream, worker, [10])
    thresholds = [float(state_of(worker, metric)["threshold"]) for metric in (quiet, loud, plain)]
    assert thresholds == pytest.approx([3.2, 2.0, 2.6])
    assert DetectionOrder.objects.count() == 0


def test_a_series_born_sensitive_is(warm):
    stream, worker = warm
    metric = factories.make_metric(stream.metrics[0].datastore, "late", sensitivity="high")
    worker.step(stream.at(10))
    points.append(metric.org_id, np.array([metric.pk]), np.array([milliseconds(BEGIN)]), np.array([1.0]))
    worker.step(stream.at(10) + SECOND)
    assert float(state_of(worker, metric)["threshold"]) == pytest.approx(2.0)
    assert int(state_of(worker, metric)["seen"]) == 1


def test_a_deleted_series_is_forgotten_and_its_place_given_away(warm, org):
    stream, worker = warm
    gone = stream.metrics[1]
    place = int(worker.memory.states.rows_of(np.array([gone.pk]))[0])
    pk = gone.pk
    gone.delete()
    run(Stream((stream.metrics[0], *stream.metrics[2:]), stream.history, np.delete(stream.live, 1, axis=1)), worker, [10])
    assert worker.memory.states.rows_of(np.array([pk])).tolist() == [-1]
    newcomer = factories.make_metric(stream.metrics[0].datastore, "new")
    points.append(newcomer.org_id, np.array([newcomer.pk]), np.array([milliseconds(BEGIN)]), np.array([1.0]))
    worker.step(stream.at(11))
    assert worker.memory.states.rows_of(np.array([newcomer.pk])).tolist() == [place]


def test_points_of_a_series_that_is_gone_disturb_nobody(warm, org):
    stream, worker = warm
    unknown = np.array([10**9])
    points.append(org.pk, unknown, np.array([milliseconds(BEGIN)]), np.array([1.0]))
    worker.step(stream.at(10))
    assert worker.memory.states.rows_of(unknown)[0] >= 0
    worker.step(stream.at(11))
    assert worker.memory.states.rows_of(unknown).tolist() == [-1]


def test_relearn_takes_the_present_level_as_normal(warm):
    stream, worker = warm
    order_relearn(stream.metrics[0])
    worker.step(stream.at(10))
    assert int(state_of(worker, stream.metrics[0])["reset_due"]) == 1
    assert int(state_of(worker, stream.metrics[1])["reset_due"]) == 0


def test_rebuild_learns_from_the_stored_points_and_survives_a_crash(warm):
    stream, worker = warm
    metric = stream.metrics[0]
    past = points.read(metric.org_id, [metric.pk], 0, 2**60)[metric.pk]
    assert len(past.values) == HISTORY + 10
    expected = engine.new_states(1)
    engine.advance(expected, np.zeros(len(past.values)), past.timestamps_ms, past.values, 0, backfill=True)
    order_rebuild(metric)
    worker.step(stream.at(10))
    learned = state_of(worker, metric)
    for name in ("total", "season_mean", "histogram", "newest_ms", "seen"):
        np.testing.assert_array_equal(learned[name], expected[0][name])
    heir = ShardWorker(0, shards=1)
    heir.step(stream.at(10) + SECOND)
    worker.step(stream.at(10) + SECOND)
    assert states_of(heir, stream) == states_of(worker, stream)


def test_states_of_another_layout_are_learned_anew(warm):
    stream, worker = warm
    DetectionBlock.objects.all().delete()
    run(stream, worker, range(10, 18))
    assert DetectionBlock.objects.update(version=engine.VERSION + 1) == 1
    heir = ShardWorker(0, shards=1)
    heir.step(stream.at(18))
    assert [int(state_of(heir, metric)["seen"]) for metric in stream.metrics] == [HISTORY + 18] * 4
    assert DetectionBlock.objects.get().version == engine.VERSION


def test_two_points_of_one_minute_add_up_when_the_key_says_so(datastore):
    metric = factories.make_metric(datastore, "sales")
    worker = ShardWorker(0, shards=1)
    minute = milliseconds(BEGIN)
    for second in (1, 2):
        args = (metric.org_id, np.array([metric.pk]), np.array([minute]), np.array([5.0]))
        points.append(*args, rule=points.Rule.SUM, received_at=BEGIN + second * SECOND)
        worker.step(BEGIN + second * SECOND)
    state = state_of(worker, metric)
    assert (int(state["minutes_sum"]), float(state["bin_sum"]), int(state["bin_count"])) == (1, 10.0, 2)


@pytest.mark.parametrize("together", [False, True], ids=["step by step", "in one step"])
def test_the_last_value_of_a_series_that_adds_up_is_that_of_its_newest_whole_minute(datastore, together):
    metric = factories.make_metric(datastore, "sales")
    worker = ShardWorker(0, shards=1)
    shown = []
    # Minute, value, seconds after BEGIN when it is received; the last one is late for its minute.
    for minute, value, second in [(0, 5.0, 1), (0, 6.5, 2), (1, 30.0, 61), (1, 1.0, 62), (2, 7.0, 125), (1, 2.0, 126)]:
        args = (metric.org_id, np.array([metric.pk]), np.array([milliseconds(BEGIN + minute * STEP)]), np.array([value]))
        points.append(*args, rule=points.Rule.SUM, received_at=BEGIN + second * SECOND)
        if not together or second == 126:
            worker.step(BEGIN + second * SECOND)
            shown.append(Metric.objects.values_list("last_at", "last_value").get(pk=metric.pk))
    first, second = BEGIN, BEGIN + STEP
    by_steps = [(first, 5.0), (first, 11.5), (first, 11.5), (first, 11.5), (second, 31.0), (second, 33.0)]
    assert shown == (by_steps[-1:] if together else by_steps)
    worker.step(BEGIN + 200 * SECOND)
    assert Metric.objects.values_list("last_at", "last_value").get(pk=metric.pk) == (BEGIN + 2 * STEP, 7.0)


def test_what_is_found_in_history_is_recorded_and_alerts_nobody(datastore, org, unattended):
    stream = make_stream(datastore)
    stream.history[1470, 0] = 500.0
    worker = ShardWorker(0, shards=1)
    stream.send_history()
    worker.step(BEGIN - STEP)
    anomaly = Anomaly.objects.get(org=org)
    assert anomaly.is_backfilled
    assert anomaly.created == BEGIN - STEP
    assert anomaly.started_at == BEGIN - (HISTORY - 1470) * STEP
    assert unattended.waiting() == []
    run(stream, worker, range(LIVE // 3))
    live = Anomaly.objects.get(org=org, is_backfilled=False)
    assert [name for name, _ in unattended.waiting()] == ["metrics.tasks.render_chart"]
    assert BEGIN <= live.started_at <= stream.at(30)
    assert live.episode_at == anomaly.episode_at


def test_a_step_costs_as_many_statements_for_forty_anomalies_as_for_one(datastore):
    stream = make_stream(datastore, names=[f"series {i}" for i in range(40)])
    stream.live[:] = stream.live[:, [3]]
    stream.live[12, 0] = stream.live[16, :] = 500.0
    worker = ShardWorker(0, shards=1)
    stream.send_history()
    run(stream, worker, range(12))
    counts = []
    for place in range(12, 20):
        stream.send(place)
        with CaptureQueriesContext(connection) as queries:
            worker.step(stream.at(place) + 2 * SECOND)
        counts.append((len(worker.result.recorded.opened), len(queries)))
    by_opened = dict(counts)
    assert set(by_opened) == {0, 1, 39}
    assert by_opened[39] <= by_opened[1] + 3


def test_learned_attributes_are_published(warm):
    stream, _ = warm
    metric = Metric.objects.get(pk=stream.metrics[0].pk)
    assert (metric.kind, metric.resolution_s, metric.period_s) == ("gauge", 60.0, 86400.0)
    assert metric.last_at == stream.at(9)
    assert metric.last_value == stream.live[9, 0]


@pytest.mark.parametrize("after", [1, 3])
def test_resharding_changes_no_anomaly(datastore, org, other_org, other_datastore, after, settings):
    calm = make_stream(other_datastore)
    play(calm, step=ShardWorker(0, shards=1).step)
    DetectionShard.objects.all().delete()
    restart_detection()
    mark = DetectionShard.objects.get().mark
    DetectionShard.objects.all().delete()
    DetectionShard.objects.bulk_create(DetectionShard(shard=s, shards=2, mark=mark, checkpoint_mark=mark) for s in range(2))
    stream = make_stream(datastore)
    workers = [ShardWorker(shard, shards=2) for shard in range(2)]
    stream.send_history()
    for place in range(60):
        stream.send(place)
        for worker in workers:
            worker.step(stream.at(place) + 2 * SECOND)
    stream.send(60)
    workers[0].step(stream.at(60) + 2 * SECOND)
    done = reshard(shards=after, now=stream.at(60) + 3 * SECOND)
    assert (done.before, done.after, done.series) == (2, after, 4)
    assert DetectionShard.objects.count() == after
    workers = [ShardWorker(shard, shards=after) for shard in range(after)]
    for place in range(61, LIVE):
        stream.send(place)
        for worker in workers:
            worker.step(stream.at(place) + 2 * SECOND)
    assert story(org) == story(other_org)


def test_a_worker_refuses_states_that_are_spread_over_another_number_of_shards(warm, settings):
    settings.DETECT_SHARDS = 2
    with pytest.raises(ShardsChanged, match="reshard"):
        ShardWorker(1).step(BEGIN)
    out = StringIO()
    call_command("reshard", stdout=out)
    assert out.getvalue() == "Moved 4 series from 1 to 2 shards.\n"
    ShardWorker(1).step(BEGIN + timedelta(minutes=11))
    call_command("reshard", stdout=out)
    assert out.getvalue().endswith("The states are spread over 2 shards already.\n")


def test_resharding_waits_for_no_worker(warm, settings):
    with psycopg.connect(**psycopg_parameters()) as other:
        other.execute("SELECT pg_advisory_xact_lock(%s, 0)", [0x504C])
        with pytest.raises(WorkersRunning, match="shard 0"):
            reshard(shards=2, now=BEGIN)
    assert DetectionShard.objects.get().shards == 1


def test_orders_by_command(warm):
    stream, _ = warm
    out = StringIO()
    call_command("detector", "relearn", str(stream.metrics[0].pk), stdout=out)
    assert DetectionOrder.objects.values_list("metric_id", "op").get() == (stream.metrics[0].pk, "relearn")
    with pytest.raises(CommandError, match="no series with the id 999999"):
        call_command("detector", "rebuild", str(stream.metrics[0].pk), "999999")
    assert DetectionOrder.objects.count() == 1


def test_a_step_that_fails_leaves_nothing_and_is_done_again(warm, org):
    stream, worker = warm
    stream.live[10, 0] = 900.0
    stream.send(10)
    steps = worker.steps(stream.at(10) + 2 * SECOND)
    while next(steps) != "mark moved":
        pass
    with apart(), as_owner():  # the step, which is not over, sees no anomaly of any org
        assert Anomaly.objects.filter(org=org).count() == 1
    with pytest.raises(RuntimeError, match="power cut"):
        steps.throw(RuntimeError("power cut"))
    assert not transaction.get_connection().in_atomic_block
    assert Anomaly.objects.filter(org=org).count() == 0
    worker.step(stream.at(10) + 2 * SECOND)
    assert Anomaly.objects.filter(org=org).count() == 1


def test_a_database_restored_into_another_cluster_goes_on(warm):
    """Transaction numbers begin anew there, so the mark lies in their future."""
    stream, worker = warm
    DetectionShard.objects.update(mark=10**15)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE metrics_batch SET xid = xid + %s", [10**14])
    stream.send(10)
    heir = ShardWorker(0, shards=1)
    assert heir.step(stream.at(10) + 2 * SECOND).points == 4
    stream.send(11)
    assert heir.step(stream.at(11) + 2 * SECOND).points == 4
    assert [int(state_of(heir, metric)["newest_ms"]) for metric in stream.metrics] == [milliseconds(stream.at(11))] * 4
    again = ShardWorker(0, shards=1)
    again.step(stream.at(11) + 3 * SECOND)
    heir.step(stream.at(11) + 3 * SECOND)
    assert states_of(again, stream) == states_of(heir, stream)
