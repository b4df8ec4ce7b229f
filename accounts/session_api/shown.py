"""How the session API shows people and their org."""

import math
from datetime import datetime, tzinfo
from typing import Any

from accounts.models import User
from config.api.session import stamps
from config.api.session.envelope import onboarding_flags
from orgs.channels import services_of
from orgs.models import Channel, Org


def user_shown(person: User, *, now: datetime, zone: tzinfo, services: frozenset[str] | None = None) -> dict[str, Any]:
    """The object `user`. One query, for the services that the org is connected to, unless they are given."""
    return person_shown(person, org_of_user_shown(person.org, now=now, zone=zone, services=services))


def person_shown(person: User, org: dict[str, Any]) -> dict[str, Any]:
    """The object `user` with an org that is shown already."""
    return {
        "id": person.pk,
        "org_id": person.org_id,
        "name": person.name,
        "email": person.email,
        "phone_number": person.phone or None,
        "slack_member_id": person.slack_member_id or None,
        "demo": person.is_demo,
        "admin": person.is_admin,
        "org": org,
        "notifications": {"email_alerts": person.email_alerts},
        "onboarding_flags": onboarding_flags(person),
    }


def org_of_user_shown(org: Org, *, now: datetime, zone: tzinfo, services: frozenset[str] | None = None) -> dict[str, Any]:
    """What everybody in the org may know of it."""
    connected = services_of(org) if services is None else services
    return {
        "id": org.pk,
        "name": org.name,
        "timezone": org.timezone,
        "alert_muting": muting_shown(org, now=now, zone=zone),
        "onboarding_status": {"id": org.onboarding_status, "name": org.get_onboarding_status_display()},
        "connected_services": {service.value: service.value in connected for service in Channel.Service},
    }


def muting_shown(org: Org, *, now: datetime, zone: tzinfo) -> dict[str, Any]:
    until = org.muted_until if org.muted_until and org.muted_until > now else None
    told = stamps("muted_until", until, zone)
    return {
        "muted": until is not None,
        "muted_until_timestamp": told["muted_until_timestamp"],
        "muted_until_timestamp_string": told["muted_until_string"],
        "minutes_remaining": math.ceil((until - now).total_seconds() / 60) if until else 0,
    }


def session_shown(session_id: str, person: User, *, now: datetime, zone: tzinfo) -> dict[str, Any]:
    return {"id": session_id, "user": user_shown(person, now=now, zone=zone)}
