"""localstripe, with what it lacks, as a server of its own: `python -m tests.billing.stripe_server --port 8420`.

localstripe itself keeps customers, cards, products, plans, subscriptions, invoices and charges, declines the test cards that Stripe
declines, and delivers signed webhooks a second after each event. Added here, because it has none of it:

- prices (its plans, with a lookup key), and `price` and the period on subscription items, as in today's API; links to invoices;
- Checkout sessions and the customer portal, with pages on which a person pays, changes and cancels;
- the events `checkout.session.completed`, `customer.subscription.updated` and, for renewals, `invoice.payment_failed`;
- idempotency keys;
- time, which stands still there: `/_config/renew`, `/_config/end` and `/_config/give_up` do what a month does to a subscription;
- trouble on demand: `/_config/trouble` delays or fails what is asked under /v1/.
"""

import argparse
import asyncio
import html
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

from aiohttp import web
from localstripe import resources, webhooks
from localstripe.errors import UserError, json_response
from localstripe.resources import Customer, Event, Invoice, List, PaymentMethod, Plan, StripeObject, Subscription, SubscriptionItem
from localstripe.server import app, get_post_data, unflatten_data
from localstripe.webhooks import schedule_webhook

resources.Store.dump_to_disk = lambda self: None  # localstripe would keep everything in one file for the whole machine
state = SimpleNamespace(base="", delay_s=0.0, status=0, answers={}, on_the_way=0)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


send_webhook = webhooks._send_webhook


async def counted(event: Event) -> None:
    state.on_the_way += 1
    try:
        await send_webhook(event)
    finally:
        state.on_the_way -= 1


webhooks._send_webhook = counted

# Prices.


def price_of(plan: Plan) -> dict[str, Any]:
    return {
        "id": plan.id, "object": "price", "active": plan.active, "created": plan.created, "currency": plan.currency, "livemode": False,
        "lookup_key": getattr(plan, "lookup_key", None), "metadata": plan.metadata, "nickname": plan.nickname, "product": plan.product,
        "recurring": {"interval": plan.interval, "interval_count": plan.interval_count, "usage_type": "licensed"}, "type": "recurring",
        "unit_amount": plan.amount,
    }  # fmt: skip


def plans() -> list[Plan]:
    return [one for one in resources.store.values() if isinstance(one, Plan)]


async def create_price(request: web.Request) -> web.Response:
    said = await get_post_data(request)
    key, takes = said.get("lookup_key"), said.get("transfer_lookup_key") == "true"
    holder = next((one for one in plans() if key and getattr(one, "lookup_key", None) == key), None)
    if holder is not None and not takes:
        raise UserError(400, f"A price with lookup key {key} already exists.")
    made = Plan(
        id=f"price_{resources.random_id(14)}", amount=said["unit_amount"], currency=said["currency"], product=said["product"],
        interval=said["recurring"]["interval"], metadata=said.get("metadata"), nickname=said.get("nickname"),
    )  # fmt: skip
    if holder is not None:
        holder.lookup_key = None
    made.lookup_key = key
    return json_response(price_of(made))


async def list_prices(request: web.Request) -> web.Response:
    said = unflatten_data(request.query)
    keys = said.get("lookup_keys")
    found = [price_of(one) for one in plans() if one.active and (keys is None or getattr(one, "lookup_key", None) in keys)]
    return json_response({"object": "list", "data": found, "has_more": False, "url": "/v1/prices"})


async def retrieve_price(request: web.Request) -> web.Response:
    return json_response(price_of(Plan._api_retrieve(request.match_info["id"])))


SubscriptionItem.price = property(lambda self: price_of(self.plan))
SubscriptionItem.current_period_start = property(lambda self: self._current_period()["start"])
SubscriptionItem.current_period_end = property(lambda self: self._current_period()["end"])
Invoice.number = property(lambda self: f"PL-{self.id[-6:].upper()}")
Invoice.invoice_pdf = property(lambda self: f"{state.base}/_config/invoices/{self.id}.pdf")
Invoice.hosted_invoice_url = property(lambda self: f"{state.base}/_config/invoices/{self.id}")


