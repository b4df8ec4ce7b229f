"""The activity feed: what the org did, and what others told it."""

from datetime import datetime

from django.core.exceptions import ValidationError
from django.core.validators import URLValidator
from django.utils import timezone

from orgs.models import Event


def record_event(
    org_id: int,
    *,
    type: str,
    name: str,
    description: str = "",
    url: str = "",
    timestamp: datetime | None = None,
    user_id: int | None = None,
    datastore_id: int | None = None,
    metric_id: int | None = None,
    anomaly_id: int | None = None,
    external_id: str = "",
) -> Event:
    """One line of the feed, at `timestamp` or now; part of the caller's transaction. Must not hold a secret."""
    return Event.objects.create(
        org_id=org_id,
        type=type,
        name=name[:200],
        description=description,
        url=url,
        timestamp=timestamp or timezone.now(),
        user_id=user_id,
        datastore_id=datastore_id,
        metric_id=metric_id,
        anomaly_id=anomaly_id,
        external_id=external_id,
    )


def is_address(url: str) -> bool:
    """Whether this is an http or https address, which a reader may follow."""
    try:
        URLValidator(schemes=["http", "https"])(url)
    except ValidationError:
        return False
    return True


def told_before(org_id: int, external_id: str) -> Event | None:
    """The event that somebody outside has told already under this id."""
    return Event.objects.for_org(org_id).filter(external_id=external_id).first()
