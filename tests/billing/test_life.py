"""The life of a subscription, with a Stripe that has a state and delivers its own webhooks to the real web server.

Everything here goes over HTTP in both directions. What localstripe does by itself and what was added to it stands in stripe_server.py.
"""

from datetime import timedelta

import pytest
from django.core import mail
from django.utils import timezone

from billing.models import Account, EventEffect, StripeEvent
from billing.tasks import end_graces
from metrics.models import Metric
from orgs.models import Event, Org
from tests import factories
from tests.billing.conftest import FAILING_CARD, GOOD_CARD, plan_of
from tests.product import wait_until
from tests.session_api.conftest import data

pytestmark = pytest.mark.django_db(transaction=True)


def until(org: Org, plan: str) -> None:
    wait_until(lambda: plan_of(org)[0] == plan, what=f"the plan {plan}")


def account_of(org: Org) -> Account:
    return Account.objects.get(org=org)


def told(words: str) -> list:
    """The mails that say this."""
    return [letter for letter in mail.outbox if words in letter.body]


def buy(shop, client, plan: str) -> str:
    """Where Stripe sends the browser after the payment."""
    page = data(client.post("/billing/getcheckoutsession", {"plan": plan}))["checkout_session"]
    return shop.pay(page["url"]).headers["Location"]


def portal(client, **said) -> str:
    return data(client.post("/billing/getportalsession", said))["portal_session"]["url"]


def test_who_pays_has_the_plan_and_its_quota_by_the_webhook_alone(connected, buyer, as_, org):
    buy(connected, as_(buyer), "team")
    until(org, "team")
    assert plan_of(org) == ("team", 10_000)
    account = account_of(org)
    assert (account.status, account.plan, account.ends, account.overdue_since) == ("active", "team", None, None)
    assert timedelta(days=27) < account.period_end - timezone.now() < timedelta(days=32)
    wait_until(lambda: StripeEvent.objects.filter(type="checkout.session.completed").exists(), what="all events")
    assert Event.objects.filter(org=org, name="The plan is Team now: up to 10,000 metrics").count() == 1


def test_an_upgrade_takes_the_quota_along_and_leaves_proration_to_stripe(connected, buyer, as_, org, subscribe):
    account = subscribe(buyer)
    back = connected.use_portal(portal(as_(buyer), plan="business", return_url="/app/"))
    assert back.endswith("/app/")
    until(org, "business")
    assert plan_of(org) == ("business", 100_000)
    assert account_of(org).subscription_id == account.subscription_id
    lines = connected.api("GET", "invoiceitems", customer=account.customer_id)["data"]
    assert [(line["amount"], line["proration"]) for line in lines] == [(-49_00, True)]


def test_a_failed_payment_is_told_and_leaves_grace_and_paying_ends_it(connected, buyer, as_, org, subscribe, settings):
    settings.BILLING_GRACE_DAYS = 10
    account = subscribe(buyer)
    connected.use_portal(portal(as_(buyer), payment_method="true"), card=FAILING_CARD)
    connected.renew(account.subscription_id)
    wait_until(lambda: account_of(org).status == "past_due", what="past_due")
    assert plan_of(org) == ("team", 10_000)
    assert timedelta(days=9, hours=23) < org.grace_until - timezone.now() <= timedelta(days=10)
    wait_until(lambda: told("The payment for the plan Team failed."), what="the letter")
    letters = told("The payment for the plan Team failed.")
    assert [letter.to for letter in letters] == [[buyer.email]]
    assert f"The plan stays until {org.grace_until:%d %B %Y}" in letters[0].body

    connected.give_up(account.subscription_id)
    wait_until(lambda: account_of(org).status == "unpaid", what="unpaid")
    grace = org.grace_until
    assert (plan_of(org), org.grace_until) == (("team", 10_000), grace)  # the grace does not begin anew

    connected.use_portal(portal(as_(buyer), payment_method="true"), card=GOOD_CARD)
    wait_until(lambda: account_of(org).status == "active", what="active again")
    assert (plan_of(org), org.grace_until, account_of(org).overdue_since) == (("team", 10_000), None, None)


