"""Background work: what is scheduled exists, goes where somebody listens, and ends."""

import re
from pathlib import Path

import kombu.exceptions
import kombu.utils.functional
import pytest
from django.conf import settings

from config.celery import app
from config.environment import BASE_DIR
from config.programs import programs

app.loader.import_default_modules()
OURS = sorted(name for name in app.tasks if not name.startswith("celery."))


@pytest.mark.parametrize("entry", settings.CELERY_BEAT_SCHEDULE)
def test_a_scheduled_task_exists_and_takes_its_arguments(entry):
    task = app.tasks[settings.CELERY_BEAT_SCHEDULE[entry]["task"]]
    task.__header__(*settings.CELERY_BEAT_SCHEDULE[entry].get("args", ()))  # as Celery checks the arguments of a call


def queues_listened_to() -> set[str]:
    commands = " ".join(word for program in programs() for word in program.command)
    return set(re.findall(r"--queues=(\S+)", commands))


def test_every_queue_that_is_used_is_listened_to():
    used = {entry.get("options", {}).get("queue", settings.CELERY_TASK_DEFAULT_QUEUE) for entry in settings.CELERY_BEAT_SCHEDULE.values()}
    assert used == {"default", *(f"detect.{shard}" for shard in range(settings.DETECT_SHARDS))}
    assert queues_listened_to() == used


def test_each_shard_ticks_in_its_own_queue():
    ticks = [entry for entry in settings.CELERY_BEAT_SCHEDULE.values() if entry["task"] == "anomalies.tasks.detect"]
    assert [(entry["args"], entry["options"]["queue"]) for entry in ticks] == [([n], f"detect.{n}") for n in range(settings.DETECT_SHARDS)]


def test_a_tick_that_nobody_took_is_dropped_when_the_next_is_due():
    for entry in settings.CELERY_BEAT_SCHEDULE.values():
        if entry["task"] == "anomalies.tasks.detect":
            assert entry["options"]["expires"] == entry["schedule"] == settings.DETECT_INTERVAL_S


@pytest.mark.parametrize("name", OURS)
def test_a_task_ends(name):
    limit = app.tasks[name].time_limit or settings.CELERY_TASK_TIME_LIMIT
    assert 0 < limit <= 3600


def test_who_orders_from_a_broker_that_is_away_is_told_at_once(no_broker, monkeypatch):
    slept = []
    monkeypatch.setattr(kombu.utils.functional, "sleep", slept.append)
    with pytest.raises(kombu.exceptions.OperationalError):
        app.send_task("billing.tasks.any", retry=False)
    assert sum(slept) <= 0.2


def test_only_json_is_taken_from_the_broker():
    assert (app.conf.accept_content, app.conf.task_serializer) == (["json"], "json")


@pytest.mark.parametrize("path", sorted(path.relative_to(BASE_DIR).as_posix() for path in BASE_DIR.glob("*/tasks.py")))
def test_a_task_is_thin(path):
    """Ids in, one service called: the work is where it can be called without a queue."""
    bodies = re.split(r"(?m)^@shared_task.*\n", Path(BASE_DIR, path).read_text())[1:]
    assert max(len(body.split("\n\n\n")[0].splitlines()) for body in bodies) <= 15
