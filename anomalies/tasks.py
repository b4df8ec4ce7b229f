"""Background work on top of detection and triage. Each task is a door to one service."""

from celery import shared_task

from anomalies.services import loop
from anomalies.services.retention import drop_consumed_log

# The states of a shard live as long as the process that has its queue.
_WORKERS: dict[int, loop.ShardWorker] = {}


@shared_task(ignore_result=True, time_limit=300, soft_time_limit=240)
def detect(shard: int) -> int:
    """Brings the shard up to the end of the log; the number of points of its last step. Idle when another process has the shard."""
    worker = _WORKERS.setdefault(shard, loop.ShardWorker(shard))
    return worker.run(budget_s=loop.BUDGET_S, clock=loop.utc_now).points


@shared_task(ignore_result=True, time_limit=120, soft_time_limit=100)
def drop_consumed() -> list[str]:
    """Drops the log's days that nobody needs any more; the names of what was dropped."""
    return drop_consumed_log()