def test_after_the_grace_the_plan_is_free_and_paying_brings_it_back(connected, buyer, as_, org, subscribe):
    account = subscribe(buyer)
    connected.use_portal(portal(as_(buyer), payment_method="true"), card=FAILING_CARD)
    connected.renew(account.subscription_id)
    wait_until(lambda: account_of(org).status == "past_due", what="past_due")
    wait_until(connected.is_quiet, what="the events of the failure are dealt with")
    assert end_graces() == 0

    long_ago = timezone.now() - timedelta(days=15)
    Account.objects.update(overdue_since=long_ago)
    Org.objects.filter(pk=org.pk).update(grace_until=long_ago)
    assert (end_graces(), end_graces()) == (1, 0)
    assert (plan_of(org), org.grace_until) == (("free", 1_000), None)
    assert len(told("The plan is Free now")) == 1

    connected.use_portal(portal(as_(buyer), payment_method="true"), card=GOOD_CARD)
    until(org, "team")
    assert plan_of(org) == ("team", 10_000)


def test_what_is_cancelled_runs_to_the_end_of_its_month_and_then_is_free(connected, buyer, as_, org, subscribe):
    account = subscribe(buyer, "business")
    connected.use_portal(portal(as_(buyer), cancel="true"))
    wait_until(lambda: account_of(org).ends is not None, what="the cancellation")
    assert account_of(org).ends == account.period_end
    assert plan_of(org) == ("business", 100_000)

    connected.end(account.subscription_id)
    until(org, "free")
    assert plan_of(org) == ("free", 1_000)
    assert (account_of(org).status, account_of(org).is_live) == ("canceled", False)


def test_who_cancelled_can_think_better_of_it_and_can_buy_again(connected, buyer, as_, org, subscribe):
    account = subscribe(buyer)
    connected.use_portal(portal(as_(buyer), cancel="true"))
    wait_until(lambda: account_of(org).ends is not None, what="the cancellation")
    connected.use_portal(portal(as_(buyer)), resume="true")
    wait_until(lambda: account_of(org).ends is None, what="the change of mind")

    connected.use_portal(portal(as_(buyer), cancel="true"))
    wait_until(lambda: account_of(org).ends is not None, what="the second cancellation")
    connected.end(account.subscription_id)
    until(org, "free")
    buy(connected, as_(buyer), "business")
    until(org, "business")
    again = account_of(org)
    assert again.subscription_id != account.subscription_id
    assert again.customer_id == account.customer_id


def test_a_declined_card_buys_nothing(connected, buyer, as_, org):
    page = data(as_(buyer).post("/billing/getcheckoutsession", {"plan": "team"}))["checkout_session"]
    assert connected.pay(page["url"], FAILING_CARD).status_code == 402
    answer = as_(buyer).get("/billing/checkoutcallback", {"checkout_session_id": page["id"]})
    assert data(answer) == {"enabled": True, "message": "Nothing was paid yet.", "plan": "free"}
    assert plan_of(org) == ("free", 1_000)


def test_below_its_usage_an_org_keeps_its_metrics_and_gets_no_new_ones(connected, buyer, as_, org, datastore, subscribe, client):
    account = subscribe(buyer)
    Metric.objects.bulk_create(
        Metric(org=org, datastore=datastore, name=f"known.{number}", digest=number.to_bytes(16, "big")) for number in range(1_001)
    )
    known = factories.make_metric(datastore, "known.sent")
    connected.use_portal(portal(as_(buyer), cancel="true"))
    wait_until(lambda: account_of(org).ends is not None, what="the cancellation")
    connected.end(account.subscription_id)
    until(org, "free")

    key = factories.make_ingest_key(datastore)[1]
    now = int(timezone.now().timestamp())
    points = [{"metric": name, "timestamp": now, "value": 1} for name in (known.name, "new.one")]
    answer = client.post("/flux/metric_data_post", {"key": key, "metrics": points}, content_type="application/json")
    assert answer.status_code == 207, answer.content
    assert "new.one" in answer.content.decode()
    assert Metric.objects.filter(org=org, name="new.one").count() == 0
    assert Metric.objects.filter(org=org).count() == 1_002


def test_every_event_is_stored_and_acted_on_once(connected, buyer, as_, org):
    buy(connected, as_(buyer), "team")
    sent = {event["id"]: event["type"] for event in connected.events() if event["type"] not in ("product.created", "plan.created")}
    wait_until(lambda: set(sent) <= set(StripeEvent.objects.values_list("event_id", flat=True)), what="all events")
    wait_until(lambda: EventEffect.objects.count() == StripeEvent.objects.count(), what="all effects")
    kept = StripeEvent.objects.select_related("effect")
    outcomes = {event.type: event.effect.outcome for event in kept}
    assert outcomes["checkout.session.completed"] == outcomes["invoice.created"] == "synced"
    assert outcomes["payment_intent.succeeded"] == "irrelevant"
    assert {event.customer_id for event in kept if event.type.startswith("invoice.")} == {account_of(org).customer_id}
