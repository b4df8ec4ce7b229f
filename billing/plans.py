"""The plans: what each allows and what it costs. The one place; orgs, quota, pages and the payment provider follow it.

An org that is `self-hosted` has none of them: its operator sets its limit.
"""

from dataclasses import dataclass
from typing import Final

from orgs.models import Org

CURRENCY: Final = "eur"
# At the payment provider a price says by this name in its metadata for which plan it is; its lookup key may move to a newer price.
METADATA_KEY: Final = "plumbline_plan"


@dataclass(frozen=True)
class Plan:
    """One plan. `amount` is a month's price in the smallest unit of CURRENCY; 0 costs nothing."""

    code: str
    name: str
    metric_limit: int
    amount: int
    summary: str

    @property
    def lookup_key(self) -> str:
        """By which the payment provider finds the price that new customers pay."""
        return f"plumbline_{self.code}_monthly"

    @property
    def is_paid(self) -> bool:
        return self.amount > 0


FREE: Final = Plan(Org.Plan.FREE.value, "Free", 1_000, 0, "For trying it out, and for small systems for as long as you like.")
TEAM: Final = Plan(Org.Plan.TEAM.value, "Team", 10_000, 49_00, "For a team and the systems that it runs.")
BUSINESS: Final = Plan(Org.Plan.BUSINESS.value, "Business", 100_000, 299_00, "For everything that a company runs.")
# By price.
PLANS: Final = (FREE, TEAM, BUSINESS)
PAID: Final = tuple(plan for plan in PLANS if plan.is_paid)
PAID_CODES: Final = tuple(plan.code for plan in PAID)
_BY_CODE: Final = {plan.code: plan for plan in PLANS}
_BY_LOOKUP_KEY: Final = {plan.lookup_key: plan for plan in PAID}


def plan_of(code: str) -> Plan | None:
    """The plan with this code; None for a self-hosted org and for unknown codes."""
    return _BY_CODE.get(code)


def plan_priced(*, metadata_code: str, lookup_key: str) -> Plan | None:
    """The plan that a price of the payment provider is for; None when it is for none of ours."""
    return _BY_CODE.get(metadata_code) or _BY_LOOKUP_KEY.get(lookup_key)
