"""No payment provider: there is nothing to read, and nothing can be bought."""

from typing import NoReturn

from billing.plans import Plan
from billing.provider.interface import Buyer, Invoice, NotEnabled, Notice, Order, PaymentPage, Subscribed, Visit


class NoProvider:
    """Reads nothing, and refuses everything else with NotEnabled."""

    is_enabled = False

    def make_customer(self, buyer: Buyer) -> NoReturn:
        raise NotEnabled

    def price_id(self, plan: Plan) -> NoReturn:
        raise NotEnabled

    def open_payment_page(self, order: Order) -> NoReturn:
        raise NotEnabled

    def payment_page(self, page_id: str) -> PaymentPage:
        raise NotEnabled

    def close_payment_page(self, page_id: str) -> NoReturn:
        raise NotEnabled

    def portal_url(self, visit: Visit) -> NoReturn:
        raise NotEnabled

    def invoices(self, customer_id: str, *, limit: int) -> list[Invoice]:
        return []

    def subscription(self, customer_id: str) -> Subscribed | None:
        raise NotEnabled

    def notice(self, body: bytes, signature: str) -> Notice:
        raise NotEnabled
