"""How an org stands: its plan, its subscription, and what it can do about both. Pages and the REST API show the same."""

from dataclasses import dataclass
from datetime import datetime

from billing.models import Account
from billing.plans import CURRENCY, PLANS, Plan, plan_of
from billing.provider import provider
from orgs.models import Org


@dataclass(frozen=True)
class Offer:
    """One plan, as this org sees it."""

    plan: Plan
    is_current: bool
    currency: str = CURRENCY


@dataclass(frozen=True)
class Standing:
    """`plan` is None where the operator alone decides. `subscription` is the provider's word for its state, empty for none."""

    is_enabled: bool
    code: str
    name: str
    plan: Plan | None
    metric_limit: int
    subscription: str
    is_live: bool
    is_overdue: bool
    is_customer: bool
    paid_plan: Plan | None
    period_end: datetime | None
    ends: datetime | None
    grace_until: datetime | None
    offers: tuple[Offer, ...]

    @property
    def is_for_sale(self) -> bool:
        """Whether this org can buy a plan at all."""
        return self.is_enabled and self.plan is not None


def standing_of(org: Org) -> Standing:
    """One query."""
    account = Account.objects.for_org(org).first() or Account(org=org)
    return Standing(
        is_enabled=provider().is_enabled,
        code=org.plan,
        name=org.get_plan_display(),
        plan=plan_of(org.plan),
        metric_limit=org.metric_limit,
        subscription=account.status,
        is_live=account.is_live,
        is_overdue=account.is_overdue,
        is_customer=account.customer_id is not None,
        paid_plan=plan_of(account.plan) if account.is_live else None,
        period_end=account.period_end if account.is_live else None,
        ends=account.ends if account.is_live else None,
        grace_until=org.grace_until,
        offers=tuple(Offer(plan, plan.code == org.plan) for plan in PLANS),
    )
