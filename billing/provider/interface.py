"""What billing asks of a payment provider, in our words. One is Stripe; without a key there is none, and everything says so."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from billing.plans import Plan
from orgs.errors import DomainError, Unavailable


class NotEnabled(DomainError):
    """This installation takes no payments."""

    status, slug, title = 501, "not-enabled", "Not enabled"

    def __init__(self) -> None:
        super().__init__("Billing is not enabled on this installation: its operator sets plans and limits.")


class ProviderAway(Unavailable):
    """The payment provider does not answer, or does not let this installation in."""


class BadNotice(DomainError):
    """What claims to come from the provider does not prove it, or not in time."""


class UnknownCustomer(Exception):  # noqa: N818  said to services, never to people
    """The provider knows no such customer, or has deleted it."""


@dataclass(frozen=True)
class Buyer:
    """Who becomes a customer."""

    org_id: int
    org_name: str
    email: str
    key: str  # the same key never makes two customers


@dataclass(frozen=True)
class Order:
    """A subscription that somebody wants to pay for."""

    customer_id: str
    org_id: int
    plan: Plan
    done_url: str  # CHECKOUT_ID in it becomes the id of the payment page
    return_url: str


@dataclass(frozen=True)
class PaymentPage:
    """A page of the provider on which a subscription is paid. `url` is empty once it cannot be used any more."""

    id: str
    url: str
    customer_id: str
    plan_code: str
    return_url: str
    is_open: bool
    is_paid: bool


@dataclass(frozen=True)
class Visit:
    """Why a customer goes to the provider's portal: to look around, to change to `plan`, to cancel, or to mend how they pay."""

    customer_id: str
    return_url: str
    plan: Plan | None = None
    cancels: bool = False
    pays: bool = False
    subscription_id: str = ""


@dataclass(frozen=True)
class Invoice:
    """One invoice. `amount` is in the smallest unit of `currency`."""

    id: str
    number: str
    created: datetime
    amount: int
    currency: str
    status: str
    pdf_url: str
    page_url: str


@dataclass(frozen=True)
class Subscribed:
    """A subscription as it is now. `plan_code` is empty for a price that is none of ours."""

    id: str
    status: str
    plan_code: str
    price_id: str
    created: datetime
    period_end: datetime | None
    ends: datetime | None


@dataclass(frozen=True)
class Notice:
    """Something that the provider says has happened; `payload` holds no secret."""

    id: str
    type: str
    customer_id: str
    happened: datetime
    payload: dict[str, Any]


CHECKOUT_ID = "{CHECKOUT_SESSION_ID}"


class Provider(Protocol):
    """Every call may raise ProviderAway; those that name a customer UnknownCustomer."""

    is_enabled: bool

    def make_customer(self, buyer: Buyer) -> str:
        """The id of the new customer."""

    def price_id(self, plan: Plan) -> str:
        """The provider's id of what new customers of the plan pay."""

    def open_payment_page(self, order: Order) -> PaymentPage: ...

    def payment_page(self, page_id: str) -> PaymentPage:
        """Raises NotFound."""

    def close_payment_page(self, page_id: str) -> None:
        """Nobody can pay there any more; one that is paid stays paid."""

    def portal_url(self, visit: Visit) -> str:
        """Where the customer's own pages are, for a few minutes."""

    def invoices(self, customer_id: str, *, limit: int) -> list[Invoice]:
        """The newest first; no drafts."""

    def subscription(self, customer_id: str) -> Subscribed | None:
        """The one that counts, among all that the customer has or had."""

    def notice(self, body: bytes, signature: str) -> Notice:
        """Reads what the provider sent. Raises BadNotice."""
