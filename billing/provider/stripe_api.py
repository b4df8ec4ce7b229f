"""Stripe, by its own client. What comes back is read here and goes on in our words; where its objects go no further is here too.

Subscriptions are always read anew and never taken from an event, so neither the order of events nor the version of their form matters.
"""

import json
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final

import stripe

from billing.plans import METADATA_KEY, Plan, plan_priced
from billing.provider.interface import (
    BadNotice,
    Buyer,
    Invoice,
    Notice,
    Order,
    PaymentPage,
    ProviderAway,
    Subscribed,
    UnknownCustomer,
    Visit,
)
from billing.provider.secrets import without_secrets
from orgs.errors import NotFound

log = logging.getLogger(__name__)
stripe.enable_telemetry = False

TIMEOUT_S: Final = (3.05, 8.0)  # to connect, to answer
RETRIES: Final = 1
# Older signatures are refused: somebody may be sending again what they have listened to.
TOLERANCE_S: Final = 300
# Which of a customer's subscriptions counts: one that is paid, then one that may still be, then the newest.
RANK: Final = {"active": 0, "trialing": 0, "past_due": 1, "unpaid": 2, "paused": 3, "incomplete": 4}
# By which our configuration of the portal is found among others.
PORTAL_MARK: Final = "plumbline"

Found = Mapping[str, Any]


class StripeProvider:
    """One installation's account at Stripe."""

    is_enabled = True

    def __init__(self, *, key: str, webhook_secrets: tuple[str, ...], api_base: str) -> None:
        transport = stripe.RequestsClient(timeout=TIMEOUT_S)
        self.client = stripe.StripeClient(
            key, base_addresses={"api": api_base.rstrip("/")}, http_client=transport, max_network_retries=RETRIES
        )
        self.webhook_secrets = webhook_secrets

    def make_customer(self, buyer: Buyer) -> str:
        known = {"name": buyer.org_name, "email": buyer.email, "metadata": {"org_id": str(buyer.org_id)}}
        with asking("to make a customer"):
            return self.client.v1.customers.create(known, {"idempotency_key": buyer.key}).id  # type: ignore[arg-type]  # a plain dict of theirs

    def open_payment_page(self, order: Order) -> PaymentPage:
        wanted: dict[str, Any] = {
            "mode": "subscription",
            "customer": order.customer_id,
            "line_items": [{"price": self.price_id(order.plan), "quantity": 1}],
            "success_url": order.done_url,
            "cancel_url": order.return_url,
            "client_reference_id": str(order.org_id),
            "metadata": {METADATA_KEY: order.plan.code, "return_url": order.return_url},
            "subscription_data": {"metadata": {"org_id": str(order.org_id)}},
        }
        with _naming_a_customer(), asking("for a payment page"):
            return _page(self.client.v1.checkout.sessions.create(wanted).to_dict())  # type: ignore[arg-type]  # as above

    def payment_page(self, page_id: str) -> PaymentPage:
        try:
            with asking("for a payment page"):
                return _page(self.client.v1.checkout.sessions.retrieve(page_id).to_dict())
        except _Missing as exc:
            raise NotFound("There is no such payment page.") from exc

    def close_payment_page(self, page_id: str) -> None:
        with asking("to close a payment page"):
            self.client.v1.checkout.sessions.expire(page_id)

    def portal_url(self, visit: Visit) -> str:
        wanted: dict[str, Any] = {"customer": visit.customer_id, "return_url": visit.return_url, **self._flow(visit)}
        if configuration := self.portal_configuration():
            wanted["configuration"] = configuration
        with _naming_a_customer(), asking("for the portal"):
            return str(self.client.v1.billing_portal.sessions.create(wanted).url)  # type: ignore[arg-type]  # as above

    def _flow(self, visit: Visit) -> dict[str, Any]:
        """Straight to the one thing that the customer wants to do, and back when it is done."""
        done = {"after_completion": {"type": "redirect", "redirect": {"return_url": visit.return_url}}}
        if visit.plan is not None:
            item = {"id": self._item_id(visit.subscription_id), "price": self.price_id(visit.plan), "quantity": 1}
            change = {"subscription": visit.subscription_id, "items": [item]}
            return {"flow_data": {"type": "subscription_update_confirm", "subscription_update_confirm": change, **done}}
        if visit.cancels:
            return {"flow_data": {"type": "subscription_cancel", "subscription_cancel": {"subscription": visit.subscription_id}, **done}}
        if visit.pays:
            return {"flow_data": {"type": "payment_method_update", **done}}
        return {}

    def _item_id(self, subscription_id: str) -> str:
        with asking("for a subscription"):
            return str(_first_item(self.client.v1.subscriptions.retrieve(subscription_id).to_dict())["id"])

    def price_id(self, plan: Plan) -> str:
        """The price that new customers of the plan pay. Raises ProviderAway when the operator has not made it yet."""
        with asking("for prices"):
            found = self.client.v1.prices.list({"lookup_keys": [plan.lookup_key], "active": True, "limit": 1}).data
        if not found:
            raise ProviderAway(f"There is no price for the plan {plan.name} yet: the operator makes it with `manage.py stripe_setup`.")
        return str(found[0].id)

    def portal_configuration(self) -> str:
        """Ours; empty where the operator has made none, and Stripe's own default applies."""
        with asking("for the portal's configurations"):
            found = self.client.v1.billing_portal.configurations.list({"active": True, "limit": 100}).data
        return next((str(one.id) for one in found if PORTAL_MARK in (one.metadata or {})), "")

    def invoices(self, customer_id: str, *, limit: int) -> list[Invoice]:
        with _naming_a_customer(), asking("for invoices"):
            found = self.client.v1.invoices.list({"customer": customer_id, "limit": limit}).to_dict()["data"]
        return [_invoice(one) for one in found if one["status"] != "draft"]

    def subscription(self, customer_id: str) -> Subscribed | None:
        with _naming_a_customer(), asking("for subscriptions"):
            found = self.client.v1.subscriptions.list({"customer": customer_id, "status": "all", "limit": 100}).to_dict()["data"]
        if sum(RANK.get(one["status"], 9) == 0 for one in found) > 1:
            log.warning("customer %s pays for more than one subscription", customer_id)
        ranked = sorted(found, key=lambda one: (RANK.get(one["status"], 9), -one["created"]))
        return _subscribed(ranked[0]) if ranked else None

    def notice(self, body: bytes, signature: str) -> Notice:
        try:
            text = body.decode()
        except UnicodeDecodeError as exc:
            raise BadNotice("The body is no text in UTF-8.") from exc
        if not any(_is_signed(text, signature, secret) for secret in self.webhook_secrets):
            raise BadNotice("The header Stripe-Signature is missing, wrong, or older than five minutes.")
        return _notice(text)


