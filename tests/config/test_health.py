"""The two probes: one that touches nothing, one that tells of every part."""

import time
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.utils import timezone

from config import health
from config.celery import Scheduler, app, sign_of, worker_goes, worker_lives
from config.embedded import Valkey
from metrics import points
from metrics.models import DetectionShard
from tests import factories
from tests.product import new_product, wait_until


@pytest.fixture(autouse=True)
def _ask_anew():
    health._last = None


def all_alive() -> None:
    for part in ("beat", "default", "detect.0", "detect.1"):
        cache.set(sign_of(part), time.time())


def test_health_touches_neither_database_nor_cache(client, monkeypatch):
    """Runs without the mark that opens the database to a test."""
    monkeypatch.setattr(cache, "get", lambda *_: pytest.fail("health asked the cache"))
    response = client.get("/api/health")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


@pytest.mark.django_db
def test_everything_alive_is_ok(client):
    all_alive()
    response = client.get("/api/status")
    assert response.status_code == 200
    told = response.json()
    ages = [told["beat"].pop("seconds_ago"), *(worker.pop("seconds_ago") for worker in told["workers"].values())]
    assert max(ages) < health.SILENT_AFTER_S
    fine = {"ok": True}
    assert told == {
        "status": "ok", "version": "0.1.0", "database": fine, "broker": fine, "beat": fine,
        "workers": {"default": fine, "detect.0": fine, "detect.1": fine}, "ingest_lag_s": None, "last_detection": None,
    }  # fmt: skip


@pytest.mark.django_db
def test_a_worker_that_is_silent_or_was_never_there_degrades_the_whole(client):
    all_alive()
    cache.set(sign_of("detect.1"), time.time() - 3600)
    cache.delete(sign_of("default"))
    told = client.get("/api/status").json()
    assert told["status"] == "degraded"
    assert told["workers"]["detect.0"]["ok"] is True
    assert told["workers"]["detect.1"] == {"ok": False, "seconds_ago": pytest.approx(3600, abs=600)}
    assert told["workers"]["default"] == {"ok": False, "seconds_ago": None}


def test_workers_and_beat_leave_their_signs():
    class Heart:
        class eventer:  # noqa: N801 - as Celery's sender names it
            hostname = "detect.0@host"

    worker_lives(Heart())
    assert cache.get(sign_of("detect.0")) == pytest.approx(time.time(), abs=600)
    worker_goes("detect.0@host")
    assert cache.get(sign_of("detect.0")) is None


def test_beat_tells_that_it_ticks(tmp_path):
    scheduler = Scheduler(app=app, schedule_filename=str(tmp_path / "schedule"), lazy=True)
    scheduler.setup_schedule()
    scheduler.schedule.clear()
    assert scheduler.tick() <= 2
    assert cache.get(sign_of("beat")) == pytest.approx(time.time(), abs=600)


def test_beat_ticks_on_without_redis_and_tells_again_once_it_is_back(tmp_path, settings):
    """A real one that is stopped and started, under the scheduler that the product runs."""
    with new_product() as product, product.place.locked():
        valkey = Valkey(product.place)
        settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": valkey.ensure()}}
        scheduler = Scheduler(app=app, schedule_filename=str(tmp_path / "schedule"), lazy=True)
        scheduler.setup_schedule()
        scheduler.schedule.clear()
        scheduler.tick()
        assert cache.get(sign_of("beat")) is not None
        valkey.stop()
        wait_until(lambda: not valkey.answers(), what="Valkey has stopped")
        scheduler._next_sign = 0.0
        assert scheduler.tick() <= 2
        valkey.ensure()
        assert cache.get(sign_of("beat")) is None
        scheduler._next_sign = 0.0
        assert scheduler.tick() <= 2
        assert cache.get(sign_of("beat")) == pytest.approx(time.time(), abs=600)


@pytest.fixture
def shards(transactional_db):
    """Two shards that have consumed everything there is, and ticked at half past."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint")
        mark = cursor.fetchone()[0]
    tick = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
    return [DetectionShard.objects.create(shard=shard, shards=2, mark=mark, last_tick=tick + timedelta(seconds=shard)) for shard in (0, 1)]


def test_the_lag_is_the_age_of_the_oldest_point_that_waits(client, shards):
    org = factories.make_org()
    told = client.get("/api/status").json()
    assert (told["ingest_lag_s"], told["last_detection"]) == (0.0, "2026-03-01T12:30:00.000Z")
    for age_s in (7200, 60):
        received = timezone.now() - timedelta(seconds=age_s)
        points.append(org.pk, np.array([1]), np.array([1_700_000_000_000]), np.array([1.0]), received_at=received)
    health._last = None
    assert client.get("/api/status").json()["ingest_lag_s"] == pytest.approx(7200, abs=600)


@pytest.mark.parametrize(("silent_s", "waiting_s", "word"), [
    (0, 0, "ok"), (0, 60, "ok"), (0, 7200, "degraded"), (7200, 0, "degraded"), (7200, 7200, "degraded"),
])  # fmt: skip
def test_what_is_not_judged_in_time_degrades_the_whole_though_every_part_lives(client, org, shards, silent_s, waiting_s, word):
    all_alive()
    now = timezone.now()
    DetectionShard.objects.update(last_tick=now)
    DetectionShard.objects.filter(shard=1).update(last_tick=now - timedelta(seconds=silent_s))
    received = now - timedelta(seconds=waiting_s)
    if waiting_s:
        points.append(org.pk, np.array([1]), np.array([1_700_000_000_000]), np.array([1.0]), received_at=received)
    assert client.get("/api/status").json()["status"] == word


def test_shards_that_never_ticked_are_no_alarm(client, shards):
    all_alive()
    DetectionShard.objects.update(last_tick=None)
    assert client.get("/api/status").json()["status"] == "ok"


@pytest.mark.django_db
def test_the_answer_is_kept_for_a_second(client, django_assert_num_queries, monkeypatch):
    assert health.KEPT_S == 1.0
    monkeypatch.setattr(health, "KEPT_S", 3600.0)
    client.get("/api/status")
    with django_assert_num_queries(0):
        assert client.get("/api/status").status_code == 200


@pytest.mark.parametrize("path", ["/api/health", "/api/status"])
def test_probes_are_read_only_and_open_to_all(db, path):
    assert Client().post(path).status_code == 405
    assert Client().head(path).status_code == 200


def test_without_a_database_the_answer_is_503():
    """Of a real process whose PostgreSQL goes away under it, and which recovers when it is back."""
    with new_product() as product:
        product.start_web()
        assert product.get("/api/status")[0] == 200
        product.stop_postgres()
        time.sleep(health.KEPT_S)
        code, told, headers = product.get("/api/status")
        assert (code, told["status"], told["database"], headers["retry-after"]) == (503, "unavailable", {"ok": False}, "5")
        assert product.get("/api/health")[0] == 200
        product.start_postgres()
        wait_until(lambda: product.get("/api/status")[0] == 200, what="the database is back")
