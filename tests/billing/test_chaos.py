"""Events twice at once, in any order, and a process that dies between keeping an event and acting on it: the end is always the same."""

import json
import os
import random
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import requests
from django.db import connection
from django.utils import timezone

from billing import intake
from billing.models import Account, EventEffect, StripeEvent
from config.environment import BASE_DIR
from orgs import wall
from orgs.models import Event
from tests.billing.conftest import KEY, WEBHOOK_SECRET, plan_of, signed
from tests.product import wait_until

pytestmark = pytest.mark.django_db(transaction=True)


def post(url: str, event: dict) -> int:
    body = json.dumps(event).encode()
    headers = {"Stripe-Signature": signed(body), "Content-Type": "application/json"}
    return requests.post(f"{url}/org/stripecallback", body, headers=headers, timeout=240).status_code


def a_life(shop, buyer, subscribe, as_) -> list[dict]:
    """Bought, changed, cancelled, over: the events of it, of which this product has heard none."""
    account, client = subscribe(buyer), as_(buyer)
    for said in ({"plan": "business"}, {"cancel": True}):
        shop.use_portal(client.post("/billing/getportalsession", said).json()["data"]["portal_session"]["url"])
    shop.end(account.subscription_id)
    return [one for one in shop.events() if one["type"].startswith(("customer.subscription.", "invoice.", "checkout."))]


def test_an_event_that_comes_many_times_at_once_is_acted_on_once(shop, buyer, subscribe, as_, org, live_server):
    told = a_life(shop, buyer, subscribe, as_)[-1]
    assert plan_of(org)[0] == "team"
    with ThreadPoolExecutor(8) as threads:
        statuses = list(threads.map(lambda _: post(live_server.url, told), range(8)))
    assert statuses == [200] * 8
    assert (StripeEvent.objects.count(), EventEffect.objects.count()) == (1, 1)
    assert plan_of(org) == ("free", 1_000)
    assert Event.objects.filter(org=org, name="The plan is Free now: up to 1,000 metrics").count() == 1


@pytest.mark.parametrize("seed", [1, 2])
def test_a_whole_life_twice_shuffled_and_at_once_ends_as_it_ended(shop, buyer, subscribe, as_, org, live_server, seed):
    told = a_life(shop, buyer, subscribe, as_) * 2
    random.Random(seed).shuffle(told)
    with ThreadPoolExecutor(4) as threads:
        statuses = set(threads.map(lambda one: post(live_server.url, one), told))
    assert statuses == {200}
    account = Account.objects.get()
    assert (plan_of(org), account.status, account.is_live) == (("free", 1_000), "canceled", False)
    assert StripeEvent.objects.count() == EventEffect.objects.filter(outcome="synced").count() == len(told) // 2
    assert Event.objects.filter(org=org, name="The plan is Free now: up to 1,000 metrics").count() == 1


def start_worker(shop, event_id: str) -> subprocess.Popen[bytes]:
    """A process of its own on the database of this test, in the product's role."""
    held = connection.settings_dict
    address = f"postgresql://{wall.role()}@/{held['NAME']}?host={held['HOST']}&port={held['PORT']}"
    stripe = {"STRIPE_SECRET_KEY": KEY, "STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET, "STRIPE_API_BASE": shop.url}
    command = [sys.executable, "-m", "tests.billing.worker", event_id]
    return subprocess.Popen(command, cwd=BASE_DIR, env={**os.environ, "DATABASE_URL": address, **stripe})


def is_locked(account: Account) -> bool:
    """Whether somebody holds the account's row."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM billing_account WHERE id = %s FOR UPDATE SKIP LOCKED", [account.pk])
        return cursor.fetchone() is None


def test_who_dies_between_keeping_and_acting_leaves_it_to_the_next(shop, buyer, subscribe, as_, org):
    account = subscribe(buyer)
    shop.api("DELETE", f"subscriptions/{account.subscription_id}")
    told = next(one for one in shop.events() if one["type"] == "customer.subscription.deleted")
    row = StripeEvent.objects.create(
        event_id=told["id"], type=told["type"], customer_id=account.customer_id, happened=timezone.now(), payload=told
    )
    shop.trouble(delay_s=300)
    worker = start_worker(shop, row.event_id)
    try:
        wait_until(lambda: is_locked(account), what="the worker is at it and waits for Stripe")
    finally:
        worker.send_signal(signal.SIGKILL)
        worker.wait()
        shop.trouble()
    wait_until(lambda: not is_locked(account), what="the database has let go")
    assert (EventEffect.objects.count(), plan_of(org)) == (0, ("team", 10_000))

    later = timezone.now() + timedelta(minutes=1)
    assert intake.waiting(now=later) == [row.event_id]
    again = start_worker(shop, row.event_id)
    assert again.wait(240) == 0
    assert (intake.waiting(now=later), EventEffect.objects.get().outcome, plan_of(org)) == ([], "synced", ("free", 1_000))
