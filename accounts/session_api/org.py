"""/org: its settings, people, channels and admin alerts."""

import re
import zoneinfo
from collections.abc import Collection
from datetime import timedelta
from typing import Any, Final

from django.db import transaction

from accounts import adminalerts, people
from accounts.invitations import invite
from accounts.models import Role, User
from accounts.session_api.shown import org_of_user_shown, person_shown
from config.api.session import Call, Data, Kind, endpoint, stamps
from config.api.session.parameters import Choice, Email, Flag, Integer, Numbers, Parameter, Text, Words
from orgs import channels
from orgs.errors import Conflict, FieldError, Forbidden, Invalid, NotFound
from orgs.models import AdminAlert, Channel, Org
from orgs.services import change_org, create_org_token

ZONES: Final = tuple(sorted(zoneinfo.available_timezones()))
YEAR_MINUTES: Final = 366 * 24 * 60


@endpoint(
    "/org/update",
    kind=Kind.WRITE,
    operation="org.administer",
    parameters=(
        Text(name="name", writes=True),
        Choice(name="timezone", choices=ZONES, help="One of /misc/timezones."),
        Integer(name="mute_minutes", most=YEAR_MINUTES, help="No alert goes out for so long; 0 ends it."),
        Flag(name="validate_clients", help="Whether a new client needs the code that is mailed at log-in."),
        Words(name="origins", default=None, limit=50, writes=True, help="Web pages of these may read the session API; empty: none."),
        Text(name="slack_webhook", limit=2000, writes=True, help="Connects a Slack channel; empty lets go of the named one, or of all."),
        Text(name="slack_channel", default="", help="The name of that channel."),
        Text(
            name="slack_token",
            limit=500,
            secret=True,
            help="The bot token of your Slack app, which brings its channels.",
        ),
        Text(name="ms_teams_webhook", limit=2000, writes=True, help="Connects a Teams channel; empty lets go."),
        Text(name="ms_teams_channel", default=""),
        Flag(name="rotate_token", default=False, help="Makes a new org token, shown this once; the old ones stay until they are revoked."),
    ),
    example={"mute_minutes": 30},
)
def update(call: Call, *, rotate_token: bool, mute_minutes: int | None, **said: Any) -> Data:
    """Changes the org: only what is sent."""
    org, actor = call.org, call.person()
    changes = {field: said[name] for name, field in PLAIN.items() if said[name] is not None}
    if mute_minutes is not None:
        changes["muted_until"] = call.now + timedelta(minutes=mute_minutes) if mute_minutes else None
    app = channels.look_at_slack(said["slack_token"]) if said["slack_token"] else None
    with transaction.atomic():
        connect_channels(org, said, actor=actor)
        if app is not None:
            channels.connect_slack_app(org, app, actor_id=actor.pk)
        change_org(org, actor_id=actor.pk, **changes)
        secret = create_org_token(org, name=f"Made by {actor.name}"[:200], actor_id=actor.pk)[1] if rotate_token else None
    shown = org_of_user_shown(org, now=call.now, zone=call.zone)
    return {"org": shown | {"validate_clients": org.validates_clients, "origins": org.origins}} | ({"token": secret} if secret else {})


PLAIN: Final = {"name": "name", "timezone": "timezone", "validate_clients": "validates_clients", "origins": "origins"}


def connect_channels(org: Org, said: dict[str, Any], *, actor: User) -> None:
    for service in Channel.Service:
        url, name = said[f"{service.value}_webhook"], said[f"{service.value}_channel"]
        if url:
            channels.connect(org, service, name=name, url=url, actor_id=actor.pk)
        elif url == "":
            channels.disconnect(org, service, name=name, actor_id=actor.pk)


