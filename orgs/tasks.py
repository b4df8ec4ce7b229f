"""Background work for orgs: what has to reach people outside."""

from celery import shared_task
from django.utils import timezone

from orgs.delivery import outbox
from orgs.tenancy import within


@shared_task(ignore_result=True, time_limit=60, soft_time_limit=50)
def deliver(org_id: int, delivery_id: int) -> None:
    """One try of one delivery; what fails is found again by `deliver_due`."""
    with within(org_id):
        outbox.send(delivery_id)


@shared_task(ignore_result=True)
def deliver_due() -> int:
    """Every few seconds: hands out what is due, also what a worker died over."""
    found = outbox.due(now=timezone.now())
    for org_id, delivery_id in found:
        outbox.wake(org_id, delivery_id)
    return len(found)
