"""The time zone in which a person reads times."""

from datetime import UTC, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.contrib.auth.models import AnonymousUser

from accounts.models import User


def zone_of(user: User | AnonymousUser) -> tzinfo:
    """The person's own zone, else the org's; UTC for nobody and for a zone that this machine does not know."""
    if not isinstance(user, User):
        return UTC
    try:
        return ZoneInfo(user.timezone or user.org.timezone)
    except (ZoneInfoNotFoundError, ValueError):
        return UTC
