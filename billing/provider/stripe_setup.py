"""What Stripe has to have before anybody can buy: a product and a price per plan, and a portal in which plans can be changed."""

from collections.abc import Iterator, Sequence
from typing import Any

from billing.plans import CURRENCY, METADATA_KEY, Plan
from billing.provider.stripe_api import PORTAL_MARK, StripeProvider, asking, found_or_none


def set_up(provider: StripeProvider, plans: Sequence[Plan]) -> Iterator[str]:
    """Makes what is missing or differs, and says so line by line. Who has a subscription keeps their price."""
    prices = []
    for plan in plans:
        product = _product(provider, plan)
        price, is_new = _price(provider, plan, product)
        prices.append({"product": product, "prices": [price]})
        yield f"{plan.name}: {plan.amount / 100:.2f} {CURRENCY.upper()} a month is {price}{' (new)' if is_new else ''}"
    yield f"portal: {_portal(provider, prices)}"


def _product(provider: StripeProvider, plan: Plan) -> str:
    products, name = provider.client.v1.products, f"plumbline_{plan.code}"
    found = found_or_none("for a product", lambda: products.retrieve(name).id)
    if found is None:
        with asking("to make a product"):
            found = products.create({"id": name, "name": f"Plumbline {plan.name}", "description": plan.summary}).id
    return str(found)


def _price(provider: StripeProvider, plan: Plan, product: str) -> tuple[str, bool]:
    """The id, and whether the price was made now. A new price takes over the lookup key of the old one."""
    with asking("for prices"):
        known = provider.client.v1.prices.list({"lookup_keys": [plan.lookup_key], "active": True, "limit": 1}).data
    if known and (known[0].unit_amount, known[0].currency) == (plan.amount, CURRENCY):
        return str(known[0].id), False
    wanted: dict[str, Any] = {
        "product": product,
        "currency": CURRENCY,
        "unit_amount": plan.amount,
        "recurring": {"interval": "month"},
        "lookup_key": plan.lookup_key,
        "transfer_lookup_key": True,
        "metadata": {METADATA_KEY: plan.code},
    }
    with asking("to make a price"):
        return str(provider.client.v1.prices.create(wanted).id), True  # type: ignore[arg-type]  # a plain dict of theirs


def _portal(provider: StripeProvider, prices: list[dict[str, Any]]) -> str:
    """Proration and the day of a cancellation are Stripe's: changes are prorated, what is cancelled runs to the end of its month."""
    features: dict[str, Any] = {
        "customer_update": {"enabled": True, "allowed_updates": ["email", "name", "address", "tax_id"]},
        "invoice_history": {"enabled": True},
        "payment_method_update": {"enabled": True},
        "subscription_cancel": {"enabled": True, "mode": "at_period_end"},
        "subscription_update": {
            "enabled": True,
            "default_allowed_updates": ["price"],
            "proration_behavior": "create_prorations",
            "products": prices,
        },
    }
    configurations, known = provider.client.v1.billing_portal.configurations, provider.portal_configuration()
    with asking("to configure the portal"):
        if known:
            return str(configurations.update(known, {"features": features}).id)  # type: ignore[arg-type]  # as above
        return str(configurations.create({"features": features, "metadata": {PORTAL_MARK: "1"}}).id)  # type: ignore[typeddict-item]  # as above