@endpoint(
    "/org/users",
    kind=Kind.BOTH,
    operation="org.administer",
    parameters=(
        Email(name="add", writes=True, help="Invites this address: a mail brings the token for /signup/verify."),
        Text(name="name", writes=True, help="Of who is added; the address up to its @ without it."),
        Flag(name="admin", writes=True, help="Whether who is added is an admin."),
        Integer(name="remove", least=1, writes=True, help="Erases the person with this id, who is not you: that is /user/delete."),
    ),
    example={"add": "jo@example.com", "name": "Jo Miller"},
)
def users(call: Call, *, add: str | None, name: str | None, admin: bool | None, remove: int | None) -> Data:
    """The people of the org. A POST with `add` or `remove` changes them first: both or, where one does not do, neither."""
    if add is None and not (name is None and admin is None):
        raise Invalid("Nobody was added.", errors=[FieldError(("add",), "required", "`name` and `admin` are of the address in `add`.")])
    if not (add is None and remove is None):
        change_people(call.person(), add=add, name=name, role=Role.ADMIN if admin else Role.MEMBER, remove=remove)
    shown = org_of_user_shown(call.org, now=call.now, zone=call.zone)
    everybody = User.objects.filter(org=call.org, is_service=False).order_by("name", "pk")
    return {"users": [person_shown(person, shown) | {"invited": person.is_invited} for person in everybody]}


@transaction.atomic
def change_people(actor: User, *, add: str | None, name: str | None, role: Role, remove: int | None) -> None:
    if remove is not None:
        remove_other(actor, remove)
    if add is not None:
        invite(actor, email=add, name=name or add.partition("@")[0], role=role)


def remove_other(actor: User, user_id: int) -> None:
    """Raises Conflict for oneself: who ends their own account says their password."""
    if user_id == actor.pk:
        raise Conflict("This is you. /user/delete ends your own account, with your password.")
    people.remove_user(member(actor.org, user_id), actor_id=actor.pk)


def member(org: Org, user_id: int) -> User:
    found: User | None = User.objects.filter(org=org, pk=user_id, is_service=False).first()
    if found is None:
        raise NotFound("There is no such person in your org.")
    return found


@endpoint(
    "/org/channels",
    operation="org.channels",
    parameters=(
        Choice(name="service", choices=tuple(Channel.Service.values)),
        Flag(name="refresh", default=False, help="Asks Slack anew which channels your app can write to."),
    ),
)
def org_channels(call: Call, *, service: str | None, refresh: bool) -> Data:
    """The Slack and Teams channels that alerts can go to. /org/update connects them, one by one or by a Slack app."""
    if refresh and call.person().is_demo:
        raise Forbidden("Demo users see the channels that are known; to ask Slack anew changes them.")
    if refresh:
        channels.refresh_slack(call.org, now=call.now)
    found = Channel.objects.for_org(call.org)
    rows = found.filter(service=service) if service else found
    return {"channels": [{"id": channel.pk, "name": channel.name, "service": channel.service} for channel in rows]}


def _of_type(number: int, words: str) -> tuple[Parameter, ...]:
    prefix = f"type_{number}_"
    return (
        Flag(name=f"{prefix}enabled", writes=True, help=f"{words}: whether it is told."),
        Numbers(name=f"{prefix}email_users", writes=True, help="Ids of people; none: every admin."),
        Numbers(name=f"{prefix}sms_users", writes=True, help="Ids of people with a phone number."),
        Text(name=f"{prefix}slack_channel", writes=True, help="The name of a channel of /org/channels; empty for none."),
        Integer(name=f"{prefix}wait_seconds", writes=True, least=300, most=7 * 86400, help="How long it must last before it is told."),
        Integer(name=f"{prefix}expiration_seconds", writes=True, most=30 * 86400, help="After so long it is told again; 0: never."),
    )


SETTABLE: Final = (AdminAlert.Kind.NO_DATA, AdminAlert.Kind.STALE_METRICS)

ALERT_FIELDS: Final = (*_of_type(1, "All metrics stopped"), *_of_type(2, "Some metrics stopped"))
UNSETTABLE: Final = "Only types 1 and 2 can be set. Quota (3) and invalid points (5) are always told to every admin."


