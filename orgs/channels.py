"""The Slack and Teams channels of an org: connecting one, letting it go."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlsplit

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from orgs.delivery import slack
from orgs.delivery.slack import SlackChannel
from orgs.delivery.transports import APP_PURPOSE, PURPOSE
from orgs.errors import Conflict, FieldError, Invalid
from orgs.events import record_event
from orgs.models import AdminAlert, Channel, Event, Org, ServiceApp
from orgs.sealing import UnsealedError, seal, unseal

# Webhooks of these services live under these hosts; an address elsewhere is a mistake, or an attempt at one.
HOSTS: Final = {
    Channel.Service.SLACK: ("hooks.slack.com",),
    Channel.Service.MS_TEAMS: (".webhook.office.com", ".logic.azure.com", ".powerplatform.com"),
}
TOKEN: Final = re.compile(r"[A-Za-z0-9._-]{8,500}")
# A list of channels that is so fresh is not asked for again.
LISTED_FOR: Final = timedelta(seconds=10)


def services_of(org: Org) -> frozenset[str]:
    """The services in which the org has channels. One query."""
    return frozenset(Channel.objects.for_org(org).values_list("service", flat=True).distinct().order_by())


@transaction.atomic
def connect(org: Org, service: Channel.Service, *, name: str, url: str, actor_id: int | None = None) -> Channel:
    """Keeps the webhook of a channel; one of the same name is replaced. Raises Invalid for an address that is not the service's."""
    check_webhook(service, url)
    sealed = {"sealed_url": seal(url.encode(), purpose=PURPOSE), "external_id": ""}
    channel, _ = Channel.objects.update_or_create(org=org, service=service, name=name or service.label, defaults=sealed)
    _tell(org, f"{channel} was connected", actor_id)
    return channel


@transaction.atomic
def disconnect(org: Org, service: Channel.Service, *, name: str = "", actor_id: int | None = None) -> int:
    """Lets go of the named channel, or of all of the service and of the org's app there; how many channels there were."""
    found = Channel.objects.for_org(org).filter(service=service)
    if not name:
        ServiceApp.objects.for_org(org).filter(service=service).delete()
    gone = (found.filter(name=name) if name else found).delete()[1].get("orgs.Channel", 0)
    if gone:
        _tell(org, f"{service.label} {name} was disconnected" if name else f"{service.label} was disconnected", actor_id)
    return gone


@dataclass(frozen=True)
class SlackWorkspace:
    """What an app's token opens, as Slack told it."""

    token: str
    name: str
    channels: tuple[SlackChannel, ...]


def look_at_slack(token: str) -> SlackWorkspace:
    """Asks Slack what a token opens.

    Raises Invalid for what is no token, Conflict for one that Slack refuses, Unavailable when Slack does not answer.
    """
    if not TOKEN.fullmatch(token):
        raise Invalid("This is no token.", errors=[FieldError(("slack_token",), "invalid", "A bot token, such as xoxb-….")])
    return SlackWorkspace(token, slack.workspace_of(token), tuple(slack.channels_of(token)))


@transaction.atomic
def connect_slack_app(org: Org, found: SlackWorkspace, *, actor_id: int | None = None) -> ServiceApp:
    """Keeps an app's token and its channels, in place of the org's former app."""
    said = {"workspace": found.name, "sealed_token": seal(found.token.encode(), purpose=APP_PURPOSE)}
    app, _ = ServiceApp.objects.update_or_create(org=org, service=Channel.Service.SLACK, defaults=said)
    _keep(app, found.channels, now=timezone.now())
    _tell(org, f"The Slack app of {found.name or 'a workspace'} was connected: {len(found.channels)} channels", actor_id)
    return app


def refresh_slack(org: Org, *, now: datetime) -> None:
    """Lists the app's channels anew, unless that was done a moment ago. Without an app nothing happens.

    Raises as `look_at_slack`, and Conflict for an app whose token cannot be read any more.
    """
    app = ServiceApp.objects.for_org(org).filter(service=Channel.Service.SLACK).first()
    if app is None or (app.listed and now - app.listed < LISTED_FOR):
        return
    found = slack.channels_of(_token_of(app))
    with transaction.atomic():
        _keep(app, found, now=now)


def _token_of(app: ServiceApp) -> str:
    try:
        return unseal(bytes(app.sealed_token), purpose=APP_PURPOSE).decode()
    except UnsealedError as exc:
        raise Conflict("The app's token was sealed with another key. Connect the Slack app again with its token.") from exc


def _keep(app: ServiceApp, found: Sequence[SlackChannel], *, now: datetime) -> None:
    """Channels of the app as Slack lists them. One that is gone stays while an alert goes there: its deliveries then say what is wrong."""
    ServiceApp.objects.select_for_update().get(pk=app.pk)  # of two who list at once, the second finds what the first made
    there = Channel.objects.for_org(app.org_id).filter(service=app.service)
    routed = AdminAlert.objects.for_org(app.org_id).exclude(channel=None).values("channel")
    ids = [one.id for one in found]
    there.exclude(external_id="").exclude(external_id__in=ids).exclude(pk__in=routed).delete()
    known = {channel.external_id: channel for channel in there.filter(external_id__in=ids)}
    # Two channels may have changed names: first every name is let go of.
    there.filter(external_id__in=ids).update(name=F("external_id"))
    taken = set(there.exclude(external_id__in=ids).values_list("name", flat=True))
    rows = [known.get(one.id) or Channel(org_id=app.org_id, service=app.service, external_id=one.id) for one in found]
    for row, one in zip(rows, found, strict=True):
        row.name = one.name if one.name not in taken else f"{one.name} ({one.id})"
    Channel.objects.bulk_update([row for row in rows if row.pk is not None], ["name"])
    Channel.objects.bulk_create([row for row in rows if row.pk is None])
    ServiceApp.objects.filter(pk=app.pk).update(listed=now)


def _tell(org: Org, said: str, actor_id: int | None) -> None:
    record_event(org.pk, type=Event.Type.SETTINGS, name=said, user_id=actor_id)


def check_webhook(service: Channel.Service, url: str) -> None:
    """Raises Invalid for an address that is neither the service's nor on a host that the operator has named."""
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    is_named = parts.scheme in ("http", "https") and parts.netloc.lower() in settings.WEBHOOK_HOSTS
    is_theirs = parts.scheme == "https" and not parts.username and any(_is_at(host, known) for known in HOSTS[service])
    if not (is_named or is_theirs):
        raise Invalid(
            f"This is no webhook of {service.label}.",
            errors=[FieldError((f"{service.value}_webhook",), "invalid", f"An https address of {' or '.join(HOSTS[service])}.")],
        )


def _is_at(host: str, known: str) -> bool:
    return host == known or (known.startswith(".") and host.endswith(known))