# What happens to a subscription is told.


def told(method: Callable[..., Any]) -> Callable[..., Any]:
    def and_tell(self: Subscription, *args: Any) -> Any:
        before = self.status
        done = method(self, *args)
        if self.status != before and before != "incomplete":
            schedule_webhook(Event("customer.subscription.updated", self))
        return done

    return and_tell


for name in ("_on_initial_payment_success", "_on_recurring_payment_failure", "_on_initial_payment_voided"):
    setattr(Subscription, name, told(getattr(Subscription, name)))


def update_subscription(cls: type[Subscription], id: str, **data: Any) -> Subscription:
    for item in data.get("items") or []:
        item["plan"] = item.pop("price", None) or item.get("plan")
    found = cls._api_retrieve(id)
    found._update(**data)
    schedule_webhook(Event("customer.subscription.updated", found))
    return found


Subscription._api_update = classmethod(update_subscription)


# Checkout.


class CheckoutSession(StripeObject):
    object = "checkout.session"
    _id_prefix = "cs_test_"

    def __init__(self, said: dict[str, Any]) -> None:
        Customer._api_retrieve(said["customer"])
        plan = Plan._api_retrieve(said["line_items"][0]["price"])
        super().__init__()
        self.customer, self.mode, self._plan = said["customer"], said["mode"], plan
        self.success_url, self.cancel_url = said["success_url"], said["cancel_url"]
        self.client_reference_id, self.metadata = said.get("client_reference_id"), said.get("metadata") or {}
        self._subscription_metadata = (said.get("subscription_data") or {}).get("metadata") or {}
        self.status, self.payment_status, self.subscription, self.client_secret = "open", "unpaid", None, "cs_secret_of_this_page"

    @property
    def url(self) -> str | None:
        return f"{state.base}/_config/pay/{self.id}" if self.status == "open" else None

    def _pay(self, card: str) -> None:
        use_card(self.customer, card, must_pay=True)
        made = Subscription._api_create(customer=self.customer, items=[{"plan": self._plan.id}], metadata=self._subscription_metadata)
        self.subscription, self.status, self.payment_status = made.id, "complete", "paid"
        schedule_webhook(Event("checkout.session.completed", self))


def use_card(customer: str, card: str, *, must_pay: bool = False) -> None:
    """From now on the customer pays with this card. Raises UserError for one that is declined."""
    method = PaymentMethod(type="card", card={"number": card.replace(" ", ""), "exp_month": "12", "exp_year": "2032", "cvc": "123"})
    if must_pay and method._charging_is_declined():
        raise UserError(402, "Your card was declined.")
    PaymentMethod._api_attach(method.id, customer=customer)
    Customer._api_update(customer, invoice_settings={"default_payment_method": method.id})


async def create_checkout(request: web.Request) -> web.Response:
    return json_response(CheckoutSession(await get_post_data(request))._export())


async def retrieve_checkout(request: web.Request) -> web.Response:
    return json_response(CheckoutSession._api_retrieve(request.match_info["id"])._export())


async def expire_checkout(request: web.Request) -> web.Response:
    found = CheckoutSession._api_retrieve(request.match_info["id"])
    if found.status != "open":
        raise UserError(400, "Only Checkout Sessions with a status in [open] can be expired.")
    found.status = "expired"
    return json_response(found._export())


def page(title: str, body: str, status: int = 200) -> web.Response:
    head = f'<meta charset="utf-8"><link rel="icon" href="data:,"><title>{title}</title>'
    text = f'<!doctype html><html lang="en">{head}<h1>{title}</h1>{body}</html>'
    return web.Response(text=text, content_type="text/html", status=status)


CARD = '<label>Card <input name="card" value="4242 4242 4242 4242"></label>'


