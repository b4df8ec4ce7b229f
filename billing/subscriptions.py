"""What an org's subscription means for it: which plan it has, until when after a failed payment, and who is told.

The subscription itself is the provider's. Here it is only ever read anew, one reader at a time, and what follows from it is written with
it: however often, late or out of order we hear of a change, the end is the same.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.db import transaction

from accounts import letters
from accounts.models import Letter, User
from billing.invoices import forget
from billing.models import Account
from billing.plans import FREE, Plan, plan_of
from billing.provider import provider
from billing.provider.interface import Subscribed, UnknownCustomer
from orgs.errors import Conflict
from orgs.events import record_event
from orgs.models import Event, Org
from orgs.tenancy import Reason, across

PAGE: Final = "/app/settings/billing"
# A healthy webhook keeps us up to date; once a day we look ourselves.
READ_AGAIN_AFTER: Final = timedelta(days=1)
AT_ONCE: Final = 200


@dataclass(frozen=True)
class Before:
    """How a subscription stood before it was read."""

    was_live: bool
    was_overdue: bool


@transaction.atomic
def sync(org_id: int, *, now: datetime) -> Account | None:
    """Reads the org's subscription at the provider and lets the org follow it; None for an org that never bought anything.

    The row is locked before the provider is asked: of two readers the later one asks later, so what it writes is never the older state.
    """
    account = locked(org_id)
    if account is None or account.customer_id is None:
        return account
    try:
        found = provider().subscription(account.customer_id)
    except UnknownCustomer:
        found, account.customer_id = None, None
    forget(account)
    before = Before(account.is_live, account.is_overdue)
    _take(account, found, now=now)
    account.save()
    _follow(account, before, now=now)
    return account


def locked(org_id: int) -> Account | None:
    found: Account | None = Account.objects.select_for_update(of=("self",)).select_related("org").filter(org=org_id).first()
    return found


def _take(account: Account, found: Subscribed | None, *, now: datetime) -> None:
    """The row as the provider's words say. A price that is none of ours leaves the plan as it was."""
    account.synced = now
    if found is None:
        account.subscription_id, account.status, account.plan, account.price_id = "", Account.Status.NONE, "", ""
        account.period_end = account.ends = None
    else:
        same = found.price_id == account.price_id
        account.subscription_id, account.status, account.price_id = found.id, found.status, found.price_id
        account.plan = found.plan_code or (account.plan if same else "")
        account.period_end, account.ends = found.period_end, found.ends
    account.overdue_since = (account.overdue_since or now) if account.is_overdue else None


def _follow(account: Account, before: Before, *, now: datetime) -> None:
    """Puts the org on the plan that it is due. Without a subscription, before or now, its plan is the operator's choice and stays."""
    if not (account.is_live or before.was_live):
        return
    plan, grace_until = due(account, now=now)
    Org.objects.filter(pk=account.org_id).update(grace_until=grace_until)
    moved = plan is not None and put_on_plan(account.org, plan)
    if account.is_overdue and not before.was_overdue:
        _tell_of_failure(account, grace_until)
    elif account.is_overdue and moved and plan is FREE:
        _tell_of_fall(account)


def due(account: Account, *, now: datetime) -> tuple[Plan | None, datetime | None]:
    """The plan that the org is due, and the end of its grace. None leaves the plan as it is: what is paid is a price that is not ours."""
    if account.is_paid:
        return plan_of(account.plan), None
    until = grace_of(account)
    if until is not None and now < until:
        return plan_of(account.plan), until
    return FREE, None


def grace_of(account: Account) -> datetime | None:
    """Until when an org whose payment failed keeps its plan; None while nothing is overdue."""
    if account.overdue_since is None:
        return None
    return account.overdue_since + timedelta(days=settings.BILLING_GRACE_DAYS)


def put_on_plan(org: Org, plan: Plan, *, actor_id: int | None = None) -> bool:
    """Gives the org the plan and its quota from this moment on; False when it has the plan already, and keeps the quota it has.

    An operator may have set another quota by hand: it holds until the plan changes.
    """
    moved = Org.objects.filter(pk=org.pk).exclude(plan=plan.code).update(plan=plan.code, metric_limit=plan.metric_limit)
    if not moved:
        return False
    org.plan, org.metric_limit = plan.code, plan.metric_limit
    said = f"The plan is {plan.name} now: up to {plan.metric_limit:,} metrics"
    record_event(org.pk, type=Event.Type.SETTINGS, name=said, user_id=actor_id)
    return True


@transaction.atomic
def set_plan(org: Org, plan: Plan, *, actor_id: int | None) -> None:
    """An operator's choice. Raises Conflict while a subscription lives, which decides."""
    account = Account.objects.select_for_update().filter(org=org).first()
    if account is not None and account.is_live:
        raise Conflict("The plan follows the org's subscription; change that.")
    put_on_plan(org, plan, actor_id=actor_id)


@transaction.atomic
def end_grace(org_id: int, *, now: datetime) -> bool:
    """Puts an org on Free whose grace is over; False when it is not, or not any more."""
    account = locked(org_id)
    if account is None or not account.is_overdue or due(account, now=now)[1] is not None:
        return False
    _follow(account, Before(was_live=True, was_overdue=True), now=now)
    return True


@across(Reason.UPKEEP)
def out_of_grace(*, now: datetime) -> list[int]:
    """The orgs whose grace is over."""
    return list(Org.objects.filter(grace_until__lte=now).order_by("pk").values_list("pk", flat=True))


@across(Reason.PAYMENTS)
def unread(*, now: datetime) -> list[int]:
    """The orgs whose subscription was not read for long, longest first."""
    found = Account.objects.unread_since(now - READ_AGAIN_AFTER).order_by("synced", "pk")
    return list(found.values_list("org", flat=True)[:AT_ONCE])


def _tell_of_failure(account: Account, grace_until: datetime | None) -> None:
    plan = plan_of(account.plan)
    if plan is None:
        return
    record_event(account.org_id, type=Event.Type.SETTINGS, name=f"The payment for the plan {plan.name} failed")
    until = f"until {grace_until:%d %B %Y}" if grace_until else "no longer"
    _write_to_admins(
        account.org,
        sentence=f"The payment for the plan {plan.name} failed.",
        advice=f"The plan stays {until}; then it becomes Free, with {FREE.metric_limit:,} metrics. Look at how you pay, and pay again.",
    )


def _tell_of_fall(account: Account) -> None:
    _write_to_admins(
        account.org,
        sentence="The plan is Free now, because the payment failed and was not made up for.",
        advice=f"Metrics that exist go on; beyond {FREE.metric_limit:,} no new ones are taken. Paying what is open brings the plan back.",
    )


def _write_to_admins(org: Org, *, sentence: str, advice: str) -> None:
    words = {"subject": f"{org.name}: {sentence}", "sentence": sentence, "advice": advice, "link": settings.BASE_URL + PAGE}
    for admin in User.objects.for_org(org).deciding_admins():
        letters.order(Letter.Kind.ADMIN_ALERT, admin.email, user=admin, details=words)
