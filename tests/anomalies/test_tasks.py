"""The doors through which the scheduler comes in."""

from datetime import timedelta

import numpy as np
import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone

from anomalies import tasks
from config.celery import app
from metrics import points
from metrics.models import DetectionShard
from tests import factories

pytestmark = pytest.mark.usefixtures("transactional_db")


@pytest.fixture(autouse=True)
def _fresh_processes(monkeypatch):
    monkeypatch.setattr(tasks, "_WORKERS", {})


def send(metric, *, received_at) -> None:
    at_ms = round(received_at.timestamp() * 1000)
    points.append(metric.org_id, np.array([metric.pk]), np.array([at_ms]), np.array([1.0]), received_at=received_at)


def test_each_shard_detects_its_own_series(datastore):
    for name in ("a", "b", "c"):
        send(factories.make_metric(datastore, name), received_at=timezone.now())
    taken = [tasks.detect.apply(args=[shard]).result for shard in range(settings.DETECT_SHARDS)]
    assert sum(taken) == 3
    assert all(0 < count < 3 for count in taken)
    assert [tasks.detect.apply(args=[shard]).result for shard in range(settings.DETECT_SHARDS)] == [0, 0]
    assert sorted(DetectionShard.objects.values_list("shard", "shards")) == [(0, 2), (1, 2)]


def test_every_task_is_scheduled_with_its_shard():
    scheduled = [entry["args"] for entry in settings.CELERY_BEAT_SCHEDULE.values() if entry["task"] == "anomalies.tasks.detect"]
    assert scheduled == [[shard] for shard in range(settings.DETECT_SHARDS)]
    assert {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values() if entry["task"].startswith("anomalies.")} <= set(app.tasks)


def log_days() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_inherits WHERE inhparent = 'metrics_batch'::regclass")
        return int(cursor.fetchone()[0])


def test_the_log_forgets_what_neither_fold_nor_replay_needs(datastore):
    points.drop_consumed(2**62)  # days that other tests left behind, empty
    metric = factories.make_metric(datastore, "a")
    before = log_days()
    send(metric, received_at=timezone.now() - timedelta(days=9))
    assert log_days() == before + 1
    assert tasks.drop_consumed.apply().result == []
    for shard in range(settings.DETECT_SHARDS):
        tasks.detect.apply(args=[shard])
    assert tasks.drop_consumed.apply().result == []  # the fold has not passed it
    fold_everything(metric.org_id)
    DetectionShard.objects.update(checkpoint_mark=0)
    assert tasks.drop_consumed.apply().result == []  # a replay would need it
    with connection.cursor() as cursor:
        cursor.execute("UPDATE metrics_detectionshard SET checkpoint_mark = mark")
    assert len(tasks.drop_consumed.apply().result) == 1
    assert log_days() == before


def fold_everything(org_id: int) -> None:
    from metrics.points import fold

    for family in (points.POINTS, points.VERDICTS):
        fold.fold_all(org_id, family)
