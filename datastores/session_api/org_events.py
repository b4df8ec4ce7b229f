"""/org/events: what the org did, and markers from outside."""

from datetime import UTC, datetime
from typing import Any

from accounts.models import User
from config.api.session import Answer, Call, Data, Kind, endpoint, stamps
from config.api.session.parameters import Choice, Integer, Text, Timestamp, window
from datastores.events import visible_events
from orgs.errors import FieldError, Invalid
from orgs.events import is_address, record_event
from orgs.models import Event


@endpoint(
    "/org/events",
    kind=Kind.BOTH,
    operation="org.feed",
    write_operation="org.mark",
    parameters=(
        *window(),
        Choice(name="type", choices=tuple(Event.Type.values), help="Only these; of a marker: deploy or marker."),
        Integer(name="limit", default=100, least=1, most=1000),
        Text(name="name", writes=True, help="Posts a marker, such as a deploy, which graphs show."),
        Timestamp(name="timestamp", writes=True, help="When it happened; now without it."),
        Text(name="description", writes=True, limit=10_000),
        Text(name="url", writes=True, limit=2000),
    ),
    example={"name": "checkout 2.14.0", "url": "https://ci.example.com/builds/981"},
)
def events(call: Call, *, since: int, until: int, type: str | None, limit: int, name: str | None, **marker: Any) -> Data | Answer:
    """The activity feed, newest first: trainings, exclusions, alerts that were sent, people, settings, deploys.

    With `name`, POST adds a marker first; the answer is the feed with it.
    """
    if name is not None or any(value is not None for value in marker.values()):
        post_marker(call, name or "", type=type, **marker)
        at = call.now_s if marker["timestamp"] is None else marker["timestamp"]
        type, since, until = None, min(since, at), max(until, at)
    found = visible_events(call.caller).between(moment(since), moment(until + 1))  # type: ignore[arg-type, attr-defined]  # the operation lets nobody else in; an EventQuerySet
    rows = (found.filter(type=type) if type else found).order_by("-timestamp", "-pk")[:limit]
    return {"events": [event_shown(event, call) for event in rows]}


def post_marker(call: Call, name: str, *, type: str | None, timestamp: int | None, description: str | None, url: str | None) -> None:
    """Raises Invalid for an empty name, an address that is none, and a type that only the product itself posts."""
    errors = [] if name else [FieldError(("name",), "required", "A marker has a name.")]
    if type not in (None, *Event.POSTED):
        errors.append(FieldError(("type",), "invalid", "What is posted is deploy or marker."))
    if url and not is_address(url):
        errors.append(FieldError(("url",), "invalid", "This is no http or https address."))
    if errors:
        raise Invalid("The marker cannot be posted like this.", errors=errors)
    record_event(
        call.org.pk,
        type=type or Event.Type.DEPLOY,
        name=name,
        description=description or "",
        url=url or "",
        timestamp=call.now if timestamp is None else moment(timestamp),
        user_id=call.caller.pk if isinstance(call.caller, User) else None,
    )


def moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def event_shown(event: Event, call: Call) -> dict[str, Any]:
    told = stamps("", event.timestamp, call.zone)
    return {
        "id": event.pk, "type": event.type, "name": event.name, "description": event.description, "url": event.url,
        "timestamp": told["_timestamp"], "timestamp_string": told["_string"],
        "user_id": event.user_id, "metric_id": event.metric_id, "anomaly_id": event.anomaly_id,
    }  # fmt: skip
