"""Background work of billing: what the payment provider told us is acted on, grace runs out, usage is noted."""

from typing import Final

from celery import shared_task
from django.utils import timezone

from billing import intake, subscriptions, usage
from billing.provider import provider
from orgs.rounds import one_by_one
from orgs.tenancy import within

# A round finds again what no worker took until the next one.
_NEXT_S: Final = 60


@shared_task(time_limit=120, soft_time_limit=100)
def act_on_event(event_id: str) -> bool:
    """Acts on one stored event. When the provider is away, the round of `act_on_events` tries again."""
    return intake.act_on(event_id, now=timezone.now())


@shared_task(time_limit=60, soft_time_limit=50)
def act_on_events() -> int:
    """Every minute: one task per event that has had no effect yet."""
    found = intake.waiting(now=timezone.now()) if provider().is_enabled else []
    for event_id in found:
        act_on_event.apply_async((event_id,), expires=_NEXT_S)
    return len(found)


@shared_task(time_limit=120, soft_time_limit=100)
def sync_account(org_id: int) -> bool:
    with within(org_id):
        return subscriptions.sync(org_id, now=timezone.now()) is not None


@shared_task(time_limit=60, soft_time_limit=50)
def sync_accounts() -> int:
    """Every hour: one task per subscription that was not read for a day, in case its events were lost."""
    found = subscriptions.unread(now=timezone.now()) if provider().is_enabled else []
    for org_id in found:
        sync_account.apply_async((org_id,), expires=3600)
    return len(found)


@shared_task(time_limit=60, soft_time_limit=50)
def end_graces() -> int:
    """Every five minutes: orgs whose payment failed and whose grace is over go on Free."""
    now = timezone.now()
    return sum(one_by_one(subscriptions.out_of_grace(now=now), lambda org_id: within(org_id)(subscriptions.end_grace)(org_id, now=now)))


@shared_task(time_limit=300, soft_time_limit=280)
def record_usage() -> int:
    """Every ten minutes: how many metrics count in each org today. The number of orgs."""
    return usage.record(now=timezone.now())
