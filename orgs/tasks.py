"""Background work for orgs: what has to reach people outside."""

from celery import shared_task
from django.utils import timezone

from orgs.delivery import outbox


@shared_task(ignore_result=True, time_limit=60, soft_time_limit=50)
def deliver(delivery_id: int) -> None:
    """One try of one delivery; what fails is found again by `deliver_due`."""
    outbox.send(delivery_id)


@shared_task(ignore_result=True)
def deliver_due() -> int:
    """Every few seconds: hands out what is due, also what a worker died over."""
    found = outbox.due(now=timezone.now())
    for delivery_id in found:
        outbox.wake(delivery_id)
    return len(found)
