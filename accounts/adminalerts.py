"""Admin alerts: trouble with an org's data goes on, is told after a while, told again when it lasts, and its end is told too."""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from accounts import letters
from accounts.models import Letter, User
from orgs.delivery import outbox
from orgs.errors import FieldError, Invalid
from orgs.events import record_event
from orgs.models import AdminAlert, Channel, Event, Org
from orgs.moments import span_words

Kind = AdminAlert.Kind
NAMES: Final = {
    Kind.NO_DATA: "All metrics stopped",
    Kind.STALE_METRICS: "Some metrics stopped",
    Kind.METRIC_QUOTA_EXCEEDED: "The quota of metrics is exceeded",
    Kind.INVALID_METRICS: "Points were refused as invalid",
}
ADVICE: Final = {
    Kind.NO_DATA: "No point has arrived from any agent. Look whether they run and reach this address.",
    Kind.STALE_METRICS: "Look whether what sends them still runs, or remove the metrics that are gone for good.",
    Kind.METRIC_QUOTA_EXCEEDED: "Metrics that exist go on; new ones are refused. Remove some, or take a larger plan.",
    Kind.INVALID_METRICS: "Look at what the agent sends: names, times and values that cannot be read are refused.",
}
# Where the link of a message leads, and what its button says.
PAGE: Final = ("/app/settings/alerts", "To the admin alerts")
PAGES: Final = {Kind.METRIC_QUOTA_EXCEEDED: ("/app/settings/quota", "To the quota")}
WAITS_S: Final = {Kind.NO_DATA: 300, Kind.STALE_METRICS: 900, Kind.METRIC_QUOTA_EXCEEDED: 0, Kind.INVALID_METRICS: 0}


def alerts_of(org: Org) -> QuerySet[AdminAlert]:
    """One per kind, made where it is missing."""
    found = AdminAlert.objects.for_org(org)
    if found.count() < len(Kind):
        missing = [AdminAlert(org=org, kind=kind, wait_s=WAITS_S[kind]) for kind in Kind]
        AdminAlert.objects.bulk_create(missing, ignore_conflicts=True)
    return found.order_by("kind")


@transaction.atomic
def observe(org: Org, kind: AdminAlert.Kind, *, is_on: bool, details: Mapping[str, Any], now: datetime, is_reported: bool = False) -> None:
    """Notes whether the trouble goes on at `now`, and tells people when it is time.

    `is_reported`: an engine outside says so. It has waited already, and what it said goes on until it says that it has ended.
    """
    alerts_of(org)
    alert = AdminAlert.objects.select_for_update().get(org=org, kind=kind)
    if is_on:
        _goes_on(alert, org, dict(details), now=now, is_reported=is_reported)
    elif alert.since is not None and (is_reported or not alert.is_reported):
        _has_ended(alert, org, dict(details), now=now)


def _goes_on(alert: AdminAlert, org: Org, details: dict[str, Any], *, now: datetime, is_reported: bool) -> None:
    alert.since = alert.since or now
    alert.is_reported = alert.is_reported or is_reported
    alert.details = details
    if _is_due(alert, now):
        alert.told = now
        _tell(alert, org, sentence(alert, details), ADVICE[Kind(alert.kind)], now=now)
    alert.save(update_fields=["since", "is_reported", "told", "details"])


def _is_due(alert: AdminAlert, now: datetime) -> bool:
    if alert.since is None or not (alert.is_enabled or alert.kind in AdminAlert.ALWAYS):
        return False
    if alert.told is None:
        return alert.is_reported or now - alert.since >= timedelta(seconds=alert.wait_s)
    return alert.expiration_s > 0 and now - alert.told >= timedelta(seconds=alert.expiration_s)


def _has_ended(alert: AdminAlert, org: Org, details: dict[str, Any], *, now: datetime) -> None:
    """A recovery is only told of what was told."""
    lasted_s = int((now - alert.since).total_seconds()) if alert.since else 0
    if alert.told is not None:
        _tell(alert, org, f"Recovered after {span_words(lasted_s)}: {NAMES[Kind(alert.kind)].lower()}.", "Nothing has to be done.", now=now)
    alert.since = alert.told = None
    alert.is_reported = False
    alert.details = {**details, "recovered_after_seconds": lasted_s}
    alert.save(update_fields=["since", "is_reported", "told", "details"])


def sentence(alert: AdminAlert, details: Mapping[str, Any]) -> str:
    names = [printable(str(name)[:120].rstrip(".")) for name in details.get("metrics", [])][:5]
    return f"{NAMES[Kind(alert.kind)]}{': ' + ', '.join(names) if names else ''}."


