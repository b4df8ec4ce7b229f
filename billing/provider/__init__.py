"""The payment provider of this installation."""

from functools import lru_cache

from django.conf import settings

from billing.provider.interface import Provider
from billing.provider.none import NoProvider
from billing.provider.stripe_api import StripeProvider


def provider() -> Provider:
    """Stripe where the operator has set a key, else none."""
    if not settings.STRIPE_SECRET_KEY:
        return NoProvider()
    return _stripe(settings.STRIPE_SECRET_KEY, tuple(settings.STRIPE_WEBHOOK_SECRETS), settings.STRIPE_API_BASE)


@lru_cache(maxsize=4)
def _stripe(key: str, webhook_secrets: tuple[str, ...], api_base: str) -> StripeProvider:
    return StripeProvider(key=key, webhook_secrets=webhook_secrets, api_base=api_base)
