"""How often one may guess: per account and per address, whether or not the account exists."""

from typing import Final

from django.conf import settings
from django.http import HttpRequest

from accounts.models import User
from config.api.addresses import client_address
from config.api.throttling import buckets
from orgs import tenancy
from orgs.errors import TooMany
from orgs.keys import digest_of

MINUTE_S: Final = 60
HOUR_S: Final = 3600


def visit(request: HttpRequest) -> None:
    """Counts one try of an address on the net, at nothing in particular. Raises TooMany past the limit of the settings."""
    _take(f"login:ip:{client_address(request)}", burst=settings.LOGIN_PER_ADDRESS, seconds=MINUTE_S)


def guess(request: HttpRequest, *, account: str) -> None:
    """Counts one try at `account`, an address or anything else that names one. Raises TooMany past the limits of the settings."""
    visit(request)
    _try_at(account)


def log_in(request: HttpRequest, *, email: str) -> None:
    """Counts one try to log in, as `guess` does.

    Whoever guesses at a demo account must not keep everybody else out of it, and nothing in it is secret: only addresses are limited.
    """
    visit(request)
    try:
        _try_at(email)
    except TooMany:
        if not _is_of_demo(email):
            raise


def _try_at(account: str) -> None:
    _take(f"login:account:{digest_of(account).hex()[:32]}", burst=settings.LOGIN_PER_ACCOUNT, seconds=MINUTE_S)


def _is_of_demo(email: str) -> bool:
    """What the database could not even hold is nobody's address."""
    if not email.isprintable():
        return False
    with tenancy.home_of(User, email=email):
        return bool(User.objects.filter(email=email, is_demo=True).exists())


def guess_code(request: HttpRequest, *, person: int) -> None:
    """Counts one try at a person's code, wherever it comes from: a code has 6 digits only. Raises TooMany past 20 an hour, too."""
    guess(request, account=f"code:{person}")
    _take(f"login:code:{person}", burst=20, seconds=HOUR_S)


def newcomer(request: HttpRequest) -> None:
    """Counts one sign-up of an address on the net. Raises TooMany past 20 an hour."""
    _take(f"signup:ip:{client_address(request)}", burst=20, seconds=HOUR_S)


def mail(sender: User, *, to: str) -> None:
    """Counts one mail that a person makes us send to an address that is not known to be theirs or a colleague's.

    Raises TooMany past 5 an hour to one address, 50 an hour of one person, 200 an hour of one org.
    """
    sent = ((f"to:{digest_of(to).hex()[:32]}", 5), (f"by:{sender.pk}", 50), (f"org:{sender.org_id}", 200))
    for key, burst in sent:
        _take(f"mail:{key}", burst=burst, seconds=HOUR_S, said="Too many mails were sent. Wait as long as Retry-After says.")


def _take(key: str, *, burst: int, seconds: int, said: str = "Too many tries. Wait as long as Retry-After says.") -> None:
    found = buckets.take(key, rate_s=burst / seconds, burst=burst)
    if found is not None and not found.allowed:
        raise TooMany(said, wait_s=found.wait_s)
