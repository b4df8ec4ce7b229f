"""Addresses that open without a session: signed for one org, for a while. Pictures in mails and channels are loaded by them.

The signature covers the path and every parameter, so that nothing of the address can be changed. It opens what an org token reads there,
and nothing else.
"""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

from django.conf import settings
from django.utils.crypto import constant_time_compare, salted_hmac

from accounts.callers import OrgCaller
from config.api.session.parameters import Integer, Parameter, Text
from orgs.errors import DomainError
from orgs.models import Org
from orgs.tenancy import enter, within

LIFE_S: Final = 14 * 86_400
ORG, EXPIRES, SIGNATURE = "org", "expires", "signature"
_SALT: Final = "plumbline signed address"


class BadSignature(DomainError):
    """The address was not made here, was changed, or is too old."""

    status, slug, title = 401, "unauthenticated", "Not authenticated"


def signing() -> tuple[Parameter, ...]:
    """The parameters of an endpoint that a signature opens; the frame reads them."""
    return (
        Integer(name=ORG, least=1, framed=True, help="Of a signed address: whose it is."),
        Integer(name=EXPIRES, framed=True, help="Of a signed address: until when it opens, in unix seconds."),
        Text(name=SIGNATURE, framed=True, help="Of a signed address; it covers all the others."),
    )


def signed_url(path: str, org: Org, parameters: Mapping[str, Any], *, now_s: int, life_s: int = LIFE_S) -> str:
    """The whole address of `path` with `parameters`, which opens for `life_s` without a session."""
    said = {name: str(value) for name, value in parameters.items()} | {ORG: str(org.pk), EXPIRES: str(now_s + life_s)}
    return f"{settings.BASE_URL}{path}?{urlencode(said | {SIGNATURE: _signature(path, said)})}"


def caller_of_signed(path: str, sent: Mapping[str, Any], *, now_s: int) -> OrgCaller:
    """The org for which an address was signed, while it is open. Raises BadSignature."""
    said = {name: str(value) for name, value in sent.items() if name != SIGNATURE}
    if not constant_time_compare(str(sent.get(SIGNATURE, "")), _signature(path, said)):
        raise BadSignature("This address was not made here, or something of it was changed.")
    if int(said[EXPIRES]) < now_s:
        raise BadSignature("This address has expired. Log in, and look there.")
    with within(int(said[ORG])):
        org = Org.objects.filter(pk=int(said[ORG]), closed=None).first()
    if org is None:
        raise BadSignature("The organisation of this address is gone.")
    enter(org.pk)
    return OrgCaller(org, 0)


def _signature(path: str, said: Mapping[str, str]) -> str:
    return salted_hmac(_SALT, f"{path}?{urlencode(sorted(said.items()))}", algorithm="sha256").hexdigest()[:40]
