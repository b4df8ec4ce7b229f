"""Same points, same anomalies: whatever dies, however the points are grouped, however often they are sent."""

import threading
from contextlib import contextmanager
from datetime import datetime, timedelta

import numpy as np
import pytest
from django.db import OperationalError, connection

from anomalies.services.loop import ShardWorker
from metrics import points
from metrics.models import DetectionBlock, DetectionShard, DetectionStep
from metrics.shards import saved
from tests.anomalies.streams import BEGIN, LIVE, make_stream, play, restart_detection, states_of, story, told, verdicts_of

pytestmark = pytest.mark.usefixtures("minutely")

BOUNDARIES = (
    "locked", "remembered", "read", "advanced", "anomalies recorded", "verdicts logged", "step noted", "blocks saved", "mark moved",
    "committed", "attributes published",
)  # fmt: skip


@pytest.fixture
def calm(datastore):
    """An undisturbed run and what came of it."""
    stream = make_stream(datastore)
    worker = ShardWorker(0, shards=1)
    play(stream, step=worker.step)
    return stream, worker


def rerun(other_datastore, *, step, every: int = 1):
    """The same points under the same names in another org, from a fresh start."""
    restart_detection()
    stream = make_stream(other_datastore)
    play(stream, step=step, every=every)
    return stream


def test_the_boundaries_of_a_step_are_those_that_the_tests_kill_at(datastore):
    make_stream(datastore).send(0)
    assert tuple(ShardWorker(0, shards=1).steps(BEGIN)) == BOUNDARIES


def test_the_stream_has_the_anomalies_that_were_put_into_it(calm, org):
    found = [(name, kind, status, started_at) for name, kind, status, _, started_at, *_ in story(org)]
    assert found == [
        ("outage", "spike", "Active", BEGIN + timedelta(minutes=40)),
        ("silent", "silence", "Active", BEGIN + timedelta(minutes=50)),
        ("spike", "spike", "Active", BEGIN + timedelta(minutes=30)),
    ]


def test_a_worker_killed_at_every_boundary_tells_the_same_story(calm, org, other_org, other_datastore):
    stream, undisturbed = calm
    kills = iter(range(10**6))
    last: list[ShardWorker] = []

    def killed_then_done(now: datetime) -> None:
        steps = ShardWorker(0, shards=1).steps(now)
        boundary = BOUNDARIES[next(kills) % len(BOUNDARIES)]
        for name in steps:
            if name == boundary:
                steps.close()
        last[:] = [ShardWorker(0, shards=1)]
        last[0].step(now)

    again = rerun(other_datastore, step=killed_then_done)
    assert next(kills) == LIVE + 1
    assert story(other_org) == story(org)
    assert told(other_org) == told(org)
    assert verdicts_of(again) == verdicts_of(stream)
    assert states_of(last[0], again) == states_of(undisturbed, stream)


@contextmanager
def held(table: str):
    """Somebody else has the table for as long as this lasts."""
    other = connection.copy()
    other.set_autocommit(False)
    try:
        with other.cursor() as cursor:
            cursor.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        yield
    finally:
        other.close()


def test_a_step_that_is_stuck_ends_and_is_done_again(calm, org, other_org, other_datastore, monkeypatch):
    stream, undisturbed = calm
    worker = ShardWorker(0, shards=1)
    stuck = []

    def stuck_then_done(now: datetime) -> None:
        if now in {stream.at(place) + timedelta(seconds=2) for place in (30, 40)}:
            with held(DetectionStep._meta.db_table), monkeypatch.context() as impatient:
                impatient.setattr(saved, "STATEMENT_LIMIT_S", 1)
                with pytest.raises(OperationalError, match="statement timeout"):
                    worker.step(now)
            stuck.append(now)
        worker.step(now)

    again = rerun(other_datastore, step=stuck_then_done)
    assert len(stuck) == 2
    assert story(other_org) == story(org)
    assert told(other_org) == told(org)
    assert verdicts_of(again) == verdicts_of(stream)
    assert states_of(worker, again) == states_of(undisturbed, stream)


def test_a_new_process_remembers_the_same_states_bit_for_bit(calm):
    stream, worker = calm
    heir = ShardWorker(0, shards=1)
    now = stream.at(LIVE) + timedelta(minutes=1)
    before = states_of(worker, stream)
    for name in heir.steps(now):
        if name == "remembered":
            assert states_of(heir, stream) == before


@pytest.mark.parametrize("every", [7, LIVE])
def test_how_points_are_grouped_into_steps_changes_nothing(calm, org, other_org, other_datastore, every):
    stream, worker = calm
    grouped = ShardWorker(0, shards=1)
    again = rerun(other_datastore, step=grouped.step, every=every)
    grouped.step(stream.at(LIVE - 1) + timedelta(seconds=2))
    assert story(other_org) == story(org)
    assert verdicts_of(again) == verdicts_of(stream)
    assert states_of(grouped, again) == states_of(worker, stream)


def test_requests_that_are_sent_again_change_no_anomaly(calm, org):
    stream, worker = calm
    before = story(org), told(org), verdicts_of(stream)
    stream.send_history()
    for place in np.random.default_rng(1).permutation(LIVE).tolist():
        stream.send(place)
    worker.step(stream.at(LIVE - 1) + timedelta(seconds=30))
    assert (story(org), told(org), verdicts_of(stream)) == before


def test_two_orgs_with_equal_names_each_have_their_own(org, datastore, other_org, other_datastore):
    mine, theirs = make_stream(datastore), make_stream(other_datastore)
    worker = ShardWorker(0, shards=1)
    for stream in (mine, theirs):
        stream.send_history()
    for place in range(LIVE):
        mine.send(place)
        theirs.send(place)
        worker.step(mine.at(place) + timedelta(seconds=2))
    assert story(org) == story(other_org)
    assert len(story(org)) == 3
    assert verdicts_of(mine) == verdicts_of(theirs)
    found = points.read_verdicts(org.pk, theirs.ids.tolist(), 0, 2**60)
    assert [len(one.score) for one in found.values()] == [0, 0, 0, 0]


def test_blocks_and_steps_are_bounded(calm):
    stream, worker = calm
    assert DetectionBlock.objects.count() == 1
    assert DetectionStep.objects.count() <= 10
    shard = DetectionShard.objects.get()
    assert shard.checkpoint_seq > shard.seq - 11
    assert shard.checkpoint_mark > 0


def test_a_second_process_leaves_the_shard_alone(datastore):
    stream = make_stream(datastore)
    stream.send_history()
    steps = ShardWorker(0, shards=1).steps(BEGIN)
    next(steps)
    results = []

    def second() -> None:
        results.append(ShardWorker(0, shards=1).step(BEGIN))
        connection.close()

    thread = threading.Thread(target=second)
    thread.start()
    thread.join()
    assert [one.is_busy for one in results] == [True]
    assert list(steps)[-1] == "attributes published"
    assert DetectionShard.objects.get().seq == 1


def test_a_process_whose_shard_was_moved_by_another_remembers_anew(datastore):
    stream = make_stream(datastore)
    first, second = ShardWorker(0, shards=1), ShardWorker(0, shards=1)
    stream.send_history()
    first.step(BEGIN)
    for place in range(5):
        stream.send(place)
        second.step(stream.at(place) + timedelta(seconds=2))
    first.step(stream.at(5))
    second.step(stream.at(5))
    assert states_of(first, stream) == states_of(second, stream)
