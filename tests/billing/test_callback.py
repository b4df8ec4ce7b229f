"""/org/stripecallback: what is refused, what is kept, and that it is acted on once, whatever is sent how often and in which order."""

import json
import time
from datetime import UTC, datetime, timedelta

import pytest
from django.db import DatabaseError, connection, transaction
from django.test import Client
from django.utils import timezone

from billing import intake
from billing.models import Account, EventEffect, StripeEvent
from billing.provider.secrets import without_secrets
from billing.tasks import act_on_event, act_on_events, sync_accounts
from orgs.models import Event, Org
from tests.acting import as_application
from tests.billing.conftest import KEY, WEBHOOK_SECRET, deliver, plan_of, send, signed
from tests.session_api.conftest import data, wrong


def event(type_: str = "customer.subscription.updated", *, customer: str = "cus_1", id: str = "evt_1", created: int = 0, **about) -> dict:
    return {
        "id": id,
        "object": "event",
        "type": type_,
        "created": created or int(time.time()),
        "data": {"object": {"id": "sub_1", "object": "subscription", "customer": customer} | about},
    }


BODY = json.dumps(event()).encode()


@pytest.mark.parametrize(
    "signature",
    [
        "",
        "nonsense",
        "t=1,v1=",
        f"t={int(time.time())},v1={'0' * 64}",
        signed(BODY, secret="whsec_somebody_else"),
        signed(BODY + b" "),
        signed(BODY).replace("v1=", "v0="),
        signed(BODY, at=time.time() - 301),
    ],
    ids=["none", "nonsense", "empty", "wrong", "another secret", "another body", "an old scheme", "stale"],
)
def test_what_is_unsigned_or_stale_is_refused_and_not_kept(db, stripe, signature):
    headers = {"Stripe-Signature": signature} if signature else {}
    answer = Client().post("/org/stripecallback", BODY, content_type="application/json", headers=headers)
    assert wrong(answer) == {"Stripe-Signature"}
    assert StripeEvent.objects.count() == 0


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"[]", b'"evt"', b'{"id": "evt_1"}', b'{"id": "e", "type": "t", "created": "soon"}', b"\xff\xfe",
     b'{"id": "e", "type": "t", "created": 99999999999999, "data": {}}', b'{"id": "e", "type": "t", "created": 1, "data": []}'],
)  # fmt: skip
def test_what_is_signed_but_no_event_is_refused(db, stripe, body):
    assert send(body).status_code == 400
    assert StripeEvent.objects.count() == 0


def test_a_form_with_parts_is_refused(db, stripe):
    answer = Client(raise_request_exception=False).post("/org/stripecallback", {"a": "b"}, headers={"Stripe-Signature": signed(b"")})
    assert answer.status_code == 400


def test_only_posts_are_taken(db, stripe):
    assert data(Client().get("/org/stripecallback"), 405)


def test_the_secret_that_follows_works_beside_the_old_one(db, stripe, settings):
    settings.STRIPE_WEBHOOK_SECRETS = ["whsec_new", WEBHOOK_SECRET]
    assert data(send(BODY)) == {"enabled": True, "message": "OK"}
    assert data(send(BODY, secret="whsec_new")) == {"enabled": True, "message": "OK"}
    assert StripeEvent.objects.count() == 1


def test_an_event_is_kept_as_it_came_but_for_secrets(db, stripe):
    sent = event(
        "checkout.session.completed", object="checkout.session", url="https://pay.example/secret", client_secret="cs_secret", n=[1.5]
    )
    data(deliver(sent))
    row = StripeEvent.objects.get()
    kept = json.loads(json.dumps(sent))
    kept["data"]["object"] |= {"url": "[removed]", "client_secret": "[removed]"}
    assert row.payload == kept
    assert (row.event_id, row.type, row.customer_id) == ("evt_1", "checkout.session.completed", "cus_1")
    assert row.happened == datetime.fromtimestamp(sent["created"], UTC)


