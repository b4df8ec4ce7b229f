"""Background work of billing: what the payment provider told us is acted on, grace runs out, usage is noted."""

from celery import shared_task
from django.utils import timezone

from billing import usage


@shared_task(time_limit=300, soft_time_limit=280)
def record_usage() -> int:
    """Every ten minutes: how many metrics count in each org today. The number of orgs."""
    return usage.record(now=timezone.now())
