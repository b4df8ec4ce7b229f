"""Background work for orgs: what has to reach people outside."""

from celery import shared_task
from django.utils import timezone

from orgs import ages
from orgs.delivery import outbox
from orgs.models import Delivery, IdempotentAnswer
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


@shared_task(ignore_result=True, time_limit=300, soft_time_limit=280)
def drop_deliveries() -> int:
    """Messages of a month ago, and what became of them; how many there were."""
    return ages.forget(Delivery.objects.filter(created__lt=timezone.now() - ages.KEPT))


@shared_task(ignore_result=True, time_limit=300, soft_time_limit=280)
def drop_answers() -> int:
    """Answers that no repeated request gets any more; how many there were."""
    return ages.forget(IdempotentAnswer.objects.filter(created__lt=timezone.now() - ages.ANSWERS_KEPT))