def test_secrets_are_found_however_deep_and_nothing_else_is_touched():
    deep = {"a": [{"client_secret": "x", "url": "kept", "id": "pi_1"}], "object": "invoice", "text": "a\x00b", "client_secret": None}
    assert without_secrets(deep) == {
        "a": [{"client_secret": "[removed]", "url": "kept", "id": "pi_1"}], "object": "invoice", "text": "a\ufffdb", "client_secret": None,
    }  # fmt: skip


@pytest.mark.parametrize("statement", ["UPDATE billing_stripeevent SET type = 'x'", "DELETE FROM billing_stripeevent"])
def test_what_was_told_is_never_altered(db, stripe, statement):
    data(deliver(event()))
    with pytest.raises(DatabaseError, match="never altered"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
    assert StripeEvent.objects.get().type == "customer.subscription.updated"


def test_the_same_event_again_is_answered_alike_and_done_once(stripe, org, django_assert_num_queries):
    for _ in range(3):
        assert data(deliver(event())) == {"enabled": True, "message": "OK"}
    assert (StripeEvent.objects.count(), EventEffect.objects.count()) == (1, 1)
    assert EventEffect.objects.get().outcome == "stranger"
    assert act_on_event("evt_1") is False


def test_taking_an_event_costs_one_insert(db, stripe, django_assert_num_queries):
    with django_assert_num_queries(3):  # between a savepoint's two
        Client().post("/org/stripecallback", BODY, content_type="application/json", headers={"Stripe-Signature": signed(BODY)})


def test_what_is_about_nothing_of_ours_has_no_effect(db, stripe):
    data(deliver(event("payout.paid", customer="", id="evt_2")))
    data(deliver(event("customer.deleted", object="customer", id="evt_3")))
    assert dict(EventEffect.objects.values_list("event__event_id", "outcome")) == {"evt_2": "irrelevant", "evt_3": "stranger"}


def test_events_in_the_wrong_order_end_in_the_state_that_there_is(shop, buyer, subscribe, org, as_):
    account = subscribe(buyer)
    shop.use_portal(as_(buyer).post("/billing/getportalsession", {"plan": "business"}).json()["data"]["portal_session"]["url"])
    shop.use_portal(as_(buyer).post("/billing/getportalsession", {"cancel": True}).json()["data"]["portal_session"]["url"])
    shop.end(account.subscription_id)
    told = [one for one in shop.events() if one["type"].startswith(("customer.subscription.", "invoice.", "checkout."))]
    assert len(told) >= 6
    for one in reversed(told):
        data(deliver(one))
        assert plan_of(org) == ("free", 1_000), one["type"]
    account.refresh_from_db()
    assert (account.status, EventEffect.objects.filter(outcome="synced").count()) == ("canceled", len(told))
    names = list(Event.objects.filter(org=org, name__startswith="The plan is").order_by("pk").values_list("name", flat=True))
    assert names == ["The plan is Team now: up to 10,000 metrics", "The plan is Free now: up to 1,000 metrics"]


def test_a_stale_event_cannot_bring_back_what_has_ended(shop, buyer, subscribe, org):
    account = subscribe(buyer)
    active = next(one for one in shop.events() if one["type"] == "customer.subscription.created")
    shop.api("DELETE", f"subscriptions/{account.subscription_id}")
    data(deliver(active))
    assert plan_of(org) == ("free", 1_000)


def test_what_no_worker_took_is_acted_on_by_the_next_round(shop, buyer, subscribe, org):
    account = subscribe(buyer)
    shop.api("DELETE", f"subscriptions/{account.subscription_id}")
    body = event(customer=account.customer_id)
    Client().post(
        "/org/stripecallback", body, content_type="application/json", headers={"Stripe-Signature": signed(json.dumps(body).encode())}
    )
    assert (StripeEvent.objects.count(), EventEffect.objects.count(), plan_of(org)[0]) == (1, 0, "team")
    assert act_on_events() == 0  # its worker may still be at it
    later = timezone.now() + timedelta(seconds=30)
    assert intake.waiting(now=later) == ["evt_1"]
    assert intake.act_on("evt_1", now=later) is True
    assert (intake.waiting(now=later), plan_of(org)) == ([], ("free", 1_000))


def test_while_stripe_is_away_the_event_waits_and_nothing_changes(shop, buyer, subscribe, org):
    account = subscribe(buyer)
    shop.api("DELETE", f"subscriptions/{account.subscription_id}")
    row = StripeEvent.objects.create(
        event_id="evt_9", type="customer.subscription.deleted", customer_id=account.customer_id, happened=timezone.now(), payload={}
    )
    shop.trouble(status=500)
    with pytest.raises(Exception, match="does not answer"):
        intake.act_on("evt_9", now=timezone.now())
    assert (EventEffect.objects.filter(event=row).count(), plan_of(org)[0]) == (0, "team")
    shop.trouble()
    assert intake.act_on("evt_9", now=timezone.now()) is True
    assert plan_of(org)[0] == "free"


def test_lost_events_are_made_up_for_within_a_day(shop, buyer, subscribe, org):
    account = subscribe(buyer)
    shop.api("DELETE", f"subscriptions/{account.subscription_id}")
    assert (sync_accounts(), plan_of(org)[0]) == (0, "team")
    Account.objects.update(synced=timezone.now() - timedelta(days=1, minutes=1))
    assert (sync_accounts(), plan_of(org)[0]) == (1, "free")


def test_a_customer_who_was_deleted_has_nothing_any_more(shop, buyer, subscribe, org):
    account = subscribe(buyer)
    shop.api("DELETE", f"customers/{account.customer_id}")
    gone = event("customer.deleted")
    gone["data"]["object"] = {"id": account.customer_id, "object": "customer", "deleted": True}
    data(deliver(gone))
    account.refresh_from_db()
    assert (plan_of(org), account.status, account.customer_id) == (("free", 1_000), "", None)


def test_the_operators_choice_stays_while_there_is_no_subscription(shop, buyer, subscribe, org):
    account = subscribe(buyer)
    shop.api("DELETE", f"subscriptions/{account.subscription_id}")
    data(deliver(event(customer=account.customer_id)))
    Org.objects.filter(pk=org.pk).update(plan="business", metric_limit=70_000)
    data(deliver(event(customer=account.customer_id, id="evt_2")))
    assert plan_of(org) == ("business", 70_000)


def test_a_quota_that_an_operator_gave_holds_while_the_plan_does(shop, buyer, subscribe, org):
    account = subscribe(buyer)
    Org.objects.filter(pk=org.pk).update(metric_limit=12_345)
    data(deliver(event(customer=account.customer_id)))
    assert plan_of(org) == ("team", 12_345)


def test_it_works_as_the_role_that_the_product_connects_as(shop, buyer, subscribe, org):
    account = subscribe(buyer)
    shop.api("DELETE", f"subscriptions/{account.subscription_id}")
    with as_application():
        data(deliver(event(customer=account.customer_id)))
    assert (EventEffect.objects.get().outcome, plan_of(org)[0]) == ("synced", "free")


def test_no_secret_of_ours_is_in_the_log_or_the_database(shop, buyer, subscribe, caplog, settings):
    caplog.set_level("DEBUG")
    account = subscribe(buyer)
    data(deliver(event(customer=account.customer_id)))
    settings.STRIPE_SECRET_KEY = "sk_test_wrong"
    shop.trouble(status=401)
    with pytest.raises(Exception, match="refused"):
        intake._effect_of(StripeEvent.objects.get(), now=timezone.now())
    said = caplog.text + "".join(str(row) for row in StripeEvent.objects.values_list()) + str(Account.objects.values_list())
    assert (KEY in said, WEBHOOK_SECRET in said, "sk_test_wrong" in said) == (False, False, False)
    assert "asked Stripe for subscriptions" in caplog.text