class _Missing(ProviderAway):
    """Stripe has no such thing. Where that is no answer that is expected, it is the provider's failure to do what it should."""


@contextmanager
def asking(what: str) -> Iterator[None]:
    """Turns Stripe's errors into ours; what they say goes to the log, never to people."""
    try:
        yield
    except stripe.StripeError as exc:
        missing = exc.http_status == 404 or exc.code == "resource_missing"
        said, level = " ".join(str(exc.user_message).split())[:300], logging.INFO if missing else logging.WARNING
        log.log(level, "asked Stripe %s: %s %s %s (request %s)", what, type(exc).__name__, exc.http_status, said, exc.request_id)
        if missing:
            raise _Missing("The payment provider does not know what this is about. The operator finds the reason in the log.") from exc
        if isinstance(exc, stripe.APIConnectionError | stripe.APIError | stripe.RateLimitError):
            raise ProviderAway("The payment provider does not answer at the moment. Nothing was changed; try again shortly.") from exc
        refusal = "The payment provider refused what we asked it. The operator finds the reason in the log."
        raise ProviderAway(refusal, retry_after_s=60) from exc


def found_or_none(what: str, ask: Callable[[], str]) -> str | None:
    """What is asked for, None when Stripe has no such thing."""
    try:
        with asking(what):
            return ask()
    except _Missing:
        return None


@contextmanager
def _naming_a_customer() -> Iterator[None]:
    try:
        yield
    except _Missing as exc:
        raise UnknownCustomer from exc


def _is_signed(text: str, signature: str, secret: str) -> bool:
    try:
        stripe.WebhookSignature.verify_header(text, signature, secret, TOLERANCE_S)
    except stripe.SignatureVerificationError:
        return False
    return True


def _notice(text: str) -> Notice:
    try:
        said = json.loads(text)
        about = said.get("data", {}).get("object", {})
        happened = datetime.fromtimestamp(int(said["created"]), UTC)
        found = Notice(str(said["id"])[:255], str(said["type"])[:255], _customer_of(about), happened, without_secrets(said))
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, OSError) as exc:
        raise BadNotice("The body is no event of Stripe.") from exc
    return found


def _customer_of(about: Found) -> str:
    """Of the object of an event: itself, or whose it is."""
    named = about.get("id") if about.get("object") == "customer" else about.get("customer")
    return _id(named)[:255]


def _id(named: Any) -> str:
    """The id of what is named by it or comes whole."""
    return str((named.get("id") if isinstance(named, Mapping) else named) or "")


def _page(found: Found) -> PaymentPage:
    metadata = found.get("metadata") or {}
    return PaymentPage(
        id=str(found["id"]),
        url=str(found.get("url") or ""),
        customer_id=_id(found.get("customer")),
        plan_code=str(metadata.get(METADATA_KEY, "")),
        return_url=str(metadata.get("return_url", "")),
        is_open=found.get("status") == "open",
        is_paid=found.get("status") == "complete",
    )


def _invoice(found: Found) -> Invoice:
    return Invoice(
        id=str(found["id"]),
        number=str(found.get("number") or ""),
        created=datetime.fromtimestamp(found["created"], UTC),
        amount=int(found["total"]),
        currency=str(found["currency"]),
        status=str(found["status"]),
        pdf_url=str(found.get("invoice_pdf") or ""),
        page_url=str(found.get("hosted_invoice_url") or ""),
    )


def _first_item(subscription: Found) -> Found:
    item: Found = subscription["items"]["data"][0]
    return item


def _subscribed(found: Found) -> Subscribed:
    item = _first_item(found)
    price = item["price"]
    plan = plan_priced(
        metadata_code=str((price.get("metadata") or {}).get(METADATA_KEY, "")), lookup_key=str(price.get("lookup_key") or "")
    )
    period_end = _moment(item.get("current_period_end"))
    return Subscribed(
        id=str(found["id"]),
        status=str(found["status"]),
        plan_code=plan.code if plan else "",
        price_id=str(price["id"]),
        created=datetime.fromtimestamp(found["created"], UTC),
        period_end=period_end,
        ends=_moment(found.get("cancel_at")) or (period_end if found.get("cancel_at_period_end") else None),
    )


def _moment(seconds: int | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
