"""Background work on top of detection and triage. Each task is a door to one service."""

from datetime import datetime

from celery import shared_task
from django.utils import timezone

from anomalies import kept_lists
from anomalies.models import Anomaly
from anomalies.services import bulk, erasing, flows, loop, notice_mails, notices, sleep, sources
from anomalies.services.retention import drop_consumed_log
from anomalies.watchdog import process_ended_after
from datastores.models import Operation
from orgs.rounds import one_by_one
from orgs.services import org_ids
from orgs.tenancy import Reason, across, org_of, within

# Then another task goes on, so that no change of many holds a worker for long.
BULK_BUDGET_S = 120.0
RESUME_S = 60
# A tick takes steps for loop.BUDGET_S and finishes the one it is in; after a crash the first reads and replays some minutes of the log.
TICK_LIMIT_S = 300
# The states of a shard live as long as the process that has its queue.
_WORKERS: dict[int, loop.ShardWorker] = {}


# Without Celery's limits of time, which a process that runs its tasks itself (pool `solo`) does not keep.
@shared_task(ignore_result=True)
def detect(shard: int) -> int:
    """Brings the shard up to the end of the log; the number of points of its last step. Idle when another process has the shard.

    A tick that does not end takes its process with it: nothing of the step is kept, and the next process begins it again.
    """
    worker = _WORKERS.setdefault(shard, loop.ShardWorker(shard))
    with process_ended_after(TICK_LIMIT_S):
        return worker.run(budget_s=loop.BUDGET_S, clock=loop.utc_now).points


@shared_task(ignore_result=True, time_limit=120, soft_time_limit=100)
def drop_consumed() -> list[str]:
    """Drops the log's days that nobody needs any more; the names of what was dropped."""
    return drop_consumed_log()


@shared_task(ignore_result=True, time_limit=300, soft_time_limit=280)
def run_bulk_change(operation_id: int) -> None:
    """Does what is left of a change of many anomalies; a second run does nothing twice, and what takes long goes on in another task."""
    org_id = org_of(Operation, id=operation_id)
    if org_id is not None:
        with within(org_id):
            is_unfinished = bulk.run(operation_id, budget_s=BULK_BUDGET_S)
        if is_unfinished:
            bulk.wake(operation_id)


@shared_task(ignore_result=True, time_limit=60, soft_time_limit=50)
def resume_bulk_changes() -> int:
    """Those whose task was lost, with its worker or with the broker's memory, go on where they were."""
    with across(Reason.UPKEEP):
        waiting = bulk.unfinished()
    for operation_id in waiting:
        run_bulk_change.apply_async((operation_id,), expires=RESUME_S)
    return len(waiting)


@shared_task(ignore_result=True, time_limit=120, soft_time_limit=110)
def forget_bulk_changes() -> int:
    """Each day: the sets and results of changes of many that were made long ago; how many."""
    now = timezone.now()
    return sum(one_by_one(org_ids(), lambda org_id: within(org_id)(bulk.drop_old)(now=now)))


@shared_task(ignore_result=True, time_limit=600, soft_time_limit=590)
def forget_notices() -> int:
    """Each day: what people were told 90 days ago; how many."""
    now = timezone.now()
    return sum(one_by_one(org_ids(), lambda org_id: within(org_id)(notices.drop_old)(now=now)))


# Below the 900 s after which the broker gives a task to another process as well.
@shared_task(ignore_result=True, time_limit=840, soft_time_limit=800)
def erase_closed() -> int:
    """Each day: orgs that were closed a week ago; how many. One that is cut off goes on the next day."""
    return len(one_by_one(erasing.due(now=timezone.now()), erasing.erase))


@shared_task(ignore_result=True, time_limit=300, soft_time_limit=280)
def mail_notices() -> int:
    """One mail to each whose notices have waited long enough; how many people that were."""
    now = timezone.now()
    with across(Reason.UPKEEP):
        people = notice_mails.due(now=now)
    return len(one_by_one(people, lambda one: within(one[0])(notice_mails.mail)(one[1], now=now)))


@shared_task(ignore_result=True, time_limit=120, soft_time_limit=110)
def fill_source_records(org_id: int, anomaly_id: int, asked: str) -> None:
    """Remembers the rows of an anomaly, unless that was done after `asked` (ISO 8601) or another is at it."""
    with within(org_id):
        anomaly = Anomaly.objects.for_org(org_id).filter(pk=anomaly_id, deleted=None).first()
        if anomaly is not None:
            sources.fill(anomaly, asked=datetime.fromisoformat(asked))


@shared_task(ignore_result=True, time_limit=60, soft_time_limit=50)
def wake_sleepers() -> int:
    """Wakes the anomalies whose moment has come; how many."""
    now = timezone.now()
    with across(Reason.UPKEEP):
        waiting = sleep.orgs_due(now=now)
    return sum(one_by_one(waiting, lambda org_id: within(org_id)(sleep.wake_due)(org_id, now=now)))


@shared_task(ignore_result=True, time_limit=300, soft_time_limit=280)
def run_flows() -> int:
    """Begins each active flow once a day; how many have begun now. Twice in one day is once."""
    now = timezone.now()
    with across(Reason.UPKEEP):
        waiting = flows.due(now=now)
    begun = one_by_one(waiting, lambda one: within(one[0])(flows.execute_due)(one[1], now=now))
    return sum(operation is not None for operation in begun)


@shared_task(ignore_result=True, time_limit=300, soft_time_limit=280)
def forget_list_changes() -> int:
    """Drops what lists that are kept no longer ask for; how many rows went."""
    now = timezone.now()
    with across(Reason.UPKEEP):
        found = kept_lists.orgs_with_old_changes(now=now)
    return sum(one_by_one(found, lambda org_id: within(org_id)(kept_lists.forget_old_changes)(org_id, now=now)))
