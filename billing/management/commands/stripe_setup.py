"""`manage.py stripe_setup`: makes at Stripe what the plans in code need there. Running it again changes nothing that is right."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from billing.plans import PAID
from billing.provider import provider
from billing.provider.stripe_api import StripeProvider
from billing.provider.stripe_setup import set_up
from orgs.errors import DomainError


class Command(BaseCommand):
    help = "Makes the products, prices and the customer portal's configuration at Stripe, as the plans in code say."

    def handle(self, *args: Any, **options: Any) -> None:
        asked = provider()
        if not isinstance(asked, StripeProvider):
            raise CommandError("STRIPE_SECRET_KEY is not set: billing is not enabled.")
        try:
            for line in set_up(asked, PAID):
                self.stdout.write(line)
        except DomainError as exc:
            raise CommandError(exc.detail) from exc
