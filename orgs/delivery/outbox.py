"""The outbox: a message is ordered in the transaction of what it tells, and sent by a worker until it arrived or cannot."""

import logging
import random
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from django.db import transaction
from django.utils import timezone
from kombu.exceptions import OperationalError as BrokerAway

from orgs.delivery.transports import Verdict, attempt
from orgs.events import record_event
from orgs.models import Channel, Delivery, Event, Org, ServiceApp
from orgs.tenancy import Reason, across

log = logging.getLogger(__name__)

# Seconds to wait after the first, second, ... try that failed: about an hour in all, because people wait for it.
WAITS_S: Final = (5, 60, 300, 900, 2400)
MOST_TRIES: Final = len(WAITS_S) + 1
# A worker that has not said what came of a try after so long has died over it.
LEASE_S: Final = 90
Status = Delivery.Status


def to_channel(channel: Channel, *, title: str, text: str, url: str = "") -> Delivery:
    """A message to a channel, sent as soon as the caller's transaction is committed."""
    method = Delivery.Method(channel.service)
    return _order(Delivery(org_id=channel.org_id, method=method, to=channel.name, channel=channel, title=title[:300], text=text, url=url))


def to_phone(org: Org, number: str, *, title: str, url: str = "") -> Delivery:
    """A short message to a telephone, sent as soon as the caller's transaction is committed."""
    return _order(Delivery(org=org, method=Delivery.Method.SMS, to=number, title=title[:300], url=url))


def _order(delivery: Delivery) -> Delivery:
    delivery.save(force_insert=True)
    transaction.on_commit(partial(wake, delivery.org_id, delivery.pk))
    return delivery


def wake(org_id: int, delivery_id: int) -> None:
    """Hands a delivery to a worker; without a broker it waits for the next round."""
    from orgs.tasks import deliver

    try:
        deliver.apply_async(args=(org_id, delivery_id), retry=False)
    except BrokerAway:
        log.warning("delivery %s waits for the next round: the broker is away", delivery_id)


def due(*, now: datetime, most: int = 200) -> list[tuple[int, int]]:
    """What has to be tried now, the longest waiting first: the ids of the org and of the delivery."""
    with across(Reason.UPKEEP):
        waiting = Delivery.objects.filter(status=Status.WAITING, next_try__lte=now).order_by("next_try")
        return list(waiting.values_list("org_id", "pk")[:most])


def send(delivery_id: int) -> Status | None:
    """One try of a delivery that is due; None when it is not, or another worker has it."""
    claimed = _claim(delivery_id)
    if claimed is None:
        return None
    delivery, token = claimed
    return _note(delivery, attempt(delivery, token), now=timezone.now())


@transaction.atomic
def _claim(delivery_id: int) -> tuple[Delivery, bytes] | None:
    """The delivery and the sealed token of the org's app. It is this worker's for LEASE_S; no lock is held while it is sent.

    One whose worker died over the last try is given up.
    """
    now = timezone.now()
    waiting = Delivery.objects.select_for_update(skip_locked=True, of=("self",)).select_related("channel")
    delivery = waiting.filter(pk=delivery_id, status=Status.WAITING, next_try__lte=now).first()
    if delivery is None:
        return None
    if delivery.tries >= MOST_TRIES:
        _note(delivery, Verdict(ok=False, answer="The last try was cut off: nobody knows whether it arrived."), now=now)
        return None
    delivery.tries += 1
    delivery.next_try = now + timedelta(seconds=LEASE_S)
    delivery.save(update_fields=["tries", "next_try"])
    app = ServiceApp.objects.filter(org=delivery.org_id, service=delivery.method).first()
    return delivery, bytes(app.sealed_token) if app else b""


@transaction.atomic
def _note(delivery: Delivery, verdict: Verdict, *, now: datetime) -> Status:
    """Writes down what came of a try; the end of it is told in the feed and in the log."""
    status = _status_after(delivery, verdict)
    ended = None if status == Status.WAITING else now
    wait_s = verdict.wait_s or WAITS_S[min(delivery.tries, len(WAITS_S)) - 1] * random.uniform(1.0, 1.2)  # noqa: S311 - no secret
    changes = {"status": status, "answer": f"{verdict.answer} {verdict.body}".strip()[:1000], "took_ms": verdict.took_ms, "ended": ended}
    changes["next_try"] = now + timedelta(seconds=wait_s)
    # Of two workers, after a lease that ran out, the one with the newest try has the say.
    if not Delivery.objects.filter(pk=delivery.pk, status=Status.WAITING, tries=delivery.tries).update(**changes):
        return Status(status)
    log.log(
        logging.INFO if verdict.ok else logging.WARNING,
        "delivery %s by %s, try %s: %s",
        delivery.pk,
        delivery.method,
        delivery.tries,
        status,
    )
    if status != Status.WAITING:
        _tell(delivery, Status(status), verdict.answer, now=now)
    return Status(status)


def _status_after(delivery: Delivery, verdict: Verdict) -> Status:
    if verdict.ok:
        return Status.DELIVERED
    if not verdict.set_up:
        return Status.NOT_SET_UP
    return Status.WAITING if verdict.again and delivery.tries < MOST_TRIES else Status.FAILED


def _tell(delivery: Delivery, status: Status, answer: str, *, now: datetime) -> None:
    words = {Status.DELIVERED: "reached", Status.FAILED: "did not reach", Status.NOT_SET_UP: "could not be sent to"}[status]
    name = f"“{delivery.title[:100]}” {words} {delivery.get_method_display()} {delivery.to}"
    reason = "" if status == Status.DELIVERED else f"{answer[:500]} ({delivery.tries} {'try' if delivery.tries == 1 else 'tries'})"
    record_event(delivery.org_id, type=Event.Type.DELIVERY, name=name, description=reason, timestamp=now)


@transaction.atomic
def again(delivery: Delivery, *, actor_id: int | None) -> Delivery:
    """Sends a delivery that has ended once more, as a new one."""
    record_event(
        delivery.org_id, type=Event.Type.DELIVERY, name=f"“{delivery.title[:100]}” is sent again to {delivery.to}", user_id=actor_id
    )
    return _order(
        Delivery(
            org_id=delivery.org_id, method=delivery.method, to=delivery.to, channel_id=delivery.channel_id,
            title=delivery.title, text=delivery.text, url=delivery.url,
        )
    )  # fmt: skip
