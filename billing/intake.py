"""What the payment provider tells us: stored before it is acknowledged, acted on afterwards, as often as it takes until it is done."""

import logging
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from django.db import transaction
from kombu.exceptions import OperationalError as BrokerAway

from billing.models import Account, EventEffect, StripeEvent
from billing.provider.interface import Notice
from billing.subscriptions import sync
from orgs.tenancy import Reason, across, org_of, within

log = logging.getLogger(__name__)

# What may change a subscription, by the beginning of its type.
RELEVANT: Final = ("checkout.session.", "customer.subscription.", "customer.deleted", "invoice.")
# Older ones without effect are not tried any more: the daily reading has long made up for them.
TRIED_FOR: Final = timedelta(days=14)
AT_ONCE: Final = 200


@across(Reason.PAYMENTS)
@transaction.atomic
def store(notice: Notice) -> None:
    """Keeps a notice, once however often it comes, and has it acted on as soon as that is committed."""
    row = StripeEvent(
        event_id=notice.id, type=notice.type, customer_id=notice.customer_id, happened=notice.happened, payload=notice.payload
    )
    StripeEvent.objects.bulk_create([row], ignore_conflicts=True)
    transaction.on_commit(partial(_wake, notice.id))


def _wake(event_id: str) -> None:
    """Without a broker the event waits for the next round."""
    from billing.tasks import act_on_event

    try:
        act_on_event.apply_async((event_id,), retry=False)
    except BrokerAway:
        log.warning("event %s waits for the next round: the broker is away", event_id)


def act_on(event_id: str, *, now: datetime) -> bool:
    """Does what an event asks for; False when that has been done. Doing it twice, or at the same time, is doing it once."""
    with across(Reason.PAYMENTS):
        event = StripeEvent.objects.filter(event_id=event_id, effect=None).first()
    if event is None:
        return False
    outcome = _effect_of(event, now=now)
    with across(Reason.PAYMENTS):
        EventEffect.objects.bulk_create([EventEffect(event=event, outcome=outcome)], ignore_conflicts=True)
    return True


def _effect_of(event: StripeEvent, *, now: datetime) -> EventEffect.Outcome:
    if not event.type.startswith(RELEVANT):
        return EventEffect.Outcome.IRRELEVANT
    org_id = org_of(Account, customer_id=event.customer_id) if event.customer_id else None
    if org_id is None:
        return EventEffect.Outcome.STRANGER
    with within(org_id):
        sync(org_id, now=now)
    return EventEffect.Outcome.SYNCED


@across(Reason.PAYMENTS)
def waiting(*, now: datetime) -> list[str]:
    """Events that no worker has acted on, oldest first."""
    left = StripeEvent.objects.filter(effect=None, received__gt=now - TRIED_FOR, received__lt=now - timedelta(seconds=20))
    return list(left.order_by("received").values_list("event_id", flat=True)[:AT_ONCE])
