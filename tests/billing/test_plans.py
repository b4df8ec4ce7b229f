"""The plans in code, and what follows from them."""

from billing.plans import FREE, PAID, PLANS, plan_of, plan_priced
from orgs.models import Org


def test_every_plan_of_an_org_is_in_the_catalogue_but_the_operators_own():
    assert [plan.code for plan in PLANS] == [code for code in Org.Plan.values if code != Org.Plan.SELF_HOSTED]
    assert plan_of(Org.Plan.SELF_HOSTED) is None


def test_free_starts_at_a_thousand_and_what_costs_more_allows_more():
    assert (FREE.metric_limit, FREE.amount, FREE.is_paid) == (1000, 0, False)
    assert [plan.amount for plan in PLANS] == sorted({plan.amount for plan in PLANS})
    assert [plan.metric_limit for plan in PLANS] == sorted({plan.metric_limit for plan in PLANS})


def test_a_price_is_known_by_its_metadata_even_after_its_lookup_key_has_moved_on():
    for plan in PAID:
        assert plan_priced(metadata_code=plan.code, lookup_key="") is plan
        assert plan_priced(metadata_code="", lookup_key=plan.lookup_key) is plan
    assert plan_priced(metadata_code="", lookup_key="somebody_elses") is None
    assert plan_priced(metadata_code="", lookup_key=FREE.lookup_key) is None