@endpoint(
    "/org/adminalerts",
    kind=Kind.BOTH,
    operation="org.administer",
    parameters=ALERT_FIELDS,
    example={"type_1_enabled": True, "type_1_wait_seconds": 600},
)
def adminalerts_(call: Call, **said: Any) -> Data:
    """The alerts about the org's data itself, and who gets them. Quota and invalid points are always told to every admin."""
    refuse_unsettable(call.received.values)
    found = {alert.kind: alert for alert in adminalerts.alerts_of(call.org)}
    with transaction.atomic():
        for kind in SETTABLE:
            prefix = f"type_{int(kind)}_"
            mine = {name.removeprefix(prefix): value for name, value in said.items() if name.startswith(prefix) and value is not None}
            adminalerts.change(found[kind], mine, prefix=prefix, actor_id=call.person().pk if mine else None)
    return {"admin_alerts": [alert_shown(alert, call) for alert in found.values()]}


def refuse_unsettable(sent: Collection[str]) -> None:
    """Raises Invalid for what looks like a setting of an alert and is none, so that nobody believes to have set it."""
    others = [name for name in sent if re.fullmatch(r"type_\d+_\w+", name) and name not in {one.name for one in ALERT_FIELDS}]
    if others:
        raise Invalid("This alert cannot be set like this.", errors=[FieldError((name,), "invalid", UNSETTABLE) for name in others])


def alert_shown(alert: AdminAlert, call: Call) -> dict[str, Any]:
    routes: list[dict[str, Any]] = [
        {"method": "email", "ref": person.email, "user": ref(person)} for person in adminalerts.readers_of(alert)
    ]
    routes += [{"method": "sms", "ref": person.phone, "user": ref(person)} for person in alert.sms_users.all()]
    if alert.channel is not None:
        routes.append({"method": "slack", "ref": alert.channel.name, "user": None})
    return {
        "id": alert.kind,
        "name": alert.get_kind_display(),
        "title": adminalerts.NAMES[AdminAlert.Kind(alert.kind)],
        "enabled": alert.is_enabled or alert.kind in AdminAlert.ALWAYS,
        "wait_seconds": alert.wait_s,
        "expiration_seconds": alert.expiration_s,
        "alerts": routes,
        **stamps("since", alert.since, call.zone),
    }


def ref(person: User) -> dict[str, Any]:
    return {"id": person.pk, "name": person.name}


CODES: Final = {str(int(kind)): kind for kind in AdminAlert.Kind} | {kind.label: kind for kind in AdminAlert.Kind}


@endpoint(
    "/org/adminalert/{alert_code}",
    kind=Kind.WRITE,
    operation="org.report_health",
    parameters=(
        Choice(
            name="alert_code",
            in_path=True,
            choices=tuple(CODES),
            help="no_data (1), stale_metrics (2), metric_quota_exceeded (3) or invalid_metrics (5).",
        ),
        Choice(name="level", choices=("alert", "notice"), default="alert"),
        Text(name="status", default="", limit=50, help="`recovered` when it is over."),
        Text(name="alert", default="", limit=1000, help="The sentence of whoever reports it."),
        Text(name="namespace", default=""),
        Words(name="metrics", help="The metrics that it is about."),
        Words(name="rejected_metrics"),
    ),
    example={"alert_code": "stale_metrics", "level": "alert", "status": "stale", "metrics": ["cpu.load"]},
)
def adminalert(call: Call, *, alert_code: str, level: str, status: str, **said: Any) -> Data:
    """Takes the report of an engine outside about the health of the org's data; people are told as for our own."""
    is_on = level == "alert" and status != "recovered"
    details = {name: list(value)[:100] if isinstance(value, tuple) else value for name, value in said.items() if value}
    adminalerts.observe(call.org, CODES[alert_code], is_on=is_on, details=details, now=call.now, is_reported=True)
    return {"message": "OK"}
