"""An org's invoices. They are the provider's; its answer is kept for a short while, so that not every reader makes us ask."""

import logging
from typing import Final

import redis
from django.core.cache import cache

from billing.models import Account
from billing.provider import provider
from billing.provider.interface import Invoice, UnknownCustomer
from orgs.models import Org

log = logging.getLogger(__name__)

# What changes meanwhile at the provider is seen at once where it tells us of it, and after this without.
KEPT_S: Final = 30
MOST: Final = 100


def invoices_of(org: Org, *, limit: int) -> list[Invoice]:
    """The org's invoices, newest first, as the provider had them at most KEPT_S ago; none for an org that never bought anything.

    At most MOST. Raises ProviderAway.
    """
    account = Account.objects.filter(org=org).exclude(customer_id=None).first()
    if account is None or account.customer_id is None:
        return []
    found = _kept(account)
    if found is None:
        found = _asked(account.customer_id)
        _keep(account, found)
    return found[:limit]


def forget(account: Account) -> None:
    """The next reader asks the provider again."""
    try:
        cache.delete(_key(account))
    except redis.RedisError:
        log.warning("the invoices that are kept could not be forgotten: the cache is away")


def _asked(customer_id: str) -> list[Invoice]:
    try:
        return provider().invoices(customer_id, limit=MOST)
    except UnknownCustomer:
        return []


def _key(account: Account) -> str:
    return f"invoices:{account.org_id}:{account.customer_id}"


def _kept(account: Account) -> list[Invoice] | None:
    try:
        found: list[Invoice] | None = cache.get(_key(account))
    except redis.RedisError:
        return None
    return found


def _keep(account: Account, found: list[Invoice]) -> None:
    try:
        cache.set(_key(account), found, KEPT_S)
    except redis.RedisError:
        log.warning("invoices were read but not kept: the cache is away")
