"""The Celery application, and the signs of life that `/api/status` reads: each worker and beat leave theirs in the cache."""

import logging
import os
import time
import warnings
from typing import Any, Final

from celery import Celery, Task
from celery.beat import PersistentScheduler
from celery.signals import beat_init, heartbeat_sent, setup_logging, worker_init, worker_shutting_down

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
# Celery advises against root because of pickled messages; ours are JSON and nothing else is accepted.
warnings.filterwarnings("ignore", message="You're running the worker with superuser privileges", category=Warning)

log = logging.getLogger(__name__)


class NobodysTask(Task):  # type: ignore[type-arg]  # not generic at run time
    """Begins in nobody's name, whoever called for it: what it does for an org it does `with within(org_id)`."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        from orgs.tenancy import apart

        with apart():
            return super().__call__(*args, **kwargs)


app = Celery("plumbline", task_cls=NobodysTask)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

LIFE_KEPT_S: Final = 3600
BEAT_SIGN_EVERY_S: Final = 2.0


def sign_of(part: str) -> str:
    """The cache key of a part's last sign of life: "beat", or a worker's queue."""
    return f"alive:{part}"


def leave_sign(part: str) -> None:
    from django.core.cache import cache

    cache.set(sign_of(part), time.time(), LIFE_KEPT_S)


@worker_init.connect
@beat_init.connect
def work_behind_the_wall(**_: Any) -> None:
    from config.database.guard import refuse_open_wall

    refuse_open_wall()


@setup_logging.connect  # a receiver keeps Celery from setting up logging of its own; Django's stands
def keep_logging(**_: Any) -> None:
    return None


@heartbeat_sent.connect
def worker_lives(sender: Any, **_: Any) -> None:
    leave_sign(sender.eventer.hostname.partition("@")[0])


@worker_shutting_down.connect
def worker_goes(sender: str, **_: Any) -> None:
    from django.core.cache import cache

    cache.delete(sign_of(sender.partition("@")[0]))


class Scheduler(PersistentScheduler):
    """Celery's own, which also tells that it ticks."""

    _next_sign = 0.0

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """As Celery's. Without Redis it leaves no sign, and tries again at the next tick: what is alive must not die of saying so."""
        wait: float = super().tick(*args, **kwargs)
        if time.monotonic() >= self._next_sign:
            self._tell()
        return min(wait, BEAT_SIGN_EVERY_S)

    def _tell(self) -> None:
        from redis.exceptions import RedisError  # not with this module: every command loads it, and most ask no Redis

        self._next_sign = time.monotonic() + BEAT_SIGN_EVERY_S
        try:
            leave_sign("beat")
        except RedisError as error:
            log.warning("beat left no sign of life: Redis does not answer (%s)", error)
