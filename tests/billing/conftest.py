"""A Stripe to talk to over HTTP, in a process of its own: see stripe_server.py for what of it is localstripe's and what was added."""

import hashlib
import hmac
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from django.core.management import call_command
from django.test import Client, TestCase

from accounts.models import User
from billing.models import Account
from config.environment import BASE_DIR
from orgs.models import Org
from tests import factories
from tests.product import free_port, wait_until
from tests.session_api.conftest import api, as_, as_org, demo  # noqa: F401  clients of the session API

KEY, WEBHOOK_SECRET = "sk_test_canary5f3a", "whsec_canary8b1d"
GOOD_CARD, FAILING_CARD = "4242424242424242", "4000000000000341"


class LocalStripe:
    """What a person does on Stripe's pages, and what time does to a subscription."""

    def __init__(self, url: str) -> None:
        self.url = url

    def config(self, path: str, body: Any = None) -> Any:
        answer = requests.post(f"{self.url}/_config/{path}", json=body, timeout=240)
        assert answer.status_code == 200, answer.text
        return answer

    def api(self, method: str, path: str, **data: Any) -> dict[str, Any]:
        answer = requests.request(method, f"{self.url}/v1/{path}", data=data, auth=(KEY, ""), timeout=240)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def pay(self, page_url: str, card: str = GOOD_CARD) -> requests.Response:
        """Sends the form of a payment page; where the browser is sent next is in the answer's Location."""
        return requests.post(page_url, data={"card": card}, allow_redirects=False, timeout=240)

    def use_portal(self, url: str, **said: str) -> str:
        """Does what the portal's page offers; the address it sends back to."""
        answer = requests.post(url, data=said, allow_redirects=False, timeout=240)
        assert answer.status_code == 303, answer.text
        return answer.headers["Location"]

    def renew(self, subscription_id: str) -> None:
        self.config(f"renew/{subscription_id}")

    def end(self, subscription_id: str) -> None:
        self.config(f"end/{subscription_id}")

    def give_up(self, subscription_id: str) -> None:
        self.config(f"give_up/{subscription_id}")

    def trouble(self, *, delay_s: float = 0, status: int = 0) -> None:
        self.config("trouble", {"delay_s": delay_s, "status": status})

    def deliver_to(self, url: str) -> None:
        """Real webhooks from now on, sent and signed by localstripe."""
        self.config("webhooks/ours", {"url": f"{url}/org/stripecallback", "secret": WEBHOOK_SECRET})

    def is_quiet(self) -> bool:
        """Whether every event has been delivered, and what came of it is done."""
        return requests.get(f"{self.url}/_config/on_the_way", timeout=240).json() == 0

    def events(self) -> list[dict[str, Any]]:
        """All there were, oldest first."""
        return requests.get(f"{self.url}/_config/events", timeout=240).json()["data"]


def signed(body: bytes, *, secret: str = WEBHOOK_SECRET, at: float | None = None) -> str:
    """The header Stripe-Signature for a body."""
    seconds = int(time.time() if at is None else at)
    return f"t={seconds},v1={hmac.new(secret.encode(), b'%d.%s' % (seconds, body), hashlib.sha256).hexdigest()}"


def deliver(event: dict[str, Any], **signature: Any) -> Any:
    """The answer to an event that is delivered by hand, signed now; what it orders on commit is done."""
    return send(json.dumps(event).encode(), **signature)


def send(body: bytes, **signature: Any) -> Any:
    with TestCase.captureOnCommitCallbacks(execute=True):
        return Client(raise_request_exception=False).post(
            "/org/stripecallback", body, content_type="application/json", headers={"Stripe-Signature": signed(body, **signature)}
        )


@pytest.fixture(scope="session")
def stripe_process() -> Iterator[LocalStripe]:
    port = free_port()
    command = [sys.executable, "-m", "tests.billing.stripe_server", "--port", str(port)]
    process = subprocess.Popen(command, cwd=BASE_DIR, stdout=subprocess.DEVNULL)
    found = LocalStripe(f"http://localhost:{port}")
    wait_until(lambda: _listens(found.url), what="localstripe answers")
    yield found
    process.kill()
    process.wait()


def _listens(url: str) -> bool:
    try:
        return requests.get(f"{url}/_config/events", timeout=60).status_code == 200
    except requests.ConnectionError:
        return False


@pytest.fixture
def stripe(stripe_process: LocalStripe, settings) -> Iterator[LocalStripe]:
    """An empty Stripe that this installation has a key for, without a price."""
    requests.delete(f"{stripe_process.url}/_config/data", timeout=240)
    settings.STRIPE_SECRET_KEY, settings.STRIPE_WEBHOOK_SECRETS = KEY, [WEBHOOK_SECRET]
    settings.STRIPE_API_BASE = stripe_process.url
    yield stripe_process
    requests.delete(f"{stripe_process.url}/_config/data", timeout=240)


@pytest.fixture
def shop(stripe: LocalStripe) -> LocalStripe:
    """With what the plans need there."""
    call_command("stripe_setup", verbosity=0)
    return stripe


@pytest.fixture
def connected(shop: LocalStripe, live_server) -> Iterator[LocalStripe]:
    """Its webhooks reach this product, over HTTP. Ends when all have been dealt with."""
    wait_until(shop.is_quiet, what="the events of the set-up are out")
    shop.deliver_to(live_server.url)
    yield shop
    wait_until(shop.is_quiet, what="all events were dealt with")


@pytest.fixture
def buyer(org: Org) -> User:
    """An admin of an org on the plan Free."""
    Org.objects.filter(pk=org.pk).update(plan="free", metric_limit=1000)
    org.refresh_from_db()
    return factories.make_user(org, "Bea Buyer", role="admin")


@pytest.fixture
def subscribe(shop: LocalStripe, as_) -> Callable[..., Account]:  # noqa: F811
    """Buys a plan as a person does, without any webhook; the org's account."""

    def do(person: User, plan: str = "team") -> Account:
        page = as_(person).post("/billing/getcheckoutsession", {"plan": plan}).json()["data"]["checkout_session"]
        back = shop.pay(page["url"]).headers["Location"]
        answer = as_(person).get("/billing/checkoutcallback", {"checkout_session_id": back.rpartition("=")[2]})
        assert answer.status_code == 200, answer.content
        return Account.objects.get(org=person.org_id)

    return do


def plan_of(org: Org) -> tuple[str, int]:
    org.refresh_from_db()
    return org.plan, org.metric_limit