def printable(text: str) -> str:
    """The text with what cannot be seen, such as a control character, in sight as U+FFFD: it goes into subjects of mails."""
    return "".join(one if one.isprintable() else "\ufffd" for one in text)


def _tell(alert: AdminAlert, org: Org, words: str, advice: str, *, now: datetime) -> None:
    """In the feed always; by mail, SMS and in the channel unless the org is muted."""
    is_muted = org.muted_until is not None and org.muted_until > now
    told = f"{advice} Nobody was told: alerts are muted." if is_muted else advice
    record_event(org.pk, type=Event.Type.ADMIN_ALERT, name=words, description=told, timestamp=now)
    if not is_muted:
        send(alert, org, words, advice)


def send(alert: AdminAlert, org: Org, words: str, advice: str) -> int:
    """Orders the words on every route of the alert; how many there are."""
    page, label = PAGES.get(Kind(alert.kind), PAGE)
    title, url = f"{org.name}: {words}", f"{settings.BASE_URL}{page}"
    details = {"subject": title, "sentence": words, "advice": advice, "page": page, "label": label}
    readers, phones = readers_of(alert), list(alert.sms_users.filter(is_active=True).exclude(phone=""))
    for reader in readers:
        letters.order(Letter.Kind.ADMIN_ALERT, reader.email, user=reader, details=details)
    for person in phones:
        outbox.to_phone(org, person.phone, title=title, url=url)
    if alert.channel is not None:
        outbox.to_channel(alert.channel, title=title, text=advice, url=url)
    return len(readers) + len(phones) + (alert.channel is not None)


def readers_of(alert: AdminAlert) -> list[User]:
    """The chosen people; every admin when nobody is chosen. Who wants no alerts by mail gets none."""
    chosen = list(alert.email_users.filter(is_active=True)) or list(User.objects.for_org(alert.org_id).deciding_admins())
    return [person for person in chosen if person.email_alerts]


# What people may change of an alert, by the word that the interfaces use.
PLAIN: Final = {"enabled": "is_enabled", "wait_seconds": "wait_s", "expiration_seconds": "expiration_s"}


@transaction.atomic
def change(alert: AdminAlert, said: Mapping[str, Any], *, prefix: str = "", actor_id: int | None) -> None:
    """Changes what is said: enabled, wait_seconds, expiration_seconds, channel (its name, empty for none), email_users, sms_users (ids).

    Raises Invalid for people and channels that are not the org's, naming the word after `prefix`.
    """
    changes: dict[str, Any] = {field: said[name] for name, field in PLAIN.items() if name in said}
    if "slack_channel" in said:
        changes["channel"] = _channel(alert, said["slack_channel"], prefix, service=Channel.Service.SLACK)
    if "channel" in said:
        changes["channel"] = _channel(alert, said["channel"], prefix)
    people = {field: _members(alert, said[field], field, prefix) for field in ("email_users", "sms_users") if field in said}
    for field, value in changes.items():
        setattr(alert, field, value)
    if changes:
        alert.save(update_fields=list(changes))
    for field, found in people.items():
        getattr(alert, field).set(found)
    if changes or people:
        name = f"Settings changed: the alert “{NAMES[Kind(alert.kind)]}”"
        record_event(alert.org_id, type=Event.Type.SETTINGS, name=name, user_id=actor_id)


def _channel(alert: AdminAlert, named: str | int, prefix: str, *, service: str = "") -> Channel | None:
    """The org's channel of this name, or with this id; None for none."""
    if not named:
        return None
    mine = Channel.objects.for_org(alert.org_id)
    found = mine.filter(service=service, name=named).first() if service else mine.filter(pk=named).first()
    if found is None:
        word = f"{prefix}{'slack_channel' if service else 'channel'}"
        wrong = FieldError((word,), "not_found", "There is no such channel. /org/channels lists them.")
        raise Invalid("There is no such channel.", errors=[wrong])
    return found


def _members(alert: AdminAlert, ids: Collection[int], field: str, prefix: str) -> list[User]:
    found = list(User.objects.for_org(alert.org_id).people().filter(pk__in=ids))
    missing = set(ids) - {person.pk for person in found}
    phoneless = [person.pk for person in found if field == "sms_users" and not person.phone]
    if missing or phoneless:
        said = f"Not in your org: {sorted(missing)}." if missing else f"Without a phone number: {sorted(phoneless)}."
        raise Invalid("These people cannot be told.", errors=[FieldError((f"{prefix}{field}",), "not_found", said)])
    return found
