"""Buying and managing a plan: the provider's pages to which people are sent, and their coming back."""

import secrets
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urljoin, urlsplit

from django.conf import settings
from django.db import transaction
from django.utils.http import url_has_allowed_host_and_scheme

from accounts.models import User
from billing.models import Account
from billing.plans import PAID, Plan
from billing.provider import provider
from billing.provider.interface import (
    CHECKOUT_ID,
    Buyer,
    NotEnabled,
    Order,
    PaymentPage,
    Provider,
    ProviderAway,
    UnknownCustomer,
    Visit,
)
from billing.subscriptions import PAGE, locked, sync
from orgs.errors import Conflict, FieldError, Invalid, NotFound
from orgs.models import Org

DONE: Final = f"/billing/checkoutcallback?checkout_session_id={CHECKOUT_ID}"
# Read again at most so often for people who reload the page.
FRESH: Final = timedelta(seconds=3)
URL_LIMIT: Final = 400  # what fits the provider's metadata


def enabled() -> Provider:
    """The provider. Raises NotEnabled where there is none."""
    found = provider()
    if not found.is_enabled:
        raise NotEnabled
    return found


def checked_return_url(url: str) -> str:
    """The absolute address on this host that `url` names; the billing page for none. Raises Invalid for other hosts."""
    own = urlsplit(settings.BASE_URL)
    allowed = url_has_allowed_host_and_scheme(url or PAGE, allowed_hosts={own.netloc}, require_https=own.scheme == "https")
    found = urljoin(settings.BASE_URL, url or PAGE)
    if not allowed or len(found) > URL_LIMIT:
        wrong = FieldError(("body", "return_url"), "invalid", f"This must be an address of {own.netloc} of at most {URL_LIMIT} characters.")
        raise Invalid("People come back to this product only.", errors=[wrong])
    return found


def paid_plan(code: str, *, field: str = "plan") -> Plan:
    """The plan that can be bought under this code. Raises Invalid."""
    found = next((plan for plan in PAID if code in (plan.code, plan.lookup_key)), None)
    if found is None:
        wrong = FieldError(("body", field), "invalid_choice", f"This must be one of {', '.join(plan.code for plan in PAID)}.")
        raise Invalid("There is no such plan to buy.", errors=[wrong])
    return found


def start_checkout(person: User, plan: Plan, *, return_url: str, now: datetime) -> PaymentPage:
    """A page on which the person pays for the plan; the one that is open already, if it is for the same.

    Raises Conflict when the org has a subscription, or a plan that is not for sale; NotEnabled; ProviderAway.
    """
    asked, address = enabled(), checked_return_url(return_url)
    _catch_up(asked, person.org, now=now)
    # Stays when what follows fails: the provider knows the customer by when the account was made.
    Account.objects.get_or_create(org=person.org)
    gone = ""
    for _ in range(2):
        customer_id = _customer(asked, person, gone=gone)
        try:
            return _page_to_pay(asked, person.org, plan, return_url=address)
        except UnknownCustomer:  # deleted over there: once more, with a new one
            gone = customer_id
    raise NotFound("The payment provider does not know the customer that it has just made.")


def _catch_up(asked: Provider, org: Org, *, now: datetime) -> None:
    """Somebody may have paid a moment ago, and the event is still on its way."""
    account = Account.objects.filter(org=org).exclude(checkout_id="").first()
    if account is not None and not account.is_live and (page := _page(asked, account)) is not None and page.is_paid:
        sync(org.pk, now=now)


@transaction.atomic
def _customer(asked: Provider, person: User, *, gone: str) -> str:
    """The id of the org as a customer, made where there is none but one that is `gone`.

    In a transaction of its own: a purchase that fails is tried again, perhaps when the provider has forgotten the key of its request.
    """
    account = _held(person.org)
    if account.customer_id is None or account.customer_id == gone:
        account.customer_id = asked.make_customer(_buyer(account, person, again=bool(gone)))
        account.save(update_fields=["customer_id"])
    return account.customer_id


