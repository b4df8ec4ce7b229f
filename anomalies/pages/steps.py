"""The steps that the inbox offers for many anomalies at once: what each asks for, and the change that it is, as the API takes it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta, tzinfo
from types import MappingProxyType
from typing import Any, Final

from django.http import QueryDict
from rest_framework.exceptions import ErrorDetail

from anomalies.api.bulk import as_json
from anomalies.api.bulk_serializers import BulkByFilterChangeSerializer
from anomalies.models import Anomaly
from orgs.errors import FieldError, Invalid

MORNING: Final = time(9)
NAPS: Final = {
    "1h": "for an hour", "4h": "for 4 hours", "tomorrow": "until tomorrow, 9:00", "week": "until Monday, 9:00", "until": "until…",
    "count": "for so many more occurrences…", "weight": "until it weighs more than…", "band": "until the value is back in its band",
}  # fmt: skip


@dataclass(frozen=True)
class StepKind:
    """One step. `asks` names the field that it cannot do without; `leaves`: the anomalies go to another tab by it."""

    label: str
    done: str
    asks: str = ""
    leaves: bool = False


STEPS: Final[Mapping[str, StepKind]] = MappingProxyType(
    {
        "acknowledge": StepKind("Acknowledge", "acknowledged"),
        "activate": StepKind("Back to active", "active again"),
        "assign": StepKind("Assign", "assigned", asks="person"),
        "unassign": StepKind("Take away from", "taken away", asks="person"),
        "tag": StepKind("Tag", "tagged", asks="tag"),
        "untag": StepKind("Untag", "untagged", asks="tag"),
        "snooze": StepKind("Snooze", "snoozed", asks="snooze", leaves=True),
        "wake": StepKind("Un-snooze", "un-snoozed", leaves=True),
        "archive": StepKind("Archive", "archived", asks="reason", leaves=True),
        "restore": StepKind("Restore", "restored", leaves=True),
    }
)


def change_of(name: str, sent: QueryDict, *, now: datetime, zone: tzinfo) -> dict[str, Any] | None:
    """The change as it is kept; None while what the step asks for has not been said. Raises Invalid with what does not do."""
    asks = STEPS[name].asks
    if asks and not any(value.strip() for value in sent.getlist(asks)):
        return None
    serializer = BulkByFilterChangeSerializer(data=raw_change(name, sent, now=now, zone=zone))
    if not serializer.is_valid():
        raise Invalid("", errors=[FieldError(("body", name), "invalid", text) for text in texts_of(serializer.errors)])
    return as_json(serializer.validated_data)


def raw_change(name: str, sent: QueryDict, *, now: datetime, zone: tzinfo) -> dict[str, Any]:
    people, tags = sent.getlist("person"), sent.getlist("tag")
    match name:
        case "acknowledge":
            return {"status": Anomaly.Status.ACKNOWLEDGED.value}
        case "activate":
            return {"status": Anomaly.Status.ACTIVE.value}
        case "restore":
            return {"restore": True}
        case "wake":
            return {"wake": True}
        case "assign" | "unassign":
            return {"assignee_ids_add" if name == "assign" else "assignee_ids_remove": people}
        case "tag" | "untag":
            return {"tags_add" if name == "tag" else "tags_remove": tags}
        case "snooze":
            return {"snooze": nap(sent, now=now, zone=zone)}
    comment = sent.get("comment", "").strip()
    return {"archive": {"status": sent.get("reason", "")} | ({"comment": comment} if comment else {})}


def nap(sent: QueryDict, *, now: datetime, zone: tzinfo) -> dict[str, Any]:
    """The sleep as the API takes it."""
    chosen, number = sent.get("snooze", ""), sent.get("number", "").strip()
    if chosen in ("count", "weight"):
        return {chosen: number}
    if chosen == "band":
        return {"back_in_band": True}
    return {"until": until(chosen, sent.get("until", "").strip(), now=now, zone=zone)}


def until(chosen: str, typed: str, *, now: datetime, zone: tzinfo) -> str:
    """The moment in ISO 8601; what was typed has no zone and is meant in the reader's."""
    here = now.astimezone(zone)
    if chosen in ("1h", "4h"):
        return (now + timedelta(hours=int(chosen[0]))).isoformat()
    if chosen in ("tomorrow", "week"):
        days = 1 if chosen == "tomorrow" else 7 - here.weekday()
        return datetime.combine(here.date() + timedelta(days=days), MORNING, zone).isoformat()
    try:
        return datetime.fromisoformat(typed).replace(tzinfo=zone).isoformat()
    except ValueError:
        return typed


def texts_of(errors: Any) -> list[str]:
    """The sentences in a serializer's errors."""
    if isinstance(errors, ErrorDetail):
        return [str(errors)]
    found = errors.values() if isinstance(errors, Mapping) else errors
    return [text for one in found for text in texts_of(one)]