async def pay_page(request: web.Request) -> web.Response:
    found = CheckoutSession._api_retrieve(request.match_info["id"])
    if found.status != "open":
        return page("This page is no longer open", "")
    said = ""
    if request.method == "POST":
        try:
            found._pay(str((await request.post())["card"]))
        except UserError as exc:
            said = f"<p role=alert>{exc.body['error']['message']}</p>"
        else:
            raise web.HTTPSeeOther(found.success_url.replace("{CHECKOUT_SESSION_ID}", found.id))
    form = f'<form method="post">{CARD}<button>Subscribe</button></form><a href="{html.escape(found.cancel_url)}">Back</a>'
    return page(f"Pay {found._plan.amount / 100:.2f}", said + form, 402 if said else 200)


# The portal.


class PortalConfiguration(StripeObject):
    object = "billing_portal.configuration"
    _id_prefix = "bpc_"

    def __init__(self, said: dict[str, Any]) -> None:
        super().__init__()
        self.active, self.is_default = True, False
        self.features, self.metadata = said["features"], said.get("metadata") or {}
        self.business_profile = said.get("business_profile") or {}


class PortalSession(StripeObject):
    object = "billing_portal.session"
    _id_prefix = "bps_"

    def __init__(self, said: dict[str, Any]) -> None:
        Customer._api_retrieve(said["customer"])
        if "configuration" in said:
            PortalConfiguration._api_retrieve(said["configuration"])
        super().__init__()
        self.customer, self.return_url, self.flow = said["customer"], said["return_url"], said.get("flow_data")
        self.configuration = said.get("configuration")

    @property
    def url(self) -> str:
        return f"{state.base}/_config/portal/{self.id}"

    @property
    def _subscription(self) -> Subscription:
        found = Subscription._api_list_all("", customer=self.customer)._list
        return found[-1]


def created(cls: type) -> Handler:
    async def create(request: web.Request) -> web.Response:
        return json_response(cls(await get_post_data(request))._export())

    return create


async def list_configurations(request: web.Request) -> web.Response:
    found = [one._export() for one in resources.store.values() if isinstance(one, PortalConfiguration)]
    return json_response({"object": "list", "data": found, "has_more": False, "url": "/v1/billing_portal/configurations"})


async def update_configuration(request: web.Request) -> web.Response:
    found = PortalConfiguration._api_retrieve(request.match_info["id"])
    found.features = (await get_post_data(request))["features"]
    return json_response(found._export())


async def portal_page(request: web.Request) -> web.Response:
    found = PortalSession._api_retrieve(request.match_info["id"])
    flow = found.flow or {"type": "everything"}
    if request.method == "POST":
        do_in_portal(found, await request.post())
        raise web.HTTPSeeOther(found.return_url)
    buttons = {
        "subscription_update_confirm": "Confirm the change",
        "subscription_cancel": "Cancel the plan",
        "payment_method_update": "Save",
    }
    card = CARD if flow["type"] in ("payment_method_update", "everything") else ""
    button = f"<button>{buttons.get(flow['type'], 'Save')}</button>"
    return page("Portal", f'<form method="post">{card}{button}</form><a href="{html.escape(found.return_url)}">Back</a>')


def do_in_portal(visit: PortalSession, said: Any) -> None:
    """What the person does there. `resume` takes a cancellation back."""
    flow = visit.flow or {"type": ""}
    if flow["type"] == "subscription_update_confirm":
        change = flow["subscription_update_confirm"]
        Subscription._api_update(change["subscription"], items=[dict(item) for item in change["items"]])
    elif flow["type"] == "subscription_cancel":
        Subscription._api_update(flow["subscription_cancel"]["subscription"], cancel_at_period_end=True)
    elif said.get("resume"):
        Subscription._api_update(visit._subscription.id, cancel_at_period_end=False)
    elif said.get("card"):
        use_card(visit.customer, said["card"])
        for invoice in Invoice._api_list_all("", customer=visit.customer)._list:
            if invoice.status == "open":
                Invoice._api_pay_invoice(invoice.id)


# Time.


