"""The Slack and Teams channels of an org: connecting one, letting it go."""

from typing import Final
from urllib.parse import urlsplit

from orgs.errors import FieldError, Invalid
from orgs.models import Channel, Org
from orgs.sealing import seal

PURPOSE: Final = "channel"
# Webhooks of these services live under these hosts; an address elsewhere is a mistake, or an attempt at one.
HOSTS: Final = {
    Channel.Service.SLACK: ("hooks.slack.com",),
    Channel.Service.MS_TEAMS: (".webhook.office.com", ".logic.azure.com", ".powerplatform.com"),
}


def connected_services(org: Org) -> dict[str, bool]:
    """By service, whether the org has a channel there. One query."""
    found = set(Channel.objects.for_org(org).values_list("service", flat=True).distinct().order_by())
    return {service.value: service.value in found for service in Channel.Service}


def connect(org: Org, service: Channel.Service, *, name: str, url: str) -> Channel:
    """Keeps the webhook of a channel; one of the same name is replaced. Raises Invalid for an address that is not the service's."""
    check_webhook(service, url)
    sealed = seal(url.encode(), purpose=PURPOSE)
    return Channel.objects.update_or_create(org=org, service=service, name=name or service.label, defaults={"sealed_url": sealed})[0]


def disconnect(org: Org, service: Channel.Service, *, name: str = "") -> int:
    """Lets go of the named channel, or of all of the service; how many there were."""
    found = Channel.objects.for_org(org).filter(service=service)
    return (found.filter(name=name) if name else found).delete()[0]


def check_webhook(service: Channel.Service, url: str) -> None:
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    if parts.scheme != "https" or not any(host == known or (known.startswith(".") and host.endswith(known)) for known in HOSTS[service]):
        raise Invalid(
            f"This is no webhook of {service.label}.",
            errors=[FieldError((f"{service.value}_webhook",), "invalid", f"An https address of {' or '.join(HOSTS[service])}.")],
        )