@transaction.atomic
def _page_to_pay(asked: Provider, org: Org, plan: Plan, *, return_url: str) -> PaymentPage:
    """The page that is open for the same, else a new one. Raises UnknownCustomer."""
    account = _held(org)
    known = _open_page(asked, account)
    if known is not None and (known.plan_code, known.return_url) == (plan.code, return_url):
        return known
    if known is not None:
        asked.close_payment_page(known.id)
    page = asked.open_payment_page(Order(account.customer_id or "", org.pk, plan, settings.BASE_URL + DONE, return_url))
    account.checkout_id = page.id
    account.save(update_fields=["checkout_id"])
    return page


def _held(org: Org) -> Account:
    """The org's account, kept from others until the transaction ends: two clicks open one page. Raises Conflict for what is paid."""
    account = locked(org.pk)
    assert account is not None  # noqa: S101 - made before, and it goes with its org only
    _refuse_what_is_paid(account)
    return account


def _refuse_what_is_paid(account: Account) -> None:
    if account.is_live:
        raise Conflict("Your organisation has a subscription already. Change or cancel it in the portal.")
    if account.org.plan == Org.Plan.SELF_HOSTED:
        raise Conflict("Your organisation's plan is set by the operator of this installation and is not for sale.")


def _open_page(asked: Provider, account: Account) -> PaymentPage | None:
    """The page that was opened last, if one can still pay there."""
    page = _page(asked, account) if account.checkout_id else None
    return page if page is not None and page.is_open else None


def _page(asked: Provider, account: Account) -> PaymentPage | None:
    try:
        return asked.payment_page(account.checkout_id)
    except NotFound:
        return None


def _buyer(account: Account, person: User, *, again: bool) -> Buyer:
    """The key is the account's, so that a request that was cut off and comes again makes no second customer."""
    key = f"plumbline-{settings.BASE_URL}-{account.pk}-{account.created.timestamp()}{secrets.token_hex(4) if again else ''}"
    return Buyer(account.org_id, account.org.name, person.email, key)


def finish_checkout(org: Org, page_id: str, *, now: datetime) -> PaymentPage:
    """What came of a payment page; the org has its plan when this returns. Raises NotFound for a page of somebody else."""
    account, asked = Account.objects.filter(org=org).exclude(customer_id=None).first(), enabled()
    if account is None or (page := asked.payment_page(page_id)).customer_id != account.customer_id:
        raise NotFound("There is no such payment page.")
    sync(org.pk, now=now)
    return page


def refresh(org: Org, *, now: datetime) -> None:
    """Reads the subscription of somebody who comes back from the provider's pages; the events may still be on their way.

    A provider that is away is no reason to fail: the events come.
    """
    account = Account.objects.filter(org=org).exclude(customer_id=None).first()
    if account is None or (account.synced is not None and now - account.synced < FRESH):
        return
    with suppress(ProviderAway, NotEnabled):
        sync(org.pk, now=now)


def open_portal(org: Org, *, return_url: str, plan: Plan | None = None, cancels: bool = False, pays: bool = False) -> str:
    """The address of the provider's pages for this customer, straight at the change to `plan`, the cancellation or the card.

    Raises Conflict where there is nothing to manage, NotEnabled, ProviderAway.
    """
    asked, address = enabled(), checked_return_url(return_url)
    account = Account.objects.filter(org=org).exclude(customer_id=None).first()
    if account is None or account.customer_id is None or ((plan or cancels) and not account.is_live):
        raise Conflict("Your organisation has no subscription yet. Choose a plan first.")
    if plan is not None and account.plan == plan.code:
        raise Conflict(f"Your organisation has the plan {plan.name} already.")
    visit = Visit(account.customer_id, address, plan=plan, cancels=cancels, pays=pays, subscription_id=account.subscription_id)
    try:
        return asked.portal_url(visit)
    except UnknownCustomer as exc:
        raise Conflict("The payment provider does not know your organisation any more. Choose a plan anew.") from exc