async def renew(request: web.Request) -> web.Response:
    """A month has passed: the next one is charged."""
    found = Subscription._api_retrieve(request.match_info["id"])
    found.start_date = found.current_period_end
    found._create_invoice()
    if found.status == "past_due":
        schedule_webhook(Event("invoice.payment_failed", Invoice._api_retrieve(found.latest_invoice)))
    else:
        schedule_webhook(Event("customer.subscription.updated", found))
    return json_response(found._export())


async def end(request: web.Request) -> web.Response:
    """The month of a cancelled subscription is over."""
    found = Subscription._api_retrieve(request.match_info["id"])
    if not found.cancel_at_period_end:
        raise UserError(400, "It was not cancelled.")
    return json_response(Subscription._api_delete(found.id)._export())


async def give_up(request: web.Request) -> web.Response:
    """The last try to charge has failed."""
    found = Subscription._api_retrieve(request.match_info["id"])
    found.status = "unpaid"
    schedule_webhook(Event("customer.subscription.updated", found))
    return json_response(found._export())


# Trouble, and what is asked twice.


async def make_trouble(request: web.Request) -> web.Response:
    said = await request.json()
    state.delay_s, state.status = float(said.get("delay_s", 0)), int(said.get("status", 0))
    return web.Response()


@web.middleware
async def with_trouble(request: web.Request, handler: Handler) -> web.StreamResponse:
    if request.path.startswith("/v1/"):
        await asyncio.sleep(state.delay_s)
        if state.status:
            raise UserError(state.status, "The trouble that was asked for.")
    return await handler(request)


@web.middleware
async def once(request: web.Request, handler: Handler) -> web.StreamResponse:
    key = (request.path, request.headers.get("Idempotency-Key"))
    if request.method != "POST" or key[1] is None or not request.path.startswith("/v1/"):
        return await handler(request)
    if key not in state.answers:
        answer = await handler(request)
        state.answers[key] = answer.text  # type: ignore[attr-defined]
        return answer
    return web.Response(text=state.answers[key], content_type="application/json")


@web.middleware
async def flush_too(request: web.Request, handler: Handler) -> web.StreamResponse:
    if request.path == "/_config/data":
        state.answers, state.delay_s, state.status = {}, 0.0, 0
        webhooks._webhooks.clear()
    return await handler(request)


async def events(request: web.Request) -> web.Response:
    """Every event there was, oldest first, whole: what a test delivers again."""
    found = List("/_config/events", limit=1000)
    found._list = [one for one in resources.store.values() if isinstance(one, Event)]
    return json_response(found._export())


async def on_the_way(request: web.Request) -> web.Response:
    """How many events are still being delivered."""
    return json_response(state.on_the_way)


ROUTES = [
    web.post("/v1/prices", create_price), web.get("/v1/prices", list_prices), web.get("/v1/prices/{id}", retrieve_price),
    web.post("/v1/checkout/sessions", create_checkout), web.get("/v1/checkout/sessions/{id}", retrieve_checkout),
    web.post("/v1/checkout/sessions/{id}/expire", expire_checkout),
    web.post("/v1/billing_portal/sessions", created(PortalSession)),
    web.post("/v1/billing_portal/configurations", created(PortalConfiguration)),
    web.get("/v1/billing_portal/configurations", list_configurations),
    web.post("/v1/billing_portal/configurations/{id}", update_configuration),
    web.get("/_config/pay/{id}", pay_page), web.post("/_config/pay/{id}", pay_page),
    web.get("/_config/portal/{id}", portal_page), web.post("/_config/portal/{id}", portal_page),
    web.post("/_config/renew/{id}", renew), web.post("/_config/end/{id}", end), web.post("/_config/give_up/{id}", give_up),
    web.post("/_config/trouble", make_trouble), web.get("/_config/events", events),
    web.get("/_config/on_the_way", on_the_way),
]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=8420)
    port = parser.parse_args().port
    state.base = f"http://localhost:{port}"
    app.middlewares.extend([flush_too, with_trouble, once])
    app.add_routes(ROUTES)
    web.run_app(app, host="127.0.0.1", port=port, print=None, access_log=None)


if __name__ == "__main__":
    main()
