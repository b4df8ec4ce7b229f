"""The operators' admin of billing: what it shows raw, what it hides, and a plan that is given by hand."""

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from billing.models import Account, EventEffect, StripeEvent
from orgs.models import Event, Org
from tests import factories
from tests.billing.conftest import plan_of

CHANGE = "admin:billing_orgplan_change"


@pytest.fixture
def desk(org) -> Client:
    client = Client()
    client.force_login(factories.make_user(org, "Olga Operator", is_staff=True, is_superuser=True, role="admin"))
    return client


def give(desk, org, plan: str):
    return desk.post(reverse(CHANGE, args=(org.pk,)), {"plan": plan}, follow=True)


def test_an_operator_gives_a_plan_and_the_quota_follows(desk, org):
    give(desk, org, "business")
    assert plan_of(org) == ("business", 100_000)
    assert Event.objects.filter(org=org, name="The plan is Business now: up to 100,000 metrics").count() == 1


def test_the_operators_own_plan_keeps_the_quota(desk, org):
    Org.objects.filter(pk=org.pk).update(plan="team", metric_limit=12_345)
    give(desk, org, "self-hosted")
    assert plan_of(org) == ("self-hosted", 12_345)


def test_a_living_subscription_decides(desk, org):
    Org.objects.filter(pk=org.pk).update(plan="team", metric_limit=10_000)
    Account.objects.create(org=org, customer_id="cus_1", status="active", plan="team")
    assert b"follows the org" in give(desk, org, "free").content
    assert plan_of(org) == ("team", 10_000)


def test_events_are_shown_raw_and_cannot_be_altered(desk):
    event = StripeEvent.objects.create(
        event_id="evt_1", type="invoice.paid", happened=timezone.now(), payload={"id": "evt_1", "deep": {"n": 42}}
    )
    change = reverse("admin:billing_stripeevent_change", args=(event.pk,))
    page = desk.get(change).content.decode()
    assert "&quot;n&quot;: 42" in page
    EventEffect.objects.create(event=event, outcome="stranger")
    assert "No customer of ours" in desk.get(reverse("admin:billing_stripeevent_changelist")).content.decode()
    assert desk.post(change, {"type": "x"}).status_code == 403


def test_subscriptions_are_only_read(desk, org):
    account = Account.objects.create(org=org, customer_id="cus_1", status="active", plan="team")
    change = reverse("admin:billing_account_change", args=(account.pk,))
    assert "cus_1" in desk.get(change).content.decode()
    assert desk.post(change, {"status": "canceled"}).status_code == 403
